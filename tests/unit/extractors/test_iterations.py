"""Ranges of iterations: the trees, bases, averages and leaf numbers with which each library predicts for a range."""

from __future__ import annotations

import functools

import catboost as cb
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import torch
import xgboost as xgb
from agreement import same_bits, within_ulps
from sklearn.ensemble import HistGradientBoostingRegressor

from sktensor import Forest, UnsupportedModelError, extract_forest, tensorize

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
Y = X[:, 0] - 2 * (X[:, 1] > 0.3) + X[:, 2] * X[:, 3]
YES, THREE = (Y > 0).astype(int), np.digitize(Y, [-1.0, 0.5])
N_ROUNDS = 9
RANGES = [(0, 1), (0, 4), (2, 5), (3, N_ROUNDS), (N_ROUNDS - 1, N_ROUNDS), (0, N_ROUNDS)]
QUICK = {"n_estimators": N_ROUNDS, "n_jobs": 1, "max_depth": 3}
EARLY = {"early_stopping_rounds": 2, "learning_rate": 0.9}


def stopped(cls, y):
    model = cls(**{**QUICK, "n_estimators": 40, **EARLY})
    return model.fit(X[:200], y[:200], eval_set=[(X[200:], y[200:])], verbose=False)


XGBOOST = {
    "regressor": lambda: xgb.XGBRegressor(base_score=7.0, **QUICK).fit(X, Y),
    "three classes": lambda: xgb.XGBClassifier(**QUICK).fit(X, THREE),
    "parallel trees": lambda: xgb.XGBClassifier(num_parallel_tree=3, subsample=0.5, **QUICK).fit(X, THREE),
    "dart": lambda: xgb.XGBRegressor(booster="dart", rate_drop=0.5, base_score=40.0, **QUICK).fit(X, Y),
    "vector leaves": lambda: xgb.XGBRegressor(multi_strategy="multi_output_tree", **QUICK).fit(X, np.c_[Y, 2 - Y]),
}


@functools.cache
def made(make):
    return make()


@pytest.mark.parametrize("span", RANGES)
@pytest.mark.parametrize("name", XGBOOST)
def test_xgboosts_iteration_range(name, span):
    model = made(XGBOOST[name])
    rows = X.astype(np.float32)
    module = tensorize(model, output="raw", iterations=span)
    same_bits(module(torch.tensor(rows)).numpy(), model.predict(rows, output_margin=True, iteration_range=span))
    booster, matrix = model.get_booster(), xgb.DMatrix(rows)
    leaves = tensorize(model, output="leaf", iterations=span)(torch.tensor(rows)).numpy().reshape(len(X), -1)
    # The library gives leaf numbers for ranges from 0 on only.
    all_of_them = booster.predict(matrix, pred_leaf=True, iteration_range=(0, span[1])).reshape(len(X), -1)
    same_bits(leaves, all_of_them[:, -leaves.shape[1] :])
    found = tensorize(booster, output="raw", iterations=span)(torch.tensor(rows)).numpy()
    same_bits(found, booster.predict(matrix, output_margin=True, iteration_range=span))
    if name in ("regressor", "three classes"):  # the library's own way to cut a booster
        same_bits(tensorize(booster[span[0] : span[1]], output="raw")(torch.tensor(rows)).numpy(), found)


def test_the_end_of_an_xgboost_range_is_by_default_where_predict_stops():
    model = stopped(xgb.XGBClassifier, YES)
    stop, all_of_them = model.best_iteration + 1, model.get_booster().num_boosted_rounds()
    assert 2 < stop < all_of_them
    for span in ((1, None), (1, all_of_them)):
        expected = model.predict(X, output_margin=True, iteration_range=(1, span[1] or stop))
        same_bits(tensorize(model, output="raw", iterations=span)(torch.tensor(X)).numpy(), expected)
    assert extract_forest(model, iterations=(1, None)).n_trees == stop - 1
    assert extract_forest(model, iterations=(1, all_of_them)).n_trees == all_of_them - 1
    assert extract_forest(model.get_booster(), iterations=(1, None)).n_trees == all_of_them - 1
    assert extract_forest(model).n_trees == stop
    assert extract_forest(model, iterations=(1, 3)).n_trees == 2


