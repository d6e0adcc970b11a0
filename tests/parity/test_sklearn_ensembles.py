"""scikit-learn's isolation forests, bagging, AdaBoost and random trees embedding against scikit-learn, bit for bit."""

from __future__ import annotations

import copy
import functools
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
import torch
from agreement import METHODS, STRATEGIES, assert_agrees, library_leaves, library_raw, same_bits, same_columns
from reference import hurting, reference_apply, reference_raw
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

import sktensor
from sktensor import TensorizedEstimator, extract_forest, tensorize
from sktensor.errors import UnsupportedModelError, VerificationError
from sktensor.estimator.verification import verify
from sktensor.extractors.sklearn import model as extractor
from sktensor.native import loader
from sktensor.runtime import program
from sktensor.runtime.settings import Settings
from sktensor.testing import assert_matches, check_extractor

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
RAW = [name for name in CASES if not name.startswith("embedding")]
FAMILIES = ("isolation, feature subsets", "bagging, feature subsets", "bagging regressor", "adaboost",
            "adaboost, five classes", "adaboost regressor, ties", "embedding", "embedding, dense")  # fmt: skip


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


def silently(call):
    with np.errstate(all="ignore"):
        return call()


# --- the same answers ---------------------------------------------------------------------------------------------


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


def test_bagging_of_several_jobs_is_that_of_one():
    model, X = copy.copy(fitted("bagging, feature subsets")), training_rows()
    expected = model.predict_log_proba(X)
    same_bits(TensorizedEstimator(model.set_params(n_jobs=2)).predict_log_proba(X), expected)


# --- ways to run --------------------------------------------------------------------------------------------------


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", FAMILIES)
def test_rows_in_parts_and_single_rows_give_the_same(name, monkeypatch):
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
        with pytest.raises(UnsupportedModelError, match=f"{type(model).__name__} has Forest.aggregate="):
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


# --- what the estimator has ---------------------------------------------------------------------------------------


def test_fit_predict_of_an_outlier_detector():
    X = training_rows()
    model = IsolationForest(n_estimators=7, contamination=0.1, random_state=0)
    same_bits(TensorizedEstimator(model).fit_predict(X), sklearn.clone(model).fit_predict(X))
    fast = TensorizedEstimator(model).fit(X)
    assert fast.offset_ == fast.estimator_.offset_ == TensorizedEstimator(fast.estimator_).offset_
    assert sklearn.base.is_outlier_detector(fast)
    assert not hasattr(fast, "score") and not hasattr(fast, "transform") and not hasattr(fast, "predict_proba")
    assert not hasattr(TensorizedEstimator(DecisionTreeClassifier()), "fit_predict")


@pytest.mark.parametrize("container", ["pandas", "polars", "default"])
def test_embedding_is_given_in_the_requested_container(container):
    X = pd.DataFrame(training_rows(), columns=list("abcde"), index=range(50, 50 + N_ROWS))
    bare = RandomTreesEmbedding(n_estimators=3, max_depth=2, sparse_output=False, random_state=0)
    expected = sklearn.clone(bare).set_output(transform=container).fit_transform(X)
    set_on_model = TensorizedEstimator(sklearn.clone(bare).set_output(transform=container))
    set_on_wrapper = TensorizedEstimator(sklearn.clone(bare)).set_output(transform=container)
    set_after_fit = TensorizedEstimator(sklearn.clone(bare)).fit(X).set_output(transform=container)
    around_fitted = TensorizedEstimator(sklearn.clone(bare).fit(X)).set_output(transform=container)
    nested = TensorizedEstimator(TensorizedEstimator(sklearn.clone(bare))).set_output(transform=container).fit(X)
    frozen = TensorizedEstimator(FrozenEstimator(sklearn.clone(bare).set_output(transform=container).fit(X)))
    piped = make_pipeline(TensorizedEstimator(sklearn.clone(bare))).set_output(transform=container).fit(X)
    for found in (
        set_on_model.fit_transform(X),
        sklearn.clone(set_on_wrapper).fit_transform(X),
        set_after_fit.transform(X),
        around_fitted.transform(X),
        nested.transform(X),
        frozen.transform(X),
        piped.transform(X),
    ):
        assert type(found) is type(expected)
        if container == "default":
            same_bits(found, expected)
        else:
            assert found.equals(expected)
    with sklearn.config_context(transform_output=container):
        found = TensorizedEstimator(sklearn.clone(bare)).fit_transform(X)
        assert type(found) is type(expected)


