"""Views: the columns that the trees of a folded pipeline look at, each made of one column of X.

A view is data, so that whoever folds the steps of a pipeline into a forest and whoever reads X agree on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["BinView", "CategoryView", "NumberView", "StepView", "View"]


@dataclass(frozen=True)
class NumberView:
    """The numbers of a column.

    Attributes
    ----------
    column : int
        Which of X.
    low, high : float, optional
        Numbers from `low` on and below `high` are missing to the trees; NaN where there are none.
    fill : float, optional
        What a missing number becomes.
    """

    column: int
    low: float = np.nan
    high: float = np.nan
    fill: float | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is the column as it is."""
        return self.fill is None and not self.low < self.high


@dataclass(frozen=True, eq=False)
class BinView:
    """Between which breaks the numbers of a column lie.

    Attributes
    ----------
    column : int
        Which of X.
    breaks : ndarray of float64, shape (B,)
        Ascending. A number's bin is how many of them are not above it; that of a missing one is NaN.
    refused : ndarray of bool, shape (B + 1,), optional
        Bins of numbers that the steps refuse.
    """

    column: int
    breaks: npt.NDArray[Any]
    refused: npt.NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class CategoryView:
    """Which of the known texts each value of a column is.

    Attributes
    ----------
    column : int
        Which of X.
    codes : mapping of str to int
        The number of each known text.
    nan, none : int, optional
        The numbers of NaN, or of whatever else is missing to the frame, and of None; None where the steps refuse them.
    unknown : int, optional
        The number of all other texts; None where the steps refuse them, or warn of them.
    all_missing : bool
        Whether the steps may be given a column of nothing but missing values: to some, such a column is one of numbers.
    """

    column: int
    codes: Mapping[str, int]
    nan: int | None
    none: int | None
    unknown: int | None
    all_missing: bool = True


@dataclass(frozen=True)
class StepView:
    """A column of what steps give that are run.

    Attributes
    ----------
    column : int
        Which of theirs.
    """

    column: int


View: TypeAlias = NumberView | BinView | CategoryView | StepView
