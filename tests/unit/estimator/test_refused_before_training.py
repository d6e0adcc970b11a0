"""Models that cannot be supported are refused by ``fit`` before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import RFE, RFECV, SelectFromModel, SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, RANSACRegressor
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC, SVR

from sktensor import TensorizedEstimator, UnsupportedModelError

catboost = pytest.importorskip("catboost")
lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")

X = np.random.default_rng(0).normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)


class Untrained:
    """A mix-in of models that must not be trained."""

    def fit(self, X, y=None, sample_weight=None, **kwargs):
        raise AssertionError("was trained")


class NoSVC(Untrained, SVC):
    """Never trained."""


class NoMLP(Untrained, MLPClassifier):
    """Never trained."""


class NoNeighbours(Untrained, KNeighborsClassifier):
    """Never trained."""


class NoLogistic(Untrained, LogisticRegression):
    """Never trained."""


class NoSVR(Untrained, SVR):
    """Never trained."""


class NoLinear(Untrained, LinearRegression):
    """Never trained."""


class NoGBLinear(Untrained, xgboost.XGBClassifier):
    """Never trained."""


class OwnXGB(Untrained, xgboost.XGBRegressor):
    """Answers in its own way."""

    def predict(self, X):
        return super().predict(X) + 1


class OwnLGBM(Untrained, lightgbm.LGBMRegressor):
    """Answers in its own way."""

    def predict(self, X):
        return super().predict(X) + 1


class OwnCatBoost(Untrained, catboost.CatBoostRegressor):
    """Answers in its own way."""

    def predict(self, X):
        return super().predict(X) + 1


class OwnForest(Untrained, RandomForestClassifier):
    """Answers in its own way."""

    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]


class SkippingLGBM(Untrained, lightgbm.LGBMClassifier):
    """Never trained."""


class TextCatBoost(Untrained, catboost.CatBoostClassifier):
    """Never trained."""


class ForestUntrained(Untrained, RandomForestClassifier):
    """Never trained."""


SINGLE = [NoSVC(), NoMLP(), NoNeighbours(), NoLogistic(), NoSVR(), NoLinear(), NoGBLinear(booster="gblinear")]
SINGLE += [OwnXGB(), OwnLGBM(), OwnCatBoost(), OwnForest(), make_pipeline(StandardScaler(), NoSVC())]
SINGLE += [SkippingLGBM(pred_early_stop=True), TextCatBoost(text_features=[0]), TextCatBoost(embedding_features=[0])]


@pytest.mark.parametrize("model", SINGLE, ids=lambda model: type(model).__name__)
def test_unsupported_models(model):
    with pytest.raises(UnsupportedModelError):
        TensorizedEstimator(model).fit(X, Y)


AROUND_ONE = [
    AdaBoostClassifier, BaggingClassifier, CalibratedClassifierCV, ClassifierChain, FixedThresholdClassifier,
    MultiOutputClassifier, OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier, RFE, RFECV, SelectFromModel,
    SelfTrainingClassifier, TunedThresholdClassifierCV, TensorizedEstimator, FrozenEstimator,
    lambda model: GridSearchCV(model, {}), lambda model: RandomizedSearchCV(model, {}),
    lambda model: VotingClassifier([("a", model), ("b", NoLogistic()), ("c", "drop")]),
    lambda model: StackingClassifier([("a", model)]),
    lambda model: StackingClassifier([("a", model)], NoLogistic()),
]  # fmt: skip
AROUND_NUMBERS = [
    AdaBoostRegressor, BaggingRegressor, MultiOutputRegressor, RANSACRegressor, RegressorChain,
    TransformedTargetRegressor, lambda model: VotingRegressor([("a", model)]),
    lambda model: StackingRegressor([("a", model)]),
]  # fmt: skip
AROUND = [make(NoSVC()) for make in AROUND_ONE] + [make(NoSVR()) for make in AROUND_NUMBERS]


@pytest.mark.parametrize("model", AROUND, ids=lambda model: type(model).__name__)
def test_meta_estimators_around_them(model):
    for given in (model, BaggingClassifier(model), GridSearchCV(BaggingClassifier(model), {})):
        with pytest.raises(UnsupportedModelError, match=r"NoSV[CR] is not supported"):
            TensorizedEstimator(given).fit(X, Y)


@pytest.mark.parametrize(
    ("model", "default"),
    [
        (CalibratedClassifierCV(), "LinearSVC"),
        (TransformedTargetRegressor(), "LinearRegression"),
        (RANSACRegressor(), "LinearRegression"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_meta_estimators_around_a_default_without_trees(model, default):
    with pytest.raises(
        UnsupportedModelError, match=f"{type(model).__name__} would be any faster.*by default {default}"
    ):
        TensorizedEstimator(model).fit(X, Y)


def test_sequential_selection_keeps_no_model():
    model = SequentialFeatureSelector(ForestUntrained())
    with pytest.raises(UnsupportedModelError, match=r"keeps no model.*TensorizedEstimator around the model inside"):
        TensorizedEstimator(model).fit(X, Y)


@pytest.mark.parametrize(
    "model",
    [
        BaggingClassifier(ForestUntrained()),
        VotingClassifier([("a", LogisticRegression()), ("b", ForestUntrained())]),
        StackingClassifier([("a", LogisticRegression())], ForestUntrained(), cv=2),
        GridSearchCV(BaggingClassifier(NoSVC()), {"estimator": [ForestUntrained()]}, cv=2, error_score="raise"),
        AdaBoostClassifier(TensorizedEstimator(ForestUntrained())),
    ],
    ids=lambda model: type(model).__name__,
)
def test_one_supported_submodel_is_enough_to_train(model):
    with pytest.raises(AssertionError, match="was trained"):
        TensorizedEstimator(model).fit(X, Y)
