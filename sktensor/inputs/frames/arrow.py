"""Tables and record batches of pyarrow itself."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.inputs.frames.base import Distinct, are_exact

__all__ = ["ArrowFrame", "numbers", "numbers_or_nan"]

Array = npt.NDArray[Any]


class ArrowFrame:
    """A table of pyarrow.

    Parameters
    ----------
    X : pyarrow.Table or pyarrow.RecordBatch
        The table.
    """

    __slots__ = ("_table", "_types")

    flushes_tiny = False
    has_distinct_texts = False

    def __init__(self, X: Any) -> None:
        self._table = X
        self._types: list[Any] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._table.num_rows, self._table.num_columns

    def names(self) -> list[Any]:
        """Names of the columns."""
        return self._table.schema.names  # type: ignore[no-any-return]

    def in_place(self) -> None:
        """None: columns lie apart."""

    def matrix(self, dtype: np.dtype[Any], read: Array | None = None) -> Array | None:
        """All columns as one array, which pyarrow makes of batches of numbers from version 17 on."""
        batches = []
        try:
            for batch in self._table.to_batches():
                found: Array = batch.to_tensor(null_to_nan=True).to_numpy()
                batches.append(found)
        except (AttributeError, TypeError, NotImplementedError):  # nor of columns of bools or of half floats
            return None
        values = (
            batches[0] if len(batches) == 1 else np.concatenate(batches) if batches else np.empty(self.shape, dtype)
        )
        # Integers next to float32 columns become float64 where float32 does not hold all of them, so that the cast to
        # float32 is a second one.
        return values if values.dtype.itemsize <= dtype.itemsize or are_exact(values) else None

    def others(self) -> list[int]:
        """The columns of text, dates, decimals and the like."""
        known = _numeric()
        return [j for j, kind in enumerate(self._kinds()) if kind.id not in known]

    def numbers(self, j: int) -> Array | None:
        """The numbers of a column without nulls; a column in one piece is not copied, unless it is of bools."""
        return numbers(self._table.column(j))

    def numbers_or_nan(self, j: int) -> Array | None:
        """The numbers of a column with nulls."""
        return numbers_or_nan(self._table.column(j))

    def is_categorical(self, j: int) -> bool:
        """Whether this is a column of categories."""
        return sys.modules["pyarrow"].types.is_dictionary(self._table.schema.field(j).type)  # type: ignore[no-any-return]

    def times(self) -> list[int]:
        """The columns of dates, times and durations."""
        is_time = sys.modules["pyarrow"].types.is_temporal
        return [j for j in self.others() if is_time(self._kinds()[j])]

    def wide_integers(self) -> list[int]:
        """The columns of 64-bit integers, if others stand beside them."""
        wide = {kind.id for kind in (sys.modules["pyarrow"].int64(), sys.modules["pyarrow"].uint64())}
        found = [kind.id for kind in self._kinds()]
        return [j for j, kind in enumerate(found) if kind in wide] if len(set(found)) > 1 else []

    def _kinds(self) -> list[Any]:
        if self._types is None:
            self._types = self._table.schema.types
        return self._types

    def categorical(self, j: int) -> None:
        """None: this is not pandas."""

    def distinct(self, j: int) -> Distinct | None:
        """None: narwhals asks."""

    def listed(self, j: int) -> list[Any] | None:
        """None: narwhals asks."""

    def series(self, j: int) -> Any:
        """A column as a ChunkedArray."""
        return self._table.column(j)


def numbers(column: Any) -> Array | None:
    """The numbers of a ChunkedArray or Array without nulls; None if it has some, or holds anything else."""
    if column.type.id not in _numeric() or column.null_count:
        return None
    return _as_numpy(column)


def numbers_or_nan(column: Any) -> Array | None:
    """The numbers of a ChunkedArray or Array as floats, nulls as NaN; None if float64 rounds some."""
    kind = column.type.id
    if kind not in _numeric():
        return None
    pyarrow = sys.modules["pyarrow"]
    found = _as_numpy(column.cast(pyarrow.int8()) if kind == pyarrow.bool_().id else column)
    if found.dtype.kind != "f":
        found = found.astype(np.float64)
    return found if pyarrow.types.is_floating(column.type) or are_exact(found) else None


def _as_numpy(column: Any) -> Array:
    if hasattr(column, "num_chunks"):
        if column.num_chunks != 1:
            found: Array = column.to_numpy()
            return found
        column = column.chunk(0)
    return column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


@cache
def _numeric() -> frozenset[int]:
    """Numbers that pyarrow has for its types of numbers."""
    pa = sys.modules["pyarrow"]
    whole = [getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)]
    return frozenset(kind.id for kind in (pa.bool_(), pa.float16(), pa.float32(), pa.float64(), *whole))
