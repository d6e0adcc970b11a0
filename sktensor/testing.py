"""The conformance kit: an extractor's forest held against the library that it speaks for.

The wrapped library is the oracle, and leaves come before raw scores, raw scores before what is made of them, so that
the first difference found is the nearest to its cause, which the error names as far as it can be told.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, NoReturn, get_args

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import NotFittedError

from sktensor import outputs
from sktensor.estimator import TensorizedEstimator
from sktensor.forest import TINY, Decision, Forest, Link
from sktensor.inputs import as_rows
from sktensor.program import Program
from sktensor.registry import Extractor, find_extractor
from sktensor.settings import NATIVE_STRATEGIES, Settings
from sktensor.strategies import strategies
from sktensor.verification import probe

__all__ = ["assert_matches", "check_extractor"]

Array = npt.NDArray[Any]

# Links go through exp, of which every library brings its own last bits; everything else has no tolerance.
ULPS = 4
LINKS_WITHOUT_EXP = ("identity", "hinge", "argmax", "sign_square")

BATCHES = (0, 1, 2, 7)

GIVEN = "the rows given"

LEAVES, RAW, TRANSFORM = "leaf numbers", "raw scores", "transform"
METHODS: dict[str, Callable[[Forest, Any], Any]] = {
    "decision_function": outputs.decision_scores,
    "score_samples": outputs.sample_scores,
    "predict_proba": outputs.probabilities,
    "predict_log_proba": outputs.log_probabilities,
    "predict": outputs.labels,
}


def assert_matches(model: Any, X: Any, *, extractor: Extractor | None = None) -> None:
    """Hold the forest of a fitted model against the model's own answers for some rows.

    What the model has is compared, in this order: leaf numbers (the extractor's ``predict_leaves``, otherwise
    ``apply``), raw scores (its ``predict_raw``), ``decision_function``, ``score_samples``, ``predict_proba``,
    ``predict_log_proba``, ``predict`` and ``transform``. Equal means in dtype, shape and every bit; behind a link with
    an ``exp``, up to 4 ulp are let through (of ``p`` also in ``1 - p``, of 1 in a logarithm).

    Parameters
    ----------
    model : object
        Fitted. The methods of one that has no ``fit``, such as a ``Booster``, are not asked.
    X : array-like of shape (n_samples, n_features)
        Rows of numbers.
    extractor : Extractor, optional
        Whose forest to check; by default the one that the registry finds.

    Raises
    ------
    AssertionError
        Naming the first row that differs, both answers, and the field of :class:`~sktensor.Forest` at fault as far
        as it can be told.
    UnsupportedModelError
        If the extractor refuses the model.
    ValueError
        If the forest is malformed, or neither model nor extractor has any answer to hold it against.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from sktensor.testing import assert_matches
    >>> X, y = load_diabetes(return_X_y=True)
    >>> assert_matches(RandomForestRegressor(n_estimators=5, n_jobs=1).fit(X, y), X)
    """
    with np.errstate(all="ignore"):
        _case(model, extractor, X := _as_rows(X)).check(X, GIVEN)


def check_extractor(model: Any, X: Any, *, extractor: Extractor | None = None) -> None:
    """Check an extractor on a fitted model, as scikit-learn's ``check_estimator`` checks an estimator.

    The forest has to be well-formed, the same twice, and to leave the model as it was. Then :func:`assert_matches`
    holds for `X` and for rows made of the forest's own thresholds, the numbers beside them in the forest's dtype and
    in float64, missing values and infinities where the forest takes them (where it does not, the model's ``predict``
    has to refuse them, too), large integers, and batches of 0, 1, 2 and 7 rows. At last every strategy, with every
    kernel that there is, every memory layout and a pickled copy have to give the same bits.

    Parameters
    ----------
    model : object
        Fitted. The methods of one that has no ``fit``, such as a ``Booster``, are not asked.
    X : array-like of shape (n_samples, n_features)
        Some rows of numbers, for instance those that the model was fitted on.
    extractor : Extractor, optional
        Whose forest to check, for instance before it is registered; by default the one that the registry finds, and
        :class:`~sktensor.TensorizedEstimator` around the model is checked, too.

    Raises
    ------
    AssertionError
        Naming the rows, the first that differs, both answers, and the field of :class:`~sktensor.Forest` at fault as
        far as it can be told.
    UnsupportedModelError
        If the extractor refuses the model.
    ValueError
        If the forest is malformed, or neither model nor extractor has any answer to hold it against.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from sktensor.testing import check_extractor
    >>> X, y = load_iris(return_X_y=True)
    >>> check_extractor(HistGradientBoostingClassifier(max_iter=3).fit(X, y), X)
    """
    X = _as_rows(X)
    with np.errstate(all="ignore"):
        case = _case(model, extractor, X)
        case.check_extraction(X)
        for rows, name in _hurting(case.forest, X):
            case.check(rows, name)
        case.check_refusals(X)
        more = X[:0] if case.forest.hashed is not None else probe(case.forest).astype(X.dtype)
        enough = np.concatenate([X, more])[: max(BATCHES)]
        for size in BATCHES[1:]:
            case.check(enough[:size], f"a batch of {size}")
        case.check_empty(enough)
        case.check_ways_to_run(probe(case.forest))
        case.check_copies(probe(case.forest), through_registry=extractor is None)


def _as_rows(X: Any) -> Array:
    rows = np.asarray(X)
    if rows.ndim != 2 or rows.dtype.kind not in "biuf":
        raise ValueError(f"X must be a two-dimensional array of numbers, got shape {rows.shape}, dtype {rows.dtype}.")
    return rows


def _case(model: Any, extractor: Extractor | None, X: Array) -> _Case:
    extractor = find_extractor(model) if extractor is None else extractor
    forest = extractor.extract(model)
    if not isinstance(forest, Forest):
        raise AssertionError(f"{extractor!r} gave {type(forest).__name__} for {type(model).__name__}, not a Forest.")
    case = _Case(model, extractor, forest.validate())
    if not (case.asks("predict_raw") or case.asks("predict_leaves") or case.methods()):
        raise ValueError(
            f"{type(model).__name__} is no estimator with {', '.join(METHODS)}, and {extractor!r} has neither "
            "predict_raw(model, X) nor predict_leaves(model, X): there is nothing to hold the forest against."
        )
    if X.shape[1] != forest.n_features:
        case.fail(f"X has {X.shape[1]} columns, the forest {forest.n_features}", "Forest.n_features, or X itself")
    return case


# --- rows -----------------------------------------------------------------------------------------------------------


def _hurting(forest: Forest, X: Array) -> Iterator[tuple[Array, str]]:
    """The rows given, and rows made for this forest, with their names."""
    on = probe(forest)
    yield on, "the forest's own thresholds and missing values"  # which tell most, so first
    yield X, GIVEN
    if forest.hashed is not None:
        return  # what follows is made of real numbers, which are no categories
    if len(X) and forest.n_nodes:
        yield _on_the_way(forest, X), "the rows given with a threshold on their way put in"
    if forest.feature_dtype == "float32":
        wide = on.astype(np.float64)
        up = np.random.default_rng(1).random(wide.shape) < 0.5
        yield np.nextafter(wide, np.where(up, np.inf, -np.inf)), "float64 numbers that the cast to float32 rounds"
    else:
        yield on.astype(np.float32), "the forest's own thresholds, as float32"
    whole = np.rint(np.nan_to_num(on.astype(np.float64), posinf=0.0, neginf=0.0).clip(-1e6, 1e6)).astype(np.int64)
    whole[::3] += (2**24 + 1) * (whole[::3] > 0)
    yield whole, "integers, some too large for float32"
    if forest.accepts_inf:
        rows = on.copy()
        rng = np.random.default_rng(2)
        at = rng.random(rows.shape) < 0.3
        if forest.values_in_arrays and forest.categories is not None:  # whose libraries take no infinite categories
            at &= [table is None for table in forest.categories]
        rows[at] = rng.choice(np.array([np.inf, -np.inf], dtype=rows.dtype), at.sum())
        yield rows, "infinities"


def _on_the_way(forest: Forest, X: Array) -> Array:
    """Rows in which the column that a node on their way looks at holds its threshold or a number beside it.

    Nodes deep in a tree are seldom reached by rows that are made of thresholds alone.
    """
    rng = np.random.default_rng(3)
    rows = X[rng.integers(0, len(X), 256)].astype(forest.feature_dtype)
    trees = _Trees(forest)
    leaf = trees.leaves(rows)
    for row, tree in enumerate(rng.integers(0, forest.n_trees, len(rows))):
        way = trees.way(leaf[row, tree])
        if not way or trees.is_category(node := way[rng.integers(len(way))]):
            continue
        at = forest.threshold[node].astype(rows.dtype)
        beside = [at, at, np.nextafter(at, rows.dtype.type(-np.inf)), np.nextafter(at, rows.dtype.type(np.inf))]
        drawn = rng.choice(np.array(beside + [np.nan] * forest.accepts_nan, dtype=rows.dtype))
        if np.isfinite(drawn) or np.isnan(drawn):
            rows[row, forest.feature[node]] = drawn
    return rows


class _Trees:
    """The ways from the leaves of a forest to its roots."""

    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        links, inner = np.concatenate([forest.left, forest.right]), np.tile(np.arange(forest.n_nodes), 2)
        self._above_node = np.full(forest.n_nodes, -1)
        self._above_leaf = np.full(forest.n_leaves, -1)
        self._above_node[links[links >= 0]] = inner[links >= 0]
        self._above_leaf[~links[links < 0]] = inner[links < 0]

    def leaves(self, X: Array) -> Array:
        """Numbers of the leaves in the forest's arrays, shape (n, T)."""
        numbered = replace(self.forest, leaf_id=np.arange(self.forest.n_leaves))
        found: Array = Program(numbered).leaves(as_rows(X, numbered), Settings())
        return found

    def way(self, leaf: int) -> list[int]:
        """The nodes from a leaf's root down to the leaf."""
        nodes = []
        node = self._above_leaf[leaf]
        while node >= 0:
            nodes.append(int(node))
            node = self._above_node[node]
        return nodes[::-1]

    def is_category(self, node: int) -> bool:
        return self.forest.is_cat is not None and bool(self.forest.is_cat[node])


