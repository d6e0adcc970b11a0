"""LightGBM's extractor, held against the library itself: raw scores and leaves bit for bit, values by formula."""

import math
import pickle
import warnings

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from agreement import STRATEGIES, assert_agrees, assert_booster_agrees
from reference import hurting, reference_apply, reference_raw
from sklearn.exceptions import NotFittedError
from versions import is_older

from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest
from sktensor.extractors.lightgbm import extract

pytestmark = [
    pytest.mark.filterwarnings("ignore:The argument 'eval_set'"),
    pytest.mark.filterwarnings("ignore:Cannot compute class probabilities"),
]

RNG = np.random.default_rng(7)
N, F = 300, 5
X = RNG.normal(size=(N, F))
HOLES = np.where(RNG.random((N, F)) < 0.15, np.nan, X)
ZEROS = np.where(RNG.random((N, F)) < 0.3, 0.0, X)
GRID = RNG.integers(-15, 16, (N, F)) / 10
EPOCH = 1_700_000_000 + RNG.integers(0, 1_000_000, (N, F)).astype(np.float64)
TINY = X * 1e-35
CODES = np.column_stack([RNG.integers(0, 45, (N, 2)), X[:, :3]]).astype(np.float64)
CODES_HOLES = np.where(RNG.random((N, F)) < 0.1, np.nan, CODES)

signal = X[:, 0] - 2 * (X[:, 1] > 0.3) + X[:, 2] * X[:, 3]
REAL = signal + 0.1 * RNG.normal(size=N)
POSITIVE = np.exp(REAL / 2)
SHARE = 1 / (1 + np.exp(-REAL))
YES = (REAL > 0).astype(int)
THREE = np.digitize(REAL, [-1.5, 0.5])
OF_CODES = (CODES[:, 0] % 3) + (CODES[:, 1] % 7 > 3) + CODES[:, 2]
OF_EPOCH = ((EPOCH[:, 0] % 7) > 3) + (EPOCH[:, 1] - 1.7e9) / 1e6
QUIET = {"verbose": -1, "n_jobs": 1, "n_estimators": 12, "num_leaves": 9, "min_child_samples": 5, "random_state": 0}
CATS = {**QUIET, "min_data_per_group": 5, "cat_smooth": 1.0, "max_cat_to_onehot": 3}
FOREST = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
TRAIN = {"verbose": -1, "num_threads": 1, "num_leaves": 9, "min_data_in_leaf": 5, "seed": 0}


def fit(cls, data, y, params=QUIET, fit_params=None, **more):
    return lambda: cls(**{**params, **more}).fit(data, y, **(fit_params or {}))


def stopped(cls, y, **params):
    """A wrapper that early stopping cut."""
    return cls(**{**QUIET, "n_estimators": 30, "learning_rate": 0.9, **params}).fit(
        X[:200], y[:200], eval_set=[(X[200:], y[200:])], callbacks=[lgb.early_stopping(2, verbose=False)]
    )


def trained(y, rounds=12, data=X, keep=False, **params):
    return lgb.train({**TRAIN, **params}, lgb.Dataset(data, y), rounds, keep_training_booster=keep)


def stopped_booster(keep=True):
    data = lgb.Dataset(X[:200], YES[:200])
    booster = lgb.train(
        {**TRAIN, "objective": "binary", "learning_rate": 0.9},
        data,
        30,
        valid_sets=[lgb.Dataset(X[200:], YES[200:], reference=data)],
        callbacks=[lgb.early_stopping(2, verbose=False)],
        keep_training_booster=keep,
    )
    assert 0 < booster.best_iteration < 30
    return booster


def reloaded(booster, **which):
    return lgb.Booster(model_str=booster.model_to_string(**which))


def squared_error(true, predicted):
    return predicted - true, np.ones_like(predicted)


def softmax_error(true, predicted):
    p = np.exp(predicted) / np.exp(predicted).sum(1, keepdims=True)
    return p - np.eye(3)[true.astype(int)], np.full_like(p, 0.5)


def zero_thresholds():
    """The library puts its own thresholds beside zero, at 1e-35; a model from elsewhere may have them there."""
    thresholds = iter(["0", "-0", "1e-300", "-1e-300"] * 30)
    lines = trained(REAL, objective="regression").model_to_string().split("\n")
    edited = [
        "threshold=" + " ".join(next(thresholds) for _ in line.split()) if line.startswith("threshold=") else line
        for line in lines
        if not line.startswith("tree_sizes=")  # optional, and no longer right
    ]
    return lgb.Booster(model_str="\n".join(edited))


def dart():
    return {"boosting_type": "dart", "drop_rate": 0.5}


def overwritten_linear_leaf():
    booster = trained(REAL, linear_tree=True, keep=True, objective="regression")
    return booster.set_leaf_output(0, 1, 17.5).set_leaf_output(3, 2, -4.25)


