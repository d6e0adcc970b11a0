"""Fit the constants by which ``strategy="auto"`` chooses between the CPU kernels, and write them into the package.

Trains some hundred models of all shapes, runs the kernels on 1 to 8,192 rows of each on one core, as long as these stay
in the cache, and finds the constants with the least relative error. Prints how far off they are, and how much is lost
where they choose the slower kernel, and where the constants of now do: for these models, and for others that have no
part in the fit.

    python benchmarks/fit_cpu_costs.py           # print only
    python benchmarks/fit_cpu_costs.py --write   # also write sktensor/backends/cpu/costs.json
    python benchmarks/fit_cpu_costs.py --mean    # write the geometric means of these constants and of those of now, of
                                                 # another processor
"""

from __future__ import annotations

import argparse
import itertools
import json
import time

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from scipy.optimize import lsq_linear
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from xgboost import XGBClassifier, XGBRegressor

from sktensor import extract_forest
from sktensor.backends.cpu import costs
from sktensor.backends.cpu.kernels import BitslicedKernel, TraversalKernel
from sktensor.backends.cpu.walk import WalkKernel
from sktensor.inputs.rows import Rows
from sktensor.native import loader
from sktensor.strategies.costs import Shape

N_ROWS = (1, 4, 16, 64, 128, 512, 2048, 8192)
TURNS = 64  # different rows of one number, at most
# Nanoseconds at least: of what grows with rows and trees alike, a fit finds only the sum.
LEAST = {("tree_traversal", "value"): 0.5}
KERNELS = {
    "bitsliced": BitslicedKernel,
    "tree_traversal": lambda forest: TraversalKernel(forest, "float32"),
    costs.DIRECT: WalkKernel,
}


def models(rng):
    """Fitted models of many shapes."""
    for n_features in (8, 28, 150, 600):
        X = rng.normal(size=(6000, n_features)).astype(np.float32)
        y = (X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3] ** 2 + rng.normal(size=len(X))) > 1
        for n_trees, depth in itertools.product((10, 60, 300), (3, 6, 9)):
            yield XGBClassifier(n_estimators=n_trees, max_depth=depth, n_jobs=2).fit(X, y)
        for n_trees, n_leaves in itertools.product((10, 60, 300), (15, 63, 200)):
            yield LGBMClassifier(
                n_estimators=n_trees, num_leaves=n_leaves, min_child_samples=3, n_jobs=2, verbose=-1
            ).fit(X, y)
        three = y.astype(int) + (X[:, 3] > 1)
        for (n_trees, classes), n_leaves in itertools.product(((10, y), (100, three)), (200, 600, None)):
            yield RandomForestClassifier(n_estimators=n_trees, max_leaf_nodes=n_leaves, n_jobs=2).fit(X, classes)


def others(rng):
    """Models that say how good constants are that were not fitted to them."""
    X = rng.normal(size=(12_000, 20)).astype(np.float32)
    signal = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 4] ** 2
    y = (signal + rng.normal(size=len(X))).astype(np.float32)
    two, four, several = y > 1, np.digitize(y, [0, 1, 2]), np.stack([y, X[:, 3] + y, signal], 1)
    for model, target in [
        (ExtraTreesClassifier(100, max_depth=12, n_jobs=2), two),
        (ExtraTreesRegressor(100, max_depth=10, n_jobs=2), y),
        (RandomForestRegressor(100, max_depth=8, n_jobs=2), y),
        (RandomForestRegressor(100, max_depth=10, n_jobs=2), y),
        (RandomForestRegressor(60, max_depth=9, n_jobs=2), several),
        (RandomForestClassifier(200, max_depth=10, n_jobs=2), four),
        (RandomForestClassifier(50, min_samples_leaf=20, n_jobs=2), two),
        (GradientBoostingRegressor(n_estimators=200, max_depth=5), y),
        (XGBRegressor(n_estimators=100, max_depth=10, n_jobs=2), y),
        (XGBRegressor(n_estimators=1, num_parallel_tree=60, max_depth=12, subsample=0.8, n_jobs=2), y),
        (XGBClassifier(n_estimators=400, max_depth=4, n_jobs=2), two),
        (LGBMRegressor(n_estimators=100, num_leaves=400, min_child_samples=3, n_jobs=2, verbose=-1), y),
        (LGBMClassifier(n_estimators=100, num_leaves=31, n_jobs=2, verbose=-1), four),
    ]:
        yield model.fit(X, target)


