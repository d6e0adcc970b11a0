"""Ensembles of scikit-learn's that tests name, the data that they are fitted on, and rows that hurt them."""

from __future__ import annotations

import functools

import numpy as np
import scipy.sparse as sp
import sklearn
from reference import hurting
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    IsolationForest,
    RandomTreesEmbedding,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from sktensor import extract_forest

N_ROWS = 200


class Forgetful(DecisionTreeClassifier):
    """Half of these trees never see the last class."""

    def fit(self, X, y, sample_weight=None, check_input=True):
        keep = np.ones(len(y), dtype=bool) if self.random_state % 2 else y != np.max(y)
        return super().fit(X[keep], y[keep], None if sample_weight is None else sample_weight[keep])


class Narrow(DecisionTreeClassifier):
    """Half of these trees never see the first class, so that their numbers of classes are not the ensemble's."""

    def fit(self, X, y, sample_weight=None, check_input=True):
        keep = np.ones(len(y), dtype=bool) if self.random_state % 2 else y != np.min(y)
        return super().fit(X[keep], y[keep], None if sample_weight is None else sample_weight[keep])


def stump(**how):
    return DecisionTreeClassifier(max_depth=1, **how)


# Every case: an unfitted estimator, the target it is fitted to and how. Models are fitted once, when first asked for.
CASES = {
    "isolation": (IsolationForest(n_estimators=12, max_samples=40), None),
    "isolation, feature subsets": (
        IsolationForest(n_estimators=9, max_samples=30, max_features=0.5, contamination=0.1),
        None,
    ),
    "isolation, one feature each": (IsolationForest(n_estimators=5, max_features=1, bootstrap=True), None),
    "isolation, a threshold on a training row": (
        IsolationForest(n_estimators=8, max_samples=25, contamination=3 / (N_ROWS - 1)),
        None,
    ),
    "isolation, one sample each": (IsolationForest(n_estimators=3, max_samples=1), None),
    "isolation, missing values": (IsolationForest(n_estimators=7, max_samples=50, contamination=0.05), None, "nan"),
    "isolation, sparse": (IsolationForest(n_estimators=6, max_samples=40, max_features=3), None, "sparse"),
    "isolation, offset changed": (IsolationForest(n_estimators=6, max_samples=40), None, "new offset"),
    "bagging": (BaggingClassifier(DecisionTreeClassifier(max_depth=5), 9), "strings"),
    "bagging, unequal trees": (BaggingClassifier(n_estimators=4), "three"),
    "bagging, feature subsets": (BaggingClassifier(DecisionTreeClassifier(max_depth=4), 7, max_features=0.5), "three"),
    "bagging, repeated features": (
        BaggingClassifier(ExtraTreeClassifier(max_depth=4), 7, bootstrap_features=True, max_samples=0.3),
        "booleans",
    ),
    "bagging, trees without some classes": (BaggingClassifier(Forgetful(max_depth=4), 8), "three"),
    "bagging, rows drawn": (BaggingClassifier(DecisionTreeClassifier(max_depth=3), 9, max_samples=5), "five", "routed"),
    "bagging, single leaves": (BaggingClassifier(DecisionTreeClassifier(min_samples_leaf=N_ROWS), 3), "three"),
    "bagging, one class": (BaggingClassifier(n_estimators=3), "one"),
    "bagging, missing values": (BaggingClassifier(DecisionTreeClassifier(max_depth=4), 5), "three", "nan"),
    "bagging, warm start": (BaggingClassifier(stump(), 3, warm_start=True), "three", "warm"),
    "bagging, fewer estimators than fitted": (BaggingClassifier(stump(), 7), "three", "new number"),
    "bagging, more estimators than fitted": (BaggingClassifier(stump(), 2), "three", "new number"),
    "bagging regressor": (BaggingRegressor(DecisionTreeRegressor(max_depth=5), 9), "numbers"),
    "bagging regressor, feature subsets": (
        BaggingRegressor(ExtraTreeRegressor(max_depth=4), 7, max_features=2, bootstrap_features=True),
        "numbers",
    ),
    "bagging regressor, several targets": (BaggingRegressor(DecisionTreeRegressor(max_depth=3), 5), "several numbers"),
    "bagging regressor, leaves of -0.0": (
        BaggingRegressor(DecisionTreeRegressor(criterion="absolute_error", max_depth=3), 3),
        "minus zeros",
    ),
    "bagging regressor, fewer estimators than fitted": (
        BaggingRegressor(DecisionTreeRegressor(max_depth=2), 7),
        "numbers",
        "new number",
    ),
    "adaboost": (AdaBoostClassifier(n_estimators=20), "booleans"),
    "adaboost, three classes": (AdaBoostClassifier(n_estimators=15, learning_rate=0.7), "strings"),
    "adaboost, five classes": (AdaBoostClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=9), "five"),
    "adaboost, large trees": (AdaBoostClassifier(ExtraTreeClassifier(max_depth=7), n_estimators=6), "three"),
    "adaboost, trees without a class": (AdaBoostClassifier(Forgetful(max_depth=2), n_estimators=9), "five"),
    "adaboost, trees without the first class": (AdaBoostClassifier(Narrow(max_depth=2), n_estimators=9), "five"),
    "adaboost, a perfect first tree": (AdaBoostClassifier(DecisionTreeClassifier(), n_estimators=9), "sure"),
    "adaboost, ended early": (AdaBoostClassifier(stump(), n_estimators=40, learning_rate=50.0), "five"),
    "adaboost, ties": (AdaBoostClassifier(stump(), n_estimators=6), "binary", "equal weights"),
    "adaboost, ties of three classes": (AdaBoostClassifier(stump(), n_estimators=6), "three", "equal weights"),
    "adaboost regressor": (AdaBoostRegressor(n_estimators=15), "numbers"),
    "adaboost regressor, square": (
        AdaBoostRegressor(DecisionTreeRegressor(max_depth=5), n_estimators=12, loss="square"),
        "numbers",
    ),
    "adaboost regressor, exponential": (
        AdaBoostRegressor(ExtraTreeRegressor(max_depth=4), n_estimators=12, loss="exponential"),
        "numbers",
    ),
    "adaboost regressor, ties": (
        AdaBoostRegressor(DecisionTreeRegressor(criterion="absolute_error", max_depth=2), n_estimators=40),
        "counts",
        "few weights",
    ),
    "adaboost regressor, equal weights": (
        AdaBoostRegressor(DecisionTreeRegressor(max_depth=2), n_estimators=10),
        "numbers",
        "equal weights",
    ),
    "adaboost regressor, halves": (
        AdaBoostRegressor(DecisionTreeRegressor(max_depth=2), n_estimators=10),
        "numbers",
        "halves",
    ),
    "adaboost regressor, a perfect tree": (AdaBoostRegressor(DecisionTreeRegressor(), n_estimators=9), "one number"),
    "adaboost regressor, no weight": (
        AdaBoostRegressor(DecisionTreeRegressor(max_depth=1), n_estimators=1),
        "minus zeros",
        "no weight",
    ),
    "embedding": (RandomTreesEmbedding(n_estimators=7), None),
    "embedding, dense": (RandomTreesEmbedding(n_estimators=5, max_depth=3, sparse_output=False), None),
    "embedding, unequal trees": (RandomTreesEmbedding(n_estimators=4, max_leaf_nodes=9, max_depth=None), None),
    "embedding, weights": (RandomTreesEmbedding(n_estimators=4), None, "weights"),
    "embedding, single leaves": (RandomTreesEmbedding(n_estimators=3, min_samples_leaf=N_ROWS), None),
    "embedding, sparse rows": (RandomTreesEmbedding(n_estimators=4), None, "sparse"),
}


