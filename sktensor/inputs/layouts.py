"""Kinds of frames that steps are folded for.

What steps give depends on the dtypes of all columns together, for instance where one of float64 makes them all so.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.inputs.texts import text_column

__all__ = ["FrameLayout", "columns_of", "layout_of"]

Array = npt.NDArray[Any]

# Dtypes of native numbers, by the character that numpy has for them.
NUMBERS = "?bBhHiIlLqQfd"

POLARS_NUMBERS = {
    "Float32": "float32", "Float64": "float64", "Boolean": "bool", "Int8": "int8", "Int16": "int16", "Int32": "int32",
    "Int64": "int64", "UInt8": "uint8", "UInt16": "uint16", "UInt32": "uint32", "UInt64": "uint64",
}  # fmt: skip


@dataclass(frozen=True)
class FrameLayout:
    """Frames of a library.

    Attributes
    ----------
    library : {"pandas", "polars"}
        Which.
    names : tuple of str
        Of all columns that the steps were fitted on.
    kinds : tuple of str
        Of each column that the steps look at the dtype of its numbers, ``"object"``, ``"category"``, or how the
        library calls its text; empty for the others.
    """

    library: str
    names: tuple[str, ...]
    kinds: tuple[str, ...]

    def kind(self, column: int) -> str:
        """The dtype of a column's numbers; empty for columns of text."""
        return "" if self._is_text(column) else self.kinds[column] or "float64"

    def _is_text(self, column: int) -> bool:
        kind = self.kinds[column]
        return bool(kind) and kind not in POLARS_NUMBERS.values()

    def missing(self, column: int) -> list[Any]:
        """The missing values that a column of text can hold."""
        if self.library == "polars":
            return [None]
        return [np.nan, None] if self.kinds[column] == "object" else [np.nan]

    def known(self, column: int, values: Sequence[Any]) -> list[Any]:
        """Those of some values that a column of text can hold."""
        return [value for value in values if isinstance(value, str)]

    def rows(self, values: dict[int, Any], n_rows: int) -> Any:
        """Rows with these values in some columns, and zeros or empty texts in all others."""
        made = {}
        for column, (name, kind) in enumerate(zip(self.names, self.kinds, strict=True)):
            usual = [""] * n_rows if self._is_text(column) else np.zeros(n_rows)
            made[name] = self._column(values.get(column, usual), kind or "float64")
        if self.library == "polars":
            return sys.modules["polars"].DataFrame(made)
        return sys.modules["pandas"].DataFrame(made)

    def _column(self, values: Any, kind: str) -> Any:
        if kind in POLARS_NUMBERS.values():
            return np.asarray(values).astype(kind)
        if self.library == "polars":
            polars = sys.modules["polars"]
            return polars.Series(list(values), dtype=getattr(polars, kind) if kind != "Enum" else polars.Categorical)
        pandas = sys.modules["pandas"]
        if kind == "object":
            found = np.empty(len(values), dtype=object)
            found[:] = values
            return found
        if kind == "category":
            return pandas.Categorical(list(values))
        return pandas.array(list(values), dtype=_string_dtype(pandas, kind))


def _string_dtype(pandas: Any, kind: str) -> Any:
    """The dtype of text that pandas calls so, with its kind of missing values."""
    _, storage, missing = kind.split(" ")
    if missing == "nan":
        return pandas.StringDtype(storage=storage, na_value=np.nan)
    return pandas.StringDtype(storage=storage)


def columns_of(X: Any, places: Sequence[int], read: Sequence[int]) -> tuple[list[Any], tuple[str, ...]] | None:
    """Columns of a frame of pandas or polars, and what they are of; None if one is of another kind.

    Parameters
    ----------
    X : data frame
        The rows.
    places : sequence of int
        Where each column of the steps is in it.
    read : sequence of int
        The columns of the steps that are read.

    Returns
    -------
    columns : list
        Of all columns of the steps: an array of numbers, a :class:`~sktensor.inputs.texts.TextColumn`, or None.
    kinds : tuple of str
        As :class:`FrameLayout` has them.
    """
    columns: list[Any] = [None] * len(places)
    kinds = [""] * len(places)
    take = _pandas_column if type(X).__module__.startswith("pandas") else _polars_column
    asked = getattr(X, "_get_column_array", None) or X
    for column in read:
        if (found := take(asked, places[column])) is None:
            return None
        columns[column], kinds[column] = found
    return columns, tuple(kinds)


def _pandas_column(asked: Any, place: int) -> tuple[Any, str] | None:
    values = asked(place) if callable(asked) else asked.iloc[:, place].array
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        if dtype.char in NUMBERS and dtype.isnative:
            return np.asarray(values), dtype.name
        return (text_column(np.asarray(values), "object"), "object") if dtype.kind == "O" else None
    pandas = sys.modules["pandas"]
    if isinstance(dtype, pandas.StringDtype):
        missing = "nan" if dtype.na_value is np.nan else "NA"
        return text_column(values, "string"), f"string {dtype.storage} {missing}"
    if isinstance(dtype, pandas.CategoricalDtype) and _are_text(values.categories, pandas):
        return text_column(values, "category"), "category"
    return None


def _are_text(categories: Any, pandas: Any) -> bool:
    return isinstance(categories.dtype, pandas.StringDtype) or all(isinstance(value, str) for value in categories)


def _polars_column(X: Any, place: int) -> tuple[Any, str] | None:
    column = X.to_series(place)
    kind = type(column.dtype).__name__ if not isinstance(column.dtype, type) else column.dtype.__name__
    if kind in POLARS_NUMBERS:
        if kind not in ("Float32", "Float64") and column.null_count():
            return None
        return np.asarray(column.to_numpy()), POLARS_NUMBERS[kind]
    return (text_column(column, "polars"), kind) if kind in ("String", "Categorical", "Enum") else None


def layout_of(X: Any) -> str:
    """The library of a frame that layouts know, or an empty text."""
    for library in ("pandas", "polars"):
        if type(X) is getattr(sys.modules.get(library), "DataFrame", None):
            return library
    return ""