def seconds(kernel, X, n):
    """Median time of a prediction of n rows, of calls that take 20 ms together or three at least.

    Each call gets other rows of X, in turn: a processor learns the way of those that come again and again.
    """
    turns = itertools.cycle([Rows(X[first : first + n]) for first in range(0, min(len(X) - n + 1, TURNS * n), n)])
    times, start = [], time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - start < 0.02 and len(times) < 200):
        rows = next(turns)
        begin = time.perf_counter()
        kernel.total(rows, n, 1)
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def measured(some, rng):
    """(kernel, number of the model, rows, work, nanoseconds, expected by now) of everything that can be run."""
    for number, model in enumerate(some(rng)):
        forest = extract_forest(model)
        shape = Shape.of(forest.trees)
        X = rng.normal(size=(max(N_ROWS), forest.n_features)).astype(np.float32)
        for name, make in KERNELS.items():
            if costs.option(name, forest.trees, shape, 1).refused:
                continue
            kernel = make(forest)
            for n in N_ROWS:
                work = costs.work(name, forest.trees, shape, n)
                if work.get("far line"):
                    continue
                taken = seconds(kernel, X, n) * 1e9
                yield name, number, n, work, taken, costs.option(name, forest.trees, shape, n).expected_ns


def expected(found, fitted):
    """Nanoseconds by these constants."""
    return [sum((costs.UNFITTED | fitted[row[0]])[kind] * amount for kind, amount in row[3].items()) for row in found]


def lost(found, expected):
    """How many times as long as the fastest kernel the one takes that is expected to, quantiles over all models."""
    ratios = []
    for number, n in sorted({row[1:3] for row in found}):
        own = [(e, row[4]) for row, e in zip(found, expected, strict=True) if row[1:3] == (number, n)]
        ratios.append(min(own)[1] / min(taken for _, taken in own))
    return f"mean {np.mean(ratios):.3f}, 95 % {np.quantile(ratios, 0.95):.2f}, worst {max(ratios):.2f}"


def means(fitted):
    """The geometric means of these constants and those of now: how fast a processor is does not count."""
    now = costs.constants()

    def mean(one, other):
        return float(f"{np.sqrt(one * other) or (one + other) / 2:.4g}")

    return {name: {kind: mean(each, now[name][kind]) for kind, each in of.items()} for name, of in fitted.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the constants into the package")
    parser.add_argument("--mean", action="store_true", help="write the geometric means of these and of those of now")
    arguments = parser.parse_args()
    found = list(measured(models, np.random.default_rng(0)))
    fitted = {}
    for name in KERNELS:
        own = [row for row in found if row[0] == name]
        kinds = sorted({kind for row in own for kind in row[3]} - costs.UNFITTED.keys())
        amounts = np.array([[row[3].get(kind, 0.0) for kind in kinds] for row in own])
        known = np.array([sum(each * row[3].get(kind, 0.0) for kind, each in costs.UNFITTED.items()) for row in own])
        taken = np.array([row[4] for row in own])
        least = np.array([LEAST.get((name, kind), 0.0) for kind in kinds])
        bounds = (least - 1e-9, np.inf)
        constants = np.maximum(least, lsq_linear(amounts / taken[:, None], 1 - known / taken, bounds).x)
        fitted[name] = {kind: float(f"{c:.4g}") for kind, c in zip(kinds, constants, strict=True)}
        off = np.quantile(expected(own, fitted) / taken, [0.05, 0.25, 0.5, 0.75, 0.95]).round(2)
        print(f"{name}: {len(own)} measurements, expected / taken: {off}")
        for kind, constant in fitted[name].items():
            print(f"  {kind:32} {constant:10.4g} ns")
    for of, rows in (("these models", found), ("others", list(measured(others, np.random.default_rng(1))))):
        print(f"chosen / best, {of}: {lost(rows, expected(rows, fitted))}")
        print(f"       by now, {of}: {lost(rows, [row[5] for row in rows])}")
        print(f"      by means, {of}: {lost(rows, expected(rows, means(fitted)))}")
    if arguments.mean:
        fitted = means(fitted)
    if arguments.write or arguments.mean:
        text = {"processor": loader.INSTRUCTION_SETS[loader.library().isa], "nanoseconds": fitted}
        costs.CONSTANTS_FILE.write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")
        print(f"written to {costs.CONSTANTS_FILE.name}")


if __name__ == "__main__":
    main()
