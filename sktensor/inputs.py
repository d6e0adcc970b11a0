"""X of any kind, as rows of the forest's columns: dense arrays, sparse matrices, frames, tensors."""

from __future__ import annotations

import math
import reprlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sktensor import plain_frames
from sktensor.categories import Coded, category_numbers, category_texts, coded, objects
from sktensor.forest import TINY, Forest
from sktensor.keyed_columns import KeyedColumns

if TYPE_CHECKING:
    import torch

__all__ = [
    "IN_PLACE",
    "Columns",
    "Rows",
    "as_columns",
    "as_rows",
    "exchanged",
    "frame_columns",
    "frame_names",
    "from_sequence",
    "is_exchangeable",
    "is_frame",
    "is_lazy",
    "is_sparse",
    "is_tensor",
]


# Dtypes that kernels read, in native byte order.
IN_PLACE = (np.dtype(np.float32), np.dtype(np.float64))

# A part of X that is cast: large enough that the cast costs little more than its arithmetic.
ROWS_CAST_TOGETHER = 16_384

# Rows of a frame that are copied into one array faster than the columns are taken one by one.
ROWS_AT_HAND = 256

# The kind of device that DLPack calls kDLCPU.
HOST = 1


def is_tensor(X: Any) -> bool:
    """Whether X is a torch tensor, without loading torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(X, torch.Tensor)


def is_sparse(X: Any) -> bool:
    """Whether X is a scipy sparse matrix or array, without loading scipy."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and sparse.issparse(X)


def is_frame(X: Any) -> bool:
    """Whether X is a data frame or table of a library that narwhals knows."""
    if isinstance(X, np.ndarray) or is_tensor(X):
        return False
    if plain_frames.is_plain(X):
        return True
    import narwhals as nw

    return nw.dependencies.is_into_dataframe(X)


def is_lazy(X: Any) -> bool:
    """Whether X is a frame that only describes how to come by its rows, of a library that narwhals knows."""
    import narwhals as nw

    return isinstance(nw.from_native(X, pass_through=True), nw.LazyFrame)


def is_exchangeable(X: Any) -> bool:
    """Whether X is an array of another library that speaks DLPack and nothing that numpy understands."""
    return hasattr(X, "__dlpack__") and not hasattr(X, "__array__")


def exchanged(X: Any) -> Any:
    """An array of another library as a numpy array, or as a tensor if it is not in the host's memory; not copied."""
    if X.__dlpack_device__()[0] == HOST:
        return np.from_dlpack(X)
    import torch

    return torch.utils.dlpack.from_dlpack(X)  # type: ignore[attr-defined]


def frame_names(X: Any) -> list[Any]:
    """Names of a frame's columns."""
    if plain_frames.is_plain(X):
        return plain_frames.names(X)
    import narwhals as nw

    return list(nw.from_native(X, eager_only=True).columns)


def frame_columns(X: Any, forest: Forest) -> Rows:
    """The columns of a data frame as one matrix.

    Each column is cast on its own, straight to the forest's dtype, as the boosting libraries do; a common dtype
    of all columns in between would round large integers twice.

    Parameters
    ----------
    X : data frame of shape (n, F)
        Of pandas, polars, pyarrow or any library that narwhals knows.
    forest : Forest
        The forest that asks.

    Returns
    -------
    Rows
        Columns of float32 or float64, nulls as NaN; those that were so in the frame are not copied.

    Raises
    ------
    ValueError
        If a column holds anything but numbers, or categories other than the model's.
    """
    is_plain = plain_frames.is_plain(X)
    if forest.reads_values:
        return _read(frame_names(X), [_values(column) for column in _columns(X)], X.shape[0], forest)
    if is_plain and forest.categories is None and len(X) <= ROWS_AT_HAND and plain_frames.has_only_floats(X):
        return Rows(X.to_numpy(), flush=plain_frames.is_pandas(X))
    columns = []
    tables = forest.categories or (None,) * X.shape[1]
    for name, column, table in zip(frame_names(X), _columns(X), tables, strict=True):
        columns.append(
            _numbers(name, column, forest) if table is None else _category_numbers(name, column, table, forest)
        )
    if len({values.dtype for values in columns}) > 1:
        for name, values in zip(frame_names(X), columns, strict=True):
            _check_rounding(f"Column {name!r}", values, forest)
    columns = [values if values.dtype in IN_PLACE else values.astype(forest.feature_dtype) for values in columns]
    return Rows(
        Columns(tuple(columns), X.shape[0]), flush=plain_frames.is_pandas(X) if is_plain else _is_pandas_like(X)
    )