# --- comparing ------------------------------------------------------------------------------------------------------


@dataclass
class _Case:
    """A model, its extractor and its forest."""

    model: Any
    extractor: Extractor
    forest: Forest

    def __post_init__(self) -> None:
        self.program = Program(self.forest)

    def asks(self, name: str) -> Any:
        return getattr(self.extractor, name, None)

    def methods(self) -> list[str]:
        return [name for name in (*METHODS, TRANSFORM) if hasattr(self.model, "fit") and hasattr(self.model, name)]

    def library(self, X: Array) -> dict[str, Any]:
        """All that the library says of the rows."""
        found: dict[str, Any] = {}
        if self.forest.aggregate != "per_tree":
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
            return ask(self.model, np.array(X, dtype=self.forest.feature_dtype, order="C"))

    def total(self, X: Array, **settings: Any) -> Array:
        """What the trees come to; where that is nothing but their leaves, those."""
        return _total(self.program, X, **settings)

    def raw(self, X: Array) -> Array:
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
            return raw if len(self.forest.output_slices) > 1 else outputs.shaped_raw(self.forest, raw)
        if name == TRANSFORM:
            found = outputs.leaf_columns(self.forest, self.program.reached(as_rows(X, self.forest), Settings()))
            return found.toarray() if hasattr(found, "toarray") else found
        if name == "predict_log_proba" and self.forest.log_proba == "log_add_exp":
            return self.program.log_mean(as_rows(X, self.forest), Settings())
        if name.endswith("proba") and self.forest.proba == "none":
            self.fail(f"{type(self.model).__name__} has {name}, the forest gives none", "Forest.proba")
        return METHODS[name](self.forest, raw)

    def _compare(
        self, name: str, rows: str, X: Array, raw: Array, ours: Array, theirs: Array, leaves_agree: bool
    ) -> None:
        for what, rule in (("dtype", _DTYPE_RULES), ("shape", _SHAPE_RULES)):
            a, b = getattr(ours, what), getattr(theirs, what)
            if a != b:
                self.fail(f"{name} of {rows} have {what} {a} from the forest, {b} from the library", rule[name])
        wrong = _differ(ours, theirs, _room(self.forest, name))
        if not wrong.any():
            return
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        n_wrong = np.count_nonzero(wrong.reshape(len(wrong), -1).any(axis=1))
        if name == LEAVES:
            why = _why_leaves(self.forest, X, ours.reshape(len(X), -1), theirs.reshape(len(X), -1))
        elif name == TRANSFORM or (name == "predict_log_proba" and self.forest.log_proba == "log_add_exp"):
            why = _SHAPE_RULES[name]
        elif name == RAW or (name == "decision_function" and self.forest.decision != "inlier"):
            why = _why_raw(self.forest, X, raw, theirs.reshape(raw.shape), leaves_agree)
        elif name == "predict" and self.forest.decision != "none":
            why = _why_labels(self.forest, raw, theirs)
        else:
            raw_agree = self.asks("predict_raw") is not None or "decision_function" in self.methods()
            if not raw_agree and self.forest.link == "identity" and theirs.size == raw.size:
                why = _why_raw(self.forest, X, raw, theirs.reshape(raw.shape), leaves_agree)
            else:
                why = _why_values(self.forest, name, raw, theirs, raw_agree)
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
        raise AssertionError(f"{type(self.model).__name__}: {problem}. At fault: {why}.") from error

    # --- what is no matter of rows ----------------------------------------------------------------------------------

    def check_extraction(self, X: Array) -> None:
        """Extracting again gives the same forest and leaves the model's answers as they were."""
        before = self.library(X)
        again = self.extractor.extract(self.model).validate()
        for spec in fields(Forest):
            if not _same(getattr(self.forest, spec.name), getattr(again, spec.name)):
                self.fail(f"extracted twice, Forest.{spec.name} is another", "extract, which has to be a pure function")
        for name, answer in self.library(X).items():
            if not _same(before[name], answer):
                self.fail(f"{name} are others after the model was extracted", "extract, which has to leave it alone")

    def check_refusals(self, X: Array) -> None:
        """What the forest says that the library refuses, the library does refuse."""
        if "predict" not in self.methods() or not len(X):
            return
        for taken, rule, value in (
            (self.forest.accepts_nan, "Forest.accepts_nan", np.nan),
            (self.forest.accepts_inf, "Forest.accepts_inf", np.inf),
        ):
            rows = X[:2].astype(np.float64)
            rows[0] = value
            if not taken and _answers(self.model.predict, rows):
                self.fail(f"the library answers predict of a row of {value}", f"{rule}, which says that it refuses")

    def check_empty(self, X: Array) -> None:
        """A batch of no rows gives answers of the dtype and shape that other batches have."""
        raw, expected = self.raw(X[:0]), self.library(X)
        for name, answer in expected.items():
            found = self._answer(name, X[:0], raw)
            pairs = zip(found, answer, strict=True) if isinstance(answer, list) else [(found, answer)]
            for ours, theirs in pairs:
                if (ours.dtype, ours.shape) != (theirs.dtype, (0, *theirs.shape[1:])):
                    self.fail(
                        f"{name} of a batch of 0 are {ours.dtype} of shape {ours.shape}",
                        f"{_DTYPE_RULES[name]}, or {_SHAPE_RULES[name]}",
                    )

    def check_ways_to_run(self, X: Array) -> None:
        """Every strategy, kernel, batch size and memory layout gives the bits that were held against the library."""
        expected = self.total(X)
        ways: list[dict[str, Any]] = [{"strategy": name, "backend": "torch"} for name in strategies()]
        ways += [{"strategy": name, "backend": "native"} for name in NATIVE_STRATEGIES]
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

    def _same_total(self, expected: Array, found: Array, way: str) -> None:
        if _differ(found, expected).any():
            self.fail(f"raw scores differ with {way}", "sktensor or the strategy, not the extractor; please report it")

    def check_copies(self, X: Array, *, through_registry: bool) -> None:
        """A pickled program, and the pickled estimator around the model, give the same bits."""
        expected = self.raw(X)
        copy: Program = pickle.loads(pickle.dumps(self.program))
        self._same_total(self.total(X), _total(copy, X), "a pickled copy")
        if not (through_registry and hasattr(self.model, "fit")):
            return
        fast = TensorizedEstimator(self.model)
        ask = "apply" if self.forest.aggregate == "per_tree" else "predict_raw"
        try:
            found = getattr(fast, ask)(X)
        except NotFittedError:  # a library without scikit-learn's signs of being fitted; only fit leads in
            return
        self._same_total(expected, _flat(found, expected), "TensorizedEstimator")
        if _answers(pickle.dumps, self.model):
            found = getattr(pickle.loads(pickle.dumps(fast)), ask)(X)
            self._same_total(expected, _flat(found, expected), "a pickled TensorizedEstimator")


