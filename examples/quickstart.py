"""The main job on real models: wrap a fitted model, and get the library's own numbers, to the bit, from tensors.

Trains models of XGBoost, LightGBM and scikit-learn on data sets that ship with scikit-learn, wraps each one, and
holds the answers of every strategy against the library's: raw scores byte for byte, predictions value for value.
Exits with 1 if anything differs.

Usage: python examples/quickstart.py
"""

from __future__ import annotations

import textwrap
import time

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from xgboost import XGBClassifier, XGBRegressor

from sktensor import TensorizedEstimator, UnsupportedModelError, show_versions

STRATEGIES = ("auto", "gemm", "tree_traversal", "perfect_tree_traversal")

MODELS = (
    (XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1), load_breast_cancer),
    (XGBClassifier(n_estimators=30, max_depth=4, n_jobs=1), load_digits),
    (XGBRegressor(n_estimators=200, max_depth=6, n_jobs=1), load_diabetes),
    (LGBMClassifier(n_estimators=50, n_jobs=1, verbose=-1), load_wine),
    (LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1), load_breast_cancer),
    (LGBMRegressor(n_estimators=200, n_jobs=1, verbose=-1), load_diabetes),
    (RandomForestClassifier(n_estimators=50, random_state=0), load_digits),
    (ExtraTreesRegressor(n_estimators=50, random_state=0), load_diabetes),
    (GradientBoostingClassifier(n_estimators=50, random_state=0), load_iris),
    (HistGradientBoostingClassifier(max_iter=100, random_state=0), load_breast_cancer),
    (HistGradientBoostingRegressor(max_iter=100, random_state=0), load_diabetes),
)


def library_raw(model, X):
    """The library's own raw scores: before links, thresholds and labels, which would hide differences."""
    if isinstance(model, (XGBClassifier, XGBRegressor)):
        return model.predict(X, output_margin=True)
    if isinstance(model, (LGBMClassifier, LGBMRegressor)):
        return model.predict(X, raw_score=True)
    if hasattr(model, "decision_function"):
        return model.decision_function(X)
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)  # a forest's mean over its trees has no link
    return model.predict(X)


def same_bits(ours, theirs):
    """Whether two arrays hold the same bytes, so that -0.0 is not 0.0 and every last bit counts."""
    return ours.dtype == theirs.dtype and ours.size == theirs.size and ours.tobytes() == theirs.tobytes()


def milliseconds(call, repeat=5, budget=0.5):
    """Best wall time of a few calls, in ms; of fewer, once they have taken `budget` seconds."""
    best, spent = float("inf"), 0.0
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        elapsed = time.perf_counter() - start
        best, spent = min(best, elapsed), spent + elapsed
        if spent > budget:
            break
    return 1000 * best


def compare(model, X, strategy):
    """One line of the table: raw scores equal, predictions equal, milliseconds, and what was chosen."""
    wrapped = TensorizedEstimator(model, strategy=strategy)  # already fitted: the first call compiles it
    raw = wrapped.predict_raw(X)
    raw_equal = same_bits(raw, library_raw(model, X))
    predictions_equal = np.array_equal(wrapped.predict(X), model.predict(X))
    chosen = wrapped.explain_plan(len(X)).strategy
    return raw_equal, predictions_equal, milliseconds(lambda: wrapped.predict_raw(X)), chosen


def main():
    show_versions()
    print("\nraw, pred.: raw scores have the library's bits, predictions are equal. Times: raw scores, in ms.\n")
    header = f"{'model':<31} {'data':<14} {'rows':>5}  {'strategy':<31} raw   pred.  {'sktensor':>9} {'library':>9}"
    print(header, "-" * len(header), sep="\n")
    wrong = 0
    for model, load in MODELS:
        X, y = load(return_X_y=True)
        model.fit(X, y)
        library = milliseconds(lambda model=model, X=X: library_raw(model, X))
        name, data = type(model).__name__, load.__name__.removeprefix("load_")
        for strategy in STRATEGIES:
            line = f"{name:<31} {data:<14} {len(X):>5}  "
            try:
                raw_equal, predictions_equal, spent, chosen = compare(model, X, strategy)
            except UnsupportedModelError:
                raise  # all of these models are supported
            except ValueError as refusal:
                wrong += strategy == "auto"  # one strategy may be too large for a model, but never all of them
                print(f"{line}{strategy:<31} refused: {textwrap.shorten(str(refusal), 90)}", flush=True)
                continue
            wrong += not (raw_equal and predictions_equal)
            verdict = f"{'yes' if raw_equal else 'NO':<5} {'yes' if predictions_equal else 'NO':<6}"
            shown = strategy if strategy == chosen else f"{strategy}: {chosen}"
            print(f"{line}{shown:<31} {verdict} {spent:>9.2f} {library:>9.2f}", flush=True)
    print(f"\n{wrong} difference(s)." if wrong else "\nThe same bits everywhere.")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
