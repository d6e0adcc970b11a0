"""``score`` is the library's own, whatever the labels are."""

from __future__ import annotations

import numpy as np
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from xgboost import XGBClassifier, XGBRegressor

from sktensor import TensorizedEstimator

X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:100, :4], Y[:100]

CATBOOST = {"iterations": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
CLASSIFIERS = {
    "catboost": CatBoostClassifier(**CATBOOST),
    "xgboost": XGBClassifier(n_estimators=3, n_jobs=1),
    "lightgbm": LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1),
    "forest": RandomForestClassifier(n_estimators=3, random_state=0),
    "histogram boosting": HistGradientBoostingClassifier(max_iter=3),
}
REGRESSORS = {
    "catboost": CatBoostRegressor(**CATBOOST),
    "catboost of two values": CatBoostRegressor(loss_function="RMSEWithUncertainty", **CATBOOST),
    "xgboost": XGBRegressor(n_estimators=3, n_jobs=1),
    "lightgbm": LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1),
    "forest": RandomForestRegressor(n_estimators=3, random_state=0),
}
LABELS = {
    "integers": Y,
    "int8": Y.astype(np.int8),
    "floats": Y.astype(float),
    "text": np.array(["a", "b"])[Y],
    "objects of text": np.array(["a", "b"], dtype=object)[Y],
    "objects of integers": Y.astype(object),
    "objects of floats": Y.astype(float).astype(object),
    "objects of bools": Y.astype(bool).astype(object),
    "bytes": np.array([b"a", b"b"])[Y],
    "bools": Y.astype(bool),
    "dates": np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]")[Y],
    "three classes": Y + (X[:, 0] > 14) * 2,
    "a list": Y.tolist(),
}


def outcome(call):
    """A score, or the error."""
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_scores_as_its_library_does(name, labels):
    y = LABELS[labels]
    try:
        bare = clone(CLASSIFIERS[name]).fit(X, y)
    except (TypeError, ValueError) as error:
        pytest.skip(f"the library takes no such labels: {error}")
    fast = TensorizedEstimator(bare)
    for truth in (y, LABELS["integers"], LABELS["text"]):
        assert outcome(lambda: fast.score(X, truth)) == outcome(lambda: bare.score(X, truth))  # noqa: B023


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor_scores_as_its_library_does(name):
    y = X[:, 0] * 2.0
    bare = clone(REGRESSORS[name]).fit(X[:, 1:], y)
    assert TensorizedEstimator(bare).score(X[:, 1:], y) == bare.score(X[:, 1:], y)


def test_a_score_of_a_subclass_is_its_own():
    class Harsh(RandomForestClassifier):
        def score(self, X, y, sample_weight=None):
            return -1.0

    assert TensorizedEstimator(Harsh(n_estimators=2).fit(X, Y)).score(X, Y) == -1.0