def _is_pandas_like(X: Any) -> bool:
    import narwhals as nw

    return bool(nw.from_native(X, eager_only=True).implementation.is_pandas_like())


def _columns(X: Any) -> list[Any]:
    """A frame's columns: those of plain frames as they are, all others as narwhals has them."""
    if plain_frames.is_plain(X):
        return plain_frames.columns(X)
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True)
    return [frame[:, j] for j in range(len(frame.columns))]


def as_rows(X: Any, forest: Forest, *, flush: bool = True) -> Rows:
    """Rows of an array, CSR matrix or tensor, with values of categories looked up where the trees see something else.

    Parameters
    ----------
    X : ndarray, CSR matrix or torch.Tensor of shape (n, F)
        Of any dtype; no CSR matrix where values are looked up.
    forest : Forest
        The forest that asks.
    flush : bool
        As for :class:`Rows`.

    Returns
    -------
    Rows
        Where nothing has to be looked up, those of X itself.

    Raises
    ------
    ValueError
        If a column holds what the library would not take there.
    """
    if not forest.reads_values:
        return Rows(X, flush)
    if is_tensor(X):
        import torch

        host = X.detach().cpu().resolve_neg()
        rows = as_rows((host.double() if host.dtype == torch.bfloat16 else host).numpy(), forest)
        return Rows(torch.from_numpy(rows.data[:]).to(X.device))
    return _read(range(X.shape[1]), list(X.T), len(X), forest)


