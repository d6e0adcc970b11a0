"""Exponentials with the last bits of the libraries' own."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import platform

import numpy as np
import pytest
import torch
from agreement import same_bits
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import AdaBoostClassifier, GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from sktensor import TensorizedEstimator
from sktensor.outputs import EXPF_LIMIT
from sktensor.outputs.exponentials import c_exp, c_log, c_log1p, exp, expf

RNG = np.random.default_rng(0)
SPECIAL = [
    0.0,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    88.72283,
    88.72284,
    -87.33655,
    -103.97,
    -103.98,
    1e-45,
    200.0,
    -200.0,
    3e38,
]
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


def arguments():
    spread = [RNG.uniform(-s, s, 20_000) for s in (1e-3, 1.0, 20.0, 104.0)]
    return np.concatenate([*spread, SPECIAL]).astype(np.float32)


@glibc
def test_expf_has_the_bits_of_the_c_librarys():
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    libm.expf.restype, libm.expf.argtypes = ctypes.c_float, [ctypes.c_float]
    x = arguments()
    expected = np.array([libm.expf(float(value)) for value in x], dtype=np.float32)
    same_bits(expf(x), expected)
    same_bits(expf(torch.tensor(x)).numpy(), expected)
    usual = slice(20_000, 80_000)
    assert (np.exp(x[usual].astype(float)).astype(np.float32) != expected[usual]).any()  # a plain exp has not


def test_exp_of_float64_is_that_of_the_arrays_own_library():
    x = arguments().astype(np.float64)
    with np.errstate(over="ignore"):
        same_bits(exp(x), np.exp(x))
    same_bits(exp(torch.tensor(x)).numpy(), torch.tensor(x).exp().numpy())


X = RNG.normal(size=(3000, 4))
REAL = X[:, 0] + X[:, 1] * X[:, 2]
FAR = {"n_estimators": 6, "n_jobs": 1, "max_depth": 4, "learning_rate": 3.0}  # so fast that margins reach hundreds
MODELS = {
    "logistic": lambda: XGBClassifier(n_estimators=20, n_jobs=1).fit(X, REAL > 0),
    "softprob": lambda: XGBClassifier(n_estimators=10, n_jobs=1).fit(X, np.digitize(REAL, [-1, 0, 1])),
    "twelve classes": lambda: XGBClassifier(n_estimators=4, n_jobs=1).fit(X, np.arange(len(X)) % 12),
    "values of twelve classes": lambda: XGBRegressor(
        n_estimators=4, n_jobs=1, objective="multi:softprob", num_class=12
    ).fit(X, np.arange(len(X)) % 12),
    "poisson": lambda: XGBRegressor(n_estimators=20, n_jobs=1, objective="count:poisson").fit(X, np.exp(REAL)),
    "logistic, far from zero": lambda: XGBClassifier(**FAR).fit(X, REAL > 0),
    "values, far from zero": lambda: XGBRegressor(objective="reg:logistic", **FAR).fit(X, REAL > 0),
    "softprob, far from zero": lambda: XGBClassifier(**FAR).fit(X, np.digitize(REAL, [-1, 0, 1])),
}


@glibc
@pytest.mark.parametrize("name", MODELS)
def test_probabilities_and_means_of_xgboost_have_its_bits(name, dispatch):
    model = MODELS[name]()
    if name.endswith("far from zero"):  # where expf overflows, unless something is taken off the margins
        margins = model.predict(X, output_margin=True)
        assert (margins < -EXPF_LIMIT - 1).any() and (margins > EXPF_LIMIT + 1).any()
    fast = TensorizedEstimator(model)
    rows = torch.tensor(X)
    if hasattr(model, "predict_proba"):
        same_bits(fast.predict_proba(X), model.predict_proba(X))
        same_bits(fast.predict_proba(rows).numpy(), model.predict_proba(X))
    same_bits(fast.predict(X), model.predict(X))
    same_bits(np.asarray(fast.predict(rows)), model.predict(X))


def finite_or_inf(function, x):
    try:
        return function(x)
    except OverflowError:
        return math.inf


@pytest.mark.parametrize(("function", "of_c"), [(c_exp, math.exp), (c_log, math.log), (c_log1p, math.log1p)])
def test_functions_of_float64_have_the_bits_of_the_c_librarys(function, of_c):
    x = arguments().astype(np.float64)
    if function is not c_exp:
        x = np.concatenate([np.exp(np.clip(x, -700, 700)), np.abs(x[x != 0]), [np.inf, 5e-324]])
    x = x[~np.isnan(x)]
    same_bits(function(x), np.array([finite_or_inf(of_c, value) for value in x.tolist()]))


OF_LIGHTGBM = {
    "two classes": LGBMClassifier(objective="binary"),
    "three classes": LGBMClassifier(objective="multiclass"),
    "one against all": LGBMClassifier(objective="multiclassova"),
    "poisson": LGBMRegressor(objective="poisson"),
    "cross_entropy_lambda": LGBMRegressor(objective="cross_entropy_lambda"),
}


@pytest.mark.parametrize("kernels", [True, False], ids=["kernels", "numpy"])
@pytest.mark.parametrize("name", OF_LIGHTGBM)
def test_probabilities_and_means_of_lightgbm_have_its_bits(name, kernels, monkeypatch):
    X = RNG.normal(size=(4000, 4))
    number = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int) + (X[:, 3] > 0) * (name != "two classes")
    y = number / 2 if name == "cross_entropy_lambda" else number
    model = OF_LIGHTGBM[name].set_params(n_estimators=40, learning_rate=0.7, n_jobs=1, verbose=-1).fit(X, y)
    wrapped = TensorizedEstimator(model)
    rows = RNG.normal(size=(20_000, 4)) * 2
    wrapped.predict(rows[:1])
    if not kernels:
        monkeypatch.setattr("sktensor.outputs.link_kernels.probabilities", lambda *given: None)
    ask = "predict_proba" if isinstance(model, LGBMClassifier) else "predict"
    same_bits(getattr(wrapped, ask)(rows), getattr(model, ask)(rows))
    same_bits(wrapped.predict(rows), model.predict(rows))


OF_SKLEARN = {
    "boosting": GradientBoostingClassifier(n_estimators=2, max_depth=2),
    "hist": HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=8),
    "adaboost": AdaBoostClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=4),
}


@pytest.mark.parametrize("n_classes", [3, 8, 9, 20])
@pytest.mark.parametrize("name", OF_SKLEARN)
def test_probabilities_of_scikit_learn_are_divided_by_numpys_sum_of_its_scores(name, n_classes):
    """From eight classes on, that depends on how the scores lie in memory, and on the number of rows."""
    y = np.where(
        RNG.random(len(X)) < 0.7, np.argsort(np.argsort(REAL)) * n_classes // len(X), np.arange(len(X)) % n_classes
    )
    model = OF_SKLEARN[name].fit(X, y)
    fast = TensorizedEstimator(model)
    for n in (1, 2, 7, len(X)):
        same_bits(fast.predict_proba(X[:n]), model.predict_proba(X[:n]))
        same_bits(fast.predict(X[:n]), model.predict(X[:n]))
        if name != "hist":
            same_bits(fast.predict_log_proba(X[:n]), model.predict_log_proba(X[:n]))
