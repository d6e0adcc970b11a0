"""XGBoost's base_margin: sums that start where the caller says, bit for bit, and nothing else that takes it."""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
import xgboost as xgb
from agreement import STRATEGIES, same_bits
from lightgbm import LGBMRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import sktensor
from sktensor import TensorizedEstimator
from sktensor.backends.cpu.engine import STRATEGIES as NATIVE_STRATEGIES
from sktensor.native import loader

RNG = np.random.default_rng(0)
N = 500
X = RNG.normal(size=(N, 4)).astype(np.float32)
Y = X[:, 0] - 2 * (X[:, 1] > 0.3) + X[:, 2] * X[:, 3]
YES, THREE = (Y > 0).astype(int), np.digitize(Y, [-1.0, 0.5])
R, C = xgb.XGBRegressor, xgb.XGBClassifier
QUICK = {"n_estimators": 30, "max_depth": 4, "n_jobs": 1}
ONE, ONES, TWO, MANY = (RNG.normal(size=shape) * 10 for shape in (N, (N, 1), (N, 2), (N, 3)))

CASES = {
    "regressor": (lambda: R(base_score=7.0, **QUICK).fit(X, Y), ONE),
    "float32": (lambda: R(**QUICK).fit(X, Y), ONE.astype(np.float32)),
    "integers that float32 rounds": (lambda: R(**QUICK).fit(X, Y), RNG.integers(-(2**30), 2**30, N)),
    "one column": (lambda: R(**QUICK).fit(X, Y), ONES),
    "a series": (lambda: R(**QUICK).fit(X, Y), pd.Series(ONE)),
    "infinities and -0.0": (lambda: R(**QUICK).fit(X, Y), RNG.choice([np.inf, -np.inf, -0.0, 1e300, np.nan, 1e-40], N)),
    "poisson": (lambda: R(objective="count:poisson", **QUICK).fit(X, YES), ONE / 10),
    "two classes": (lambda: C(base_score=0.2, **QUICK).fit(X, YES), ONE),
    "three classes": (lambda: C(**QUICK).fit(X, THREE), MANY),
    "three classes, softmax": (lambda: C(objective="multi:softmax", **QUICK).fit(X, THREE), MANY),
    "vector leaves": (lambda: R(multi_strategy="multi_output_tree", **QUICK).fit(X, np.c_[Y, 2 - Y]), TWO),
    "random forest": (lambda: xgb.XGBRFRegressor(**QUICK).fit(X, Y), ONE),
    "single leaves": (lambda: R(gamma=1e9, **QUICK).fit(X, Y), ONE),
    "large trees": (lambda: R(**{**QUICK, "max_depth": 12, "min_child_weight": 0}).fit(X, Y), ONE),
}


@functools.cache
def fitted(name):
    return CASES[name][0]()


def agrees(fast, model, margin, rows=X):
    expected = model.predict(X, output_margin=True, base_margin=margin)
    same_bits(np.asarray(fast.predict_raw(rows, base_margin=margin)), expected)
    return expected


@pytest.mark.parametrize("name", CASES)
def test_sums_start_at_the_margin_instead_of_the_base_score(name):
    model, margin = fitted(name), CASES[name][1]
    fast = TensorizedEstimator(model)
    with np.errstate(all="ignore"):
        found = agrees(fast, model, margin)
        expected = model.predict(X, base_margin=margin)
        if isinstance(model, C):
            same_bits(fast.predict(X, base_margin=margin), expected)
            same_bits(fast.predict_proba(X, base_margin=margin), model.predict_proba(X, base_margin=margin))
        else:
            same_bits(fast.predict(X, base_margin=margin), expected)
    without = model.predict(X, output_margin=True)
    assert (found != without).any()
    same_bits(fast.predict_raw(X), without)  # as before


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", ["regressor", "three classes", "vector leaves", "single leaves"])
def test_every_strategy_and_kernel_starts_at_the_margin(name, strategy):
    model, margin = fitted(name), CASES[name][1]
    agrees(TensorizedEstimator(model, strategy=strategy, backend="torch", batch_size=70), model, margin)
    if strategy in NATIVE_STRATEGIES and loader.library() is not None:
        for n_jobs in (1, 2):
            agrees(TensorizedEstimator(model, strategy=strategy, backend="native", n_jobs=n_jobs), model, margin)


def test_several_kernels_in_turn_add_the_margin_once(monkeypatch):
    monkeypatch.setattr("sktensor.backends.cpu.kernels.MOST_PLANES", 20)
    model = fitted("three classes")
    agrees(TensorizedEstimator(model, strategy="bitsliced"), model, MANY)