def _values(column: Any) -> npt.NDArray[Any] | Coded:
    """A column of a frame as it is, with nulls as None or NaN."""
    if (numbers := plain_frames.numbers(column)) is not None:
        return numbers
    if (distinct := plain_frames.distinct(column)) is not None:
        return Coded(*distinct)
    if (values := plain_frames.listed(column)) is not None:
        return objects(values)
    import narwhals as nw

    column = nw.from_native(column, series_only=True)
    if column.null_count() == 0 and (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        return np.asarray(column.to_numpy())
    return objects(column.to_list())


def _read(names: Any, columns: list[npt.NDArray[Any] | Coded], n_rows: int, forest: Forest) -> Rows:
    """Columns of values as the trees see them."""
    tables = forest.categories or (None,) * len(columns)
    texts: dict[int, Coded] = {}
    numbers: dict[int, npt.NDArray[Any]] = {}
    for j, (name, column, table) in enumerate(zip(names, columns, tables, strict=True)):
        if forest.hashed is not None and forest.hashed[j]:
            texts[j] = category_texts(name, column)
        elif table is not None:
            numbers[j] = category_numbers(name, column, table)
        elif isinstance(column, Coded):
            numbers[j] = _as_numbers(name, column.column(), forest)
        else:
            numbers[j] = column if column.dtype in IN_PLACE else _as_numbers(name, column, forest)
    if forest.hashed is not None:
        return Rows(KeyedColumns(numbers, texts, n_rows, forest))
    return Rows(Columns(tuple(numbers.values()), n_rows))


def _as_numbers(name: Any, values: npt.NDArray[Any], forest: Forest) -> npt.NDArray[Any]:
    """A column of anything that may be read as numbers; None is missing."""
    try:
        with np.errstate(over="ignore"):
            return values.astype(np.float64 if values.dtype.kind in "OUS" else forest.feature_dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Column {name!r} holds something else than numbers: {error}.") from error


def from_sequence(X: Any, forest: Forest) -> Any:
    """A list of rows, or anything else without a dtype, as the array of numbers that it is; as it is if it is none."""
    try:
        found = np.asarray(X)
    except ValueError:  # which is said better elsewhere
        return X
    if found.dtype.kind not in "biuf":
        return X
    _check_rounding("X", found, forest)
    return found


def _check_rounding(what: str, values: npt.NDArray[Any], forest: Forest) -> None:
    """Refuse integers that float32 rounds otherwise at once than by way of float64.

    Which of the two a library does depends on what stands beside them: scikit-learn looks for a dtype common to all
    columns of a frame, XGBoost does not. One in hundreds of millions is such an integer, and none below 2**53.
    """
    if forest.feature_dtype != "float32" or values.dtype.kind not in "iu" or not values.size:
        return
    if -(2**53) <= values.min() and values.max() <= 2**53:
        return
    differ = values.astype(np.float32) != values.astype(np.float64).astype(np.float32)
    if differ.any():
        raise ValueError(
            f"{what} holds {values[differ][0]}, which float32 rounds in two ways, at once or by way of float64, and "
            "which of them the library takes depends on what stands beside it. Give floating-point numbers instead."
        )


def _numbers(name: Any, column: Any, forest: Forest) -> npt.NDArray[Any]:
    """A numeric column as numpy, with nulls as NaN."""
    if (numbers := plain_frames.numbers(column)) is not None:
        return numbers
    import narwhals as nw

    column = nw.from_native(column, series_only=True)
    if column.dtype in (nw.Object, nw.String, nw.Unknown):  # all of which may be numbers, pandas' sparse ones are
        values = np.asarray(column.to_numpy())
        if values.dtype.kind in "biuf":
            return values
        if values.dtype.kind == "c":  # of which numpy would drop the imaginary parts
            raise ValueError(f"Complex data not supported: column {name!r}.")
        try:
            return values.astype(np.float64)
        except (TypeError, ValueError):
            pass
    if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        raise ValueError(
            f"Column {name!r} holds no numbers but {column.dtype}, and the model was not fitted with categories there. "
            "Encode it as numbers."
        )
    if column.null_count() == 0:
        return np.asarray(column.to_numpy())
    if column.dtype.is_integer():  # of which a cast of some libraries refuses what float64 rounds
        whole = np.asarray(column.fill_null(0).to_numpy())
        _check_rounding(f"Column {name!r}", whole, forest)
        return np.where(np.asarray(column.is_null().to_numpy(), dtype=bool), np.nan, whole.astype(np.float64))
    return np.asarray(column.cast(nw.Float64).fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _category_numbers(name: Any, column: Any, table: npt.NDArray[Any], forest: Forest) -> npt.NDArray[Any]:
    """A categorical column as the numbers that its values have in the model, whatever their order in the frame."""
    if not plain_frames.is_categorical(column):
        import narwhals as nw

        native = nw.from_native(column, series_only=True)
        if native.dtype not in (nw.Categorical, nw.Enum):
            raise ValueError(f"Column {name!r} is {native.dtype}, but the model was fitted with categories there.")
        column = native.to_native()
    by_pandas = hasattr(column, "array")  # its series, and those of its like
    if by_pandas and forest.unknown_category == "nan":
        return _numbers_by_pandas(column, table)
    found = _values(column)
    found = found if isinstance(found, Coded) else coded(found)
    number: dict[Any, float] = {value: float(i) for i, value in enumerate(table.tolist())} | {None: math.nan}
    unknown = [value for value in found.values if value not in number]
    if unknown and forest.unknown_category == "error":
        raise ValueError(f"Column {name!r} has categories that the model was not fitted with: {unknown[:5]}.")
    if forest.missing_value is not None:
        _check_own_numbers(name, column, table, forest.missing_value, by_pandas=by_pandas)
    numbers = np.array([number.get(value, math.nan) for value in found.values], dtype=np.float64)
    return numbers[found.position]


def _numbers_by_pandas(column: Any, table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As LightGBM has them, by pandas' idea of what equals what.

    For it, whether True is 1 depends on what else is among the categories [python basic.py _data_from_pandas].
    """
    known = table.tolist()
    if column.cat.categories.tolist() != known:
        column = column.cat.set_categories(known)
    numbers: npt.NDArray[Any] = column.array.codes.astype(np.float64)
    numbers[numbers < 0] = np.nan
    return numbers


def _check_own_numbers(name: Any, column: Any, table: npt.NDArray[Any], missing: float, *, by_pandas: bool) -> None:
    """Refuse categories in an order of the frame's own, where XGBoost takes a number among them for missing.

    It asks that of the frame's number, before it looks up the model's, which no number of the model can stand for
    [src/predictor/cpu_predictor.cc AdapterView, src/data/cat_container.h].
    """
    if by_pandas:
        own = column.cat.categories.tolist()
    else:  # as the library itself comes by the numbers [python-package/xgboost/data.py, _transform_arrow_table]
        import narwhals as nw

        arrow = nw.from_native(column, series_only=True).to_arrow()
        own = (arrow.combine_chunks() if hasattr(arrow, "chunks") else arrow).dictionary.to_pylist()
    known = table.tolist()
    if missing not in range(max(len(own), len(known))):
        return
    theirs, ours = (values[int(missing)] if missing < len(values) else None for values in (own, known))
    if theirs != ours and (theirs is not None or ours in own):
        raise ValueError(
            f"Column {name!r}: with missing={missing:g}, XGBoost takes category number {missing:g} of the frame for "
            f"missing, which is {theirs!r} here and was {ours!r} in training. Give the categories in the order of "
            f"training, {reprlib.repr(known)}, or train with missing=nan and nulls for missing values."
        )


@dataclass(frozen=True)
class Columns:
    """The columns of a frame, each where it lies.

    Parameters
    ----------
    arrays : tuple of ndarray of float32 or float64, shape (n,)
        The columns.
    n_rows : int
        Their length.
    """

    arrays: tuple[npt.NDArray[Any], ...]
    n_rows: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n_rows, len(self.arrays)

    @property
    def dtype(self) -> np.dtype[Any]:
        """A dtype that holds the numbers of all columns."""
        return np.result_type(np.float32, *[column.dtype for column in self.arrays])

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        """Some rows as one array."""
        parts = [column[rows] for column in self.arrays]
        return np.stack(parts, 1) if parts else np.empty((len(range(*rows.indices(self.n_rows))), 0), self.dtype)

    def __len__(self) -> int:
        return self.n_rows


@dataclass(slots=True)  # not frozen, which takes longer to make than a row to read
class Rows:
    """Rows that have passed the door, handed to the trees a batch at a time, so that no second copy of X is held.

    Parameters
    ----------
    data : ndarray, Columns, CSR matrix or torch.Tensor of shape (n, F)
        Numbers of any real dtype.
    flush : bool
        Whether a forest's `flush_tiny` applies: LightGBM flushes the rows of arrays, pandas frames and CSC matrices,
        but not those of CSR and COO matrices, polars and pyarrow
        [LightGBM src/c_api.cpp RowPairFunctionFromDenseMatric, RowFunctionFromCSR].
    late_check : callable, optional
        What is left to do at the door: raises for values that the library refuses. A kernel that reads the values
        anyway looks itself, and leaves this call to whoever finds one that is not finite; anything else calls
        :meth:`checked` before it starts.
    """

    data: Any
    flush: bool = True
    late_check: Callable[[], None] | None = None

    def checked(self) -> Rows:
        """These rows, once nothing is left to check."""
        if self.late_check is None:
            return self
        self.late_check()
        return replace(self, late_check=None)

    def __len__(self) -> int:
        return int(self.data.shape[0])

    @property
    def dtype(self) -> str:
        """The dtype in which a forest of float64 features gets them from :meth:`arrays`."""
        if isinstance(self.data, np.ndarray):
            return "float32" if self.data.dtype == IN_PLACE[0] else "float64"
        return "float32" if str(self.data.dtype) == "torch.float32" else "float64"

    def arrays(self, forest: Forest) -> Iterator[tuple[int, npt.NDArray[Any] | Columns]]:
        """The rows as arrays or columns of float32 or float64 numbers, and the number of the first row of each.

        Arrays, tensors and columns of these dtypes are handed over as they lie, whatever their strides; anything else
        is cast a part at a time.
        """
        data, cast = self.data, _dense
        if type(data) is np.ndarray and data.dtype in IN_PLACE:  # in native byte order
            yield 0, data
            return
        if is_tensor(data):
            data, cast = data.detach().cpu().resolve_neg(), _tensor_dense
            data = data.numpy() if str(data.dtype) in ("torch.float32", "torch.float64") else data
        if isinstance(data, Columns) or (isinstance(data, np.ndarray) and data.dtype in IN_PLACE):
            yield 0, data
            return
        for start in range(0, len(self), ROWS_CAST_TOGETHER):
            yield start, cast(data[start : start + ROWS_CAST_TOGETHER], forest)

    def parts(self, n_rows: int) -> Iterator[Rows]:
        """The rows, so many at a time, once nothing is left to check; of none, one part without any."""
        rows = self.checked()
        for start in range(0, max(len(rows), 1), n_rows):
            yield replace(rows, data=rows.data[start : start + n_rows])

    def batch(self, start: int, stop: int, forest: Forest, device: Any) -> torch.Tensor:
        """Rows ``start:stop`` on a device, as the forest's trees see them."""
        import torch

        if is_tensor(self.data):
            part = self.data[start:stop].detach()
        else:
            part = torch.from_numpy(_dense(self.data[start:stop], forest))
        return as_columns(part.to(device, non_blocking=True), forest, flush=self.flush)


def _dense(part: Any, forest: Forest) -> npt.NDArray[Any]:
    """Some rows of an array or CSR matrix as an array of their own, in the forest's feature dtype."""
    if is_sparse(part):
        part = _filled(part, forest)
    with np.errstate(over="ignore"):  # 1e300 becomes inf, as in the libraries
        if forest.ints_as_float32 and part.dtype not in (np.float32, np.float64):
            # LightGBM's Python package hands anything else over as float32 [basic.py, _data_from_numpy].
            part = part.astype(np.float32)
        return np.array(part, dtype=forest.feature_dtype, order="C")


def _tensor_dense(part: torch.Tensor, forest: Forest) -> npt.NDArray[Any]:
    """Some rows of a tensor of any dtype, some of which numpy lacks, as an array in the forest's feature dtype."""
    import torch

    if forest.ints_as_float32:
        part = part.to(torch.float32)
    return part.to(getattr(torch, forest.feature_dtype)).numpy()


def _filled(part: Any, forest: Forest) -> npt.NDArray[Any]:
    """A CSR matrix as an array, absent entries standing for what the library takes them for."""
    if forest.sparse_absent == "zero":
        return np.asarray(part.toarray())
    dense = np.full(part.shape, np.nan, dtype=np.result_type(part.dtype, np.float32))
    row = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
    dense[row, part.indices] = part.data
    return dense


def as_columns(rows: torch.Tensor, forest: Forest, *, flush: bool = True) -> torch.Tensor:
    """Rows as the trees see them: in the forest's feature dtype, missing values as NaN, tiny ones as 0.0.

    Parameters
    ----------
    rows : torch.Tensor of shape (n, F)
        Of any real dtype, on any device.
    forest : Forest
        The forest that asks.
    flush : bool
        Whether its `flush_tiny` applies.

    Returns
    -------
    torch.Tensor of the forest's feature dtype, shape (n, F)
    """
    import torch

    if forest.ints_as_float32 and rows.dtype not in (torch.float32, torch.float64):
        rows = rows.to(torch.float32)
    rows = rows.to(getattr(torch, forest.feature_dtype))
    if forest.missing_value is not None:
        rows = torch.where(rows == forest.missing_value, torch.nan, rows)
    if forest.flush_tiny and flush:
        rows = torch.where(rows.abs() <= TINY, 0.0, rows)
    return rows
