"""Another fit of a pipeline, or of one of its steps, is noticed with the next prediction, and nothing else is."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from sktensor import TensorizedEstimator

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)) + 1
Y = X[:, 0] * X[:, 1] > 1
OTHER = X * [[3.0, -2.0, 0.5]] + 2


class Doubled(TransformerMixin, BaseEstimator):
    """A transformer of a package that nobody has described, which counts its calls."""

    def fit(self, X, y=None):
        self.mean_, self.n_features_in_ = X.mean(axis=0), X.shape[1]
        return self

    def transform(self, X):
        self.calls = getattr(self, "calls", 0) + 1
        return 2 * (X - self.mean_)


def pipeline():
    inside = Pipeline([("impute", SimpleImputer()), ("scale", StandardScaler())])
    union = FeatureUnion(
        [("a", MaxAbsScaler()), ("b", "passthrough"), ("c", FrozenEstimator(StandardScaler().fit(X[:, :2])))]
    )
    columns = ColumnTransformer([("inside", inside, [0, 1]), ("dropped", "drop", [2])])
    steps = [("none", None), ("columns", columns), ("doubled", Doubled()), ("union", union)]
    return Pipeline([*steps, ("model", RandomForestClassifier(5, random_state=0))]).fit(X, Y)


CHANGES = {
    "the pipeline": lambda p: p.fit(OTHER, Y),
    "the columns": lambda p: p["columns"].fit(OTHER),
    "a step of theirs": lambda p: p["columns"].named_transformers_["inside"]["scale"].fit(OTHER[:, :2]),
    "a step of a union": lambda p: p["union"].transformer_list[0][1].fit(OTHER[:, :2]),
    "a frozen step": lambda p: p["union"].transformer_list[2][1].estimator.fit(OTHER[:, :2]),
    "a step that nobody has described": lambda p: p["doubled"].fit(OTHER[:, :2]),
    "the model": lambda p: p[-1].fit(p[:-1].transform(X), ~Y),
    "another step": lambda p: p.set_params(doubled=Doubled().fit(OTHER[:, :2])),
    "another list of steps": lambda p: p.set_params(steps=[p.steps[1], *p.steps[3:]]),
    "a step in the list": lambda p: p.steps.__setitem__(2, ("doubled", Doubled().fit(OTHER[:, :2]))),
    "a step less": lambda p: p.steps.pop(2),
    "another model": lambda p: p.set_params(model=RandomForestClassifier(3).fit(p[:-1].transform(X), Y)),
    "a step of the union": lambda p: p["union"].set_params(a="passthrough"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(change):
    model = pipeline()
    fast = TensorizedEstimator(model)
    assert fast.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()
    before = fast._current()
    assert fast._current() is before
    CHANGES[change](model)
    assert before.is_stale()
    assert fast.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()
    assert fast._current() is not before


def test_predictions_change_nothing():
    model = pipeline()
    fast = TensorizedEstimator(model)
    fast.predict(X)
    before = fast._current()
    for rows in (X, X[:1], OTHER):
        fast.predict_proba(rows)
        model.predict(rows)
    assert fast._current() is before
