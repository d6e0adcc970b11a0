"""Frames of all libraries that narwhals knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sktensor.inputs.frames.base import Distinct

__all__ = ["NarwhalsFrame"]


class NarwhalsFrame:
    """A frame of any library, by way of narwhals.

    Parameters
    ----------
    X : data frame
        The frame.
    """

    __slots__ = ("_frame",)

    has_distinct_texts = False

    def __init__(self, X: Any) -> None:
        import narwhals as nw

        self._frame = nw.from_native(X, eager_only=True)

    @property
    def flushes_tiny(self) -> bool:
        """Whether this is a frame of the kind of pandas."""
        return bool(self._frame.implementation.is_pandas_like())

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._frame.shape  # type: ignore[no-any-return]

    def names(self) -> list[Any]:
        """Names of the columns."""
        return list(self._frame.columns)

    def in_place(self) -> None:
        """None: narwhals has columns."""

    def matrix(self, dtype: np.dtype[Any], read: Any = None) -> None:
        """None: narwhals has columns."""

    def others(self) -> Sequence[int]:
        """All columns, whose dtypes are looked at one by one."""
        return range(self.shape[1])

    def numbers(self, j: int) -> None:
        """None: the series is asked."""

    def numbers_or_nan(self, j: int) -> None:
        """None: the series is asked."""

    def is_categorical(self, j: int) -> bool:
        """Whether this is a column of categories."""
        import narwhals as nw

        return self._frame[:, j].dtype in (nw.Categorical, nw.Enum)

    def categorical(self, j: int) -> Any | None:
        """A column of categories as the array of them that pandas and its like have."""
        return getattr(self._frame[:, j].to_native(), "array", None)

    def distinct(self, j: int) -> Distinct | None:
        """None: the series is asked."""

    def listed(self, j: int) -> list[Any] | None:
        """None: the series is asked."""

    def series(self, j: int) -> Any:
        """A column as narwhals has it."""
        return self._frame[:, j]
