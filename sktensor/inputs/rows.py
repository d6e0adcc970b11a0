"""X as rows of the forest's columns: arrays, sparse matrices, tensors, and columns that lie apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from sktensor.forest import NO_FLUSH, Forest
from sktensor.inputs.categories import Factorized, category_numbers, category_texts
from sktensor.inputs.ctr_features import CtrColumns
from sktensor.inputs.sparse import dense_blocks, is_csc, is_sparse
from sktensor.inputs.tensors import is_tensor, on_host
from sktensor.native.finite import columns_are_finite

if TYPE_CHECKING:
    import torch

__all__ = [
    "IN_PLACE",
    "Columns",
    "Rows",
    "as_columns",
    "as_rows",
    "check_rounding",
    "exchanged",
    "from_sequence",
    "is_exchangeable",
    "is_sparse",
    "is_tensor",
    "looked_up",
]


# Dtypes that kernels read, in native byte order.
IN_PLACE = (np.dtype(np.float32), np.dtype(np.float64))

# Rows that are cast together, at most, and the memory for them: large enough that the cast costs little more than its
# arithmetic.
ROWS_CAST_TOGETHER = 16_384
BYTES_CAST_TOGETHER = 8 * 2**20

# The same of columns that lie apart, of which each is cast by a call of its own.
BYTES_OF_COLUMNS = 32 * 2**20

# Of rows that a kernel reads next: what a second-level cache holds, but no fewer than kernels take at once.
BYTES_NEAR = 2**20
LEAST_NEAR = 512

# Of frames of up to so many rows the columns are copied into one array, which kernels take sooner than many columns.
FEW_ROWS = 64

# Columns of an array that are cast together, whatever is in them, in the time in which one is picked out and cast.
FASTER_TOGETHER = 8

# The kind of device that DLPack calls kDLCPU.
HOST = 1


def is_exchangeable(X: Any) -> bool:
    """Whether X is an array of another library that speaks DLPack, and numpy understands nothing else that it speaks.

    CuPy's arrays have ``__array__`` to say that they do not go to the host unasked.
    """
    if not hasattr(X, "__dlpack__") or is_tensor(X):
        return False
    return not hasattr(X, "__array__") or X.__dlpack_device__()[0] != HOST


def exchanged(X: Any) -> Any:
    """An array of another library as a numpy array, or as a tensor if it is not in the host's memory; not copied."""
    if X.__dlpack_device__()[0] == HOST:
        return np.from_dlpack(X)
    import torch

    return torch.utils.dlpack.from_dlpack(X)  # type: ignore[attr-defined]


def as_rows(X: Any, forest: Forest, *, flush: bool = True) -> Rows:
    """Rows of an array, CSR matrix or tensor, with values of categories looked up where the trees see something else.

    Parameters
    ----------
    X : ndarray, CSR matrix or torch.Tensor of shape (n, F)
        Of any dtype; no CSR matrix where values are looked up.
    forest : Forest
        The forest that asks.
    flush : bool
        Whether what holds X is flushed as `flush_tiny` says: LightGBM flushes the rows of arrays, pandas frames and
        CSC matrices, but not those of CSR and COO matrices, polars and pyarrow
        [LightGBM src/c_api.cpp RowPairFunctionFromDenseMatric, RowFunctionFromCSR].

    Returns
    -------
    Rows
        Where nothing has to be looked up, those of X itself.

    Raises
    ------
    ValueError
        If a column holds what the library would not take there.
    """
    inputs = forest.inputs
    if not inputs.reads_values:
        if type(X) is Columns and len(X) <= FEW_ROWS:
            X = X.as_array(forest.trees.feature_dtype)
        in_place = type(X) is np.ndarray and X.dtype in IN_PLACE
        return Rows(X, inputs.flush_limit if flush else NO_FLUSH, inputs.missing_value, None, in_place)
    if is_tensor(X):
        import torch

        rows = as_rows(on_host(X), forest)
        return replace(rows, data=torch.from_numpy(rows.data[:]).to(X.device))
    return looked_up(range(X.shape[1]), list(X.T), len(X), forest)


