"""Names of columns of models whose extractor comes from somebody else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from sktensor import Forest, TensorizedEstimator, registry
from sktensor.registry import ColumnNames

X = pd.DataFrame({"a": [0.0, 2.0], "b": [5.0, 5.0]})
LEAVES = [1.0, 3.0]


class Stump(RegressorMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        """What the wrapper has if the model has it."""
        raise AssertionError("the program answers instead")


class Extractor:
    def extract(self, model):
        tree = {"feature": 0, "threshold": 1.0, "left": {"value": LEAVES[0]}, "right": {"value": LEAVES[1]}}
        return Forest.from_trees([tree], n_features=2)


class WithHook(Extractor):
    def columns(self, model):
        return ColumnNames(names=("a", "b"), rule="name")


@pytest.fixture(params=["prefit", "fitted through"])
def wrapped(request, monkeypatch):
    """Makes a wrapper around a model that this extractor knows."""

    def make(extractor):
        monkeypatch.setitem(registry._registered, Stump.__module__.partition(".")[0], extractor)
        return TensorizedEstimator(Stump().fit(X)) if request.param == "prefit" else TensorizedEstimator(Stump()).fit(X)

    return make


def test_name_rules_of_an_extractor_apply(wrapped):
    fast = wrapped(WithHook())
    for rows in (X, X[["b", "a"]], X.assign(c=1.0), X[["a"]]):
        np.testing.assert_array_equal(fast.predict(rows), LEAVES)
    with pytest.raises(ValueError, match="yet now missing:\n- a\n"):
        fast.predict(X[["b"]])


def test_without_name_rules_of_an_extractor_scikit_learns_apply(wrapped):
    fast = wrapped(Extractor())
    if hasattr(fast, "feature_names_in_"):
        with pytest.raises(ValueError, match="must be in the same order"):
            fast.predict(X[["b", "a"]])
    else:
        with pytest.warns(UserWarning, match="X has feature names, but TensorizedEstimator was fitted without"):
            fast.predict(X)
    with pytest.raises(ValueError, match="feature"):
        fast.predict(X.assign(c=1.0).set_axis(range(3), axis=1))
