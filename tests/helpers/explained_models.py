"""Small fitted models of every library, and rows, for tests of explanations."""

from __future__ import annotations

import warnings

import catboost
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn import ensemble, tree

RNG = np.random.default_rng(0)
N = 160

X = RNG.normal(size=(N, 4))
Y = 2 * X[:, 0] + X[:, 1] ** 2 + X[:, 0] * (X[:, 2] > 0) + 0.1 * RNG.normal(size=N)
CLASSES = np.digitize(Y, [0.0, 1.5])
WEIGHTS = RNG.uniform(0.1, 3.0, N)
MISSING = np.where(RNG.random(X.shape) < 0.15, np.nan, X)  # to be fitted on

FRAME = pd.DataFrame(
    {
        "a": pd.Categorical(RNG.choice(list("abcdefgh"), N)),
        "x": RNG.normal(size=N),
        "b": pd.Categorical(RNG.choice(list("uvwxy"), N)),
        "c": pd.Categorical(RNG.choice(list("pq"), N)),
    }
)
Y_FRAME = (FRAME.a.cat.codes % 3) + 2.0 * (FRAME.b.cat.codes % 2) * (FRAME.a.cat.codes % 2) + FRAME.x
Y_FRAME = (Y_FRAME + (FRAME.c == "p")).to_numpy()
TEXTS = FRAME.astype({"a": str, "b": str, "c": str})

