"""Trained boosters, and CatBoost's base class: no estimators of scikit-learn, and wrapped as if they were."""

from __future__ import annotations

import copy
import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from agreement import same_bits
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

import sktensor
from sktensor import TensorizedEstimator, tensorize

catboost = pytest.importorskip("catboost")
lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
SCORE = X @ [1.0, -0.5, 0.3, 0.2]
TWO, THREE, NUMBERS = (SCORE > 0).astype(int), np.digitize(SCORE, [-0.5, 0.5]), np.abs(SCORE)
FRAME = pd.DataFrame(X, columns=list("abcd"))


def of_xgboost(rows=X, y=TWO, **params):
    return xgboost.train({"nthread": 1, **params}, xgboost.DMatrix(rows, y), 4)


def of_lightgbm(rows=X, y=TWO, **params):
    params = {"verbose": -1, "num_threads": 1, **params}
    return lightgbm.train(params, lightgbm.Dataset(rows, y), 4)


def of_catboost(rows=X, y=TWO, **params):
    params = {"iterations": 4, "verbose": 0, "allow_writing_files": False, "thread_count": 1, **params}
    return catboost.CatBoost(params).fit(rows, y)


BOOSTERS = {
    "xgboost, two classes": lambda rows: of_xgboost(rows, objective="binary:logistic"),
    "xgboost, raw": lambda rows: of_xgboost(rows, objective="binary:logitraw"),
    "xgboost, three classes": lambda rows: of_xgboost(rows, THREE, objective="multi:softprob", num_class=3),
    "xgboost, labels": lambda rows: of_xgboost(rows, THREE, objective="multi:softmax", num_class=3),
    "xgboost, counts": lambda rows: of_xgboost(rows, NUMBERS, objective="count:poisson"),
    "xgboost, dart": lambda rows: of_xgboost(rows, NUMBERS, booster="dart", rate_drop=0.5),
    "lightgbm, two classes": lambda rows: of_lightgbm(rows, objective="binary"),
    "lightgbm, three classes": lambda rows: of_lightgbm(rows, THREE, objective="multiclass", num_class=3),
    "lightgbm, numbers": lambda rows: of_lightgbm(rows, NUMBERS),
    "lightgbm, counts": lambda rows: of_lightgbm(rows, NUMBERS, objective="poisson"),
}
CATBOOST = {
    "catboost, numbers": lambda rows: of_catboost(rows, NUMBERS, loss_function="RMSE"),
    "catboost, two classes": lambda rows: of_catboost(rows, loss_function="Logloss"),
    "catboost, three classes": lambda rows: of_catboost(rows, THREE, loss_function="MultiClass"),
}
ALL = BOOSTERS | CATBOOST


def library_answers(booster, rows, what="values"):
    """What the library's own predict gives of rows."""
    if isinstance(booster, xgboost.Booster):
        given = {"values": {}, "raw": {"output_margin": True}, "leaves": {"pred_leaf": True}}[what]
        return np.asarray(booster.predict(xgboost.DMatrix(rows), **given))
    if isinstance(booster, lightgbm.Booster):
        given = {"values": {}, "raw": {"raw_score": True}, "leaves": {"pred_leaf": True}}[what]
        return np.asarray(booster.predict(rows, **given))
    if what == "leaves":
        return booster.calc_leaf_indexes(rows)
    return booster.predict(rows, **({"prediction_type": "RawFormulaVal"} if what == "raw" else {}))


@pytest.fixture(params=ALL)
def booster(request):
    return ALL[request.param](X)


@pytest.fixture(params=BOOSTERS)
def trained(request):
    """One without a fit."""
    return BOOSTERS[request.param](X)


def test_values_raw_scores_and_leaves_are_the_librarys(booster):
    fast = TensorizedEstimator(booster)
    for rows in (X, X[:1], X.astype(np.float32), np.asfortranarray(X)):
        same_bits(fast.predict(rows), library_answers(booster, rows))
        same_bits(fast.predict_raw(rows), library_answers(booster, rows, "raw"))
        same_bits(fast.apply(rows), library_answers(booster, rows, "leaves"))
    assert fast.n_features_in_ == 4 and fast.forest_.n_trees >= 4 and fast.explain_plan(10).n_rows == 10


