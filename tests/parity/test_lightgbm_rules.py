"""Rules of LightGBM's that single models show: casts, tiny values, ties, averages."""

import warnings

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import torch
from agreement import assert_agrees, assert_booster_agrees
from lightgbm_models import (
    CODES_HOLES,
    MODELS,
    QUIET,
    SHARE,
    THREE,
    YES,
    ZEROS,
    C,
    F,
    N,
    R,
    X,
    raw_of,
    same,
    table,
    trained,
)
from versions import is_older

from sktensor import TensorizedEstimator, extract_forest
from sktensor.extractors.lightgbm import extract

pytestmark = [
    pytest.mark.filterwarnings("ignore:The argument 'eval_set'"),
    pytest.mark.filterwarnings("ignore:Cannot compute class probabilities"),
]


def test_rows_of_more_than_100000_columns_of_which_few_are_there():
    """Which the library looks up one by one [LightGBM src/application/predictor.hpp]."""
    columns = [5, 50_000, 100_100]
    place = (np.repeat(np.arange(N), 3), np.tile(columns, N))
    data = scipy.sparse.csr_matrix((ZEROS[:, :3].ravel(), place), shape=(N, 100_101))
    model = R(**QUIET, zero_as_missing=True).fit(data, ZEROS[:, :3] @ [1.0, 2.0, -1.0])
    data.data[::7], data.data[1::11], data.data[2::13] = np.nan, np.inf, -1e-36
    fast = TensorizedEstimator(model, verify=False)
    assert fast.forest_.trees.zero_dir.max() == 1
    same(fast.predict_raw(data), model.predict(data, raw_score=True))