XGBOOST = {"n_estimators": 4, "max_depth": 3, "n_jobs": 1}
LIGHTGBM = {"n_estimators": 4, "num_leaves": 6, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
CATBOOST = {"iterations": 4, "depth": 3, "verbose": 0, "thread_count": 1, "allow_writing_files": False}


def xgb(kind=xgboost.XGBRegressor, y=Y, X=MISSING, weights=None, **params):
    return kind(**(XGBOOST | params)).fit(X, y, sample_weight=weights)


def lgb(kind=lightgbm.LGBMRegressor, y=Y, X=MISSING, weights=None, **params):
    return kind(**(LIGHTGBM | params)).fit(X, y, sample_weight=weights)


def cat(kind=catboost.CatBoostRegressor, y=Y, X=MISSING, weights=None, cat_features=None, **params):
    return kind(**(CATBOOST | params)).fit(X, y, sample_weight=weights, cat_features=cat_features)


def of_texts(**params):
    return cat(
        X=TEXTS, y=Y_FRAME, cat_features=["a", "b", "c"], random_seed=1, **({"iterations": 8, "depth": 4} | params)
    )


def sk(model, y=Y, X=X, weights=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y, sample_weight=weights) if weights is not None else model.fit(X, y)


ARRAYS = {
    "xgboost": lambda: xgb(weights=WEIGHTS),
    "xgboost_booster": lambda: xgb().get_booster(),
    "xgboost_two_classes": lambda: xgb(xgboost.XGBClassifier, CLASSES > 0),
    "xgboost_three_classes": lambda: xgb(xgboost.XGBClassifier, CLASSES),
    "xgboost_vector_leaves": lambda: xgb(y=np.c_[Y, -Y], multi_strategy="multi_output_tree", tree_method="hist"),
    "xgboost_two_targets": lambda: xgb(y=np.c_[Y, X[:, 3]]),
    "xgboost_dart": lambda: xgb(booster="dart", rate_drop=0.5),
    "xgboost_forest": lambda: xgb(xgboost.XGBRFRegressor, n_estimators=3),
    "xgboost_poisson": lambda: xgb(y=np.abs(Y), objective="count:poisson"),
    "xgboost_stumps": lambda: xgb(max_depth=1),
    "xgboost_single_leaves": lambda: xgb(gamma=1e9),
    "xgboost_deep": lambda: xgb(n_estimators=1, max_depth=9),
    "lightgbm": lambda: lgb(weights=WEIGHTS),
    "lightgbm_booster": lambda: lgb().booster_,
    "lightgbm_two_classes": lambda: lgb(lightgbm.LGBMClassifier, CLASSES > 0, weights=WEIGHTS),
    "lightgbm_three_classes": lambda: lgb(lightgbm.LGBMClassifier, CLASSES),
    "lightgbm_forest": lambda: lgb(boosting="rf", bagging_freq=1, bagging_fraction=0.6),
    "lightgbm_dart": lambda: lgb(boosting="dart"),
    "lightgbm_zero_as_missing": lambda: lgb(X=np.round(X), zero_as_missing=True),
    "lightgbm_single_leaves": lambda: lgb(min_child_samples=N),
    "catboost": lambda: cat(weights=WEIGHTS),
    "catboost_two_classes": lambda: cat(catboost.CatBoostClassifier, CLASSES > 0),
    "catboost_three_classes": lambda: cat(catboost.CatBoostClassifier, CLASSES, weights=WEIGHTS),
    "catboost_empty_leaves": lambda: cat(depth=6, iterations=2),
    "catboost_lossguide": lambda: cat(grow_policy="Lossguide", X=X),
    "catboost_depthwise": lambda: cat(grow_policy="Depthwise", X=X),
    "catboost_uncertainty": lambda: cat(loss_function="RMSEWithUncertainty"),
    "tree": lambda: sk(tree.DecisionTreeRegressor(max_depth=4), X=MISSING, weights=WEIGHTS),
    "tree_of_classes": lambda: sk(tree.DecisionTreeClassifier(max_depth=4), CLASSES),
    "tree_of_targets": lambda: sk(tree.DecisionTreeRegressor(max_depth=3), np.c_[Y, X[:, 3]]),
    "random_forest": lambda: sk(ensemble.RandomForestClassifier(3, max_depth=4, random_state=0), CLASSES),
    "random_forest_of_targets": lambda: sk(
        ensemble.RandomForestClassifier(3, max_depth=3, random_state=0), np.c_[CLASSES, X[:, 0] > 0]
    ),
    "extra_trees": lambda: sk(ensemble.ExtraTreesRegressor(3, max_depth=4, random_state=0), weights=WEIGHTS),
    "gradient_boosting": lambda: sk(ensemble.GradientBoostingRegressor(n_estimators=4), weights=WEIGHTS),
    "gradient_boosting_of_classes": lambda: sk(ensemble.GradientBoostingClassifier(n_estimators=3), CLASSES),
    "hist_gradient_boosting": lambda: sk(
        ensemble.HistGradientBoostingRegressor(max_iter=4, max_leaf_nodes=6), X=MISSING, weights=WEIGHTS
    ),
    "hist_gradient_boosting_of_classes": lambda: sk(
        ensemble.HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=6), CLASSES, X=MISSING
    ),
    "isolation_forest": lambda: sk(
        ensemble.IsolationForest(n_estimators=3, max_samples=32, random_state=0), None
    ),
    "ada_boost": lambda: sk(ensemble.AdaBoostClassifier(n_estimators=4, random_state=0), CLASSES),
    "bagging": lambda: sk(
        ensemble.BaggingRegressor(tree.DecisionTreeRegressor(max_depth=3), 3, max_features=3, random_state=0)
    ),
}  # fmt: skip

FRAMES = {
    "xgboost": (lambda: xgb(X=FRAME, y=Y_FRAME, enable_categorical=True, max_cat_to_onehot=3), FRAME),
    "lightgbm": (lambda: lgb(X=FRAME, y=Y_FRAME, min_data_per_group=5, cat_smooth=1.0), FRAME),
    "hist_gradient_boosting": (
        lambda: sk(
            ensemble.HistGradientBoostingRegressor(max_iter=4, max_leaf_nodes=6, categorical_features="from_dtype"),
            Y_FRAME,
            FRAME,
        ),
        FRAME,
    ),
    "catboost_one_hot": (lambda: of_texts(one_hot_max_size=10), TEXTS),
    "catboost_statistics": (lambda: of_texts(one_hot_max_size=2, max_ctr_complexity=1), TEXTS),
    "catboost_statistics_of_several_columns": (lambda: of_texts(one_hot_max_size=2, max_ctr_complexity=3), TEXTS),
}
