"""A program that differs from its model is found out when it is compiled."""

from __future__ import annotations

import dataclasses
import functools
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
import xgboost
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from sktensor import Forest, TensorizedEstimator, VerificationError, extract_forest
from sktensor.backends.cpu import tops
from sktensor.estimator import compiling, verification
from sktensor.estimator.verification import probe, verify
from sktensor.native import loader
from sktensor.registry import find_extractor
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

X, Y = load_wine(return_X_y=True)
HOLES = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)

MODELS = {
    "xgboost": lambda: XGBClassifier(n_estimators=8, n_jobs=1).fit(HOLES, Y),
    "xgboost, base score": lambda: XGBRegressor(n_estimators=8, n_jobs=1).fit(HOLES, Y),
    "xgboost, names": lambda: XGBRegressor(n_estimators=3, n_jobs=1).fit(pd.DataFrame(X).add_prefix("c"), Y),
    "xgboost, sentinel": lambda: XGBRegressor(n_estimators=8, n_jobs=1, missing=0.0).fit(X, Y),
    "xgboost, dart": lambda: XGBRegressor(n_estimators=8, n_jobs=1, booster="dart", rate_drop=0.5).fit(X, Y),
    "lightgbm": lambda: LGBMClassifier(n_estimators=8, verbose=-1).fit(HOLES, Y),
    "lightgbm, names": lambda: LGBMRegressor(n_estimators=3, verbose=-1).fit(pd.DataFrame(X).add_prefix("c "), Y),
    "lightgbm, categories": lambda: LGBMRegressor(n_estimators=8, verbose=-1, cat_smooth=1, min_data_per_group=2).fit(
        np.floor(X), Y, categorical_feature=[0, 4]
    ),
    "lightgbm, linear": lambda: LGBMRegressor(n_estimators=8, verbose=-1, linear_tree=True).fit(X, Y),
    "forest": lambda: RandomForestClassifier(n_estimators=8, random_state=0, n_jobs=2).fit(HOLES, Y),
    "forest, names": lambda: RandomForestRegressor(n_estimators=3).fit(pd.DataFrame(X).add_prefix("c"), Y),
    "forest, targets": lambda: RandomForestClassifier(n_estimators=3).fit(X, np.column_stack([Y, Y > 0])),
    "tree": lambda: DecisionTreeRegressor().fit(X, Y),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=8).fit(X, Y),
    "histograms": lambda: HistGradientBoostingClassifier(max_iter=8).fit(pd.DataFrame(HOLES).add_prefix("c"), Y),
    "frozen": lambda: FrozenEstimator(LGBMRegressor(n_estimators=3, verbose=-1).fit(X, Y)),
    "booster": lambda: xgboost.train({"nthread": 1}, xgboost.DMatrix(HOLES, Y), 8),
    "lightgbm booster": lambda: LGBMRegressor(n_estimators=3, verbose=-1).fit(X, Y).booster_,
}


@functools.cache
def fitted(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MODELS[name]()


def check(model, forest):
    verify(Program(forest), Settings(), find_extractor(model), model)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", MODELS)
def test_correct_program_passes_verification(name):
    model = fitted(name)
    check(model, extract_forest(model))


def changed(forest, **fields):
    return forest.replace(**fields)


def one_ulp(values):
    values = np.array(values)
    values.flat[values.size // 2] = np.nextafter(values.flat[values.size // 2], values.dtype.type(np.inf))
    return values


BREAKS = {
    "the other comparison": lambda f: changed(f, cmp="lt" if f.trees.cmp == "le" else "le"),
    "the other missing side": lambda f: changed(f, nan_left=~f.trees.nan_left),
    "an ulp in the base score": lambda f: changed(f, base=one_ulp(f.trees.base + np.array(0.1, f.trees.base.dtype))),
    "an ulp in all leaves": lambda f: changed(
        f, leaf_value=np.nextafter(f.trees.leaf_value, f.trees.leaf_value.dtype.type(1e9))
    ),
    "children swapped": lambda f: changed(f, left=f.trees.right, right=f.trees.left),
    "another column": lambda f: changed(f, feature=(f.trees.feature + 1) % f.n_features),
    "a sixteenth of the leaves": lambda f: changed(
        f,
        leaf_value=f.trees.leaf_value + (np.arange(f.n_leaves) % 16 == 0)[:, None].astype(f.trees.leaf_value.dtype),
    ),
}


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "forest", "histograms"])
@pytest.mark.parametrize("rule", BREAKS)
def test_broken_rule_is_detected(name, rule):
    model = fitted(name)
    with pytest.raises(VerificationError, match=r"differ in \d+ of 256 probe rows"):
        check(model, BREAKS[rule](extract_forest(model)))


