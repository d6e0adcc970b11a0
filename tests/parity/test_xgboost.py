"""XGBoost's extractor, held against the library itself: raw scores and leaves bit for bit, values by formula."""

import json
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import scipy.special
import torch
import xgboost as xgb
from agreement import STRATEGIES, assert_agrees, assert_booster_agrees
from reference import hurting, reference_apply, reference_raw
from sklearn.exceptions import NotFittedError
from versions import is_older, since

from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest, outputs
from sktensor.extractors.xgboost import model as extractor
from sktensor.extractors.xgboost.outputs import LINKS, link_of
from sktensor.extractors.xgboost.trees import leaf_widths, tree_fields
from sktensor.extractors.xgboost.ubjson import parse

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:xgboost")

RNG = np.random.default_rng(7)
N, F = 300, 5
X = RNG.normal(size=(N, F))
HOLES = np.where(RNG.random((N, F)) < 0.15, np.nan, X)
GRID = RNG.integers(-15, 16, (N, F)) / 10
WHOLE = RNG.integers(-4, 5, (N, F))
CODES = np.column_stack([RNG.integers(0, 90, N), RNG.integers(0, 3, N), X[:, :3]]).astype(np.float64)
CODES_HOLES = np.where(RNG.random((N, F)) < 0.1, np.nan, CODES)
KINDS = ["c", "c", "q", "q", "q"]

REAL = X[:, 0] - 2 * (X[:, 1] > 0.3) + X[:, 2] * X[:, 3] + 0.1 * RNG.normal(size=N)
TARGETS = np.column_stack([REAL, 3 * X[:, 4] - 5, REAL * X[:, 1] + 40])
POSITIVE = np.exp(REAL / 2)
SHARE = 1 / (1 + np.exp(-REAL))
YES = (REAL > 0).astype(int)
THREE = np.digitize(REAL, [-1.5, 0.5])
LABELS = (TARGETS > np.median(TARGETS, axis=0)).astype(int)
OF_CODES = (CODES[:, 0] % 3) + 2 * CODES[:, 1] + CODES[:, 2]
QUIET = {"n_estimators": 8, "max_depth": 3, "n_jobs": 1, "random_state": 0}
TRAIN = {"max_depth": 3, "nthread": 1, "seed": 0}
DART = {"booster": "dart", "rate_drop": 0.5}
CATS = {"enable_categorical": True, "feature_types": KINDS, "max_cat_to_onehot": 4, "max_depth": 5}
VECTOR = {"multi_strategy": "multi_output_tree"}


def fit(cls, data, y, fit_params=None, **more):
    return lambda: cls(**{**QUIET, **more}).fit(data, y, **(fit_params or {}))


