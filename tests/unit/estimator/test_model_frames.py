"""Few rows of frames of floats are read at once for models of one forest: the library's bits, names and errors."""

from __future__ import annotations

import gc
import pickle
import warnings
import weakref
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from sktensor import TensorizedEstimator
from sktensor.native import plain_calls

pytestmark = pytest.mark.skipif(not plain_calls.is_there(), reason="built without the extension module")

X, Y = make_classification(300, 6, n_informative=4, random_state=0)
X[::7, 2] = np.round(X[::7, 2])
NAMES = [f"column {i}" for i in range(6)]

MODELS = {
    "xgboost": lambda: XGBClassifier(n_estimators=5, n_jobs=1),
    "xgboost, missing=-1": lambda: XGBRegressor(n_estimators=5, n_jobs=1, missing=-1.0),
    "lightgbm": lambda: LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1),
    "lightgbm, zero as missing": lambda: LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1, zero_as_missing=True),
    "catboost": lambda: CatBoostClassifier(iterations=5, verbose=0, thread_count=1, allow_writing_files=False),
    "catboost, values": lambda: CatBoostRegressor(iterations=5, verbose=0, thread_count=1, allow_writing_files=False),
    "forest": lambda: RandomForestClassifier(n_estimators=5, random_state=0),
    "extra trees": lambda: ExtraTreesRegressor(n_estimators=5, random_state=0),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=5, random_state=0),
    "hist": lambda: HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "isolation forest": lambda: IsolationForest(n_estimators=5, random_state=0),
    "tree": lambda: DecisionTreeClassifier(random_state=0, max_depth=4),
}

CONTAINERS = {
    "float64": lambda rows: pd.DataFrame(rows, columns=NAMES),
    "float32": lambda rows: pd.DataFrame(rows.astype(np.float32), columns=NAMES),
    "both": lambda rows: pd.DataFrame(rows, columns=NAMES).astype({NAMES[1]: np.float32, NAMES[4]: np.float32}),
    "column by column": lambda rows: pd.DataFrame({name: rows[:, i].copy() for i, name in enumerate(NAMES)}),
    "polars": lambda rows: pl.DataFrame(rows, schema=NAMES),
    "polars, both": lambda rows: pl.DataFrame(rows, schema=NAMES).with_columns(pl.col(NAMES[2]).cast(pl.Float32)),
}

METHODS = ("predict", "predict_proba", "decision_function", "score_samples")


@cache
def fitted(name):
    return MODELS[name]().fit(CONTAINERS["float64"](X), Y)