_DTYPE_RULES = {
    LEAVES: "the dtype of leaf numbers (Forest.leaf_dtype)",
    RAW: "the dtype of the sum (Forest.acc_dtype)",
    "decision_function": "the dtype of the sum (Forest.acc_dtype)",
    "score_samples": "the dtype of the sum (Forest.acc_dtype)",
    "transform": "the dtype of the columns of leaves, which is float64",
    "predict_proba": "the dtype of the sum (Forest.acc_dtype)",
    "predict_log_proba": "the dtype of the sum (Forest.acc_dtype)",
    "predict": "the dtype of labels (Forest.classes, label_dtype), or of values (Forest.acc_dtype)",
}
_SHAPE_RULES = {
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
    ask = program.leaves if program.forest.aggregate == "per_tree" else program.total
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


def _same(a: Any, b: Any) -> bool:
    """Equal in every bit, for fields of a forest and answers of a library."""
    if isinstance(a, (tuple, list)) and isinstance(b, type(a)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return (a.dtype, a.shape) == (b.dtype, b.shape) and not _differ(a, b).any()
    return type(a) is type(b) and bool(a == b)


class _Room(NamedTuple):
    """So many ulp, an ulp being worth at least so much."""

    ulps: int = 0
    least: Any = 0.0


EXACT = _Room()


def _room(forest: Forest, name: str) -> _Room:
    """How far apart a forest's and the library's answer may be."""
    eps = float(np.finfo(forest.acc_dtype).eps)
    if name in (LEAVES, RAW, TRANSFORM, "decision_function", "score_samples") or (
        name == "predict" and forest.decision != "none"
    ):
        return EXACT
    if name == "predict_log_proba":  # the logarithm of what is off by some ulp of itself
        return _Room(ULPS, eps)
    if forest.link in LINKS_WITHOUT_EXP and not forest.proba.endswith("softmax"):
        return EXACT
    if name == "predict_proba" and forest.proba == "complement":
        return _Room(ULPS, np.array([eps / 2, 0.0]))  # 1 - p is off by as much as p
    return _Room(ULPS)


def _differ(ours: Array, theirs: Array, room: _Room = EXACT) -> Array:
    """Where two arrays of the same shape differ; any NaN equals any other."""
    if theirs.dtype.kind != "f" or ours.dtype != theirs.dtype:
        return np.asarray(ours != theirs)
    both_nan = np.isnan(ours) & np.isnan(theirs)
    if room.ulps:
        unit = np.maximum(np.spacing(np.abs(theirs)), room.least)
        return np.asarray(~((ours == theirs) | (np.abs(ours - theirs) <= room.ulps * unit) | both_nan))
    bits = f"i{theirs.dtype.itemsize}"
    other = np.ascontiguousarray(ours).view(bits) != np.ascontiguousarray(theirs).view(bits)
    wrong: Array = other & ~both_nan
    return wrong


# --- which rule is at fault -----------------------------------------------------------------------------------------


SPLIT = "the split (Forest.feature, threshold, left, right)"


def _why_leaves(forest: Forest, X: Array, ours: Array, theirs: Array) -> str:
    """The rule behind leaf numbers of shape (n, T) that differ, from the nodes where the two ways part."""
    if sorted(map(bytes, np.ascontiguousarray(ours.T))) == sorted(map(bytes, np.ascontiguousarray(theirs.T))):
        return "the order of the trees (Forest.root); in another one, all leaf numbers would agree"
    wrong = ours != theirs
    tree = int(np.flatnonzero(wrong.any(axis=0))[0])
    pairs = np.unique(np.stack([ours[:, tree], theirs[:, tree]]), axis=1)
    if all(len(np.unique(side)) == pairs.shape[1] > 1 for side in pairs):
        return f"the leaf numbers (Forest.leaf_id) of tree {tree}, or its children changed about (left, right)"
    trees = _Trees(forest)
    leaf = trees.leaves(X)
    numbers = {int(forest.leaf_id[at]): int(at) for at in _leaves_of(forest, tree)}
    found: Counter[str] = Counter()
    parting = ""
    rows = np.flatnonzero(wrong[:, tree])
    for row in rows:
        if (number := int(theirs[row, tree])) not in numbers:
            return f"the leaf numbers (Forest.leaf_id): tree {tree} has no leaf {number}"
        ways = trees.way(leaf[row, tree]), trees.way(numbers[number])
        node = [a for a, b in zip(*ways, strict=False) if a == b][-1]
        left = forest.left[node] in (*ways[0], ~leaf[row, tree])
        found.update(_rules_at(forest, trees, node, X[row], left))
        parting = parting or (
            f"at node {node} of tree {tree}, column {forest.feature[node]} holds {X[row, forest.feature[node]]!r}, the "
            f"threshold is {forest.threshold[node]!r}, and the forest goes {'left' if left else 'right'}, the library "
            "does not"
        )
    # What explains every row is at fault. The split always does: what explains most rows may be a fault of its own.
    rules = [rule for rule, count in found.items() if count == len(rows)][:1]
    if rules in ([], [SPLIT]):
        rules = [rule for rule, count in found.items() if count >= len(rows) / 2]
    return f"{', '.join(rules)}: {parting}"


def _leaves_of(forest: Forest, tree: int) -> list[int]:
    found, stack = [], [int(forest.root[tree])]
    while stack:
        node = stack.pop()
        if node < 0:
            found.append(~node)
        else:
            stack += [int(forest.left[node]), int(forest.right[node])]
    return found


def _rules_at(forest: Forest, trees: _Trees, node: int, row: Array, left: bool) -> list[str]:
    """The rules, one of which decides that this row goes left here, or does not, against the library."""
    given = row[forest.feature[node]]
    value = given.astype(forest.feature_dtype)
    if np.isnan(value) or (forest.missing_value is not None and value == value.dtype.type(forest.missing_value)):
        return ["the missing side (Forest.nan_left)"]
    if trees.is_category(node):
        return ["the sets of categories (Forest.cat_bits, cat_mode, oov_left)"]
    if forest.flush_tiny and abs(value) <= TINY:
        value = value.dtype.type(0.0)
    at, found = np.float64(forest.threshold[node]), []
    if value == at:
        found.append("the comparison (Forest.cmp)")
    exact = np.float64(given)
    if exact != value and left != bool(exact < at if forest.cmp == "lt" else exact <= at):
        found.append("the dtype of the features (Forest.feature_dtype, ints_as_float32)")
    if abs(value) <= TINY:
        found.append("what is close to zero (Forest.flush_tiny, zero_dir)")
    if np.float32(value) == np.float32(at) or abs(value - at) <= 2 * np.spacing(abs(np.float32(at))):
        found.append("what the cast to float32 rounds (Forest.threshold, feature_dtype, ints_as_float32)")
    return [*found, SPLIT]


def _why_raw(forest: Forest, X: Array, ours: Array, theirs: Array, leaves_agree: bool) -> str:
    """The rule behind raw scores of shape (n, K) that differ."""
    wrong: Array = np.asarray(_differ(ours, theirs).any(axis=1))
    if not leaves_agree and (why := _why_splits(forest, X, ours, theirs, wrong)):
        return why
    for why, other in _other_sums(forest):
        if not _differ(outputs.raw_scores(other, Program(other).total(as_rows(X, other), Settings())), theirs).any():
            return why
    gap, rounding = theirs.astype(np.float64) - ours, _rounding(forest, X)
    known = np.isfinite(gap).all(axis=1) & np.isfinite(rounding).all(axis=1)
    gap, rounding = gap[known], rounding[known]
    if len(gap) and (np.abs(gap) <= rounding).all():
        return (
            "the order or the dtype of the sum (the order of the trees in Forest.root, acc_dtype, base_last, and what "
            "is rounded before or after it, div, scale, leaf_value): only last bits differ"
        )
    clear = (rounding <= 1e-3 * np.abs(gap).max(initial=0.0)).all(axis=1)
    if clear.any() and (np.ptp(gap[clear], axis=0) <= 2 * rounding[clear].max(axis=0)).all():
        return f"the base score (Forest.base, bias), to which {gap[clear][0].tolist()} is missing in every row"
    if sorted(map(bytes, np.ascontiguousarray(ours.T))) == sorted(map(bytes, np.ascontiguousarray(theirs.T))):
        return "which output a tree adds to (Forest.tree_target); outputs have changed places"
    ratio = theirs.astype(np.float64) / ours
    if _constant(ratio):
        return f"a factor (Forest.div, scale, leaf_value): the library's are {np.nanmedian(ratio):.6g} times these"
    return "the values of the leaves (Forest.leaf_value, tree_target)" + (
        ", all leaf numbers being right" if leaves_agree else ", or the splits"
    )


def _constant(ratio: Array) -> bool:
    known = ratio[np.isfinite(ratio)]
    return bool(len(known)) and float(np.ptp(known)) <= 1e-4 * float(np.abs(known).max())


def _rounding(forest: Forest, X: Array) -> Array:
    """How far apart the sums of the same leaves can be, shape (n, K)."""
    bias = None if forest.bias is None else np.abs(forest.bias)
    sizes = replace(forest, leaf_value=np.abs(forest.leaf_value), base=np.abs(forest.base), bias=bias)
    total = outputs.raw_scores(sizes, Program(sizes).total(as_rows(X, sizes), Settings())).astype(np.float64)
    bound: Array = 2 * (forest.n_trees + 2) * float(np.finfo(forest.acc_dtype).eps) * np.abs(total)
    return bound


def _why_splits(forest: Forest, X: Array, ours: Array, theirs: Array, wrong: Array) -> str:
    """The rule of the splits at fault, where the library gives no leaf numbers, or nothing."""

    def explains(other: Forest, rows: Array) -> bool:
        found = outputs.raw_scores(other, Program(other).total(as_rows(X[rows], other), Settings()))
        return not _differ(found, theirs[rows]).any()

    every = np.ones(len(X), dtype=bool)
    seen = X.astype(forest.feature_dtype)
    missing = np.isnan(seen).any(axis=1)
    if forest.missing_value is not None:
        missing |= (seen == forest.missing_value).any(axis=1)
    forest = replace(forest, ob_feature=None, ob_threshold=None)  # a second view, which would have to change, too
    flipped = replace(forest, cmp="lt" if forest.cmp == "le" else "le")
    if (wrong & ~missing).any() and explains(flipped, ~missing):
        return f"the comparison (Forest.cmp): with cmp={flipped.cmp!r}, all rows without missing values would agree"
    if explains(replace(forest, nan_left=~forest.nan_left), every):
        return "the missing side (Forest.nan_left): with all of them changed about, all rows would agree"
    if wrong.any() and not (wrong & ~missing).any():
        return "the missing side (Forest.nan_left, missing_value): only rows with missing values differ"
    for rule, changes in (
        ("flush_tiny", {"flush_tiny": not forest.flush_tiny}),
        ("ints_as_float32", {"ints_as_float32": not forest.ints_as_float32}),
        ("feature_dtype", {"feature_dtype": "float64" if forest.feature_dtype == "float32" else "float32"}),
    ):
        if explains(replace(forest, **changes), every):
            return f"Forest.{rule}: with {rule}={changes[rule]!r}, all rows would agree"
    return ""


def _other_sums(forest: Forest) -> Iterator[tuple[str, Forest]]:
    """Forests whose sums follow another rule."""
    base = f"the base score (Forest.base_last): with base_last={not forest.base_last}, all rows would agree"
    yield base, replace(forest, base_last=not forest.base_last)
    pre = f"Forest.raw_is_pre_div: with raw_is_pre_div={not forest.raw_is_pre_div}, all rows would agree"
    yield pre, replace(forest, raw_is_pre_div=not forest.raw_is_pre_div)
    order = slice(None, None, -1)
    yield (
        "the order of the trees (Forest.root): added from the last to the first, all rows would agree",
        replace(
            forest, root=forest.root[order], tree_target=forest.tree_target[order], tree_iter=forest.tree_iter[order]
        ),
    )


def _why_values(forest: Forest, name: str, raw: Array, theirs: Array, raw_agree: bool) -> str:
    """The rule behind values or probabilities that differ although raw scores do not, where these are known."""

    def explains(other: Forest) -> bool:
        found = METHODS[name](other, raw)
        same_kind = isinstance(found, np.ndarray) and found.shape == theirs.shape
        return same_kind and not _differ(found, theirs, _room(other, name)).any()

    if forest.link == "sigmoid" and explains(replace(forest, link_param=1.0)):
        return "the link (Forest.link_param): with link_param=1.0, all rows would agree"
    for link in get_args(Link):
        if link == "argmax" or (link == "mean_variance" and forest.n_outputs != 2):
            continue  # they give another number of values
        if explains(replace(forest, link=link)):
            return f"the link (Forest.link): with link={link!r} instead of {forest.link!r}, all rows would agree"
    if theirs.ndim == 2 and not _differ(METHODS[name](forest, raw), theirs[:, ::-1], _room(forest, name)).any():
        return "the order of the classes (Forest.classes, tree_target): columns have changed places"
    rules = "the link (Forest.link, link_param, proba, log_proba)"
    return rules if raw_agree else f"{rules}, or the raw scores before it, of which predict_raw(model, X) would tell"


def _why_labels(forest: Forest, raw: Array, theirs: Array) -> str:
    """The rule behind labels that differ."""
    known = np.concatenate(forest.classes) if forest.classes else np.zeros(0)
    if forest.classes and (unknown := set(theirs.ravel().tolist()) - set(known.tolist())):
        return f"the labels (Forest.classes), which lack {sorted(unknown)[:5]}"
    turned = replace(forest, classes=tuple(labels[::-1] for labels in forest.classes))
    if forest.classes and not (outputs.labels(turned, raw) != theirs).any():
        return "the order of the labels (Forest.classes): the other way round, all rows would agree"
    for decision in get_args(Decision):
        if decision in ("none", "index", forest.decision) or "multilabel" in decision + forest.decision:
            continue
        if forest.n_outputs > 1 and not decision.endswith("argmax"):
            continue
        if not (outputs.labels(replace(forest, decision=decision), raw) != theirs).any():
            return f"the decision (Forest.decision): with {decision!r} instead of {forest.decision!r}, all would agree"
    return "the decision (Forest.decision, decision_threshold, classes)"
