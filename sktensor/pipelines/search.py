"""Which numbers of X steps take, and from which number on what they make of it reaches a value."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.pipelines.domains import first_that
from sktensor.pipelines.features import Features
from sktensor.pipelines.oracle import Oracle
from sktensor.pipelines.questions import Questions
from sktensor.pipelines.structure import Stage, Transform, column_of

__all__ = ["Places", "finite_limits"]

Array = npt.NDArray[Any]


def finite_limits(oracle: Oracle, n_columns: int) -> tuple[Array, Array]:
    """Between which numbers all that steps make of them is finite: none behind them takes others.

    Parameters
    ----------
    oracle : Oracle
        The steps.
    n_columns : int
        Columns of X.

    Returns
    -------
    lowest, highest : ndarray of float64, shape (n_columns,)
        Numbers between which, these included, steps and model take those of each column of X.
    """
    numeric = oracle.numeric
    lowest, highest = np.full(n_columns, -np.inf), np.full(n_columns, np.inf)
    for c, domain in numeric.items():
        lowest[c], highest[c] = domain.value(np.array([domain.first, domain.last], dtype=np.uint64)).astype(np.float64)
    last = not oracle.forest.inputs.accepts_inf
    growing = {c: dict.fromkeys(at for column in oracle.looked_at[c] for at in column.finite) for c in numeric}
    runs = list(dict.fromkeys(run for stages in growing.values() for run, _ in stages))
    monotone = {c: [j for j in oracle.by_source[c] if last and oracle.column(j).kind != "pieces"] for c in numeric}
    sources = [c for c in numeric if growing[c] or monotone[c]]
    domains = [numeric[c] for c in sources]
    zero = [domain.place(np.zeros(1, dtype=domain.dtype))[0] for domain in domains]

    def holds(places: list[Array]) -> list[Array]:
        n = max((p.size for p in places), default=1)
        values = {c: _padded(d.value(p.ravel()), n) for c, d, p in zip(sources, domains, places, strict=True)}
        rows = oracle.rows(values, n)
        given = {run: oracle.transformed(run, rows) for run in runs}
        found = []
        for c, p, at in zip(sources, places, zero, strict=True):
            finite: Array = np.ones(n, dtype=bool)
            for run, number in growing[c]:
                finite &= _finite(column_of(given[run], number))
            if monotone[c]:
                finite &= np.isfinite(oracle.features(rows, monotone[c])[0]).all(axis=1)
            finite = finite[: p.size].reshape(p.shape)
            found.append(np.stack([finite[0] | (p[0] >= at), ~finite[1] & (p[1] >= at)]))
        return found

    found = first_that(domains, holds, [2] * len(sources))
    for c, domain, (first, beyond) in zip(sources, domains, found, strict=True):
        ends = domain.value(np.array([first, beyond - np.uint64(1)], dtype=np.uint64))
        lowest[c], highest[c] = ends.astype(np.float64)
    return lowest, highest


@dataclass
class _Target:
    """A question of the bisection: from which number of X on a column of some stage is at least a value, or above."""

    transform: Transform
    number: int
    value: float
    strictly: bool
    of_features: bool  # whether it is asked of what the trees see
    falls: bool = False
    place: int = -1


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
        self._points = {c: points for c in oracle.numeric if (points := oracle.points(c))}
        self._targets = {c: self._wanted(c) for c in oracle.numeric}
        self._found: dict[tuple[int, int, int, float, bool, bool], int] = {}
        self._search()

    def of(self, c: int, stage: Stage, value: float, strictly: bool, of_features: bool = True) -> int:
        """The first place in a column of X from which on a stage's column is at least a value, or above."""
        return self._found[c, id(stage[0]), stage[1], float(value), strictly, of_features]

    def breaks(self, c: int, stages: list[Stage]) -> Array:
        """All places in a column of X, in order, where some stages' columns may change what is asked of them."""
        domain, of = self._oracle.numeric[c], {(id(run), number) for run, number in stages}
        places = {t.place for t in self._targets[c] if (id(t.transform), t.number) in of}
        for ends in self._points.get(c, ()):
            places |= {*ends}
        return np.array(sorted(p for p in places if domain.first < p <= domain.last), dtype=np.uint64)

    def _wanted(self, c: int) -> list[_Target]:
        """What has to be looked for among the numbers of a column of X."""
        oracle, questions = self._oracle, self._questions
        wanted: dict[tuple[int, int, float, bool, bool], _Target] = {}

        def want(
            transform: Transform, number: int, value: Any, of_features: bool, falls: bool, sides: Any = (False, True)
        ) -> None:
            if not isinstance(value, (int, float, np.number, np.bool_)):
                return  # text, which no number is
            for strictly in sides:
                key = id(transform), number, float(value), strictly, of_features
                wanted.setdefault(key, _Target(transform, number, float(value), strictly, of_features, falls))

        used = set(oracle.used_of(c))
        for j in sorted(used) or oracle.by_source[c]:
            column = oracle.column(j)
            falls = column.kind == "decreasing"
            run, number = column.stage
            if column.kind != "pieces":
                both = j in used and (falls or questions.has_sets(j))
                for value in questions.values(j) if j in used else ():
                    want(run, number, value, True, falls, (False, True) if both else (self.strictly,))
                for value, of_features in oracle.missing_values():
                    want(run, number, value, of_features, falls)
        for known in oracle.known(c):
            for value in known.values:
                want(*known.stage, value, False, False)
        return list(wanted.values())

    def _search(self) -> None:
        """Find all places, for one stage after the other: not every step takes what another is asked."""
        stages = {id(t.transform): t.transform for targets in self._targets.values() for t in targets}
        for key, transform in stages.items():
            for of_features in (False, True):
                of_stage: dict[int, list[_Target]] = defaultdict(list)
                for c, targets in self._targets.items():
                    for t in targets:
                        if id(t.transform) == key and t.of_features == of_features:
                            of_stage[c].append(t)
                if of_stage:
                    self._search_stage(of_stage, transform)

    def _search_stage(self, targets: dict[int, list[_Target]], transform: Transform) -> None:
        oracle, sources = self._oracle, list(targets)
        domains = [oracle.numeric[c] for c in sources]

        def holds(places: list[Array]) -> list[Array]:
            n = max((p.size for p in places), default=1)
            values = {}
            for c, domain, p in zip(sources, domains, places, strict=True):
                at = p.ravel()
                for low, high in self._points.get(c, ()):  # exceptions, of which the number below them says more
                    at = np.where((at >= low) & (at < high), max(low - 1, domain.first), at).astype(np.uint64)
                values[c] = _padded(domain.value(at), n)
            given = oracle.transformed(transform, oracle.rows(values, n))
            seen = Features(given, oracle.forest) if targets[sources[0]][0].of_features else None
            found = []
            for c, p in zip(sources, places, strict=True):
                of_column = np.empty(p.shape, dtype=bool)
                for i, target in enumerate(targets[c]):
                    column = column_of(given, target.number) if seen is None else seen.numbers[:, target.number]
                    z = column[i * p.shape[1] : (i + 1) * p.shape[1]]
                    if target.falls:
                        of_column[i] = z < target.value if target.strictly else z <= target.value
                    else:
                        of_column[i] = z > target.value if target.strictly else z >= target.value
                found.append(of_column)
            return found

        for c, places in zip(sources, first_that(domains, holds, [len(targets[c]) for c in sources]), strict=True):
            for target, place in zip(targets[c], places.tolist(), strict=True):
                target.place = place
                self._found[c, id(transform), target.number, target.value, target.strictly, target.of_features] = place


def _finite(values: Array) -> Array:
    try:
        found: Array = np.isfinite(values.astype(np.float64))
    except (TypeError, ValueError) as error:
        raise UnsupportedModelError("the steps give other things than numbers") from error
    return found


def _padded(values: Array, n: int) -> Array:
    """Values and further ones of the same, so that there are `n`."""
    if len(values) == n:
        return values
    return np.concatenate([values, np.full(n - len(values), values[-1] if len(values) else 0, dtype=values.dtype)])
