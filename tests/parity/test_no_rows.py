"""Batches of no rows: answers in the shapes and dtypes of the library, or its error."""

from __future__ import annotations

import functools
import itertools

import catboost as cb
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
import xgboost as xgb
from agreement import library_leaves, library_raw, same_bits, same_columns
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomTreesEmbedding,
    VotingClassifier,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sktensor import TensorizedEstimator, tensorize

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
Y = X[:, 0] + X[:, 1] * X[:, 2]
YES, THREE, TWO = (Y > 0).astype(int), np.digitize(Y, [-0.5, 0.5]), np.c_[Y, -Y]
LABELS = np.c_[YES, X[:, 2] > 0].astype(int)

OF_XGBOOST = {"n_estimators": 3, "max_depth": 2, "n_jobs": 1}
OF_LIGHTGBM = {"n_estimators": 3, "n_jobs": 1, "verbose": -1}
OF_CATBOOST = {"iterations": 3, "depth": 2, "verbose": 0, "thread_count": 1, "allow_writing_files": False}
R, C = functools.partial(xgb.XGBRegressor, **OF_XGBOOST), functools.partial(xgb.XGBClassifier, **OF_XGBOOST)
LR, LC = functools.partial(lgb.LGBMRegressor, **OF_LIGHTGBM), functools.partial(lgb.LGBMClassifier, **OF_LIGHTGBM)
CR, CC = functools.partial(cb.CatBoostRegressor, **OF_CATBOOST), functools.partial(cb.CatBoostClassifier, **OF_CATBOOST)

MODELS = {
    "xgboost": (R(), Y),
    "xgboost, two classes": (C(), YES),
    "xgboost, three classes": (C(), THREE),
    "xgboost, multi:softmax": (C(objective="multi:softmax"), THREE),
    "xgboost, multi:softmax of two": (C(objective="multi:softmax", num_class=2), YES),
    "xgboost, multi:softprob of two": (C(objective="multi:softprob", num_class=2), YES),
    "xgboost, two targets": (R(), TWO),
    "xgboost, labels": (C(), LABELS),
    "xgboost, vector leaves": (R(multi_strategy="multi_output_tree"), TWO),
    "xgboost, quantiles": (R(objective="reg:quantileerror", quantile_alpha=[0.1, 0.5]), Y),
    "xgboost, hinge": (C(objective="binary:hinge"), YES),
    "xgboost, dart": (C(booster="dart"), THREE),
    "xgboost, one tree": (xgb.XGBRegressor(n_estimators=1, n_jobs=1), Y),
    "xgboost, no tree": (xgb.XGBRegressor(n_estimators=0, n_jobs=1), Y),
    "xgboost, missing of numpy": (C(missing=np.float32(-1)), THREE),
    "xgboost, random forest": (xgb.XGBRFClassifier(**OF_XGBOOST), THREE),
    "lightgbm": (LR(), Y),
    "lightgbm, two classes": (LC(), YES),
    "lightgbm, three classes": (LC(), THREE),
    "catboost": (CR(), Y),
    "catboost, two classes": (CC(), YES),
    "catboost, three classes": (CC(), THREE),
    "catboost, two targets": (CR(loss_function="MultiRMSE"), TWO),
    "catboost, labels": (CC(loss_function="MultiLogloss"), LABELS),
    "catboost, uncertainty": (CR(loss_function="RMSEWithUncertainty"), Y),
    "tree": (DecisionTreeRegressor(max_depth=2), Y),
    "tree, labels": (DecisionTreeClassifier(max_depth=2), LABELS),
    "forest": (RandomForestClassifier(3), THREE),
    "extra trees": (ExtraTreesRegressor(3), TWO),
    "gradient boosting": (GradientBoostingClassifier(n_estimators=3), THREE),
    "gradient boosting, regressor": (GradientBoostingRegressor(n_estimators=3), Y),
    "histograms": (HistGradientBoostingClassifier(max_iter=3), THREE),
    "histograms, regressor": (HistGradientBoostingRegressor(max_iter=3), Y),
    "bagging": (BaggingClassifier(n_estimators=3), THREE),
    "adaboost": (AdaBoostClassifier(n_estimators=3), THREE),
    "adaboost, regressor": (AdaBoostRegressor(n_estimators=3), Y),
    "adaboost, one class": (AdaBoostClassifier(n_estimators=3), np.zeros(len(X))),
    "isolation": (IsolationForest(n_estimators=3), None),
    "embedding": (RandomTreesEmbedding(n_estimators=3), None),
    "voting": (VotingClassifier([("a", RandomForestClassifier(2)), ("b", LC())], voting="soft"), THREE),
}
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform")
CONTAINERS = {
    "float64": lambda rows: rows,
    "float32": lambda rows: rows.astype(np.float32),
    "whole": lambda rows: rows.astype(np.int64),
    "column-major": np.asfortranarray,
    "frame": pd.DataFrame,
    "sparse": sp.csr_matrix,
}
# What the library refuses with any number of rows.
REFUSED = {("histograms", "sparse"), ("histograms, regressor", "sparse"), ("xgboost, missing of numpy", "frame")}


