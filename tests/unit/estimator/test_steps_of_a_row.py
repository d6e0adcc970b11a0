"""How many functions of Python a prediction of one numpy row calls in the estimator."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from xgboost import XGBClassifier

import sktensor.estimator
from sktensor import TensorizedEstimator

X, Y = load_breast_cancer(return_X_y=True)
FOLDER = str(Path(sktensor.estimator.__file__).parent)

MODELS = {
    "forest": RandomForestClassifier(n_estimators=3, random_state=0),
    "xgboost": XGBClassifier(n_estimators=3, n_jobs=1),
    "lightgbm": LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1),
}


def calls(function):
    """The functions in the estimator's folder that a call calls."""
    seen = []

    def note(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(FOLDER):
            seen.append(frame.f_code.co_qualname if hasattr(frame.f_code, "co_qualname") else frame.f_code.co_name)

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_raw"])
@pytest.mark.parametrize("name", MODELS)
def test_a_row_takes_few_steps_and_none_of_them_twice(name, method):
    fast = TensorizedEstimator(clone(MODELS[name])).fit(X, Y)
    predict = getattr(fast, method)
    predict(X[:1])
    seen = calls(lambda: predict(X[:1]))
    assert len(seen) <= 8 and len(seen) == len(set(seen))
