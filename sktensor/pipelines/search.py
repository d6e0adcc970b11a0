"""From which numbers of X on what steps make of them reaches values that the trees ask of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.pipelines.domains import Answered, first_that
from sktensor.pipelines.oracle import Oracle, padded
from sktensor.pipelines.questions import Questions
from sktensor.pipelines.structure import Stage, Transform, column_of

__all__ = ["Places"]

Array = npt.NDArray[Any]


@dataclass(eq=False)
class _Targets:
    """Questions of one kind: from which number of X on a stage's column is at least some values, or above them."""

    stage: Stage
    strictly: bool
    of_features: bool  # whether it is asked of what the trees see
    falls: bool
    points: list[tuple[int, int]]  # exceptions: first places of, and behind, numbers of X that go another way
    values: Array  # ascending
    places: Array

    def hold(self, z: Array, which: Array) -> Array:
        """Whether some of them hold for what the steps give, of shape (len(which), k)."""
        value = self.values[which, None]
        if z.dtype.kind == "f":  # at the number beside it, whichever of the two dtypes the steps compare in
            value = value.astype(z.dtype)
        found: Array
        if self.falls:
            found = z < value if self.strictly else z <= value
        else:
            found = z > value if self.strictly else z >= value
        return found

    def levels(self, feature_dtype: str) -> Array:
        """Where what the steps give is rounded to what they begin to hold for."""
        dtype = np.dtype(feature_dtype if self.of_features else "float64").type
        values = self.values.astype(dtype)
        beside = np.nextafter(values, dtype(np.inf if self.strictly != self.falls else -np.inf))
        found: Array = values.astype(np.float64) / 2 + beside.astype(np.float64) / 2
        return found


