"""Meta-estimators of scikit-learn around small tree models, and rows that hurt all of them."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import sklearn
from agreement import same_bits
from lightgbm import LGBMClassifier
from reference import hurting
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RANSACRegressor
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.preprocessing import QuantileTransformer
from sklearn.semi_supervised import SelfTrainingClassifier
from versions import is_older
from xgboost import XGBClassifier, XGBRegressor

from sktensor import UnsupportedModelError, extract_forest

RNG = np.random.default_rng(3)
X = np.round(RNG.normal(size=(150, 5)), 1)
SCORE = X @ [1.0, -0.7, 0.4, 0.5, 0.2] + RNG.normal(scale=0.4, size=len(X))
THREE = np.digitize(SCORE, [-0.6, 0.5])
TWO = (SCORE > 0.1).astype(int)
TARGETS = {
    "two": TWO,
    "three": THREE,
    "strings": np.array(["no", "perhaps", "yes"])[THREE],
    "two strings": np.array(["no", "yes"])[TWO],
    "labels": np.stack([TWO, X[:, 0] > 0, X[:, 1] > 0.3], axis=1).astype(int),
    "one label": np.ones(len(X), dtype=int),
    "labels, one always": np.stack([np.ones(len(X)), TWO, X[:, 0] > 0], axis=1).astype(int),
    "two targets": np.stack([THREE, TWO], axis=1),
    "numbers": SCORE,
    "positive": np.abs(SCORE),
    "pairs": np.stack([np.abs(SCORE), X[:, 0] ** 2], axis=1),
    "some unknown": np.where(RNG.random(len(X)) < 0.4, -1, THREE),
}
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")

FOREST = RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0)
XGB = XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1)
BOOSTED = GradientBoostingClassifier(n_estimators=4, random_state=0)
HIST = HistGradientBoostingClassifier(max_iter=2, random_state=0)
LGBM = LGBMClassifier(n_estimators=4, min_child_samples=5, n_jobs=1, verbose=-1)
NUMBERS = RandomForestRegressor(n_estimators=5, max_depth=4, random_state=0)
XGB_NUMBERS = XGBRegressor(n_estimators=4, max_depth=3, n_jobs=1)
BOOSTED_NUMBERS = GradientBoostingRegressor(n_estimators=4, random_state=0)
FROZEN = FrozenEstimator(clone(FOREST).fit(X, THREE))
CHAIN = {"order": "random", "random_state": 0}

CASES = {
    "calibrated, sigmoid": (CalibratedClassifierCV(FOREST, cv=2), "two"),
    "calibrated, sigmoid, strings": (CalibratedClassifierCV(BOOSTED, cv=3), "strings"),
    "calibrated, sigmoid, one model": (CalibratedClassifierCV(LGBM, cv=2, ensemble=False), "two strings"),
    "calibrated, isotonic": (CalibratedClassifierCV(XGB, method="isotonic", cv=2), "two"),
    "calibrated, isotonic, classes": (CalibratedClassifierCV(FOREST, method="isotonic", cv=2), "strings"),
    "calibrated, isotonic, one model": (CalibratedClassifierCV(XGB, method="isotonic", cv=2, ensemble=False), "three"),
    "calibrated, frozen": (CalibratedClassifierCV(FROZEN, cv=2), "three"),
    "several outputs": (MultiOutputClassifier(FOREST), "two targets"),
    "several outputs, two jobs": (MultiOutputClassifier(XGB, n_jobs=2), "two targets"),
    "several numbers": (MultiOutputRegressor(XGB_NUMBERS), "pairs"),
    "chain": (ClassifierChain(FOREST, **CHAIN), "labels"),
    "chain of decisions": (ClassifierChain(BOOSTED, chain_method="decision_function", **CHAIN), "labels"),
    "chain of probabilities": (ClassifierChain(XGB, chain_method="predict_proba", cv=2), "labels"),
    "chain of logarithms": (ClassifierChain(BOOSTED, chain_method="predict_log_proba"), "labels"),
    "chain of numbers": (RegressorChain(BOOSTED_NUMBERS, order=[1, 0]), "pairs"),
    "one against the rest": (OneVsRestClassifier(FOREST), "strings"),
    "one against the rest, decisions": (OneVsRestClassifier(BOOSTED), "three"),
    "one against the rest, labels": (OneVsRestClassifier(XGB), "labels"),
    "one against the rest, one always": (OneVsRestClassifier(LGBM), "labels, one always"),
    "one against the rest, nothing to learn": (OneVsRestClassifier(FOREST), "one label"),
    "one against the rest, two": (OneVsRestClassifier(HIST), "two strings"),
    "one against the rest, numbers": (OneVsRestClassifier(NUMBERS), "three"),
    "one against one": (OneVsOneClassifier(FOREST), "strings"),
    "one against one, two": (OneVsOneClassifier(BOOSTED), "two strings"),
    "output codes": (OutputCodeClassifier(XGB, code_size=2, random_state=0), "strings"),
    "tuned threshold": (TunedThresholdClassifierCV(XGB, cv=2), "two"),
    "tuned threshold, strings": (
        TunedThresholdClassifierCV(BOOSTED, cv=2, response_method="decision_function"),
        "two strings",
    ),
    "fixed threshold": (FixedThresholdClassifier(FOREST, threshold=0.3), "two strings"),
    "fixed threshold, another label": (FixedThresholdClassifier(HIST, pos_label=0), "two"),
    "self-trained": (SelfTrainingClassifier(XGB), "some unknown"),
    "self-trained forest": (SelfTrainingClassifier(FOREST), "some unknown"),
    "other target": (TransformedTargetRegressor(NUMBERS, func=np.log1p, inverse_func=np.expm1), "positive"),
    "other targets": (TransformedTargetRegressor(NUMBERS, func=np.log1p, inverse_func=np.expm1), "pairs"),
    "target by quantiles": (
        TransformedTargetRegressor(XGB_NUMBERS, transformer=QuantileTransformer(n_quantiles=20)),
        "numbers",
    ),
    "consensus": (RANSACRegressor(XGB_NUMBERS, min_samples=60, random_state=0), "numbers"),
    "columns by importance": (SelectFromModel(FOREST), "three"),
    "columns by importance, at most two": (SelectFromModel(XGB, threshold=-np.inf, max_features=2), "three"),
    "bag of calibrated": (BaggingClassifier(CalibratedClassifierCV(FOREST, cv=2), 2, random_state=0), "two"),
    "frozen chain": (FrozenEstimator(ClassifierChain(FOREST).fit(X, TARGETS["labels"])), "labels"),
    "best of thresholds": (
        GridSearchCV(FixedThresholdClassifier(XGB), {"threshold": [0.2, 0.6]}, cv=2, scoring="balanced_accuracy"),
        "two",
    ),
}
if not is_older("scikit-learn", "1.8"):
    CASES |= {
        "calibrated by temperature": (CalibratedClassifierCV(FOREST, method="temperature", cv=2), "strings"),
        "calibrated by temperature, two": (CalibratedClassifierCV(BOOSTED, method="temperature", cv=2), "two"),
    }


@functools.cache
def fitted(name):
    model, target = CASES[name]
    with np.errstate(all="ignore"):
        return model if isinstance(model, FrozenEstimator) else clone(model).fit(X, TARGETS[target])


def forests(model):
    """The forests in a model, however deep."""
    try:
        yield extract_forest(model)
        return
    except sklearn.exceptions.NotFittedError:  # what others are copies of
        return
    except UnsupportedModelError:
        inside = [model.estimator] if isinstance(model, FrozenEstimator) else []
    for attribute in ("estimators_", "estimator_", "regressor_", "best_estimator_", "calibrated_classifiers_"):
        found = vars(model).get(attribute, ())
        inside += found if isinstance(found, list | tuple) else [found]
    for one in inside:
        yield from forests(one.estimator if type(one).__name__ == "_CalibratedClassifier" else one)


def rows_that_hurt(name, nan=False):
    """The thresholds of all submodels, the numbers beside them, denormals and so on; NaN and infinities on demand."""
    pairs = [(forest.trees.feature, forest.trees.threshold) for forest in forests(fitted(name))]
    pairs.append((np.empty(0), np.empty(0)))
    feature, threshold = (np.concatenate(found) for found in zip(*pairs, strict=True))
    of_X = feature < X.shape[1]  # others are answers of earlier links
    trees = SimpleNamespace(feature=feature[of_X], threshold=threshold[of_X])
    forest = SimpleNamespace(trees=trees, n_features=X.shape[1])
    return hurting(forest, np.random.default_rng(8), n=300, nan=nan, inf=nan)


def assert_answers_are(fast, model, rows):
    with np.errstate(all="ignore"):
        for method in METHODS:
            assert hasattr(fast, method) == hasattr(model, method)
            if hasattr(model, method):
                same_bits(getattr(fast, method)(rows), getattr(model, method)(rows))


def parameter_of(model):
    """The parameter that a model's submodels are copies of."""
    if isinstance(model, ClassifierChain | RegressorChain) and is_older("scikit-learn", "1.7"):
        return "base_estimator"
    return "regressor" if isinstance(model, TransformedTargetRegressor) else "estimator"