def stopped(cls, y, **params):
    """A wrapper that early stopping cut."""
    model = cls(**{**QUIET, "n_estimators": 30, "learning_rate": 0.9, "early_stopping_rounds": 2, **params})
    model.fit(X[:200], y[:200], eval_set=[(X[200:], y[200:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    return model


def trained(y, rounds=8, data=X, keep=None, **params):
    return xgb.train({**TRAIN, **params}, xgb.DMatrix(data, y), rounds, xgb_model=keep)


def survival():
    data = xgb.DMatrix(X, label_lower_bound=POSITIVE, label_upper_bound=np.where(YES, np.inf, POSITIVE + 1))
    return xgb.train({**TRAIN, "objective": "survival:aft"}, data, 8)


def reloaded(model):
    """The same model read back from JSON, into an estimator of the same class or a booster."""
    if isinstance(model, xgb.Booster):
        return xgb.Booster(model_file=model.save_raw("json"))
    other = type(model)()
    other.load_model(model.get_booster().save_raw("json"))
    return other


def older(booster, base_score):
    """A booster read from JSON as 1.7 wrote it."""
    saved = json.loads(bytes(booster.save_raw("json")))
    saved["version"] = [1, 7, 6]
    saved["learner"]["learner_model_param"] |= {"base_score": base_score}
    del saved["learner"]["learner_model_param"]["boost_from_average"]
    model = saved["learner"]["gradient_booster"]["model"]
    del model["iteration_indptr"]
    model.pop("cats", None)  # which version 3.1 has brought
    model["gbtree_model_param"]["size_leaf_vector"] = "0"
    for tree in model["trees"]:
        tree["tree_param"]["size_leaf_vector"] = "0"
    return xgb.Booster(model_file=bytearray(json.dumps(saved).encode()))


def pruned():
    """A model whose trees were pruned after they had been saved whole, so that deleted nodes stay behind."""
    return trained(REAL, 1, max_depth=6, tree_method="exact", gamma=4.0, keep=None)


def squared_error(true, predicted):
    return predicted - true, np.ones_like(predicted)


def softmax_error(true, predicted):
    p = np.exp(predicted) / np.exp(predicted).sum(1, keepdims=True)
    return p - np.eye(3)[true.astype(int)], np.full_like(p, 0.5)


def with_sentinel(data, sentinel):
    return np.where(np.isnan(HOLES), sentinel, data)


def after(model, change):
    change(model)
    return model


R, C, K = xgb.XGBRegressor, xgb.XGBClassifier, xgb.XGBRanker
MODELS = {
    # boosting
    "regressor": fit(R, X, REAL),
    "classifier": fit(C, X, YES),
    "three classes": fit(C, X, THREE),
    "exact": fit(R, X, REAL, tree_method="exact"),
    "approx": fit(R, X, REAL, tree_method="approx"),
    "lossguide": fit(R, X, REAL, grow_policy="lossguide", max_leaves=9, max_depth=0),
    "pruned": fit(R, X, REAL, tree_method="exact", gamma=4.0, max_depth=6),
    "single leaves": fit(C, X, THREE, gamma=1e9),
    "one tree": fit(C, X, YES, n_estimators=1),
    "rf": fit(xgb.XGBRFRegressor, X, REAL),
    "rf classifier": fit(xgb.XGBRFClassifier, X, YES),
    "rf three classes": fit(xgb.XGBRFClassifier, X, THREE),
    "parallel trees": fit(C, X, THREE, num_parallel_tree=3, subsample=0.5),
    "refreshed": lambda: xgb.train(
        {**TRAIN, "process_type": "update", "updater": "refresh"},
        xgb.DMatrix(X[:100], YES[:100]),
        8,
        xgb_model=trained(YES, objective="binary:logistic"),
    ),
    "base class": fit(xgb.XGBModel, X, REAL),
    "subclass": fit(type("Mine", (C,), {"__module__": "mine"}), X, YES),
    # outputs
    "targets": fit(R, X, TARGETS),
    "vector leaves": fit(R, X, TARGETS, **VECTOR),
    "vector leaves, absolute error": fit(R, X, TARGETS, objective="reg:absoluteerror", **VECTOR),
    "vector leaves, classes": fit(C, X, THREE, **VECTOR),
    "vector leaves, labels": fit(C, X, LABELS, **VECTOR),
    "vector leaves, one output": fit(R, X, TARGETS[:, :1], **VECTOR),
    "vector leaves, single": fit(R, X, TARGETS, gamma=1e9, **VECTOR),
    "vector leaves, parallel": fit(R, X, TARGETS, num_parallel_tree=2, subsample=0.5, **VECTOR),
    "labels": fit(C, X, LABELS),
    "two labels": fit(C, X, LABELS[:, :2]),
    # dart
    "dart": fit(R, X, REAL + 50, **DART),
    "dart classifier": fit(C, X, YES, base_score=0.3, **DART),
    "dart three classes": fit(C, X, THREE, **DART),
    "dart targets": fit(R, X, TARGETS, **DART),
    "dart rf": fit(C, X, THREE, num_parallel_tree=2, subsample=0.5, **DART),
    "dart booster": lambda: trained(REAL + 50, **DART),
    "dart booster, classes": lambda: trained(THREE, objective="multi:softprob", num_class=3, **DART),
    "dart, missing no JSON number": fit(R, with_sentinel(X, -999), REAL + 50, missing=np.float32(-999), **DART),
    "dart, early stopping": lambda: stopped(R, REAL + 50, **DART),
    "dart, sliced": lambda: trained(REAL + 50, **DART)[2:6],
    # missing values
    "NaN": fit(R, HOLES, REAL),
    "NaN classifier": fit(C, HOLES, THREE),
    "missing -999": fit(R, with_sentinel(X, -999), REAL, missing=-999),
    "missing 0": fit(R, with_sentinel(WHOLE, 0), REAL, missing=0),
    "missing 0.1": fit(R, with_sentinel(GRID, 0.1), REAL, missing=0.1),
    "missing inf": fit(R, with_sentinel(X, np.inf), REAL, missing=np.inf),
    "missing 1e300": fit(R, with_sentinel(X, np.inf), REAL, missing=1e300),
    "missing 2**24 + 1": fit(R, with_sentinel(X, 2**24), REAL, missing=2**24 + 1),
    "missing a numpy float": fit(R, with_sentinel(X, -999), REAL, missing=np.float64(-999)),
    "missing a numpy integer": fit(R, with_sentinel(WHOLE, 3), REAL, missing=np.int64(3)),
    # columns
    "one-decimal grid": fit(R, GRID, GRID @ [1.0, -2.0, 0.5, 0.0, 3.0]),
    "one-decimal grid, exact": fit(R, GRID, GRID @ [1.0, -2.0, 0.5, 0.0, 3.0], tree_method="exact"),
    "whole numbers": fit(R, WHOLE, WHOLE @ [1.0, -2.0, 0.5, 0.0, 3.0]),
    "large values": fit(R, X * 1e37, REAL, tree_method="exact"),
    "denormals": fit(R, X * 1e-40, REAL, tree_method="exact"),
    "names": fit(R, pd.DataFrame(X, columns=list("leafy")), REAL),
    # categories
    "categories": fit(R, CODES, OF_CODES, **CATS),
    "categories with NaN": fit(R, CODES_HOLES, OF_CODES, **CATS),
    "categories, approx": fit(R, CODES, OF_CODES, tree_method="approx", **CATS),
    "categories, one-hot": fit(R, CODES, OF_CODES, **{**CATS, "max_cat_to_onehot": 200}),
    "categories, classes": fit(C, CODES, THREE, **CATS),
    "categories, dart": fit(C, CODES_HOLES, THREE, **CATS, **DART),
    "categories, booster": lambda: fit(R, CODES, OF_CODES, **CATS)().get_booster(),
    # objectives
    **{f"{name}": fit(R, X, REAL, objective=name) for name in ("reg:absoluteerror", "reg:pseudohubererror")},
    **{
        f"{name}": fit(R, X, POSITIVE, objective=name)
        for name in ("reg:squaredlogerror", "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox")
    },
    "survival:aft": survival,
    "reg:logistic": fit(R, X, SHARE, objective="reg:logistic"),
    "reg:linear": fit(R, X, REAL, objective="reg:linear"),
    "quantile": fit(R, X, REAL, objective="reg:quantileerror", quantile_alpha=0.3),
    "quantiles": fit(R, X, REAL, objective="reg:quantileerror", quantile_alpha=[0.1, 0.9]),
    "quantiles, vector leaves": fit(R, X, REAL, objective="reg:quantileerror", quantile_alpha=[0.1, 0.9], **VECTOR),
    "logitraw": fit(C, X, YES, objective="binary:logitraw"),
    "hinge": fit(C, X, YES, objective="binary:hinge"),
    "softmax": fit(C, X, THREE, objective="multi:softmax"),
    "two classes, softmax": fit(C, X, YES, objective="multi:softmax", num_class=2),
    "two classes, softprob": fit(C, X, YES, objective="multi:softprob", num_class=2),
    "regressor, softprob": fit(R, X, THREE, objective="multi:softprob", num_class=3),
    "regressor, softmax": fit(R, X, THREE, objective="multi:softmax", num_class=3),
    "classifier, squared error": fit(C, X, YES, objective="reg:squarederror"),
    "scale_pos_weight": fit(C, X, YES, scale_pos_weight=3.0),
    **{
        name: fit(K, X, THREE, objective=name, fit_params={"qid": np.repeat(np.arange(10), 30)})
        for name in ("rank:pairwise", "rank:ndcg")
    },
    "rank:map": fit(K, X, YES, objective="rank:map", fit_params={"qid": np.repeat(np.arange(10), 30)}),
    "rank:ndcg, unbiased": fit(K, X, YES, lambdarank_unbiased=True, fit_params={"qid": np.repeat(np.arange(10), 30)}),
    "custom regressor": fit(R, X, REAL, objective=squared_error),
    "custom classifier": fit(C, X, YES, objective=squared_error),
    "custom three classes": fit(C, X, THREE, objective=softmax_error),
    "one class": fit(C, X, YES * 0),
    "constant target": fit(R, X, np.full(N, 3.25)),
    # base scores
    "base score": fit(C, X, YES, base_score=0.7),
    "base score one half": fit(C, X, YES, base_score=0.5),
    "base score at the end": fit(C, X, YES, base_score=1.0),
    "base score of classes": fit(C, X, THREE, base_score=0.7),
    "base score of counts": fit(R, X, POSITIVE, objective="count:poisson", base_score=2.5),
    "base score set later": lambda: after(fit(C, X, YES)(), lambda m: m.set_params(base_score=0.9)),
    # rounds
    "early stopping": lambda: stopped(C, YES),
    "early stopping, classes": lambda: stopped(C, THREE),
    "early stopping, parallel": lambda: stopped(C, THREE, num_parallel_tree=2, subsample=0.8),
    "early stopping, vector leaves": lambda: stopped(R, TARGETS, **VECTOR),
    "early stopping, pickled": lambda: pickle.loads(pickle.dumps(stopped(C, YES))),
    "early stopping, reloaded": lambda: reloaded(stopped(C, THREE)),
    "early stopping, booster": lambda: stopped(C, THREE).get_booster(),
    "best_iteration 0": lambda: after(fit(C, X, YES)(), lambda m: m.get_booster().set_attr(best_iteration="0")),
    "best_iteration -1": lambda: after(fit(C, X, YES)(), lambda m: m.get_booster().set_attr(best_iteration="-1")),
    "continued": lambda: trained(
        YES, 4, objective="binary:logistic", keep=trained(YES, 4, objective="binary:logistic")
    ),
    # boosters
    "booster": lambda: trained(REAL),
    "booster, binary": lambda: trained(YES, objective="binary:logistic"),
    "booster, hinge": lambda: trained(YES, objective="binary:hinge"),
    "booster, softprob": lambda: trained(THREE, objective="multi:softprob", num_class=3),
    "booster, softmax": lambda: trained(THREE, objective="multi:softmax", num_class=3),
    "booster, targets": lambda: trained(TARGETS),
    "booster, vector leaves": lambda: trained(TARGETS, **VECTOR),
    "booster, custom": lambda: xgb.train(
        TRAIN, xgb.DMatrix(X, REAL), 8, obj=lambda p, d: squared_error(d.get_label(), p)
    ),
    "booster, sliced": lambda: trained(THREE, objective="multi:softprob", num_class=3)[3:6],
    "booster, every other": lambda: trained(THREE, objective="multi:softprob", num_class=3)[0:8:2],
    "booster, without trees": lambda: trained(YES, 0, objective="binary:logistic"),
    "booster, softmax of equal margins": lambda: trained(THREE, 0, objective="multi:softmax", num_class=3),
    "booster, trees taken away": lambda: after(
        trained(YES, objective="binary:logistic"), lambda m: m.set_param({"process_type": "update"})
    ),
    "booster, trees taken away and saved": lambda: reloaded(
        after(trained(YES, objective="binary:logistic"), lambda m: m.set_param({"process_type": "update"}))
    ),
    "booster, unpickled": lambda: pickle.loads(pickle.dumps(trained(YES, objective="binary:logistic"))),
    "booster, reloaded": lambda: reloaded(trained(YES, objective="binary:logistic")),
    "reloaded": lambda: reloaded(fit(C, X, THREE)()),
    "labels, reloaded": lambda: reloaded(fit(C, X, LABELS)()),
    "softmax, reloaded": lambda: reloaded(fit(C, X, THREE, objective="multi:softmax")()),
    "from 1.7, binary": lambda: older(trained(YES, objective="binary:logistic"), "3E-1"),
    "from 1.7, counts": lambda: older(trained(POSITIVE, objective="count:poisson"), "2.5E0"),
    "from 1.7, classes": lambda: older(
        trained(THREE, objective="multi:softprob", num_class=3, num_parallel_tree=2, subsample=0.5), "5E-1"
    ),
    "from 1.7, targets": lambda: older(trained(TARGETS), "5E-1"),
}


# What older versions do not fit.
if is_older("xgboost", "3.1"):
    for name in ("vector leaves, absolute error", "quantiles, vector leaves", "base score at the end"):
        del MODELS[name]


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    """A model, its forest and rows that hurt."""
    model = MODELS[request.param]()
    forest = extract_forest(model)
    rng = np.random.default_rng(11)
    rows = np.vstack(
        [hurting(forest, rng, n=160, inf=forest.inputs.accepts_inf), X[:20], HOLES[:20], GRID[:20], WHOLE[:20]]
    )
    if not forest.inputs.accepts_inf:
        rows = finite(rows, np.nan)
    if forest.inputs.missing_value is not None:
        near = [model.missing, np.nextafter(np.float32(forest.inputs.missing_value), np.float32(0))]
        rows[rng.random(rows.shape) < 0.2] = rng.choice(np.array(near, dtype=np.float64))
    if forest.trees.is_cat is not None:
        codes = [*range(100), -0.5, -0.0, -1.0, 2.7, 127.0, 128.0, 2.0**24 - 1, 2.0**24, 1e300, np.inf, -np.inf, np.nan]
        for column in (0, 1):
            rows[:, column] = rng.choice(codes, size=len(rows))
    return model, forest, rows


def finite(rows, missing):
    """Rows without infinities in float32, which a DMatrix refuses unless they are the missing value."""
    with np.errstate(over="ignore"):
        single = rows.astype(np.float32)
        bad = np.isinf(single) & (single != np.float32(missing))
    return np.where(bad, np.copysign(1e30, single), rows) if bad.any() else rows


def same(ours, library):
    assert ours.dtype == library.dtype
    assert ours.shape == library.shape
    assert ours.tobytes() == library.tobytes()


def raw_of(forest, rows):
    out = reference_raw(forest, rows)
    return out.reshape(len(out), *forest.outputs.raw_shape)


def config(booster):
    return json.loads(booster.save_config())["learner"]


def dmatrix(rows, booster):
    return xgb.DMatrix(
        rows, feature_types=booster.feature_types, feature_names=booster.feature_names, enable_categorical=True
    )


def predicted(model, rows, **how):
    """What the library predicts: the estimator's own way (in place), or a booster's from a DMatrix."""
    if isinstance(model, xgb.XGBModel):
        return xgb.XGBModel.predict(model, rows, **how)
    return model.predict(dmatrix(finite(rows, np.nan), model), **how)


def given(model, rows):
    """The rows that :func:`predicted` predicts."""
    return rows if isinstance(model, xgb.XGBModel) else finite(rows, np.nan)


@pytest.mark.evidence("answers")
def test_raw_scores_have_the_bits_of_the_library(case):
    model, forest, rows = case
    same(raw_of(forest, given(model, rows)), predicted(model, rows, output_margin=True))
    with np.errstate(over="ignore"):
        single = rows.astype(np.float32)
    same(raw_of(forest, given(model, single)), predicted(model, single, output_margin=True))


@pytest.mark.evidence("answers")
def test_boosters_predict_in_place_with_the_same_bits_unless_dart(case):
    model, forest, rows = case
    if not isinstance(model, xgb.Booster) or config(model)["gradient_booster"]["name"] == "dart":
        pytest.skip("dart rounds differently in place")
    same(raw_of(forest, rows), model.inplace_predict(rows, predict_type="margin", validate_features=False))


@pytest.mark.evidence("answers")
def test_leaf_numbers_are_those_of_the_library(case):
    model, forest, rows = case
    if forest.n_trees == 0:
        pytest.skip("the library returns an array without rows")
    if isinstance(model, xgb.XGBModel):
        rows = finite(rows, model.missing)
        names = model.get_booster().feature_names
        same(reference_apply(forest, rows), model.apply(rows if names is None else pd.DataFrame(rows, columns=names)))
    else:
        rows = finite(rows, np.nan)
        same(reference_apply(forest, rows), model.predict(dmatrix(rows, model), pred_leaf=True))


def test_whole_numbers_are_cast_to_float32_at_once(case):
    model, forest, _ = case
    rng = np.random.default_rng(3)
    inner = forest.trees.threshold[
        np.isfinite(forest.trees.threshold) & (np.abs(forest.trees.threshold) < 2**60)
    ].astype(np.float64)
    near = np.concatenate([np.rint(inner), np.rint(inner) + 1, [2**24 + 1, 2**53 + 1, -(2**31) - 7, 0, 1, 2, 3, 40]])
    whole = rng.choice(near.astype(np.int64), size=(80, F))
    for rows in (
        whole,
        whole.astype(np.int32),
        (whole % 50).astype(np.uint8),
        whole % 2 == 0,
        X[:50].astype(np.float16),
    ):
        same(raw_of(forest, rows), predicted(model, rows, output_margin=True))


def test_float64_inputs_round_to_float32_before_they_are_compared(case):
    model, forest, _ = case
    if not forest.n_nodes or (np.abs(forest.trees.threshold) > 1e37).any():
        pytest.skip("no thresholds, or none whose neighbours are numbers")
    t = forest.trees.threshold.astype(np.float64)
    gap = np.spacing(np.abs(forest.trees.threshold)).astype(np.float64)
    near = np.concatenate([t - gap * share for share in (0.49, 0.5, 0.51, -0.49, 0.0, 1.0)])
    rows = np.random.default_rng(5).choice(near, size=(200, F))
    same(raw_of(forest, rows), predicted(model, rows, output_margin=True))


def test_absent_entries_of_sparse_rows_are_missing(case):
    model, forest, rows = case
    assert forest.inputs.sparse_absent == "missing"
    if not isinstance(model, xgb.XGBModel) or not forest.inputs.accepts_inf or forest.inputs.missing_value is not None:
        pytest.skip("a booster, or another value than NaN is missing")
    absent = np.random.default_rng(5).random(rows.shape) < 0.5
    stored = scipy.sparse.csr_matrix((rows[~absent], np.nonzero(~absent)), shape=rows.shape)
    same(raw_of(forest, np.where(absent, np.nan, rows)), model.predict(stored, output_margin=True))


def linked(forest, raw):
    """Values from raw scores by the formulas of the library."""
    one = np.float32(1)
    match forest.outputs.link:
        case "identity":
            return raw
        case "clipped_sigmoid":
            return one / (np.exp(np.minimum(-raw, np.float32(88.7))) + one + np.float32(1e-16))
        case "exp":
            return np.exp(raw)
        case "hinge":
            return (raw > 0).astype(np.float32)
        case "argmax":
            return raw.argmax(axis=1).astype(np.float32)
        case "softmax":
            e = np.exp(raw - raw.max(axis=1, keepdims=True))
            return e / np.add.accumulate(e, axis=1, dtype=np.float64)[:, -1:].astype(np.float32)


@pytest.mark.evidence("answers")
def test_values_follow_from_raw_scores_by_the_extracted_link(case):
    model, forest, rows = case
    ours = linked(forest, predicted(model, rows, output_margin=True))
    theirs = predicted(model, rows)
    assert (
        (ours.dtype, ours.shape)
        == (theirs.dtype, (len(rows), *forest.outputs.value_shape))
        == (np.float32, theirs.shape)
    )
    np.testing.assert_array_max_ulp(ours, theirs, maxulp=4)


@pytest.mark.evidence("answers")
def test_labels_and_probabilities_follow_the_extracted_rules(case):
    model, forest, rows = case
    if not isinstance(model, xgb.XGBClassifier):
        assert (forest.outputs.proba, forest.outputs.decision, forest.outputs.classes) == ("none", "none", ())
    else:
        assert_labels_and_probabilities(model, forest, rows)


def assert_labels_and_probabilities(model, forest, rows):
    """Those that the rules make of a classifier's raw scores are the model's."""
    raw = model.predict(rows, output_margin=True)
    values = linked(forest, raw)
    proba = {
        "complement": lambda: np.column_stack([np.float32(1) - values, values]),
        "values": lambda: values,
        "softmax": lambda: scipy.special.softmax(raw, axis=1),
    }[forest.outputs.proba]()
    theirs = model.predict_proba(rows)
    assert (proba.dtype, proba.shape) == (theirs.dtype, theirs.shape)
    np.testing.assert_allclose(proba, theirs, rtol=5e-7, atol=1e-7)

    (classes,) = forest.outputs.classes
    same(classes[: len(model.classes_)], model.classes_)  # a model of one class may still answer 1
    labels = {
        "half": lambda: (values > 0.5).astype(classes.dtype),
        "multilabel_half": lambda: (values > 0.5).astype(np.float64),
        "argmax": lambda: classes[values.argmax(axis=1)],
        "index": lambda: classes[values.astype(int)],
    }[forest.outputs.decision]()
    same(
        labels if forest.outputs.label_dtype is None else labels.astype(forest.outputs.label_dtype), model.predict(rows)
    )


@pytest.mark.evidence("answers")
def test_inputs_are_taken_as_the_library_takes_them(case):
    _, forest, _ = case
    assert (forest.trees.feature_dtype, forest.trees.acc_dtype, forest.trees.cmp, forest.outputs.leaf_dtype) == (
        "float32",
        "float32",
        "lt",
        "float32",
    )
    assert forest.inputs.accepts_nan and not forest.inputs.flush_tiny and not forest.inputs.ints_as_float32
    assert (forest.trees.cat_mode, forest.n_features) == ("xgb", F)
    assert forest.trees.threshold.dtype == forest.trees.leaf_value.dtype == forest.trees.base.dtype == np.float32


def forest_of(name):
    return extractor.extract(MODELS[name]())


def test_cases_cover_every_rule():
    trees = parse(extractor._saved(MODELS["pruned"]()))["learner"]["gradient_booster"]["model"]["trees"]
    assert max(int(tree["tree_param"]["num_deleted"]) for tree in trees) > 5
    assert forest_of("pruned").n_leaves == forest_of("pruned").n_nodes + 8
    assert set(forest_of("NaN").trees.nan_left.tolist()) == {True, False}
    assert forest_of("categories").trees.cat_words.max() > 2
    assert forest_of("categories with NaN").trees.nan_left[forest_of("categories with NaN").trees.is_cat].any()
    assert forest_of("single leaves").n_nodes == forest_of("vector leaves, single").n_nodes == 0
    assert (forest_of("vector leaves").trees.tree_target == -1).all()
    assert len(set(forest_of("targets").trees.base.tolist())) == (1 if is_older("xgboost", "3.1") else 3)
    assert forest_of("base score one half").trees.base.tobytes() == np.float32(-0.0).tobytes()
    names = ("classifier", "hinge", "softmax", "three classes", "count:poisson")
    assert {forest_of(name).outputs.link for name in names} == {
        "clipped_sigmoid", "hinge", "argmax", "softmax", "exp",
    }  # fmt: skip
    assert forest_of("parallel trees").n_trees == 8 * 9
    assert forest_of("missing 1e300").inputs.missing_value == np.inf
    assert not forest_of("missing a numpy integer").inputs.accepts_inf


def test_a_dart_model_has_one_forest_in_place_and_another_from_a_dmatrix():
    model = MODELS["dart"]()
    in_place, folded = extractor.extract(model).trees, extractor.extract(model.get_booster()).trees
    assert (in_place.leaf_value != folded.leaf_value).any()
    np.testing.assert_allclose(in_place.leaf_value, folded.leaf_value, atol=1e-5)


def test_cover_is_the_sum_of_hessians_of_each_node_and_leaf():
    forest = forest_of("regressor")
    of_node, of_leaf = np.split(forest.trees.cover, [forest.n_nodes])
    left, right = (np.append(of_node, of_leaf[::-1])[c] for c in (forest.trees.left, forest.trees.right))
    assert (of_node[forest.trees.root] == N).all()
    assert (left + right == of_node).all()


def frame(seed=1):
    rng = np.random.default_rng(seed)
    names = np.array(["", "Koeln", "b", "b ", "a longer name"])
    data = pd.DataFrame(
        {"x": rng.normal(size=N), "name": names[rng.integers(0, 5, N)], "code": rng.integers(-3, 40, N)}
    )
    return data.astype({"name": "category", "code": "category"})


def coded(forest, data):
    """A frame's values as positions in the forest's tables; NaN stays, as does what has no table."""
    columns = []
    for table, name in zip(forest.inputs.categories, data.columns, strict=True):
        numbers = None if table is None else {value: float(i) for i, value in enumerate(table.tolist())}
        columns.append([v if numbers is None or pd.isna(v) else numbers[v] for v in data[name].tolist()])
    return np.array(columns, dtype=np.float64).T


@since("xgboost", "3.1", "categories in its models")
def test_categories_of_frames_are_kept_as_tables_and_coded_by_value():
    data = frame()
    model = R(**{**QUIET, "enable_categorical": True, "max_cat_to_onehot": 4}).fit(data, data["code"].astype(int) % 5)
    forest = extract_forest(model)
    assert forest.trees.is_cat.any()
    assert forest.inputs.unknown_category == "error"
    x, name, code = forest.inputs.categories
    assert x is None
    assert name.tolist() == data["name"].cat.categories.tolist()
    same(code, data["code"].cat.categories.to_numpy())

    other = frame(2)
    other.loc[::7, "name"] = np.nan
    other["name"] = other["name"].cat.reorder_categories(other["name"].cat.categories[::-1])
    other["code"] = other["code"].cat.remove_categories([5]).cat.reorder_categories([*range(39, 5, -1), *range(-3, 5)])
    same(raw_of(forest, coded(forest, other)), model.predict(other, output_margin=True))
    codes = coded(forest, data)
    same(raw_of(forest, codes), model.predict(codes, output_margin=True))


@since("xgboost", "3.1", "categories in its models")
@pytest.mark.parametrize("missing", [-999, 0, 1, 3, 1e300])
def test_a_missing_value_among_the_numbers_of_categories_is_the_frames_own_number(missing):
    """Which the library looks for before it looks up the model's own number of the category."""
    names = ["blue", "green", "grey", "red"]
    place = RNG.integers(0, 4, N)
    data = pd.DataFrame({"colour": pd.Categorical.from_codes(place, names), "x": X[:, 0]})
    model = R(**{**QUIET, "enable_categorical": True, "max_cat_to_onehot": 1}, missing=missing)
    model.fit(data, 2.0 * place + X[:, 0])
    fast, told = TensorizedEstimator(model), 0
    for order in ((0, 1, 2, 3), (0, 1, 3, 2), (3, 2, 1, 0), (1, 2, 3), (0, 1, 2)):
        kept = data[data["colour"].isin([names[i] for i in order])]
        kept = kept.assign(colour=kept["colour"].cat.set_categories([names[i] for i in order])).reset_index(drop=True)
        for rows in (kept, pl.from_pandas(kept), pa.Table.from_pandas(kept)):
            answer = model.predict(rows, output_margin=True)
            try:
                same(fast.predict_raw(rows), answer)
            except ValueError as refusal:
                assert f"category number {missing:g} of the frame for missing" in str(refusal)
                told += 1
                ours = extract_forest(model)
                assert (raw_of(ours, coded(ours, kept)) != answer).any()  # it was worth it
    assert (told > 0) == (missing in (0, 1, 3))


@pytest.mark.evidence("refused")
@since("xgboost", "3.1", "categories in its models")
@pytest.mark.parametrize("names", [["a", "é"], ["Köln", "b"], ["éa", "b"]], ids=ascii)
def test_category_names_split_wrongly_by_the_library_are_refused(names):
    data = pd.DataFrame({"city": pd.Categorical.from_codes(YES, names)})
    model = C(**{**QUIET, "enable_categorical": True}).fit(data, YES)
    if names == ["a", "é"]:  # the library's answers change with the order of the categories, which they must not
        turned = data.assign(city=data["city"].cat.reorder_categories(names[::-1]))
        assert (model.predict(turned) != model.predict(data)).any()
    with pytest.raises(UnsupportedModelError, match=r"Feature 0 .* beyond ASCII"):
        extractor.extract(model)


def test_a_frame_of_the_forest_is_that_of_the_library():
    model = R(**{**QUIET, "max_depth": 4}).fit(HOLES, REAL)
    forest = extract_forest(model)
    theirs = model.get_booster().trees_to_dataframe().set_index("ID")
    ours = forest.to_frame().set_index(["tree", "node"])
    assert len(ours) == len(theirs)
    ways = [((tree, 0), f"{tree}-0") for tree in range(forest.n_trees)]
    for (tree, node), name in ways:  # which grows on the way
        here, there = ours.loc[(tree, node)], theirs.loc[name]
        assert (np.float32(here["cover"]), tree) == (np.float32(there["Cover"]), there["Tree"])
        if there["Feature"] == "Leaf":
            assert (here["leaf_id"], here["value"]) == (there["Node"], np.float32(there["Gain"]))
            continue
        assert (f"f{here['feature']:.0f}", here["threshold"]) == (there["Feature"], np.float32(there["Split"]))
        assert (here["missing"] == here["left"]) == (there["Missing"] == there["Yes"])
        ways += [((tree, here["left"]), there["Yes"]), ((tree, here["right"]), there["No"])]
    assert len(ways) == len(theirs)


def test_a_model_trained_on_codes_has_no_tables():
    assert forest_of("categories").inputs.categories is None


VECTORS = fit(R, X, TARGETS, **VECTOR)


def saved_trees(model):
    return parse(extractor._saved(model))["learner"]["gradient_booster"]["model"]["trees"]


@since("xgboost", "3.2", "leaf weights of their own")
def test_vector_leaves_are_read_from_base_weights_as_before_version_3_2():
    trees = saved_trees(VECTORS())
    before = []
    for tree in trees:
        leaf, rows = tree["left_children"] < 0, tree["leaf_weights"].reshape(-1, 3)
        weights = np.full((len(leaf), 3), 7.0, dtype=np.float32)
        weights[leaf] = rows[tree["right_children"][leaf]]
        right = np.where(leaf, -1, tree["right_children"])
        old = {**tree, "base_weights": weights.ravel(), "right_children": right}
        del old["leaf_weights"]
        before.append(old)
    same(
        tree_fields(before, leaf_widths(before), np.zeros(len(before), dtype=int))[0]["leaf_value"],
        extractor.extract(VECTORS()).trees.leaf_value,
    )


def test_rounds_are_inferred_for_models_before_version_2():
    gbtree = {"trees": [None] * 12, "gbtree_model_param": {"num_parallel_tree": "2"}}
    assert extractor._first_trees_of_rounds(gbtree, 3).tolist() == [0, 6, 12]


@pytest.mark.parametrize("inner", [False, True], ids=["3.3", "3.4"])
def test_dart_weights_of_later_versions_are_read(inner):
    model = {"trees": [None, None]}
    booster = {"name": "gbtree", "model": model}
    (model if inner else booster)["weight_drop"] = [0.5, 1.0]
    _, weights, in_place = extractor._gbtree(booster, None)
    assert (weights.tolist(), in_place) == ([0.5, 1.0], False)


def test_ubjson_and_json_are_parsed_to_the_same():
    def plain(value):
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list | np.ndarray) else value

    def single(value):
        """Floats as their float32 value, which is what both formats hold; a NaN as something equal to itself."""
        if isinstance(value, dict):
            return {key: single(item) for key, item in value.items()}
        if isinstance(value, list):
            return [single(item) for item in value]
        if isinstance(value, float | np.float32):
            return "NaN" if np.isnan(value) else np.float32(value)
        return value

    for name in ("categories, dart", "vector leaves", "rank:ndcg, unbiased"):
        model = MODELS[name]()
        raw = {kind: bytes(model.get_booster().save_raw(kind)) for kind in ("json", "ubj")}
        assert single(plain(parse(raw["ubj"]))) == single(json.loads(raw["json"]))


def test_a_damaged_document_is_a_value_error():
    raw = bytes(trained(REAL, 1, max_depth=1).save_raw("ubj"))
    for end in range(0, len(raw)):
        with pytest.raises(ValueError, match="UBJSON"):
            parse(raw[:end])
    with pytest.raises(ValueError, match="UBJSON: the document ends"):
        parse(raw + b"N")
    with pytest.raises(ValueError, match="UBJSON"):
        parse(b"[" * 100_000)


REFUSED = {
    "gblinear": (fit(R, X, REAL, booster="gblinear"), r"XGBRegressor\(booster='gblinear'\) has no trees"),
    "gblinear booster": (lambda: trained(REAL, booster="gblinear"), "booster='gblinear'"),
    "a DMatrix": (lambda: xgb.DMatrix(X), "DMatrix"),
    "missing=None": (lambda: after(fit(R, X, REAL)(), lambda m: setattr(m, "missing", None)), "missing=None"),
    "missing=True": (lambda: after(fit(R, X, REAL)(), lambda m: setattr(m, "missing", True)), "missing=True"),
    "missing=2**63": (lambda: after(fit(R, X, REAL)(), lambda m: setattr(m, "missing", 2**63)), "missing=922337"),
    "best_iteration beyond the rounds": (
        lambda: after(fit(R, X, REAL)(), lambda m: m.get_booster().set_attr(best_iteration="8")),
        "best_iteration=8",
    ),
    "best_iteration below -1": (
        lambda: after(fit(R, X, REAL)(), lambda m: m.get_booster().set_attr(best_iteration="-2")),
        "best_iteration=-2",
    ),
    "labels of one class": (fit(C, X, LABELS * 0), "n_classes_=1"),
    "another number of classes": (
        lambda: after(fit(C, X, THREE)(), lambda m: setattr(m, "n_classes_", 4)),
        "n_classes_=4",
    ),
    "numbers of classes without the objective": (
        lambda: after(fit(C, X, THREE, objective="multi:softmax")(), lambda m: setattr(m, "objective", None)),
        "objective=None",
    ),
}


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("name", REFUSED)
def test_irreproducible_models_are_refused_by_name(name):
    build, words = REFUSED[name]
    with pytest.raises(UnsupportedModelError, match=words):
        extractor.extract(build())


class Doubling:
    """Answers of its own."""

    def predict(self, *args, **kwargs):
        return 2 * super().predict(*args, **kwargs)


class DoublingRegressor(Doubling, R):
    pass


class DoublingBooster(Doubling, xgb.Booster):
    pass


@pytest.mark.evidence("refused")
def test_answers_of_a_subclass_or_an_object_of_their_own_are_refused_by_name():
    model = fit(R, X, REAL)()
    for own, named in (
        (fit(DoublingRegressor, X, REAL)(), "DoublingRegressor replaces predict of XGBRegressor"),
        (
            DoublingBooster(model_file=model.get_booster().save_raw("ubj")),
            "DoublingBooster replaces predict of Booster",
        ),
        (after(model, lambda m: setattr(m, "predict", lambda X: X[:, 0])), "XGBRegressor replaces predict"),
    ):
        with pytest.raises(UnsupportedModelError, match=named):
            extract_forest(own)


@pytest.mark.evidence("refused")
def test_estimators_for_dask_are_refused_and_told_what_to_do():
    model = fit(type("DaskXGBRegressor", (R,), {"__module__": "xgboost.dask"}), X, REAL)()
    with pytest.raises(UnsupportedModelError, match=r"DaskXGBRegressor predicts on dask .* model\.get_booster\(\)"):
        extract_forest(model)


@pytest.mark.parametrize("build", [R, C, K, xgb.XGBRFRegressor, xgb.Booster], ids=lambda build: build.__name__)
def test_unfitted_model_raises_not_fitted_error(build):
    with pytest.raises(NotFittedError):
        extract_forest(build())


@pytest.mark.evidence("refused")
def test_an_unknown_objective_is_refused_by_name():
    with pytest.raises(UnsupportedModelError, match="objective='reg:expectileerror'"):
        link_of("reg:expectileerror", 2)


@pytest.mark.evidence("refused")
def test_quantiles_that_the_library_sorts_are_refused(monkeypatch):
    assert link_of("reg:quantileerror", 2) == "identity"
    monkeypatch.setattr(xgb, "__version__", "3.4.1")
    assert link_of("reg:quantileerror", 1) == "identity"
    with pytest.raises(UnsupportedModelError, match="2 quantiles"):
        link_of("reg:quantileerror", 2)


def test_every_objective_of_the_table_has_a_case():
    met = {config(booster)["objective"]["name"] for booster in map(booster_of, MODELS)}
    assert met == set(LINKS)


def booster_of(name):
    return booster_of_model(MODELS[name]())


def booster_of_model(model):
    return model if isinstance(model, xgb.Booster) else model.get_booster()


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("where", ["learner", "gradient_booster", "model", "tree"])
def test_a_field_that_is_not_known_is_refused_by_name(where, monkeypatch):
    saved = parse(extractor._saved(trained(REAL, 2)))
    learner = saved["learner"]
    booster = learner["gradient_booster"]
    place = {
        "learner": learner,
        "gradient_booster": booster,
        "model": booster["model"],
        "tree": booster["model"]["trees"][1],
    }
    place[where]["sheep"] = 1
    monkeypatch.setattr(extractor, "parse", lambda data: saved)
    with pytest.raises(UnsupportedModelError, match="sheep"):
        extractor.extract(trained(REAL, 2))


STRATEGIES_OF_TARGETS = ("one_output_per_tree", "multi_output_tree")


@pytest.mark.parametrize("first", STRATEGIES_OF_TARGETS)
@pytest.mark.parametrize(("cls", "y"), [(R, TARGETS), (C, THREE), (C, np.c_[THREE > 0, THREE > 1].astype(int))])
def test_continued_training_with_another_multi_strategy(cls, y, first):
    (other,) = set(STRATEGIES_OF_TARGETS) - {first}
    before = fit(cls, X, y, multi_strategy=first)()
    model = cls(multi_strategy=other, n_estimators=3, max_depth=3, n_jobs=1).fit(X, y, xgb_model=before)
    widths = {int(tree["tree_param"]["size_leaf_vector"]) for tree in saved_trees(model)}
    assert len(widths) == 2
    assert_agrees(model, X)
    n_before = before.get_booster().num_boosted_rounds()
    for span in ((0, n_before), (n_before - 1, n_before + 2), (n_before, n_before + 3)):
        same(
            raw_of(extractor.extract(model, iterations=span), X),
            model.predict(X, output_margin=True, iteration_range=span),
        )


def test_scalar_tree_for_an_unknown_output_is_an_error():
    trees = saved_trees(VECTORS()) + saved_trees(fit(R, X, TARGETS)())
    widths = leaf_widths(trees)
    with pytest.raises(ValueError, match="trees for others in its tree_info"):
        tree_fields(trees, widths, np.full(len(trees), -1))


def test_children_outside_their_tree_are_an_error_naming_tree_and_node():
    trees = saved_trees(trained(REAL, 3))
    left = np.array(trees[1]["left_children"])
    left[1] = len(left) + 2
    trees[1]["left_children"] = left
    with pytest.raises(ValueError, match="Tree 1, node 1 of the XGBoost model: expected children from 0"):
        tree_fields(trees, leaf_widths(trees), np.zeros(len(trees), dtype=int))


def test_arrays_of_different_lengths_are_an_error_naming_the_tree():
    trees = saved_trees(trained(REAL, 3))
    trees[2]["split_indices"] = trees[2]["split_indices"][:-1]
    with pytest.raises(ValueError, match="Tree 2 of the XGBoost model: split_indices has"):
        tree_fields(trees, leaf_widths(trees), np.zeros(len(trees), dtype=int))


def test_extraction_leaves_the_model_as_it_was():
    model = stopped(C, THREE)
    before, state = bytes(model.get_booster().save_raw("ubj")), dict(model.__dict__)
    extractor.extract(model)
    assert bytes(model.get_booster().save_raw("ubj")) == before
    assert model.__dict__ == state


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_wrapper_answers_as_the_model_does_in_every_strategy(case, strategy):
    model, _, rows = case
    if isinstance(model, xgb.XGBModel):
        assert_agrees(model, rows, strategy=strategy)
    else:
        rows = dmatrix(finite(rows, np.nan), model), finite(rows, np.nan)
        assert_booster_agrees(model, rows, strategy, raw={"output_margin": True}, leaves={"pred_leaf": True})


FLAT = {"gamma": 1e9, "base_score": 0.5}  # leaves of 0.0, where as many rows pull up as down
TIES = {
    "hinge": (fit(C, X, np.arange(N) % 2, objective="binary:hinge", **{**FLAT, "base_score": 0.0}), 0.0),
    "two classes": (fit(C, X, np.arange(N) % 2, **FLAT), 0.5),
    "labels": (fit(C, X, LABELS, **FLAT), 0.5),
}


@pytest.mark.parametrize("name", TIES)
def test_ties_give_the_first_class_as_in_the_library(name):
    build, value = TIES[name]
    model = build()
    assert not model.predict(X, output_margin=True).any()
    np.testing.assert_array_equal(booster_of_model(model).inplace_predict(X), np.float32(value))
    for strategy in ("auto", "tree_traversal"):
        assert_agrees(model, X, strategy=strategy)
    assert not model.predict(X).any()


def test_equal_probabilities_of_different_scores_give_the_first_class():
    model = fit(C, X, THREE, learning_rate=3e-9, base_score=0.0)()
    margins = model.predict(X, output_margin=True)
    assert 20 < (margins.argmax(axis=1) != model.predict(X)).sum() < N
    raw = torch.tensor(margins)  # of which tensor code makes the labels that a kernel makes of arrays
    np.testing.assert_array_equal(outputs.labels(extract_forest(model), raw).numpy(), model.predict(X))
    for strategy in ("auto", "tree_traversal"):
        assert_agrees(model, X, strategy=strategy)


def test_single_class_model_may_predict_the_other_class():
    model = fit(C, X, YES * 0, n_estimators=1, learning_rate=0.01, base_score=0.9)()
    assert model.n_classes_ == 1 and model.predict(X).all()
    for strategy in ("auto", "tree_traversal"):
        assert_agrees(model, X, strategy=strategy)


def edited(booster, change):
    """A booster whose saved model, of which `change` is given the part with the trees, was changed."""
    saved = json.loads(bytes(booster.save_raw("json")))
    change(saved["learner"]["gradient_booster"]["model"])
    return xgb.Booster(model_file=bytearray(json.dumps(saved).encode()))


@since("xgboost", "3.2", "leaf weights of their own")
def test_vector_leaf_values_are_read_in_any_order():
    def backwards(gbtree):
        for tree in gbtree["trees"]:
            rows = np.reshape(tree["leaf_weights"], (-1, 3))
            tree["leaf_weights"] = rows[::-1].ravel().tolist()
            is_leaf, right = np.array(tree["left_children"]) < 0, np.array(tree["right_children"])
            tree["right_children"] = np.where(is_leaf, len(rows) - 1 - right, right).tolist()

    model = VECTORS()
    booster = edited(model.get_booster(), backwards)
    same(booster.predict(xgb.DMatrix(X), output_margin=True), model.predict(X, output_margin=True))
    same(raw_of(extract_forest(booster), X), model.predict(X, output_margin=True))


def test_trees_of_a_round_are_read_in_any_order():
    def last_rounds_backwards(gbtree):
        trees, outputs = gbtree["trees"], gbtree["tree_info"]
        trees[12:], outputs[12:] = trees[:11:-1], outputs[:11:-1]
        for number, tree in enumerate(trees):
            tree["id"] = number

    booster = edited(trained(THREE, objective="multi:softprob", num_class=3), last_rounds_backwards)
    data = xgb.DMatrix(X)
    for span in ((0, 4), (4, 8), (3, 6), (0, 8)):
        expected = booster.predict(data, output_margin=True, iteration_range=span)
        same(raw_of(extract_forest(booster, iterations=span), X), expected)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize(
    "name",
    [
        "dart rf",
        "categories, dart",
        # Before, they are read from base_weights, which nothing but UBJSON holds to the last bit.
        pytest.param("vector leaves", marks=since("xgboost", "3.2", "weights of vector leaves")),
        "hinge",
        "pruned",
    ],
)
def test_a_model_reads_the_same_from_json_as_from_ubjson(name):
    """JSON holds decimals, which have to become float32 before anything is computed with them."""
    booster = booster_of(name)
    saved = parse(bytes(booster.save_raw("ubj"))), json.loads(bytes(booster.save_raw("json")))
    one, other = (extractor.read(content).fields() for content in saved)
    same(one.pop("cover").astype(np.float32), other["cover"].astype(np.float32))  # with which nothing is computed
    for field, value in one.items():
        if isinstance(value, np.ndarray):
            same(value, other[field])
        else:
            assert str(value) == str(other[field]), field


def test_dart_answers_sparse_rows_as_the_library_does_or_refuses_them():
    model = R(n_estimators=20, booster="dart", rate_drop=0.5, n_jobs=1).fit(X, REAL)
    rows = scipy.sparse.csr_matrix(np.where(GRID == 0, 0, X))
    fast = TensorizedEstimator(model)
    same(fast.predict_raw(rows), model.predict(rows, output_margin=True))
    for other in (rows.tocsc(), rows.tocoo(), scipy.sparse.csr_array(rows)):
        assert (model.predict(other) != model.predict(rows)).any()  # the library's own answers differ
        with pytest.raises(ValueError, match=r"Give one of these instead: scipy\.sparse\.csr_matrix\(X\)"):
            fast.predict(other)
    assert extract_forest(R(n_estimators=2, n_jobs=1).fit(X, REAL)).inputs.container_types is None


class Held:
    """Something that numpy can make an array of, and no more."""

    def __init__(self, rows):
        self.rows, self.shape = rows, rows.shape

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows, dtype=dtype)


def test_dart_answers_rows_of_any_kind_as_the_library_does_or_refuses_them():
    model = R(n_estimators=20, booster="dart", rate_drop=0.5, n_jobs=1).fit(X, REAL)
    fast, names = TensorizedEstimator(model), list("abcde")
    frame = pd.DataFrame(X, columns=names)
    arrays = (X, X.astype(np.float32), X.tolist(), tuple(X.tolist()), np.ma.MaskedArray(X), X.astype(object))
    frames = (frame, pa.Table.from_pandas(frame), *([] if is_older("xgboost", "3.0") else [pl.from_pandas(frame)]))
    for rows in (*arrays, *frames):
        same(quiet(fast.predict_raw, rows), model.predict(rows, output_margin=True))
    others = [pa.RecordBatch.from_pandas(frame), Held(X)]
    if not is_older("xgboost", "3.0"):  # which took a class derived from pandas' for pandas'
        others.append(type("Mine", (pd.DataFrame,), {})(frame))
    for rows in others:
        assert (model.predict(rows) != model.predict(X)).any()  # the library's own answers differ
        with pytest.raises(
            ValueError, match=r"for which the library rounds differently .* numpy\.asarray\(X\), a pandas\.DataFrame"
        ):
            quiet(fast.predict, rows)
        plain = R(n_estimators=3, n_jobs=1).fit(X, REAL)
        same(quiet(TensorizedEstimator(plain).predict, rows), plain.predict(rows))


def quiet(predict, rows):
    """The answer without the advice that a model fitted on an array knows no names."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X has feature names")
        return predict(rows)


def test_dart_leaf_of_minus_zero_adds_zero():
    """Each tree has a sum of its own there, which starts at 0.0; with a margin of -0.0 the sign shows."""
    saved = json.loads(bytes(trained(YES, 3, objective="binary:logistic", base_score=0.5, **DART).save_raw("json")))
    for tree in saved["learner"]["gradient_booster"]["gbtree"]["model"]["trees"]:
        is_leaf = np.array(tree["left_children"]) < 0
        tree["split_conditions"] = np.where(is_leaf, -0.0, tree["split_conditions"]).tolist()
    booster = xgb.Booster(model_file=bytearray(json.dumps(saved).encode()))
    margins = booster.predict(xgb.DMatrix(X), output_margin=True)
    assert not np.signbit(margins).any() and np.signbit(extract_forest(booster).trees.base).all()
    same(reference_raw(extract_forest(booster), X)[:, 0], margins)