BAGGED = {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}
LIGHTGBM = {
    "regressor": lambda: lgb.LGBMRegressor(verbose=-1, **QUICK).fit(X, Y + 30),
    "three classes": lambda: lgb.LGBMClassifier(verbose=-1, **QUICK).fit(X, THREE),
    "random forest": lambda: lgb.LGBMRegressor(verbose=-1, **BAGGED, **QUICK).fit(X, Y),
    "random forest of classes": lambda: lgb.LGBMClassifier(verbose=-1, **BAGGED, **QUICK).fit(X, THREE),
    "random forest, many digits": lambda: lgb.train(
        {"verbose": -1, "objective": "binary", "boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1,
         "num_threads": 1, "sigmoid": 0.123456789},
        lgb.Dataset(X, YES), N_ROUNDS, keep_training_booster=True,
    ),
    "linear trees": lambda: lgb.LGBMRegressor(verbose=-1, linear_tree=True, **QUICK).fit(X, Y),
    "dart": lambda: lgb.LGBMRegressor(verbose=-1, boosting_type="dart", drop_rate=0.5, **QUICK).fit(X, Y),
}  # fmt: skip


@pytest.mark.parametrize("span", RANGES)
@pytest.mark.parametrize("name", LIGHTGBM)
def test_lightgbms_start_and_number_of_iterations(name, span):
    model = made(LIGHTGBM[name])
    booster = getattr(model, "booster_", model)
    params = {"start_iteration": span[0], "num_iteration": span[1] - span[0]}
    for given in (model, booster):

        def module(output, given=given):
            return tensorize(given, output=output, iterations=span)(torch.tensor(X)).numpy()

        same_bits(module("raw"), booster.predict(X, raw_score=True, **params))
        same_bits(module("leaf"), booster.predict(X, pred_leaf=True, **params))
        within_ulps(module("value"), booster.predict(X, **params))


def test_the_end_of_a_lightgbm_range_is_by_default_where_predict_stops():
    model = lgb.train(
        {"verbose": -1, "learning_rate": 0.9, "num_threads": 1},
        lgb.Dataset(X[:200], Y[:200]),
        60,
        valid_sets=[lgb.Dataset(X[200:], Y[200:])],
        callbacks=[lgb.early_stopping(3, verbose=False)],
        keep_training_booster=True,
    )
    assert 2 < model.best_iteration < model.current_iteration()
    module = tensorize(model, output="raw", iterations=(1, None))
    same_bits(
        module(torch.tensor(X)).numpy(), model.predict(X, start_iteration=1, num_iteration=model.best_iteration - 1)
    )
    assert extract_forest(model, iterations=(0, model.current_iteration())).n_trees == model.current_iteration()


CALM = {"iterations": N_ROUNDS, "depth": 3, "verbose": 0, "thread_count": 1, "allow_writing_files": False}
FRAME = pd.DataFrame({"x": X[:, 0], "c": RNG.integers(0, 30, 300).astype(str), "y": X[:, 1]})


def moved():
    model = cb.CatBoostRegressor(**CALM).fit(X, Y)
    model.set_scale_and_bias(1.37, 5.0)
    return model


CATBOOST = {
    "regressor": lambda: cb.CatBoostRegressor(**CALM).fit(X, Y + 30),
    "three classes": lambda: cb.CatBoostClassifier(**CALM).fit(X, THREE),
    "Lossguide": lambda: cb.CatBoostRegressor(grow_policy="Lossguide", **CALM).fit(X, Y + 30),
    "Poisson": lambda: cb.CatBoostRegressor(loss_function="Poisson", **CALM).fit(X, np.exp(Y / 4)),
    "scale and bias": moved,
}


