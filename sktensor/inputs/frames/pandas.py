"""Frames of pandas itself."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.inputs.frames import arrow
from sktensor.inputs.frames.base import NUMBERS, ROWS_CODED, Distinct, are_exact, without_unused

__all__ = ["PandasFrame", "values_of_index"]

Array = npt.NDArray[Any]

# If so small a part of the columns is read, these are taken one by one.
FEW_COLUMNS = 1 / 16

IN_PLACE = (np.dtype(np.float32), np.dtype(np.float64))

# Lists of up to so many values of an index are kept as long as it: to list Arrow's text takes pandas microseconds.
VALUES_KEPT = 4096

# Of indices, by their identity, their values.
_values_kept: dict[int, tuple[weakref.ref[Any], list[Any]]] = {}


class PandasFrame:
    """A frame of pandas.

    A column is asked for as the array that holds it: a Series around it takes 10 to 40 us to make.

    Parameters
    ----------
    X : pandas.DataFrame
        The frame.
    """

    __slots__ = ("_dtypes", "_found", "_frame", "_of_frame")

    flushes_tiny = True
    has_distinct_texts = False

    def __init__(self, X: Any) -> None:
        self._frame = X
        self._dtypes: list[Any] | None = None
        self._of_frame: Callable[[int], Any] = _column_arrays(X)
        self._found: dict[int, Any] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._frame.shape  # type: ignore[no-any-return]

    def names(self) -> list[Any]:
        """Names of the columns."""
        return values_of_index(self._frame.columns)

    def in_place(self) -> Array | None:
        """The one array that holds all columns; None if there are several, or it holds no floats."""
        if not _is_one_block(self._frame):
            return None
        values: Array = self._frame.to_numpy()
        return values if values.dtype in IN_PLACE else None

    def matrix(self, dtype: np.dtype[Any], read: Array | None = None) -> Array | None:
        """All columns as one array.

        pandas casts each block of columns on its own, straight to the dtype.
        """
        kinds = set(self._column_dtypes())
        if not all(map(_is_number, kinds)):
            return None
        with np.errstate(over="ignore"):  # 1e300 becomes inf, as in the libraries
            few = read is not None and len(read) <= self.shape[1] * FEW_COLUMNS
            if not few and all(isinstance(kind, np.dtype) for kind in kinds):
                values: Array = self._frame.to_numpy(dtype=dtype)
            else:
                values = np.zeros(self.shape[::-1], dtype=dtype).T
                for j in range(values.shape[1]) if read is None else read.tolist():
                    column = self._values_of(j)
                    if hasattr(column.dtype, "pyarrow_dtype"):
                        chunks = column.__arrow_array__()
                        column = arrow.numbers(chunks)
                        column = arrow.numbers_or_nan(chunks) if column is None else column
                        if column is None:
                            return None
                    elif not isinstance(column.dtype, np.dtype):
                        column = column.to_numpy(dtype=dtype, na_value=np.nan)
                    values[:, j] = column
        rounded = len(kinds) > 1 and dtype == IN_PLACE[0] and any(kind.kind in "iu" for kind in kinds)
        return None if rounded and not are_exact(values) else values

    def others(self) -> list[int]:
        """The columns of text, dates, objects and the like."""
        dtypes = self._column_dtypes()
        # By identity: dtypes of categories take long to hash and to compare.
        strange = {key for key, dtype in {id(dtype): dtype for dtype in dtypes}.items() if not _is_number(dtype)}
        return [j for j, dtype in enumerate(dtypes) if id(dtype) in strange] if strange else []

    def numbers(self, j: int) -> Array | None:
        """The numbers of a column, where no null is among them but NaN."""
        values = self._values_of(j)
        dtype = values.dtype
        if isinstance(dtype, np.dtype):
            return np.asarray(values) if dtype.char in NUMBERS and dtype.isnative else None
        if not _is_number(dtype):
            return None
        if hasattr(dtype, "pyarrow_dtype"):
            return arrow.numbers(values.__arrow_array__())
        if dtype.kind == "f" and values.isna().any():
            return None
        try:
            return np.asarray(values.to_numpy(dtype=dtype.numpy_dtype))
        except ValueError:  # nulls, which pandas looks for itself where the dtype has none
            return None

    def numbers_or_nan(self, j: int) -> Array | None:
        """The numbers of a column with nulls."""
        values = self._values_of(j)
        dtype = values.dtype
        if isinstance(dtype, np.dtype) or not _is_number(dtype):
            return None
        if hasattr(dtype, "pyarrow_dtype"):
            return arrow.numbers_or_nan(values.__arrow_array__())
        kept = dtype.numpy_dtype if dtype.numpy_dtype in IN_PLACE else IN_PLACE[1]
        found: Array = values.to_numpy(dtype=kept, na_value=np.nan)
        return found if dtype.kind == "f" or are_exact(found) else None

    def is_categorical(self, j: int) -> bool:
        """Whether this is a column of categories."""
        return isinstance(self._values_of(j).dtype, sys.modules["pandas"].CategoricalDtype)

    def distinct(self, j: int) -> Distinct | None:
        """The distinct values of a column of categories or of much text."""
        values = self._values_of(j)
        if self.is_categorical(j):
            return without_unused(values_of_index(values.dtype.categories), values.codes)
        if not _is_text(values) or len(values) < ROWS_CODED:
            return None
        codes, found = values.factorize()
        return without_unused(found.tolist(), codes)

    def listed(self, j: int) -> list[Any] | None:
        """The values of a column of text or objects."""
        values = self._values_of(j)
        return list(values.tolist()) if _is_text(values) or values.dtype == object else None

    def series(self, j: int) -> Any:
        """A column as a Series."""
        return self._frame.iloc[:, j]

    def categorical(self, j: int) -> Any | None:
        """A column of categories as pandas' own array of them."""
        return self._values_of(j)

    def _values_of(self, j: int) -> Any:
        """A column's array, which pandas makes anew for everyone who asks."""
        try:
            return self._found[j]
        except KeyError:
            found = self._found[j] = self._of_frame(j)
            return found

    def _column_dtypes(self) -> list[Any]:
        if self._dtypes is None:
            self._dtypes = self._frame.dtypes.tolist()
        return self._dtypes