@pytest.mark.parametrize("y", [np.arange(N) % 2, np.arange(N) % 3], ids=["two classes", "three classes"])
def test_a_classifier_with_a_function_as_objective_warns_and_gives_raw_scores(y):
    def gradients(truth, raw):
        truth = truth.astype(int)
        return (raw - (truth if raw.ndim == 1 else np.eye(3)[truth])), np.ones_like(raw)

    rows = np.random.default_rng(0).normal(size=(N, 3))
    model = lgb.LGBMClassifier(objective=gradients, n_estimators=3, n_jobs=1, verbose=-1).fit(rows, y)
    fast = TensorizedEstimator(model)
    for method in ("predict", "predict_proba"):
        found = []
        for est in (model, fast):
            with pytest.warns(UserWarning, match="Cannot compute class probabilities or labels") as caught:
                found.append(getattr(est, method)(rows))
            assert len(caught) == 1
        same(found[1], found[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(fast.predict_raw(rows), model.predict(rows, raw_score=True))


# Kinds of rows in which the library takes tiny values for zero, and kinds in which it does not.
FLUSHED = {"array": np.asarray, "pandas": pd.DataFrame, "csc": scipy.sparse.csc_matrix}
COMPARED = {"csr": scipy.sparse.csr_matrix, "coo": scipy.sparse.coo_matrix, "polars": pl.DataFrame, "pyarrow": table}


@pytest.mark.filterwarnings("ignore:Converting data to scipy sparse matrix")
@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("kind", [*FLUSHED, *COMPARED])
def test_tiny_values_are_zero_in_the_same_containers_as_in_the_library(kind):
    # Between negative values and zero the threshold is -1e-35, which is also the smallest value taken for zero.
    data = np.random.default_rng(2).integers(-1, 2, (200, 1)).astype(float)
    model = R(**{**QUIET, "min_child_samples": 1}).fit(data, data[:, 0])
    edge = -float(np.float32(1e-35))
    assert edge in extract(model).trees.threshold
    rows, make = np.array([[edge], [-edge], [0.0], [-1.0]]), {**FLUSHED, **COMPARED}[kind]
    frame_of_others = kind in ("polars", "pyarrow") and is_older("lightgbm", "4.7")  # which needs a package for them
    answer = model.predict(scipy.sparse.csr_matrix(rows) if frame_of_others else make(rows), raw_score=True)
    assert (answer[0] == answer[2]) == (kind in FLUSHED)
    for strategy, backend in (("auto", "auto"), ("tree_traversal", "torch")):
        fast = TensorizedEstimator(model, strategy=strategy, backend=backend)
        same(fast.predict_raw(make(rows)), answer)
        same(fast.predict_raw(make(np.tile(rows, (100, 1)))), np.tile(answer, 100))  # which are read another way


def test_integers_are_cast_to_float32_on_every_path():
    model = MODELS["epoch seconds"]()
    near = np.rint(extract(model).trees.threshold).astype(np.int64)[:, None] + np.arange(-60, 60, 7)
    whole = np.random.default_rng(3).choice(near.ravel(), size=(80, F))
    answer = model.predict(whole, raw_score=True)
    assert (answer != model.predict(whole.astype(np.float64), raw_score=True)).any()
    for strategy, backend in (("auto", "auto"), ("tree_traversal", "torch")):
        fast = TensorizedEstimator(model, strategy=strategy, backend=backend)
        for rows in (whole, whole.astype(np.uint32), np.asfortranarray(whole)):
            same(fast.predict_raw(rows), answer)
        same(fast.predict_raw(torch.tensor(whole)).numpy(), answer)


@pytest.mark.parametrize("kind", [1, 3, 5, 7, 9, 11])
def test_categorical_split_ignores_default_left_and_missing_type(kind):
    """Whichever the text says; the library itself writes 1 and 9."""
    text = MODELS["categories with NaN"]().booster_.model_to_string()
    lines = [
        "decision_type=" + " ".join(str(kind) if int(word) & 1 else word for word in line.partition("=")[2].split())
        if line.startswith("decision_type=")
        else line
        for line in text.split("\n")
        if not line.startswith("tree_sizes=")  # optional, and no longer right
    ]
    booster = lgb.Booster(model_str="\n".join(lines))
    rows = CODES_HOLES.copy()
    rows[::5, :2], rows[1::5, :2], rows[2::5, 0] = 0.0, np.nan, -1.0
    for strategy in ("auto", "tree_traversal"):
        assert_booster_agrees(booster, rows, strategy, raw={"raw_score": True}, leaves={"pred_leaf": True})
    same(raw_of(extract_forest(booster), rows), booster.predict(rows, raw_score=True))


def test_cross_entropy_lambda_is_accurate_near_zero():
    booster = trained(SHARE, objective="cross_entropy_lambda", keep=True)
    for leaf in range(9):
        booster.set_leaf_output(0, leaf, -10.0 * leaf)
    assert booster.predict(X).min() < 1e-30
    for strategy in ("auto", "tree_traversal"):
        assert_booster_agrees(booster, X, strategy, raw={"raw_score": True}, leaves={"pred_leaf": True})


@pytest.mark.parametrize("best", [4, 99])
def test_a_random_forest_is_averaged_over_its_trees_up_to_the_best_iteration(best):
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
    booster = trained(YES, objective="binary", sigmoid=2.3456789, keep=True, **forest)
    booster.best_iteration = best
    for strategy in ("auto", "tree_traversal"):
        assert_booster_agrees(booster, X, strategy, raw={"raw_score": True}, leaves={"pred_leaf": True})


def test_probability_of_one_half_gives_the_first_class():
    model = C(**{**QUIET, "min_child_samples": N}).fit(X, np.arange(N) % 2)
    assert (model.predict_proba(X) == 0.5).all() and not model.predict(X).any()
    for strategy in ("auto", "tree_traversal"):
        assert_agrees(model, X, strategy=strategy)


def test_equal_probabilities_of_different_scores_give_the_first_class():
    model = C(**{**QUIET, "learning_rate": 1e-19, "boost_from_average": False}).fit(X, THREE)
    raw = model.predict(X, raw_score=True)
    assert raw.argmax(axis=1).any() and not model.predict(X).any()
    for strategy in ("auto", "tree_traversal"):
        assert_agrees(model, X, strategy=strategy)
