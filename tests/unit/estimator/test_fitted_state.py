"""One fitted state per call: other threads may fit, and the library may fit the wrapped model anew."""

from __future__ import annotations

import copy
import pickle
import threading

import lightgbm
import numpy as np
import pytest
from agreement import same_bits
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator

X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:120, :8], Y[:120]
OTHER = (X[:, 4] > np.median(X[:, 4])).astype(int)

MODELS = {
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
    "forest": RandomForestClassifier(n_estimators=4, max_depth=4, random_state=0),
    "gradient boosting": GradientBoostingClassifier(n_estimators=4, random_state=0),
    "histogram boosting": HistGradientBoostingClassifier(max_iter=4),
    "bagging": BaggingClassifier(LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1), 2, random_state=0),
    "voting": VotingClassifier(
        [("a", RandomForestClassifier(3, random_state=0)), ("b", XGBClassifier(n_estimators=3, n_jobs=1))],
        voting="soft",
    ),
    "search": GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [2, 3]}, cv=2),
    "xgboost": XGBClassifier(n_estimators=4, n_jobs=1),
    "lightgbm": LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1),
    "catboost": CatBoostClassifier(iterations=4, verbose=0, allow_writing_files=False, thread_count=1),
}


@pytest.fixture(params=MODELS)
def model(request):
    """An unfitted model."""
    return clone(MODELS[request.param])


class WhileRead:
    """Rows that have something happen while they are read."""

    def __init__(self, rows, happens):
        self.rows, self.happens = rows, happens

    def __array__(self, dtype=None, copy=None):
        self.happens()
        return self.rows

    def __len__(self):
        return len(self.rows)


SINGLE = ["forest", "xgboost", "lightgbm", "histogram boosting"]


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_raw"])
def test_a_fit_with_other_columns_during_a_prediction_is_not_seen_by_it(name, method):
    fast = TensorizedEstimator(clone(MODELS[name])).fit(X, Y)
    expected = getattr(fast, method)(X)
    during = WhileRead(X, lambda: fast.fit(X[:, :3], OTHER))
    same_bits(getattr(fast, method)(during), expected)
    assert fast.n_features_in_ == 3
    same_bits(fast.predict_raw(X[:, :3]), TensorizedEstimator(fast.estimator_).predict_raw(X[:, :3]))


@pytest.mark.parametrize("fitted", [True, False])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_raw", "apply", "score"])
def test_another_estimator_set_during_a_prediction_is_not_seen_by_it(fitted, method):
    fast = TensorizedEstimator(clone(MODELS["forest"]).fit(X, Y))
    given = (Y,) if method == "score" else ()
    expected = getattr(fast, method)(X, *given)
    other = clone(MODELS["forest"])
    during = WhileRead(X, lambda: fast.set_params(estimator=other.fit(X[:, :3], OTHER) if fitted else other))
    same_bits(np.asarray(getattr(fast, method)(during, *given)), np.asarray(expected))