def continued():
    """Trees without linear leaves first, then trees with them."""
    first = trained(REAL, 4, objective="regression")
    return lgb.train({**TRAIN, "linear_tree": True}, lgb.Dataset(X, REAL, free_raw_data=False), 4, init_model=first)


R, C, K = lgb.LGBMRegressor, lgb.LGBMClassifier, lgb.LGBMRanker
MODELS = {
    # boosting
    "regressor": fit(R, X, REAL),
    "classifier": fit(C, X, YES),
    "three classes": fit(C, X, THREE),
    "goss": fit(R, X, REAL, data_sample_strategy="goss"),
    "goss by boosting_type": fit(R, X, REAL, boosting_type="goss"),
    "dart": fit(R, X, REAL, **dart()),
    "dart classifier": fit(C, X, THREE, **dart()),
    "rf": fit(R, X, REAL, **FOREST),
    "rf poisson": fit(R, X, POSITIVE, objective="poisson", **FOREST),
    "rf classifier": fit(C, X, YES, **FOREST),
    "rf three classes": fit(C, X, THREE, **FOREST),
    "rf linear": fit(R, X, REAL, linear_tree=True, **FOREST),
    "bagging, columns": fit(R, X, REAL, subsample=0.5, subsample_freq=1, colsample_bytree=0.6),
    "monotone": fit(R, X, REAL, monotone_constraints=[1, 0, 0, 0, 0]),
    "base class": fit(lgb.LGBMModel, X, REAL, objective="regression"),
    "subclass": fit(type("Mine", (C,), {}), X, YES),
    # missing values
    "NaN": fit(R, HOLES, REAL),
    "NaN classifier": fit(C, HOLES, THREE),
    "NaN, use_missing=False": fit(R, HOLES, REAL, use_missing=False),
    "zero_as_missing": fit(R, ZEROS, REAL, zero_as_missing=True),
    "zero_as_missing with NaN": fit(C, np.where(np.isnan(HOLES), np.nan, ZEROS), YES, zero_as_missing=True),
    "NaN against the rest": fit(R, np.where(np.isnan(HOLES), np.nan, 1.0), REAL),
    # columns
    "one-decimal grid": fit(R, GRID, GRID @ [1.0, -2.0, 0.5, 0.0, 3.0]),
    "epoch seconds": fit(R, EPOCH, OF_EPOCH),
    "tiny values": fit(R, TINY, REAL),
    "float32": fit(R, X.astype(np.float32), REAL),
    "int64": fit(R, EPOCH.astype(np.int64), OF_EPOCH),
    "csr": fit(R, scipy.sparse.csr_matrix(ZEROS), REAL),
    "constant columns": fit(R, np.where([True, False, True, False, True], X, 3.0), REAL),
    "thresholds at zero": zero_thresholds,
    # objectives
    **{
        f"objective {name}": fit(R, X, REAL, objective=name)
        for name in ("regression_l1", "huber", "fair", "quantile", "mape")
    },
    **{
        f"reg_sqrt {name}": fit(R, X, REAL, objective=name, reg_sqrt=True)
        for name in ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
    },
    **{f"objective {name}": fit(R, X, POSITIVE, objective=name) for name in ("poisson", "gamma", "tweedie")},
    **{f"objective {name}": fit(R, X, SHARE, objective=name) for name in ("cross_entropy", "cross_entropy_lambda")},
    "sigmoid": fit(C, X, YES, sigmoid=0.7),
    "sigmoid with many digits": fit(C, X, YES, sigmoid=1.123456789),
    "multiclassova": fit(C, X, THREE, objective="multiclassova", sigmoid=2.71828),
    "regressor, multiclass": fit(R, X, THREE, objective="multiclass", num_class=3),
    "classifier, cross_entropy": fit(C, X, YES, objective="cross_entropy"),
    "classifier, regression": fit(C, X, YES, objective="regression"),
    "two labels, multiclass": fit(C, X, YES, objective="multiclass", num_class=2),
    "lambdarank": fit(K, X, THREE, fit_params={"group": [30] * 10}),
    "rank_xendcg": fit(K, X, THREE, objective="rank_xendcg", fit_params={"group": [30] * 10}),
    "custom regressor": fit(R, X, REAL, objective=squared_error),
    "custom classifier": fit(C, X, YES, objective=squared_error),
    "custom three classes": fit(C, X, THREE, objective=softmax_error),
    # labels
    "string labels": fit(C, X, np.array(["no", "yes"])[YES]),
    "object labels": fit(C, X, np.array(["low", "middle", "high"], dtype=object)[THREE]),
    "shifted labels": fit(C, X, THREE.astype(np.int32) + 5),
    "float labels": fit(C, X, YES * 2.0 - 1),
    "bool labels": fit(C, X, YES.astype(bool)),
    "one label": fit(C, X, np.full(N, "only")),
    "constant target": fit(R, X, np.full(N, 3.25)),
    "constant target, linear": fit(R, X, np.full(N, 3.25), linear_tree=True),
    "stumps": fit(R, X, REAL, num_leaves=2),
    "one tree": fit(C, X, YES, n_estimators=1),
    # iterations
    "early stopping": lambda: stopped(C, YES),
    "early stopping, classes": lambda: stopped(C, THREE),
    "early stopping, dart-less rf": lambda: stopped(R, REAL, **FOREST),
    "early stopping, pickled": lambda: pickle.loads(pickle.dumps(stopped(C, YES))),
    # linear trees
    "linear": fit(R, X, REAL, linear_tree=True),
    "linear with NaN": fit(R, HOLES, REAL, linear_tree=True),
    "linear classifier": fit(C, X, THREE, linear_tree=True),
    "linear on tiny values": fit(R, TINY, REAL, linear_tree=True),
    "linear dart": fit(R, X, REAL, linear_tree=True, **dart()),
    "linear with categories": fit(
        R, CODES, OF_CODES, CATS, linear_tree=True, fit_params={"categorical_feature": [0, 1]}
    ),
    "linear, leaves overwritten": overwritten_linear_leaf,
    "linear after constant": continued,
    # categories
    "categories": fit(R, CODES, OF_CODES, CATS, fit_params={"categorical_feature": [0, 1]}),
    "categories with NaN": fit(R, CODES_HOLES, OF_CODES, CATS, fit_params={"categorical_feature": [0, 1]}),
    "categories, classes": fit(C, CODES, THREE, CATS, fit_params={"categorical_feature": [0, 1]}),
    "categories, one-hot": fit(
        R, CODES, OF_CODES, CATS, max_cat_to_onehot=64, fit_params={"categorical_feature": [0, 1]}
    ),
    "categories, booster": lambda: lgb.train(
        {**TRAIN, "cat_smooth": 1.0, "min_data_per_group": 5},
        lgb.Dataset(CODES, OF_CODES, categorical_feature=[0, 1]),
        8,
    ),
    "categories, zero_as_missing": fit(
        R, CODES_HOLES, OF_CODES, CATS, zero_as_missing=True, fit_params={"categorical_feature": [0, 1]}
    ),
    # boosters
    "booster": lambda: trained(REAL, objective="regression"),
    "binary booster": lambda: trained(YES, objective="binary"),
    "multiclass booster": lambda: trained(THREE, objective="multiclass", num_class=3),
    "booster, an absent class": lambda: trained(YES, objective="multiclass", num_class=3),
    "ova booster": lambda: trained(THREE, objective="multiclassova", num_class=3, sigmoid=1.23456),
    "rf booster": lambda: trained(YES, objective="binary", boosting="rf", bagging_freq=1, bagging_fraction=0.5),
    "booster kept": stopped_booster,
    "booster cut": lambda: stopped_booster(keep=False),
    "booster kept, reloaded whole": lambda: reloaded(stopped_booster(), num_iteration=-1),
    "booster reloaded": lambda: reloaded(trained(YES, objective="binary", sigmoid=0.3)),
    "booster sliced": lambda: reloaded(
        trained(THREE, objective="multiclass", num_class=3), start_iteration=3, num_iteration=4
    ),
    "rf booster sliced": lambda: reloaded(
        fit(R, X, POSITIVE, objective="poisson", **FOREST)().booster_, num_iteration=5
    ),
    "booster unpickled": lambda: pickle.loads(pickle.dumps(stopped_booster())),
    "booster without trees": lambda: lgb.Booster({**TRAIN, "objective": "binary"}, lgb.Dataset(X, YES)),
    "booster, best_iteration set": lambda: setattr(b := trained(REAL), "best_iteration", 5) or b,
    "sigmoid with many digits, booster": lambda: trained(YES, objective="binary", sigmoid=0.123456789),
    "sigmoid with many digits, kept": lambda: trained(YES, objective="binary", sigmoid=0.123456789, keep=True),
    "sigmoid with many digits, unpickled": lambda: pickle.loads(
        pickle.dumps(trained(THREE, objective="multiclassova", num_class=3, sigmoid=2.3456789, keep=True))
    ),
    "sigmoid with many digits, rf": lambda: trained(
        YES, objective="binary", sigmoid=2.3456789, keep=True, boosting="rf", bagging_freq=1, bagging_fraction=0.5
    ),
    "sigmoid in small steps": lambda: trained(YES, objective="binary", sigmoid=1.5e-5),
    "pred_early_stop of training only": lambda: trained(YES, objective="binary", pred_early_stop=True),
}


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    """A model, its forest and rows that hurt."""
    model = MODELS[request.param]()
    forest = extract_forest(model)
    rng = np.random.default_rng(11)
    rows = np.vstack([hurting(forest, rng, n=250), X[:40], EPOCH[:20], GRID[:40]])
    tiny = [1e-35, -1e-35, float(np.float32(1e-35)), np.nextafter(float(np.float32(1e-35)), 1), 1e-36, 5e-324, -0.0]
    rows[rng.random(rows.shape) < 0.1] = rng.choice(tiny)
    if forest.trees.is_cat is not None:
        codes = [*range(70), -0.5, -0.999, -1.0, 2.7, 2.0**31, 2.0**31 - 1, -(2.0**31), 1e300, np.inf, np.nan]
        for column in np.unique(forest.trees.feature[forest.trees.is_cat]):
            rows[::2, column] = rng.choice(codes, size=len(rows[::2]))
    return model, forest, rows


