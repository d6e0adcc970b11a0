"""A pytest plugin that repeats every prediction of scikit-learn's own test suites with the wrapper, and compares bytes.

    python -m pytest -p tests.outside.repeat_predictions -p no:cacheprovider -q --pyargs sklearn.tree sklearn.ensemble

Each call of ``predict``, ``predict_proba`` and so on of a fitted tree model, or of a model made of them, is answered by
the library, then once more by ``TensorizedEstimator(model)``. What differs is printed at the end and fails the run.
Models that are refused by name are counted by the reason.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import warnings
from collections import Counter

import numpy as np
import scipy.sparse
import sklearn.ensemble
import sklearn.tree
from sklearn.utils.validation import check_is_fitted

from sktensor import TensorizedEstimator, UnsupportedModelError

METHODS = (
    "predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "apply", "transform",
)  # fmt: skip
MODULES = (sklearn.tree, sklearn.ensemble)

_inside = threading.local()  # a method may call another; what is compared is what the caller sees


class Record:
    """What was compared, refused, and found to differ."""

    def __init__(self):
        self.compared = Counter()
        self.refused = Counter()
        self.different = []


RECORD = Record()


def pytest_configure(config):
    """Put the comparison around the methods of every tree model and ensemble of scikit-learn."""
    for module in MODULES:
        for name in module.__all__:
            kind = getattr(module, name)
            if inspect.isclass(kind):
                for method in METHODS:
                    if method in vars(kind) or any(method in vars(base) for base in kind.__mro__):
                        _watch(kind, method)


def _watch(kind, method):
    found = inspect.getattr_static(kind, method)
    if not inspect.isfunction(found) or hasattr(found, "repeated"):
        return  # of those that are there under a condition, the owner is watched

    @functools.wraps(found)
    def watched(self, *args, **kwargs):
        if getattr(_inside, "busy", False) or type(self).__module__.partition(".")[0] != "sklearn":
            return found(self, *args, **kwargs)
        _inside.busy = True
        try:
            return _compared(self, method, found, args, kwargs)
        finally:
            _inside.busy = False

    watched.repeated = True
    setattr(kind, method, watched)


def _compared(model, method, original, args, kwargs):
    try:
        theirs, error = original(model, *args, **kwargs), None
    except Exception as raised:
        theirs, error = None, raised
    if _is_comparable(model, method, args, kwargs):
        _compare(model, method, original, args, theirs, error)
    if error is not None:
        raise error
    return theirs


def _is_comparable(model, method, args, kwargs):
    """Whether this is a call that the wrapper has: one X, of a fitted model."""
    if (
        len(args) != 1
        or kwargs
        or _is_being_fitted(model)
        or (method == "transform" and not hasattr(TensorizedEstimator(model), "transform"))
    ):
        return False
    try:
        check_is_fitted(model)
    except Exception:
        return False
    return True


def _is_being_fitted(model):
    """Whether the model's own fit is asking, which the wrapper never sees: the model is not complete yet."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name in ("fit", "fit_transform") and frame.f_locals.get("self") is model:
            return True
        frame = frame.f_back
    return False


def _compare(model, method, original, args, theirs, error):
    label = f"{type(model).__name__}.{method}"
    jobs = getattr(model, "n_jobs", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ours, refusal = getattr(TensorizedEstimator(model), method)(*args), None
        except UnsupportedModelError as refused:
            RECORD.refused[f"{label}: {str(refused).partition('. ')[0][:150]}"] += 1
            return
        except Exception as raised:
            ours, refusal = None, raised
        if error is None and refusal is None and jobs not in (None, 1):
            model.n_jobs = 1  # with more of them, forests add their trees in the order in which they are done
            try:
                theirs = original(model, *args)
            finally:
                model.n_jobs = jobs
    RECORD.compared[label] += 1
    if error is not None or refusal is not None:
        if (error is None) != (refusal is None):
            who = "the library raises" if refusal is None else "the wrapper raises"
            RECORD.different.append(f"{label}: {who} {(error or refusal)!r:.300}")
    elif problem := _difference(ours, theirs):
        RECORD.different.append(f"{label}: {problem}")


def _difference(ours, theirs):
    """What differs between two answers; empty if nothing does."""
    if isinstance(theirs, list):
        if not isinstance(ours, list) or len(ours) != len(theirs):
            return f"{type(ours).__name__} instead of a list of {len(theirs)}"
        return next(filter(None, map(_difference, ours, theirs)), "")
    if type(ours) is not type(theirs):
        return f"{type(ours).__name__} instead of {type(theirs).__name__}"
    if scipy.sparse.issparse(theirs):
        same = ours.shape == theirs.shape and (ours != theirs).nnz == 0
        return "" if same else "other entries of a sparse matrix"
    if hasattr(theirs, "columns"):
        return "" if ours.equals(theirs) else "another frame"
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
        return f"{ours.dtype} {ours.shape} instead of {theirs.dtype} {theirs.shape}"
    if theirs.dtype.kind == "f":
        nan = np.isnan(ours) & np.isnan(theirs)
        ours, theirs = (np.where(nan, 0, np.ascontiguousarray(x).view(f"u{x.dtype.itemsize}")) for x in (ours, theirs))
    wrong = ours != theirs
    return f"{np.count_nonzero(wrong)} of {wrong.size} values differ" if np.any(wrong) else ""


def pytest_terminal_summary(terminalreporter):
    """Say what was compared."""
    write = terminalreporter.write_line
    write(f"repeated predictions: {sum(RECORD.compared.values())}, refused by name: {sum(RECORD.refused.values())}")
    for reason, count in RECORD.refused.most_common():
        write(f"  refused {count:5d} x {reason}")
    for line, count in Counter(RECORD.different).most_common():
        write(f"  DIFFERENT {count:5d} x {line}")


def pytest_sessionfinish(session, exitstatus):
    """Fail the run if an answer differed; the library's own failures are not this run's."""
    session.exitstatus = 1 if RECORD.different or not RECORD.compared else 0