def test_rows_that_a_kernel_looks_at_first_start_once():
    """With such a sentinel the library refuses infinities, for which the kernel looks while it adds."""
    rows = np.where(RNG.random(X.shape) < 0.1, np.float32(np.nan), X)
    model = R(missing=np.float32(-999), **QUICK).fit(rows, Y)
    expected = model.predict(rows, output_margin=True, base_margin=ONE)
    for strategy in ("bitsliced", "tree_traversal"):
        fast = TensorizedEstimator(model, strategy=strategy)
        assert not fast.forest_.inputs.accepts_inf
        same_bits(fast.predict_raw(rows, base_margin=ONE), expected)


def test_the_order_of_the_sum_shows():
    model = fitted("regressor")
    added = model.predict(X, output_margin=True, base_margin=np.zeros(N)) + ONE.astype(np.float32)
    assert (agrees(TensorizedEstimator(model), model, ONE) != added).any()


def test_frames_tensors_saved_and_pickled_estimators_take_margins_too(tmp_path):
    model = fitted("three classes")
    fast = TensorizedEstimator(model)
    agrees(fast, model, MANY, pd.DataFrame(X))
    found = fast.predict_raw(torch.tensor(X), base_margin=torch.tensor(MANY))
    assert isinstance(found, torch.Tensor)
    same_bits(found.numpy(), agrees(fast, model, MANY))
    sktensor.save(fast, tmp_path / "file")
    agrees(sktensor.load(tmp_path / "file"), model, MANY)
    agrees(pickle.loads(pickle.dumps(fast)), model, MANY)
    kept = MANY.copy()
    fast.predict_raw(X, base_margin=kept)
    same_bits(kept, MANY)


@pytest.mark.parametrize(
    ("name", "margin", "said"),
    [
        ("regressor", ONE[:-1], r"expected shape \(500, 1\) or \(500,\), got \(499,\)"),
        ("regressor", TWO, r"got \(500, 2\)"),
        ("three classes", ONE, r"expected shape \(500, 3\), got \(500,\)"),
        ("three classes", MANY.T, r"got \(3, 500\)"),
        ("three classes", MANY.ravel(), r"got \(1500,\)"),
        ("regressor", 1.0, r"got \(\)"),
    ],
)
def test_margins_of_another_shape_are_refused_as_in_the_library(name, margin, said):
    with pytest.raises(ValueError, match=said):
        TensorizedEstimator(fitted(name)).predict(X, base_margin=margin)
    if np.ndim(margin):
        with pytest.raises((ValueError, xgb.core.XGBoostError)):
            fitted(name).predict(X, base_margin=margin)


def test_the_library_subtracts_its_base_score_from_a_margin_of_dart_so_that_it_is_refused():
    model = R(booster="dart", rate_drop=0.5, base_score=40.0, **QUICK).fit(X, Y)
    with pytest.raises(TypeError, match=r"XGBRegressor takes no base_margin.*booster='dart'"):
        TensorizedEstimator(model).predict(X, base_margin=ONE)


@pytest.mark.parametrize("model", [RandomForestRegressor(n_estimators=3), LGBMRegressor(n_estimators=3, verbose=-1)])
def test_models_of_other_libraries_take_no_margin(model):
    fast = TensorizedEstimator(model).fit(X, Y)
    for method in (fast.predict, fast.predict_raw):
        with pytest.raises(TypeError, match=f"{type(model).__name__} takes no base_margin"):
            method(X, base_margin=ONE)


def test_margins_are_routed_to_models_that_request_them():
    with sklearn.config_context(enable_metadata_routing=True):
        model = R(**QUICK).set_predict_request(base_margin=True).set_fit_request(base_margin=True)
        pipe = make_pipeline(FunctionTransformer(), TensorizedEstimator(model)).fit(X, Y, base_margin=ONE)
        inner = pipe[-1].estimator_
        same_bits(pipe.predict(X, base_margin=ONE), inner.predict(X, base_margin=ONE))
        for wrap in (TensorizedEstimator, lambda model: model):
            with pytest.raises(UnsetMetadataPassedError, match="base_margin"):
                make_pipeline(wrap(R(**QUICK).fit(X, Y))).predict(X, base_margin=ONE)
            unwanted = wrap(R(**QUICK).set_predict_request(base_margin=False).fit(X, Y))
            with pytest.raises(TypeError, match="base_margin"):
                make_pipeline(unwanted).predict(X, base_margin=ONE)
