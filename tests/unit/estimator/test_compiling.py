"""When a fitted model is compiled, how often, and what that changes: nothing else."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from agreement import STRATEGIES, same_bits
from catboost import CatBoost, CatBoostClassifier
from lightgbm import Booster as LightGBMBooster
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.tree import DecisionTreeClassifier
from small_models import SMALL, X, Y
from xgboost import Booster, XGBClassifier, XGBRegressor

from sktensor import TensorizedEstimator
from sktensor.registry import find_extractor
from sktensor.runtime.program import Program


@pytest.fixture
def compilations(monkeypatch):
    """Strategies compiled since the start of the test."""
    seen = []
    built = Program._built
    monkeypatch.setattr(Program, "_built", lambda self, *key: seen.append(key[1]) or built(self, *key))
    return seen


def test_fit_leaves_the_users_model_as_it_was(forest):
    unfitted = RandomForestClassifier(n_estimators=3)
    TensorizedEstimator(unfitted).fit(X, Y)
    assert not hasattr(unfitted, "estimators_")
    before = forest.predict_proba(X)
    TensorizedEstimator(forest).fit(X[:, ::-1], Y)
    same_bits(forest.predict_proba(X), before)


def test_a_clone_drops_the_fit_unless_it_is_frozen(forest):
    with pytest.raises(NotFittedError):
        clone(TensorizedEstimator(forest)).predict(X)
    for frozen in (TensorizedEstimator(FrozenEstimator(forest)), FrozenEstimator(TensorizedEstimator(forest))):
        same_bits(clone(frozen).predict_proba(X), forest.predict_proba(X))


def test_a_refit_is_a_new_program():
    fast = TensorizedEstimator(RandomForestClassifier(n_estimators=3, random_state=0)).fit(X, Y)
    before = fast.predict_proba(X)
    fast.fit(X[:, :5], Y)
    assert fast.n_features_in_ == 5
    same_bits(fast.predict_proba(X[:, :5]), fast.estimator_.predict_proba(X[:, :5]))
    assert not np.array_equal(fast.predict_proba(X[:, :5]), before)


def test_names_of_an_earlier_fit_are_forgotten():
    import pandas as pd

    fast = TensorizedEstimator(DecisionTreeClassifier()).fit(pd.DataFrame(X).add_prefix("c"), Y)
    assert fast.feature_names_in_[0] == "c0"
    assert not hasattr(fast.fit(X, Y), "feature_names_in_")


def test_parameters_changed_after_fit_take_effect(forest):
    fast = TensorizedEstimator(forest).fit(X, Y)
    for strategy in STRATEGIES[1:]:
        fast.set_params(strategy=strategy)
        assert fast.explain_plan(10).strategy == strategy
        same_bits(fast.predict_proba(X), fast.estimator_.predict_proba(X))
    assert fast.set_params(batch_size=7).explain_plan(100).rows_per_batch == 7


def test_a_wrapper_that_was_never_fitted_follows_its_parameter_to_another_model(forest):
    fast = TensorizedEstimator(forest)
    fast.predict(X)
    other = RandomForestClassifier(n_estimators=3, random_state=1).fit(X[:, :4], Y)
    fast.set_params(estimator=other)
    assert fast.n_features_in_ == 4
    same_bits(fast.predict_proba(X[:, :4]), other.predict_proba(X[:, :4]))


def test_a_wrapped_model_that_is_fitted_anew_answers_as_it_does_now(forest):
    fast = TensorizedEstimator(forest)
    fast.predict_proba(X)
    forest.fit(X[:, ::-1], Y)
    same_bits(fast.predict_proba(X), forest.predict_proba(X))


def test_predict_changes_no_attribute(forest):
    fast = TensorizedEstimator(forest).fit(X, Y)
    before = dict(vars(fast))
    fast.predict(X), fast.predict_proba(X), fast.apply(X), fast.explain_plan()
    assert vars(fast) == before


def test_inspection_of_a_wrapper_compiles_nothing(forest, compilations):
    fast = TensorizedEstimator(forest)
    dir(fast), repr(fast), fast._repr_html_(), hasattr(fast, "classes_"), fast.n_features_in_, fast.estimator_
    assert compilations == []


def test_concurrent_first_predictions_compile_once(forest, compilations):
    fast, found = TensorizedEstimator(forest, strategy="tree_traversal"), []
    expected = forest.predict_proba(X)
    barrier = threading.Barrier(8)

    def predict():
        barrier.wait()
        found.append(np.array_equal(fast.predict_proba(X), expected))

    threads = [threading.Thread(target=predict) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8
    assert [option.name for option in compilations] == ["tree_traversal"]


def test_a_compiled_program_is_reused(forest, compilations):
    fast = TensorizedEstimator(forest, strategy="gemm")
    for n in (1, 50, 1, 100):
        fast.predict(X[:n])
    assert [option.name for option in compilations] == ["gemm"]


@pytest.mark.parametrize(
    ("model", "read"),
    [
        (XGBClassifier(**SMALL), (Booster, "save_raw")),
        (LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1), (LightGBMBooster, "model_to_string")),
        (CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False), (CatBoost, "save_model")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_model_is_read_once(model, read, monkeypatch):
    model.fit(X, Y)
    reads, own = [], getattr(*read)
    monkeypatch.setattr(*read, lambda *args, **kwargs: reads.append(1) or own(*args, **kwargs))
    fast = TensorizedEstimator(model)
    for n in (1, 50):
        fast.predict(X[:n])
    assert reads == [1]


@pytest.mark.parametrize(
    "model",
    [
        XGBRegressor(n_estimators=3, n_jobs=1, min_child_weight=0),
        LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1, min_child_samples=1, num_leaves=2000),
        RandomForestRegressor(n_estimators=3),
        GradientBoostingRegressor(n_estimators=3),
        HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=1, max_leaf_nodes=None),
    ],
    ids=lambda model: type(model).__name__,
)
def test_python_steps_of_extraction_are_independent_of_model_size(model):
    """The cost of reading grows with the nodes within numpy only; CatBoost's, which is its own, is tested beside it."""
    rng = np.random.default_rng(0)
    rows, y = rng.normal(size=(2000, 4)), rng.normal(size=2000)
    steps, nodes = [], []
    for depth in (2, 2, 9):  # the first one imports what the others use
        fitted = clone(model).set_params(max_depth=depth).fit(rows, y)
        events, before = [], sys.getprofile()
        sys.setprofile(lambda frame, event, arg, seen=events: seen.append(event))
        try:
            forest = find_extractor(fitted).extract(fitted)
        finally:
            sys.setprofile(before)
        steps.append(len(events))
        nodes.append(forest.n_nodes)
    assert nodes[2] > 20 * nodes[1]
    assert steps[2] - steps[1] < (nodes[2] - nodes[1]) / 2
