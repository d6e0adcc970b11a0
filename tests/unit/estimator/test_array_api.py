"""Tensors under scikit-learn's array_api_dispatch, and without it."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import sklearn
import torch
from agreement import same_bits, within_ulps
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from versions import is_older, since
from xgboost import XGBClassifier, XGBRegressor

from sktensor import TensorizedEstimator

X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:200, :8].astype(np.float32), Y[:200]
WEIGHT = np.where(Y == 0, 5.0, 0.1)

MODELS = {
    "xgboost": XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1),
    "lightgbm": LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1),
    "catboost": CatBoostClassifier(iterations=4, depth=3, verbose=0, allow_writing_files=False, thread_count=1),
    "forest": RandomForestClassifier(n_estimators=4, max_depth=4, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=4, random_state=0),
    "histograms": HistGradientBoostingClassifier(max_iter=4),
}
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "apply")


@pytest.fixture(params=MODELS)
def fast(request):
    """A fitted wrapper."""
    return TensorizedEstimator(clone(MODELS[request.param]).fit(X, Y))


def methods(fast):
    return [method for method in METHODS if hasattr(fast, method)]


def test_without_dispatch_a_tensor_is_answered_by_numpy_as_everywhere_in_scikit_learn(fast, device):
    fast.set_params(device=device)
    rows = torch.tensor(X, device=device)
    for method in methods(fast):
        found = getattr(fast, method)(rows)
        assert isinstance(found, np.ndarray)
        (same_bits if device == "cpu" else within_ulps)(found, getattr(fast, method)(X))


def test_raw_scores_of_a_tensor_are_a_tensor_on_its_device_whatever_the_setting(fast, device, dispatch):
    rows = torch.tensor(X, device=device)
    for enabled in (True, False):
        with sklearn.config_context(array_api_dispatch=enabled):
            found = fast.set_params(device=device).predict_raw(rows)
        assert isinstance(found, torch.Tensor) and found.device == rows.device
        same_bits(found.cpu().numpy(), fast.predict_raw(X))


def test_under_dispatch_a_tensor_is_answered_by_tensors_on_its_device(fast, device, dispatch):
    fast.set_params(device=device)
    rows = torch.tensor(X, device=device)
    for method in methods(fast):
        found, expected = getattr(fast, method)(rows), getattr(fast, method)(X)
        assert isinstance(found, torch.Tensor) and found.device == rows.device and not found.requires_grad
        if expected.dtype.kind != "f":
            same_bits(found.cpu().numpy(), expected)
        else:  # the logarithm of what is close to one makes more of its last bit
            within_ulps(found.cpu().numpy(), expected, ulps=16 if method == "predict_log_proba" else 4)


def test_the_device_of_the_rows_is_that_of_the_answer_wherever_the_model_runs(device, dispatch):
    fast = TensorizedEstimator(clone(MODELS["forest"]).fit(X, Y), device="cpu")
    rows = torch.tensor(X, device=device)
    found = fast.predict_proba(rows)
    assert found.device == rows.device
    same_bits(found.cpu().numpy(), fast.predict_proba(X))


def test_under_dispatch_arrays_are_answered_by_arrays(fast, dispatch):
    with sklearn.config_context(array_api_dispatch=False):
        expected = {method: getattr(fast, method)(X) for method in methods(fast)}
    for method in methods(fast):
        same_bits(getattr(fast, method)(X), expected[method])
        if not is_older("scikit-learn", "1.9"):  # which took no lists under dispatch
            same_bits(getattr(fast, method)(X.astype(np.float64).tolist()), expected[method])


def test_labels_that_no_tensor_can_hold_are_numpys_under_dispatch_too(dispatch):
    fast = TensorizedEstimator(clone(MODELS["forest"]).fit(X, np.array(["no", "yes"])[Y]))
    same_bits(fast.predict(torch.tensor(X)), fast.predict(X))


@pytest.mark.parametrize("enabled", [False, True])
def test_tensors_are_fitted_on_as_their_numbers_are(fast, device, enabled, dispatch):
    given = [torch.tensor(part, device=device) for part in (X, Y, WEIGHT)]
    with sklearn.config_context(array_api_dispatch=enabled):
        found = clone(fast).fit(given[0], given[1], sample_weight=given[2])
        assert found.score(*given) == found.score(X, Y, WEIGHT)
    same_bits(found.predict_raw(X), clone(fast).fit(X, Y, sample_weight=WEIGHT).predict_raw(X))
    same_bits(found.classes_, np.array([0, 1]))


@pytest.mark.parametrize("name", ["xgboost", "forest"])
@pytest.mark.parametrize(
    "scoring",
    [
        "accuracy",
        pytest.param("neg_log_loss", marks=since("scikit-learn", "1.8", "a log loss of tensors")),
        pytest.param("neg_brier_score", marks=since("scikit-learn", "1.8", "a Brier score of tensors")),
        "f1",
    ],
)
def test_scores_of_tensors_across_folds_are_those_of_arrays(name, scoring, device, dispatch):
    fast = TensorizedEstimator(MODELS[name], device=device)
    found = cross_val_score(fast, *(torch.tensor(part, device=device) for part in (X, Y)), cv=2, scoring=scoring)
    np.testing.assert_allclose(found, cross_val_score(fast, X, Y, cv=2, scoring=scoring), rtol=1e-6)


@since("scikit-learn", "1.8", "a scaler that computes with the dtypes of torch")
def test_pipeline_passes_tensors_to_the_estimator(device, dispatch):
    rows, truth = torch.tensor(X, device=device), torch.tensor(Y, device=device)
    pipeline = make_pipeline(StandardScaler(), TensorizedEstimator(MODELS["xgboost"], device=device))
    found = pipeline.fit(rows, truth).predict(rows)
    assert found.device == rows.device
    assert accuracy_score(truth, found) > 0.9
    scaled = pipeline[0].transform(rows).cpu().numpy()
    same_bits(found.cpu().numpy(), pipeline[-1].estimator_.predict(scaled))


def test_a_regressor_of_tensors_scores_them(dispatch):
    fast = TensorizedEstimator(XGBRegressor(n_estimators=3, n_jobs=1)).fit(torch.tensor(X), torch.tensor(X[:, 0]))
    assert isinstance(fast.predict(torch.tensor(X)), torch.Tensor)
    assert fast.score(torch.tensor(X), torch.tensor(X[:, 0])) == fast.estimator_.score(X, X[:, 0])


@pytest.mark.slow
def test_in_a_process_that_was_started_for_it_dispatch_needs_nothing_else(dispatch):
    code = """if True:
        import numpy as np, sklearn, torch
        from sklearn.datasets import make_classification
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sktensor import TensorizedEstimator
        X, y = make_classification(random_state=0)
        fast = TensorizedEstimator(HistGradientBoostingClassifier(max_iter=3)).fit(X, y)
        with sklearn.config_context(array_api_dispatch=True):
            found = fast.predict(torch.tensor(X))
        assert isinstance(found, torch.Tensor) and (found.numpy() == fast.estimator_.predict(X)).all()
    """
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"SCIPY_ARRAY_API": "1"}, check=True)
