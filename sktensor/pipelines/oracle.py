"""The fitted steps of a pipeline, asked about rows of the kind that they are folded for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.forest import Forest
from sktensor.pipelines.domains import Domain
from sktensor.pipelines.features import Features
from sktensor.pipelines.structure import Column, Known, Stage, Transform, column_of, is_missing
from sktensor.pipelines.walk import Opaque, Way

__all__ = ["UNKNOWN", "Oracle", "Probe", "padded"]

Array = npt.NDArray[Any]

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


class Oracle:
    """What the steps make of values of some columns of X.

    Parameters
    ----------
    way : Way
        What becomes of the columns of X: one for each column of `forest`.
    forest : Forest
        The last step's.
    probe : Probe
        The rows that it is for.

    Attributes
    ----------
    columns : list of Column or Opaque
        What the trees see.
    used, run : list of int
        Those of them that trees ask of: made by folded steps, and by steps that are run.
    by_source : dict of list of int
        Those that each column of X becomes, for every column of X that a folded step looks at.
    numeric : dict of Domain
        The numbers that such a column of X can hold, if it holds numbers.
    looked_at : dict of list of Column
        What each column of X is on its way.
    is_sparse : bool
        Whether the steps give a sparse matrix.
    sparse_type : type, optional
        Its class.
    """

    def __init__(self, way: Way, forest: Forest, probe: Probe) -> None:
        columns = self.columns = way.columns or []
        self.forest, self.probe = forest, probe
        self.looked_at: dict[int, list[Column]] = defaultdict(list)
        for seen in (*way.looked_at, *(c for c in columns if isinstance(c, Column))):
            self.looked_at[seen.source].append(seen)
        used = forest.trees.used_columns.tolist()
        self.used = [j for j in used if isinstance(columns[j], Column)]
        self.run = [j for j in used if isinstance(columns[j], Opaque)]
        self.by_source: dict[int, list[int]] = defaultdict(list)
        for j, column in enumerate(columns):
            if isinstance(column, Column):
                self.by_source[column.source].append(j)
        for c in self.looked_at:
            self.by_source[c] += []
        self.numeric = {c: domain for c in self.by_source if (domain := probe.domain(c)) is not None}
        self._texts = [c for c in self.by_source if c not in self.numeric and not self.warns(c)]
        for c in self.numeric:
            if self.warns(c):
                raise UnsupportedModelError(f"a step warns of some numbers in column {c}")
        self._last: Any = None  # the rows that were asked about last, and what the steps make of them
        self._given: dict[int, Any] = {}
        self._features: dict[int, Features] = {}
        self._kept: dict[tuple[int, tuple[Any, ...]], tuple[Array, Array]] = {}  # of several columns' values
        self._choose_usual()
        self._find_stages()

    def _choose_usual(self) -> None:
        """For each column of X a value that no step refuses: a known one, if some step looks for such."""
        self.usual: dict[int, Any] = {}
        for c in self.by_source:
            values = [v for known in self.known(c) for v in known.values if not is_missing(v)]
            if c not in self.numeric:
                able = self.known_to_all(c) or self.probe.known(c, values)
                self.usual[c] = able[0] if able else UNKNOWN
                continue
            able = [v for v in values if isinstance(v, (int, float)) and self.numeric[c].dtype.type(v) == v]
            self.usual[c] = able[0] if able else 0

    def _find_stages(self) -> None:
        """What gives the columns that the trees see; all of them, or none is a sparse matrix."""
        self.stages = {id(c.stage[0]): c.stage[0] for c in self.columns if isinstance(c, Column)}
        rows = self.rows({}, 1)
        found = [self.seen(run, rows) for run in self.stages.values()]
        if len({one.is_sparse for one in found}) != 1:
            raise UnsupportedModelError("some of the steps give sparse matrices and some do not")
        self.is_sparse = found[0].is_sparse
        self.sparse_type: Any = (
            type(self.transformed(next(iter(self.stages.values())), rows)) if self.is_sparse else None
        )

    # --- structure ----------------------------------------------------------------------------------------------

    def column(self, j: int) -> Column:
        """A column that folded steps make."""
        column = self.columns[j]
        assert isinstance(column, Column)
        return column

    def used_of(self, c: int) -> list[int]:
        """The columns that a column of X becomes and that trees ask of."""
        used = set(self.used)
        return [j for j in self.by_source[c] if j in used]

    def last_at(self, c: int, stages: Iterable[Stage]) -> Column:
        """What a column of X is at the last of some stages."""
        stage = list(stages)[-1]
        return next(column for column in self.looked_at[c] if column.stage == stage)

    def known(self, c: int) -> list[Known]:
        """All that is looked for on the way of a column of X."""
        return [known for column in self.looked_at[c] for known in (*column.known, *column.points)]

    def known_to_all(self, c: int) -> list[Any]:
        """Texts that no step refuses, or warns of, if it does not take all."""
        each = [known.values for column in self.looked_at[c] for known in column.known]
        kept = [v for v in each[0] if all(v in other for other in each)] if each else []
        return self.probe.known(c, [v for v in kept if not is_missing(v)])

    def warns(self, c: int) -> bool:
        """Whether a step warns of some values of a column of X."""
        return any(column.unknown == "run" for column in self.looked_at[c])

    @property
    def takes_nan(self) -> bool:
        """Whether the model takes NaN as the steps give it."""
        inputs = self.forest.inputs
        return inputs.accepts_nan and (inputs.sparse_accepts_nan or not self.is_sparse)

    def missing_values(self) -> list[tuple[float, bool]]:
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

    def points(self, column: Column) -> list[tuple[int, int]]:
        """First places of, and behind, exceptions on the way of a column: numbers that a step takes for missing."""
        found: list[tuple[int, int]] = []
        for known in column.points:
            for value in known.values:
                if not isinstance(value, (int, float, np.number)):
                    continue
                rows = self.rows({}, 1)
                if known.stage[0](rows) is not rows:
                    raise UnsupportedModelError("a step before an imputer changes what that takes for missing")
                domain = self.numeric[column.source]
                point = np.array([value]).astype(domain.dtype)
                if point[0] == value:
                    at = int(domain.place(point + domain.dtype.type(0))[0])
                    found.append((at - (value == 0 and domain.dtype.kind == "f"), at + 1))  # -0.0 is 0.0, too
        return found

    # --- asking -------------------------------------------------------------------------------------------------

    def rows(self, values: dict[int, Any], n_rows: int) -> Any:
        """Rows with these values in some columns of X, and usual ones in all others."""
        filled = {c: [usual] * n_rows for c, usual in self.usual.items() if c not in values}
        return self.probe.rows(filled | values, n_rows)

    def transformed(self, run: Transform, rows: Any) -> Any:
        """What some steps make of rows; UnsupportedModelError if they refuse them.

        The same rows are often asked about for one column after the other: what was made of the last ones is kept.
        """
        if self._last is not rows:
            self._last, self._given, self._features = rows, {}, {}
        if id(run) not in self._given:
            try:
                # Steps with copy=False write into arrays.
                self._given[id(run)] = run(rows.copy() if isinstance(rows, np.ndarray) else rows)
            except UnsupportedModelError:
                raise
            except Exception as error:
                raise UnsupportedModelError(f"the steps raise {type(error).__name__}: {error}") from error
        return self._given[id(run)]

    def seen(self, run: Transform, rows: Any) -> Features:
        """What some steps make of rows, as the trees see it."""
        given = self.transformed(run, rows)
        if id(run) not in self._features:
            self._features[id(run)] = Features(given, self.forest)
        return self._features[id(run)]

    def dense(self, stage: Stage, rows: Any) -> Array:
        """A column of what some steps make of rows; zeros for what a sparse matrix leaves out."""
        run, number = stage
        given = self.transformed(run, rows)
        return self.seen(run, rows).uncast[:, number] if hasattr(given, "tocsr") else column_of(given, number)

    def features(self, rows: Any, js: Sequence[int]) -> tuple[Array, Array]:
        """Columns of what the trees see of some rows: numbers and which are missing, of shape (n, len(js))."""
        found = [self.seen(run, rows) for run in self.stages.values()]
        if not js:
            return np.empty((len(found[0].numbers), 0)), np.empty((len(found[0].numbers), 0), dtype=bool)
        of = [(self.seen(run, rows), number) for run, number in (self.column(j).stage for j in js)]
        return (
            np.stack([one.numbers[:, k] for one, k in of], axis=1),
            np.stack([one.missing[:, k] for one, k in of], axis=1),
        )

    def features_of(self, c: int, values: Any, js: Sequence[int]) -> tuple[Array, Array]:
        """The same for some values of a column of X."""
        if isinstance(values, list) and js == self.by_source[c] and (found := self._kept.get((c, tuple(values)))):
            return found
        return self.features(self.rows({c: values}, len(values)), js)

    def ask_together(self, values: dict[int, list[Any]]) -> None:
        """Ask about values of several columns in the same rows, for :meth:`features_of`, if no step refuses them."""
        n = max(map(len, values.values()), default=0)
        if not n:
            return
        rows = self.rows({c: [*given, *[self.usual[c]] * (n - len(given))] for c, given in values.items()}, n)
        try:
            for c, given in values.items():
                numbers, missing = self.features(rows, self.by_source[c])
                self._kept[c, tuple(given)] = numbers[: len(given)], missing[: len(given)]
        except UnsupportedModelError:
            return

    def missing_numbers(self) -> dict[int, tuple[Array, Array] | None]:
        """What trees see where a number of X is missing, by its column; None for columns where that is refused.

        Numbers, and which of them are missing, of the columns of :meth:`used_of`. Of columns that hold no NaN nothing
        is said.
        """
        found: dict[int, tuple[Array, Array] | None] = {}
        able = [c for c, domain in self.numeric.items() if domain.dtype.kind == "f"]
        if not able:
            return found
        n = len(able)
        nans = {c: np.where(np.arange(n) == i, np.nan, 0.0).astype(self.numeric[c].dtype) for i, c in enumerate(able)}
        try:
            rows = self.rows(nans, n)
            for i, c in enumerate(able):
                numbers, missing = self.features(rows, self.by_source[c])
                found[c] = numbers[i], missing[i]
        except UnsupportedModelError:
            for c in able:
                try:
                    alone = np.array([np.nan], dtype=self.numeric[c].dtype)
                    numbers, missing = self.features_of(c, alone, self.by_source[c])
                    found[c] = numbers[0], missing[0]
                except UnsupportedModelError:
                    found[c] = None
        for c, seen in found.items():
            if seen is None:
                continue
            numbers, missing = seen
            if (np.isnan(numbers).any() and not self.takes_nan) or (
                np.isinf(numbers).any() and not self.forest.inputs.accepts_inf
            ):
                found[c] = None
                continue
            at = [self.by_source[c].index(j) for j in self.used_of(c)]
            found[c] = numbers[at], missing[at]
        return found

    # --- missing values of text ---------------------------------------------------------------------------------

    def ask_together_of_missing(self, texts: list[int]) -> None:
        """Ask what :meth:`is_steady` and :meth:`is_itself` will ask about some columns."""
        missing = {id(value): value for c in texts for value in self.probe.missing(c)}.values()
        for value in missing:
            able = [c for c in texts if any(other is value for other in self.probe.missing(c))]
            for beside in ([], [UNKNOWN], *([other] for other in missing)):
                of = [c for c in able if not beside or beside[0] in (UNKNOWN, *self.probe.missing(c))]
                self.ask_together({c: [*beside, self.usual[c], value] for c in of})
            self.ask_together({c: [value] if c in able else self.probe.missing(c)[:1] for c in texts})

    def is_steady(self, c: int, value: Any) -> bool:
        """Whether a missing value means the same beside unknown texts and other missing values.

        An encoder that knows NaN takes None for it where all texts beside are known [sklearn/utils/_encode.py].
        """
        seen = []
        for beside in ((), (UNKNOWN,), *((other,) for other in self.probe.missing(c))):
            try:
                numbers, missing = self.features_of(c, [*beside, self.usual[c], value], self.by_source[c])
            except UnsupportedModelError:
                continue  # the steps refuse what stands beside
            seen.append(np.where(missing[-1], np.nan, numbers[-1]))
        return all(np.array_equal(seen[0], other, equal_nan=True) for other in seen[1:])

    def is_itself(self, c: int, value: Any) -> bool:
        """Whether a missing value means the same where all texts of all columns are missing as beside texts.

        Of an array of nothing but None, check_array makes one of numbers [sklearn/utils/validation.py].
        """
        js = self.by_source[c]
        try:
            beside = self.features_of(c, [self.usual[c], value], js)
            if (alone := self._kept.get((c, (value,)))) is None:
                others = {
                    k: [value if value in self.probe.missing(k) else self.probe.missing(k)[0]] for k in self._texts
                }
                alone = self.features(self.rows(others | {c: [value]}, 1), js)
        except UnsupportedModelError:
            return False
        first, second = (np.where(missing[-1], np.nan, numbers[-1]) for numbers, missing in (beside, alone))
        return np.array_equal(first, second, equal_nan=True)


def padded(values: Array, n: int) -> Array:
    """Values and further ones of the same, so that there are `n`."""
    if len(values) == n:
        return values
    return np.concatenate([values, np.full(n - len(values), values[-1] if len(values) else 0, dtype=values.dtype)])
