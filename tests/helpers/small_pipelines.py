"""Small data, a pipeline, and what its methods tell, for tests of wrapped pipelines."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 5)) * [1, 10, 0.1, 100, 1] + [0, 5, 0, -10, 3]
Y = (X[:, 0] + X[:, 4] > 3).astype(int)
WEIGHT = RNG.random(len(X))
FRAME = pd.DataFrame(X, columns=list("abcde"))


def xgboost():
    return XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1)


def pipeline(model=None):
    """An unfitted pipeline."""
    return Pipeline([("scale", StandardScaler()), ("clf", xgboost() if model is None else model)])


def folded_kinds(fast):
    """The kinds of rows that the steps of a wrapped pipeline are folded for."""
    return [kind for kind, ready in fast._compiled()._ready.items() if ready is not None]


def told(model, method, rows):
    """What a method gives, or its error, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = getattr(model, method)(rows)
        except Exception as error:
            found = type(error), str(error)
    return found, [str(one.message) for one in caught]
