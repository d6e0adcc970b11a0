"""Sparse rows: which are refused, what repeated entries mean, and dense blocks of the columns that trees look at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Forest
from sktensor.native.finite import all_finite
from sktensor.native.gather import ColumnGatherer, Gatherer, gathers, indices_ascend

__all__ = ["as_csr", "as_csr_or_csc", "dense_blocks", "few_cells", "is_csc", "is_csc_matrix", "is_sparse"]

Array = npt.NDArray[Any]

# Wider forests find the place of a column by bisection rather than in a table of all columns.
MOST_TABLED = 2**24

# Up to so many cells in all, rows are faster made dense by numpy.
FEW_CELLS = 512

# Cells of a dense block that are filled in the time in which one entry is taken out of it.
CELLS_FILLED = 8


def is_sparse(X: Any) -> bool:
    """Whether X is a scipy sparse matrix or array, without loading scipy."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and sparse.issparse(X)


def is_csc(X: Any) -> bool:
    """Whether X is a scipy sparse matrix or array in CSC format."""
    return is_sparse(X) and X.format == "csc"


def is_csc_matrix(X: Any) -> bool:
    """Whether X is a ``scipy.sparse.csc_matrix``, which some libraries read otherwise than a ``csc_array``."""
    return X.format == "csc" and not isinstance(X, sys.modules["scipy.sparse"].sparray)


def few_cells(X: Any, forest: Forest) -> Array | None:
    """A small COO matrix as one array, which takes less time than CSR rows take to make; None for any other.

    Nor for entries that are malformed, repeated or in another order than that of the cells, or not finite: of those,
    libraries have rules.
    """
    n, width = X.shape
    if X.format != "coo" or n * width > FEW_CELLS or X.data.dtype.char not in "fd":
        return None
    row, column = X.coords if hasattr(X, "coords") else (X.row, X.col)
    if not (row.dtype.kind == column.dtype.kind == "i" and len(row) == len(column) == len(X.data)):
        return None
    cell = row.astype(np.int64) * width + column
    if len(cell) and (column.min() < 0 or column.max() >= width or cell[0] < 0 or cell[-1] >= n * width):
        return None
    with np.errstate(over="ignore"):
        values = X.data.astype(forest.trees.feature_dtype)
    if (cell[1:] <= cell[:-1]).any() or not np.isfinite(values).all():
        return None
    absent = np.nan if forest.inputs.sparse_absent == "missing" else 0.0
    found: Array = np.full(n * width, absent, dtype=forest.trees.feature_dtype)
    found[cell] = values
    return found.reshape(n, width)


def as_csr_or_csc(X: Any, forest: Forest) -> Any:
    """Sparse rows as a matrix of which :func:`dense_blocks` makes blocks: what :func:`as_csr` gives, or X itself.

    A conversion of CSC takes as long as a small forest.
    """
    if X.format == "csc" and gathers(X) and indices_ascend(X):
        return X
    return as_csr(X, forest)


def as_csr(X: Any, forest: Forest) -> Any:
    """Sparse rows as CSR rows in which the last of repeated entries counts.

    Parameters
    ----------
    X : sparse matrix or array of shape (n, F)
        Of any format. It is only read.
    forest : Forest
        Whose library says what repeated entries mean.

    Returns
    -------
    csr_matrix or csr_array
        With indices that have been checked; where nothing is to do, X itself.

    Raises
    ------
    ValueError
        If indices point outside of X, which would read memory that is not its own, or do not hold together; or if
        the library refuses repeated entries.
    """
    if X.format in ("csr", "csc") and indices_ascend(X):  # then no entry is repeated
        return X.tocsr()
    if X.format == "coo" and (rows := _rows_of_coo(X)) is not None:
        return rows
    _check_indices(X)
    rule, given = forest.inputs.sparse_repeated, X
    if rule == "last_or_first" and is_csc_matrix(X):
        X = _first_of_columns(X)
    X = X.tocsr()  # of a COO matrix that is not marked as canonical, this adds, as in the libraries
    if given.format not in ("csr", "csc", "coo"):
        _check_indices(X)
    elif X.nnz == given.nnz and indices_ascend(X):
        return X
    if rule == "sum":
        if _least_step(X) <= 0:
            X = X.copy()
            X.has_canonical_format = False
            X.sum_duplicates()
    elif rule == "sum_if_cast":
        # sklearn.utils.check_array casts by `astype`, which adds entries after the cast [scipy/sparse/_data.py].
        if X.dtype != forest.trees.feature_dtype and _least_step(X) <= 0:
            with np.errstate(over="ignore"):
                X = X.astype(forest.trees.feature_dtype)
    elif rule == "refused":
        _refuse_repeated(X, given)
    elif rule == "last" and X.nnz > X.shape[0] * X.shape[1] and not _is_csr_matrix(given):
        raise ValueError(  # [XGBoost src/data/data.cc SimpleDMatrix: num_nonzero_ <= num_col_ * num_row_]
            f"X is a {type(given).__name__} with more entries than cells: {X.nnz}, shape {given.shape}. The "
            "library refuses it. Call X.sum_duplicates() first if repeated entries are to be added."
        )
    return X


