"""A library of trees that knows nothing of sktensor, and the plug-in for it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

# A library like any other: it knows nothing of sktensor, and computes in a way of its own.
MODELS = '''
import ctypes
import ctypes.util

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

expf = ctypes.CDLL(ctypes.util.find_library("m")).expf
expf.argtypes, expf.restype = [ctypes.c_float], ctypes.c_float


class Trees(BaseEstimator):
    """Sums of trees in float32: x < threshold goes left, a missing value to the node's own side."""

    def __init__(self, n_rounds=6, depth=3):
        self.n_rounds = n_rounds
        self.depth = depth

    def _grow(self, X, n_outputs):
        rng = np.random.default_rng(7)
        X = np.nan_to_num(np.asarray(X, dtype=np.float32))

        def tree(depth):
            if depth == 0:
                return np.float32(rng.normal())
            column = rng.integers(X.shape[1])
            return column, rng.choice(X[:, column]), rng.random() < 0.5, tree(depth - 1), tree(depth - 1)

        self.trees_ = [tree(self.depth) for _ in range(self.n_rounds * n_outputs)]
        self.start_ = rng.normal(size=n_outputs).astype(np.float32)
        self.n_features_in_ = X.shape[1]
        return self

    def _walk(self, X, tree):
        """Each row's value and leaf; leaves are counted from 10 on, from right to left."""
        value, number = np.empty(len(X), dtype=np.float32), np.empty(len(X), dtype=np.int64)
        count = 10
        stack = [(tree, np.arange(len(X)))]
        while stack:
            node, rows = stack.pop()
            if isinstance(node, np.float32):
                value[rows], number[rows] = node, count
                count += 1
                continue
            column, threshold, missing_left, left, right = node
            x = X[rows, column]
            goes = np.where(np.isnan(x), missing_left, x < threshold)
            stack += [(left, rows[goes]), (right, rows[~goes])]
        return value, number

    def margins(self, X):
        X = np.asarray(X).astype(np.float32)
        out = np.repeat(self.start_[None], len(X), axis=0)
        for number, tree in enumerate(self.trees_):
            out[:, number % len(self.start_)] += self._walk(X, tree)[0]
        return out

    def leaf_numbers(self, X):
        X = np.asarray(X).astype(np.float32)
        return np.stack([self._walk(X, tree)[1] for tree in self.trees_], axis=1)


class Regressor(RegressorMixin, Trees):
    def fit(self, X, y=None):
        return self._grow(X, 1)

    def predict(self, X):
        return self.margins(X)[:, 0]


class Classifier(ClassifierMixin, Trees):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self._grow(X, 1 if len(self.classes_) == 2 else len(self.classes_))

    def decision_function(self, X):
        margins = self.margins(X)
        return margins[:, 0] if margins.shape[1] == 1 else margins

    def predict_proba(self, X):
        margins = self.margins(X)
        if margins.shape[1] == 1:
            positive = expit(margins[:, 0])
            return np.stack([1 - positive, positive], axis=1)
        shifted = margins - margins.max(axis=1, keepdims=True)
        e = np.array([expf(x) for x in shifted.ravel()], dtype=np.float32).reshape(shifted.shape)
        return e / e.astype(np.float64).cumsum(axis=1)[:, -1:].astype(np.float32)

    def predict(self, X):
        margins = self.margins(X)
        return self.classes_[(margins[:, 0] > 0).astype(int) if margins.shape[1] == 1 else margins.argmax(axis=1)]


class SelfDescribing(Regressor):
    def __sktensor_forest__(self):
        from otherlib import plugin

        return plugin.extract(self)
'''
PLUGIN = """
import numpy as np

from sktensor import Forest


def extract(model):
    count = 0

    def nested(node):
        nonlocal count
        if isinstance(node, np.float32):
            count += 1
            return {"value": float(node), "leaf_id": 9 + count}
        column, threshold, missing_left, left, right = node
        split = {"feature": column, "threshold": threshold, "nan_left": missing_left}
        return split | {"right": nested(right), "left": nested(left)}  # leaves are counted from right to left

    trees = []
    for tree in model.trees_:
        count = 0
        trees.append(nested(tree))
    answers = {}
    if hasattr(model, "classes_"):
        binary = len(model.classes_) == 2
        answers = {
            "link": "sigmoid" if binary else "softmax",
            "proba": "complement" if binary else "values",
            "decision": "raw_positive" if binary else "raw_argmax",
            "classes": (model.classes_,),
        }
    return Forest.from_trees(
        trees,
        n_features=model.n_features_in_,
        n_outputs=len(model.start_),
        feature_dtype="float32",
        acc_dtype="float32",
        cmp="lt",
        base=model.start_,
        **answers,
    )


def predict_raw(model, X):
    margins = model.margins(X)
    return margins[:, 0] if margins.shape[1] == 1 else margins


def predict_leaves(model, X):
    return model.leaf_numbers(X)
"""


def data(n=80):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, np.where(np.nan_to_num(X[:, 0]) > 0.3, "up", np.where(np.nan_to_num(X[:, 1]) > 0, "mid", "low"))


def fitted(otherlib, kind):
    X, y = data()
    if kind == "regressor":
        return otherlib.Regressor().fit(X), X
    return otherlib.Classifier().fit(X, y == "up" if kind == "binary" else y), X


def broken(plugin, *, asks=("predict_raw", "predict_leaves"), **changes):
    """The plug-in with some fields of its forests replaced; a function makes them from the forest."""

    def extract(model):
        forest = plugin.extract(model)
        return forest.replace(**{k: v(forest) if callable(v) else v for k, v in changes.items()})

    return SimpleNamespace(extract=extract, **{name: getattr(plugin, name) for name in asks})


def reversed_trees(forest):
    return forest.trees.root[::-1]
