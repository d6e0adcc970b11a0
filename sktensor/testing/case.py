"""A model, its extractor and its forest, held against each other."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import NotFittedError

from sktensor import outputs
from sktensor.backends.base import BACKENDS, backends_by_name
from sktensor.estimator import TensorizedEstimator
from sktensor.forest import Forest
from sktensor.inputs.rows import as_rows
from sktensor.registry import Extractor
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings
from sktensor.strategies import strategies
from sktensor.testing.answers import LEAVES, METHODS, RAW, TRANSFORM, differ, same, tolerance_of_tensors
from sktensor.testing.faults import why_labels, why_leaves, why_raw, why_values
from sktensor.testing.rows import GIVEN

__all__ = ["BATCHES", "Case"]

Array = npt.NDArray[Any]

BATCHES = (0, 1, 2, 7)


@dataclass
class Case:
    """A model, its extractor and its forest."""

    model: Any
    extractor: Extractor
    forest: Forest

    def __post_init__(self) -> None:
        self.program = Program(self.forest)

    def asks(self, name: str) -> Any:
        """The extractor's function of that name, None where it has none."""
        return getattr(self.extractor, name, None)

    def methods(self) -> list[str]:
        """The estimator's methods that are compared."""
        return [name for name in (*METHODS, TRANSFORM) if hasattr(self.model, "fit") and hasattr(self.model, name)]

    def library(self, X: Array) -> dict[str, Any]:
        """All that the library says of the rows."""
        found: dict[str, Any] = {}
        if self.forest.trees.aggregate != "per_tree":
            found[RAW] = self._asked("predict_raw", X)
        try:
            if self.forest.n_trees:
                found[LEAVES] = self._asked("predict_leaves", X)
                if found[LEAVES] is None and hasattr(self.model, "fit") and hasattr(self.model, "apply"):
                    found[LEAVES] = self.model.apply(X)
        except Exception:
            # XGBoost's apply refuses infinities, which its predict takes.
            if not (X.dtype.kind == "f" and np.isinf(X).any()):
                raise
        found |= {name: getattr(self.model, name)(X) for name in self.methods()}
        if hasattr(found.get(TRANSFORM), "toarray"):
            found[TRANSFORM] = found[TRANSFORM].toarray()
        order = (LEAVES, RAW, *METHODS, TRANSFORM)
        return {name: _arrays(found[name]) for name in order if found.get(name) is not None}

    def _asked(self, name: str, X: Array) -> Any:
        """What the extractor's function of that name says of rows X, None where there is none."""
        if (ask := getattr(self.extractor, name, None)) is None:
            return None
        try:
            return ask(self.model, X)
        except Exception:  # it may insist on the dtype in which it gets rows when a program is verified
            return ask(self.model, np.array(X, dtype=self.forest.trees.feature_dtype, order="C"))

    def total(self, X: Array, **settings: Any) -> Array:
        """What the trees come to; where that is nothing but their leaves, those."""
        return _total(self.program, X, **settings)

    def raw(self, X: Array) -> Array:
        """Raw scores by the forest, shape (n, K)."""
        found: Array = outputs.raw_scores(self.forest, self.total(X))
        return found

    def check(self, X: Array, rows: str) -> None:
        """Everything that the library says of rows X."""
        try:
            theirs = self.library(X)
        except Exception as error:
            if rows == GIVEN:
                raise
            said = f"{type(error).__name__}: {error}".splitlines()[0]
            self.fail(f"the library refuses {rows} ({said})", self._refused(X), error)
        raw = self.raw(X)
        for name, expected in theirs.items():
            parts = expected if isinstance(expected, list) else [expected]
            found = self._answer(name, X, raw)
            if isinstance(found, list) != isinstance(expected, list) or (
                isinstance(found, list) and len(found) != len(expected)
            ):
                self.fail(
                    f"{name} of {rows}: {_kind(found)} from the forest, {_kind(expected)} from the library",
                    "the number of targets (Forest.output_slices)",
                )
            for ours, part in zip(found if isinstance(found, list) else [found], parts, strict=True):
                self._compare(name, rows, X, raw, ours, np.asarray(part), LEAVES in theirs)

    def _answer(self, name: str, X: Array, raw: Array) -> Any:
        if name == LEAVES:
            return outputs.leaf_numbers(self.forest, self.program.leaves(as_rows(X, self.forest), Settings()))
        if name == RAW:
            # For several targets of a classifier there is no one shape; predict_proba has their list.
            return raw if len(self.forest.outputs.output_slices) > 1 else outputs.shaped_raw(self.forest, raw)
        if name == TRANSFORM:
            found = outputs.leaf_columns(self.forest, self.program.reached(as_rows(X, self.forest), Settings()))
            return found.toarray() if hasattr(found, "toarray") else found
        if name == "predict_log_proba" and self.forest.outputs.log_proba == "log_add_exp":
            return self.program.log_mean(as_rows(X, self.forest), Settings())
        if name.endswith("proba") and self.forest.outputs.proba == "none":
            self.fail(f"{type(self.model).__name__} has {name}, the forest gives none", "Forest.proba")
        return METHODS[name](self.forest, raw)

    def _compare(
        self, name: str, rows: str, X: Array, raw: Array, ours: Array, theirs: Array, leaves_agree: bool
    ) -> None:
        for what, rule in (("dtype", DTYPE_RULES), ("shape", SHAPE_RULES)):
            a, b = getattr(ours, what), getattr(theirs, what)
            if a != b:
                self.fail(f"{name} of {rows} have {what} {a} from the forest, {b} from the library", rule[name])
        wrong = differ(ours, theirs)
        if not wrong.any():
            return
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        n_wrong = np.count_nonzero(wrong.reshape(len(wrong), -1).any(axis=1))
        if name == LEAVES:
            why = why_leaves(self.forest, X, ours.reshape(len(X), -1), theirs.reshape(len(X), -1))
        elif name == TRANSFORM or (name == "predict_log_proba" and self.forest.outputs.log_proba == "log_add_exp"):
            why = SHAPE_RULES[name]
        elif name == RAW or (name == "decision_function" and self.forest.outputs.decision != "inlier"):
            why = why_raw(self.forest, X, raw, theirs.reshape(raw.shape), leaves_agree)
        elif name == "predict" and self.forest.outputs.decision != "none":
            why = why_labels(self.forest, raw, theirs)
        else:
            raw_agree = self.asks("predict_raw") is not None or "decision_function" in self.methods()
            if not raw_agree and self.forest.outputs.link == "identity" and theirs.size == raw.size:
                why = why_raw(self.forest, X, raw, theirs.reshape(raw.shape), leaves_agree)
            else:
                why = why_values(self.forest, name, raw, theirs, raw_agree)
        place = f"row {at[0]}" + (f", column {', '.join(map(str, at[1:]))}" if at[1:] else "")
        self.fail(
            f"{name} of {rows} differ in {n_wrong} of {len(X)} rows, first in {place}: "
            f"{ours[at]!r} from the forest, {theirs[at]!r} from the library",
            why,
        )

    def _refused(self, X: Array) -> str:
        if X.dtype.kind == "f" and np.isinf(X).any():
            return "Forest.accepts_inf, which says that infinities are taken"
        if X.dtype.kind == "f" and np.isnan(X).any():
            return "Forest.accepts_nan, which says that missing values are taken"
        return "the library, or the extractor's predict_raw or predict_leaves, which take arrays of any number of rows"

    def fail(self, problem: str, why: str, error: Exception | None = None) -> NoReturn:
        """Say what is wrong and which rule is at fault."""
        raise AssertionError(f"{type(self.model).__name__}: {problem}. At fault: {why}.") from error

    # --- what is no matter of rows ----------------------------------------------------------------------------------

    def check_extraction(self, X: Array) -> None:
        """Extracting again gives the same forest and leaves the model's answers as they were."""
        before = self.library(X)
        again = self.extractor.extract(self.model).validate()
        for name, value in again.fields().items():
            if not same(self.forest.fields()[name], value):
                self.fail(f"extracted twice, Forest.{name} is another", "extract, which has to be a pure function")
        for name, answer in self.library(X).items():
            if not same(before[name], answer):
                self.fail(f"{name} are others after the model was extracted", "extract, which has to leave it alone")

    def check_refusals(self, X: Array) -> None:
        """What the forest says that the library refuses, the library does refuse."""
        if "predict" not in self.methods() or not len(X):
            return
        for taken, rule, value in (
            (self.forest.inputs.accepts_nan, "Forest.accepts_nan", np.nan),
            (self.forest.inputs.accepts_inf, "Forest.accepts_inf", np.inf),
        ):
            rows = X[:2].astype(np.float64)
            rows[0] = value
            if not taken and _answers(self.model.predict, rows):
                self.fail(f"the library answers predict of a row of {value}", f"{rule}, which says that it refuses")

    def check_empty(self, X: Array) -> None:
        """A batch of no rows gives what it gives in the library: answers of its dtypes and shapes, or an error."""
        none, refused = X[:0], self.forest.inputs.no_rows == "error"
        if _answers(self.library, none) == refused:
            does = "refuses" if not refused else "answers"
            self.fail(f"the library {does} a batch of 0", f"Forest.no_rows, which is {self.forest.inputs.no_rows!r}")
        if refused:
            return
        raw = self.raw(none)
        for name, answer in self.library(none).items():
            found = self._answer(name, none, raw)
            pairs = zip(found, answer, strict=True) if isinstance(answer, list) else [(found, answer)]
            for ours, theirs in pairs:
                if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
                    self.fail(
                        f"{name} of a batch of 0 are {ours.dtype} of shape {ours.shape} from the forest, "
                        f"{theirs.dtype} of shape {theirs.shape} from the library",
                        f"{DTYPE_RULES[name]}, or {SHAPE_RULES[name]}, or Forest.no_rows",
                    )

    def check_ways_to_run(self, X: Array) -> None:
        """Every strategy, kernel, batch size and memory layout gives the bits that were held against the library."""
        expected = self.total(X)
        ways: list[dict[str, Any]] = [
            {"strategy": strategy, "backend": backend}
            for strategy in strategies()
            for backend in backends_by_name()
            if not BACKENDS[backend].unavailable("cpu", strategy)
        ]
        ways += [{**way, "batch_size": size} for way in ways for size in BATCHES[1:]] + [{"n_jobs": 2}]
        for way in ways:
            try:
                self.program.plan(len(X), Settings(**way))
            except ValueError:  # too large for this strategy, or there is no such kernel here
                continue
            rows = X[: 2 * max(BATCHES)] if "batch_size" in way else X  # a batch a row takes its time
            self._same_total(
                expected[: len(rows)], self.total(rows, **way), ", ".join(f"{k}={v!r}" for k, v in way.items())
            )
        room = np.full((2 * X.shape[0], 3 * X.shape[1]), 7, dtype=X.dtype)
        room[::2, 1::3] = X
        for name, rows in (("column-major", np.asfortranarray(X)), ("strided", room[::2, 1::3])):
            self._same_total(expected, self.total(rows), f"{name} rows")

    def check_tensors(self, X: Array) -> None:
        """What is made of raw scores in a tensor equals what is made of them in an array, but for torch's exp."""
        if self.forest.trees.aggregate != "sum":
            return
        torch = sys.modules["torch"]  # which strategies have loaded
        raw = self.raw(X)
        for name in self.methods():
            if name not in METHODS or (name == "predict_log_proba" and self.forest.outputs.log_proba == "log_add_exp"):
                continue
            answers = [METHODS[name](self.forest, scores) for scores in (raw, torch.tensor(raw))]
            expected, found = (answer if isinstance(answer, list) else [answer] for answer in answers)
            for theirs, ours in zip(expected, found, strict=True):
                wrong = differ(np.asarray(ours), theirs, tolerance_of_tensors(self.forest, name))
                if wrong.any():
                    self.fail(f"{name} differs for tensors", "sktensor, not the extractor; please report it")

    def _same_total(self, expected: Array, found: Array, way: str) -> None:
        if differ(found, expected).any():
            self.fail(f"raw scores differ with {way}", "sktensor or the strategy, not the extractor; please report it")

    def check_copies(self, X: Array, *, through_registry: bool) -> None:
        """A pickled program, and the pickled estimator around the model, give the same bits."""
        expected = self.raw(X)
        copy: Program = pickle.loads(pickle.dumps(self.program))
        self._same_total(self.total(X), _total(copy, X), "a pickled copy")
        if not (through_registry and hasattr(self.model, "fit")):
            return
        fast = TensorizedEstimator(self.model)
        ask = "apply" if self.forest.trees.aggregate == "per_tree" else "predict_raw"
        try:
            found = getattr(fast, ask)(X)
        except NotFittedError:  # a library without scikit-learn's signs of being fitted; only fit leads in
            return
        self._same_total(expected, _flat(found, expected), "TensorizedEstimator")
        if _answers(pickle.dumps, self.model):
            found = getattr(pickle.loads(pickle.dumps(fast)), ask)(X)
            self._same_total(expected, _flat(found, expected), "a pickled TensorizedEstimator")


