"""Columns of X that hold numbers: thresholds where steps are monotone, bins within which all is the same elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn

from sktensor.errors import UnsupportedModelError
from sktensor.forest.views import BinView, NumberView
from sktensor.pipelines.domains import Domain
from sktensor.pipelines.oracle import Oracle, padded
from sktensor.pipelines.questions import Questions, ViewNumbers
from sktensor.pipelines.search import Places
from sktensor.pipelines.structure import Stage

__all__ = ["MOST_BINS", "NumericViews"]

Array = npt.NDArray[Any]

# Bins and categories of a column, at most: more would not be numbers of 16 bits.
MOST_BINS = 2**15


class NumericViews:
    """What has nodes ask for the numbers of columns of X.

    Parameters
    ----------
    oracle : Oracle
        The steps.
    questions : Questions
        Those of the nodes.
    places : Places
        From which numbers on what the steps make of them reaches the nodes' thresholds.
    views : ViewNumbers
        All views so far.
    lowest, highest : ndarray of float64, shape (F,)
        Between which numbers the steps and the model take those of each column of X.
    """

    def __init__(
        self,
        oracle: Oracle,
        questions: Questions,
        places: Places,
        views: ViewNumbers,
        lowest: Array,
        highest: Array,
    ) -> None:
        self._oracle, self._questions, self._places, self._views = oracle, questions, places, views
        self._lowest, self._highest = lowest, highest
        self._holes = self._find_holes()

    def add(self, c: int, missing: tuple[Array, Array] | None) -> None:
        """Have the nodes that ask of what becomes of a column of X ask of its numbers.

        Parameters
        ----------
        c : int
            The column of X.
        missing : tuple of ndarray, optional
            What they see where it is missing: numbers, and which of them are missing.
        """
        in_bins = []
        for i, j in enumerate(self._oracle.used_of(c)):
            of_missing = None if missing is None else (float(missing[0][i]), bool(missing[1][i]))
            if not self._by_threshold(c, j, of_missing):
                in_bins.append(j)
        if in_bins or any(column.kind == "pieces" for column in self._oracle.looked_at[c]):  # which may refuse numbers
            self._by_bins(c, in_bins, missing)

    # --- thresholds ---------------------------------------------------------------------------------------------

    def _has_thresholds(self, j: int) -> bool:
        """Whether comparing with thresholds may do for the nodes of a column."""
        column, trees = self._oracle.column(j), self._oracle.forest.trees
        if column.kind != "monotone" or column.points or self._questions.has_sets(j):
            return False
        return trees.zero_dir is None or len(self._oracle.missing_values()) == 2

    def _find_holes(self) -> dict[int, list[tuple[int, int, Array]]]:
        """Intervals of X that go another way than by comparison, and where nodes send them, by column of the trees.

        All columns are asked about in the same rows.
        """
        oracle, borders = self._oracle, self._oracle.missing_values()
        by_zero = oracle.forest.trees.zero_dir is not None
        pairs = [(borders[0], borders[1])] if by_zero and len(borders) == 2 else [(v, v) for v in borders]
        ends: dict[int, list[tuple[int, int]]] = {}
        for c in oracle.numeric if pairs else ():
            for j in filter(self._has_thresholds, oracle.used_of(c)):
                stage = oracle.column(j).stage
                for (low, seen), (high, _) in pairs:
                    first = int(self._places.of(c, stage, np.array([low]), False, seen)[0])
                    beyond = int(self._places.of(c, stage, np.array([high]), True, seen)[0])
                    if first < beyond:
                        ends.setdefault(j, []).append((first, beyond))
        asked: dict[int, list[int]] = {}
        for j, of_column in ends.items():
            asked.setdefault(oracle.column(j).source, []).extend(first for first, _ in of_column)
        n = max(map(len, asked.values()), default=0)
        domains = oracle.numeric
        rows = {c: padded(domains[c].value(np.array(at, dtype=np.uint64)), n) for c, at in asked.items()}
        found: dict[int, list[tuple[int, int, Array]]] = {}
        at_row = dict.fromkeys(asked, 0)
        if n:
            numbers, absent = oracle.features(oracle.rows(rows, n), list(ends))
        for i, (j, of_column) in enumerate(ends.items()):
            c = oracle.column(j).source
            for first, beyond in of_column:
                row = slice(at_row[c], at_row[c] + 1)
                answers = self._questions.answers([j], numbers[row, i, None], absent[row, i, None])
                if not answers.as_compared(j):
                    found.setdefault(j, []).append((first, beyond, answers.of(j)[0]))
                at_row[c] += 1
        return found

    def _by_threshold(self, c: int, j: int, of_missing: tuple[float, bool] | None) -> bool:
        """Have the nodes of a column compare a column of X with thresholds; False if that is not possible."""
        domain, questions, holes = self._oracle.numeric[c], self._questions, self._holes.get(j, [])
        if not self._has_thresholds(j) or len(holes) > 1:
            return False
        view = NumberView(c)
        nan_left: Array | None = None
        if of_missing is not None:
            nan_left = questions.answers([j], np.array([[of_missing[0]]]), np.array([[of_missing[1]]])).of(j)[0]
        if holes:
            first, beyond, in_hole = holes[0]
            fill = None
            if nan_left is not None and not np.array_equal(nan_left, in_hole):
                fill = self._number_like(c, j, nan_left)
                if fill is None:
                    return False
            ends = domain.value(np.array([first, beyond], dtype=np.uint64)).astype(np.float64)
            if beyond > domain.last:
                ends[1] = np.inf
            view = NumberView(c, float(ends[0]), float(ends[1]), fill)
            nan_left = in_hole
        thresholds = _thresholds(domain, self._places_of(c, j), self._oracle.forest.trees.cmp)
        questions.ask_numbers(j, self._views.number_of(view), thresholds, nan_left)
        return True

    def _places_of(self, c: int, j: int) -> Array:
        """Of each value that the nodes of a column ask of, the first place from which on they answer otherwise."""
        stage, values = self._oracle.column(j).stage, np.array(self._questions.values(j))
        return self._places.of(c, stage, values, self._places.strictly)

    def _number_like(self, c: int, j: int, nan_left: Array) -> float | None:
        """A number of X that all nodes of a column answer as they answer missing ones, outside of what is missing."""
        domain, places = self._oracle.numeric[c], self._places_of(c, j)
        places = np.append(places[places <= domain.last], np.uint64(domain.first))
        below = places[places > domain.first] - np.uint64(1)
        values = domain.value(np.unique(np.concatenate([places, below])))
        numbers, absent = self._oracle.features_of(c, values, [j])
        answers = self._questions.answers([j], numbers, absent).of(j)
        like = np.flatnonzero((answers == nan_left).all(axis=1) & ~absent[:, 0])
        return float(values[like[0]]) if len(like) else None

    # --- bins ---------------------------------------------------------------------------------------------------

    def _by_bins(self, c: int, js: list[int], missing: tuple[Array, Array] | None) -> None:
        """Have the nodes of some columns ask in which bin a number of a column of X lies."""
        domain, questions = self._oracle.numeric[c], self._questions
        stages = [stage for j in js for stage in self._stages_of(j)]
        breaks = self._places.breaks(c, [*stages, *(known.stage for known in self._oracle.known(c))])
        if len(breaks) > MOST_BINS:
            raise UnsupportedModelError(f"column {c} falls into {len(breaks)} bins")
        first = np.concatenate([[np.uint64(domain.first)], breaks]).astype(np.uint64)
        last = np.concatenate([breaks - np.uint64(1), [np.uint64(domain.last)]]).astype(np.uint64)
        low = domain.place(np.array([self._lowest[c]]).astype(domain.dtype))
        high = domain.place(np.array([self._highest[c]]).astype(domain.dtype))
        first, last = np.maximum(first, low), np.minimum(last, high)
        answers: dict[int, Array] = {j: np.zeros((len(first), questions.count(j)), dtype=bool) for j in js}
        refused = np.ones(len(first), dtype=bool)

        def ask(bins: Array) -> bool:
            """Ask about the ends of some bins; False if the steps, or the model, refuse them."""
            found = self._answers_in(c, js, domain.value(first[bins]), domain.value(last[bins]))
            if found is None:
                return False
            for j, of_column in found.items():
                answers[j][bins] = of_column
            refused[bins] = False
            return True

        is_point = first == last
        for bins in (np.flatnonzero(is_point), np.flatnonzero(first < last)):
            if len(bins) and not ask(bins):
                for one in bins[:, None]:
                    ask(one)
        if not js and not refused[first <= last].any():
            return
        of_missing = None
        if missing is not None:
            at = [self._oracle.used_of(c).index(j) for j in js]
            of_missing = questions.answers(js, missing[0][None, at], missing[1][None, at])
        breaks_in = domain.value(breaks).astype(np.float64)
        view = self._views.number_of(BinView(c, breaks_in, refused if refused.any() else None))
        for j in js:
            questions.ask_sets(j, view, answers[j], None if of_missing is None else of_missing.of(j)[0])

    def _answers_in(self, c: int, js: list[int], first: Array, last: Array) -> dict[int, Array] | None:
        """What the nodes of some columns answer in bins with these ends; None if steps, or the model, refuse these."""
        every = self._oracle.by_source[c]
        try:
            with sklearn.config_context(assume_finite=False):
                numbers, missing = self._oracle.features_of(c, np.concatenate([first, last]), every)
        except UnsupportedModelError:
            return None
        if np.isnan(numbers).any() and not self._oracle.takes_nan:
            return None
        at = [every.index(j) for j in js]
        ends = self._questions.answers(js, numbers[:, at], missing[:, at])
        found = {}
        for j in js:
            below, above = np.split(ends.of(j), 2)
            if not np.array_equal(below, above):
                raise UnsupportedModelError(f"what the steps make of column {c} changes where it should not")
            found[j] = below
        return found

    def _stages_of(self, j: int) -> list[Stage]:
        column = self._oracle.column(j)
        return [column.stage, *(known.stage for known in (*column.known, *column.points))]


def _thresholds(domain: Domain, places: Array, cmp: str) -> Array:
    """What numbers below some places, and no others, are below, or not above."""
    if cmp == "lt":
        return np.where(places > domain.last, np.inf, domain.value(places).astype(np.float64))
    below = domain.value(np.maximum(places, np.uint64(1)) - np.uint64(1)).astype(np.float64)
    return np.where(places > domain.last, np.inf, np.where(places <= domain.first, -np.inf, below))