def same(ours, library):
    assert ours.dtype == library.dtype
    assert ours.shape == library.shape
    assert ours.tobytes() == library.tobytes()


def raw_of(forest, rows):
    out = reference_raw(forest, rows)
    return out.reshape(len(out), *forest.outputs.raw_shape)


@pytest.mark.evidence("answers")
def test_raw_scores_have_the_bits_of_the_library(case):
    model, forest, rows = case
    same(raw_of(forest, rows), model.predict(rows, raw_score=True))
    with np.errstate(over="ignore"):
        single = rows.astype(np.float32)
    same(raw_of(forest, single), model.predict(single, raw_score=True))


@pytest.mark.evidence("answers")
def test_leaf_numbers_are_those_of_the_library(case):
    model, forest, rows = case
    same(reference_apply(forest, rows), model.predict(rows, pred_leaf=True))


def test_other_dtypes_pass_through_float32(case):
    model, forest, _ = case
    rng = np.random.default_rng(3)
    inner = forest.trees.threshold[np.isfinite(forest.trees.threshold) & (np.abs(forest.trees.threshold) < 2**60)]
    near = np.concatenate([np.rint(inner), np.rint(inner) + 1, [2**24 + 1, 2**53 + 1, -(2**31) - 7, 0, 1, 2, 3, 40]])
    whole = rng.choice(near.astype(np.int64), size=(80, F))
    for rows in (
        whole,
        whole.astype(np.int32),
        (whole % 50).astype(np.uint8),
        whole % 2 == 0,
        X[:50].astype(np.float16),
    ):
        same(raw_of(forest, rows), model.predict(rows, raw_score=True))


