"""Models that are saved, and what is equal after they are loaded."""

from __future__ import annotations

import numpy as np
import pandas as pd
from agreement import same_bits
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor
from mutations import signed, taken_apart
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_wine
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier
from versions import is_older
from xgboost import XGBClassifier, XGBRanker, XGBRegressor

import sktensor
from sktensor import Forest, TensorizedEstimator

X, Y = load_wine(return_X_y=True)
NAMES = np.array(["Barolo", "Grignolino", "日本酒 \x00\U0001f377"])[Y]
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "predict_raw", "apply")
SMALL = {"n_estimators": 5, "n_jobs": 1}


def saved(model, path, **parameters):
    """A wrapper around a fitted model, and what comes back of it from a file."""
    fast = TensorizedEstimator(model, **parameters)
    sktensor.save(fast, path, overwrite=True)
    return fast, sktensor.load(path)


def same_fields(ours, theirs):
    """Every field of a forest, exactly."""
    for name, a in ours.fields().items():
        b = theirs.fields()[name]
        assert type(a) is type(b), name
        if isinstance(a, np.ndarray):
            assert not a.flags.writeable
            same_array(a, b)
        elif name in ("classes", "categories") and a is not None:
            assert len(a) == len(b)
            for one, other in zip(a, b, strict=True):
                assert (one is None) == (other is None)
                if one is not None:
                    same_array(one, other)
        else:
            assert repr(a) == repr(b), name  # in which -0.0 is not 0.0


def same_array(a, b):
    assert (a.dtype.str, a.shape) == (b.dtype.str, b.shape)
    if a.dtype == object:
        assert [(type(x), x) for x in a] == [(type(x), x) for x in b]
    else:
        assert a.tobytes() == b.tobytes()


def same_answers(ours, theirs, rows):
    for method in METHODS:
        assert hasattr(ours, method) == hasattr(theirs, method)
        if hasattr(ours, method):
            with np.errstate(all="ignore"):
                same_bits(getattr(ours, method)(rows), getattr(theirs, method)(rows))


MODELS = {
    "text labels": lambda: RandomForestClassifier(5, random_state=0).fit(X, NAMES),
    "labels as objects": lambda: RandomForestClassifier(5, random_state=0).fit(X, NAMES.astype(object)),
    "bool labels": lambda: DecisionTreeClassifier().fit(X, Y == 1),
    "float labels": lambda: DecisionTreeClassifier().fit(X, Y - 1.0),
    "int8 labels": lambda: DecisionTreeClassifier().fit(X, Y.astype(np.int8)),
    "big-endian labels": lambda: DecisionTreeClassifier().fit(X, Y.astype(">i4")),
    "several targets": lambda: RandomForestClassifier(3).fit(X, np.stack([NAMES, (Y > 0).astype(NAMES.dtype)], 1)),
    "several targets of one tree": lambda: DecisionTreeClassifier().fit(X, np.stack([Y, Y > 0], 1)),
    "several outputs": lambda: RandomForestRegressor(3).fit(X, X[:, :3]),
    "names of columns": lambda: RandomForestRegressor(3).fit(pd.DataFrame(X).add_prefix("größe "), Y),
    "GradientBoosting": lambda: GradientBoostingClassifier(n_estimators=4).fit(X, NAMES),
    "HistGradientBoosting": lambda: HistGradientBoostingRegressor(max_iter=4).fit(X, Y),
    "one leaf": lambda: DecisionTreeClassifier().fit(X, np.zeros(len(X))),
    "XGBClassifier": lambda: XGBClassifier(**SMALL, missing=-999.0).fit(X, Y),
    "XGBoost, missing=inf": lambda: XGBRegressor(**SMALL, missing=np.inf).fit(X, Y),
    "XGBoost, dart": lambda: XGBRegressor(**SMALL, booster="dart", rate_drop=0.5).fit(X, Y),
    "XGBRanker": lambda: XGBRanker(**SMALL).fit(X, Y, group=[60, 60, 58]),
    "XGBoost, vector leaves": lambda: XGBRegressor(**SMALL, multi_strategy="multi_output_tree").fit(X, X[:, :2]),
    "LGBMClassifier": lambda: LGBMClassifier(**SMALL, verbose=-1).fit(X, NAMES),
    "LightGBM, linear trees": lambda: LGBMRegressor(**SMALL, linear_tree=True, verbose=-1).fit(X, Y),
    "LightGBM, zero as missing": lambda: LGBMRegressor(**SMALL, zero_as_missing=True, verbose=-1).fit(X, Y),
    "LGBMRanker": lambda: LGBMRanker(**SMALL, verbose=-1).fit(X, Y, group=[60, 60, 58]),
    "CatBoost": lambda: CatBoostClassifier(iterations=4, verbose=0, allow_writing_files=False).fit(X, NAMES),
}
if is_older("xgboost", "3.1"):
    del MODELS["XGBoost, vector leaves"]  # whose importances crash it


class Brought(ClassifierMixin, BaseEstimator):
    """A model that brings any labels and any forest along."""

    def __init__(self, labels, rules=None):
        self.labels = labels
        self.rules = rules

    @property
    def classes_(self):
        return self.labels

    n_features_in_ = 2

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        raise AssertionError("the wrapper predicts, and nobody fits")

    predict = predict_proba = fit

    def __sktensor_forest__(self):
        def stump(*values):
            return {"feature": 1, "threshold": -0.0, "left": {"value": values[:3]}, "right": {"value": values[3:]}}

        rules = {"decision": "argmax", "proba": "values", "classes": (self.labels,), "tree_target": [-1, -1]}
        shapes = {"n_outputs": 3, "raw_shape": (3,), "value_shape": (3,), "leaf_shape": (2,)}
        trees = [stump(0.1, 0.7, 0.2, -0.0, 0.3, 0.7), stump(0.5, 0.1, 0.1, 5e-324, 0.1, 0.9)]
        return Forest.from_trees(trees, n_features=2, **{**rules, **shapes, **(self.rules or {})})


def changed(data, *way, to):
    """The same file with one entry of its header changed, under a checksum that is right."""
    content, arrays = taken_apart(data)
    *way, last = way
    inside = content
    for key in way:
        inside = inside[key]
    inside[last] = to
    return signed(content, arrays)


def without(data, *way):
    content, arrays = taken_apart(data)
    *way, last = way
    inside = content
    for key in way:
        inside = inside[key]
    del inside[last]
    return signed(content, arrays)
