"""The main job on real models: wrap a fitted model, get the library's own numbers, to the bit, and get them faster.

Trains models of XGBoost, LightGBM and scikit-learn on data sets that ship with scikit-learn and shows a line for each:
whether raw scores and predictions are the library's, and the times of both. Takes ten to thirty seconds on one core.
Exits with 1 if anything differs.

Usage: python examples/quickstart.py [--rows 10000] [--strategies]
"""

from __future__ import annotations

import argparse
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
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier, XGBRegressor

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError

STRATEGIES = ("gemm", "tree_traversal", "perfect_tree_traversal", "bitsliced")

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


def answer(model, X):
    """What a user asks for: probabilities of a classifier, values of a regressor."""
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def same_bits(ours, theirs):
    """Whether two arrays hold the same bytes, so that -0.0 is not 0.0 and every last bit counts."""
    return ours.dtype == theirs.dtype and ours.size == theirs.size and ours.tobytes() == theirs.tobytes()


def all_the_same(wrapped, model, X):
    """Whether raw scores, answers and predictions are the library's."""
    return (
        same_bits(wrapped.predict_raw(X), library_raw(model, X))
        and same_bits(answer(wrapped, X), answer(model, X))
        and np.array_equal(wrapped.predict(X), model.predict(X))
    )


def milliseconds(call, repeat=5, budget=0.3):
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


def more_rows(X, n):
    """Rows for a batch: each column drawn anew from its own values, which lie on and beside the thresholds."""
    rng = np.random.default_rng(0)
    return np.stack([rng.choice(column, n) for column in X.T], axis=1)


def strategy_lines(model, X):
    """A line for each strategy, asked for by name; yields whether it differs from the library as well."""
    for strategy in STRATEGIES:
        wrapped = TensorizedEstimator(model, strategy=strategy)
        try:
            same = all_the_same(wrapped, model, X)
        except UnsupportedModelError:
            raise  # all of these models are supported
        except ValueError as refusal:  # a strategy may be too large for a model
            yield f"    {strategy:<24} refused: {textwrap.shorten(str(refusal), 80)}", False
            continue
        spent = milliseconds(lambda wrapped=wrapped: answer(wrapped, X))
        yield f"    {strategy:<24} same bits: {'yes' if same else 'NO'}, {spent:.2f} ms", not same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of a batch (default: 10000)")
    parser.add_argument("--strategies", action="store_true", help="each strategy by name, too: takes a minute more")
    options = parser.parse_args()
    start = time.perf_counter()
    print(f"sktensor {sktensor.__version__}: {len(MODELS)} models, {options.rows:,} rows each, one thread.", end=" ")
    print("Takes ten to thirty seconds.\n")
    header = f"{'model':<31} {'data':<14} {'same bits':<9} {'library':>11} {'sktensor':>12} {'times faster':>13}"
    print(header, "-" * len(header), sep="\n")
    wrong = 0
    for model, load in MODELS:
        X, y = load(return_X_y=True)
        model.fit(X, y)
        X = more_rows(X, options.rows)
        wrapped = TensorizedEstimator(model)  # already fitted: the first prediction compiles it
        same = all_the_same(wrapped, model, X)
        library = milliseconds(lambda model=model, X=X: answer(model, X))
        ours = milliseconds(lambda wrapped=wrapped, X=X: answer(wrapped, X))
        print(
            f"{type(model).__name__:<31} {load.__name__.removeprefix('load_'):<14} {'yes' if same else 'NO':<9} "
            f"{library:>8.2f} ms {ours:>9.2f} ms {library / ours:>12.1f}x",
            flush=True,
        )
        wrong += not same
        for line, differs in strategy_lines(model, X) if options.strategies else ():
            print(line, flush=True)
            wrong += differs
    print(f"\n{wrong} difference(s)." if wrong else "\nThe same bits everywhere,", end=" ")
    print(f"in {time.perf_counter() - start:.0f} s. Versions and machine: sktensor.show_versions().")
    return int(wrong > 0)


if __name__ == "__main__":
    with threadpool_limits(1):  # HistGradientBoosting would take all cores, and fight for them with whatever else runs
        raise SystemExit(main())