def test_absent_entries_of_sparse_rows_are_zero(case):
    model, forest, rows = case
    # Values within 1e-35 that stand in a CSR matrix are compared as they are: the library flushes them in dense
    # arrays and CSC matrices only [LightGBM src/c_api.cpp RowPairFunctionFromDenseMatric, RowFunctionFromCSR].
    absent = np.random.default_rng(5).random(rows.shape) < 0.5
    rows = np.where(absent | (np.abs(rows) <= np.float32(1e-35)), 0.0, rows)
    same(raw_of(forest, rows), model.predict(scipy.sparse.csr_matrix(rows), raw_score=True))


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


def linked(forest, raw):
    """Values from raw scores by the formulas of the library, with the C library's functions."""
    raw = raw / forest.outputs.div if forest.outputs.raw_is_pre_div else raw

    def each(function):
        return np.array([function(v) for v in raw.ravel().tolist()]).reshape(raw.shape)

    def exp(v):
        return math.inf if v > 709.7 else math.exp(v)

    match forest.outputs.link:
        case "identity":
            return raw
        case "sign_square":
            return np.sign(raw) * raw * raw
        case "c_exp":
            return each(exp)
        case "sigmoid":
            return each(lambda v: 1.0 / (1.0 + exp(-forest.outputs.link_param * v)))
        case "log1p_exp":
            return each(lambda v: math.log1p(exp(v)))
        case "c_softmax":
            e = np.vectorize(math.exp)(raw - raw.max(axis=1, keepdims=True))
            return e / np.add.accumulate(e, axis=1)[:, -1:]


@pytest.mark.evidence("answers")
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_values_follow_from_raw_scores_by_the_extracted_link(case):
    model, forest, rows = case
    if forest.trees.lin_off is not None:  # huge inputs leave inf and NaN, which no comparison of ulps takes
        rows = np.clip(rows, -10, 10)
    predict = lgb.LGBMModel.predict if isinstance(model, lgb.LGBMModel) else lgb.Booster.predict
    raw = predict(model, rows, raw_score=True)
    theirs = predict(model, rows)
    ours = linked(forest, raw).reshape(len(rows), *forest.outputs.value_shape)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    np.testing.assert_array_max_ulp(ours, theirs, maxulp=4)


