"""The way of numpy rows from ``predict_proba`` to the answer: how many functions of Python, and in which folders."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from xgboost import XGBClassifier

import sktensor
from sktensor import TensorizedEstimator
from sktensor.native import loader, plain_calls
from sktensor.runtime.plain_sums import FEW_ROWS

pytestmark = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")

needs_extension = pytest.mark.skipif(not plain_calls.is_there(), reason="built without the extension module")

ROOT = Path(sktensor.__file__).parent
X, Y = make_classification(200, 28, random_state=0)
MANY = np.resize(X, (FEW_ROWS + 1, 28))

MODELS = {
    "xgboost": XGBClassifier(n_estimators=5, n_jobs=1),
    "lightgbm": LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1),
    "forest": RandomForestClassifier(n_estimators=5, random_state=0),
    "hist": HistGradientBoostingClassifier(max_iter=5, random_state=0),
}

# What any stage may ask on the way without handing the row over: calls of the shared library, whether the library has
# fitted its model anew, and what rows say of themselves.
HELPERS = ("native", "extractors")
OF_ROWS = ("Rows.dtype", "dtype")  # the second as Python 3.10 has it


@pytest.fixture(scope="module", params=MODELS)
def fast(request):
    return TensorizedEstimator(MODELS[request.param]).fit(X, Y)


def calls(function, row):
    """The functions of Python that a second call calls: file and name of each."""
    function(row)
    seen = []

    def note(frame, event, _):
        if event == "call":
            code = frame.f_code
            seen.append((Path(code.co_filename), getattr(code, "co_qualname", code.co_name)))

    sys.setprofile(note)
    try:
        function(row)
    finally:
        sys.setprofile(None)
    return seen


def folders(function, rows):
    """The folders that rows enter on a second call, one after the other."""
    seen = [
        path.relative_to(ROOT).parts[0]
        for path, name in calls(function, rows)
        if path.is_relative_to(ROOT) and name not in OF_ROWS
    ]
    return [folder for folder, _ in groupby(folder for folder in seen if folder not in HELPERS)]


@needs_extension
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("method", "most"), [("predict_proba", 8), ("predict", 32)])
def test_a_row_takes_few_calls(fast, method, most, dtype):
    assert len(calls(getattr(fast, method), X[:1].astype(dtype))) <= most


@needs_extension
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("method", "way"), [("predict_proba", ["estimator"]), ("predict", ["estimator", "outputs"])])
def test_a_row_goes_to_the_kernels_at_once(fast, method, way, dtype):
    assert folders(getattr(fast, method), X[:1].astype(dtype)) == way


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("method", "most"), [("predict_proba", 36), ("predict", 48)])
def test_many_rows_take_few_calls(fast, method, most, dtype):
    assert len(calls(getattr(fast, method), MANY.astype(dtype))) <= most


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["predict_proba", "predict"])
def test_many_rows_enter_each_folder_once(fast, method, dtype):
    way = folders(getattr(fast, method), MANY.astype(dtype))
    assert way == ["estimator", "inputs", "runtime", "backends", "outputs"]
