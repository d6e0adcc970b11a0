"""Trees, forests and boosting of scikit-learn's that tests name, and the data that they are fitted on."""

from __future__ import annotations

import functools

import numpy as np
import sklearn
from reference import hurting
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from sktensor.extractors.sklearn import extract

N_ROWS = 240
# Every case: an unfitted estimator, the target it is fitted to and how. Models are fitted once, when first asked for.
CASES = {
    # decision trees
    "tree, gini": (DecisionTreeClassifier(max_depth=6), "three"),
    "tree, entropy, strings": (DecisionTreeClassifier(criterion="entropy", max_depth=5), "strings"),
    "tree, log_loss, booleans": (DecisionTreeClassifier(criterion="log_loss", splitter="random"), "booleans"),
    "tree, float labels": (DecisionTreeClassifier(min_samples_leaf=9), "floats"),
    "tree, class weights": (DecisionTreeClassifier(class_weight={1: 0.1, 3: 2.0, 7: 5.0}, max_depth=4), "three"),
    "tree, balanced, sample weights": (DecisionTreeClassifier(class_weight="balanced"), "binary", "weights"),
    "tree, max_leaf_nodes": (DecisionTreeClassifier(max_leaf_nodes=11), "three"),
    "tree, ccp_alpha": (DecisionTreeClassifier(ccp_alpha=0.008), "three"),
    "tree, monotonic_cst": (DecisionTreeClassifier(monotonic_cst=[1, -1, 0, 0, 0], max_depth=5), "binary"),
    "tree, one leaf": (DecisionTreeClassifier(max_depth=1, min_samples_leaf=N_ROWS), "three"),
    "tree, one class": (DecisionTreeClassifier(), "one"),
    "tree, several targets": (DecisionTreeClassifier(max_depth=5), "targets"),
    "tree, several targets of strings": (DecisionTreeClassifier(max_depth=5), "string targets"),
    "tree, missing values": (DecisionTreeClassifier(max_depth=6), "three", "nan"),
    "tree, missing against the rest": (DecisionTreeClassifier(max_depth=3), "missing", "nan"),
    "tree, thresholds at zero": (DecisionTreeClassifier(max_depth=4), "binary", "signs"),
    "tree regressor": (DecisionTreeRegressor(max_depth=6), "numbers"),
    "tree regressor, absolute_error": (DecisionTreeRegressor(criterion="absolute_error", max_depth=4), "numbers"),
    "tree regressor, poisson": (DecisionTreeRegressor(criterion="poisson", max_depth=4), "counts"),
    "tree regressor, missing values": (DecisionTreeRegressor(max_leaf_nodes=20), "numbers", "nan"),
    "tree regressor, monotonic_cst": (DecisionTreeRegressor(monotonic_cst=[1, 0, 0, 0, -1], max_depth=5), "numbers"),
    "tree regressor, several targets": (DecisionTreeRegressor(max_depth=5), "several numbers"),
    "tree regressor, leaves of -0.0": (DecisionTreeRegressor(criterion="absolute_error", max_depth=3), "minus zeros"),
    "extra tree": (ExtraTreeClassifier(max_depth=7), "three"),
    "extra tree, splitter=best": (ExtraTreeClassifier(splitter="best", max_depth=5), "binary"),
    "extra tree, missing values": (ExtraTreeClassifier(max_depth=7), "three", "nan"),
    "extra tree regressor": (ExtraTreeRegressor(max_depth=7), "numbers"),
    "extra tree regressor, several targets": (ExtraTreeRegressor(max_depth=4), "several numbers"),
    # forests
    "forest": (RandomForestClassifier(n_estimators=9, max_depth=6), "three"),
    "forest, unequal trees, entropy": (RandomForestClassifier(n_estimators=7, criterion="entropy"), "strings"),
    "forest, balanced_subsample": (
        RandomForestClassifier(n_estimators=6, class_weight="balanced_subsample", max_leaf_nodes=12),
        "booleans",
    ),
    "forest, float labels, no bootstrap": (RandomForestClassifier(n_estimators=5, bootstrap=False), "floats"),
    "forest, one class": (RandomForestClassifier(n_estimators=3), "one"),
    "forest, single leaves": (RandomForestClassifier(n_estimators=3, min_samples_leaf=N_ROWS), "three"),
    "forest, several targets": (RandomForestClassifier(n_estimators=7, max_depth=5), "targets"),
    "forest, several targets of strings": (RandomForestClassifier(n_estimators=4, max_depth=5), "string targets"),
    "forest, missing values": (RandomForestClassifier(n_estimators=7, max_depth=6), "three", "nan"),
    "forest, monotonic_cst": (RandomForestClassifier(n_estimators=4, monotonic_cst=[1, 0, 0, 0, 0]), "binary"),
    "forest, warm start": (RandomForestClassifier(n_estimators=4, warm_start=True, max_depth=4), "three", "warm"),
    "forest regressor": (RandomForestRegressor(n_estimators=9, max_depth=6, max_features=2), "numbers"),
    "forest regressor, absolute_error": (
        RandomForestRegressor(n_estimators=4, criterion="absolute_error", max_depth=3),
        "numbers",
    ),
    "forest regressor, poisson, ccp_alpha": (
        RandomForestRegressor(n_estimators=5, criterion="poisson", ccp_alpha=0.01, max_depth=5),
        "counts",
    ),
    "forest regressor, several targets": (RandomForestRegressor(n_estimators=6, max_depth=4), "several numbers"),
    "forest regressor, leaves of -0.0": (
        RandomForestRegressor(n_estimators=3, criterion="absolute_error", max_depth=3),
        "minus zeros",
    ),
    "forest regressor, weights": (RandomForestRegressor(n_estimators=5, max_samples=0.6), "numbers", "weights"),
    "extra trees": (ExtraTreesClassifier(n_estimators=8, max_depth=7), "strings"),
    "extra trees, missing values": (ExtraTreesClassifier(n_estimators=6, max_depth=7), "three", "nan"),
    "extra trees, several targets": (ExtraTreesClassifier(n_estimators=5, max_depth=4), "targets"),
    "extra trees regressor": (ExtraTreesRegressor(n_estimators=8, max_depth=6), "numbers"),
    "extra trees regressor, several targets, bootstrap": (
        ExtraTreesRegressor(n_estimators=5, bootstrap=True, max_depth=4),
        "several numbers",
    ),
    # gradient boosting
    "boosting": (GradientBoostingClassifier(n_estimators=12), "binary"),
    "boosting, three classes": (GradientBoostingClassifier(n_estimators=6, learning_rate=0.37), "strings"),
    "boosting, booleans, weights": (GradientBoostingClassifier(n_estimators=5, subsample=0.6), "booleans", "weights"),
    "boosting, many classes": (GradientBoostingClassifier(n_estimators=2, max_depth=2), "twelve"),
    "boosting, exponential": (GradientBoostingClassifier(n_estimators=9, loss="exponential"), "floats of two"),
    "boosting, init zero": (GradientBoostingClassifier(n_estimators=5, init="zero"), "three"),
    "boosting, ties": (GradientBoostingClassifier(n_estimators=2, init="zero", learning_rate=0.0), "binary"),
    "boosting, dummy init": (
        GradientBoostingClassifier(n_estimators=4, init=DummyClassifier(strategy="uniform")),
        "strings",
    ),
    "boosting, early stopping": (
        GradientBoostingClassifier(n_estimators=40, n_iter_no_change=2, learning_rate=0.9),
        "three",
    ),
    "boosting, warm start": (GradientBoostingClassifier(n_estimators=3, warm_start=True), "binary", "warm"),
    "boosting, max_leaf_nodes, ccp_alpha": (
        GradientBoostingClassifier(n_estimators=5, max_leaf_nodes=6, ccp_alpha=0.001),
        "binary",
    ),
    "boosting regressor": (GradientBoostingRegressor(n_estimators=15, max_depth=4), "numbers"),
    "boosting regressor, absolute_error": (GradientBoostingRegressor(n_estimators=6, loss="absolute_error"), "numbers"),
    "boosting regressor, huber": (GradientBoostingRegressor(n_estimators=6, loss="huber", alpha=0.8), "numbers"),
    "boosting regressor, quantile": (GradientBoostingRegressor(n_estimators=6, loss="quantile", alpha=0.3), "numbers"),
    "boosting regressor, init zero": (GradientBoostingRegressor(n_estimators=6, init="zero"), "numbers"),
    "boosting regressor, dummy init": (
        GradientBoostingRegressor(n_estimators=4, init=DummyRegressor(strategy="constant", constant=0.3)),
        "numbers",
    ),
    "boosting regressor, learning rate changed after fit": (
        GradientBoostingRegressor(n_estimators=6),
        "numbers",
        "new learning rate",
    ),
    "boosting regressor, single leaves": (GradientBoostingRegressor(min_samples_leaf=N_ROWS), "numbers"),
    "boosting regressor, minus zeros": (
        GradientBoostingRegressor(n_estimators=3, loss="absolute_error"),
        "minus zeros",
    ),
    "boosting regressor, early stopping": (
        GradientBoostingRegressor(n_estimators=60, n_iter_no_change=1, learning_rate=0.8),
        "numbers",
    ),
    # histogram-based gradient boosting
    "hist": (HistGradientBoostingClassifier(max_iter=12), "binary"),
    "hist, three classes": (HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=7), "strings"),
    "hist, class weights": (HistGradientBoostingClassifier(max_iter=5, class_weight="balanced"), "booleans"),
    "hist, float labels, missing values": (HistGradientBoostingClassifier(max_iter=5), "floats", "nan"),
    "hist, missing against the rest": (HistGradientBoostingClassifier(max_iter=4), "missing", "nan"),
    "hist, thresholds at zero": (HistGradientBoostingClassifier(max_iter=4), "binary", "signs"),
    "hist, early stopping": (
        HistGradientBoostingClassifier(max_iter=60, early_stopping=True, n_iter_no_change=2, learning_rate=0.8),
        "three",
    ),
    "hist, ties": (HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=N_ROWS), "balanced"),
    "hist, one class": (HistGradientBoostingClassifier(max_iter=2), "one"),
    "hist, warm start": (HistGradientBoostingClassifier(max_iter=3, warm_start=True), "three", "warm"),
    "hist, monotonic_cst, interactions": (
        HistGradientBoostingClassifier(max_iter=5, monotonic_cst=[1, 0, -1, 0, 0], interaction_cst="no_interactions"),
        "binary",
    ),
    "hist regressor": (HistGradientBoostingRegressor(max_iter=15, l2_regularization=0.5), "numbers"),
    "hist regressor, absolute_error": (
        HistGradientBoostingRegressor(max_iter=6, loss="absolute_error", max_bins=9),
        "numbers",
    ),
    "hist regressor, quantile": (HistGradientBoostingRegressor(max_iter=6, loss="quantile", quantile=0.7), "numbers"),
    "hist regressor, poisson": (HistGradientBoostingRegressor(max_iter=6, loss="poisson"), "counts"),
    "hist regressor, gamma": (HistGradientBoostingRegressor(max_iter=6, loss="gamma"), "counts", "weights"),
    "hist regressor, missing values": (HistGradientBoostingRegressor(max_iter=6, max_features=0.5), "numbers", "nan"),
    "hist regressor, minus zeros": (
        HistGradientBoostingRegressor(max_iter=2, loss="quantile", quantile=0.5),
        "all minus zero",
    ),
}


