"""Frames of pandas and polars asked directly, in microseconds; narwhals, which knows all others, takes milliseconds."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["column", "columns_of_floats", "is_pandas", "is_plain", "names"]


def is_plain(X: Any) -> bool:
    """Whether X is a frame of pandas or polars itself, and of no class derived from theirs; neither is loaded."""
    return is_pandas(X) or _is_polars(X)


def is_pandas(X: Any) -> bool:
    """Whether X is a frame of pandas itself."""
    return type(X) is getattr(sys.modules.get("pandas"), "DataFrame", None)


def names(X: Any) -> list[Any]:
    """Names of a plain frame's columns."""
    return X.columns.tolist() if is_pandas(X) else X.columns  # type: ignore[no-any-return]


def columns_of_floats(X: Any) -> list[bool]:
    """Which columns of a plain frame are float32 or float64 numbers, of which a null is NaN."""
    if _is_polars(X):
        polars = sys.modules["polars"]
        return [dtype in (polars.Float32, polars.Float64) for dtype in X.dtypes]
    return [isinstance(dtype, np.dtype) and dtype.char in "fd" and dtype.isnative for dtype in X.dtypes.tolist()]


def column(X: Any, j: int) -> npt.NDArray[Any]:
    """A column of floats where it lies, if it lies in one piece and has no nulls."""
    found = X.to_series(j) if _is_polars(X) else X.iloc[:, j]
    return np.asarray(found.to_numpy())


def _is_polars(X: Any) -> bool:
    return type(X) is getattr(sys.modules.get("polars"), "DataFrame", None)
