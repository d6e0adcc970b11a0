"""scikit-learn's random trees embedding: its columns, containers and names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from agreement import library_leaves, same_bits, same_columns
from sklearn.ensemble import (
    IsolationForest,
    RandomTreesEmbedding,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn_ensembles import N_ROWS, extracted, fitted, rows_that_hurt, target, training_rows

import sktensor
from sktensor import TensorizedEstimator, extract_forest
from sktensor.errors import VerificationError
from sktensor.estimator.verification import verify
from sktensor.extractors.sklearn import model as extractor
from sktensor.runtime import program
from sktensor.runtime.settings import Settings
from sktensor.testing import assert_matches


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
