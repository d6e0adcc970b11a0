"""The structure of transformers: which input column each output column comes from, and how.

A description says nothing of a transformer's arithmetic: whoever folds it asks the fitted transformer itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "Description", "Known", "Stage", "column_of", "is_missing"]

Transform: TypeAlias = Callable[[Any], Any]
"""From rows of X to what some steps make of them."""

Stage: TypeAlias = tuple[Transform, int]
"""What gives a column: rows of X as some steps transform them, and the number of the column there."""


@dataclass(frozen=True)
class Known:
    """Values at which what a step gives may change.

    Attributes
    ----------
    stage : Stage
        The column that holds them.
    values : tuple
        Numbers or text.
    kind : {"monotone", "decreasing", "pieces"}
        How that column depends on the one of X, as in :class:`Column`.
    """

    stage: Stage
    values: tuple[Any, ...]
    kind: Literal["monotone", "decreasing", "pieces"] = "monotone"


@dataclass(frozen=True)
class Column:
    """A column on its way through the steps, as far as it depends on one column of X alone.

    Attributes
    ----------
    source : int
        Which of X.
    kind : {"monotone", "decreasing", "pieces"}
        How it depends on that: never decreasing or never increasing as it grows, in floating point; or the same for all
        values between two neighbours of the known ones.
    stage : Stage
        What gives it.
    known : tuple of Known
        Values that are looked for on the way.
    points : tuple of Known
        Of a monotone column, values that are exceptions, like the one that an imputer takes for missing.
    unknown : {"ask", "run"}
        Whether the steps can be asked about other values than the known ones, or warn each time and have to be run.
    finite : tuple of Stage
        What it has been on the way, for as long as it was monotone: a step behind may refuse infinite numbers there.
    """

    source: int
    kind: Literal["monotone", "decreasing", "pieces"]
    stage: Stage
    known: tuple[Known, ...] = ()
    points: tuple[Known, ...] = ()
    unknown: Literal["ask", "run"] = "ask"
    finite: tuple[Stage, ...] = ()

    def at(self, stage: Stage) -> Column:
        """What a further step gives of this column."""
        return replace(self, stage=stage, finite=self.finite if self.kind == "pieces" else (*self.finite, stage))

    def monotone(self, except_at: Iterable[Any] = ()) -> Column:
        """Never decreasing in this column, but for some values of it; what is in pieces stays in pieces.

        Parameters
        ----------
        except_at : iterable
            Numbers or text.

        Returns
        -------
        Column
        """
        values = tuple(except_at)
        if not values:
            return self
        if self.kind == "pieces":
            return replace(self, known=(*self.known, Known(self.stage, values, self.kind)))
        return replace(self, points=(*self.points, Known(self.stage, values, self.kind)))

    def decreasing(self) -> Column:
        """Never increasing in this column."""
        turned: Any = {"monotone": "decreasing", "decreasing": "monotone", "pieces": "pieces"}
        return replace(self, kind=turned[self.kind])

    def pieces(self, values: Iterable[Any], unknown: Literal["ask", "run"] = "ask") -> Column:
        """A function of which of these values it is or, of numbers, between which of them it lies.

        Parameters
        ----------
        values : iterable
            Numbers or text.
        unknown : {"ask", "run"}
            ``"run"`` where the transformer warns of other values each time.

        Returns
        -------
        Column
        """
        known = (*self.known, Known(self.stage, tuple(values), self.kind))
        return replace(self, kind="pieces", known=known, unknown="run" if "run" in (unknown, self.unknown) else "ask")


Description: TypeAlias = Callable[[Any, list[Column]], list[Column] | None]
"""``describe(transformer, columns)``: the columns of what it gives, made of those that it is given, in their order.

None for a transformer, or parameters of it, of which this cannot be said: it is run.
"""


def column_of(rows: Any, j: int) -> npt.NDArray[Any]:
    """A column of an array, sparse matrix or frame."""
    if hasattr(rows, "tocsc"):
        return np.asarray(rows[:, [j]].toarray()).ravel()
    if hasattr(rows, "iloc"):
        return np.asarray(rows.iloc[:, j])
    if isinstance(rows, np.ndarray):
        return rows[:, j]
    return np.asarray(rows[:, j])


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or the missing value of pandas."""
    return value is None or (isinstance(value, float) and value != value) or type(value).__name__ == "NAType"
