"""Few rows of a plain array: what is plain, the same bits as the ordinary way, and nothing lost or leaked."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

import numpy as np
import pandas as pd
import pytest
import sklearn.ensemble as ensemble
from agreement import same_bits
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from sktensor import TensorizedEstimator
from sktensor.estimator.plain_answers import PlainAnswers
from sktensor.native import loader, plain_calls
from sktensor.runtime import plain_sums, planner

pytestmark = pytest.mark.skipif(not plain_calls.is_there(), reason="built without the extension module")

X, Y = make_classification(300, 8, n_informative=5, n_classes=3, random_state=0)
MOST_ROWS = 2048
MANY = np.resize(X, (MOST_ROWS + 1, 8))

MODELS = {
    "xgboost": XGBClassifier(n_estimators=5, n_jobs=1),
    "xgboost, two classes": XGBClassifier(n_estimators=5, n_jobs=1, missing=-1.0),
    "xgboost, values": XGBRegressor(n_estimators=5, n_jobs=1),
    "lightgbm": LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1),
    "lightgbm, values": LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1),
    "forest": ensemble.RandomForestClassifier(n_estimators=5, random_state=0),
    "forest, two targets": ensemble.RandomForestRegressor(n_estimators=5, random_state=0),
    "tree": DecisionTreeClassifier(random_state=0),
    "gradient boosting": ensemble.GradientBoostingClassifier(n_estimators=3, random_state=0),
    "hist": ensemble.HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "isolation forest": ensemble.IsolationForest(n_estimators=5, random_state=0),
    "scaled": make_pipeline(StandardScaler(), XGBClassifier(n_estimators=5, n_jobs=1)),
}
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "predict_raw")


def targets(name):
    if name.endswith("two classes"):
        return Y > 0
    return np.stack([Y, X[:, 0]], 1) if name.endswith("two targets") else Y


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    model = MODELS[request.param]
    fast = TensorizedEstimator(model).fit(X, targets(request.param))
    for dtype in ("float32", "float64"):
        fast.predict(X[:1].astype(dtype))  # a pipeline folds its steps then, and is verified with many rows
    return fast


@pytest.fixture
def plain(monkeypatch):
    """Counts of the calls that took the short way, and of those that did not."""
    counts = {True: 0, False: 0}
    ordinary = PlainAnswers.__call__

    def counted(self, *args):
        found = ordinary(self, *args)
        counts[found is not None] += 1
        return found

    monkeypatch.setattr(PlainAnswers, "__call__", counted)
    return counts


def answers(fast, rows):
    with np.errstate(all="ignore"):
        return {method: getattr(fast, method)(rows) for method in METHODS if hasattr(fast, method)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_few_rows_get_the_bits_that_many_get(fitted, plain, dtype, monkeypatch):
    rows = MANY.astype(dtype)
    # From 128 on, up to 64 numbers of rows share their kernel calls: here two of them, whichever came first.
    short = {n: answers(fitted, rows[:n]) for n in (1, 2, 3, 128, 129, 192, 193, 130, 1500, MOST_ROWS)}
    assert plain[False] == 0
    monkeypatch.setattr(PlainAnswers, "__call__", lambda *_: None)
    for n, of_few in short.items():
        for method, expected in answers(fitted, rows[:n]).items():
            same_bits(of_few[method], expected)


@pytest.mark.parametrize(("n_jobs", "longest_ns", "is_short"), [(1, 5e7, True), (2, 5e7, False), (1, 0.0, False)])
def test_rows_that_are_worth_threads_take_the_short_way_for_one_job_unless_it_takes_long(
    plain, monkeypatch, n_jobs, longest_ns, is_short
):
    monkeypatch.setattr(planner, "WORTH_A_THREAD_NS", 0.0)
    monkeypatch.setattr(plain_sums, "LONGEST_NS", longest_ns)
    fast = TensorizedEstimator(clone(MODELS["lightgbm"]).fit(X, Y), n_jobs=n_jobs)
    same_bits(fast.predict_proba(MANY[:200]), fast.estimator_.predict_proba(MANY[:200]))
    assert plain == {is_short: 1, not is_short: 0}


OF_FRAMES = ("xgboost", "lightgbm, values", "forest", "gradient boosting", "hist")


@pytest.mark.parametrize("name", OF_FRAMES)
def test_few_rows_of_a_frame_take_the_short_way_behind_their_folded_steps(name, plain, monkeypatch):
    frame = pd.DataFrame(X, columns=[f"number {i}" for i in range(8)])
    frame["text"] = np.array(["low", "high", "none"])[np.digitize(X[:, 0], [-1.0, 1.0])]
    columns = make_column_transformer((OneHotEncoder(sparse_output=False), ["text"]), remainder=StandardScaler())
    fast = TensorizedEstimator(make_pipeline(columns, MODELS[name])).fit(frame, targets(name))
    for n in (1, 3):
        fast.predict(frame[:n])  # folds the steps
        plain.update({True: 0, False: 0})
        short = answers(fast, frame[:n])
        assert plain[True] == len(short)
        with monkeypatch.context() as without:
            without.setattr(PlainAnswers, "__call__", lambda *_: None)
            ordinary = answers(fast, frame[:n])
        for method, found in short.items():
            same_bits(found, ordinary[method])
            if hasattr(fast.estimator_, method):
                same_bits(found, np.asarray(getattr(fast.estimator_, method)(frame[:n])))


HARD = [0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, -1e-40, 1e300, -1.0, np.nextafter(0.0, 1.0, dtype=np.float32)]


@pytest.mark.parametrize("value", HARD)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_that_hurt_get_the_models_answer_or_error(fitted, dtype, value):
    with np.errstate(over="ignore"):
        rows = np.where(np.arange(8) == 3, value, X[:2]).astype(dtype)
    model = fitted.estimator_
    for method in ("predict", "predict_proba"):
        if not hasattr(model, method):
            continue
        try:
            expected = getattr(model, method)(rows)
        except ValueError as error:
            with pytest.raises(ValueError, match=r"(?i)nan|infinity") as found:
                getattr(fitted, method)(rows)
            assert str(found.value).splitlines()[0] in str(error)
        else:
            same_bits(getattr(fitted, method)(rows), np.asarray(expected))


LAYOUTS = {
    "read-only": lambda rows: np.frombuffer(rows.tobytes(), rows.dtype).reshape(rows.shape),
    "Fortran order": np.asfortranarray,
    "backwards": lambda rows: np.ascontiguousarray(rows[::-1, ::-1])[::-1, ::-1],
    "every other": lambda rows: np.repeat(np.repeat(rows, 2, 0), 2, 1)[::2, ::2],
    "broadcast": lambda rows: np.broadcast_to(rows[:1], rows.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_are_read_where_they_lie(fitted, plain, layout):
    given = LAYOUTS[layout](X[:5])
    expected = fitted.predict_raw(np.array(given))
    same_bits(fitted.predict_raw(given), expected)
    assert plain == {True: 2, False: 0}


def _unaligned(rows):
    room = np.zeros(rows.nbytes + 1, np.uint8)
    found = room[1:].view(rows.dtype).reshape(rows.shape)
    found[:] = rows
    return found


class Subclass(np.ndarray):
    """An array that may do anything."""


OTHERS = {
    "a subclass": lambda: X[:2].view(Subclass),
    "unaligned": lambda: _unaligned(X[:2]),
    "another byte order": lambda: X[:2].astype(">f8"),
    "integers": lambda: X[:2].astype(int),
    "float16": lambda: X[:2].astype(np.float16),
    "long double": lambda: X[:2].astype(np.longdouble),
    "a list": lambda: X[:2].tolist(),
    "many rows": lambda: MANY,
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_not_plain_takes_the_ordinary_way(fitted, plain, kind):
    given = OTHERS[kind]()
    got = fitted.predict(given)
    assert plain[False] >= 1
    # As an array of the machine's own: XGBoost takes the bytes of numbers of another byte order for those of its own.
    same_bits(got, np.asarray(fitted.estimator_.predict(np.array(given, dtype=float))))


REFUSED = {
    "one dimension": X[0],
    "three dimensions": X[None, :2],
    "no rows": X[:0],
    "another width": X[:2, :-1],
    "text": X[:2].astype(str)[:, :-1],
    "records": np.zeros(2, dtype=[("a", "f8")]),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_is_refused_with_the_same_words(kind, monkeypatch):
    fast = TensorizedEstimator(MODELS["forest"]).fit(X, Y)
    words = []
    for _ in range(2):
        with pytest.raises((TypeError, ValueError)) as found:
            fast.predict_proba(REFUSED[kind])
        words.append((type(found.value), str(found.value)))
        monkeypatch.setattr(PlainAnswers, "__call__", lambda *_: None)
    assert words[0] == words[1]


def test_the_extension_refuses_arguments_that_do_not_hold_together():
    read = plain_calls.Read(8, None, -1.0, False)
    sigmoid = plain_calls.Link("sigmoid32", 1.0, 0)
    for given in ({"width": 3}, {"width": 2, "link": sigmoid}, {"width": 2, "divisor": 2.0}):
        with pytest.raises(ValueError, match="do not hold together"):
            plain_calls.plain_call(read, 1, "float32", lambda *_: None, **given)


def test_steps_are_asked_for_once_for_each_number_of_rows_and_dtype():
    asked = []
    read = plain_calls.Read(8, None, -1.0, False)
    call = plain_calls.plain_call(read, 1, "float32", lambda *given: asked.append(given), width=1)
    for dtype in ("float32", "float64"):
        for n in (1, 2, 1):
            assert call(X[:n].astype(dtype)) is None
    assert asked == [(1, "float32"), (2, "float32"), (1, "float64"), (2, "float64")]


def test_an_error_in_finding_the_steps_is_raised_and_asked_again():
    def find(*_):
        raise KeyError("not yet")

    read = plain_calls.Read(8, None, -1.0, False)
    call = plain_calls.plain_call(read, 1, "float32", find, width=1)
    for _ in range(2):
        with pytest.raises(KeyError, match="not yet"):
            call(X[:1])
    for wrong in ((), (X[:1], X[:1])):
        with pytest.raises(TypeError, match="takes one array"):
            call(*wrong)


def test_calls_leave_no_references_behind(fitted):
    row, shape = X[:1].copy(), fitted.predict_raw(X[:1]).shape
    for _ in range(10):
        fitted.predict_raw(row)
    held = row, np.dtype("float32"), np.dtype("float64"), np.empty, np.ndarray, None, shape
    before = [sys.getrefcount(thing) for thing in held]
    for _ in range(10_000):
        fitted.predict_raw(row)
    after = [sys.getrefcount(thing) for thing in held]
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) < 1_000


def test_a_model_that_is_dropped_is_freed():
    fast = TensorizedEstimator(MODELS["xgboost"]).fit(X, Y)
    fast.predict_proba(X[:1])
    fast.predict_raw(X[:1].tolist())
    program = weakref.ref(fast._current().program)
    gc.collect()
    gc.disable()
    try:
        del fast
        assert program() is None  # at once: tables may be large
    finally:
        gc.enable()


def test_threads_get_their_own_rows_answers(fitted):
    expected = fitted.predict_raw(X)
    wrong = []

    def ask(first):
        for i in [*range(first, 300, 4)] * 5:
            found = fitted.predict_raw(X[i : i + 1])
            if found.tobytes() != expected[i : i + 1].tobytes():
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_parameters_that_change_take_effect(plain):
    fast = TensorizedEstimator(MODELS["xgboost"]).fit(X, Y)
    expected = fast.predict_proba(X[:1])
    same_bits(fast.set_params(backend="torch").predict_raw(X[:1]), fast.estimator_.predict(X[:1], output_margin=True))
    assert plain == {True: 1, False: 1}
    with pytest.raises(ValueError, match="Unknown strategy"):
        fast.set_params(strategy="unknown").predict_proba(X[:1])
    with pytest.raises(ValueError, match="Unknown device"):
        fast.set_params(strategy="auto", device=[]).predict_proba(X[:1])
    same_bits(fast.set_params(device="cpu", backend="auto").predict_proba(X[:1]), expected)


def test_without_the_extension_the_answers_are_the_same(monkeypatch):
    expected = TensorizedEstimator(MODELS["xgboost"]).fit(X, Y).predict_proba(X[:1])
    monkeypatch.setattr(plain_calls, "extension", lambda: None)
    same_bits(TensorizedEstimator(MODELS["xgboost"]).fit(X, Y).predict_proba(X[:1]), expected)


def test_an_extension_of_another_interface_is_not_used(monkeypatch):
    monkeypatch.setattr(plain_calls.abi, "ABI", -1)
    plain_calls.extension.cache_clear()
    try:
        assert not plain_calls.is_there()
    finally:
        monkeypatch.undo()
        plain_calls.extension.cache_clear()
    assert plain_calls.is_there() and loader.library() is not None