def looked_up(names: Any, columns: Iterable[npt.NDArray[Any] | Factorized], n_rows: int, forest: Forest) -> Rows:
    """Columns with the values of categories replaced by what the trees compare: numbers, or derived columns."""
    tables = forest.inputs.categories or (None,) * len(names)
    texts: dict[int, Factorized] = {}
    numbers: dict[int, npt.NDArray[Any]] = {}
    for j, (name, column, table) in enumerate(zip(names, columns, tables, strict=True)):
        if forest.inputs.hashed is not None and forest.inputs.hashed[j]:
            texts[j] = category_texts(name, column)
        elif table is not None:
            numbers[j] = category_numbers(name, column, table)
        elif isinstance(column, Factorized):
            numbers[j] = _as_numbers(name, column.column(), forest)
        else:
            numbers[j] = column if column.dtype in IN_PLACE else _as_numbers(name, column, forest)
    if forest.inputs.key_off is not None:
        data: Any = CtrColumns(numbers, texts, n_rows, forest)
    else:  # without derived columns no tree looks at a text
        unread = np.zeros(n_rows if texts else 0, dtype=np.float32)
        data = Columns(tuple(numbers.get(j, unread) for j in range(len(numbers) + len(texts))), n_rows)
        if n_rows <= FEW_ROWS:
            data = data.as_array(forest.trees.feature_dtype)
            return Rows(data, forest.inputs.flush_limit, forest.inputs.missing_value, None, True)
    return Rows(data, forest.inputs.flush_limit, forest.inputs.missing_value)