def test_the_error_says_which_rows_outputs_and_trees_differ():
    model = fitted("xgboost")
    forest = extract_forest(model)
    threshold = forest.trees.threshold.copy()
    threshold[forest.trees.root[4]] = -1e30
    with pytest.raises(
        VerificationError, match=r"in outputs \[1\], by up to .*; 1 trees end in other leaves \(first 4\)"
    ):
        check(model, changed(forest, threshold=threshold))
    leaves = forest.trees.leaf_value.copy()
    leaves[:] = leaves * np.float32(1.5)
    with pytest.raises(VerificationError, match="all leaves are the same, so the sum or what follows it differs"):
        check(model, changed(forest, leaf_value=leaves))


def test_the_estimator_verifies_unless_told_not_to(monkeypatch):
    model = fitted("lightgbm")
    broken = BREAKS["the other comparison"](extract_forest(model))
    monkeypatch.setattr(compiling, "forest_of", lambda fitted, extractor: broken)
    with pytest.raises(VerificationError):
        TensorizedEstimator(model).predict(X)
    assert TensorizedEstimator(model, verify=False).predict(X).shape == Y.shape


def test_probe_holds_thresholds_and_their_neighbours():
    forest = extract_forest(fitted("xgboost"))
    rows = probe(forest)
    assert rows.dtype == np.float32 and rows.shape == (256, 13)
    for feature in np.unique(forest.trees.feature):
        thresholds = np.unique(forest.trees.threshold[forest.trees.feature == feature])
        column = rows[:, feature]
        assert np.isin(thresholds, column).mean() > 0.5
        assert np.isnan(column).any() and (column == 0).any()
        assert np.isin(column, np.nextafter(thresholds, np.float32(np.inf))).any()
        assert np.isin(column, np.nextafter(thresholds, np.float32(-np.inf))).any()
    np.testing.assert_array_equal(rows, probe(forest))


def test_a_model_of_leaves_alone_is_verified_too():
    model = XGBRegressor(n_estimators=3, max_depth=1, gamma=1e9, n_jobs=1).fit(X, Y)
    assert extract_forest(model).n_nodes == 0
    check(model, extract_forest(model))


def test_model_without_a_library_is_not_verified():
    class Own:
        def __sktensor_forest__(self):
            return Forest.from_trees([{"value": 1.0}], n_features=2)

    check(Own(), extract_forest(Own()))


def test_diabetes_models_are_verified_in_every_strategy():
    data, target = load_diabetes(return_X_y=True)
    for strategy in ("gemm", "tree_traversal", "perfect_tree_traversal"):
        fast = TensorizedEstimator(XGBRegressor(n_estimators=20, n_jobs=1), strategy=strategy).fit(data, target)
        assert fast.forest_.n_trees == 20


def test_the_probe_of_many_columns_is_bounded_and_draws_for_those_that_are_looked_at():
    trees = [
        {"feature": 7 * i, "threshold": i / 3, "left": {"value": 1.0}, "right": {"value": 2.0}} for i in range(1, 100)
    ]
    narrow, wide = (Forest.from_trees(trees, n_features=n) for n in (700, 2**20))
    assert probe(narrow).shape == (256, 700)
    tracemalloc.start()
    found = probe(wide)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 8 <= len(found) <= 16 and peak < 1.1 * found.nbytes
    drawn = np.flatnonzero((found != 0).any(axis=0) | np.isnan(found).any(axis=0))
    assert set(drawn.tolist()) <= set(range(7, 700, 7)) and len(drawn) > 50


@pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")
def test_circuits_that_only_many_rows_enter_are_verified_too(monkeypatch):
    X = np.random.default_rng(0).normal(size=(2000, 5))
    model = RandomForestClassifier(10, random_state=0).fit(X, X[:, 0] * X[:, 1] > 0)
    forest = extract_forest(model)
    assert verification.N_MANY >= tops.LEAST_ROWS
    assert tops.pay(forest.trees)
    settings, extractor = Settings(strategy="tree_traversal", backend="native"), find_extractor(model)
    verify(Program(forest), settings, extractor, model)
    whole = tops._tops

    def swapped(trees, tables):
        found = whole(trees, tables)
        return dataclasses.replace(found, left=found.right, right=found.left)

    monkeypatch.setattr(tops, "_tops", swapped)
    with pytest.raises(VerificationError, match=r"differ in \d+ of 1000 probe rows"):
        verify(Program(forest), settings, extractor, model)
