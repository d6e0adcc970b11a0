"""Models of scikit-learn's that are refused, by name, and subclasses that are not."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import sklearn
from reference import reference_raw
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.tree._tree import Tree
from sklearn_models import CASES, assert_same_bits, extracted, fitted, rows_that_hurt, target, training_rows

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.sklearn import extract


def test_trees_removed_by_hand_are_left_out_as_in_the_library():
    X, y = training_rows(""), target(training_rows(""), "numbers")
    model = RandomForestRegressor(n_estimators=5, random_state=0).fit(X, y)
    model.estimators_ = model.estimators_[:3]
    assert_same_bits(reference_raw(extract(model), X)[:, 0], model.predict(X))


def test_a_frozen_model_gives_the_forest_of_the_model_inside():
    model = fitted("forest")
    X = rows_that_hurt("forest")
    for frozen in (FrozenEstimator(model), FrozenEstimator(FrozenEstimator(model))):
        assert_same_bits(reference_raw(extract(frozen), X), model.predict_proba(X))


def test_a_frozen_model_of_another_library_goes_to_that_library():
    class Foreign:
        def __sktensor_forest__(self):
            return extracted("hist")

    assert extract(FrozenEstimator(Foreign())) is extracted("hist")


def test_an_empty_list_of_categorical_columns_is_none():
    X, y = small_data()
    model = HistGradientBoostingClassifier(max_iter=2, categorical_features=[]).fit(X, y)
    assert_same_bits(reference_raw(extract(model), X), model._raw_predict(X))


class RenamedForest(RandomForestClassifier):
    """Changes nothing that answers come from."""

    def fit(self, X, y):
        return super().fit(X, y)


class LoudForest(RandomForestClassifier):
    def predict_proba(self, X):
        return 2 * super().predict_proba(X)


class Doubling:
    def predict(self, X):
        return 2 * super().predict(X)


class MixedBoosting(Doubling, HistGradientBoostingRegressor):
    pass


class OddTree(DecisionTreeClassifier):
    def predict_proba(self, X, check_input=True):
        return 2 * super().predict_proba(X, check_input)


class ForestOfOddTrees(RandomForestClassifier):
    def __init__(self, n_estimators=2):
        super().__init__(n_estimators=n_estimators)
        self.estimator = OddTree()


def small_data():
    X = training_rows("")
    return X, target(X, "binary")


def test_a_subclass_that_keeps_the_answering_methods_is_read_as_its_base():
    X, y = small_data()
    model = RenamedForest(n_estimators=3, random_state=0).fit(X, y)
    assert_same_bits(reference_raw(extract(model), X), model.predict_proba(X))


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    "model, named",
    [(LoudForest(3), "LoudForest.*predict_proba"), (MixedBoosting(max_iter=3), "MixedBoosting.*predict"),
     (ForestOfOddTrees(), "OddTree.*predict_proba")],
)  # fmt: skip
def test_a_subclass_with_answers_of_its_own_is_refused_by_name(model, named):
    with pytest.raises(UnsupportedModelError, match=named):
        extract(model.fit(*small_data()))


class OtherTree(Tree):
    """A tree of another package, in whose arrays a split may mean anything."""


@pytest.mark.evidence("refused")
def test_trees_of_another_kind_are_refused_by_name():
    model = DecisionTreeRegressor(max_depth=2).fit(*small_data())
    other = OtherTree(model.n_features_in_, np.array([1]), 1)
    other.__setstate__(model.tree_.__getstate__())
    model.tree_ = other
    with pytest.raises(UnsupportedModelError, match="OtherTree objects, whose split rule is not known"):
        extract(model)


@pytest.mark.evidence("refused")
def test_a_method_replaced_on_the_object_is_refused_by_name():
    model = RandomForestClassifier(n_estimators=2).fit(*small_data())
    model.predict = lambda X: np.zeros(len(X))
    with pytest.raises(UnsupportedModelError, match="predict of RandomForestClassifier"):
        extract(model)


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), DecisionTreeClassifier()),
        LinearRegression(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_other_models_are_refused_by_name_and_told_what_is_supported(model):
    with pytest.raises(UnsupportedModelError, match=type(model).__name__ + ".*RandomForestClassifier"):
        extract(model.fit(*small_data()))


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("init", [LogisticRegression(), DummyClassifier(strategy="stratified")])
def test_boosting_that_starts_from_another_model_is_refused_by_name(init):
    model = GradientBoostingClassifier(n_estimators=2, init=init).fit(*small_data())
    with pytest.raises(UnsupportedModelError, match=r"GradientBoostingClassifier is not one forest.*init_"):
        extract(model)


@pytest.mark.evidence("refused")
def test_an_old_scikit_learn_is_refused_by_its_version(monkeypatch):
    model = fitted("forest")
    monkeypatch.setattr(sklearn, "__version__", "1.3.2")
    with pytest.raises(UnsupportedModelError, match=r"1\.3\.2"):
        extract(model)


@pytest.mark.parametrize(
    "version, name, decision",
    [
        ("1.4.2", "hist", "half"),
        ("1.4.2", "hist, three classes", "argmax"),
        ("1.5.0", "hist", "raw_positive"),
        ("1.10.dev0", "hist, three classes", "raw_argmax"),
    ],
)
def test_the_tie_rule_of_hist_gradient_boosting_follows_the_running_version(monkeypatch, version, name, decision):
    monkeypatch.setattr(sklearn, "__version__", version)
    assert extract(fitted(name)).outputs.decision == decision


@pytest.mark.parametrize("estimator", [case[0] for case in CASES.values()], ids=list(CASES))
def test_an_unfitted_model_raises_scikit_learns_own_error(estimator):
    with pytest.raises(NotFittedError):
        extract(sklearn.clone(estimator))


@pytest.mark.slow
def test_the_extractor_loads_no_torch_and_no_other_model_library():
    unwanted = {"torch", "xgboost", "lightgbm", "catboost"}
    code = f"import sys, sktensor.extractors.sklearn; print(sorted({unwanted} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
