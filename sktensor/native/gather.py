"""Rows of a sparse matrix as a dense block of some columns, and what is to be known of its indices, by CPU kernels."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.native import abi, loader

__all__ = ["ColumnGatherer", "Gatherer", "gathers", "indices_ascend"]

Array = npt.NDArray[Any]

_known = (np.dtype(np.float32), np.dtype(np.float64))
_indices = (np.dtype(np.int32), np.dtype(np.int64))


def gathers(X: Any) -> bool:
    """Whether the kernels are there and read such a matrix: of float32 or float64 values and indices of one dtype."""
    parts = X.indptr, X.indices, X.data
    return (
        X.data.dtype in _known
        and X.indices.dtype in _indices
        and X.indptr.dtype == X.indices.dtype
        and all(part.flags.c_contiguous for part in parts)
        and loader.library() is not None
    )


def indices_ascend(X: Any) -> bool:
    """Whether the indices of a CSR or CSC matrix are known to be in range and to ascend within each row or column.

    False, too, where no kernel can tell.
    """
    kernels = loader.library()
    ends, indices = X.indptr, X.indices
    n_major, n_minor = X.shape if X.format == "csr" else X.shape[::-1]
    if (
        kernels is None
        or indices.dtype not in _indices
        or ends.dtype != indices.dtype
        or len(ends) != n_major + 1
        or len(X.data) != len(indices)
        or not (ends.flags.c_contiguous and indices.flags.c_contiguous)
    ):
        return False
    rows = abi.CsrStructure(
        loader.address(ends), loader.address(indices), None, n_major, n_minor, len(indices), indices.itemsize, 0
    )
    return bool(kernels.indices_ascend(ctypes.addressof(rows), kernels.isa))


class Gatherer:
    """What writes rows of a matrix into a block, and takes them out of it again.

    Parameters
    ----------
    X : csr_matrix or csr_array of shape (n, F)
        Of which :func:`gathers` holds.
    place : ndarray of int32, shape (F,) or longer, optional
        Where a column's values go in the block, its width or more for those that are left out; None for all columns.
    block : ndarray of float32 or float64, shape (m, U)
        Filled with `absent`, of positive strides.
    absent : float
        What stands for absent entries.
    """

    def __init__(self, X: Any, place: Array | None, block: Array, absent: float) -> None:
        kernels: Any = loader.library()
        self._kernels, self._kept = kernels, (X.indptr, X.indices, X.data, place, block)
        self._rows, self._block = _matrix(X, X.shape[1]), _dense(block, place, absent)
        self._addresses = ctypes.addressof(self._rows), ctypes.addressof(self._block)

    def write(self, first: int, n: int) -> None:
        """Write rows ``first : first + n``; of repeated entries, the last one."""
        self._kernels.check(self._kernels.gather(*self._addresses, first, n, 0, self._kernels.isa))

    def clear(self, first: int, n: int) -> None:
        """Have absent entries wherever these rows were written."""
        self._kernels.check(self._kernels.gather(*self._addresses, first, n, 1, self._kernels.isa))


class ColumnGatherer:
    """What writes the rows of a matrix that lies by columns into a block, from the first row on.

    Parameters
    ----------
    X : csc_matrix or csc_array of shape (n, F)
        Of which :func:`gathers` and :func:`indices_ascend` hold.
    columns : ndarray of intp, shape (U,), optional
        The columns of the block; None for all.
    block : ndarray of float32 or float64, shape (m, U)
        Of positive strides; fastest in Fortran order.
    absent : float
        What stands for absent entries.
    """

    def __init__(self, X: Any, columns: Array | None, block: Array, absent: float) -> None:
        begins = X.indptr[:-1] if columns is None else X.indptr[columns]
        self._columns = None if columns is None else np.ascontiguousarray(columns, dtype=np.int64)
        self._next = begins.astype(np.int64)
        kernels: Any = loader.library()
        self._kernels, self._kept = kernels, (X.indptr, X.indices, X.data, block)
        self._matrix, self._block = _matrix(X, X.shape[0]), _dense(block, None, absent)
        self._addresses = (
            ctypes.addressof(self._matrix), ctypes.addressof(self._block),
            None if self._columns is None else loader.address(self._columns), loader.address(self._next),
        )  # fmt: skip

    def write(self, first: int, n: int) -> None:
        """Write all cells of rows ``first : first + n``, `first` being where the rows before ended."""
        self._kernels.check(self._kernels.gather_columns(*self._addresses, first, n, self._kernels.isa))


def _matrix(X: Any, n_minor: int) -> abi.CsrStructure:
    """A CSR matrix; or a CSC matrix as its transpose."""
    return abi.CsrStructure(
        loader.address(X.indptr), loader.address(X.indices), loader.address(X.data), len(X.indptr) - 1, n_minor,
        min(len(X.indices), len(X.data)), X.indices.itemsize, abi.DTYPES[X.data.dtype.name],
    )  # fmt: skip


def _dense(block: Array, place: Array | None, absent: float) -> abi.DenseStructure:
    item = block.itemsize
    return abi.DenseStructure(
        None if place is None else loader.address(place), loader.address(block), *block.shape,
        block.strides[0] // item, block.strides[1] // item, absent, abi.DTYPES[block.dtype.name], 0,
    )  # fmt: skip
