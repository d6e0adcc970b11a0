"""Models of LightGBM that tests name, the data that they are fitted on, and their raw scores by the reference."""

import math
import pickle

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import scipy.sparse
from reference import reference_raw

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


def same(ours, library):
    assert ours.dtype == library.dtype
    assert ours.shape == library.shape
    assert ours.tobytes() == library.tobytes()


def raw_of(forest, rows):
    out = reference_raw(forest, rows)
    return out.reshape(len(out), *forest.outputs.raw_shape)


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


def table(rows):
    return pa.table({"Column_0": rows[:, 0]})
