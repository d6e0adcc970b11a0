"""Estimators shared by threads, sent to workers, carried through a fork; and nothing left behind."""

from __future__ import annotations

import locale
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import sklearn
import torch
from agreement import library_raw, same_bits
from lightgbm import LGBMClassifier
from sklearn.datasets import load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator
from sktensor.native import loader
from sktensor.runtime import planner as plans
from sktensor.runtime.plain_sums import FEW_ROWS
from sktensor.runtime.program import Program

X, Y = load_wine(return_X_y=True)
X = np.concatenate([X, X * 1.01, X * 0.99])
Y = np.concatenate([Y] * 3)
N_THREADS = 16

MODELS = {
    "xgboost": XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1),
    "lightgbm": LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1),
    "forest": RandomForestClassifier(n_estimators=5, random_state=0),
    "histograms": HistGradientBoostingClassifier(max_iter=5),
}
PARAMETERS = [{}, {"n_jobs": 2}, {"strategy": "tree_traversal", "backend": "torch"}, {"strategy": "gemm"}]


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return MODELS[request.param].fit(X, Y)


@pytest.fixture
def compilations(monkeypatch):
    """What was compiled since the start of the test."""
    seen = []
    built = Program._built
    monkeypatch.setattr(Program, "_built", lambda self, *key: seen.append(key) or built(self, *key))
    return seen


@pytest.fixture
def threads_pay(monkeypatch):
    """Work of any size is shared out where `n_jobs` asks for it."""
    monkeypatch.setattr(plans, "WORTH_A_THREAD_NS", 0.0)


def at_once(task, n=N_THREADS):
    """Results of a task that so many threads start together, each with its number."""
    barrier = threading.Barrier(n)

    def run(number):
        barrier.wait()
        return task(number)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(run, range(n)))


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_concurrent_first_predictions_compile_once(model, parameters, compilations, threads_pay):
    fast, expected = TensorizedEstimator(model, **parameters), library_raw(model, X)
    for found in at_once(lambda _: fast.predict_raw(X)):
        same_bits(found, expected)
    assert compilations and len(compilations) == len(set(compilations))


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_batches_of_any_size_from_many_threads_get_the_serial_answers(model, parameters, threads_pay):
    fast, expected = TensorizedEstimator(model, **parameters), library_raw(model, X)

    def predict(number):
        rng = np.random.default_rng(number)
        for _ in range(20):
            rows = rng.integers(0, len(X), size=rng.choice([1, 2, 7, 63, 64, 65, 300, 1000]))
            same_bits(fast.predict_raw(X[rows]), expected[rows])
        return True

    assert all(at_once(predict))


@pytest.mark.parametrize("parameters", PARAMETERS[:3], ids=str)
def test_no_prediction_waits_for_another_ones_end(model, parameters, monkeypatch):
    many = np.concatenate([X] * (1 + FEW_ROWS // len(X)))  # which do not take the short way, on which nothing meets
    fast, expected = TensorizedEstimator(model, **parameters), library_raw(model, many)
    fast.predict_raw(many)
    both_are_here, met, raw_scores = threading.Barrier(2), [], Program.raw_scores
    monkeypatch.setattr(Program, "raw_scores", lambda *given: met.append(both_are_here.wait(60)) or raw_scores(*given))
    for found in at_once(lambda _: fast.predict_raw(many), n=2):  # if one were waited for, the barrier would break
        same_bits(found, expected)
    assert len(met) == 2


@pytest.mark.slow
def test_threads_with_settings_of_their_own_share_nothing_but_the_model(model, threads_pay):
    expected = library_raw(model, X)

    def predict(number):
        fast = TensorizedEstimator(model, **PARAMETERS[number % len(PARAMETERS)], batch_size=number + 1)
        same_bits(fast.predict_raw(X), expected)
        return True

    assert all(at_once(predict))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_workers_of_joblib_give_the_serial_answers(model, backend, n_jobs):
    fast, expected = TensorizedEstimator(model, n_jobs=n_jobs), library_raw(model, X)
    fast.predict(X)  # compiled here, and again in each process
    parts = np.array_split(np.arange(len(X)), 6)
    # loky maps what is larger than this, so that the rows are read-only there
    found = joblib.Parallel(n_jobs=2, backend=backend, max_nbytes=1000)(
        joblib.delayed(fast.predict_raw)(X[part]) for part in parts
    )
    same_bits(np.concatenate(found), expected)


def answer(fast, queue):
    queue.put(fast.predict_raw(X))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.skipif(loader.library() is None, reason="torch's own threads do not survive a fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")  # which is what is put to the test
@pytest.mark.parametrize("parameters", [{}, {"n_jobs": 2}], ids=str)
def test_a_fork_after_use_gives_the_same_answers(model, parameters, threads_pay):
    fast = TensorizedEstimator(model, **parameters)
    before = fast.predict_raw(X)  # compiled here: reading a model may take its library's threads, which a fork ends
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=answer, args=(fast, queue))
    child.start()
    try:
        same_bits(queue.get(timeout=600), before)
        child.join(600)
        assert child.exitcode == 0
    finally:
        if child.is_alive():
            child.kill()
    same_bits(fast.predict_raw(X), before)


def everything_global():
    """What a process shares between all that runs in it, as far as a prediction could touch it."""
    numpy_state = np.random.get_state()
    return {
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "recursion": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "locale": locale.setlocale(locale.LC_ALL),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "threads": {thread.ident for thread in threading.enumerate()},
        "numpy errors": np.geterr(),
        "numpy random": (numpy_state[0], numpy_state[1].tobytes(), *numpy_state[2:]),
        "numpy printing": repr(np.get_printoptions()),
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch random": torch.get_rng_state().numpy().tobytes(),
        "torch dtype": torch.get_default_dtype(),
        "torch device": torch.get_default_device(),
        "torch gradients": torch.is_grad_enabled(),
        "torch determinism": torch.are_deterministic_algorithms_enabled(),
        "denormals": float(np.float32(1e-40) * np.float32(1.0)),
        "scikit-learn": sklearn.get_config(),
        "folder": os.getcwd(),
    }


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_global_state_is_unchanged(model, parameters, threads_pay):
    library_raw(model, X)  # what the libraries themselves set up
    before = everything_global()
    fast = TensorizedEstimator(model, **parameters)
    for rows in (X, X.astype(np.float32), torch.tensor(X)):
        fast.predict(rows), fast.predict_proba(rows), fast.predict_raw(rows), fast.apply(rows)
    fast.explain_plan(10**6)
    pickle.loads(pickle.dumps(fast)).predict(X)
    assert everything_global() == before