@pytest.mark.slow
def test_predictions_of_threads_beside_fits_are_of_the_model_with_their_number_of_columns():
    fast = TensorizedEstimator(clone(MODELS["xgboost"])).fit(X, Y)
    narrow = X[:, :3]
    expected = {8: fast.predict_proba(X), 3: clone(fast).fit(narrow, OTHER).predict_proba(narrow)}
    wrong, done = [], threading.Event()

    def predict(rows):
        while not done.is_set():
            try:
                found = fast.predict_proba(rows)
            except ValueError as error:
                if "features" not in str(error):
                    wrong.append(error)
            except Exception as error:
                wrong.append(error)
            else:
                if found.tobytes() != expected[rows.shape[1]].tobytes():
                    wrong.append(found)

    threads = [threading.Thread(target=predict, args=(rows,)) for rows in (X, narrow, X)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        fast.fit(narrow, OTHER)
        fast.fit(X, Y)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- the library fits the wrapped model anew -----------------------------------------------------------------------


def test_a_wrapped_model_that_is_fitted_anew_is_compiled_anew(model):
    fast = TensorizedEstimator(model.fit(X, Y))
    same_bits(fast.predict_proba(X), model.predict_proba(X))
    model.fit(X, OTHER)
    same_bits(fast.predict_proba(X), model.predict_proba(X))
    assert fast.estimator_ is model


# not CatBoost's, whose n_features_in_ stays what it was in the first fit
@pytest.mark.parametrize("name", [name for name in MODELS if name != "catboost"])
def test_a_wrapped_model_that_is_fitted_on_other_columns_is_compiled_anew(name):
    model = clone(MODELS[name]).fit(X, Y)
    fast = TensorizedEstimator(model)
    fast.predict(X)
    model.fit(X[:, :4], Y)
    same_bits(fast.predict_proba(X[:, :4]), model.predict_proba(X[:, :4]))
    assert fast.n_features_in_ == 4


def test_a_fitted_model_that_is_fitted_anew_behind_the_wrapper_is_compiled_anew(model):
    fast = TensorizedEstimator(model).fit(X, Y)
    fast.predict(X)
    fast.estimator_.fit(X, OTHER)
    same_bits(fast.predict_proba(X), fast.estimator_.predict_proba(X))


@pytest.mark.parametrize("name", ["forest", "gradient boosting", "histogram boosting"])
def test_a_warm_start_is_compiled_anew(name):
    size = "max_iter" if name == "histogram boosting" else "n_estimators"
    model = clone(MODELS[name]).set_params(warm_start=True).fit(X, Y)
    fast = TensorizedEstimator(model)
    fast.predict(X)
    model.set_params(**{size: 7}).fit(X, Y)
    same_bits(fast.predict_proba(X), model.predict_proba(X))


def test_more_rounds_of_a_lightgbm_booster_are_compiled():
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, Y), 3, keep_training_booster=True)
    fast = TensorizedEstimator(booster)
    same_bits(fast.predict(X), booster.predict(X))
    booster.update()
    same_bits(fast.predict(X), booster.predict(X))


def test_a_frozen_model_that_is_fitted_anew_is_compiled_anew(model):
    frozen = TensorizedEstimator(FrozenEstimator(model.fit(X, Y)))
    frozen.predict(X)
    model.fit(X, OTHER)
    same_bits(frozen.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("name", SINGLE)
def test_a_wrapper_of_a_wrapper_is_compiled_anew(name):
    model = clone(MODELS[name]).fit(X, Y)
    twice = TensorizedEstimator(TensorizedEstimator(model))
    twice.predict(X)
    model.fit(X, OTHER)
    same_bits(twice.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda fast: pickle.loads(pickle.dumps(fast))])
def test_a_copy_of_a_wrapper_whose_model_was_fitted_anew_is_of_the_new_one(model, copied):
    fast = TensorizedEstimator(model.fit(X, Y))
    fast.predict(X)
    model.fit(X, OTHER)
    same_bits(copied(fast).predict_proba(X), model.predict_proba(X))


def test_a_copy_notices_a_new_fit_of_its_own_model(model):
    fast = pickle.loads(pickle.dumps(TensorizedEstimator(model).fit(X, Y)))
    fast.predict(X)
    fast.estimator_.fit(X, OTHER)
    same_bits(fast.predict_proba(X), fast.estimator_.predict_proba(X))


def test_a_model_that_is_not_fitted_anew_is_compiled_once(model, monkeypatch):
    from sktensor.estimator import compiling

    seen = []
    real = compiling.publish
    monkeypatch.setattr(compiling, "publish", lambda est, *given, **named: seen.append(1) or real(est, *given, **named))
    fast = TensorizedEstimator(model.fit(X, Y))
    for _ in range(3):
        fast.predict(X)
        pickle.loads(pickle.dumps(fast)).predict(X)
    assert len(seen) <= 1 + len(getattr(fast._compiled(), "submodels", ()))
