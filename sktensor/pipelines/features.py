"""What steps give as the trees of the last step see it, by the rules of its forest."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.forest import TINY, Forest
from sktensor.forest.known_numbers import places_in

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
        In the forest's feature dtype, as they are compared; of columns of categories of its own, their numbers.
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
        tables = inputs.categories if inputs.reads_values else None
        if inputs.ints_as_float32 and values.dtype not in (np.float32, np.float64):
            values = values.astype(np.float32)  # as LightGBM's Python package does
        with np.errstate(all="ignore"):
            cast = values.astype(forest.trees.feature_dtype)
        for j, table in enumerate(tables or ()):
            if table is not None:
                cast[:, j] = _numbers_of_categories(values[:, j], table)
        if inputs.missing_value is not None:
            absent = absent | (cast == inputs.missing_value)
        if inputs.flush_tiny and not self.is_sparse:
            cast[np.abs(cast) <= TINY] = 0.0
        self.numbers: Array = cast.astype(np.float64)
        self.missing: Array = absent | np.isnan(cast)


def _numbers_of_categories(values: Array, table: Array) -> Array:
    """The numbers of values in a table of the last step's; NaN for those that it lacks."""
    if table.dtype.kind not in "biuf" or np.isinf(values).any():
        raise UnsupportedModelError("the last step takes no such numbers for categories")
    return places_in(values, table)


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
    if inputs.reads_values and inputs.categories is None:
        raise UnsupportedModelError("it looks up categories of its own")