def dense_blocks(
    X: Any, forest: Forest, columns: Array | None, n_rows: int, late_check: Callable[[Any], None] | None = None
) -> Iterator[tuple[int, Array]]:
    """The rows of a sparse matrix as arrays, absent entries standing for what the library takes them for.

    Parameters
    ----------
    X : CSR or CSC matrix or array of shape (n, F)
        As of :func:`as_csr_or_csc`.
    forest : Forest
        The forest that asks.
    columns : ndarray of int, shape (U,), optional
        ``forest.used_columns``, where nothing but these columns is wanted.
    n_rows : int
        Rows of an array, at most.
    late_check : callable, optional
        Called with X as CSR, once, before the first block with an entry that is not finite.

    Yields
    ------
    start : int
        The number of the first row.
    block : ndarray of the forest's feature dtype, shape (m, U) or (m, F)
        In C order, of a CSC matrix in Fortran order. Overwritten when the next one is asked for: of a CSR matrix only
        the cells of entries are, since most have none.
    """
    n, width = X.shape[0], X.shape[1] if columns is None else len(columns)
    absent = np.nan if forest.inputs.sparse_absent == "missing" else 0.0
    if X.format == "csc":
        if gathers(X):
            yield from _blocks_of_columns(X, forest, columns, n_rows, absent, late_check)
            return
        X = X.tocsr()
    dense = np.full((min(n, n_rows), width), absent, dtype=forest.trees.feature_dtype)
    if gathers(X) and (columns is None or forest.n_features <= MOST_TABLED):
        gatherer = Gatherer(X, None if columns is None else forest.trees.place, dense, absent)
        for start in range(0, n, n_rows):
            n_here = min(n_rows, n - start)
            begin, end = X.indptr[start], X.indptr[start + n_here]
            if late_check is not None and not all_finite(X.data[begin:end, None], forest.trees.feature_dtype):
                late_check(X)
                late_check = None
            gatherer.write(start, n_here)
            yield start, dense[:n_here]
            if start + n_here == n:
                return
            if n_here * width < CELLS_FILLED * int(end - begin):
                dense.fill(absent)
            else:
                gatherer.clear(start, n_here)
        return
    if late_check is not None:
        late_check(X)
    cells = dense.reshape(-1)  # a view
    for start in range(0, n, n_rows):
        ends = X.indptr[start : start + n_rows + 1]
        column, values = X.indices[ends[0] : ends[-1]], X.data[ends[0] : ends[-1]]
        cell = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        if columns is not None:
            column = _places(column, forest, columns)
            kept = np.flatnonzero(column < width)
            column, values, cell = column[kept], values[kept], cell[kept]
        cell = cell * width + column
        with np.errstate(over="ignore"):  # 1e300 becomes inf, as in the libraries
            if forest.inputs.ints_as_float32 and values.dtype not in (np.float32, np.float64):
                # LightGBM's Python package hands anything else over as float32 [basic.py, _data_from_numpy].
                values = values.astype(np.float32)
            cells[cell] = values
        yield start, dense[: len(ends) - 1]
        cells[cell] = absent


def _blocks_of_columns(
    X: Any, forest: Forest, columns: Array | None, n_rows: int, absent: float, late_check: Callable[[Any], None] | None
) -> Iterator[tuple[int, Array]]:
    """The blocks of a CSC matrix, read column by column."""
    n, width = X.shape[0], X.shape[1] if columns is None else len(columns)
    if late_check is not None and not all_finite(X.data[: X.indptr[-1], None], forest.trees.feature_dtype):
        late_check(X.tocsr())
    dense = np.empty((min(n, n_rows), width), dtype=forest.trees.feature_dtype, order="F")
    gatherer = ColumnGatherer(X, columns, dense, absent)
    for start in range(0, n, n_rows):
        n_here = min(n_rows, n - start)
        gatherer.write(start, n_here)
        yield start, dense[:n_here]


def _places(column: Array, forest: Forest, columns: Array) -> Array:
    """Where columns stand among those that the trees look at; of all others, their number."""
    if forest.n_features <= MOST_TABLED:
        return forest.trees.place[column]
    found = np.searchsorted(columns, column)
    found[columns[np.minimum(found, len(columns) - 1)] != column] = len(columns)
    return found