def test_a_loaded_embedding_keeps_its_container_and_names(tmp_path):
    X = pd.DataFrame(training_rows(), columns=list("abcde"))
    fast = TensorizedEstimator(RandomTreesEmbedding(n_estimators=3, sparse_output=False, random_state=0))
    fast.set_output(transform="pandas").fit(X)
    sktensor.save(fast, tmp_path / "model")
    loaded = sktensor.load(tmp_path / "model")
    assert loaded.transform(X).equals(fast.transform(X))
    same_bits(loaded.get_feature_names_out(list("abcde")), fast.get_feature_names_out(list("abcde")))
    for wrong in (list("abcdx"), list("abcd")):
        with pytest.raises(ValueError, match="input_features"):
            loaded.get_feature_names_out(wrong)
    assert isinstance(loaded.set_output(transform="default").transform(X), np.ndarray)
    with pytest.raises(TypeError, match="not the model itself"):
        loaded.fit_transform(X)


def test_a_sparse_embedding_refuses_a_frame_as_the_model_does():
    X = training_rows()
    for est in (RandomTreesEmbedding(3), TensorizedEstimator(RandomTreesEmbedding(3))):
        with pytest.raises(ValueError, match="sparse"):
            est.set_output(transform="pandas").fit(X).transform(X)


def test_an_embedding_has_no_predictions():
    fast = TensorizedEstimator(fitted("embedding"))
    for method in ("predict", "predict_raw", "score", "predict_proba", "decision_function"):
        assert not hasattr(fast, method)
    with pytest.raises(ValueError, match="no raw scores"):
        program.Program(extracted("embedding")).total(program.Rows(training_rows()), fast._settings())


def test_an_embedding_feeds_a_linear_model_in_a_pipeline():
    X = training_rows()
    y = target(X, "three")

    def scores(embedding):
        return make_pipeline(embedding, LogisticRegression(max_iter=300)).fit(X, y).predict_proba(X)

    bare = RandomTreesEmbedding(n_estimators=5, random_state=0)
    same_bits(scores(TensorizedEstimator(bare)), scores(bare))


def test_weights_are_routed_to_an_embedding_in_a_pipeline():
    X = training_rows()
    weight = np.random.default_rng(3).uniform(size=len(X))

    def found(wrap):
        with sklearn.config_context(enable_metadata_routing=True):
            model = RandomTreesEmbedding(n_estimators=3, random_state=0).set_fit_request(sample_weight=True)
            last = LogisticRegression().set_fit_request(sample_weight=False)
            pipeline = make_pipeline(wrap(model), last)
            return pipeline.fit(X, target(X, "three"), sample_weight=weight)[0].transform(X)

    same_columns(found(TensorizedEstimator), found(lambda model: model))


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    "model, named",
    [
        (BaggingClassifier(DecisionTreeRegressor(), 2), "BaggingClassifier of .*DecisionTreeRegressor models"),
        (BaggingRegressor(DecisionTreeClassifier(), 2), "BaggingRegressor of .*DecisionTreeClassifier models"),
    ],
)
def test_classifiers_of_regressors_and_the_reverse_are_refused_by_name_and_told_what_is_supported(model, named):
    X = training_rows()
    with pytest.raises(UnsupportedModelError, match=f"{named}.*Supported: of DecisionTree.*ExtraTree"):
        extract_forest(model.fit(X, target(X, "binary")))


@pytest.mark.parametrize(
    "model",
    [
        BaggingClassifier(RandomForestClassifier(2), 2),
        BaggingRegressor(RandomForestRegressor(2), 2),
        AdaBoostClassifier(LogisticRegression(), n_estimators=2),
        AdaBoostClassifier(RandomForestClassifier(2), n_estimators=2),
        AdaBoostRegressor(RandomForestRegressor(2), n_estimators=2),
    ],
)
def test_ensembles_of_other_models_are_no_forest(model):
    X = training_rows()
    with pytest.raises(UnsupportedModelError, match=f"{type(model).__name__} is not one forest"):
        extract_forest(model.fit(X, target(X, "binary")))


