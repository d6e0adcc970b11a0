"""What steps give as the trees of the last step see it, by the rules of its forest."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.forest import TINY, Forest

__all__ = ["Features", "check_inputs"]

Array = npt.NDArray[Any]


class Features:
    """Numbers of some steps' output, and which of them are missing to the trees.

    Parameters
    ----------
    given : ndarray, sparse matrix or data frame of shape (n, F)
        What the steps give.
    forest : Forest
        The last step's.

    Attributes
    ----------
    numbers : ndarray of float64, shape (n, F)
        In the forest's feature dtype, as they are compared.
    missing : ndarray of bool, shape (n, F)
        Which of them are missing instead.
    is_sparse : bool
        Whether `given` was a sparse matrix.
    uncast : ndarray of shape (n, F)
        The numbers as the steps give them.
    """

    def __init__(self, given: Any, forest: Forest) -> None:
        inputs = forest.inputs
        self.is_sparse = hasattr(given, "tocsr")
        if self.is_sparse:
            if inputs.sparse_absent == "refused":
                raise UnsupportedModelError("the last step takes no sparse rows")
            rows = given.tocsr()
            values = rows.toarray()
            absent = np.zeros(values.shape, dtype=bool)
            if inputs.sparse_absent == "missing":
                stored = rows.copy()
                stored.data = np.ones(len(rows.data), dtype=np.int8)
                absent = stored.toarray() == 0
        else:
            values = _array(given)
            absent = np.zeros(values.shape, dtype=bool)
        self.uncast: Array = values
        if inputs.ints_as_float32 and values.dtype not in (np.float32, np.float64):
            values = values.astype(np.float32)  # as LightGBM's Python package does
        with np.errstate(all="ignore"):
            cast = values.astype(forest.trees.feature_dtype)
        if inputs.missing_value is not None:
            absent = absent | (cast == inputs.missing_value)
        if inputs.flush_tiny and not self.is_sparse:
            cast[np.abs(cast) <= TINY] = 0.0
        self.numbers: Array = cast.astype(np.float64)
        self.missing: Array = absent | np.isnan(cast)


def _array(given: Any) -> Array:
    """The numbers of an array, or of a frame of one dtype."""
    if isinstance(given, np.ndarray):
        values = given
    else:
        values = np.asarray(given)
        kinds = {str(dtype) for dtype in given.dtypes}
        if len(kinds) > 1:
            raise UnsupportedModelError("the steps give a frame with columns of several dtypes")
    if values.dtype.kind not in "biuf" or values.ndim != 2:
        raise UnsupportedModelError(f"the steps give {values.dtype} values")
    return values


def check_inputs(forest: Forest) -> None:
    """Refuse forests of which more than the trees' questions depends on the columns.

    Raises
    ------
    UnsupportedModelError
        Saying why.
    """
    trees, inputs = forest.trees, forest.inputs
    if trees.lin_off is not None:
        raise UnsupportedModelError("its leaves are linear in the columns that they are given")
    if inputs.derived_key is not None or inputs.hashed is not None:
        raise UnsupportedModelError("it hashes categories")
    if inputs.reads_values:
        raise UnsupportedModelError("it looks up categories of its own")
