"""The views of a folded pipeline for a few rows, value by value."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

from sktensor.forest.views import BinView, CategoryView, NumberView, StepView, View
from sktensor.inputs.not_for_views import NotForViews

__all__ = ["ValueViews", "code_of"]

Array = npt.NDArray[Any]

NAN = float("nan")


class ValueViews:
    """What makes lists of values the views of a forest; the same numbers as by columns.

    Parameters
    ----------
    views : sequence of View
        What is to be made.
    numeric : sequence of int
        The columns of X that hold numbers.
    lowest, highest : ndarray of float64, shape (F,)
        Between which numbers steps and model take those of each column of X.
    takes_missing : ndarray of bool, shape (F,)
        Whether they take missing ones.
    """

    def __init__(
        self, views: Sequence[View], numeric: Sequence[int], lowest: Array, highest: Array, takes_missing: Array
    ) -> None:
        self._checked = [(c, float(lowest[c]), float(highest[c]), bool(takes_missing[c])) for c in numeric]
        self._width = len(views)
        self._numbers, self._texts, self._further = [], [], []
        self._not_all_missing: list[tuple[int, tuple[Any, ...]]] = []
        for i, view in enumerate(views):
            if isinstance(view, NumberView):
                self._numbers.append((i, view.column, view.low, view.high, NAN if view.fill is None else view.fill))
            elif isinstance(view, CategoryView):
                self._texts.append((i, view.column, view.codes.get, view))
                if not view.all_missing:
                    self._not_all_missing.append((i, (view.nan, view.none)))
            else:
                self._further.append((i, view))
        self._bins = {i: _bins(view) for i, view in self._further if isinstance(view, BinView)}

    def rows(self, columns: Sequence[Any], n_rows: int, given: Array | None) -> list[list[Any]]:
        """Rows of views.

        Parameters
        ----------
        columns : sequence
            By the number of the column its values, as :class:`~sktensor.inputs.few_rows.FewRows` has them.
        n_rows : int
            Their length.
        given : ndarray of shape (n, S), optional
            What the steps give that are run.

        Raises
        ------
        NotForViews
            If a value is none that the views were made for.
        """
        found = []
        for r in range(n_rows):
            for c, low, high, takes_missing in self._checked:
                value = columns[c][r]
                if not low <= value <= high and (value == value or not takes_missing):
                    raise NotForViews
            row: list[Any] = [NAN] * self._width
            for i, c, low, high, fill in self._numbers:
                value = columns[c][r]
                if value != value:
                    value = fill
                row[i] = NAN if low <= value < high else value
            for i, c, get, view in self._texts:
                value = columns[c][r]
                try:
                    row[i] = get(value)
                except TypeError as error:  # what cannot be hashed is no text
                    raise NotForViews from error
                if row[i] is None and (code := code_of(value, view)) is not None:
                    row[i] = code
                elif row[i] is None:
                    raise NotForViews
            for i, further in self._further:
                if isinstance(further, StepView):
                    assert given is not None
                    row[i] = given[r, further.column]
                else:
                    row[i] = self._bins[i](columns[further.column][r])  # type: ignore[union-attr]
            found.append(row)
        for i, missing in self._not_all_missing:
            if all(row[i] in missing for row in found):
                raise NotForViews
        return found


def code_of(value: Any, view: CategoryView) -> int | None:
    """The number of a value that is no known text; None if it has none."""
    if isinstance(value, str):
        return view.unknown
    if value is None:
        return view.none
    return view.nan if isinstance(value, float) and value != value else None


def _bins(view: BinView) -> Callable[[float], float]:
    breaks, refused = view.breaks.tolist(), None if view.refused is None else view.refused.tolist()

    def bin_of(value: float) -> float:
        if value != value:
            return NAN
        found = bisect_right(breaks, value)
        if refused is not None and refused[found]:
            raise NotForViews
        return found

    return bin_of
