"""Random configurations of CatBoost."""

from __future__ import annotations

import catboost
import numpy as np
import pandas as pd

from benchmarks.random_models.data import draw_data
from benchmarks.random_models.draws import Configuration, chance, labels, one_of, some_of

REGRESSION = ("RMSE", "MAE", "Quantile:alpha=0.3", "Huber:delta=0.5", "Expectile:alpha=0.7", "LogCosh", "Lq:q=1.5")
POSITIVE = ("Poisson", "Tweedie:variance_power=1.5", "MAPE")
SEVERAL = ("RMSEWithUncertainty", "MultiQuantile:alpha=0.1,0.9")


def draw(rng):
    kind = one_of(rng, *["CatBoostClassifier", "CatBoostRegressor"] * 4, "CatBoost", "CatBoost", "CatBoostRanker")
    data = draw_data(rng, missing=True, categories=True)
    as_text = chance(rng, 0.5)
    y, params = _target(rng, kind, data)
    params |= _boosting(rng, params["loss_function"])
    params |= {"iterations": int(rng.integers(1, 13)), "random_seed": int(rng.integers(1000))}
    quiet = {"thread_count": 1, "verbose": 0, "allow_writing_files": False}
    if data.categorical:
        params["cat_features"] = list(data.categorical)
        params |= some_of(
            rng, {"one_hot_max_size": lambda: one_of(rng, 2, 10, 255), "max_ctr_complexity": lambda: 1}, 0.4
        )
    stopping = kind == "CatBoostRegressor" and chance(rng, 0.2)

    def fit():
        asked = {**params, **quiet}
        model = catboost.CatBoost(asked) if kind == "CatBoost" else getattr(catboost, kind)(**asked)
        X, half, more = given(data.X), len(data.X) // 2, {}
        if stopping:
            more = {"eval_set": (X[half:], y[half:]), "early_stopping_rounds": 2}
        if kind == "CatBoostRanker":
            more["group_id"] = np.arange(len(data.X)) // 10
        return model.fit(X, y, **more)

    def given(rows):
        """Categories have to be text or whole numbers, which takes a frame."""
        if not data.categorical:
            return rows
        frame = pd.DataFrame(rows)
        for column in data.categorical:
            whole = pd.Series(np.rint(np.nan_to_num(rows[:, column], nan=-7.0)).astype(np.int64))
            frame[column] = "category " + whole.astype(str) if as_text else whole
        return frame

    return Configuration("catboost", kind, {**params, "early stopping": stopping}, data, fit, given)


def _target(rng, kind, data):
    if kind == "CatBoostRanker":
        loss = one_of(rng, "YetiRank", "QueryRMSE", "PairLogit", "QuerySoftMax")
        return data.classes(3), {"loss_function": loss}
    task = one_of(rng, "binary", "classes", "labels") if kind == "CatBoostClassifier" else None
    task = task or one_of(rng, "real", "real", "positive", "several", "targets")
    if task == "real":
        return data.real(rng), {"loss_function": one_of(rng, *REGRESSION)}
    if task == "positive":
        return data.positive(), {"loss_function": one_of(rng, *POSITIVE)}
    if task == "several":
        return data.real(rng), {"loss_function": one_of(rng, *SEVERAL)}
    if task == "targets":
        return data.several(rng, int(rng.integers(2, 4))), {"loss_function": "MultiRMSE"}
    if task == "labels":
        several = data.several(rng, int(rng.integers(2, 4)))
        return (several > np.median(several, axis=0)).astype(int), {"loss_function": "MultiLogloss"}
    if task == "binary":
        loss = one_of(rng, "Logloss", "Logloss", "CrossEntropy", "Focal:focal_alpha=0.5;focal_gamma=1.0")
        y = data.classes(2)
        return (labels(rng, y) if loss == "Logloss" else y), {"loss_function": loss}
    loss = one_of(rng, "MultiClass", "MultiClassOneVsAll")
    return labels(rng, data.classes(int(rng.integers(3, 7)))), {"loss_function": loss}


def _boosting(rng, loss):
    policy = one_of(rng, "SymmetricTree", "SymmetricTree", "Depthwise", "Lossguide")
    params = {"depth": int(rng.integers(1, 7)), "grow_policy": policy, "nan_mode": one_of(rng, "Min", "Max")}
    if policy == "Lossguide":
        params["max_leaves"] = int(rng.integers(2, 20))
    if chance(rng, 0.3):
        params["bootstrap_type"] = one_of(rng, "No", "Bernoulli", "MVS", "Bayesian")
    return params | some_of(
        rng,
        {
            "learning_rate": lambda: one_of(rng, 0.01, 0.3, 1.0),
            "border_count": lambda: one_of(rng, 1, 5, 32, 254),
            "feature_border_type": lambda: one_of(rng, "Median", "Uniform", "UniformAndQuantiles", "MinEntropy"),
            "l2_leaf_reg": lambda: one_of(rng, 0.0, 10.0),
            "random_strength": lambda: one_of(rng, 0.0, 5.0),
            "rsm": lambda: 0.7,
            "leaf_estimation_iterations": lambda: one_of(rng, 1, 5),
            "min_data_in_leaf": lambda: 5 if policy != "SymmetricTree" else 1,
            "boost_from_average": lambda: False,
            "boosting_type": lambda: "Plain" if policy != "SymmetricTree" else one_of(rng, "Plain", "Ordered"),
            "score_function": lambda: one_of(rng, "L2", "Cosine"),
            "model_shrink_rate": lambda: 0.1,
        },
        0.15,
    )