def training_rows(how=""):
    rng = np.random.default_rng(5)
    X = np.round(rng.normal(size=(N_ROWS, 5)), 1)
    X[:, 3] = rng.normal(size=N_ROWS)
    if how == "nan":
        X[rng.random(X.shape) < 0.2] = np.nan
    if how == "sparse":
        X[rng.random(X.shape) < 0.5] = 0.0
    return X


def target(X, kind):
    score = np.nansum(X * [1.0, -0.7, 0.4, 0.5, 0.2], axis=1) + np.random.default_rng(6).normal(scale=0.4, size=len(X))
    three = np.digitize(score, [-0.6, 0.5])
    return {
        None: None,
        "binary": (score > 0.1).astype(int),
        "booleans": score > 0.1,
        "sure": X[:, 0] > 0.1,
        "three": np.array([1, 3, 7])[three],
        "strings": np.array(["no", "perhaps", "yes"])[three],
        "five": np.digitize(score, [-1.0, -0.4, 0.2, 0.9]),
        "one": np.full(len(X), "only"),
        "numbers": score,
        "one number": np.full(len(X), 0.1),
        "counts": np.floor(2 * score),
        "several numbers": np.column_stack([score, -3.0 * score, score**2]),
        "minus zeros": np.where(score > 0.5, score, -0.0),
    }[kind]


@functools.cache
def fitted(name):
    estimator, kind, how = (*CASES[name], "")[:3]
    model = sklearn.clone(estimator).set_params(random_state=0)
    X = training_rows(how)
    y = target(X, kind)
    weight = {"sample_weight": np.random.default_rng(7).uniform(0.2, 3.0, len(X))} if how == "weights" else {}
    # With routing, trees that ask for no weights are fitted on the rows drawn for them, and see some classes only.
    # Under dispatch, isolation forests of scikit-learn 1.7 and 1.8 fail.
    with sklearn.config_context(enable_metadata_routing=how == "routed", array_api_dispatch=False):
        model.fit(sp.csr_matrix(X) if how == "sparse" else X, y, **weight)
    if how == "warm":
        model.set_params(n_estimators=6).fit(X, y)
    if how == "new number":
        model.set_params(n_estimators=3)
    if how == "new offset":
        with sklearn.config_context(array_api_dispatch=False):
            model.offset_ = model.score_samples(X)[3]
    if how == "equal weights":
        model.estimator_weights_[:] = 0.1  # of which ten add up to less than 1
    if how == "halves":
        model.estimator_weights_[:] = 0.5  # so that half of the weight is reached exactly
    if how == "few weights":
        model.estimator_weights_ = np.random.default_rng(8).choice([0.1, 0.2, 0.3, 0.7], len(model.estimators_))
    if how == "no weight":
        model.estimator_weights_[:] = 0.0
    return model


@functools.cache
def extracted(name):
    return extract_forest(fitted(name))


@functools.cache
def rows_that_hurt(name):
    forest, rng = extracted(name), np.random.default_rng(9)
    X = hurting(forest, rng, n=200, nan=forest.inputs.accepts_nan, inf=forest.inputs.accepts_inf)
    return np.concatenate([X, training_rows()[:100], np.zeros((1, 5))])
