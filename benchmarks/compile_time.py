"""How long it takes from a fitted model to its first prediction: reading the model, compiling its tables, one row.

Usage: python benchmarks/compile_time.py [--repeat 7] [--strategy auto]
"""

from __future__ import annotations

import argparse
import statistics
import textwrap
import time

import torch  # noqa: F401  (its import takes longer than what is measured here)
from machine import describe
from models import random_forest_100, rows, xgboost_500_depth_8

from sktensor import TensorizedEstimator, extract_forest

# Name, builder, and the bound that the sum of extraction and compilation is held to, in seconds.
MODELS = (
    ("XGBoost, 500 trees of depth 8", xgboost_500_depth_8, 1.0),
    ("RandomForest, 100 trees, >= 4,000 leaves", random_forest_100, 2.0),
)


def seconds(call):
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(model, strategy, repeat):
    """Medians, in seconds: extraction; a new wrapper's first prediction of one row; the same, verified; its second."""
    row = rows(1, seed=7)
    extraction, first, verified, second = [], [], [], []
    for _ in range(repeat):
        extraction.append(seconds(lambda: extract_forest(model)))
        wrapper = TensorizedEstimator(model, strategy=strategy)
        verified.append(seconds(lambda wrapper=wrapper: wrapper.predict_raw(row)))
        wrapper = TensorizedEstimator(model, strategy=strategy, verify=False)
        first.append(seconds(lambda wrapper=wrapper: wrapper.predict_raw(row)))
        second.append(seconds(lambda wrapper=wrapper: wrapper.predict_raw(row)))
    return tuple(map(statistics.median, (extraction, first, verified, second)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7, help="measurements; the median is shown")
    parser.add_argument("--strategy", action="append", help="may be given several times; default: all four")
    args = parser.parse_args()
    strategies = args.strategy or ["auto", "gemm", "tree_traversal", "perfect_tree_traversal"]

    print(describe(), end="\n\n")
    columns = " ".join(f"{title:>9}" for title in ("extract", "compile", "together", "verify", "one row"))
    print(f"{'model':<42} {'strategy':<24} {columns}   bound")
    late = False
    for name, build, bound in MODELS:
        model = build()
        for strategy in strategies:
            try:
                extraction, first, verified, second = measure(model, strategy, args.repeat)
            except ValueError as refusal:
                print(f"{name:<42} {strategy:<24} refused: {textwrap.shorten(str(refusal), 100)}", flush=True)
                continue
            # The first prediction extracts, compiles and runs; what the other two explain is not compilation.
            compilation = max(first - extraction - second, 0.0)
            kept = extraction + compilation <= bound
            late = late or not kept
            together, verification = extraction + compilation, max(verified - first, 0.0)
            figures = " ".join(f"{s:>8.3f}s" for s in (extraction, compilation, together, verification, second))
            print(f"{name:<42} {strategy:<24} {figures}   {'<' if kept else 'NOT <'} {bound:g} s", flush=True)
    return int(late)


if __name__ == "__main__":
    raise SystemExit(main())