class OddTree(DecisionTreeClassifier):
    def predict_proba(self, X, check_input=True):
        return 2 * super().predict_proba(X, check_input)


class OddIsolation(IsolationForest):
    def _score_samples(self, X):
        return -super()._score_samples(X)


class OddMedian(AdaBoostRegressor):
    def _get_median_predict(self, X, limit):
        return np.mean([tree.predict(X) for tree in self.estimators_], axis=0)


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    "model, named",
    [
        (BaggingClassifier(OddTree(), 2), "OddTree replaces predict_proba"),
        (OddIsolation(n_estimators=2), "OddIsolation replaces _score_samples"),
        (OddMedian(n_estimators=2), "OddMedian replaces _get_median_predict"),
    ],
)
def test_subclasses_with_answers_of_their_own_are_refused_by_name(model, named):
    X = training_rows()
    with pytest.raises(UnsupportedModelError, match=named):
        extract_forest(model.fit(X, target(X, "binary")))


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, sp.csr_matrix, pd.DataFrame])
@pytest.mark.parametrize("labels", ["one", "two"])
def test_adaboost_of_one_class_answers_in_the_dtype_of_its_rows(kind, labels):
    X = training_rows()
    y = np.array(["only"] * len(X)) if labels == "one" else np.full(len(X), 2)
    model = AdaBoostClassifier(n_estimators=2).fit(X, y)
    fast = TensorizedEstimator(model)
    rows = kind(X) if kind in (sp.csr_matrix, pd.DataFrame) else X.astype(kind)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        theirs, ours = getattr(model, method)(rows), getattr(fast, method)(rows)
        if theirs.dtype == object:  # a sparse matrix in an array, as scikit-learn has it
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        else:
            same_bits(ours, theirs)


@pytest.mark.evidence("refused")
def test_adaboost_without_weights_or_with_samme_r_is_refused():
    X = training_rows()
    model = AdaBoostClassifier(n_estimators=2).fit(X, target(X, "binary"))
    model.algorithm = "SAMME.R"  # as in a file of an older version
    with pytest.raises(UnsupportedModelError, match=r"AdaBoostClassifier\(algorithm='SAMME.R'\)"):
        extract_forest(model)
    model.algorithm = "SAMME"
    model.estimator_weights_[:] = 0.0
    with pytest.raises(UnsupportedModelError, match="weights of its trees are all 0"):
        extract_forest(model)


@pytest.mark.parametrize("sparse_output", [True, False])
def test_an_embedding_has_no_columns_for_leaves_that_the_last_fit_did_not_reach(sparse_output, tmp_path):
    X = training_rows()
    model = RandomTreesEmbedding(n_estimators=3, warm_start=True, sparse_output=sparse_output, random_state=0).fit(X)
    few = X[:20]
    model.set_params(n_estimators=4).fit(few)
    fast = TensorizedEstimator(model)
    assert model.transform(few).shape[1] < fast.forest_.n_leaves
    sktensor.save(fast, tmp_path / "file")
    for ours in (fast, sktensor.load(tmp_path / "file")):
        same_columns(ours.transform(few), model.transform(few))
        assert ours.get_feature_names_out().tolist() == model.get_feature_names_out().tolist()
        for rows in (X, torch.tensor(X)):
            with pytest.raises(ValueError, match=r"Found unknown categories .* in column 0 during transform"):
                ours.transform(rows)
        same_bits(ours.apply(X), model.apply(X))
    with pytest.raises(ValueError, match=r"Found unknown categories .* in column 0 during transform"):
        model.transform(X)
    assert_matches(model, few)


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("name", ["isolation", "bagging", "adaboost", "adaboost regressor", "embedding"])
def test_missing_values_in_sparse_rows_are_refused(name):
    X = sp.csr_matrix(training_rows("sparse"))
    X.data[5] = np.nan
    model = fitted(name)
    method = "transform" if name == "embedding" else "predict"
    if name != "isolation":  # whose trees send them another way than in dense rows
        with pytest.raises(ValueError, match="contains NaN"):
            getattr(model, method)(X)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        getattr(TensorizedEstimator(model), method)(X)


