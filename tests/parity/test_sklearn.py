"""The scikit-learn extractor against scikit-learn itself, bit for bit."""

from __future__ import annotations

import functools
import subprocess
import sys
import warnings

import numpy as np
import pytest
import sklearn
import torch
from agreement import STRATEGIES, assert_agrees
from reference import hurting, prepared, reference_apply, reference_leaves, reference_raw
from scipy.special import expit
from sklearn.base import is_classifier
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
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor
from sklearn.tree._tree import Tree
from sklearn.utils.extmath import softmax

from sktensor import TensorizedEstimator
from sktensor.errors import UnsupportedModelError
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
HAS_APPLY = [name for name in CASES if not name.startswith("hist")]
CLASSIFIERS = [name for name, (estimator, *_) in CASES.items() if is_classifier(estimator)]
REGRESSORS = [name for name in CASES if name not in CLASSIFIERS]


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


def library_raw(model, X):
    if hasattr(model, "_raw_predict"):
        if isinstance(model, GradientBoostingClassifier | GradientBoostingRegressor):
            X = X.astype(np.float32)  # as its public methods do first
        return model._raw_predict(X)
    if not is_classifier(model):
        return model.predict(X)
    proba = model.predict_proba(X)
    return np.concatenate(proba, axis=1) if isinstance(proba, list) else proba


def forest_values(forest, raw):
    """Values from raw scores, shape (n, K), as the fields of the forest say."""
    if forest.outputs.link == "identity":
        return raw
    if forest.outputs.link == "sigmoid":
        return expit(forest.outputs.link_param * raw)
    assert forest.outputs.link in ("exp", "softmax", "row_softmax")
    return np.exp(raw) if forest.outputs.link == "exp" else softmax(raw)


def forest_probabilities(forest, raw):
    """One array a target."""
    values = forest_values(forest, raw)
    if forest.outputs.proba == "complement":
        return [np.concatenate([1 - values, values], axis=1)]
    assert forest.outputs.proba == "values"
    return np.split(values, np.cumsum(forest.outputs.output_slices)[:-1], axis=1)


def forest_labels(forest, raw):
    if forest.outputs.decision == "half":  # scikit-learn 1.4
        numbers = [(forest_values(forest, raw)[:, 0] > 0.5).astype(int)]
    elif forest.outputs.decision == "raw_positive":
        numbers = [(raw[:, 0] > 0).astype(int)]
    elif forest.outputs.decision == "raw_nonnegative":
        numbers = [(raw[:, 0] >= 0).astype(int)]
    elif forest.outputs.decision == "raw_argmax":
        numbers = [np.argmax(raw, axis=1)]
    else:
        assert forest.outputs.decision == "argmax"
        numbers = [np.argmax(proba, axis=1) for proba in forest_probabilities(forest, raw)]
    labels = [classes[number] for classes, number in zip(forest.outputs.classes, numbers, strict=True)]
    return labels[0] if len(labels) == 1 else np.column_stack(labels)


def assert_same_bits(ours, theirs):
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert np.ascontiguousarray(ours).tobytes() == np.ascontiguousarray(theirs).tobytes()


def assert_close(ours, theirs):
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    np.testing.assert_array_max_ulp(ours, theirs, maxulp=4)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", CASES)
def test_raw_scores_have_the_bits_dtype_and_shape_of_the_library(name):
    model, forest, X = fitted(name), extracted(name), rows_that_hurt(name)
    ours = reference_raw(forest, X)
    assert_same_bits(ours.reshape(len(X), *forest.outputs.raw_shape), library_raw(model, X))


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", CASES)
def test_raw_scores_are_the_same_for_float32_rows(name):
    model, forest = fitted(name), extracted(name)
    with np.errstate(over="ignore"):
        X = rows_that_hurt(name).astype(np.float32)
    assert_same_bits(reference_raw(forest, X).reshape(len(X), *forest.outputs.raw_shape), library_raw(model, X))


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", HAS_APPLY)
def test_leaf_numbers_are_those_of_apply(name):
    X = rows_that_hurt(name)
    assert_same_bits(reference_apply(extracted(name), X), fitted(name).apply(X))


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("hist")])
def test_leaf_numbers_of_hist_gradient_boosting_are_rows_of_its_predictors(name):
    model, forest = fitted(name), extracted(name)
    X = rows_that_hurt(name)
    rows, leaves = reference_apply(forest, X), reference_leaves(forest, X)
    predictors = [predictor for stage in model._predictors for predictor in stage]
    assert rows.shape == (len(X), len(predictors))
    assert rows.dtype == np.int64
    for tree, predictor in enumerate(predictors):
        reached = predictor.nodes[rows[:, tree]]
        assert reached["is_leaf"].all()
        assert_same_bits(forest.trees.leaf_value[leaves[:, tree], 0], reached["value"].copy())


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_labels_are_those_of_predict(name):
    forest, X = extracted(name), rows_that_hurt(name)
    ours, theirs = forest_labels(forest, reference_raw(forest, X)), fitted(name).predict(X)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_are_those_of_predict_proba(name):
    forest, X = extracted(name), rows_that_hurt(name)
    ours, theirs = forest_probabilities(forest, reference_raw(forest, X)), fitted(name).predict_proba(X)
    assert isinstance(theirs, list) == (len(forest.outputs.output_slices) > 1)
    for our, their in zip(ours, theirs if isinstance(theirs, list) else [theirs], strict=True):
        assert_close(our, their)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", REGRESSORS)