def values_of_index(index: Any) -> list[Any]:
    """The values of an index of pandas: names of columns, or the categories of a dtype."""
    if isinstance(index.dtype, np.dtype):  # fast to list, and users write into the arrays of some
        return index.tolist()  # type: ignore[no-any-return]
    key = id(index)
    if (found := _values_kept.get(key)) is not None and found[0]() is index:
        return found[1].copy()
    values: list[Any] = index.tolist()
    if len(values) <= VALUES_KEPT:
        _values_kept[key] = weakref.ref(index, lambda _: _values_kept.pop(key, None)), values
    return values.copy()


def _column_arrays(X: Any) -> Callable[[int], Any]:
    """What gives the array of a column.

    That of pandas has no public name; a pandas without it is asked in public, which takes tens of microseconds.
    """
    found: Callable[[int], Any] | None = getattr(X, "_get_column_array", None)
    if found is not None:
        return found

    def of_series(j: int) -> Any:
        column = X.iloc[:, j]
        return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array

    return of_series


def _is_one_block(X: Any) -> bool:
    """Whether pandas is known to hold all columns in one array: asked of what has no public name, if it is there."""
    return bool(getattr(getattr(X, "_mgr", None), "is_single_block", False))


def _is_number(dtype: Any) -> bool:
    """Whether columns of a dtype hold native numbers, or numbers and nulls."""
    if isinstance(dtype, np.dtype):
        return dtype.char in NUMBERS and dtype.isnative
    kept = getattr(dtype, "numpy_dtype", None)  # of pandas' nullable dtypes and those of Arrow
    return kept is not None and dtype.kind in "biuf" and kept.char in NUMBERS


def _is_text(values: Any) -> bool:
    return isinstance(values.dtype, sys.modules["pandas"].StringDtype)