@functools.cache
def fitted(name):
    model, y = MODELS[name]
    model = model.fit(X) if y is None else model.fit(X, y)
    return model, TensorizedEstimator(model)


def asked(ask, rows):
    """The answer, or the error."""
    try:
        return ask(rows)
    except Exception as error:
        return error


def assert_same(ours, theirs):
    if isinstance(theirs, Exception):
        assert isinstance(ours, Exception)
        kind = next(kind for kind in type(theirs).__mro__ if kind.__module__ in ("builtins", "numpy.exceptions"))
        assert isinstance(ours, ValueError if kind is Exception else kind), ours
    elif sp.issparse(theirs):
        same_columns(ours, theirs)
    else:
        same_bits(ours, theirs)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize(
    ("name", "container"), [pair for pair in itertools.product(MODELS, CONTAINERS) if pair not in REFUSED]
)
def test_no_rows_give_the_librarys_answer_or_error(name, container):
    model, fast = fitted(name)
    rows = CONTAINERS[container](X[:0])
    for method in METHODS:
        assert hasattr(fast, method) == hasattr(model, method)
        if hasattr(model, method):
            assert_same(asked(getattr(fast, method), rows), asked(getattr(model, method), rows))


@pytest.mark.evidence("answers")
@pytest.mark.parametrize(
    "name", [name for name in MODELS if name.partition(",")[0] in ("xgboost", "lightgbm", "catboost")]
)
def test_raw_scores_and_leaves_of_no_rows_are_those_of_the_library(name):
    model, fast = fitted(name)
    assert_same(asked(fast.predict_raw, X[:0]), asked(lambda rows: library_raw(model, rows), X[:0]))
    assert_same(asked(fast.apply, X[:0]), asked(lambda rows: library_leaves(model, rows), X[:0]))


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("name", ["tree", "lightgbm", "gradient boosting", "isolation", "bagging"])
def test_tensor_without_rows_is_refused_as_an_array_is(name):
    _, fast = fitted(name)
    for ask in (fast.predict, fast.predict_raw, fast.apply):
        for rows in (torch.tensor(X[:0]), X[:0]):
            with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\) \(shape=\(0, 3\)\)"):
                ask(rows)


def test_leaves_of_a_model_of_xgboost_without_trees_have_its_shape():
    model, fast = fitted("xgboost, no tree")
    same_bits(fast.apply(X), model.apply(X))
    assert fast.apply(X).shape == (0,)


def test_modules_keep_the_output_shape_for_no_rows():
    model, _ = fitted("xgboost, three classes")
    for output, shape in (("raw", (0, 3)), ("proba", (0, 3)), ("leaf", (0, 9))):
        assert tensorize(model, output=output)(torch.tensor(X[:0])).shape == shape