@pytest.mark.evidence("answers")
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_labels_and_probabilities_follow_the_extracted_rules(case):
    model, forest, rows = case
    values = linked(forest, model.predict(rows, raw_score=True))
    rules = forest.outputs.proba, forest.outputs.decision, forest.outputs.classes
    if not isinstance(model, lgb.LGBMClassifier):
        assert rules == ("none", "none", ())
    elif callable(model.objective_):
        assert rules == ("values", "none", ())
        same(values, model.predict(rows))
        same(values, model.predict_proba(rows))
    else:
        assert_labels_and_probabilities(model, forest, rows, values)


def assert_labels_and_probabilities(model, forest, rows, values):
    """Those that the rules make of a classifier's values are the model's."""
    proba = np.column_stack([1.0 - values, values]) if forest.outputs.proba == "complement" else values
    np.testing.assert_array_max_ulp(proba[:, -1], model.predict_proba(rows)[:, -1], maxulp=4)
    assert proba.shape == model.predict_proba(rows).shape
    number = (values > 0.5).astype(int) if forest.outputs.decision == "half" else values.argmax(axis=1)
    (classes,) = forest.outputs.classes
    predicted = model.predict(rows)
    assert classes[number].dtype == predicted.dtype
    assert classes[number].tolist() == predicted.tolist()


@pytest.mark.evidence("answers")
def test_inputs_are_taken_as_the_library_takes_them(case):
    _, forest, _ = case
    assert (forest.trees.feature_dtype, forest.trees.acc_dtype, forest.trees.cmp, forest.outputs.leaf_dtype) == (
        "float64",
        "float64",
        "le",
        "int32",
    )
    assert (
        forest.inputs.flush_tiny
        and forest.inputs.ints_as_float32
        and forest.inputs.accepts_nan
        and forest.inputs.accepts_inf
    )
    assert (forest.inputs.sparse_absent, forest.trees.cat_mode, forest.n_features) == ("zero", "lgb", F)
    assert not forest.trees.base.any()


def forest_of(name):
    return extract(MODELS[name]())


def test_cases_cover_every_rule():
    assert forest_of("zero_as_missing").trees.zero_dir.max() == 1
    assert np.isinf(forest_of("NaN against the rest").trees.threshold).any()
    assert forest_of("categories").trees.cat_words.max() > 1
    assert np.diff(forest_of("linear").trees.lin_off).max() > 1
    assert (np.diff(forest_of("linear after constant").trees.lin_off) == 0).sum() >= 9
    assert (forest_of("booster, an absent class").trees.root < 0).tolist()[:3] == [False, False, True]
    assert forest_of("constant target").n_nodes == 0
    for name, missing in (("regressor", 0), ("zero_as_missing", 1), ("NaN", 2)):
        line = MODELS[name]().booster_.model_to_string().partition("\ndecision_type=")[2].partition("\n")[0]
        assert missing in {int(kind) >> 2 for kind in line.split()}, name
    sides = forest_of("regressor")
    assert set((sides.trees.nan_left == (sides.trees.threshold >= 0)).tolist()) == {True}


def test_cover_counts_the_training_rows_of_each_node_and_leaf():
    forest = forest_of("regressor")
    cover = np.append(forest.trees.cover[: forest.n_nodes], forest.trees.cover[forest.n_nodes :])
    of_leaf = cover[forest.n_nodes :]
    children = [np.where(c >= 0, cover[c], of_leaf[~c]) for c in (forest.trees.left, forest.trees.right)]
    assert (cover[forest.trees.root] == N).all()
    assert (children[0] + children[1] == cover[: forest.n_nodes]).all()


def test_only_the_iterations_of_predict_are_kept():
    kept = MODELS["booster kept"]()
    assert kept.num_trees() > kept.best_iteration == extract(kept).n_trees
    three = MODELS["early stopping, classes"]()
    assert extract(three).n_trees == 3 * three.best_iteration_
    assert 0 < three.best_iteration_ < three.n_estimators
    assert forest_of("three classes").trees.tree_target.tolist()[:4] == [0, 1, 2, 0]


def test_numbers_are_read_as_the_library_reads_them():
    """The sigmoid factor of a loaded model, of which predictions show every bit."""
    text = trained(YES, rounds=1, objective="binary").model_to_string()
    rng = np.random.default_rng(0)
    numbers = [f"{v:g}" for v in np.concatenate([np.exp(3 * rng.normal(size=40)), 10 ** rng.uniform(-9, 9, 40)])]
    misread = 0
    for number in [*numbers, "1e-05", "17"]:
        booster = lgb.Booster(model_str=text.replace("sigmoid:1\n", f"sigmoid:{number}\n"))
        for leaf in range(9):
            booster.set_leaf_output(0, leaf, rng.normal() / float(number))
        forest = extract(booster)
        same(linked(forest, booster.predict(X, raw_score=True)), booster.predict(X))
        misread += float(number) != forest.outputs.link_param
    assert misread  # else the reader would be no different from float()


