"""Methods that an extractor offers: which a wrapper has, what they are given, and what becomes of their answers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from agreement import same_bits
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator

import sktensor
from sktensor import Forest, TensorizedEstimator, UnsupportedModelError, register_extractor, registry

X = np.array([[0.0, 1.0], [2.0, 1.0], [np.nan, 1.0]])


class Steps(RegressorMixin, BaseEstimator):
    """0 or 1 by the first column."""

    def fit(self, X, y=None):
        self.n_features_in_ = 2
        return self

    def predict(self, X):
        return (np.asarray(X)[:, 0] > 1.0).astype(np.float64)

    def around(self, X, width=1.0):
        """What lies around its predictions."""
        return np.stack([self.predict(X) - width, self.predict(X) + width], axis=1)

    def describe(self, X):
        """Words."""
        return [str(value) for value in self.predict(X)]

    def unknown(self, X):
        """Nobody offers it."""


class Scaled(Steps):
    """Predicts by a method, with an argument."""

    def predict(self, X, scale=1.0):
        return super().predict(X) * scale

    def score(self, X, y, scale=1.0):
        return float((self.predict(X, scale) == y).mean())


class Extractor:
    def extract(self, model):
        tree = {"feature": 0, "threshold": 1.0, "left": {"value": 0.0}, "right": {"value": 1.0}, "nan_left": True}
        return Forest.from_trees([tree], n_features=2)

    def predict_raw(self, model, X):
        return Steps.predict(model, X)

    def methods(self, model):
        offered = {"around": self.around, "describe": self.describe}
        return offered | ({"predict": self.predict, "score": self.score} if isinstance(model, Scaled) else {})

    def around(self, model, ask, X, width=1.0):
        assert isinstance(model, Steps) and not torch.is_tensor(X)
        return np.stack([ask("predict", X) - width, ask("predict", X) + width], axis=1)

    def describe(self, model, ask, X):
        return [str(value) for value in ask("predict_raw", X)]

    def predict(self, model, ask, X, scale=1.0):
        return ask("predict", X) * scale

    def score(self, model, ask, X, y, scale=1.0):
        return float((self.predict(model, ask, X, scale) == y).mean())


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    register_extractor(Steps.__module__.partition(".")[0], Extractor())


def test_a_wrapper_has_the_methods_that_are_offered_before_and_after_a_fit():
    unfitted = TensorizedEstimator(Steps())
    for fast in (unfitted, clone(unfitted).fit(X), TensorizedEstimator(Steps().fit(X))):
        assert hasattr(fast, "around") and hasattr(fast, "describe")
        assert fast.around.__doc__ == Steps.around.__doc__
        assert not hasattr(fast, "unknown") and not hasattr(fast, "nonsense")
    with pytest.raises(sktensor.estimator.fitted.NotFittedError):
        unfitted.around(X)


def test_a_method_is_given_its_arguments_by_position_and_by_name():
    fast = TensorizedEstimator(Steps().fit(X))
    expected = np.array([[-0.5, 0.5], [0.5, 1.5], [-0.5, 0.5]])
    same_bits(fast.around(X, 0.5), expected)
    same_bits(fast.around(X, width=0.5), expected)
    same_bits(pickle.loads(pickle.dumps(fast)).around(X, 0.5), expected)
    with pytest.raises(TypeError, match="nonsense"):
        fast.around(X, nonsense=1)


def test_rows_are_checked_when_the_forest_is_asked():
    fast = TensorizedEstimator(Steps().fit(X))
    with pytest.raises(ValueError, match="expecting 2 features"):
        fast.around(X[:, :1])


def test_a_method_that_the_wrapper_knows_may_have_further_arguments():
    fast = TensorizedEstimator(Scaled().fit(X))
    same_bits(fast.predict(X, scale=3.0), np.array([0.0, 3.0, 0.0]))
    assert fast.score(X, [0.0, 3.0, 0.0], scale=3.0) == 1.0
    with pytest.raises(TypeError, match="scale"):
        TensorizedEstimator(Steps().fit(X)).predict(X, scale=3.0)


def test_tensors_are_answered_by_tensors_under_array_api_dispatch(dispatch):
    found = TensorizedEstimator(Steps().fit(X)).around(torch.from_numpy(X), 0.5)
    assert torch.is_tensor(found) and found.shape == (3, 2)


def test_wrappers_of_wrappers_and_frozen_ones_have_the_methods_too():
    model = Steps().fit(X)
    for whole in (FrozenEstimator(model), TensorizedEstimator(model)):
        same_bits(TensorizedEstimator(whole).around(X, 0.5), model.around(np.nan_to_num(X), 0.5))


def test_what_is_not_offered_says_where_it_is():
    with pytest.raises(AttributeError, match=r"a method of Steps that nothing here makes faster.*estimator_\.unknown"):
        TensorizedEstimator(Steps().fit(X)).unknown(X)
    with pytest.raises(AttributeError, match=r"no attribute 'nonsense'$"):
        TensorizedEstimator(Steps().fit(X)).nonsense(X)


def test_a_forest_whose_predictions_are_made_by_a_method_is_not_saved(tmp_path):
    sktensor.save(TensorizedEstimator(Steps().fit(X)), tmp_path / "steps.safetensors")
    assert not hasattr(sktensor.load(tmp_path / "steps.safetensors"), "around")
    with pytest.raises(UnsupportedModelError, match="the library of a Scaled makes predict"):
        sktensor.save(TensorizedEstimator(Scaled().fit(X)), tmp_path / "scaled.safetensors")


@pytest.mark.parametrize(
    "model, name",
    [
        (RandomForestClassifier(n_estimators=2, random_state=0), "estimators_"),
        (GradientBoostingClassifier(n_estimators=2), "train_score_"),
        (HistGradientBoostingClassifier(max_iter=2), "is_categorical_"),  # which is None
    ],
)
def test_fitted_attributes_are_those_of_the_model(model, name):
    X, y = load_breast_cancer(return_X_y=True)
    assert not hasattr(TensorizedEstimator(model), name)
    fitted = clone(model).fit(X, y)
    assert getattr(TensorizedEstimator(fitted), name) is getattr(fitted, name)
    wrapped = TensorizedEstimator(model).fit(X, y)
    assert getattr(wrapped, name) is getattr(wrapped.estimator_, name)
    assert not hasattr(wrapped, "nonsense_")