def test_values_are_those_of_predict(name):
    forest, X = extracted(name), rows_that_hurt(name)
    assert (forest.outputs.decision, forest.outputs.proba, forest.outputs.classes) == ("none", "none", ())
    values = forest_values(forest, reference_raw(forest, X))
    assert_close(values.reshape(len(X), *forest.outputs.value_shape), fitted(name).predict(X))


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if "boosting" in name or "hist" in name])
def test_the_shape_of_values_is_that_of_decision_function(name):
    forest, X = extracted(name), rows_that_hurt(name)
    assert fitted(name).decision_function(X).shape[1:] == forest.outputs.value_shape


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "field, value", [("accepts_nan", np.nan), ("accepts_inf", np.inf), ("accepts_inf", -np.inf), ("accepts_inf", 1e39)]
)
def test_nan_and_infinities_are_accepted_where_the_library_accepts_them(name, field, value):
    model, forest = fitted(name), extracted(name)
    X = np.zeros((3, forest.n_features))
    X[1, 2] = value
    if getattr(forest.inputs, field):
        theirs = library_raw(model, X)
        assert_same_bits(reference_raw(forest, X).reshape(theirs.shape), theirs)
        model.predict(X)
    else:
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            model.predict(X)


@pytest.mark.parametrize("name", CASES)
def test_cover_of_a_node_is_that_of_its_children(name):
    forest = extracted(name)
    nodes, leaves = np.split(forest.trees.cover, [forest.n_nodes])

    def cover(child):
        return np.where(child >= 0, nodes[np.maximum(child, 0)], leaves[~np.minimum(child, -1)])

    np.testing.assert_allclose(cover(forest.trees.left) + cover(forest.trees.right), nodes, rtol=1e-10)
    assert (leaves > 0).all()


def test_cases_cover_the_edge_cases_they_are_named_for():
    for name in ("tree, missing against the rest", "hist, missing against the rest"):
        assert np.isposinf(extracted(name).trees.threshold).any()
    for name in ("tree, thresholds at zero", "hist, thresholds at zero"):
        assert (extracted(name).trees.threshold == 0.0).any()
    for name in ("tree, missing values", "hist, float labels, missing values", "extra trees, missing values"):
        assert 0 < extracted(name).trees.nan_left.sum() < extracted(name).n_nodes
    for name in ("tree, one leaf", "tree, one class", "hist, ties", "boosting regressor, single leaves"):
        assert extracted(name).n_nodes == 0
    minus_zeros = extracted("tree regressor, leaves of -0.0").trees.leaf_value
    assert (np.signbit(minus_zeros) & (minus_zeros == 0)).any()
    for name in ("boosting, ties", "hist, ties"):
        assert (library_raw(fitted(name), np.zeros((1, 5))) == 0.0).all()
    assert np.signbit(fitted("hist regressor, minus zeros")._baseline_prediction).all()
    for name in ("boosting, early stopping", "hist, early stopping", "boosting regressor, early stopping"):
        assert extracted(name).n_trees // extracted(name).n_outputs < 40
    for name in ("forest, warm start", "boosting, warm start", "hist, warm start"):
        assert extracted(name).n_trees // (1 if name.startswith("forest") else extracted(name).n_outputs) == 6
    f32 = extracted("tree regressor").trees.threshold.astype(np.float32)
    assert (extracted("tree regressor").trees.threshold != f32).any()
    assert not extracted("extra tree, splitter=best").inputs.accepts_nan
    assert extracted("tree, gini").inputs.accepts_nan


def test_rows_are_cast_to_float32_for_tree_arrays_and_to_float64_for_histograms():
    X = np.array([[0.1]])
    assert prepared(extracted("forest"), X).dtype == np.float32
    assert prepared(extracted("boosting"), X).dtype == np.float32
    assert prepared(extracted("hist"), X).dtype == np.float64


def test_overflowing_learning_rate_gives_no_warning():
    X = np.arange(8.0)[:, None]
    model = GradientBoostingRegressor(n_estimators=1, init="zero").fit(X, X[:, 0])
    model.estimators_[0, 0].tree_.value[:] *= 1e307
    model.set_params(learning_rate=100.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        forest = extract(model)
    assert np.isinf(forest.trees.leaf_value).any()
    assert_same_bits(reference_raw(forest, X), library_raw(model, X))


def test_base_score_is_independent_of_the_number_of_rows():
    for name in ("boosting", "boosting, many classes", "boosting, exponential", "boosting regressor, huber"):
        model, forest = fitted(name), extracted(name)
        for n in (1, 2, 7, 33):
            theirs = model._raw_predict_init(np.zeros((n, 5), dtype=np.float32))
            assert_same_bits(np.tile(forest.trees.base, (n, 1)), theirs)


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


def test_the_extractor_loads_no_torch_and_no_other_model_library():
    unwanted = {"torch", "xgboost", "lightgbm", "catboost"}
    code = f"import sys, sktensor.extractors.sklearn; print(sorted({unwanted} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.evidence("answers")
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", CASES)
def test_the_wrapper_answers_as_the_model_does_in_every_strategy(name, strategy):
    assert_agrees(fitted(name), rows_that_hurt(name), strategy=strategy)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("boosting")])
def test_gradient_boosting_apply_takes_missing_values_and_predict_refuses_them(name, strategy):
    model, rows = fitted(name), rows_that_hurt(name)
    rows[np.random.default_rng(9).random(rows.shape) < 0.2] = np.nan
    fast = TensorizedEstimator(model, strategy=strategy)
    assert_same_bits(fast.apply(rows), model.apply(rows))
    assert_same_bits(fast.apply(torch.tensor(rows)), model.apply(rows))
    for predict in (model.predict, fast.predict, fast.predict_raw):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            predict(rows)