def _as_numbers(name: Any, values: npt.NDArray[Any], forest: Forest) -> npt.NDArray[Any]:
    """A column of anything that may be read as numbers; None is missing."""
    try:
        with np.errstate(over="ignore"):
            return values.astype(np.float64 if values.dtype.kind in "OUS" else forest.trees.feature_dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Column {name!r} holds something else than numbers: {error}.") from error


def from_sequence(X: Any, forest: Forest) -> Any:
    """Convert a list of rows, or anything else without a dtype, to an array of numbers; unchanged if it is none."""
    if (numbers := _parsed(X, forest)) is not None:
        return numbers
    try:
        found = np.asarray(X)
    except ValueError:  # scikit-learn's validation has the better message
        return X
    if found.dtype.kind not in "biuf":
        kind = found.dtype.kind  # errors about text are clearer for the list itself
        return X if kind in "OcV" or (kind in "SU" and kind in forest.inputs.array_kinds) else found
    check_rounding("X", found, forest)
    return found


def _parsed(X: Any, forest: Forest) -> npt.NDArray[Any] | None:
    """A list of rows in the features' dtype, without looking for one of all elements, which takes longer than a tree.

    None where that may not be what the library does: where it takes no text or times of arrays, it looks at the dtype;
    and integers beyond those that float64 holds are rounded in another way.
    """
    if type(X) is not list or not {"S", "U", "m", "M"} <= set(forest.inputs.array_kinds):
        return None
    try:
        if type(X[0][0]) is not float:
            return None
        with np.errstate(over="ignore"):  # 1e300 becomes inf, as in the libraries
            found = np.asarray(X, dtype=forest.trees.feature_dtype)
    except Exception:  # the slower way words it, or takes it
        return None
    if found.ndim != 2 or max(-np.fmin.reduce(found, axis=None), np.fmax.reduce(found, axis=None)) >= 2**53:
        return None
    return found


def check_rounding(what: str, values: npt.NDArray[Any], forest: Forest) -> None:
    """Refuse integers that float32 rounds otherwise at once than by way of float64.

    Which of the two a library does depends on what stands beside them: scikit-learn looks for a dtype common to all
    columns of a frame, XGBoost does not. One in hundreds of millions is such an integer, and none below 2**53.
    """
    if forest.trees.feature_dtype != "float32" or values.dtype.kind not in "iu" or not values.size:
        return
    if -(2**53) <= values.min() and values.max() <= 2**53:
        return
    differ = values.astype(np.float32) != values.astype(np.float64).astype(np.float32)
    if differ.any():
        raise ValueError(
            f"{what} holds {values[differ][0]}, which float32 rounds in two ways, at once or by way of float64, and "
            "which of them the library takes depends on what stands beside it. Give floating-point numbers instead."
        )


@dataclass(frozen=True)
class Columns:
    """The columns of a frame, each where it lies.

    Parameters
    ----------
    arrays : tuple of ndarray, shape (n,)
        The columns: of float32 or float64, or of integers or booleans as well if there is a `cast`.
    n_rows : int
        Their length.
    cast : str, optional
        The dtype that columns of integers and booleans get, a part of them at a time; None where there are none.
    """

    arrays: tuple[npt.NDArray[Any], ...]
    n_rows: int
    cast: str | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n_rows, len(self.arrays)

    @property
    def dtype(self) -> np.dtype[Any]:
        """A dtype that holds the numbers of all columns."""
        dtypes = {column.dtype for column in self.arrays}
        return np.result_type(np.float32, *[dtype if dtype in IN_PLACE else self.cast for dtype in dtypes])

    def part(self, rows: slice) -> Columns:
        """Some rows of all columns, in dtypes that kernels read."""
        parts = (column[rows] for column in self.arrays)
        if self.cast is not None:
            parts = (part if part.dtype in IN_PLACE else part.astype(self.cast) for part in parts)
        return Columns(tuple(parts), len(range(*rows.indices(self.n_rows))))

    @property
    def cast_bytes(self) -> int:
        """Bytes that a row takes of the columns that are cast."""
        n_cast = sum(column.dtype not in IN_PLACE for column in self.arrays)
        return 0 if self.cast is None else n_cast * np.dtype(self.cast).itemsize

    def cast_blocks(self, n_rows: int) -> Iterator[tuple[int, Columns]]:
        """So many rows at a time in dtypes that kernels read, and the number of the first of them.

        Those that are cast are overwritten when the next ones are asked for.
        """
        cast = [i for i, column in enumerate(self.arrays) if column.dtype not in IN_PLACE]
        room = np.empty((len(cast), min(n_rows, self.n_rows)), dtype=self.cast)
        for start in range(0, self.n_rows, n_rows):
            parts = [column[start : start + n_rows] for column in self.arrays]
            n = min(n_rows, self.n_rows - start)
            for i, to in zip(cast, room[:, :n], strict=True):
                np.copyto(to, parts[i], casting="unsafe")
                parts[i] = to
            yield start, Columns(tuple(parts), n)

    def floats(self) -> Columns:
        """The columns that do not have to be cast: those of integers and booleans are finite."""
        return self if self.cast is None else self.take(j for j, c in enumerate(self.arrays) if c.dtype in IN_PLACE)

    def are_finite(self, dtype: str) -> bool:
        """Whether all values are known to be finite once they are cast; False, too, where no kernel can tell."""
        return columns_are_finite(self.arrays, dtype)

    def take(self, places: Iterable[int]) -> Columns:
        """Some of the columns."""
        return Columns(tuple(self.arrays[j] for j in places), self.n_rows, self.cast)

    def as_array(self, dtype: str) -> npt.NDArray[Any]:
        """All rows as one array of a dtype."""
        found = np.empty(self.shape, dtype=dtype)
        with np.errstate(over="ignore"):  # 1e300 becomes inf, as in the kernels
            for j, column in enumerate(self.arrays):
                found[:, j] = column
        return found

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        """Some rows as one array."""
        parts = self.part(rows).arrays
        return np.stack(parts, 1) if parts else np.empty((len(range(*rows.indices(self.n_rows))), 0), self.dtype)

    def __len__(self) -> int:
        return self.n_rows


class Check(Protocol):
    """What is left to check of rows."""

    def __call__(self, X: Any, /) -> None:
        """Raise for values that the library refuses."""
        ...


@dataclass(slots=True)  # not frozen, which takes longer to make than a row to read
class Rows:
    """Rows that have been checked, handed to the trees a batch at a time, so that no second copy of X is held.

    Parameters
    ----------
    data : ndarray, Columns, CSR or CSC matrix or torch.Tensor of shape (n, F)
        Numbers of any real dtype.
    flush_limit : float
        The absolute value up to which a value is 0.0 to the trees; negative where none is.
    missing_value : float, optional
        A value that is missing to the trees beside NaN, compared before that.
    late_check : callable, optional
        What is left to check: called with `data`, it raises for values that the library refuses. A kernel that reads
        the values anyway, and :meth:`arrays` for the entries of sparse rows, call it only when they meet one that is
        not finite, or beyond `below_exponent`; any other code calls :meth:`checked` before it starts.
    in_place : bool
        Whether `data` is known to be an array of float32 or float64 numbers, which kernels read where it lies; where
        that is not known, :meth:`arrays` finds out.
    below_exponent : int
        Of which power of two the check wants to see no value, nor any beyond; 0 for infinity.
    """

    data: Any
    flush_limit: float = NO_FLUSH
    missing_value: float | None = None
    late_check: Check | None = None
    in_place: bool = False
    below_exponent: int = 0

    def checked(self) -> Rows:
        """These rows, once nothing is left to check, as they can be cut into parts: no CSC matrix."""
        data = self.data.tocsr() if is_csc(self.data) else self.data
        if self.late_check is not None:
            self.late_check(data)
        elif data is self.data:
            return self
        return replace(self, data=data, late_check=None)

    def __len__(self) -> int:
        return int(self.data.shape[0])

    @property
    def dtype(self) -> str:
        """The dtype in which a forest of float64 features gets them from :meth:`arrays`."""
        if isinstance(self.data, np.ndarray):
            return "float32" if self.data.dtype == IN_PLACE[0] else "float64"
        return "float32" if str(self.data.dtype) == "torch.float32" else "float64"

    def lie(self) -> bool:
        """Whether the rows can be read where they lie, rather than have to be cast."""
        data = self.data
        if isinstance(data, np.ndarray):
            return data.dtype in IN_PLACE  # in native byte order
        if is_tensor(data):
            return str(data.dtype) in ("torch.float32", "torch.float64")
        return isinstance(data, Columns) and data.cast is None

    def lie_by_columns(self) -> bool:
        """Whether a row's neighbours are nearer than its next value."""
        if isinstance(self.data, Columns):
            return True
        steps = self.data.stride() if is_tensor(self.data) else getattr(self.data, "strides", None)
        return steps is not None and abs(steps[0]) < abs(steps[1])

    def is_narrow(self, forest: Forest) -> bool:
        """Whether :meth:`arrays` hands over ``forest.used_columns`` and no others: where it casts, if those are few."""
        if self.lie() or isinstance(self.data, CtrColumns):
            return False
        n_used = len(forest.trees.used_columns)
        if is_sparse(self.data) or isinstance(self.data, Columns):
            return n_used < forest.n_features
        return n_used * FASTER_TOGETHER <= forest.n_features

    def arrays(self, forest: Forest) -> Iterator[tuple[int, npt.NDArray[Any] | Columns]]:
        """The rows as arrays or columns of float32 or float64 numbers, and the number of the first row of each.

        Arrays, tensors and columns of these dtypes are handed over as they lie, whatever their strides; anything else
        is cast a part at a time, and of it the columns that the trees look at. A part may be overwritten when the next
        one is asked for.
        """
        if self.lie():
            yield 0, on_host(self.data)
            return
        columns = forest.trees.used_columns if self.is_narrow(forest) else None
        n_columns = forest.trees.n_columns if columns is None else len(columns)
        if isinstance(self.data, Columns):
            data = self.data if columns is None else self.data.take(columns)
            yield from data.cast_blocks(min(ROWS_CAST_TOGETHER, max(1, BYTES_OF_COLUMNS // max(data.cast_bytes, 1))))
            return
        together = min(ROWS_CAST_TOGETHER, max(1, BYTES_CAST_TOGETHER // (8 * max(n_columns, 1))))
        together = min(together, max(LEAST_NEAR, BYTES_NEAR // (8 * max(n_columns, 1))))
        if is_sparse(self.data):
            yield from dense_blocks(self.data, forest, columns, together, self.late_check)
            return
        for start in range(0, len(self), together):
            yield start, _cast(self.data[start : start + together], forest, columns)

    def batches(self, n_rows: int) -> Iterator[Rows]:
        """The rows in batches of `n_rows`, once nothing is left to check; one empty batch where there are none."""
        rows = self.checked()
        for start in range(0, max(len(rows), 1), n_rows):
            yield replace(rows, data=rows.data[start : start + n_rows])

    def array(self, start: int, stop: int, forest: Forest) -> npt.NDArray[Any]:
        """Rows ``start:stop``, with all columns, as an array of their own in the forest's feature dtype."""
        part = self.data[start:stop]
        if is_sparse(part):
            return next(dense_blocks(part, forest, None, stop - start))[1]
        return _cast(part, forest)

    def batch(self, start: int, stop: int, forest: Forest, device: Any) -> torch.Tensor:
        """Rows ``start:stop`` on a device, as the forest's trees see them."""
        import torch

        if is_tensor(self.data):
            part = self.data[start:stop].detach()
        else:
            part = torch.from_numpy(self.array(start, stop, forest))
        return as_columns(part.to(device, non_blocking=True), forest, self.flush_limit)


def _cast(part: Any, forest: Forest, columns: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
    """Some rows of an array or tensor, or some columns of them, as an array in the forest's feature dtype."""
    part = on_host(part)
    if columns is not None:
        part = part.take(columns, axis=1)
    with np.errstate(over="ignore"):  # 1e300 becomes inf, as in the libraries
        if forest.inputs.ints_as_float32 and part.dtype not in (np.float32, np.float64):
            # LightGBM's Python package hands anything else over as float32 [basic.py, _data_from_numpy].
            part = part.astype(np.float32)
        return np.array(part, dtype=forest.trees.feature_dtype, order="C")


def as_columns(rows: torch.Tensor, forest: Forest, flush_limit: float) -> torch.Tensor:
    """Rows as the trees see them: in the forest's feature dtype, missing values as NaN, tiny ones as 0.0.

    Parameters
    ----------
    rows : torch.Tensor of shape (n, F)
        Of any real dtype, on any device.
    forest : Forest
        The forest that asks.
    flush_limit : float
        The absolute value up to which a value becomes 0.0; negative for none.

    Returns
    -------
    torch.Tensor of the forest's feature dtype, shape (n, F)
    """
    import torch

    if forest.inputs.ints_as_float32 and rows.dtype not in (torch.float32, torch.float64):
        rows = rows.to(torch.float32)
    rows = rows.to(getattr(torch, forest.trees.feature_dtype))
    if forest.inputs.missing_value is not None:
        rows = torch.where(rows == forest.inputs.missing_value, torch.nan, rows)
    if flush_limit >= 0:
        rows = torch.where(rows.abs() <= flush_limit, 0.0, rows)
    return rows
