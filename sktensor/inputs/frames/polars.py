"""Frames of polars itself."""

from __future__ import annotations

import sys
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.inputs.frames.base import EXACT_INTEGERS, ROWS_CODED, Distinct, are_exact, without_unused

__all__ = ["PolarsFrame"]

Array = npt.NDArray[Any]

# So few rows are made numbers of Python faster than polars finds one dtype for all columns.
ROWS_AS_OBJECTS = 4

WHOLE_NUMBERS = ("Boolean", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")


class PolarsFrame:
    """A frame of polars.

    Parameters
    ----------
    X : polars.DataFrame
        The frame.
    """

    __slots__ = ("_dtypes", "_frame")

    flushes_tiny = False
    has_distinct_texts = True

    def __init__(self, X: Any) -> None:
        self._frame = X
        self._dtypes: list[Any] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._frame.shape  # type: ignore[no-any-return]

    def names(self) -> list[Any]:
        """Names of the columns."""
        return self._frame.columns  # type: ignore[no-any-return]

    def in_place(self) -> None:
        """None: columns lie apart."""

    def matrix(self, dtype: np.dtype[Any], read: Array | None = None) -> Array | None:
        """All columns as one array, in the dtype that polars finds for them."""
        floats, whole = _numeric()
        rows = self._frame.rows() if len(self._frame) <= ROWS_AS_OBJECTS else []
        if {*map(type, chain.from_iterable(rows))} == {float}:  # in less time than polars takes to tell the dtypes
            return np.array(rows, dtype=np.float64)
        kinds = self._kinds()
        if not kinds <= floats | whole:
            return None
        if len(self._frame) <= ROWS_AS_OBJECTS:
            values: Array = np.array(rows, dtype=np.float64).reshape(self.shape)
            rounded = dtype.itemsize == 4 and not kinds <= floats
            return None if rounded and not are_exact(values) else values
        values = self._frame.to_numpy()
        if values.dtype.kind in "iu":
            return values.astype(dtype) if len(kinds) == 1 else None
        if values.dtype.kind != "f":
            return values.astype(dtype) if values.dtype == bool else None
        # What is rounded already must not be rounded again; float32 holds all integers up to 2**24.
        exact = kinds <= floats or (
            (values.dtype.itemsize == 8 and dtype.itemsize == 8)
            or not (np.abs(values) >= (EXACT_INTEGERS if values.dtype.itemsize == 8 else 2.0**24)).any()
        )
        return values if exact else None

    def others(self) -> list[int]:
        """The columns of text, dates, decimals and the like."""
        floats, whole = _numeric()
        if self._kinds() <= floats | whole:
            return []
        return [
            j for j, kind in enumerate(map(_number, self._column_dtypes())) if kind not in floats and kind not in whole
        ]

    def numbers(self, j: int) -> Array | None:
        """The numbers of a column, of floats with nulls as NaN; not copied unless there are nulls, or bools."""
        column = self._frame.to_series(j)
        floats, whole = _numeric()
        kind = _number(column.dtype)
        if kind in floats or (kind in whole and column.null_count() == 0):
            return np.asarray(column.to_numpy())
        return None

    def numbers_or_nan(self, j: int) -> Array | None:
        """The numbers of a column of integers or bools with nulls."""
        column = self._frame.to_series(j)
        if _number(column.dtype) not in _numeric()[1]:
            return None
        found: Array = column.cast(sys.modules["polars"].Float64).to_numpy()
        return found if are_exact(found) else None

    def is_categorical(self, j: int) -> bool:
        """Whether this is a column of categories."""
        polars = sys.modules["polars"]
        return self._frame.to_series(j).dtype in (polars.Categorical, polars.Enum)

    def categorical(self, j: int) -> None:
        """None: this is not pandas."""

    def distinct(self, j: int) -> Distinct | None:
        """The distinct values of a column of much text, or of many rows of categories."""
        column = self._frame.to_series(j)
        if not self._is_text(j) or len(column) < ROWS_CODED:
            return None
        found = column.unique().drop_nulls()
        places = list(range(len(found)))
        codes = column.replace_strict(found, places, default=-1, return_dtype=sys.modules["polars"].Int64)
        return without_unused(found.to_list(), codes.to_numpy())

    def listed(self, j: int) -> list[Any] | None:
        """The values of a column of text or categories."""
        return list(self._frame.to_series(j).to_list()) if self._is_text(j) else None

    def series(self, j: int) -> Any:
        """A column as a Series."""
        return self._frame.to_series(j)

    def _is_text(self, j: int) -> bool:
        return self.is_categorical(j) or self._frame.to_series(j).dtype == sys.modules["polars"].String

    def _kinds(self) -> set[int]:
        """The distinct dtypes, as :func:`_number` has them."""
        dtypes = self._column_dtypes()
        found = {*map(id, map(type, dtypes))}  # in a tenth of the time of what follows
        return found if found <= frozenset().union(*_numeric()) else {*map(_number, dtypes)}

    def _column_dtypes(self) -> list[Any]:
        if self._dtypes is None:
            self._dtypes = self._frame.dtypes
        return self._dtypes


def _number(dtype: Any) -> int:
    """What tells dtypes of numbers apart: polars' own hashing and comparing of them takes a microsecond each."""
    return id(dtype if isinstance(dtype, type) else type(dtype))


@cache
def _numeric() -> tuple[frozenset[int], frozenset[int]]:
    """The dtypes of floating-point numbers, and of integers and bools."""
    polars = sys.modules["polars"]
    floats = frozenset(id(kind) for kind in (polars.Float32, polars.Float64))
    return floats, frozenset(id(getattr(polars, name)) for name in WHOLE_NUMBERS)