@pytest.mark.parametrize("span", RANGES)
@pytest.mark.parametrize("name", CATBOOST)
def test_catboosts_first_and_last_tree(name, span):
    model = made(CATBOOST[name])
    params = {"ntree_start": span[0], "ntree_end": span[1]}

    def module(output):
        return tensorize(model, output=output, iterations=span)(torch.tensor(X)).numpy()

    same_bits(module("raw"), model.predict(X, prediction_type="RawFormulaVal", **params))
    same_bits(module("leaf"), model.calc_leaf_indexes(X, **params))
    if name == "three classes":
        within_ulps(module("proba"), model.predict_proba(X, **params))
    else:
        within_ulps(module("value"), model.predict(X, **params))


def test_iteration_end_zero_as_in_xgboost():
    model = stopped(xgb.XGBRegressor, Y)
    booster, rows = model.get_booster(), torch.tensor(X)
    assert model.best_iteration + 1 < booster.num_boosted_rounds()
    for begin in (0, 1, 3):
        found = tensorize(booster, output="raw", iterations=(begin, 0))(rows).numpy()
        same_bits(found, booster.predict(xgb.DMatrix(X), output_margin=True, iteration_range=(begin, 0)))
    found = tensorize(model, output="raw", iterations=(0, 0))(rows).numpy()
    same_bits(found, model.predict(X, output_margin=True, iteration_range=(0, 0)))
    with pytest.raises(ValueError, match=r"iterations=\(3, 0\): expected a first one and one behind it"):
        extract_forest(model, iterations=(3, 0))  # of which the library forgets the 3


def test_iteration_end_zero_as_in_lightgbm_and_catboost():
    model = made(LIGHTGBM["three classes"])
    for begin in (0, 4):
        found = tensorize(model, output="raw", iterations=(begin, 0))(torch.tensor(X)).numpy()
        same_bits(found, model.predict(X, raw_score=True, start_iteration=begin, num_iteration=0))
    model = made(CATBOOST["regressor"])
    found = tensorize(model, output="raw", iterations=(0, 0))(torch.tensor(X)).numpy()
    same_bits(found, model.predict(X, ntree_start=0, ntree_end=0))
    with pytest.raises(cb.CatBoostError, match="Empty tree range"):
        model.predict(X, ntree_start=3, ntree_end=0)
    with pytest.raises(ValueError, match=r"iterations=\(3, 0\): expected a first one and one behind it"):
        extract_forest(model, iterations=(3, 0))


@pytest.mark.parametrize("given", [3, (1,), (0, 1, 2), "03", (0.0, 2), (0, "all"), (None, 2)])
def test_iterations_are_two_whole_numbers(given):
    for make in (XGBOOST["regressor"], LIGHTGBM["regressor"], CATBOOST["regressor"]):
        with pytest.raises(ValueError, match=r"iterations=.*: expected two whole numbers"):
            extract_forest(made(make), iterations=given)


@pytest.mark.parametrize("span", [(3, 3), (4, 2), (-1, 3), (0, N_ROUNDS + 1), (N_ROUNDS, None)])
@pytest.mark.parametrize("make", [XGBOOST["regressor"], LIGHTGBM["regressor"], CATBOOST["regressor"]])
def test_ranges_that_the_model_lacks_are_refused(make, span):
    with pytest.raises(ValueError, match=f"iterations=.*from 0 to {N_ROUNDS}"):
        extract_forest(made(make), iterations=span)


def test_models_without_rounds_refuse_iterations():
    model = HistGradientBoostingRegressor(max_iter=3).fit(X, Y)
    with pytest.raises(UnsupportedModelError, match="HistGradientBoostingRegressor cannot be cut to iterations"):
        tensorize(model, iterations=(0, 2))
    with pytest.raises(ValueError, match="a forest is what it is"):
        tensorize(Forest.from_trees([{"value": 1.0}], n_features=1), iterations=(0, 1))
