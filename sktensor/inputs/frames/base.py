"""The interface of the adapters for data frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["EXACT_INTEGERS", "NUMBERS", "ROWS_CODED", "Distinct", "Frame", "are_exact", "without_unused"]

# From so many rows on, a library finds the distinct texts of a column faster than it converts all to objects.
ROWS_CODED = 256

# Up to so many rows, their distinct values are found one by one.
FEW_ROWS = 16

# From here on, float64 does not hold every integer, and rounding one to float64 first may change its float32.
EXACT_INTEGERS = 2.0**53

# Dtypes of native numbers, by the character that numpy has for them.
NUMBERS = "?bBhHiIlLqQfd"

Distinct = tuple[list[Any], npt.NDArray[Any]]


class Frame(Protocol):
    """A data frame of shape (n, F); columns are asked for by their place, since names may repeat."""

    @property
    def flushes_tiny(self) -> bool:
        """Whether LightGBM reads such a frame as it reads arrays, with tiny numbers as 0.0."""

    @property
    def has_distinct_texts(self) -> bool:
        """Whether the names of any frame of this library are texts, and none is there twice."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def names(self) -> list[Any]:
        """Names of the columns."""

    def in_place(self) -> npt.NDArray[Any] | None:
        """All columns as one float32 or float64 array, not copied, shape (n, F); None if the frame has none."""

    def matrix(self, dtype: np.dtype[Any], read: npt.NDArray[Any] | None = None) -> npt.NDArray[Any] | None:
        """All columns as one array, shape (n, F), nulls as NaN, for frames of few rows.

        Columns that are not in `read`, if that is given, may be filled with any numbers.

        Of float32 or float64, such that a cast to `dtype` gives the numbers that a cast of the frame's own would give.
        None where a column holds no numbers, or where such an array cannot be made.
        """

    def others(self) -> Sequence[int]:
        """The columns that are not known to hold numbers, by their dtypes."""

    def numbers(self, j: int) -> npt.NDArray[Any] | None:
        """The numbers of a column, not copied; None if it holds anything else, or nulls other than NaN."""

    def numbers_or_nan(self, j: int) -> npt.NDArray[Any] | None:
        """The numbers of a column as floats, nulls as NaN; None if it holds others, or integers that float64 rounds."""

    def is_categorical(self, j: int) -> bool:
        """Whether this is a column of categories."""

    def categorical(self, j: int) -> Any | None:
        """A column of categories as pandas' own array of them; None if the library has another."""

    def distinct(self, j: int) -> Distinct | None:
        """The distinct values of a column, and for each row the index of its own; None is a missing value.

        None instead of both where the library cannot find them fast; :meth:`listed` may have the values then.
        """

    def listed(self, j: int) -> list[Any] | None:
        """The values of a column of text, categories or objects; None if it is of another kind."""

    def series(self, j: int) -> Any:
        """A column as the library itself has it, for narwhals."""


def without_unused(values: list[Any], codes: npt.NDArray[Any]) -> Distinct:
    """Drop the values that no row has; the code -1 becomes one of the value None."""
    if len(codes) <= FEW_ROWS:
        number: dict[int, int] = {}
        places = [number.setdefault(code, len(number)) for code in codes.tolist()]
        return [None if code < 0 else values[code] for code in number], np.array(places, dtype=np.intp)
    codes = codes.astype(np.intp) + 1
    used = np.flatnonzero(np.bincount(codes, minlength=len(values) + 1))
    place = np.empty(len(values) + 1, dtype=np.intp)
    place[used] = np.arange(len(used))
    return [None if i == 0 else values[i - 1] for i in used.tolist()], place[codes]


def are_exact(numbers: npt.NDArray[Any]) -> bool:
    """Whether no number is so large that an integer may have been rounded to it."""
    return not (np.abs(numbers) >= EXACT_INTEGERS).any()