def _rows_of_coo(X: Any) -> Any | None:
    """A COO matrix with entries in the order of rows, none repeated, as CSR rows, of which nothing but ends is new.

    None for any other.
    """
    row, column = X.coords if hasattr(X, "coords") else (X.row, X.col)
    if not (row.dtype == column.dtype and row.dtype.kind == "i" and len(row) == len(column) == len(X.data)):
        return None
    if len(row) and (row[0] < 0 or row[-1] >= X.shape[0] or (row[1:] < row[:-1]).any()):
        return None
    sparse = sys.modules["scipy.sparse"]
    ends = np.zeros(X.shape[0] + 1, dtype=row.dtype)
    np.cumsum(np.bincount(row, minlength=X.shape[0]), out=ends[1:])
    container = sparse.csr_array if isinstance(X, sparse.sparray) else sparse.csr_matrix
    rows = container((X.data, column, ends), shape=X.shape)
    return rows if indices_ascend(rows) else None


def _check_indices(X: Any) -> None:
    if X.format == "coo":
        row, column = X.coords if hasattr(X, "coords") else (X.row, X.col)
        if not len(row) == len(column) == len(X.data):
            _refuse(X, f"{len(row)} rows, {len(column)} columns and {len(X.data)} values do not make entries")
        _check_range(X, "row", row, X.shape[0])
        _check_range(X, "column", column, X.shape[1])
    elif X.format in ("csr", "csc", "bsr"):
        n_major, n_minor = X.shape
        words = "row", "column"
        if X.format == "csc":
            n_major, n_minor, words = n_minor, n_major, words[::-1]
        if X.format == "bsr":
            n_major, n_minor = n_major // X.blocksize[0], n_minor // X.blocksize[1]
        ends, n_entries = X.indptr, len(X.indices)
        if len(ends) != n_major + 1:
            _refuse(X, f"indptr has {len(ends)} elements and needs {n_major + 1}, one for each {words[0]} and one more")
        if len(X.data) != n_entries:
            _refuse(X, f"it has {n_entries} indices and {len(X.data)} values")
        if ends[0] != 0 or ends[-1] > n_entries or (ends[1:] < ends[:-1]).any():
            _refuse(X, f"indptr has to ascend from 0 to at most the number of entries, {n_entries}")
        _check_range(X, words[1], X.indices[: ends[-1]], n_minor)


def _check_range(X: Any, what: str, index: Array, size: int) -> None:
    if index.dtype.kind == "i":  # a negative number is beyond all others as one without a sign
        index = index.view(f"u{index.dtype.itemsize}")
    if len(index) and index.max() >= size:
        index = index.view(index.dtype.str.replace("u", "i"))
        wrong = index[(index < 0) | (index >= size)][0]
        _refuse(X, f"it has an entry in {what} {wrong}, and {size} {what}s")


def _refuse(X: Any, problem: str) -> None:
    raise ValueError(
        f"X is a malformed {type(X).__name__}: {problem}. The library would read memory that is not X's. Build X by "
        "scipy.sparse's constructors from valid indices; X.check_format() tells whether they are."
    )


def _is_csr_matrix(X: Any) -> bool:
    return X.format == "csr" and not isinstance(X, sys.modules["scipy.sparse"].sparray)


def _least_step(X: Any) -> int:
    """The least difference of neighbours within a row or column: 0 if an index is repeated, negative if unsorted."""
    index = X.indices[: X.indptr[-1]]
    if len(index) < 2:
        return 1
    step = np.diff(index)
    first = X.indptr[1:-1]
    step[first[(first > 0) & (first < len(index))] - 1] = 1
    return int(step.min())


def _first_of_columns(X: Any) -> Any:
    """A CSC matrix as LightGBM reads it [src/c_api.cpp, CSC_RowIterator].

    For each row it goes on to the first entry of the column that is not before that row: those that come behind a later
    or the same row are never looked at.
    """
    if _least_step(X) > 0:
        return X
    index = X.indices[: X.indptr[-1]]
    cell = index + X.shape[0] * np.repeat(np.arange(X.shape[1]), np.diff(X.indptr))
    kept = np.ones(len(index), dtype=bool)
    kept[1:] = cell[1:] > np.maximum.accumulate(cell)[:-1]
    ends = np.concatenate([[0], np.cumsum(kept)])[X.indptr]
    return type(X)((X.data[: len(index)][kept], index[kept], ends), shape=X.shape)


def _refuse_repeated(X: Any, given: Any) -> None:
    """Refuse what CatBoost does [catboost/libs/helpers/sparse_array-inl.h: indices array is not increasing]."""
    least = _least_step(X)
    if least < 0:
        least = _least_step(X.sorted_indices())
    if least == 0 or (given.format == "coo" and X.nnz < given.nnz):
        raise ValueError(
            f"X is a {type(given).__name__} with repeated entries, which the library refuses. Call X.sum_duplicates() "
            "first if they are to be added."
        )
