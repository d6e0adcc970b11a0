"""scikit-learn's isolation forests, bagging, AdaBoost and random trees embedding against scikit-learn, bit for bit."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
import torch
from agreement import METHODS, STRATEGIES, assert_agrees, library_raw, same_bits, same_columns
from reference import reference_apply, reference_raw
from sklearn.ensemble import BaggingClassifier, IsolationForest
from sklearn_ensembles import CASES, extracted, fitted, rows_that_hurt, training_rows

import sktensor
from sktensor import TensorizedEstimator, tensorize
from sktensor.errors import UnsupportedModelError
from sktensor.native import loader
from sktensor.runtime import program
from sktensor.testing import check_extractor

RAW = [name for name in CASES if not name.startswith("embedding")]
FAMILIES = ("isolation, feature subsets", "bagging, feature subsets", "bagging regressor", "adaboost",
            "adaboost, five classes", "adaboost regressor, ties", "embedding", "embedding, dense")  # fmt: skip


def silently(call):
    with np.errstate(all="ignore"):
        return call()


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", RAW)
def test_raw_scores_have_the_bits_dtype_and_shape_of_the_library(name):
    model, forest, X = fitted(name), extracted(name), rows_that_hurt(name)
    expected = silently(lambda: library_raw(model, X))
    same_bits(reference_raw(forest, X).reshape(len(X), *forest.outputs.raw_shape), expected)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", CASES)
def test_the_wrapper_answers_as_the_model_does_in_every_strategy(name, strategy):
    assert_agrees(fitted(name), rows_that_hurt(name), strategy=strategy)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("bagging")])
def test_logarithms_of_bagging_are_added_tree_after_tree_as_in_the_library(name):
    model = fitted(name)
    if not hasattr(model, "predict_log_proba"):
        pytest.skip("a regressor")
    X, fast = rows_that_hurt(name), TensorizedEstimator(model)
    expected = silently(lambda: model.predict_log_proba(X))
    same_bits(fast.predict_log_proba(X), expected)
    same_bits(fast.predict_log_proba(torch.tensor(X)), expected)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", RAW)
def test_leaf_numbers_are_those_of_the_trees(name):
    model, X = fitted(name), rows_that_hurt(name)
    columns = getattr(model, "estimators_features_", [np.arange(5)] * 500)
    if getattr(model, "_max_features", 0) == 5 and name.startswith("isolation"):
        columns = [np.arange(5)] * 500
    X32 = silently(lambda: X.astype(np.float32))
    trees = model.estimators_[: extracted(name).n_trees]
    expected = np.stack([t.tree_.apply(X32[:, c].copy()) for t, c in zip(trees, columns, strict=False)], axis=1)
    same_bits(TensorizedEstimator(model).apply(X), expected)
    same_bits(reference_apply(extracted(name), X), expected)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", FAMILIES)
def test_a_tensor_is_answered_by_a_tensor_with_the_same_numbers_or_by_numpy(name, dispatch):
    model, X = fitted(name), rows_that_hurt(name)
    fast = TensorizedEstimator(model)
    for backend in ("auto", "torch"):
        fast.set_params(backend=backend)
        for method in (*METHODS, "apply"):
            if not hasattr(fast, method):
                continue
            with np.errstate(all="ignore"):
                ours, expected = getattr(fast, method)(torch.tensor(X)), getattr(fast, method)(X)
                with sklearn.config_context(array_api_dispatch=False):
                    same_columns(getattr(fast, method)(torch.tensor(X)), expected)
            assert isinstance(ours, torch.Tensor)
            if sp.issparse(expected):
                ours, expected = ours.to_dense(), expected.toarray()
            if "proba" in method:
                torch.testing.assert_close(ours, torch.tensor(expected), rtol=1e-14, atol=0)
            else:
                same_bits(ours.numpy(), expected)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", [*FAMILIES, "isolation", "isolation, sparse", "embedding, sparse rows"])
def test_sparse_rows_are_answered_as_dense_ones(name):
    model = fitted(name)
    X = training_rows("sparse")
    fast = TensorizedEstimator(model)
    for sparse in (sp.csr_matrix(X), sp.csc_matrix(X), sp.csr_array(X)):
        for method in METHODS:
            if hasattr(model, method):
                with np.errstate(all="ignore"):
                    ours, expected = getattr(fast, method)(sparse), getattr(model, method)(sparse)
                if "proba" in method:
                    np.testing.assert_array_max_ulp(ours, expected, maxulp=4)
                else:
                    same_columns(ours, expected)


def test_a_threshold_on_a_training_row_is_met_by_that_row(dispatch):
    model = fitted("isolation, offset changed")
    X = training_rows()
    with sklearn.config_context(array_api_dispatch=False):  # under which the library of 1.7 and 1.8 fails
        scores = model.decision_function(X)
        assert (scores == 0).any() and model.predict(X)[scores == 0].tolist()[0] == 1
    fast = TensorizedEstimator(model)
    for rows in (X, torch.tensor(X)):
        found = fast.predict(rows)
        assert np.asarray(found)[scores == 0].tolist()[0] == 1
        same_bits(np.asarray(fast.decision_function(rows)), scores)


def test_cases_cover_the_edge_cases_they_are_named_for():
    for name in ("bagging, trees without some classes", "bagging, rows drawn", "adaboost, trees without a class"):
        widths = {len(tree.classes_) for tree in fitted(name).estimators_}
        assert len(widths) > 1
    assert any(len(set(c)) < len(c) for c in fitted("bagging, repeated features").estimators_features_)
    assert fitted("bagging, fewer estimators than fitted").n_estimators < len(
        fitted("bagging, fewer estimators than fitted").estimators_
    )
    for name in ("adaboost, a perfect first tree", "adaboost, ended early", "adaboost regressor, a perfect tree"):
        assert len(fitted(name).estimators_) < fitted(name).n_estimators
    for name in ("bagging, single leaves", "embedding, single leaves"):
        assert extracted(name).n_nodes == 0
    scores = fitted("adaboost, ties").decision_function(rows_that_hurt("adaboost, ties"))
    assert (scores == 0.0).any() and (scores != 0.0).any()
    three = fitted("adaboost, ties of three classes").decision_function(rows_that_hurt("adaboost, ties"))
    assert (np.sort(three, axis=1)[:, -1] == np.sort(three, axis=1)[:, -2]).any()
    assert extracted("isolation, one sample each").outputs.link_param == 0.0
    assert (extracted("isolation, missing values").trees.nan_left).any()
    minus_zeros = extracted("bagging regressor, leaves of -0.0").trees.leaf_value
    assert (np.signbit(minus_zeros) & (minus_zeros == 0)).any()
    forest, X = extracted("adaboost regressor, ties"), rows_that_hurt("adaboost regressor, ties")
    values = np.stack([tree.predict(X) for tree in fitted("adaboost regressor, ties").estimators_], axis=1)
    orders = [np.argsort(values, axis=1, kind="stable"), np.argsort(-values[:, ::-1], axis=1, kind="stable")]
    sums = np.cumsum(forest.trees.tree_weight[orders[0]], axis=1)
    halves = np.abs(sums - 0.5 * sums[:, -1:]).min(axis=1)
    assert (halves < 1e-12).any()  # where the last bit of a sum decides


@pytest.mark.parametrize(("seed", "weights"), [(2, [0.1, 0.2, 0.3, 0.7]), (9, [0.1, 0.3]), (11, [0.1, 0.2, 0.3])])
def test_the_median_of_equal_values_is_that_of_numpys_default_sort(seed, weights):
    # Their order decides in which order weights are added, and the last bit of that sum which value is the median.
    model = copy.copy(fitted("adaboost regressor, ties"))
    model.estimator_weights_ = np.random.default_rng(seed).choice(weights, len(model.estimators_))
    X = np.random.default_rng(0).normal(size=(20_000, 5))
    same_bits(TensorizedEstimator(model).predict(X), model.predict(X))


@pytest.mark.parametrize("n_rows", [1, 3, 200])
def test_logarithms_are_those_of_the_library_where_values_are_walked_on(n_rows):
    # As few rows over many columns are: no strategy by which to ask for it.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 300))
    model = BaggingClassifier(n_estimators=5, max_features=0.5, random_state=0).fit(X, X[:, 0] + X[:, 1] * X[:, 2] > 0)
    fast = TensorizedEstimator(model)
    expected = silently(lambda: model.predict_log_proba(X[:n_rows]))
    same_bits(fast.predict_log_proba(X[:n_rows]), expected)
    assert n_rows > 1 or fast.explain_plan(1).strategy == "direct_walk"


def test_bagging_of_several_jobs_is_that_of_one():
    model, X = copy.copy(fitted("bagging, feature subsets")), training_rows()
    expected = model.predict_log_proba(X)
    same_bits(TensorizedEstimator(model.set_params(n_jobs=2)).predict_log_proba(X), expected)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", FAMILIES)
def test_rows_in_batches_and_single_rows_give_the_same(name, monkeypatch):
    model, X = fitted(name), rows_that_hurt(name)
    methods = [method for method in (*METHODS, "apply") if hasattr(TensorizedEstimator(model), method)]
    with np.errstate(all="ignore"):
        whole = {method: dense(getattr(TensorizedEstimator(model), method)(X)) for method in methods}
        monkeypatch.setattr(program, "AGGREGATE_BYTES", 20_000)
        for parameters in ({}, {"n_jobs": 2}, {"backend": "torch", "batch_size": 100}):
            fast = TensorizedEstimator(model, **parameters)
            for method in methods:
                found = getattr(fast, method)
                same_bits(dense(found(X)), whole[method])
                same_bits(dense(found(X[3:4])), whole[method][3:4])


def dense(found):
    return found.toarray() if sp.issparse(found) else found


@pytest.mark.skipif(loader.library() is None, reason="no kernels")
def test_medians_and_embeddings_use_traversal_not_bitslicing():
    for name in ("adaboost regressor", "embedding"):
        fast = TensorizedEstimator(fitted(name))
        for n_rows in (1, 100_000):
            assert fast.explain_plan(n_rows).strategy == "tree_traversal"
            assert fast.explain_plan(n_rows).backend == "native"
        fast.set_params(strategy="bitsliced", backend="native")
        with pytest.raises(ValueError, match="circuits answer with sums"):
            fast.apply(training_rows())
        fast.set_params(backend="auto")
        assert fast.explain_plan().backend == "torch"


@pytest.mark.parametrize("name", FAMILIES)
def test_saved_loaded_and_pickled_ensembles_give_the_same(name, tmp_path):
    fast, X = TensorizedEstimator(fitted(name)), rows_that_hurt(name)
    sktensor.save(fast, tmp_path / "model")
    for again in (sktensor.load(tmp_path / "model"), pickle.loads(pickle.dumps(fast))):
        for method in (*METHODS, "apply", "predict_raw"):
            assert hasattr(again, method) == hasattr(fast, method)
            if hasattr(fast, method):
                with np.errstate(all="ignore"):
                    same_columns(getattr(again, method)(X), getattr(fast, method)(X))
        for attribute in ("score", "fit_predict", "get_feature_names_out", "set_output", "offset_"):
            assert hasattr(again, attribute) == hasattr(fast, attribute)
        assert getattr(again, "offset_", None) == getattr(fast, "offset_", None)
        if hasattr(fast, "get_feature_names_out"):
            same_bits(again.get_feature_names_out(), fast.get_feature_names_out())
        assert sklearn.utils.get_tags(again) == sklearn.utils.get_tags(fast)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", FAMILIES)
def test_the_conformance_kit_finds_nothing(name):
    check_extractor(fitted(name), training_rows())


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("output", ["raw", "value", "proba", "leaf"])
def test_a_module_gives_the_same_or_is_refused_by_name(name, output):
    model, X = fitted(name), rows_that_hurt(name)
    fast = TensorizedEstimator(model)
    if output == "proba" and not hasattr(model, "predict_proba"):
        with pytest.raises(ValueError, match="gives no probabilities"):
            tensorize(model, output=output)
    elif output != "leaf" and extracted(name).trees.aggregate != "sum":
        with pytest.raises(UnsupportedModelError, match=f"{type(model).__name__} has Trees.aggregate="):
            tensorize(model, output=output)
    else:
        assert_module_agrees(model, fast, X, output)


def assert_module_agrees(model, fast, X, output):
    """A module of this output gives what the estimator or the model gives."""
    found = tensorize(model, output=output)(torch.tensor(X)).numpy()
    with np.errstate(all="ignore"):
        if output in ("raw", "leaf"):
            same_bits(found, fast.predict_raw(X) if output == "raw" else fast.apply(X))
        elif output == "proba":
            np.testing.assert_array_max_ulp(found, model.predict_proba(X), maxulp=4)
        elif hasattr(model, "score_samples"):
            np.testing.assert_array_max_ulp(found, model.score_samples(X), maxulp=4)
        else:
            same_bits(found, fast.predict_raw(X))


def test_isolation_forest_reads_fitted_trees_not_n_estimators():
    model = IsolationForest(n_estimators=5, random_state=0).fit(training_rows()).set_params(n_estimators=50)
    assert_agrees(model, training_rows())