def outcome(model, method, rows):
    """What a method gives, or its error, and what it warns of but for numpy's arithmetic."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = np.asarray(getattr(model, method)(rows))
            told = (found.dtype, found.shape, found.tobytes())
        except Exception as error:
            told = (type(error), str(error).splitlines()[0])
    return told, sorted({str(w.message) for w in caught if not issubclass(w.category, RuntimeWarning)})


def learned(model, rows):
    fast = TensorizedEstimator(model)
    for method in (*METHODS, "predict_raw"):
        for _ in range(3):
            if hasattr(fast, method):
                getattr(fast, method)(rows)
    return fast


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", MODELS)
def test_each_row_gets_its_bits_at_once(name, container, at_once):
    model, frame = fitted(name), CONTAINERS[container](X[:30])
    fast = learned(model, frame[:1])
    at_once.clear()
    raw = TensorizedEstimator(model).predict_raw(frame)
    at_once.clear()
    for n in (1, 7):
        for start in range(0, 30, n):
            rows = frame[start : start + n]
            for method in METHODS:
                if hasattr(model, method):
                    assert outcome(fast, method, rows) == outcome(model, method, rows)
            assert fast.predict_raw(rows).tobytes() == raw[start : start + n].tobytes()
    assert all(at_once)


# Rounded to float32, of either sign; below what LightGBM flushes [include/LightGBM/meta.h kZeroThreshold] and above it.
HARD = [np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1e39, -1e300, 5e-324, 1e-36, 1.1e-35, 0.1, 2.0**24 + 1]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", MODELS)
def test_values_that_hurt_get_the_librarys_answer_or_error(name, container):
    model = fitted(name)
    fast = learned(model, CONTAINERS[container](X[:1]))
    for value in HARD:
        with np.errstate(all="ignore"):
            rows = CONTAINERS[container](np.where(np.arange(6) == 2, value, X[:2]))
        for some in (rows[:1], rows):
            ordinary = TensorizedEstimator(model)
            for method in METHODS[:2]:
                if hasattr(model, method):
                    found = outcome(fast, method, some)
                    assert found == outcome(ordinary, method, some)  # which sees its first rows, with all checks
                    if isinstance(found[0][0], np.dtype):
                        assert found == outcome(model, method, some)


@pytest.mark.parametrize("container", ["float64", "polars"])
@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "forest", "hist"])
def test_thresholds_and_their_neighbours(name, container, at_once):
    model = fitted(name)
    fast = learned(model, CONTAINERS[container](X[:1]))
    trees = fast.forest_.trees
    rows = []
    for feature, threshold in zip(trees.feature[trees.feature >= 0], trees.threshold[trees.feature >= 0], strict=True):
        for value in (threshold, *np.nextafter(np.float64(threshold), [-np.inf, np.inf])):
            row = X[5:6].copy()
            row[0, feature] = value
            rows.append(row)
    rows = rows[:150]
    at_once.clear()
    found = [fast.predict_proba(CONTAINERS[container](row)) for row in rows]
    assert all(at_once) and len(found) > 50
    expected = model.predict_proba(CONTAINERS[container](np.concatenate(rows)))
    assert np.concatenate(found).tobytes() == expected.tobytes()


def others(frame):
    if isinstance(frame, pl.DataFrame):
        yield frame.rename({NAMES[0]: "other"})
        yield frame.select(NAMES[::-1])
        yield frame.with_columns(more=1.0)
        yield frame.drop(NAMES[3])
        yield frame.with_columns(pl.col(NAMES[3]).cast(pl.Int32))
        yield frame.with_columns(pl.lit(None, dtype=pl.Float64).alias(NAMES[3]))
        return
    yield frame.rename(columns={NAMES[0]: "other"})
    yield frame[NAMES[::-1]]
    yield frame.assign(more=1.0)
    yield frame.drop(columns=NAMES[3])
    yield frame.set_axis(range(6), axis=1)
    yield frame.set_axis([*NAMES[:5], NAMES[0]], axis=1)
    yield frame.astype({NAMES[3]: "int32"})
    yield frame.astype({NAMES[3]: "Float64"})
    yield frame.astype({NAMES[3]: object})
    yield frame.astype({NAMES[3]: bool})
    yield frame.astype({NAMES[3]: ">f8"})
    yield frame.astype({NAMES[3]: np.float16})


@pytest.mark.parametrize("container", ["float64", "polars"])
@pytest.mark.parametrize("name", MODELS)
def test_other_frames_are_told_apart(name, container):
    model, frame = fitted(name), CONTAINERS[container](X[:8])
    fast = learned(model, frame[:1])
    for other in others(frame):
        ordinary = outcome(TensorizedEstimator(model), "predict", other[2:3])
        for _ in range(3):
            assert outcome(fast, "predict", other[2:3]) == ordinary
        assert outcome(fast, "predict", frame[2:3]) == outcome(model, "predict", frame[2:3])


def test_a_model_without_names_warns_of_names_each_time():
    model = RandomForestClassifier(n_estimators=3, random_state=0).fit(X, Y)
    fast, frame = TensorizedEstimator(model), CONTAINERS["float64"](X[:3])
    for i in (0, 0, 0, 1, 2):
        with pytest.warns(UserWarning, match="was fitted without feature names"):
            assert fast.predict(frame[i : i + 1]).tolist() == [model.classes_[Y[i]]]


@pytest.mark.parametrize("container", ["float64", "polars"])
def test_a_refit_a_copy_and_other_settings(container):
    frame = CONTAINERS[container](X)
    model = DecisionTreeClassifier(random_state=0, max_depth=4).fit(frame, Y)
    fast = learned(model, frame[:1])
    assert (
        pickle.loads(pickle.dumps(fast)).predict_proba(frame[:1]).tobytes() == model.predict_proba(frame[:1]).tobytes()
    )
    assert fast.set_params(backend="torch").predict_proba(frame[:1]).tolist() == model.predict_proba(frame[:1]).tolist()
    with pytest.raises(ValueError, match="Unknown strategy"):
        fast.set_params(strategy="unknown").predict_proba(frame[:1])
    fast.set_params(strategy="auto", backend="auto")
    model.fit(frame, 1 - Y)
    for _ in range(3):
        assert fast.predict_proba(frame[:9]).tobytes() == model.predict_proba(frame[:9]).tobytes()
    program = weakref.ref(fast._current().program)
    gc.collect()
    gc.disable()
    try:
        del fast
        assert program() is None  # at once: tables may be large
    finally:
        gc.enable()


def test_margins_and_progress_bars_are_no_matter_of_one_call():
    frame = CONTAINERS["float64"](X[:3])
    model = fitted("xgboost")
    fast = learned(model, frame[:1])
    margin = np.array([0.25])
    found = fast.predict_proba(frame[:1], base_margin=margin)
    assert found.tobytes() == model.predict_proba(frame[:1], base_margin=margin).tobytes()
    assert fast.set_params(verbose=1).predict_proba(frame[:1]).tobytes() == model.predict_proba(frame[:1]).tobytes()
