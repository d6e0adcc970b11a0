"""Steps folded into the forest behind them: the same trees and leaves, other questions, of the columns of X.

A node asks whether ``z[j] < t``, where ``z`` is what the steps give. For which numbers, or categories, of a column of X
that is so, the fitted steps say themselves: nothing of their arithmetic is written here. For columns that are monotone
in one of X, the smallest number for which it is not so is found by bisection; in any other case the numbers of that
column fall into bins within which every answer is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import sklearn

from sktensor.errors import UnsupportedModelError
from sktensor.forest import Forest, InputSpec
from sktensor.forest.views import BinView, CategoryView, NumberView, StepView, View
from sktensor.pipelines.domains import Domain, first_that
from sktensor.pipelines.features import Features, check_inputs
from sktensor.pipelines.questions import Answers, Questions
from sktensor.pipelines.structure import Column, Known, Transform, column_of, is_missing
from sktensor.pipelines.walk import Opaque, Way

__all__ = ["Folded", "Probe", "fold"]

Array = npt.NDArray[Any]

# Bins and categories of a column, at most: more would not be numbers of 16 bits.
MOST_BINS = 2**15

# A value that no column of text is trained on.
UNKNOWN = "\x00sktensor: no category\x00"


class Probe(Protocol):
    """Rows of the kind that a program is folded for: arrays of a dtype, or frames with columns of some dtypes."""

    def domain(self, column: int) -> Domain | None:
        """The numbers that a column can hold; None for columns of text, objects and categories."""

    def missing(self, column: int) -> list[Any]:
        """The missing values that a column can hold."""

    def known(self, column: int, values: Sequence[Any]) -> list[Any]:
        """Those of some values that a column of text, objects or categories can hold, and those that it has itself."""

    def rows(self, values: dict[int, Any], n_rows: int) -> Any:
        """Rows with these values in some columns, and usual ones in all others."""


@dataclass(frozen=True)
class Folded:
    """A forest that answers for steps and the model behind them.

    Attributes
    ----------
    forest : Forest
        Its columns are the views.
    views : tuple of View
        What they are made of.
    lowest, highest : ndarray of float64, shape (F,)
        Numbers of a column of X between which the steps and the model take them, these included.
    takes_missing : ndarray of bool, shape (F,)
        Whether they take missing numbers there.
    runs : tuple of (callable, ndarray of int)
        What gives the columns of :class:`StepView`, one block behind the other, and which of its columns they are.
    absent_zero : bool
        Whether a zero among these is an absent entry of a sparse matrix.
    columns : tuple of int
        The columns of X that the folded steps look at.
    run_names : tuple of str
        What the columns of :class:`StepView` are called.
    """

    forest: Forest
    views: tuple[View, ...]
    lowest: Array
    highest: Array
    takes_missing: Array
    runs: tuple[tuple[Transform, Array], ...] = ()
    absent_zero: bool = False
    columns: tuple[int, ...] = ()
    run_names: tuple[str, ...] = ()


def fold(way: Way, forest: Forest, probe: Probe, n_columns: int) -> Folded:
    """Fold steps into the forest behind them.

    Parameters
    ----------
    way : Way
        What becomes of the columns of X: one for each column of `forest`.
    forest : Forest
        The last step's.
    probe : Probe
        The rows that it is for.
    n_columns : int
        Columns of X.

    Returns
    -------
    Folded

    Raises
    ------
    UnsupportedModelError
        If these steps have to be run for such rows, saying why.
    """
    check_inputs(forest)
    columns = way.columns or []
    if len(columns) != forest.n_features:
        raise UnsupportedModelError(f"the steps give {len(columns)} columns, and the model has {forest.n_features}")
    if not len(forest.trees.used_columns):
        raise UnsupportedModelError("its trees ask nothing")
    if all(isinstance(column, Opaque) for column in columns):
        raise UnsupportedModelError("all steps are run")
    return _Folding(way, forest, probe, n_columns).folded()


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


class _Folding:
    """One fold on its way."""

    def __init__(self, way: Way, forest: Forest, probe: Probe, n_columns: int) -> None:
        columns = self.columns = way.columns or []
        self.forest, self.probe, self.n_columns = forest, probe, n_columns
        self.looked_at: dict[int, list[Column]] = defaultdict(list)
        for column in (*way.looked_at, *(c for c in columns if isinstance(c, Column))):
            self.looked_at[column.source].append(column)
        self.questions = Questions(forest.trees)
        self.strictly = forest.trees.cmp == "le"  # x <= t until x > t, x < t until x >= t
        self.views: list[View] = []
        self.numbers: dict[View, int] = {}
        self.targets: dict[int, list[_Target]] = defaultdict(list)
        self.found: dict[tuple[int, int, int, float, bool, bool], int] = {}
        used = forest.trees.used_columns.tolist()
        self.used = [j for j in used if isinstance(columns[j], Column)]
        self.run = [j for j in used if isinstance(columns[j], Opaque)]
        self.lowest, self.highest = np.full(n_columns, -np.inf), np.full(n_columns, np.inf)
        self.takes_missing = np.ones(n_columns, dtype=bool)  # where no step looks
        self._last: tuple[Any, dict[int, Features]] = None, {}  # rows, and what the steps make of them

    def folded(self) -> Folded:
        """The forest with its views."""
        by_source: dict[int, list[int]] = defaultdict(list)
        for j, column in enumerate(self.columns):
            if isinstance(column, Column):
                by_source[column.source].append(j)
        for c in self.looked_at:
            by_source[c] += []
        numeric = {c: domain for c in by_source if (domain := self.probe.domain(c)) is not None}
        used = set(self.used)
        warned_of = {c for c, on_the_way in self.looked_at.items() if any(one.unknown == "run" for one in on_the_way)}
        self.texts = [c for c in by_source if c not in numeric and c not in warned_of]
        for c in numeric:
            if any(column.unknown == "run" for column in self.looked_at[c]):
                raise UnsupportedModelError(f"a step warns of some numbers in column {c}")
        self._choose_usual(by_source, numeric)
        self._stages()
        with np.errstate(all="ignore"), sklearn.config_context(assume_finite=True):
            self._limits(by_source, numeric)
            for c, domain in numeric.items():
                self._targets_of(c, domain, [j for j in by_source[c] if j in used] or by_source[c])
            self._search(numeric)
        missing = self._missing_numbers(by_source, numeric)
        with np.errstate(all="ignore"), sklearn.config_context(assume_finite=True):
            for c, domain in numeric.items():
                self._numeric_views(c, domain, [j for j in by_source[c] if j in used], by_source[c], missing)
        for c in by_source:
            if c not in numeric:
                self._categories(c, [j for j in by_source[c] if j in used], by_source[c])
        runs = self._step_views()
        if not self.views:
            raise UnsupportedModelError("the trees ask nothing of what the steps give")
        trees = self.questions.trees(len(self.views), self._dtype(numeric))
        of_model = self.forest.inputs
        inputs = InputSpec(n_features=len(self.views), no_rows=of_model.no_rows, accepts_margin=of_model.accepts_margin)
        return Folded(
            forest=Forest(trees=trees, inputs=inputs, outputs=self.forest.outputs).validate(),
            views=tuple(self.views),
            lowest=self.lowest,
            highest=self.highest,
            takes_missing=self.takes_missing,
            runs=runs,
            absent_zero=self.is_sparse and self.forest.inputs.sparse_absent == "missing",
            columns=tuple(sorted(self.looked_at)),
            run_names=tuple(self.run_names),
        )

    # --- asking the steps ---------------------------------------------------------------------------------------

    def _stages(self) -> None:
        """What gives the columns that the trees see; all of them, or none is a sparse matrix."""
        self.stages = {id(c.stage[0]): c.stage[0] for c in self.columns if isinstance(c, Column)}
        found = [Features(self._transformed(run, self._rows({}, 1)), self.forest) for run in self.stages.values()]
        if len({one.is_sparse for one in found}) != 1:
            raise UnsupportedModelError("some of the steps give sparse matrices and some do not")
        self.is_sparse = found[0].is_sparse

    def _choose_usual(self, by_source: dict[int, list[int]], numeric: dict[int, Domain]) -> None:
        """For each column of X a value that no step refuses: a known one, if some step looks for such."""
        self.usual: dict[int, Any] = {}
        for c in by_source:
            values = [v for known in self._known(c) for v in known.values if not is_missing(v)]
            if c not in numeric:
                able = self._known_to_all(c) or self.probe.known(c, values)
                self.usual[c] = able[0] if able else UNKNOWN
                continue
            able = [v for v in values if isinstance(v, (int, float)) and numeric[c].dtype.type(v) == v]
            self.usual[c] = able[0] if able else 0

    def _known(self, c: int) -> list[Known]:
        """All that is looked for on the way of a column of X."""
        return [known for column in self.looked_at[c] for known in (*column.known, *column.points)]

    def _known_to_all(self, c: int) -> list[Any]:
        """Texts that no step refuses, or warns of, if it does not take all."""
        each = [known.values for column in self.looked_at[c] for known in column.known]
        kept = [v for v in each[0] if all(v in other for other in each)] if each else []
        return self.probe.known(c, [v for v in kept if not is_missing(v)])

    def _rows(self, values: dict[int, Any], n_rows: int) -> Any:
        filled = {c: [usual] * n_rows for c, usual in self.usual.items() if c not in values}
        return self.probe.rows(filled | values, n_rows)

    @staticmethod
    def _transformed(run: Transform, rows: Any) -> Any:
        try:
            return run(rows)
        except UnsupportedModelError:
            raise
        except Exception as error:
            raise UnsupportedModelError(f"the steps raise {type(error).__name__}: {error}") from error

    def _features(self, rows: Any, js: Sequence[int]) -> tuple[Array, Array]:
        """Columns of what the trees see of some rows: numbers and which are missing, of shape (n, len(js)).

        Rows are often asked for one column after the other: what the steps made of the last ones is kept.
        """
        if self._last[0] is not rows:
            found = {key: Features(self._transformed(run, rows), self.forest) for key, run in self.stages.items()}
            self._last = rows, found
        found = self._last[1]
        of = [(found[id(self._column(j).stage[0])], self._column(j).stage[1]) for j in js]
        if not of:
            n = len(next(iter(found.values())).numbers)
            return np.empty((n, 0)), np.empty((n, 0), dtype=bool)
        return (
            np.stack([one.numbers[:, k] for one, k in of], axis=1),
            np.stack([one.missing[:, k] for one, k in of], axis=1),
        )

    def _column(self, j: int) -> Column:
        column = self.columns[j]
        assert isinstance(column, Column)
        return column

    def _asked(self, js: Sequence[int], c: int, values: Any) -> Answers:
        """What the nodes of some columns answer for some values of a column of X."""
        numbers, missing = self._features(self._rows({c: values}, len(values)), js)
        return self.questions.answers(js, numbers, missing)

    # --- numbers ------------------------------------------------------------------------------------------------

    def _limits(self, by_source: dict[int, list[int]], numeric: dict[int, Domain]) -> None:
        """Find between which numbers all that steps make of them is finite: none behind them takes others."""
        for c, domain in numeric.items():
            ends = domain.value(np.array([domain.first, domain.last], dtype=np.uint64))
            self.lowest[c], self.highest[c] = ends.astype(np.float64)
        last = () if self.forest.inputs.accepts_inf else tuple(self.stages)
        growing = {c: dict.fromkeys(at for column in self.looked_at[c] for at in column.finite) for c in numeric}
        runs = list(dict.fromkeys(run for stages in growing.values() for run, _ in stages))
        monotone = {c: [j for j in by_source[c] if last and self._column(j).kind != "pieces"] for c in numeric}
        sources = [c for c in numeric if growing[c] or monotone[c]]
        domains = [numeric[c] for c in sources]
        zero = [domain.place(np.zeros(1, dtype=domain.dtype))[0] for domain in domains]

        def holds(places: list[Array]) -> list[Array]:
            n = max((p.size for p in places), default=1)
            values = {c: _padded(d.value(p.ravel()), n) for c, d, p in zip(sources, domains, places, strict=True)}
            rows = self._rows(values, n)
            given = {run: self._transformed(run, rows) for run in runs}
            found = []
            for c, p, at in zip(sources, places, zero, strict=True):
                finite: Array = np.ones(n, dtype=bool)
                for run, number in growing[c]:
                    finite &= _finite(column_of(given[run], number))
                if monotone[c]:
                    finite &= np.isfinite(self._features(rows, monotone[c])[0]).all(axis=1)
                finite = finite[: p.size].reshape(p.shape)
                found.append(np.stack([finite[0] | (p[0] >= at), ~finite[1] & (p[1] >= at)]))
            return found

        found = first_that(domains, holds, [2] * len(sources))
        for c, domain, (first, beyond) in zip(sources, domains, found, strict=True):
            ends = domain.value(np.array([first, beyond - np.uint64(1)], dtype=np.uint64))
            self.lowest[c], self.highest[c] = ends.astype(np.float64)

    def _targets_of(self, c: int, domain: Domain, js: list[int]) -> None:
        """List what has to be looked for among the numbers of a column of X."""
        wanted: dict[tuple[int, int, float, bool, bool], _Target] = {}

        def want(
            transform: Transform, number: int, value: Any, of_features: bool, falls: bool, sides: Any = (False, True)
        ) -> None:
            if not isinstance(value, (int, float, np.number, np.bool_)):
                return  # text, which no number is
            for strictly in sides:
                key = id(transform), number, float(value), strictly, of_features
                wanted.setdefault(key, _Target(transform, number, float(value), strictly, of_features, falls))

        for j in js:
            column = self._column(j)
            falls = column.kind == "decreasing"
            run, number = column.stage
            if column.kind != "pieces":
                both = j in self.used and (falls or self.questions.has_sets(j))
                for value in self.questions.values(j) if j in self.used else ():
                    want(run, number, value, True, falls, (False, True) if both else (self.strictly,))
                for value, of_features in self._missing_values():
                    want(run, number, value, of_features, falls)
        for known in self._known(c):
            for value in known.values:
                want(*known.stage, value, False, False)
        self.targets[c] = list(wanted.values())

    def _missing_values(self) -> list[tuple[float, bool]]:
        """Numbers that are missing to the trees, or go another way than by comparison, at their borders.

        And whether they are compared as the trees see them: what a sparse matrix leaves out is 0.0 before the cast.
        """
        inputs = self.forest.inputs
        found: list[tuple[float, bool]] = []
        if inputs.missing_value is not None:
            found.append((float(inputs.missing_value), True))
        if self.is_sparse and inputs.sparse_absent == "missing":
            found.append((0.0, False))
        if self.forest.trees.zero_dir is not None:
            found += [(-self.forest.trees.zero_limit, True), (self.forest.trees.zero_limit, True)]
        return found

    def _search(self, numeric: dict[int, Domain]) -> None:
        """Find the places of all targets, for one stage after the other: not every step takes what another is asked."""
        stages = {id(t.transform): t.transform for targets in self.targets.values() for t in targets}
        for key, transform in stages.items():
            for of_features in (False, True):
                of_stage = {
                    c: [t for t in self.targets[c] if id(t.transform) == key and t.of_features == of_features]
                    for c in numeric
                }
                self._search_stage({c: targets for c, targets in of_stage.items() if targets}, transform, numeric)

    def _search_stage(
        self, targets: dict[int, list[_Target]], transform: Transform, numeric: dict[int, Domain]
    ) -> None:
        sources = list(targets)
        domains = [numeric[c] for c in sources]
        points = self._points(sources, numeric)

        def holds(places: list[Array]) -> list[Array]:
            n = max((p.size for p in places), default=1)
            values = {}
            for c, domain, p in zip(sources, domains, places, strict=True):
                at = p.ravel()
                for low, high in points.get(c, ()):  # exceptions, of which the number below them says more
                    at = np.where((at >= low) & (at < high), max(low - 1, domain.first), at).astype(np.uint64)
                values[c] = _padded(domain.value(at), n)
            given = self._transformed(transform, self._rows(values, n))
            seen = Features(given, self.forest) if targets[sources[0]][0].of_features else None
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

        if not sources:
            return
        for c, places in zip(sources, first_that(domains, holds, [len(targets[c]) for c in sources]), strict=True):
            for target, place in zip(targets[c], places.tolist(), strict=True):
                target.place = place
                key = id(target.transform), target.number, target.value, target.strictly, target.of_features
                self.found[(c, *key)] = place

    def _points(self, sources: list[int], numeric: dict[int, Domain]) -> dict[int, list[tuple[int, int]]]:
        """Of each column the places of numbers that are exceptions: those that a first step takes for missing."""
        found: dict[int, list[tuple[int, int]]] = {}
        for c in sources:
            for column in self.looked_at[c]:
                for known in column.points:
                    for value in known.values:
                        if not isinstance(value, (int, float, np.number)):
                            continue
                        rows = self._rows({}, 1)
                        if self._transformed(known.stage[0], rows) is not rows:
                            raise UnsupportedModelError("a step before an imputer changes what that takes for missing")
                        at = numeric[c].place(np.array([value]).astype(numeric[c].dtype))[0]
                        if numeric[c].value(np.array([at]))[0] == value:
                            found.setdefault(c, []).append((int(at), int(at) + 1))
        return found

    def _found(
        self, c: int, transform: Transform, number: int, value: float, strictly: bool, of_features: bool = True
    ) -> int:
        return self.found[c, id(transform), number, float(value), strictly, of_features]

    def _missing_numbers(
        self, by_source: dict[int, list[int]], numeric: dict[int, Domain]
    ) -> dict[int, tuple[Array, Array] | None]:
        """What the trees see where a column of X is missing; None for columns where the library refuses that."""
        found: dict[int, tuple[Array, Array] | None] = {}
        self.takes_missing[list(numeric)] = False
        able = [c for c, domain in numeric.items() if domain.dtype.kind == "f"]
        if not able:
            return found
        n = len(able)
        values = {c: np.where(np.arange(n) == i, np.nan, 0.0).astype(numeric[c].dtype) for i, c in enumerate(able)}
        try:
            rows = self._rows(values, n)
            for i, c in enumerate(able):
                numbers, missing = self._features(rows, by_source[c])
                found[c] = numbers[i], missing[i]
        except UnsupportedModelError:
            for c in able:
                try:
                    alone = self._rows({c: np.array([np.nan], dtype=numeric[c].dtype)}, 1)
                    numbers, missing = self._features(alone, by_source[c])
                    found[c] = numbers[0], missing[0]
                except UnsupportedModelError:
                    found[c] = None
        for c, seen in found.items():
            if seen is not None and np.isnan(seen[0]).any() and not self._takes_nan():
                found[c] = None
            if seen is not None and np.isinf(seen[0]).any() and not self.forest.inputs.accepts_inf:
                found[c] = None
            self.takes_missing[c] = found[c] is not None
            if found[c] is not None:
                every = by_source[c]
                numbers, missing = found[c]  # type: ignore[misc]
                at = [every.index(j) for j in self.used if self._column(j).source == c]
                found[c] = numbers[at], missing[at]
        return found

    def _takes_nan(self) -> bool:
        inputs = self.forest.inputs
        return inputs.accepts_nan and (inputs.sparse_accepts_nan or not self.is_sparse)

    def _numeric_views(
        self,
        c: int,
        domain: Domain,
        js: list[int],
        every: list[int],
        missing: dict[int, tuple[Array, Array] | None],
    ) -> None:
        """Have the nodes of some columns ask numbers of a column of X."""
        seen = missing.get(c)
        in_bins = []
        for i, j in enumerate(js):
            of_missing = None if seen is None else (float(seen[0][i]), bool(seen[1][i]))
            if not self._by_threshold(c, domain, j, of_missing):
                in_bins.append(j)
        if in_bins or any(column.kind == "pieces" for column in self.looked_at[c]):  # which may refuse numbers
            self._by_bins(c, domain, in_bins, seen, js, every)

    def _by_threshold(self, c: int, domain: Domain, j: int, of_missing: tuple[float, bool] | None) -> bool:
        """Have the nodes of a column compare a column of X with thresholds; False if that is not possible."""
        column = self._column(j)
        if column.kind != "monotone" or column.points or self.questions.has_sets(j):
            return False
        run, number = column.stage
        holes = []
        borders = self._missing_values()
        if self.forest.trees.zero_dir is not None and len(borders) > 2:
            return False
        pairs = [(borders[0], borders[1])] if self.forest.trees.zero_dir is not None else [(v, v) for v in borders]
        for (low, seen), (high, _) in pairs:
            first = self._found(c, run, number, low, False, seen)
            beyond = self._found(c, run, number, high, True, seen)
            if first < beyond:
                answers = self._asked([j], c, domain.value(np.array([first], dtype=np.uint64)))
                if not answers.as_compared(j):
                    holes.append((first, beyond, answers.of(j)[0]))
        if len(holes) > 1:
            return False
        view = NumberView(c)
        nan_left: Array | None = None
        if of_missing is not None:
            nan_left = self.questions.answers([j], np.array([[of_missing[0]]]), np.array([[of_missing[1]]])).of(j)[0]
        if holes:
            first, beyond, in_hole = holes[0]
            fill = None
            if nan_left is not None and not np.array_equal(nan_left, in_hole):
                fill = self._number_like(c, domain, j, nan_left)
                if fill is None:
                    return False
            ends = domain.value(np.array([first, beyond], dtype=np.uint64)).astype(np.float64)
            if beyond > domain.last:
                ends[1] = np.inf
            view = NumberView(c, float(ends[0]), float(ends[1]), fill)
            nan_left = in_hole
        thresholds = {}
        for value in self.questions.values(j):
            place = self._found(c, run, number, value, self.strictly)
            thresholds[value] = _threshold(domain, place, self.forest.trees.cmp)
        self.questions.ask_numbers(j, self._number_of(view), thresholds, nan_left)
        return True

    def _number_like(self, c: int, domain: Domain, j: int, nan_left: Array) -> float | None:
        """A number of X that all nodes of a column answer as they answer missing ones, outside of what is missing."""
        run, number = self._column(j).stage
        places = {self._found(c, run, number, value, self.strictly) for value in self.questions.values(j)}
        places = {p for p in places if p <= domain.last} | {domain.first}
        ordered = np.array(sorted({*places, *(p - 1 for p in places if p > domain.first)}), dtype=np.uint64)
        values = domain.value(ordered)
        numbers, absent = self._features(self._rows({c: values}, len(values)), [j])
        answers = self.questions.answers([j], numbers, absent).of(j)
        for value, answer, is_absent in zip(values.tolist(), answers, absent[:, 0], strict=True):
            if not is_absent and np.array_equal(answer, nan_left):
                return float(value)
        return None

    def _by_bins(self, c: int, domain: Domain, js: list[int], seen: Any, all_js: list[int], every: list[int]) -> None:
        """Have the nodes of some columns ask in which bin a number of a column of X lies."""
        stages = {(id(run), number) for j in js for run, number in self._stages_of(j)}
        stages |= {(id(known.stage[0]), known.stage[1]) for known in self._known(c)}
        places = {t.place for t in self.targets[c] if (id(t.transform), t.number) in stages}
        for ends in self._points([c], {c: domain}).get(c, ()):
            places |= {*ends}
        breaks = np.array(sorted(p for p in places if domain.first < p <= domain.last), dtype=np.uint64)
        if len(breaks) > MOST_BINS:
            raise UnsupportedModelError(f"column {c} falls into {len(breaks)} bins")
        first = np.concatenate([[np.uint64(domain.first)], breaks]).astype(np.uint64)
        last = np.concatenate([breaks - np.uint64(1), [np.uint64(domain.last)]]).astype(np.uint64)
        low = domain.place(np.array([self.lowest[c]]).astype(domain.dtype))
        high = domain.place(np.array([self.highest[c]]).astype(domain.dtype))
        first, last = np.maximum(first, low), np.minimum(last, high)
        is_point = first == last
        answers: dict[int, Array] = {j: np.zeros((len(first), self.questions.count(j)), dtype=bool) for j in js}
        refused = np.ones(len(first), dtype=bool)
        for bins in (np.flatnonzero(is_point), np.flatnonzero(first < last)):
            ask = partial(self._ask_bins, c, domain, js, every, first, last, answers)
            for some in (bins,) if ask(bins) else bins[:, None]:
                if some is bins or ask(some):
                    refused[some] = False
        if not js and not refused[first <= last].any():
            return
        of_missing = None
        if seen is not None:
            at = [all_js.index(j) for j in js]
            of_missing = self.questions.answers(js, seen[0][None, at], seen[1][None, at])
        breaks_in = domain.value(breaks).astype(np.float64)
        view = self._number_of(BinView(c, breaks_in, refused if refused.any() else None))
        for j in js:
            self.questions.ask_sets(j, view, answers[j], None if of_missing is None else of_missing.of(j)[0])

    def _ask_bins(
        self,
        c: int,
        domain: Domain,
        js: list[int],
        every: list[int],
        first: Array,
        last: Array,
        answers: dict[int, Array],
        bins: Array,
    ) -> bool:
        """Ask about the ends of some bins; False if the steps, or the model, refuse them."""
        if not len(bins):
            return True
        try:
            values = domain.value(np.concatenate([first[bins], last[bins]]))
            with sklearn.config_context(assume_finite=False):
                numbers, missing = self._features(self._rows({c: values}, len(values)), every)
        except UnsupportedModelError:
            return False
        if np.isnan(numbers).any() and not self._takes_nan():
            return False
        at = [every.index(j) for j in js]
        ends = self.questions.answers(js, numbers[:, at], missing[:, at])
        for j in js:
            below, above = np.split(ends.of(j), 2)
            if not np.array_equal(below, above):
                raise UnsupportedModelError(f"what the steps make of column {c} changes where it should not")
            answers[j][bins] = below
        return True

    def _stages_of(self, j: int) -> list[tuple[Transform, int]]:
        column = self._column(j)
        return [column.stage, *(known.stage for known in (*column.known, *column.points))]

    # --- categories ---------------------------------------------------------------------------------------------

    def _categories(self, c: int, js: list[int], every: list[int]) -> None:
        """Have the nodes of some columns ask for sets of the values of a column of text, objects or categories."""
        if any(self._column(j).kind != "pieces" for j in every):
            raise UnsupportedModelError(f"column {c} holds other things than numbers, and no step looks them up")
        warns = any(column.unknown == "run" for column in self.looked_at[c])  # of missing values, too, if unknown
        values = self._known_to_all(c)
        if not warns:
            of_any = [v for known in self._known(c) for v in known.values if not is_missing(v)]
            values = self.probe.known(c, list(dict.fromkeys(of_any)))
        if len(values) > MOST_BINS:
            raise UnsupportedModelError(f"column {c} has {len(values)} known categories")
        taken: list[Any] = []
        found: list[list[Array]] = [[] for _ in js]

        def ask(asked: list[Any], beside: Sequence[Any] = ()) -> bool:
            """Ask about values, which have one code each if the steps take them, in a column with others."""
            try:
                rows = self._rows({c: [*beside, *asked]}, len(beside) + len(asked))
                numbers, absent = (found[len(beside) :] for found in self._features(rows, every))
            except UnsupportedModelError:
                return False
            if np.isnan(numbers).any() and not self._takes_nan():
                return False
            at = [every.index(j) for j in js]
            answers = self.questions.answers(js, numbers[:, at], absent[:, at])
            for one, j in zip(found, js, strict=True):
                one.append(answers.of(j))
            return True

        if values and ask(values):
            taken = list(values)
        else:
            for value in values:
                if ask([value]):
                    taken.append(value)
        number = {value: i for i, value in enumerate(taken)}
        unknown = None
        size = len(taken)
        if not warns and ask([UNKNOWN]):
            unknown, size = size, size + 1
        missing: dict[bool, int] = {}
        for value in self.probe.missing(c):
            if not warns and self._is_steady(c, value, every) and ask([value], [self.usual[c]]):
                missing[value is None], size = size, size + 1
        if len(missing) > 1:  # what encoders take None for beside NaN depends on the other values of a column
            del missing[True]
        all_missing = warns or all(self._is_itself(c, value, every) for value in self.probe.missing(c))
        if (
            not js
            and all_missing
            and unknown is not None
            and len(missing) == len(self.probe.missing(c))
            and len(taken) == len(values)
        ):
            return  # nobody looks at it, and nothing is refused
        if not size:
            raise UnsupportedModelError(f"the steps take no value in column {c}")
        view = self._number_of(CategoryView(c, number, missing.get(False), missing.get(True), unknown, all_missing))
        for one, j in zip(found, js, strict=True):
            self.questions.ask_sets(j, view, np.concatenate(one), None)

    def _is_steady(self, c: int, value: Any, js: list[int]) -> bool:
        """Whether a missing value means the same beside unknown texts and other missing values.

        An encoder that knows NaN takes None for it where all texts beside are known [sklearn/utils/_encode.py].
        """
        seen = []
        for beside in ((), (UNKNOWN,), *((other,) for other in self.probe.missing(c))):
            try:
                numbers, missing = self._features(self._rows({c: [*beside, self.usual[c], value]}, len(beside) + 2), js)
            except UnsupportedModelError:
                continue  # the steps refuse what stands beside
            seen.append(np.where(missing[-1], np.nan, numbers[-1]))
        return all(np.array_equal(seen[0], other, equal_nan=True) for other in seen[1:])

    def _is_itself(self, c: int, value: Any, js: list[int]) -> bool:
        """Whether a missing value means the same in a column, and in columns, of nothing else, as beside texts.

        Of an array of nothing but None, check_array makes one of numbers [sklearn/utils/validation.py].
        """
        others = {k: [value if value in self.probe.missing(k) else self.probe.missing(k)[0]] for k in self.texts}
        seen = []
        for values in ({c: [self.usual[c], value]}, {c: [value]}, others | {c: [value]}):
            try:
                numbers, missing = self._features(self._rows(values, len(values[c])), js)
            except UnsupportedModelError:
                return False
            seen.append(np.where(missing[-1], np.nan, numbers[-1]))
        return all(np.array_equal(seen[0], other, equal_nan=True) for other in seen[1:])

    # --- what is run --------------------------------------------------------------------------------------------

    def _step_views(self) -> tuple[tuple[Transform, Array], ...]:
        """Have the nodes of columns that are run ask what they asked before."""
        blocks: dict[int, tuple[Transform, list[int]]] = {}
        for j in self.run:
            column = self.columns[j]
            assert isinstance(column, Opaque)
            blocks.setdefault(id(column.run), (column.run, []))[1].append(j)
        place, runs = 0, []
        self.run_names = [self.columns[j].name for _, js in blocks.values() for j in js]  # type: ignore[union-attr]
        for run, js in blocks.values():
            numbers = []
            for j in js:
                view = self._number_of(StepView(place))
                self.questions.ask_as_before(j, view)
                numbers.append(self.columns[j].number)  # type: ignore[union-attr]
                place += 1
            runs.append((run, np.array(numbers, dtype=np.intp)))
        return tuple(runs)

    def _number_of(self, view: View) -> int:
        """The number of a view among all."""
        if view in self.numbers:
            return self.numbers[view]
        self.views.append(view)
        self.numbers[view] = len(self.views) - 1
        return self.numbers[view]

    def _dtype(self, numeric: dict[int, Domain]) -> str:
        """The dtype of the folded forest's columns: float32 where that holds all of them."""
        exact = ("float32", "int8", "uint8", "int16", "uint16", "bool")
        used = {view.column for view in self.views if isinstance(view, NumberView)}
        if any(str(numeric[c].dtype) not in exact for c in used):
            return "float64"
        if any(isinstance(view, StepView) for view in self.views) and self.forest.trees.feature_dtype == "float64":
            return "float64"
        return "float32"


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


def _threshold(domain: Domain, place: int, cmp: str) -> float:
    """What numbers below a place, and no others, are below, or not above."""
    if place > domain.last:
        return np.inf
    if cmp == "lt":
        return float(domain.value(np.array([place], dtype=np.uint64))[0])
    return -np.inf if place <= domain.first else float(domain.value(np.array([place - 1], dtype=np.uint64))[0])
