"""The methods and attributes of a wrapped pipeline: those of the pipeline."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
import torch
from agreement import same_bits
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from small_pipelines import FRAME, RNG, WEIGHT, X, Y, folded_kinds, pipeline, told, xgboost

from sktensor import TensorizedEstimator

MODELS = {
    "xgboost": xgboost,
    "forest": lambda: RandomForestClassifier(4, random_state=0),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=4, random_state=0),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=4),
    "regressor": lambda: RandomForestRegressor(4, random_state=0),
    "isolation forest": lambda: IsolationForest(n_estimators=4, random_state=0),
}
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform", "score")


# --- methods --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("fitted_before", [True, False])
def test_every_method_of_the_pipeline(model, fitted_before):
    whole = pipeline(MODELS[model]())
    fast = TensorizedEstimator(whole.fit(X, Y)) if fitted_before else TensorizedEstimator(whole).fit(X, Y)
    whole = fast.estimator_
    for method in METHODS:
        assert hasattr(fast, method) == hasattr(whole, method), method
        if hasattr(whole, method):
            given = (X, Y) if method == "score" else (X,)
            same_bits(np.asarray(getattr(whole, method)(*given)), np.asarray(getattr(fast, method)(*given)))
    alone = TensorizedEstimator(whole[-1])
    scaled = whole[0].transform(X)
    same_bits(alone.predict_raw(scaled), fast.predict_raw(X))
    same_bits(alone.apply(scaled), fast.apply(X))
    assert folded_kinds(fast) == ["d"]


def test_outliers_of_fit_predict():
    whole = pipeline(IsolationForest(n_estimators=5, random_state=0))
    same_bits(clone(whole).fit_predict(X), TensorizedEstimator(whole).fit_predict(X))


@pytest.mark.parametrize("container", ["default", "pandas", "polars"])
@pytest.mark.parametrize("rows", [X, FRAME], ids=["array", "frame"])
def test_embedding_in_the_container_of_set_output(container, rows):
    def made(wrap):
        embedding = RandomTreesEmbedding(n_estimators=3, random_state=0, sparse_output=container == "default")
        return wrap(pipeline(embedding)).set_output(transform=container)

    bare, fast = made(lambda whole: whole), made(TensorizedEstimator)
    for expected, found in [
        (bare.fit_transform(rows), fast.fit_transform(rows)),
        (bare.transform(rows), fast.transform(rows)),
    ]:
        assert type(found) is type(expected)
        if container == "pandas":
            pd.testing.assert_frame_equal(expected, found)
        elif container == "polars":
            assert expected.equals(found)
        else:
            same_bits(expected.toarray(), found.toarray())
    assert fast.get_feature_names_out().tolist() == bare.get_feature_names_out().tolist()
    assert not hasattr(fast, "predict")


def test_base_margin_of_folded_steps():
    whole, margin = pipeline().fit(X, Y), RNG.normal(size=len(X))
    fast = TensorizedEstimator(whole)
    for method in ("predict", "predict_proba"):
        same_bits(getattr(whole, method)(X, base_margin=margin), getattr(fast, method)(X, base_margin=margin))
    assert folded_kinds(fast) == ["d"]


def test_base_margin_of_a_model_without():
    whole = pipeline(RandomForestClassifier(2, random_state=0)).fit(X, Y)
    for model in (whole, TensorizedEstimator(whole)):
        with pytest.raises(TypeError, match="base_margin"):
            model.predict(X, base_margin=WEIGHT)


def test_the_bar_of_verbose(monkeypatch):
    from sktensor.estimator import progress

    monkeypatch.setattr(progress, "DELAY_S", 0)
    shown = []
    watched = progress.with_bar
    monkeypatch.setattr(progress, "with_bar", lambda run, rows: shown.append(len(rows)) or watched(run, rows))
    fast = TensorizedEstimator(pipeline(), verbose=True).fit(X, Y)
    same_bits(fast.predict(X), fast.estimator_.predict(X))
    assert shown == [len(X)]


# --- rows -----------------------------------------------------------------------------------------------------------


def test_tensors_and_lists():
    fast = TensorizedEstimator(pipeline()).fit(X, Y)
    raw = fast.predict_raw(torch.tensor(X))
    assert isinstance(raw, torch.Tensor)
    same_bits(raw.numpy(), fast.predict_raw(X))
    same_bits(fast.predict_proba(torch.tensor(X)), fast.predict_proba(X))
    same_bits(fast.predict_proba(X.tolist()), fast.predict_proba(X))


def test_sparse_rows():
    whole = make_pipeline(StandardScaler(with_mean=False), xgboost())
    rows = scipy.sparse.csr_matrix(np.where(X > 0, X, 0))
    fast = TensorizedEstimator(whole).fit(rows, Y)
    same_bits(fast.predict_proba(rows), fast.estimator_.predict_proba(rows))


@pytest.mark.parametrize("steps", [[], [TruncatedSVD(2, random_state=0)]], ids=["tf-idf", "tf-idf and SVD"])
@pytest.mark.parametrize("model", ["xgboost", "forest"])
def test_rows_of_text(steps, model):
    texts, labels = ["a b c", "b c d", "x y", "y z"] * 20, np.array([0, 0, 1, 1] * 20)
    whole = make_pipeline(TfidfVectorizer(token_pattern=r"\w"), *steps, MODELS[model]())
    fast = TensorizedEstimator(whole).fit(texts, labels)
    for rows in (texts, np.array(texts), np.array(texts, dtype=object), pd.Series(texts), texts[:1]):
        same_bits(fast.estimator_.predict_proba(rows), fast.predict_proba(rows))
    assert fast.score(texts, labels) == fast.estimator_.score(texts, labels)
    assert fast._compiled() is fast._compiled()  # transforming text is no other fit
    assert "TfidfVectorizer" in str(fast.explain_plan(10)) + fast._repr_html_()


@pytest.mark.parametrize(
    "rows",
    [X, FRAME[list("bacde")], FRAME[list("abcd")], FRAME.rename(columns={"a": "q"}), FRAME.assign(z=1), X[:, :3], X[0]],
    ids=["array", "other order", "a column less", "another name", "a column more", "narrow array", "one dimension"],
)
@pytest.mark.parametrize("fitted_on", [X, FRAME], ids=["array", "frame"])
def test_warnings_and_errors_about_columns(rows, fitted_on):
    fast = TensorizedEstimator(pipeline()).fit(fitted_on, Y)
    expected, found = told(fast.estimator_, "predict", rows), told(fast, "predict", rows)
    assert found[1] == expected[1]
    assert type(found[0]) is type(expected[0])
    assert np.array_equal(found[0], expected[0])


@pytest.mark.parametrize("rows", [X, FRAME], ids=["array", "frame"])
def test_no_rows(rows):
    whole = pipeline().fit(rows, Y)
    assert told(TensorizedEstimator(whole), "predict", rows[:0])[0] == told(whole, "predict", rows[:0])[0]


def test_several_targets():
    targets = np.stack([Y, X[:, 1] > 5], axis=1)
    fast = TensorizedEstimator(pipeline(RandomForestClassifier(3, random_state=0))).fit(X, targets)
    for found, expected in zip(fast.predict_proba(X), fast.estimator_.predict_proba(X), strict=True):
        same_bits(found, expected)
    assert folded_kinds(fast) == ["d"]


def test_trees_that_ask_nothing():
    whole = pipeline(RandomForestClassifier(3, random_state=0)).fit(X, np.zeros(len(X)))
    fast = TensorizedEstimator(whole)
    same_bits(fast.predict_proba(X), whole.predict_proba(X))
    same_bits(fast.predict(X), whole.predict(X))


@pytest.mark.parametrize("fitted_before", [True, False])
def test_fitted_attributes(fitted_before):
    fast = TensorizedEstimator(pipeline().fit(FRAME, Y)) if fitted_before else TensorizedEstimator(pipeline())
    if not fitted_before:
        fast.fit(FRAME, Y)
    for _ in range(2):
        assert fast.feature_names_in_.tolist() == list("abcde")
        assert fast.n_features_in_ == 5
        assert fast.classes_.tolist() == [0, 1]
        fast.predict(FRAME)
    assert "StandardScaler" in fast._repr_html_()
    assert "StandardScaler" in TensorizedEstimator(pipeline())._repr_html_()


# --- plans ----------------------------------------------------------------------------------------------------------


def test_the_plan_names_kinds_of_rows_for_which_the_steps_are_run():
    kinds = Pipeline([("columns", ColumnTransformer([("all", StandardScaler(), list("abcde"))])), ("clf", xgboost())])
    fast = TensorizedEstimator(kinds.fit(FRAME, Y))
    objects = FRAME.astype({"c": object})
    same_bits(fast.predict_proba(FRAME), kinds.predict_proba(FRAME))
    same_bits(fast.predict_proba(objects), kinds.predict_proba(objects))
    plan = fast.explain_plan(10)
    assert len(plan.folded_for) == len(plan.run_for) == 1
    kind, why = plan.run_for[0]
    assert "c: object" in kind and why
    assert f"run for: {kind}, since {why}" in str(plan)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score_samples"])
def test_tensors_under_array_api_dispatch(method, monkeypatch):
    whole = pipeline(MODELS["isolation forest"]() if method == "score_samples" else None).fit(X, Y)
    fast = TensorizedEstimator(whole)
    given = torch.from_numpy(X)
    expected = getattr(whole, method)(X)
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with sklearn.config_context(array_api_dispatch=True):
        found = getattr(fast, method)(given)
        of_array = getattr(fast, method)(X)
    assert torch.is_tensor(found) and found.device == given.device
    assert folded_kinds(fast)
    same_bits(found.numpy(), expected)
    same_bits(of_array, expected)
