"""What "the same as the library" means: bits, dtypes and shapes, held against the wrapped model itself."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest
import torch
from layouts import LAYOUTS
from sklearn.ensemble._iforest import _parallel_compute_tree_depths

from sktensor import TensorizedEstimator, extract_forest, tensorize
from sktensor.backends.cpu.engine import STRATEGIES as NATIVE_STRATEGIES
from sktensor.native import loader
from sktensor.runtime import planner as plans
from sktensor.strategies.bitsliced import MOST_LEAVES
from sktensor.strategies.costs import Shape

STRATEGIES = ("auto", "bitsliced", "gemm", "tree_traversal", "perfect_tree_traversal")

# What a wrapper has if the model has it.
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform")

# Of tensors, links go through torch's exp, which is not the libraries'; nothing else has a tolerance.
ULPS = 4


def same_bits(ours, library):
    """Equal in type, dtype, shape and every bit; any NaN equals any other."""
    if isinstance(library, list):
        assert isinstance(ours, list) and len(ours) == len(library)
        for a, b in zip(ours, library, strict=True):
            same_bits(a, b)
        return
    assert isinstance(ours, np.ndarray)
    assert (ours.dtype, ours.shape) == (library.dtype, library.shape)
    if library.dtype.kind != "f":
        np.testing.assert_array_equal(ours, library)
        return
    both_nan = np.isnan(ours) & np.isnan(library)
    bits = f"i{library.dtype.itemsize}"
    a, b = (np.where(both_nan, 0, np.ascontiguousarray(x).view(bits)) for x in (ours, library))
    np.testing.assert_array_equal(a, b)


def same_columns(ours, library):
    """Equal in kind, dtypes, shape and entries, sparse or dense."""
    assert type(ours) is type(library)
    if isinstance(library, np.ndarray):
        same_bits(ours, library)
        return
    assert ours.shape == library.shape and ours.has_sorted_indices == library.has_sorted_indices
    for part in ("data", "indices", "indptr"):
        same_bits(getattr(ours, part), getattr(library, part))


def within_ulps(ours, library, ulps=ULPS):
    """Equal in dtype and shape, and at most so many representable numbers apart."""
    if isinstance(library, list):
        assert isinstance(ours, list) and len(ours) == len(library)
        for a, b in zip(ours, library, strict=True):
            within_ulps(a, b, ulps)
        return
    assert (ours.dtype, ours.shape) == (library.dtype, library.shape)
    finite = np.isfinite(library)
    np.testing.assert_array_equal(np.isfinite(ours), finite)
    np.testing.assert_array_equal(ours[~finite], library[~finite])
    distance = np.abs(ours[finite] - library[finite]) / np.spacing(np.abs(library[finite]))
    assert distance.max(initial=0) <= ulps


def is_of(model, library):
    """Whether the model's class, or one that it derives from, is the library's."""
    return any(cls.__module__.partition(".")[0] == library for cls in type(model).__mro__)


def library_raw(model, X):
    """Raw scores as the library itself gives them."""
    if is_of(model, "xgboost"):
        return model.predict(X, output_margin=True)
    if is_of(model, "lightgbm"):
        return model.predict(X, raw_score=True)
    if is_of(model, "catboost"):
        import catboost

        # the base class's method: CatBoostRanker's own gives the same but takes no prediction_type
        return catboost.CatBoost.predict(model, X, prediction_type="RawFormulaVal")
    if hasattr(model, "_raw_predict"):
        if type(model).__name__.startswith("GradientBoosting"):
            X = np.ascontiguousarray(X, dtype=np.float32)  # as its public methods do first
        return model._raw_predict(X)
    if hasattr(model, "score_samples"):
        return path_lengths(model, X)
    if hasattr(model, "decision_function"):  # scikit-learn's AdaBoost
        return model.decision_function(X)
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def path_lengths(model, X):
    """Lengths of the ways through an isolation forest, by the library's own function."""
    X, total = np.ascontiguousarray(X, dtype=np.float32), np.zeros(len(X))
    columns = model.estimators_features_ if model._max_features < X.shape[1] else [None] * len(model.estimators_)
    of_trees = zip(
        model.estimators_, columns, model._decision_path_lengths, model._average_path_length_per_tree, strict=True
    )
    for tree, features, lengths, averages in of_trees:
        _parallel_compute_tree_depths(tree, X, features, lengths, averages, total, threading.Lock())
    return total


def library_leaves(model, X):
    """Leaf numbers as the library itself gives them, None where it has none."""
    if is_of(model, "lightgbm"):
        return model.predict(X, pred_leaf=True)
    if is_of(model, "catboost"):
        return model.calc_leaf_indexes(X)
    if is_of(model, "xgboost") and (names := model.get_booster().feature_names):
        return model.apply(pd.DataFrame(X, columns=names))  # which, unlike predict, insists on the names
    return model.apply(X) if hasattr(model, "apply") else None


