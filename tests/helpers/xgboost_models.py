"""Models of XGBoost that tests name, the data that they are fitted on, and their raw scores by the reference."""

import json
import pickle

import numpy as np
import pandas as pd
import xgboost as xgb
from reference import reference_raw
from versions import is_older

from sktensor.extractors.xgboost import model as extractor

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


def dmatrix(rows, booster):
    return xgb.DMatrix(
        rows, feature_types=booster.feature_types, feature_names=booster.feature_names, enable_categorical=True
    )


def predicted(model, rows, **how):
    """What the library predicts: the estimator's own way (in place), or a booster's from a DMatrix."""
    if isinstance(model, xgb.XGBModel):
        return xgb.XGBModel.predict(model, rows, **how)
    return model.predict(dmatrix(finite(rows, np.nan), model), **how)


def forest_of(name):
    return extractor.extract(MODELS[name]())


def frame(seed=1):
    rng = np.random.default_rng(seed)
    names = np.array(["", "Koeln", "b", "b ", "a longer name"])
    data = pd.DataFrame(
        {"x": rng.normal(size=N), "name": names[rng.integers(0, 5, N)], "code": rng.integers(-3, 40, N)}
    )
    return data.astype({"name": "category", "code": "category"})


def booster_of(name):
    return booster_of_model(MODELS[name]())


def booster_of_model(model):
    return model if isinstance(model, xgb.Booster) else model.get_booster()