@pytest.mark.evidence("refused")
def test_missing_values_in_sparse_rows_are_refused_by_forests_too():
    X = sp.csr_matrix(training_rows("sparse"))
    X.data[5] = np.nan
    model = RandomForestClassifier(3).fit(training_rows(), target(training_rows(), "binary"))
    for est in (model, TensorizedEstimator(model)):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            est.predict(X)


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, pd.DataFrame, sp.csr_matrix, np.asfortranarray])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_columns_given_to_no_tree_may_hold_any_value(kind, value):
    X = training_rows()
    model = BaggingClassifier(ExtraTreeClassifier(splitter="best", max_depth=2), 3, max_features=1, random_state=0)
    model.fit(X, target(X, "binary"))
    used = np.unique(np.concatenate(model.estimators_features_))
    assert 0 < len(used) < 5
    free, X[4, :] = np.delete(np.arange(5), used)[0], 0.0
    fast = TensorizedEstimator(model)
    same_bits(fast.forest_.inputs.unused, ~np.isin(np.arange(5), used))
    rows = X.copy()
    rows[4, free] = value
    found = fast.predict(kind(rows))
    same_bits(np.asarray(found), model.predict(rows))
    rows[4, used[0]] = value
    for est in (fast, model):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            est.predict(rows)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        fast.predict(kind(rows))


def test_isolation_forest_reads_fitted_trees_not_n_estimators():
    model = IsolationForest(n_estimators=5, random_state=0).fit(training_rows()).set_params(n_estimators=50)
    assert_agrees(model, training_rows())


def test_missing_values_are_accepted_by_first_tree_of_forest_and_all_of_bagging():
    X = training_rows()
    rows, y = X.copy(), target(X, "three")
    rows[::5, 1] = np.nan
    forest = ExtraTreesClassifier(4, max_depth=3, random_state=0).fit(X, y)
    forest.estimators_[-1].splitter = "best"  # which it asks no tree but the first about
    same_bits(TensorizedEstimator(forest).predict_proba(rows), forest.predict_proba(rows))
    forest.estimators_[0].splitter = "best"
    bag = BaggingClassifier(ExtraTreeClassifier(max_depth=3), 3, warm_start=True, random_state=0).fit(X, y)
    same_bits(TensorizedEstimator(bag).predict_proba(rows), bag.predict_proba(rows))
    bag.set_params(estimator__splitter="best", n_estimators=6).fit(X, y)
    same_bits(TensorizedEstimator(bag).predict_proba(X), bag.predict_proba(X))
    for est in (forest, TensorizedEstimator(forest), bag, TensorizedEstimator(bag)):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            est.predict(rows)


@pytest.mark.parametrize("name", ["adaboost", "adaboost regressor", "bagging", "embedding", "isolation"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_nan_and_infinities_are_accepted_where_the_library_accepts_them(name, value):
    model, fast = fitted(name), TensorizedEstimator(fitted(name))
    X = training_rows()
    method = "transform" if name == "embedding" else "predict"
    same_columns(getattr(fast, method)(X), getattr(model, method)(X))
    X[7, 3] = value
    with np.errstate(all="ignore"):
        try:
            expected = getattr(model, method)(X)
        except ValueError:
            with pytest.raises(ValueError, match=r"NaN|infinity"):
                getattr(fast, method)(X)
        else:
            same_columns(getattr(fast, method)(X), expected)


def test_verification_finds_an_embedding_whose_leaves_are_others():
    model = RandomTreesEmbedding(n_estimators=3, random_state=0).fit(training_rows())
    forest = extract_forest(model)
    changed = program.Program(forest.replace(threshold=forest.trees.threshold + 0.25))
    with pytest.raises(VerificationError, match=r"RandomTreesEmbedding find other leaves in \d trees"):
        verify(changed, Settings(), extractor, model)
    verify(program.Program(forest), Settings(), extractor, model)


def test_leaves_of_an_embedding_are_those_of_apply():
    X = rows_that_hurt("embedding")
    same_bits(TensorizedEstimator(fitted("embedding")).apply(X), library_leaves(fitted("embedding"), X))