class Places:
    """From which numbers of X on, by their places, what steps make of them reaches values that the trees ask of.

    Parameters
    ----------
    oracle : Oracle
        The steps.
    questions : Questions
        What the trees ask.
    """

    def __init__(self, oracle: Oracle, questions: Questions) -> None:
        self._oracle, self._questions = oracle, questions
        self.strictly = oracle.forest.trees.cmp == "le"  # x <= t until x > t, x < t until x >= t
        self._points: dict[Stage, list[tuple[int, int]]] = {}
        for c in oracle.numeric:
            for column in (*oracle.looked_at[c], *map(oracle.column, oracle.by_source[c])):
                if column.points and column.stage not in self._points:
                    self._points[column.stage] = oracle.points(column)
        self._targets = {c: self._wanted(c) for c in oracle.numeric}
        # One stage after the other: not every step takes what another is asked.
        for transform in dict.fromkeys(t.stage[0] for targets in self._targets.values() for t in targets):
            self._search(transform)

    def of(self, c: int, stage: Stage, values: Array, strictly: bool, of_features: bool = True) -> Array:
        """The first places in a column of X from which on a stage's column is at least some values, or above them."""
        for t in self._targets[c]:
            if (*t.stage, t.strictly, t.of_features) == (*stage, strictly, of_features):
                return t.places[np.searchsorted(t.values, values)]
        raise KeyError(c)

    def breaks(self, c: int, stages: list[Stage]) -> Array:
        """All places in a column of X, in order, where some stages' columns may change what is asked of them."""
        domain = self._oracle.numeric[c]
        found = [t.places for t in self._targets[c] if t.stage in stages]
        columns = (*self._oracle.looked_at[c], *map(self._oracle.column, self._oracle.by_source[c]))
        points = [place for column in columns for ends in self._points.get(column.stage, ()) for place in ends]
        places = np.unique(np.concatenate([*found, np.array(points, dtype=np.uint64)]))
        return places[(places > domain.first) & (places <= domain.last)]

    def _wanted(self, c: int) -> list[_Targets]:
        """What has to be looked for among the numbers of a column of X."""
        oracle, questions = self._oracle, self._questions
        wanted: dict[tuple[Stage, bool, bool], tuple[bool, list[float]]] = {}

        def want(stage: Stage, values: Iterable[Any], of_features: bool, falls: bool, sides: Any) -> None:
            numbers = [float(v) for v in values if isinstance(v, (int, float, np.number, np.bool_))]  # no text
            for strictly in sides if numbers else ():
                wanted.setdefault((stage, strictly, of_features), (falls, []))[1].extend(numbers)

        used = oracle.used_of(c)
        for j in used or oracle.by_source[c]:
            column = oracle.column(j)
            if column.kind == "pieces":
                continue
            falls = column.kind == "decreasing"
            if used:
                both = falls or questions.has_sets(j)
                want(column.stage, questions.values(j), True, falls, (False, True) if both else (self.strictly,))
            for value, of_features in oracle.missing_values():
                want(column.stage, [value], of_features, falls, (False, True))
        for known in oracle.known(c):
            if known.kind != "pieces":  # between whose values nothing changes
                want(known.stage, known.values, False, known.kind == "decreasing", (False, True))
        found = []
        for (stage, strictly, of_features), (falls, numbers) in wanted.items():
            values, points = np.unique(numbers), self._points.get(stage, [])
            places = np.zeros(len(values), dtype=np.uint64)
            found.append(_Targets(stage, strictly, of_features, falls, points, values, places))
        return found

    def _search(self, transform: Transform) -> None:
        """Find the places of all questions about what one stage gives."""
        oracle = self._oracle
        targets: dict[int, list[_Targets]] = defaultdict(list)
        for c, of_column in self._targets.items():
            for t in of_column:
                if t.stage[0] is transform:
                    targets[c].append(t)
        domains = [oracle.numeric[c] for c in targets]
        starts = [np.cumsum([0, *(len(t.values) for t in of_column)]) for of_column in targets.values()]
        feature_dtype = oracle.forest.trees.feature_dtype

        def asked(tried: list[Array], which: list[Array]) -> list[Answered]:
            n = max(x.size for x in tried)
            values = {}
            for (c, of_column), start, x, w in zip(targets.items(), starts, tried, which, strict=True):
                values[c] = padded(self._beside_points(c, of_column, start, x, w).ravel(), n)
            rows = oracle.rows(values, n)
            return [
                self._answered(rows, of_column, start, x.shape, w)
                for of_column, start, x, w in zip(targets.values(), starts, tried, which, strict=True)
            ]

        counts = [int(start[-1]) for start in starts]
        levels = [np.concatenate([t.levels(feature_dtype) for t in of_column]) for of_column in targets.values()]
        found = first_that(domains, asked, counts, levels)
        for of_column, start, places in zip(targets.values(), starts, found, strict=True):
            for t, of_target in zip(of_column, np.split(places, start[1:-1]), strict=True):
                t.places = of_target

    def _beside_points(self, c: int, targets: list[_Targets], starts: Array, x: Array, which: Array) -> Array:
        """Numbers of a column of X to try, shape (questions, k), without exceptions, of which those below say more."""
        if not any(t.points for t in targets):
            return x
        domain, x = self._oracle.numeric[c], x.copy()
        ends = np.searchsorted(which, starts).tolist()
        for t, first, last in zip(targets, ends[:-1], ends[1:], strict=True):
            for low, high in t.points:
                point, below = domain.value(np.array([high - 1, max(low - 1, domain.first)], dtype=np.uint64))
                x[first:last] = np.where(x[first:last] == point, below, x[first:last])
        return x

    def _answered(
        self, rows: Any, targets: list[_Targets], starts: Array, shape: tuple[int, ...], which: Array
    ) -> Answered:
        """Whether some questions about a column of X hold, and what the steps give, both of this shape."""
        holds, z, k = np.empty(shape, dtype=bool), np.empty(shape), shape[1]
        ends = np.searchsorted(which, starts).tolist()
        for t, start, first, last in zip(targets, starts[:-1], ends[:-1], ends[1:], strict=True):
            if first == last:
                continue
            run, number = t.stage
            given = self._oracle.transformed(run, rows)
            seen = self._oracle.seen(run, rows).numbers[:, number] if t.of_features else column_of(given, number)
            of_target, size = slice(first * k, last * k), (last - first, k)
            holds[first:last] = t.hold(seen[of_target].reshape(size), which[first:last] - start)
            z[first:last] = self._oracle.dense(t.stage, rows)[of_target].reshape(size)
        return holds, z