def training_rows(how: str):
    rng = np.random.default_rng(5)
    X = np.round(rng.normal(size=(N_ROWS, 5)), 1)
    X[:, 3] = rng.normal(size=N_ROWS)
    if how == "signs":
        X = np.sign(X)
    if how == "nan":
        X[rng.random(X.shape) < 0.2] = np.nan
    return X


def target(X, kind: str):
    rng = np.random.default_rng(6)
    score = np.nansum(X * [1.0, -0.7, 0.4, 0.5, 0.2], axis=1) + rng.normal(scale=0.4, size=len(X))
    three = np.digitize(score, [-0.6, 0.5])
    binary = (score > 0.1).astype(int)
    return {
        "binary": binary,
        "three": np.array([1, 3, 7])[three],
        "strings": np.array(["no", "perhaps", "yes"])[three],
        "booleans": binary.astype(bool),
        "floats": np.array([-1.0, 0.0, 2.0])[three],
        "floats of two": np.array([-1.0, 1.0])[binary],
        "one": np.full(len(X), "only"),
        "twelve": np.arange(len(X)) % 12,
        "balanced": np.arange(len(X)) % 2,
        "missing": np.isnan(X[:, 1]).astype(int),
        "targets": np.column_stack([binary, three, np.arange(len(X)) % 4]),
        "string targets": np.array(["a", "bb", "ccc"])[np.column_stack([three, binary])],
        "numbers": score,
        "counts": np.floor(np.exp(score)) + 1.0,
        "several numbers": np.column_stack([score, -3.0 * score, score**2]),
        "minus zeros": np.where(score > 0.5, score, -0.0),
        "all minus zero": np.full(len(X), -0.0),
    }[kind]


@functools.cache
def fitted(name: str):
    estimator, kind, how = (*CASES[name], "")[:3]
    model = sklearn.clone(estimator).set_params(random_state=0)
    X = training_rows(how)
    y = target(X, kind)
    weight = {"sample_weight": np.random.default_rng(7).uniform(0.2, 3.0, len(X))} if how == "weights" else {}
    model.fit(X, y, **weight)
    if how == "warm":
        rounds = "max_iter" if hasattr(model, "max_iter") else "n_estimators"
        model.set_params(**{rounds: 6}).fit(X, y)
    if how == "new learning rate":
        model.set_params(learning_rate=0.77)
    return model


@functools.cache
def extracted(name: str):
    return extract(fitted(name))


def rows_that_hurt(name: str):
    forest = extracted(name)
    rng = np.random.default_rng(8)
    options = {"nan": forest.inputs.accepts_nan, "inf": forest.inputs.accepts_inf}
    grid = np.round(rng.normal(size=(100, forest.n_features)), 1)
    return np.concatenate([hurting(forest, rng, n=400, **options), grid])


def assert_same_bits(ours, theirs):
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert np.ascontiguousarray(ours).tobytes() == np.ascontiguousarray(theirs).tobytes()