DTYPE_RULES = {
    LEAVES: "the dtype of leaf numbers (Forest.leaf_dtype)",
    RAW: "the dtype of the sum (Forest.acc_dtype)",
    "decision_function": "the dtype of the sum (Forest.acc_dtype)",
    "score_samples": "the dtype of the sum (Forest.acc_dtype)",
    "transform": "the dtype of the columns of leaves, which is float64",
    "predict_proba": "the dtype of the sum (Forest.acc_dtype)",
    "predict_log_proba": "the dtype of the sum (Forest.acc_dtype)",
    "predict": "the dtype of labels (Forest.classes, label_dtype), or of values (Forest.acc_dtype)",
}
SHAPE_RULES = {
    LEAVES: "the shape of leaf numbers (Forest.leaf_shape)",
    RAW: "the shape of raw scores (Forest.raw_shape)",
    "decision_function": "the number of outputs (Forest.n_outputs)",
    "score_samples": "the number of outputs (Forest.n_outputs)",
    "transform": "the columns, one a leaf (Forest.leaf_id and the order of its entries, embedding)",
    "predict_proba": "the columns of probabilities (Forest.proba, output_slices, value_shape)",
    "predict_log_proba": "the columns of probabilities (Forest.proba, output_slices, value_shape)",
    "predict": "the shape of labels (Forest.label_shape) or values (Forest.value_shape)",
}


def _total(program: Program, X: Array, **settings: Any) -> Array:
    ask = program.leaves if program.forest.trees.aggregate == "per_tree" else program.total
    found: Array = ask(as_rows(X, program.forest), Settings(**settings))
    return found


def _arrays(answer: Any) -> Any:
    """A library's answer: an array, or a list of arrays, one a target."""
    several = isinstance(answer, list) and all(isinstance(part, np.ndarray) and part.ndim == 2 for part in answer)
    return answer if several else np.asarray(answer)


def _kind(answer: Any) -> str:
    return f"a list of {len(answer)}" if isinstance(answer, list) else "an array"


def _flat(raw: Any, like: Array) -> Array:
    """Raw scores of any shape, or a list of them, as one array of the shape (n, K)."""
    parts = raw if isinstance(raw, list) else [raw]
    return np.concatenate([np.reshape(part, (len(like), -1)) for part in parts], axis=1)


def _answers(call: Callable[[Any], Any], argument: Any) -> bool:
    """Whether a call returns at all."""
    try:
        call(argument)
    except Exception:
        return False
    return True
