"""The scikit-learn extractor against scikit-learn itself, bit for bit."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from agreement import STRATEGIES, assert_agrees
from reference import prepared, reference_apply, reference_leaves, reference_raw
from scipy.special import expit
from sklearn.base import is_classifier
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
)
from sklearn.utils.extmath import softmax
from sklearn_models import CASES, assert_same_bits, extracted, fitted, rows_that_hurt

from sktensor import TensorizedEstimator
from sktensor.extractors.sklearn import extract

HAS_APPLY = [name for name in CASES if not name.startswith("hist")]
CLASSIFIERS = [name for name, (estimator, *_) in CASES.items() if is_classifier(estimator)]
REGRESSORS = [name for name in CASES if name not in CLASSIFIERS]


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
