"""A process forked while a thread compiles: the child compiles and predicts, too."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from sktensor import TensorizedEstimator
from sktensor.estimator import compiling
from sktensor.native import loader
from sktensor.runtime import program as programs

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.skipif(loader.library() is None, reason="torch's own threads do not survive a fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),  # Python 3.12 warns of the thread that waits
]

PATIENCE_S = 600  # ends what waits for ever, and nothing that is merely slow

X = np.random.default_rng(0).normal(size=(50, 3))
MODEL = DecisionTreeRegressor(random_state=0).fit(X, X[:, 0])


@contextmanager
def held_by_another_thread(lock):
    held, done = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    yield
    done.set()
    thread.join()


def predicted_in_child(expected):
    """Exit status of a forked process that compiles and predicts; a signal ends it if it waits for ever."""
    if (child := os.fork()) == 0:
        signal.alarm(PATIENCE_S)
        try:
            os._exit(0 if TensorizedEstimator(MODEL).predict(X).tobytes() == expected else 3)
        finally:
            os._exit(4)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("module", [compiling, programs])
def test_a_child_does_not_wait_for_a_thread_of_its_parent(module):
    before = module._compiling._lock
    with held_by_another_thread(before):
        assert predicted_in_child(MODEL.predict(X).tobytes()) == 0
    assert module._compiling._lock is before  # the parent's stays, which threads may hold


def test_a_thread_that_forks_while_it_compiles_goes_on_in_the_child(monkeypatch):
    build, child = programs.Program._built, []

    def forking(self, *key):
        child.append(os.fork())
        signal.alarm(0 if child[0] else PATIENCE_S)
        return build(self, *key)

    monkeypatch.setattr(programs.Program, "_built", forking)
    fast = TensorizedEstimator(MODEL, verify=False)
    try:
        same = fast.predict(X).tobytes() == MODEL.predict(X).tobytes()
    finally:
        if not child or child[0] == 0:
            os._exit(0 if child and same else 4)
    assert os.waitstatus_to_exitcode(os.waitpid(child[0], 0)[1]) == 0
    assert same