@pytest.mark.evidence("refused")
def test_a_factor_with_digits_that_no_prediction_shows_is_refused_by_name():
    booster = lgb.Booster({**TRAIN, "objective": "binary", "sigmoid": 0.123456789}, lgb.Dataset(X, YES))
    with pytest.raises(UnsupportedModelError, match=r"sigmoid=0\.123456789 has more digits"):
        extract(booster)


# Frames


def frame():
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "size": rng.normal(size=N),
            "colour": pd.Categorical(rng.choice(["red", "green", "blue"], N)),
            "year": pd.Categorical(rng.choice([2020, 2021, 2023], N)),
            "width": pd.Categorical(rng.choice([0.5, 1.5, 2.5], N)),
            "same": pd.Categorical(["x"] * N),
        }
    )


def target(data):
    return data["size"] + 2 * (data["colour"] == "red") + (data["year"] == 2021) - (data["width"] == 0.5)


@pytest.mark.parametrize("loaded", [False, True])
def test_pandas_categories_become_tables_of_their_values(loaded):
    data = frame()
    model = lgb.LGBMRegressor(**CATS).fit(data, target(data))
    forest = extract_forest(reloaded(model.booster_) if loaded else model)
    assert forest.inputs.unknown_category == "nan"
    tables = [None if table is None else table.tolist() for table in forest.inputs.categories]
    assert tables == [None, ["blue", "green", "red"], [2020, 2021, 2023], [0.5, 1.5, 2.5], ["x"]]
    # The tables stand for what the library does with a frame, a category it has not seen included.
    other = data.assign(colour=pd.Categorical(["mauve" if i % 5 == 0 else c for i, c in enumerate(data["colour"])]))
    coded = np.column_stack(
        [
            other[name].astype(float) if table is None else pd.Index(table).get_indexer(other[name])
            for name, table in zip(other, tables, strict=True)
        ]
    ).astype(np.float64)
    coded[:, 1:][coded[:, 1:] < 0] = np.nan
    same(raw_of(forest, coded), model.predict(other, raw_score=True))
    assert np.isnan(coded).any() and forest.trees.is_cat.any()


@pytest.mark.parametrize(
    "trained", [[False, True], [0, 1, 2], [0.5, 1.0, 2.0], [2**60, 2**60 + 1, 7], ["1", "True", "a"]], ids=str
)
@pytest.mark.parametrize("loaded", [False, True])
def test_categories_of_another_dtype_are_matched_as_by_pandas(trained, loaded):
    place = np.arange(N) % len(trained)
    data = pd.DataFrame({"kind": pd.Categorical.from_codes(place, trained), "x": X[:, 0]})
    model = lgb.LGBMRegressor(**{**CATS, "max_cat_to_onehot": 1, "min_data_per_group": 1}).fit(data, 3.0 * place)
    if loaded:
        model._Booster = reloaded(model.booster_)
    fast = TensorizedEstimator(model)
    assert fast.forest_.trees.is_cat.any()
    others = ([False, True], [True], [0, 1], [0, 1, 2, 3], [1], [1.0, 0.5], [0.5, 2.0**60], [7, 2**60 + 1], ["a", "1"])
    answers = set()
    for other in (trained, *others):
        rows = data.assign(kind=pd.Categorical.from_codes(np.arange(N) % (len(other) + 1) - 1, other))
        answers.add(model.predict(rows, raw_score=True).tobytes())
        same(fast.predict_raw(rows), model.predict(rows, raw_score=True))
    assert len(answers) > 2


def test_frames_without_categories_have_no_tables():
    data = frame()[["size"]].assign(other=1.0 * np.arange(N))
    assert extract(lgb.LGBMRegressor(**QUIET).fit(data, data["size"])).inputs.categories is None


def ordered():
    data = frame()
    return data.assign(year=data["year"].cat.as_ordered())


def of_other_kinds(values):
    return frame()[["size"]].assign(kind=pd.Categorical(values))


