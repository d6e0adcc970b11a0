"""X of any kind, as rows of the forest's columns: dense arrays, sparse matrices, frames, tensors."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import TINY, Forest

if TYPE_CHECKING:
    import torch

__all__ = ["Rows", "as_columns", "frame_columns", "frame_names", "is_frame", "is_sparse", "is_tensor"]


# Stands for a value without a number until the end: narwhals takes a NaN for a failure to replace.
UNKNOWN = -1.0


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
    import narwhals as nw

    return nw.dependencies.is_into_dataframe(X)


def frame_names(X: Any) -> list[Any]:
    """Names of a frame's columns."""
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
        An array of the forest's feature dtype, shape (n, F), nulls as NaN.

    Raises
    ------
    ValueError
        If a column holds anything but numbers, or categories other than the model's.
    """
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True)
    out = np.empty(frame.shape, dtype=forest.feature_dtype, order="F")
    tables = forest.categories or (None,) * len(frame.columns)
    for j, (name, table) in enumerate(zip(frame.columns, tables, strict=True)):
        column = frame[:, j]
        values = _numbers(name, column) if table is None else _category_numbers(name, column, table, forest)
        with np.errstate(over="ignore"):
            out[:, j] = values
    return Rows(out, flush=frame.implementation.is_pandas_like())


def _numbers(name: Any, column: Any) -> npt.NDArray[Any]:
    """A numeric column as numpy, with nulls as NaN."""
    import narwhals as nw

    if column.dtype == nw.Object:  # mixed Python objects, which may all be numbers
        try:
            return np.asarray(column.to_numpy().astype(np.float64))
        except (TypeError, ValueError):
            pass
    if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        raise ValueError(
            f"Column {name!r} holds no numbers but {column.dtype}, and the model was not fitted with categories there. "
            "Encode it as numbers."
        )
    if column.null_count() == 0:
        return np.asarray(column.to_numpy())
    return np.asarray(column.cast(nw.Float64).fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _category_numbers(name: Any, column: Any, table: npt.NDArray[Any], forest: Forest) -> npt.NDArray[Any]:
    """A categorical column as the numbers that its values have in the model, whatever their order in the frame."""
    import narwhals as nw

    if column.dtype not in (nw.Categorical, nw.Enum):
        raise ValueError(f"Column {name!r} is {column.dtype}, but the model was fitted with categories there.")
    number = {value: float(i) for i, value in enumerate(table.tolist())}
    found = column.drop_nulls().unique().to_list()
    unknown = [value for value in found if value not in number]
    if unknown and forest.unknown_category == "error":
        raise ValueError(f"Column {name!r} has categories that the model was not fitted with: {unknown[:5]}.")
    if not found:
        return np.full(len(column), np.nan)
    numbers = [number.get(value, UNKNOWN) for value in found]
    mapped = column.replace_strict(found, numbers, return_dtype=nw.Float64).fill_null(UNKNOWN)
    coded = np.array(mapped.to_numpy(), dtype=np.float64)
    coded[coded == UNKNOWN] = np.nan
    return coded


@dataclass(frozen=True)
class Rows:
    """Rows that have passed the door, handed to the trees a batch at a time, so that no second copy of X is held.

    Parameters
    ----------
    data : ndarray, CSR matrix or torch.Tensor of shape (n, F)
        Numbers of any real dtype.
    flush : bool
        Whether a forest's `flush_tiny` applies: LightGBM flushes the rows of arrays, pandas frames and CSC matrices,
        but not those of CSR and COO matrices, polars and pyarrow
        [LightGBM src/c_api.cpp RowPairFunctionFromDenseMatric, RowFunctionFromCSR].
    """

    data: Any
    flush: bool = True

    def __len__(self) -> int:
        return int(self.data.shape[0])

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
