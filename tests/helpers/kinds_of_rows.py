"""A model of every library, wrapped, and its answers to any kind of rows."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pandas as pd
from agreement import same_bits
from catboost import CatBoostRegressor
from lightgbm import LGBMRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from xgboost import XGBRegressor

from sktensor import TensorizedEstimator

RNG = np.random.default_rng(0)
X = np.round(RNG.normal(size=(120, 4)) * 20) / 2
X[::4, 2] = 0.0
X[:, 3] = RNG.integers(0, 2, len(X))
Y = X[:, 0] + np.abs(X[:, 1]) + X[:, 2] + 3 * X[:, 3]
GAPS = X.copy()
GAPS[::3, 1] = np.nan
NAMES = ["a b", "b", "c", "d"]  # a blank, which LightGBM rewrites
MODELS = {
    "xgboost": XGBRegressor(n_estimators=5, n_jobs=1),
    "lightgbm": LGBMRegressor(n_estimators=5, verbose=-1, min_child_samples=2, n_jobs=1),
    "forest": RandomForestRegressor(n_estimators=5, random_state=0),
    "histograms": HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=2),
    "catboost": CatBoostRegressor(iterations=5, depth=3, verbose=0, allow_writing_files=False, thread_count=1),
}


def frame(rows=X, names=NAMES):
    return pd.DataFrame(rows, columns=names)


@functools.cache
def fitted(library, kind="array"):
    """A model of a library, fitted on an array, a wider one, a frame with names or one with numbers for names."""
    model = MODELS[library].__class__(**MODELS[library].get_params())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LightGBM says that it replaces the blank
        return model.fit({"array": X, "wide": np.tile(X, 4), "names": frame(), "numbers": pd.DataFrame(X)}[kind], Y)


@functools.cache
def wrapped(library, kind="array"):
    """Wrappers around such a model: one as users get it, and one that runs tensor code."""
    model = fitted(library, kind)
    return TensorizedEstimator(model), TensorizedEstimator(model, strategy="gemm", backend="torch")


def quiet(predict, rows):
    """The answer without the library's advice on columns, which other tests look at."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X (does not have valid|has) feature names")
        return predict(rows)


def assert_answer(library, rows, numbers, kind="array"):
    """The wrapper gives the library's answer for `rows`: where the library refuses them, that for their numbers."""
    model = fitted(library, kind)
    try:
        expected = quiet(model.predict, rows)
    except Exception:  # whatever it is: the wrapper takes more kinds than each library does
        expected = quiet(fitted(library).predict, numbers)
    for fast in wrapped(library, kind):
        found = quiet(fast.predict, rows)
        same_bits(found, expected)


class Interface:
    """Something that numpy can make an array of."""

    def __init__(self, rows):
        self.rows = rows

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows, dtype=dtype)


def table(rows, make):
    return make({name: rows[:, j] for j, name in enumerate(NAMES)})