@pytest.mark.parametrize(
    ("data", "fit_params"),
    [
        (ordered(), {}),
        (frame().assign(number=np.arange(N) % 5), {"categorical_feature": ["number"]}),
        (frame().assign(number=np.arange(N) % 5), {"categorical_feature": ["number", "colour"]}),
        (frame()[["width", "size", "colour"]], {"categorical_feature": [2]}),
    ],
    ids=["ordered", "explicit column", "explicit columns", "one of two"],
)  # fmt: skip
def test_categories_beside_an_explicit_list_are_numbered_in_the_order_of_the_frame(data, fit_params):
    y = data["size"] + 2 * (data["colour"] == "red") + 3 * (data["width"] == 0.5) + np.arange(N) % 5
    model = lgb.LGBMRegressor(**CATS).fit(data, y, **fit_params)
    fast = TensorizedEstimator(model)
    assert fast.forest_.inputs.categories_in_order
    turned = data.assign(colour=data["colour"].cat.set_categories(data["colour"].cat.categories[::-1]))
    fewer = data.assign(colour=data["colour"].cat.remove_categories(data["colour"].cat.categories[:1]))
    for rows in (data, turned, fewer, data[:1]):
        same(fast.predict(rows), model.predict(rows))
    plain = data.assign(colour=data["colour"].cat.codes)
    for est in (model, fast):
        with pytest.raises(ValueError, match="train and valid dataset categorical_feature do not match"):
            est.predict(plain)


@pytest.mark.evidence("refused")
def test_categories_of_more_than_one_kind_are_refused_by_name():
    data = of_other_kinds(np.array([1, "a"], dtype=object)[np.arange(N) % 2])
    model = lgb.LGBMRegressor(**CATS).fit(data, np.arange(N) % 5)
    with pytest.raises(UnsupportedModelError, match="pandas_categorical"):
        extract(model)


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


def test_tables_that_fit_no_listed_column_belong_to_those_of_the_frame(monkeypatch):
    data = frame()[["size", "colour"]]
    booster = lgb.LGBMRegressor(**CATS).fit(data, data["size"]).booster_
    text = booster.model_to_string(num_iteration=-1)
    line = next(line for line in text.split("\n") if line.startswith("feature_infos="))
    monkeypatch.setattr(
        booster, "model_to_string", lambda num_iteration: text.replace(line, "feature_infos=[0:2] [0:2]")
    )
    assert extract(booster).inputs.categories_in_order


@pytest.mark.evidence("refused")
def test_categories_that_the_library_cannot_write_are_refused_by_name():
    data = of_other_kinds(pd.date_range("2020-01-01", periods=3)[np.arange(N) % 3])
    booster = lgb.train(TRAIN, lgb.Dataset(data, data["size"]), 2, keep_training_booster=True)
    with pytest.raises(UnsupportedModelError, match=r"pandas_categorical.*Timestamp"):
        extract(booster)


# Refusals


@pytest.mark.parametrize("cls", [R, C, K])
def test_unfitted_model_raises_the_error_of_predict(cls):
    with pytest.raises(NotFittedError) as theirs:
        cls().predict(X)
    with pytest.raises(NotFittedError) as ours:
        extract_forest(cls())
    assert str(ours.value) == str(theirs.value)


@pytest.mark.evidence("refused")
def test_prediction_early_stopping_is_refused_by_name():
    model = lgb.LGBMClassifier(**QUIET, pred_early_stop=True).fit(X, YES)
    with pytest.raises(UnsupportedModelError, match="pred_early_stop=True"):
        extract(model)
    later = lgb.LGBMClassifier(**QUIET).fit(X, YES).set_params(pred_early_stop="true")
    with pytest.raises(UnsupportedModelError, match="pred_early_stop='true'"):
        extract(later)
    assert extract(model.set_params(pred_early_stop=False)).n_trees == 12


@pytest.mark.evidence("refused")
def test_a_set_of_boosters_is_refused():
    models = lgb.cv({**TRAIN, "objective": "binary"}, lgb.Dataset(X, YES), 2, return_cvbooster=True)["cvbooster"]
    with pytest.raises(UnsupportedModelError, match="CVBooster"):
        extract(models)


class Doubling:
    """Answers of its own."""

    def predict(self, *args, **kwargs):
        return 2 * super().predict(*args, **kwargs)


class DoublingRegressor(Doubling, R):
    pass


class DoublingBooster(Doubling, lgb.Booster):
    pass


@pytest.mark.evidence("refused")
def test_answers_of_a_subclass_or_an_object_of_their_own_are_refused_by_name():
    model = R(**QUIET).fit(X, REAL)
    patched = R(**QUIET).fit(X, REAL)
    patched.predict = lambda X: X[:, 0]
    for own, named in (
        (DoublingRegressor(**QUIET).fit(X, REAL), "DoublingRegressor replaces predict of LGBMRegressor"),
        (DoublingBooster(model_str=model.booster_.model_to_string()), "DoublingBooster replaces predict of Booster"),
        (patched, "LGBMRegressor replaces predict"),
    ):
        with pytest.raises(UnsupportedModelError, match=named):
            extract_forest(own)