def test_values_are_those_of_the_module(booster):
    torch = pytest.importorskip("torch")
    raw = tensorize(booster, output="raw")(torch.from_numpy(X)).numpy()
    same_bits(TensorizedEstimator(booster).predict_raw(X), raw)
    value = tensorize(booster)(torch.from_numpy(X)).numpy()
    assert value.shape == TensorizedEstimator(booster).predict(X).shape


@pytest.mark.parametrize("name", ALL)
def test_names_of_columns_are_those_of_the_frame(name):
    booster = ALL[name](FRAME)
    fast = TensorizedEstimator(booster)
    same_bits(fast.predict(FRAME), library_answers(booster, FRAME))
    assert fast.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match=r"[Ff]eature names"):
        fast.predict(FRAME.rename(columns={"a": "other"}))


def test_copies_pickles_and_dumps_give_the_same(booster):
    fast = TensorizedEstimator(booster)
    expected = fast.predict(X)
    dump = io.BytesIO()
    joblib.dump(fast, dump)
    for again in (pickle.loads(pickle.dumps(fast)), joblib.load(dump), copy.deepcopy(fast), copy.copy(fast)):
        same_bits(again.predict(X), expected)
        same_bits(again.predict_raw(X), fast.predict_raw(X))


def test_files_give_the_same_without_the_booster(booster, tmp_path):
    fast = TensorizedEstimator(booster)
    sktensor.save(fast, tmp_path / "booster.safetensors")
    again = sktensor.load(tmp_path / "booster.safetensors")
    for rows in (X, X[:1].astype(np.float32)):
        same_bits(again.predict(rows), fast.predict(rows))
        same_bits(again.predict_raw(rows), fast.predict_raw(rows))
        same_bits(again.apply(rows), fast.apply(rows))
    assert get_tags(again).estimator_type == get_tags(fast).estimator_type
    assert "Booster" in repr(again) or "CatBoost" in repr(again)
    sktensor.save(again, tmp_path / "again.safetensors")
    same_bits(sktensor.load(tmp_path / "again.safetensors").predict(X), fast.predict(X))


def test_clone_keeps_a_booster_and_forgets_the_fit_of_catboost(trained):
    fast = TensorizedEstimator(trained)
    assert clone(fast).estimator is trained
    same_bits(clone(fast).set_params(strategy="gemm").predict(X), fast.predict(X))
    unfitted = clone(TensorizedEstimator(of_catboost(y=NUMBERS, loss_function="RMSE")))
    assert not unfitted.__sklearn_is_fitted__()
    same_bits(unfitted.fit(X, NUMBERS).predict(X), of_catboost(y=NUMBERS, loss_function="RMSE").predict(X))


def test_fit_says_that_a_booster_comes_trained(trained):
    for fit in (TensorizedEstimator(trained).fit, make_pipeline(StandardScaler(), TensorizedEstimator(trained)).fit):
        with pytest.raises(TypeError, match="Booster comes trained and has no fit: predict works at once"):
            fit(X, TWO)


def test_last_step_of_a_pipeline(booster):
    scaler = StandardScaler().fit(X)
    model = make_pipeline(scaler, TensorizedEstimator(booster))
    same_bits(model.predict(X), library_answers(booster, scaler.transform(X)))
    frozen = make_pipeline(FrozenEstimator(TensorizedEstimator(booster))).fit(X, TWO)
    same_bits(frozen.predict(X), library_answers(booster, X))
    assert "TensorizedEstimator" in repr(model) and "TensorizedEstimator" in model._repr_html_()


def test_it_is_shown_before_and_after_it_is_compiled(booster):
    fast = TensorizedEstimator(booster)
    kind = type(booster).__name__
    for _ in range(2):
        assert kind in repr(fast) and kind in fast._repr_html_() and "predict" in dir(fast)
        assert not get_tags(fast).requires_fit or fast.__sklearn_is_fitted__()
        assert fast.get_params(deep=False)["estimator"] is booster
        fast.predict(X)


def test_methods_of_classifiers_are_missing(trained):
    fast = TensorizedEstimator(trained)
    for method in ("predict_proba", "predict_log_proba", "decision_function", "transform", "score"):
        assert not hasattr(fast, method)
    with pytest.raises(AttributeError, match="the wrapped Booster has none"):
        fast.predict_proba  # noqa: B018
