"""Random configurations of XGBoost."""

from __future__ import annotations

import numpy as np
import xgboost

from benchmarks.random_models.data import draw_data
from benchmarks.random_models.draws import Configuration, chance, one_of, some_of

MISSING = (np.nan, np.nan, np.nan, np.nan, 0, -999, 0.1, 1e300)
REGRESSION = ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror")
POSITIVE = ("reg:squaredlogerror", "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox")
BINARY = ("binary:logistic", "binary:logitraw", "binary:hinge")


def draw(rng):
    kind = one_of(
        rng, *["XGBClassifier", "XGBRegressor", "Booster"] * 3, "XGBRFClassifier", "XGBRFRegressor", "XGBRanker"
    )
    data = draw_data(rng, missing=True, categories=True)
    task = _task(rng, kind)
    y, params = _target(rng, task, data)
    params |= _boosting(rng, data, vector_leaves="multi_strategy" in params)
    if kind in ("XGBRFClassifier", "XGBRFRegressor"):
        params = {name: value for name, value in params.items() if name not in ("booster", "num_parallel_tree")}
    params |= {"n_jobs": 1, "random_state": int(rng.integers(1000)), "verbosity": 0}
    rounds = int(rng.integers(1, 13))
    stopping = kind in ("XGBClassifier", "XGBRegressor", "Booster") and chance(rng, 0.15)
    if kind == "Booster":
        return Configuration(
            "xgboost", kind, {**params, "rounds": rounds}, data, lambda: _booster(params, rounds, data, y, stopping)
        )
    params |= {"n_estimators": rounds, "missing": one_of(rng, *MISSING)}
    if stopping:
        params |= {"early_stopping_rounds": 2, "n_estimators": 40}
    if chance(rng, 0.2):
        params.pop("objective", None)  # the class's own
    X = data.X if np.isnan(params["missing"]) else np.where(np.isnan(data.X), params["missing"], data.X)

    def fit():
        half = len(X) // 2
        more = {"eval_set": [(X[half:], y[half:])], "verbose": False} if stopping else {}
        if kind == "XGBRanker":
            more["qid"] = np.repeat(np.arange(len(X) // 10), 10)
        return getattr(xgboost, kind)(**params).fit(X, y, **more)

    return Configuration("xgboost", kind, params, data, fit)


def _task(rng, kind):
    if kind == "XGBRanker":
        return "ranking"
    if kind in ("XGBRegressor", "XGBRFRegressor"):
        return one_of(rng, "real", "real", "positive", "share", "targets")
    if kind in ("XGBClassifier", "XGBRFClassifier"):
        return one_of(rng, "binary", "classes", "classes", "labels")
    return one_of(rng, "real", "positive", "share", "targets", "binary", "classes", "ranking", "bounds")


def _target(rng, task, data):
    """The target, and the parameters that go with it."""
    vector = {"multi_strategy": "multi_output_tree", "tree_method": "hist"}
    # Vector leaves on categories are an error until 3.3.
    vector = vector if not data.categorical and chance(rng, 0.5) else {}
    if task == "real":
        objective = {"objective": one_of(rng, *REGRESSION)}
        if objective["objective"] == "reg:quantileerror":
            objective["quantile_alpha"] = one_of(rng, 0.3, [0.1, 0.5, 0.9])
        return data.real(rng), objective
    if task == "positive":
        return data.positive(), {"objective": one_of(rng, *POSITIVE)}
    if task == "share":
        return data.share(), {"objective": "reg:logistic"}
    if task == "targets":
        return data.several(rng, int(rng.integers(2, 4))), {"objective": one_of(rng, *REGRESSION[:2]), **vector}
    if task == "labels":
        several = data.several(rng, int(rng.integers(2, 4)))
        return (several > np.median(several, axis=0)).astype(int), {"objective": "binary:logistic", **vector}
    if task == "ranking":
        objective = one_of(rng, "rank:pairwise", "rank:ndcg")
        return data.classes(int(rng.integers(2, 5))), {"objective": objective}
    if task == "bounds":
        return data.positive(), {"objective": "survival:aft"}
    if task == "binary":
        weight = {"scale_pos_weight": 3.0} if chance(rng, 0.2) else {}
        return data.classes(2), {"objective": one_of(rng, *BINARY), **weight}
    n_classes = int(rng.integers(3, 7))
    objective = one_of(rng, "multi:softprob", "multi:softmax")
    return data.classes(n_classes), {"objective": objective, "num_class": n_classes, **vector}


def _boosting(rng, data, vector_leaves):
    methods = ["hist", "hist", "approx"] + ["exact"] * (not data.categorical)
    params = {"max_depth": int(rng.integers(1, 8)), "tree_method": one_of(rng, *methods)}
    if data.categorical:
        kinds = ["c" if column in data.categorical else "q" for column in range(data.X.shape[1])]
        params |= {"enable_categorical": True, "feature_types": kinds}
        params["max_cat_to_onehot"] = one_of(rng, 1, 4, 200)
    if vector_leaves:
        params["tree_method"] = "hist"
    elif chance(rng, 0.25):
        params |= {"booster": "dart", "rate_drop": one_of(rng, 0.1, 0.5), "skip_drop": one_of(rng, 0.0, 0.5)}
        params |= {"sample_type": one_of(rng, "uniform", "weighted"), "normalize_type": one_of(rng, "tree", "forest")}
    if params["tree_method"] != "exact" and chance(rng, 0.3):
        params |= {"grow_policy": "lossguide", "max_leaves": int(rng.integers(2, 40)), "max_depth": 0}
    if chance(rng, 0.2):
        params |= {"num_parallel_tree": int(rng.integers(2, 4)), "subsample": 0.6}
    if not vector_leaves and not data.categorical and chance(rng, 0.1):
        params["monotone_constraints"] = tuple(int(way) for way in rng.integers(-1, 2, data.X.shape[1]))
    return params | some_of(
        rng,
        {
            "learning_rate": lambda: one_of(rng, 0.01, 0.1, 1.0),
            "gamma": lambda: one_of(rng, 0.1, 4.0, 1e9),
            "min_child_weight": lambda: one_of(rng, 0.0, 5.0, 1e9),
            "reg_lambda": lambda: one_of(rng, 0.0, 10.0),
            "reg_alpha": lambda: one_of(rng, 0.5, 5.0),
            "colsample_bytree": lambda: 0.7,
            "max_delta_step": lambda: 0.7,
            "base_score": lambda: one_of(rng, 0.3, 0.5, 0.9),
            **({"max_bin": lambda: one_of(rng, 2, 5, 64)} if params["tree_method"] != "exact" else {}),
        },
        0.15,
    )


def _booster(params, rounds, data, y, stopping):
    kinds = {"feature_types": params.get("feature_types"), "enable_categorical": True}
    params = {name: value for name, value in params.items() if name not in kinds}
    half, more = len(y) // 2, {}

    def matrix(rows):
        found = xgboost.DMatrix(data.X[rows], y[rows], nthread=1, **kinds)
        if params["objective"] == "survival:aft":
            found.set_float_info("label_lower_bound", y[rows])
            found.set_float_info("label_upper_bound", np.where(data.signal[rows] > 0, np.inf, y[rows] + 1))
        if params["objective"].startswith("rank:"):
            found.set_group([found.num_row()])
        return found

    if stopping:
        more = {"evals": [(matrix(slice(half, None)), "held_out")], "early_stopping_rounds": 2, "verbose_eval": False}
    return xgboost.train(params, matrix(slice(None)), 40 if stopping else rounds, **more)
