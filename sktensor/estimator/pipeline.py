"""Pipelines: the steps folded into the last step's forest where that is possible, run by their library elsewhere."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils._set_output import _get_output_config

from sktensor.errors import UnsupportedModelError, VerificationError
from sktensor.estimator.answers import ANSWERS
from sktensor.estimator.composite import CompositePlan
from sktensor.estimator.folded_rows import Kind, Ready, RowKinds, rows_of, shown_kind
from sktensor.estimator.frame_answers import FrameAnswers
from sktensor.estimator.plain_answers import PlainProgram
from sktensor.estimator.progress import Watched
from sktensor.estimator.tensors import as_scikit_learn_answers, like_tensor
from sktensor.estimator.transformer import innermost
from sktensor.forest import Forest
from sktensor.inputs.few_rows import FewRows
from sktensor.inputs.layouts import FrameLayout, columns_of
from sktensor.inputs.not_for_views import NotForViews
from sktensor.inputs.rows import Rows, exchanged, is_exchangeable
from sktensor.inputs.tensors import is_tensor, on_host
from sktensor.pipelines.arrays import ArrayProbe, in_place
from sktensor.pipelines.domains import Domain
from sktensor.pipelines.features import Features
from sktensor.pipelines.folding import Folded, fold
from sktensor.pipelines.probe import probe_values
from sktensor.pipelines.walk import Note, Way, way_through
from sktensor.registry import extract_forest
from sktensor.runtime.pickled_state import stamp, take_stamp
from sktensor.runtime.planner import Plan
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

__all__ = ["PipelinePlan", "PipelineProgram"]

Array = npt.NDArray[Any]

# Layouts that programs are kept for.
LAYOUTS_KEPT = 16

# Of trees: scikit-learn's pipelines hand on no such call.
OF_TREES = ("predict_raw", "apply")


@dataclass(frozen=True, repr=False)
class PipelinePlan:
    """How a prediction of a pipeline would run; printed or shown in a notebook, a table.

    Attributes
    ----------
    n_rows : int
        Rows that the plan is for.
    steps : tuple of Note
        What becomes of each step: folded, or run and why.
    folded_for : tuple of str
        Kinds of rows for which they have been folded so far.
    run_for : tuple of (str, str)
        Kinds of rows for which all of them have to be run, as has been found so far, and why.
    model : Plan or CompositePlan
        How the last step runs.
    """

    n_rows: int
    steps: tuple[Note, ...]
    folded_for: tuple[str, ...]
    model: Plan | CompositePlan | PipelinePlan
    run_for: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """In a few words."""
        n_run = sum(bool(note.why_run) for note in self.steps)
        return f"{len(self.steps) - n_run} steps folded, {n_run} run, {self.model.title}"

    def _repr_html_(self) -> str:
        """The table for notebooks."""
        return f"<pre>{escape(str(self))}</pre>"

    def __repr__(self) -> str:
        lines = []
        for note in self.steps:
            where = f"{note.name} ({note.step})"
            if note.why_run:
                columns = f" on columns {_ranges(note.columns)}" if note.columns else ""
                lines.append(f"{where}: run{columns}, since {note.why_run}")
            else:
                lines.append(f"{where}: folded")
        lines += [f"folded for: {kind}" for kind in self.folded_for]
        lines += [f"run for: {kind}, since {why}" for kind, why in self.run_for]
        return "\n".join([*lines, "the last step:", *("  " + line for line in str(self.model).splitlines())])


def _ranges(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{shown} and {len(numbers) - 8} others" if len(numbers) > 8 else shown


@dataclass(frozen=True)
class FrameProbe:
    """Frames of a layout, as folding asks for their rows."""

    layout: FrameLayout

    def domain(self, column: int) -> Domain | None:
        """The numbers that a column can hold; None for columns of text."""
        kind = self.layout.kind(column)
        return Domain(np.dtype(kind)) if kind else None

    def missing(self, column: int) -> list[Any]:
        """The missing values that a column of text can hold."""
        return self.layout.missing(column)

    def known(self, column: int, values: Any) -> list[Any]:
        """Those of some values that a column of text can hold."""
        return self.layout.known(column, values)

    def rows(self, values: dict[int, Any], n_rows: int) -> Any:
        """Rows with these values in some columns."""
        return self.layout.rows(values, n_rows)


class PipelineProgram:
    """A pipeline that runs.

    Parameters
    ----------
    model : estimator
        The pipeline, fitted.
    steps : list of (str, transformer)
        Its steps but for the last one.
    last : TensorizedEstimator
        The last step.
    with_last : callable
        ``with_last(model, estimator)``: a copy of the pipeline with another last step.

    Attributes
    ----------
    frame_answers : FrameAnswers
        What answers few rows of a frame like others before it.
    """

    def __init__(
        self, model: Any, steps: list[tuple[str, Any]], last: Any, with_last: Callable[[Any, Any], Any]
    ) -> None:
        self.model, self.steps, self.last, self._with_last = copy.copy(model), steps, last, with_last
        self._twin: tuple[Settings, tuple[Any, Any]] | None = None
        self._ready: dict[Kind, Ready | None] = {}
        self._why_run: dict[Kind, str] = {}
        first = next((step for _, step in steps if step is not None and not isinstance(step, str)), None)
        self._hands_on = first is None  # X to the last step, as it is
        known = getattr(first, "n_features_in_", None)  # without any step, the last one takes X as it is
        self._n_columns = known if isinstance(known, int) else -1
        self._way = way_through(steps, self._n_columns) if self._n_columns >= 0 else Way(None, [], [])
        by_name = type(first).__name__ == "ColumnTransformer"
        self._kinds = RowKinds(_text_names(first), by_name, self._n_columns, self._way.sources)
        self.frame_answers = FrameAnswers()
        self._fitted_last = last._current()  # with which the steps are folded, whatever becomes of the model meanwhile
        self._last_answers = self._fitted_last.program if self._way.columns is not None else None

    @property
    def notes(self) -> list[Note]:
        """What becomes of each step."""
        return self._way.notes

    def __getstate__(self) -> dict[str, Any]:
        return stamp({"model": self.model, "steps": self.steps, "last": self.last, "with_last": self._with_last})

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = take_stamp(state, "PipelineProgram")
        PipelineProgram.__init__(self, state["model"], state["steps"], state["last"], state["with_last"])

    @property
    def forest(self) -> Forest:
        """The forest that answers for all steps; UnsupportedModelError where some have to be run."""
        return extract_forest(self.model)

    def ask(self, method: str, settings: Settings, X: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the pipeline.

        Parameters
        ----------
        method : str
            Its name.
        settings : Settings
            How the program runs.
        X : array-like, data frame, sparse matrix or torch.Tensor
            What the pipeline takes, or a tensor.
        *args, **kwargs
            The method's other arguments.

        Returns
        -------
        object
            The method's answer; where X is a tensor, arrays of numbers as tensors on its device.
        """
        return self._asked(method, settings, X, args, kwargs, None)

    def ask_watched(self, method: str, settings: Settings, X: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the pipeline as :meth:`ask` does, while a bar shows how far its trees are."""
        return self._asked(method, settings, X, args, kwargs, Watched)

    def _asked(
        self,
        method: str,
        settings: Settings,
        X: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        run: Callable[[Program], Any] | None,
    ) -> Any:
        last = self._fitted_last
        if (
            method in ANSWERS
            and not args
            and method not in last.methods
            and (method != "transform" or self._transform_is_plain())
        ):
            if self._hands_on and not kwargs:
                return getattr(self._with_program(settings)[1], method)(X)
            if not kwargs or kwargs.keys() == {"base_margin"}:
                ready, columns = self._ready_for(X)
                if ready is not None:
                    try:
                        rows = self._rows(X, columns, ready) if ready.folded.runs else rows_of(X, columns, ready)
                        is_plain = run is None and not kwargs
                        if is_plain and (found := ready.plain_answer(method, settings, rows)) is not None:
                            if type(columns) is FewRows:
                                make = partial(ready.frame_call, method, settings, X, columns.layout)
                                self.frame_answers.learn(method, settings, X, columns.layout, make)
                            return found
                        program = ready.program if run is None else run(ready.program)
                        return ANSWERS[method](last, program, settings, rows, kwargs.get("base_margin"))
                    except NotForViews:
                        pass
        return self._run(method, settings, X, *args, **kwargs)

    def folded_rows(self, X: Any) -> tuple[Ready, Rows] | None:
        """The program for rows like X, and these as its forest sees them; None where all steps have to be run.

        Raises
        ------
        NotForViews
            Where the steps have to be asked about some values of X.
        """
        ready, columns = self._ready_for(X)
        return None if ready is None else (ready, self._rows(X, columns, ready))

    def plain_program(self, dtype: str) -> PlainProgram | None:
        """What runs arrays of a dtype whose columns have no names; None where more than kernels has a part in it."""
        if self._hands_on or self._kinds.names is not None or self._n_columns < 1 or self._fitted_last.methods:
            return None
        ready, _ = self._ready_for(np.zeros((1, self._n_columns), dtype=dtype))
        return None if ready is None else ready.plain

    @property
    def hands_on(self) -> bool:
        """Whether X reaches the last step as it is."""
        return self._hands_on

    def running(self, settings: Settings) -> Any:
        """The last step, with these settings."""
        return self._with_program(settings)[1]

    def names_of_steps(self) -> list[str] | None:
        """What the columns are called that the last step is given; None where the steps do not say."""
        try:
            return [str(name) for name in self.model[:-1].get_feature_names_out()]
        except Exception:  # of steps without names, or of a pipeline of another library
            return None

    def run_steps(self, X: Any) -> Any:
        """What the steps in front of the last one give, run by their library."""
        for _, step in self.steps:
            if step is not None and not isinstance(step, str):
                X = step.transform(X)
        return X

    def _transform_is_plain(self) -> bool:
        """Whether `transform` gives what trees come to as it is, not in a container that `set_output` has chosen."""
        return bool(_get_output_config("transform", innermost(self.last))["dense"] == "default")

    def _run(self, method: str, settings: Settings, X: Any, *args: Any, **kwargs: Any) -> Any:
        """Have the library run all steps but the last one."""
        twin, running = self._with_program(settings)
        if is_exchangeable(X):
            X = exchanged(X)
        rows = on_host(X)
        if method in OF_TREES and not hasattr(self.model, method):
            found = getattr(running, method)(self.run_steps(rows), *args, **kwargs)
        else:
            found = getattr(twin, method)(rows, *args, **kwargs)
        return like_tensor(X, found) if is_tensor(X) else as_scikit_learn_answers(found)

    def _with_program(self, settings: Settings) -> tuple[Any, Any]:
        """A copy of the pipeline with a program in the place of its last step, and that."""
        if (last := self._twin) is not None and last[0] == settings:
            return last[1]
        running = copy.copy(self.last)
        running = running.set_params(**settings._asdict())
        twin = self._with_last(self.model, running), running
        self._twin = settings, twin
        return twin

    # --- rows for which the steps are folded -------------------------------------------------------------------------

    def _ready_for(self, X: Any) -> tuple[Ready | None, Any]:
        """The program for rows like X, None where the steps have to be run, and the columns of a frame."""
        if self._way.columns is None or not isinstance(self._last_answers, Program):
            return None, None
        if (found := self._kinds.of(X)) is None:
            return None, None
        key, columns = found
        try:
            return self._ready[key], columns
        except KeyError:
            pass
        if len(self._ready) >= LAYOUTS_KEPT:
            self._ready.clear()
            self._why_run.clear()
        probe: ArrayProbe | FrameProbe
        if isinstance(key, str):
            probe = ArrayProbe(X.dtype.name, self._n_columns)
        else:
            probe = FrameProbe(FrameLayout(key[0], self._kinds.names or (), key[1]))
        ready = self._ready[key] = self._folded(probe, key, X)
        return ready, columns

    def _folded(self, probe: ArrayProbe | FrameProbe, key: Kind, like: Any) -> Ready | None:
        program = self._last_answers
        assert isinstance(program, Program)
        try:
            folded = fold(self._way, program.forest, probe, self._n_columns)
        except UnsupportedModelError as error:
            self._why_run[key] = str(error)
            return None
        forest = in_place(folded, self._n_columns) if isinstance(probe, ArrayProbe) else None
        ready = Ready.of(folded, Program(forest or folded.forest), key, in_place=forest is not None)
        if self.last.verify and not self._verify(probe, ready, like):
            self._why_run[key] = "the steps refuse rows that the folded forest answers"
            return None
        return ready

    def _verify(self, probe: ArrayProbe | FrameProbe, ready: Ready, like: Any) -> bool:
        """Compare raw scores bit for bit with those of the steps as they are run, on rows that hurt.

        False if the steps refuse these rows.
        """
        values, n_rows = probe_values(ready.folded)
        X = probe.rows(values, n_rows)
        if (
            ready.folded.runs
        ):  # steps that are run look at columns of which nothing is known but that these rows have them
            try:
                X = _with_columns(self._as_fitted(like), list(values), X)
            except NotForViews:
                return False
        if ready.program.forest.trees.aggregate == "per_tree":
            return True
        columns = None
        if isinstance(probe, FrameProbe):
            found = columns_of(X, range(len(probe.layout.names)), self._kinds.read)
            if found is None or found[1] != probe.layout.kinds:
                return True  # a frame of these values has other kinds of columns
            columns = found[0]
        settings = self.last._settings()
        try:
            with np.errstate(all="ignore"):
                rows = self.run_steps(X.copy() if isinstance(X, np.ndarray) else X)  # copy=False writes into arrays
            asked = self.last.predict_raw(rows)  # of several targets a list
            several = isinstance(asked, list)
            expected = np.concatenate(asked, axis=1) if several else np.asarray(asked).reshape(n_rows, -1)
        except Exception:  # whatever steps raise for rows of which they have not been asked
            return False
        try:
            given = self._rows(X, columns, ready)
        except NotForViews:
            return False
        got = ready.program.raw_scores_once(given, settings)
        bits = f"u{expected.dtype.itemsize}"
        same = expected.view(bits) == np.asarray(got).astype(expected.dtype, copy=False).view(bits)
        if not (same | (np.isnan(expected) & np.isnan(got))).all():
            n = int((~same).any(axis=1).sum())
            raise VerificationError(
                f"The folded steps and {type(self.model).__name__} differ in {n} of {n_rows} probe rows. Please report "
                "this with the output of sktensor.show_versions(); verify=False goes on regardless."
            )
        return True

    def _rows(self, X: Any, columns: Any, ready: Ready) -> Rows:
        """Rows of X as the program's forest sees them; NotForViews where the library has to be asked."""
        given = _run_steps(self._as_fitted(X), ready.folded, self.last) if ready.folded.runs else None
        return rows_of(X, columns, ready, given)

    def _as_fitted(self, X: Any) -> Any:
        """A frame with its columns as they were in training, as steps that are run alone find them by their places."""
        if type(X) is np.ndarray or self._kinds.names is None:
            return X
        names = list(X.columns)
        if tuple(names) == self._kinds.names:
            return X
        if not set(self._kinds.names) <= set(names):
            raise NotForViews
        return X[list(self._kinds.names)]

    # --- what else an estimator asks ----------------------------------------------------------------------------------

    def set_output(self, *, transform: str | None = None) -> None:
        """Choose the container that ``transform`` gives."""
        self.model.set_output(transform=transform)
        self._twin = None

    @property
    def why_run(self) -> str:
        """Why the steps have to be run for the last kind of rows for which they do; empty if there is none."""
        found = list(self._why_run.values())  # at once: other threads may fold for further kinds
        return found[-1] if found else ""

    @property
    def kinds(self) -> RowKinds:
        """How kinds of rows are told apart."""
        return self._kinds

    def folded(self) -> dict[Kind, Ready]:
        """The folded steps, by the kind of rows that they have been folded for so far."""
        return {kind: ready for kind, ready in self._ready.copy().items() if ready is not None}

    def cannot_be_kept(self) -> str:
        """Why its forests alone would not answer as it does; empty if they would."""
        if not isinstance(self._last_answers, Program):
            return "the last step is no forest, or one of the others gives nobody knows what"
        if self._last_answers.forest.trees.aggregate == "per_tree" and not self._transform_is_plain():
            return "transform gives a container that set_output has chosen"
        if made := [name for name in ANSWERS if name in self._fitted_last.methods]:
            return f"the last step's library makes {', '.join(made)} of more than trees"
        return self.why_run if self._ready and not self.folded() else ""

    def fold_for_arrays(self) -> None:
        """Fold the steps for arrays of float64, float32 and int64, where they take arrays."""
        for dtype in ("float64", "float32", "int64"):
            self._ready_for(np.zeros((1, max(self._n_columns, 0)), dtype=dtype))

    def fold_for(self, X: Any) -> None:
        """Fold the steps for rows like X now, rather than when the first of them are predicted."""
        self._ready_for(X)

    def prepare(self, settings: Settings, n_rows: int = 1000) -> None:
        """Build what predictions of `n_rows` rows will use, or raise the error that they would."""
        self._with_program(settings)[1].warmup([n_rows])
        for ready in self._ready.values():
            if ready is not None:
                ready.program.prepare(settings, n_rows)

    def planned(self, settings: Settings) -> PipelinePlan:
        """A plan to show."""
        return self.plan(1000, settings)

    def plan(self, n_rows: int, settings: Settings) -> PipelinePlan:
        """How `n_rows` rows would be predicted."""
        return PipelinePlan(
            n_rows=n_rows,
            steps=tuple(self._way.notes),
            folded_for=tuple(shown_kind(kind, self._kinds.names) for kind in self.folded()),
            model=self._with_program(settings)[1].explain_plan(n_rows),
            run_for=tuple((shown_kind(kind, self._kinds.names), why) for kind, why in self._why_run.copy().items()),
        )


def _with_columns(X: Any, numbers: list[int], made: Any) -> Any:
    """The first row of X again and again, with some columns of other rows."""
    first = [0] * len(made)
    if not numbers:
        return X[first] if isinstance(X, np.ndarray) or hasattr(X, "with_columns") else X.iloc[first]
    if isinstance(X, np.ndarray):
        found = X[first]
        found[:, numbers] = made[:, numbers]
        return found
    names = [made.columns[c] for c in numbers]
    if hasattr(X, "with_columns"):
        return X[first].with_columns(made[names])
    return X.iloc[first].reset_index(drop=True).assign(**{name: made[name] for name in names})


def _text_names(model: Any) -> tuple[str, ...] | None:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else tuple(np.asarray(names, dtype=object).tolist())


def _run_steps(X: Any, folded: Folded, last: Any) -> Array:
    """What the steps give that are run, as the trees of the last one see it."""
    forest = last._compiled().forest
    found = []
    for run, numbers in folded.runs:
        try:
            seen = Features(run(X), forest)
        except Exception:  # with all steps in their order, another may be the first to refuse these rows
            raise NotForViews from None
        numbers_there, missing = seen.numbers[:, numbers], seen.missing[:, numbers]
        if not (np.isfinite(seen.numbers) | np.isnan(seen.numbers)).all() or (
            np.isnan(seen.numbers).any() and not forest.inputs.accepts_nan
        ):
            raise NotForViews
        found.append(np.where(missing, np.nan, numbers_there))
    return np.concatenate(found, axis=1)
