"""Random configurations of scikit-learn's trees, forests and boosting."""

from __future__ import annotations

import numpy as np
import sklearn.ensemble
import sklearn.tree

from benchmarks.random_models.data import draw_data
from benchmarks.random_models.draws import Configuration, chance, labels, one_of, some_of

SINGLE = ("DecisionTree", "ExtraTree")
FORESTS = ("RandomForest", "ExtraTrees")
ENDINGS = ("Classifier", "Regressor")
HIST, BOOSTING = "HistGradientBoosting", "GradientBoosting"


def draw(rng):
    if chance(rng, 0.2):
        return _of_trees(rng)
    family = one_of(rng, *SINGLE, *FORESTS, *FORESTS, BOOSTING, BOOSTING, HIST, HIST, HIST)
    kind = family + one_of(rng, *ENDINGS)
    data = draw_data(rng, missing=family != BOOSTING, categories=family == HIST)
    y, params = _target(rng, kind, family, data)
    params |= _hist(rng, data) if family == HIST else _trees(rng, kind, family)
    params["random_state"] = int(rng.integers(1000))
    module = sklearn.tree if family in SINGLE else sklearn.ensemble
    return Configuration("sklearn", kind, params, data, lambda: getattr(module, kind)(**params).fit(data.X, y))


def _of_trees(rng):
    """Ensembles that take trees as a parameter, and isolation forests."""
    kind = one_of(
        rng, "IsolationForest", "BaggingClassifier", "BaggingRegressor", "AdaBoostClassifier", "AdaBoostRegressor"
    )
    data = draw_data(rng, missing=chance(rng, 0.5), categories=False)
    params = {"n_estimators": int(rng.integers(1, 13)), "random_state": int(rng.integers(1000))}
    if kind == "IsolationForest":
        params |= {"max_samples": one_of(rng, 0.5, 10, "auto"), "max_features": one_of(rng, 1.0, 0.6)}
        params["contamination"] = one_of(rng, "auto", 0.1)
        return Configuration(
            "sklearn", kind, params, data, lambda: sklearn.ensemble.IsolationForest(**params).fit(data.X)
        )
    suffix = "Classifier" if kind.endswith("Classifier") else "Regressor"
    base = one_of(rng, "DecisionTree", "ExtraTree") + suffix
    depth = one_of(rng, None, 1, 4)
    if kind.startswith("Bagging"):
        params |= {"max_samples": one_of(rng, 1.0, 0.5), "max_features": one_of(rng, 1.0, 0.6), "n_jobs": 1}
        params["bootstrap_features"] = chance(rng, 0.3)
    else:
        params["learning_rate"] = one_of(rng, 1.0, 0.3)
    y = labels(rng, data.classes(int(one_of(rng, 2, 3, 5)))) if suffix == "Classifier" else data.real(rng)

    def fit():
        tree = getattr(sklearn.tree, base)(max_depth=depth)
        return getattr(sklearn.ensemble, kind)(estimator=tree, **params).fit(data.X, y)

    return Configuration("sklearn", kind, {"estimator": base, "max_depth": depth, **params}, data, fit)


def _target(rng, kind, family, data):
    several = family in (*SINGLE, *FORESTS) and chance(rng, 0.3)
    if kind.endswith("Classifier"):
        if several:
            return np.column_stack([data.classes(k) for k in rng.integers(2, 5, int(rng.integers(2, 4)))]), {}
        y = labels(rng, data.classes(int(one_of(rng, 2, 2, 3, 5))))
        if family == BOOSTING and len(np.unique(y)) == 2:
            return y, {"loss": one_of(rng, "log_loss", "exponential")}
        return y, {}
    if several:
        return data.several(rng, int(rng.integers(2, 4))), {}
    if family == HIST:
        loss = one_of(rng, "squared_error", "absolute_error", "poisson", "gamma", "quantile")
        params = {"loss": loss, "quantile": 0.3} if loss == "quantile" else {"loss": loss}
        return (data.positive() if loss in ("poisson", "gamma") else data.real(rng)), params
    if family == BOOSTING:
        return data.real(rng), {"loss": one_of(rng, "squared_error", "absolute_error", "huber", "quantile")}
    criterion = one_of(rng, "squared_error", "absolute_error", "friedman_mse", "poisson")
    return (data.positive() if criterion == "poisson" else data.real(rng)), {"criterion": criterion}


def _trees(rng, kind, family):
    params = some_of(
        rng,
        {
            "max_depth": lambda: int(rng.integers(1, 9)),
            "max_leaf_nodes": lambda: int(rng.integers(2, 40)),
            "min_samples_leaf": lambda: int(rng.integers(1, 9)),
            "max_features": lambda: one_of(rng, "sqrt", 0.5, 1),
            "ccp_alpha": lambda: 0.01,
            "min_impurity_decrease": lambda: 0.01,
        },
        0.3,
    )
    if family == BOOSTING:
        params |= {"n_estimators": int(rng.integers(1, 13))}
        return params | some_of(
            rng,
            {
                "learning_rate": lambda: one_of(rng, 0.01, 1.0),
                "subsample": lambda: 0.6,
                "init": lambda: "zero",
                "n_iter_no_change": lambda: 2,
                "criterion": lambda: "squared_error",
            },
        )
    if family in FORESTS:
        params |= {"n_estimators": int(rng.integers(1, 13)), "bootstrap": chance(rng, 0.7), "n_jobs": 1}
    if kind.endswith("Classifier"):
        params["criterion"] = one_of(rng, "gini", "entropy", "log_loss")
        if chance(rng, 0.2):
            params["class_weight"] = "balanced"
    if family in SINGLE and chance(rng, 0.3):
        params["splitter"] = one_of(rng, "best", "random")
    return params


def _hist(rng, data):
    params = {"max_iter": int(rng.integers(1, 13)), "early_stopping": chance(rng, 0.2)}
    if data.categorical:
        params["categorical_features"] = list(data.categorical)
    return params | some_of(
        rng,
        {
            "learning_rate": lambda: one_of(rng, 0.01, 1.0),
            "max_leaf_nodes": lambda: int(rng.integers(2, 40)),
            "max_depth": lambda: int(rng.integers(1, 9)),
            "min_samples_leaf": lambda: int(rng.integers(1, 20)),
            "l2_regularization": lambda: 1.0,
            "max_features": lambda: 0.5,
            "max_bins": lambda: one_of(rng, 2, 5, 64),
        },
        0.3,
    )
