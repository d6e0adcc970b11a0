"""Kinds of frames that steps are folded for.

What steps give depends on the dtypes of all columns together, for instance where one of float64 makes them all so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.inputs.texts import FEW_ROWS, text_column

__all__ = ["KINDS", "POLARS_NUMBERS", "FrameLayout", "columns_of", "layout_of", "pandas_kind"]

Array = npt.NDArray[Any]

# Dtypes of native numbers, by the character that numpy has for them.
NUMBERS = "?bBhHiIlLqQfd"

# What pandas' columns of numpy's dtypes are of.
KINDS: dict[type, str] = {type(np.dtype(char)): np.dtype(char).name for char in NUMBERS} | {
    type(np.dtype("O")): "object"
}

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
        Of all columns of the steps: numbers, a :class:`~sktensor.inputs.texts.TextColumn`, or None.
    kinds : tuple of str
        As :class:`FrameLayout` has them.
    """
    columns: list[Any] = [None] * len(places)
    kinds = [""] * len(places)
    found: Callable[[int], tuple[Any, str] | None]
    found = _pandas_columns(X) if type(X).__module__.startswith("pandas") else _polars_columns(X)
    for column in read:
        if (one := found(places[column])) is None:
            return None
        columns[column], kinds[column] = one
    return columns, tuple(kinds)


def _pandas_columns(X: Any) -> Callable[[int], tuple[Any, str] | None]:
    """What gives a column of a frame of pandas, and its kind."""
    arrays = _arrays(X)

    def column(place: int) -> tuple[Any, str] | None:
        values = arrays(place)
        if (kind := pandas_kind(values.dtype)) is None:
            return None
        if kind == "object" or kind == "category":
            return text_column(values, kind), kind
        return (text_column(values, "string") if kind.startswith("string") else values), kind

    return column


def pandas_kind(dtype: Any) -> str | None:
    """What a column of pandas is of, as :class:`FrameLayout` calls it; None for one of another kind."""
    if (kind := KINDS.get(type(dtype))) is not None:
        return kind if dtype.isnative else None
    pandas = sys.modules["pandas"]
    if isinstance(dtype, pandas.StringDtype):
        return f"string {dtype.storage} {'nan' if dtype.na_value is np.nan else 'NA'}"
    return "category" if isinstance(dtype, pandas.CategoricalDtype) and _are_text(dtype.categories) else None


def _arrays(X: Any) -> Callable[[int], Any]:
    """What gives the array of a column of a frame of pandas, which holds columns of one dtype together.

    These blocks have no public name: for one row, asking for a column in public takes longer than the rest.
    """
    blocks = getattr(getattr(X, "_mgr", None), "blocks", None)
    if blocks is None:
        return lambda place: X.iloc[:, place].array if X.dtypes.iloc[place].kind == "O" else X.iloc[:, place].to_numpy()
    found: dict[int, Any] = {}
    for block in blocks:
        values = block.values
        for i, place in enumerate(block.mgr_locs):
            found[place] = values[i] if values.ndim == 2 else values
    return found.__getitem__


def _polars_columns(X: Any) -> Callable[[int], tuple[Any, str] | None]:
    """What gives a column of a frame of polars, and its kind."""
    few = list(zip(*X.rows(), strict=True)) if len(X) <= FEW_ROWS else None
    columns = X.get_columns()

    def column(place: int) -> tuple[Any, str] | None:
        series = columns[place]
        dtype = series.dtype
        kind = (dtype if isinstance(dtype, type) else type(dtype)).__name__
        if (number := POLARS_NUMBERS.get(kind)) is not None:
            if number[0] != "f" and series.null_count():
                return None
            return (few[place] if few is not None else np.asarray(series.to_numpy())), number
        if kind not in ("String", "Categorical", "Enum"):
            return None
        return (text_column(few[place], "list") if few is not None else text_column(series, "polars")), kind

    return column


def _are_text(categories: Any) -> bool:
    is_string = isinstance(categories.dtype, sys.modules["pandas"].StringDtype)
    return is_string or all(isinstance(value, str) for value in categories)


# By the class of a frame its library, once one has been seen.
_libraries: dict[type, str] = {}


def layout_of(X: Any) -> str:
    """The library of a frame that layouts know, or an empty text."""
    if (found := _libraries.get(type(X))) is not None:
        return found
    for library in ("pandas", "polars"):
        if type(X) is getattr(sys.modules.get(library), "DataFrame", None):
            return _libraries.setdefault(type(X), library)
    return ""
