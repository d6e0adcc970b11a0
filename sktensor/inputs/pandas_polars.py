"""Frames of pandas and polars asked directly, in microseconds; narwhals, which knows all others, takes milliseconds."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "columns",
    "distinct",
    "has_only_floats",
    "is_categorical",
    "is_pandas",
    "is_plain",
    "listed",
    "names",
    "numbers",
]

# From here on, a library finds the distinct texts of a column faster than it turns them into objects.
ROWS_CODED = 256

Distinct = tuple[list[Any], npt.NDArray[Any]]

# Dtypes of native numbers, by the character that numpy has for them.
NUMBERS = "?bBhHiIlLqQfd"

# Of polars, those without nulls.
WHOLE_NUMBERS = ("Boolean", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")


def is_plain(X: Any) -> bool:
    """Whether X is a frame of pandas or polars itself, and of no class derived from theirs; neither is loaded."""
    return is_pandas(X) or _is_polars(X)


def is_pandas(X: Any) -> bool:
    """Whether X is a frame of pandas itself."""
    return type(X) is getattr(sys.modules.get("pandas"), "DataFrame", None)


def names(X: Any) -> list[Any]:
    """Names of a plain frame's columns."""
    return X.columns.tolist() if is_pandas(X) else X.columns  # type: ignore[no-any-return]


def columns(X: Any) -> list[Any]:
    """The columns of a plain frame, as its library has them."""
    if _is_polars(X):
        return X.get_columns()  # type: ignore[no-any-return]
    if X.columns.is_unique:
        return [X[name] for name in X.columns.tolist()]  # in a third of the time of iloc
    return [X.iloc[:, j] for j in range(X.shape[1])]


def has_only_floats(X: Any) -> bool:
    """Whether all columns of a plain frame are float32 or float64 numbers, of which a null is NaN."""
    if _is_polars(X):
        polars = sys.modules["polars"]
        return all(dtype in (polars.Float32, polars.Float64) for dtype in X.dtypes)
    return all(isinstance(dtype, np.dtype) and dtype.char in "fd" and dtype.isnative for dtype in X.dtypes.tolist())


def numbers(column: Any) -> npt.NDArray[Any] | None:
    """The numbers of a plain frame's column where they lie; None if it has others, nulls, or is none of these."""
    if _is_series(column, "pandas"):
        dtype = column.dtype
        known = isinstance(dtype, np.dtype) and dtype.char in NUMBERS and dtype.isnative
        return np.asarray(column.to_numpy()) if known else None
    if not _is_series(column, "polars"):
        return None
    polars = sys.modules["polars"]
    if column.dtype in (polars.Float32, polars.Float64):
        return np.asarray(column.to_numpy())
    whole = column.dtype in [getattr(polars, name) for name in WHOLE_NUMBERS]
    return np.asarray(column.to_numpy()) if whole and column.null_count() == 0 else None


def is_categorical(column: Any) -> bool:
    """Whether this is a plain frame's column of categories."""
    if _is_series(column, "pandas"):
        return isinstance(column.dtype, sys.modules["pandas"].CategoricalDtype)
    polars = sys.modules.get("polars")
    return _is_series(column, "polars") and column.dtype in (polars.Categorical, polars.Enum)  # type: ignore[union-attr]


def distinct(column: Any) -> Distinct | None:
    """The distinct values of a plain frame's column, and where each row's stands among them; None is a missing value.

    None instead of both where the library is no help with that: :func:`listed` may have the values then.
    """
    if is_categorical(column) and _is_series(column, "pandas"):
        return _that_come_up(column.dtype.categories.tolist(), column.array.codes)
    if not _is_text(column) or len(column) < ROWS_CODED:
        return None
    if _is_series(column, "pandas"):
        codes, found = column.array.factorize()
        return _that_come_up(found.tolist(), codes)
    found = column.unique().drop_nulls()
    numbers = list(range(len(found)))
    codes = column.replace_strict(found, numbers, default=-1, return_dtype=sys.modules["polars"].Int64)
    return _that_come_up(found.to_list(), codes.to_numpy())


def listed(column: Any) -> list[Any] | None:
    """The values of a plain frame's column of text, categories or objects; None if it is of another kind."""
    known = _is_text(column) or (_is_series(column, "pandas") and column.dtype == object)
    return list(column.to_list()) if known else None


def _is_text(column: Any) -> bool:
    if _is_series(column, "pandas"):
        return isinstance(column.dtype, sys.modules["pandas"].StringDtype)
    return is_categorical(column) or (_is_series(column, "polars") and column.dtype == sys.modules["polars"].String)


def _that_come_up(values: list[Any], codes: npt.NDArray[Any]) -> Distinct:
    """The values, None for the code -1, but for those that no row has."""
    codes = codes.astype(np.intp) + 1
    used = np.flatnonzero(np.bincount(codes, minlength=len(values) + 1))
    place = np.empty(len(values) + 1, dtype=np.intp)
    place[used] = np.arange(len(used))
    return [None if i == 0 else values[i - 1] for i in used.tolist()], place[codes]


def _is_series(column: Any, library: str) -> bool:
    return type(column) is getattr(sys.modules.get(library), "Series", None)


def _is_polars(X: Any) -> bool:
    return type(X) is getattr(sys.modules.get("polars"), "DataFrame", None)