def assert_agrees(model, X, strategy="auto", **parameters):
    """Every method of the wrapper gives what the fitted model gives on the rows X.

    A strategy that is named runs as tensor code; ``"auto"`` as users get it, and then in every kernel there is.
    """
    parameters = {"backend": "auto" if strategy == "auto" else "torch", **parameters}
    fast = TensorizedEstimator(model, strategy=strategy, **parameters)
    if strategy == "bitsliced" and Shape.of(extract_forest(model).trees).n_leaves.max(initial=0) > MOST_LEAVES:
        with pytest.raises(ValueError, match="does not take trees as large as this forest's"):
            fast.predict(X)
        return TensorizedEstimator(model)
    with np.errstate(all="ignore"):
        rows = without_infinities(X) if is_of(model, "xgboost") else X  # which XGBoost's apply refuses
        if fast.forest_.n_trees and (leaves := library_leaves(model, rows)) is not None:
            same_bits(fast.apply(rows), np.asarray(leaves))
        for method in METHODS:
            assert hasattr(fast, method) == hasattr(model, method)
        if hasattr(model, "transform"):
            same_columns(fast.transform(X), model.transform(X))
            return fast
        same_bits(fast.predict_raw(X), library_raw(model, X))
        predicted = np.asarray(model.predict(X))
        if fast.forest_.outputs.decision == "none":
            same_bits(fast.predict(X), predicted)
        else:
            same_bits(fast.predict(X), predicted)
        if hasattr(model, "predict_proba"):
            same_bits(fast.predict_proba(X), model.predict_proba(X))
        for method in ("decision_function", "score_samples"):
            if hasattr(model, method):
                same_bits(getattr(fast, method)(X), getattr(model, method)(X))
        if strategy == "auto" and isinstance(X, np.ndarray):
            assert_few_rows_agree(fast, model, X)
        if strategy == "auto" and isinstance(X, np.ndarray) and loader.library() is not None:
            assert_kernels_agree(fast, X, library_raw(model, X))
    return fast


def assert_few_rows_agree(fast, model, X):
    """Rows that are given one or a few at a time, for which there is a way of their own, get the model's answers."""
    ends = np.cumsum([1, 4, 128])
    for first, last in zip([0, *ends], ends, strict=False):
        rows = X[first:last] if len(X) > first else X[:1]
        for method in ("predict", "predict_proba", "decision_function", "score_samples"):
            if hasattr(model, method):
                expected = getattr(model, method)(rows)
                same_bits(getattr(fast, method)(rows), expected if isinstance(expected, list) else np.asarray(expected))
        same_bits(fast.predict_raw(rows), library_raw(model, rows))


def assert_kernels_agree(fast, X, raw):
    """Every kernel gives these raw scores of X, in every instruction set, wherever X lies, in several threads."""
    kernels, times = loader.library(), -(-1100 // max(len(X), 1))  # several blocks of rows, for several threads
    X = np.concatenate([X] * times)
    expected = [np.concatenate([part] * times) for part in (raw if isinstance(raw, list) else [raw])]
    layouts = LAYOUTS if X.dtype in (np.float32, np.float64) else LAYOUTS[:1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "WORTH_A_THREAD_NS", 0.0)
        for strategy in NATIVE_STRATEGIES:
            native = TensorizedEstimator(fast.estimator_, strategy=strategy, backend="native", verify=False)
            try:
                native.explain_plan()
            except ValueError as refusal:
                # Circuits are not for linear leaves and the largest trees; every forest can be walked.
                assert strategy == "bitsliced" and "has no kernel for this forest" in str(refusal), refusal
                continue
            for number in range(kernels.best + 1):
                patch.setattr(kernels, "isa", number)
                for layout in layouts:
                    found = native.set_params(n_jobs=3 if layout is LAYOUTS[0] else 1).predict_raw(layout(X))
                    for ours, theirs in zip(found if isinstance(found, list) else [found], expected, strict=True):
                        same_bits(ours, theirs)


def without_infinities(X):
    """X with large numbers for what is infinite in float32."""
    with np.errstate(over="ignore"):
        return np.where(np.isinf(X.astype(np.float32)), np.copysign(1e30, X), X)


def assert_booster_agrees(booster, X, strategy, *, raw, leaves):
    """Every output of the module made of a booster is what the booster itself predicts.

    `X` may be a pair of the rows as the booster takes them and as an array; `raw` and `leaves` are the arguments that
    have it predict raw scores and leaf numbers.
    """
    theirs, ours = X if isinstance(X, tuple) else (X, X)
    ours = torch.tensor(ours)

    def module(output):
        return tensorize(booster, strategy=strategy, output=output)(ours).numpy()

    with np.errstate(all="ignore"):
        same_bits(module("raw"), booster.predict(theirs, **raw))
        within_ulps(module("value"), booster.predict(theirs))
        expected = booster.predict(theirs, **leaves)
        if expected.size:  # XGBoost gives no rows where there are no trees
            same_bits(module("leaf"), expected)