@pytest.mark.evidence("refused")
def test_estimators_for_dask_are_refused_and_told_what_to_do():
    model = type("DaskLGBMRegressor", (R,), {"__module__": "lightgbm.dask"})(**QUIET).fit(X, REAL)
    with pytest.raises(UnsupportedModelError, match=r"DaskLGBMRegressor predicts on dask .* model\.to_local\(\)"):
        extract_forest(model)


@pytest.mark.evidence("refused")
def test_more_outputs_than_labels_are_refused_by_name():
    model = lgb.LGBMClassifier(**QUIET, objective="multiclass", num_class=4).fit(X, YES)
    with pytest.raises(UnsupportedModelError, match="num_class=4"):
        extract(model)


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version=v4", "version=v5", "version='v5'"),
        ("tree\n", "forest\n", "starts with 'forest'"),
        ("label_index=0", "label_index=0\nsplit_rule=oblique", "header .*split_rule"),
        ("num_cat=0", "num_cat=0\nis_oblique=1", "tree 0 .*is_oblique"),
        ("num_cat=0", "num_cat=0\nnum_cat=0", "twice"),
        ("objective=binary sigmoid:1", "objective=binary_focal", "objective='binary_focal'"),
        ("objective=binary sigmoid:1", "objective=binary sigmoid:1 gamma:2", "gamma:2"),
        ("objective=binary sigmoid:1", "objective=gamma sqrt", "gamma sqrt"),
        ("\nnum_class=1", "\nnum_class=2", "num_class=2"),
        ("decision_type=2 ", "decision_type=14 ", "decision_type=14"),
        ("decision_type=2 ", "decision_type=-2 ", "decision_type=-2"),
        ("decision_type=2 ", "", "7 of 8 entries: 'decision_type'|unknown"),
        ("threshold=", "threshold=0.5 ", "9 of 8 entries: 'threshold'"),
        ("leaf_value=", "leaf_value=x", "'leaf_value'"),
        ("split_feature=", "split_gain2=", "split_gain2"),
        ("\nTree=1\n", "\n", "announces 12 trees and holds 11"),
    ],
)
def test_unknown_model_text_is_refused_by_name(monkeypatch, old, new, said):
    booster = trained(YES, objective="binary")
    text = booster.model_to_string(num_iteration=-1)
    assert old in text
    monkeypatch.setattr(booster, "model_to_string", lambda num_iteration: text.replace(old, new, 1))
    with pytest.raises(UnsupportedModelError, match=said):
        extract(booster)


def test_last_number_of_model_text_is_read_completely(monkeypatch):
    booster = trained(YES, objective="binary")
    before, key, after = booster.model_to_string(num_iteration=-1).rpartition("\nleaf_value=")
    numbers, end, rest = after.partition("\n")
    monkeypatch.setattr(booster, "model_to_string", lambda num_iteration: before + key + numbers + "x" + end + rest)
    with pytest.raises(UnsupportedModelError, match="'leaf_value' that are no numbers"):
        extract(booster)


def test_missing_line_of_model_text_is_named(monkeypatch):
    booster = trained(YES, objective="binary")
    lines = booster.model_to_string(num_iteration=-1).split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith("right_child="))
    monkeypatch.setattr(booster, "model_to_string", lambda num_iteration: "\n".join(lines[:at] + lines[at + 1 :]))
    with pytest.raises(UnsupportedModelError, match=r"Tree 0 .*'right_child'"):
        extract(booster)


def test_model_text_without_counts_is_read(monkeypatch):
    booster = trained(YES, objective="binary")
    text = booster.model_to_string(num_iteration=-1).replace("internal_count", "internal_value2", 1)
    monkeypatch.setattr(booster, "model_to_string", lambda num_iteration: "\n".join(
        line for line in text.split("\n") if not line.startswith(("internal_value2", "leaf_count", "is_linear"))
    ))  # fmt: skip
    forest = extract_forest(booster)
    assert forest.trees.cover is None
    same(raw_of(forest, X), booster.predict(X, raw_score=True))


@pytest.mark.evidence("answers")
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_wrapper_answers_as_the_model_does_in_every_strategy(case, strategy):
    model, _, rows = case
    if isinstance(model, lgb.Booster):
        assert_booster_agrees(model, rows, strategy, raw={"raw_score": True}, leaves={"pred_leaf": True})
    else:
        assert_agrees(model, rows, strategy=strategy)


def table(rows):
    return pa.table({"Column_0": rows[:, 0]})


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


@pytest.mark.evidence("refused")
def test_a_random_forest_without_trees_is_refused():
    booster = lgb.Booster({**TRAIN, **FOREST, "objective": "binary"}, lgb.Dataset(X, YES))
    assert np.isnan(booster.predict(X)).all()
    with pytest.raises(UnsupportedModelError, match="boosting='rf' without trees"):
        extract(booster)


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
