"""Every container that a library takes, against the library: rows as arrays, lists, frames and sparse matrices.

For each model, container, number of columns, number of rows and method, the library and sktensor answer in turn, on one
thread. Prints the cells in which sktensor is slower, and the share of those in which it is at least as fast; exits with
1 if there is a slower one. A cell that takes the library more than ten seconds is asked once.

Usage: python -m benchmarks.containers [--models XGBoost,forest] [--containers csr] [--columns 10,1000] [--rows 1,100]
       [--write containers.json] [--noise 1.05]
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import statistics
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from benchmarks.machine import describe
from sktensor import TensorizedEstimator

COLUMNS = (10, 1_000, 5_000)
ROWS = (1, 100, 10_000)
TRAINING_ROWS = 2_000
METHODS = ("predict", "predict_proba", "decision_function", "apply")

SECONDS_A_CELL = 0.3

MODELS = {
    "XGBoost": XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1),
    "LightGBM": LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1),
    "CatBoost": CatBoostClassifier(iterations=100, depth=6, verbose=0, thread_count=1, allow_writing_files=False),
    "forest": RandomForestClassifier(50, random_state=0),
    "single tree": DecisionTreeClassifier(random_state=0),
    "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=100, random_state=0),
    "GradientBoosting": GradientBoostingClassifier(n_estimators=50, max_features=0.2, random_state=0),
    "IsolationForest": IsolationForest(50, random_state=0),
    "Bagging": BaggingClassifier(n_estimators=10, max_features=0.5, random_state=0),
    "AdaBoost": AdaBoostClassifier(DecisionTreeClassifier(max_depth=2, max_features=0.2), n_estimators=20),
}

# What each model is asked for with one thread, beside what it was made with.
ONE_THREAD = {"CatBoost": {"thread_count": 1}}


def numbers(n_rows, n_columns):
    """Small integers, most of them zero, so that every container holds the same numbers."""
    rng = np.random.default_rng(n_columns)
    X = rng.integers(1, 100, (n_rows, n_columns)).astype(np.float64)
    X[rng.random(X.shape) < 0.9] = 0.0
    return X


def mixed(X):
    """A pandas frame of numbers of three dtypes."""
    frame = pd.DataFrame(X)
    dtypes = itertools.cycle(("float64", "int64", "float32"))
    return frame.astype(dict(zip(frame.columns, dtypes, strict=False)))


CONTAINERS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "int64": lambda X: X.astype(np.int64),
    "int8": lambda X: X.astype(np.int8),
    "bool": lambda X: X > 0,
    "Fortran order": np.asfortranarray,
    "list": lambda X: X.tolist(),
    "pandas": pd.DataFrame,
    "pandas mixed": mixed,
    "pandas nullable": lambda X: pd.DataFrame(X.astype(np.int64)).astype("Int64"),
    "polars": lambda X: pl.DataFrame(X, schema=[str(j) for j in range(X.shape[1])]),
    "arrow": lambda X: pa.table({str(j): column for j, column in enumerate(X.T)}),
    "csr": scipy.sparse.csr_matrix,
    "csc": scipy.sparse.csc_matrix,
    "coo": scipy.sparse.coo_matrix,
}


def medians(calls):
    """Median seconds of calls that take turns; slow ones are asked less often."""
    first = []
    for call in calls:
        start = time.perf_counter()
        call()
        first.append(time.perf_counter() - start)
    n = int(np.clip(SECONDS_A_CELL / max(sum(first), 1e-9), 1 if max(first) > 10 else 3, 200))
    taken = [[] for _ in calls]
    gc.disable()
    for _ in range(n):
        for call, times in zip(calls, taken, strict=True):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    gc.enable()
    return [statistics.median(times) for times in taken]


def peak(call):
    """Bytes that Python's allocators held at most beside what was there before, numpy's included."""
    tracemalloc.start()
    call()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def cells(models, containers, columns, rows):
    """Measure each combination that the library takes."""
    for n_columns, name in itertools.product(columns, models):
        X = numbers(TRAINING_ROWS, n_columns)
        y = (X[:, : n_columns // 2].sum(1) > X[:, n_columns // 2 :].sum(1)).astype(int)
        model = MODELS[name].fit(X, y)
        fast = TensorizedEstimator(model)
        given = ONE_THREAD.get(name, {})
        for container, n_rows in itertools.product(containers, rows):
            Z = CONTAINERS[container](numbers(n_rows, n_columns))
            for method in METHODS:
                if not hasattr(model, method):
                    continue
                more = given if method in ("predict", "predict_proba") else {}
                theirs = lambda: getattr(model, method)(Z, **more)  # noqa: B023, E731 - called before the loop goes on
                ours = lambda: getattr(fast, method)(Z)  # noqa: B023, E731
                key = {"model": name, "container": container, "columns": n_columns, "rows": n_rows, "method": method}
                try:
                    expected = theirs()
                except Exception as error:
                    yield key | {"library": type(error).__name__}
                    continue
                try:
                    found = ours()
                except Exception as error:
                    yield key | {"refused": f"{type(error).__name__}: {error}"[:200]}
                    continue
                if np.asarray(found).tobytes() != np.asarray(expected).tobytes():
                    yield key | {"refused": "DIFFERENT ANSWER"}
                    continue
                library, own = medians([theirs, ours])
                more = peak(ours) - np.asarray(found).nbytes
                yield key | {"library_us": library * 1e6, "ours_us": own * 1e6, "bytes_beyond_answer": more}


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--containers", default=",".join(CONTAINERS))
    parser.add_argument("--columns", default=",".join(map(str, COLUMNS)))
    parser.add_argument("--rows", default=",".join(map(str, ROWS)))
    parser.add_argument("--write", type=Path)
    parser.add_argument("--noise", type=float, default=1.05, help="what counts as slower: so many times the library")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of a program of its own: libraries warn of names in every call
    print(describe())
    found = []
    chosen = [part.split(",") for part in (given.models, given.containers)]
    sizes = [[int(n) for n in part.split(",")] for part in (given.columns, given.rows)]
    with threadpool_limits(1):
        for cell in cells(*chosen, *sizes):
            found.append(cell)
            where = "{model:22} {container:16} {columns:5} columns {rows:6} rows {method:18}".format(**cell)
            if "ours_us" in cell:
                ratio = cell["library_us"] / cell["ours_us"]
                slow = cell["ours_us"] > given.noise * cell["library_us"]
                print(f"{where} {cell['library_us']:12.1f} {cell['ours_us']:12.1f} us {ratio:7.2f}x"
                      f"{'  SLOWER' if slow else ''}", flush=True)  # fmt: skip
            else:
                print(f"{where} {cell.get('refused') or 'the library raises ' + cell['library']}", flush=True)
    if given.write:
        given.write.write_text(json.dumps({"machine": describe(), "cells": found}, indent=1), encoding="utf-8")
    timed = [cell for cell in found if "ours_us" in cell]
    slower = [cell for cell in timed if cell["ours_us"] > given.noise * cell["library_us"]]
    refused = [cell for cell in found if "refused" in cell]
    print(f"{len(timed) - len(slower)} of {len(timed)} cells at least as fast; {len(refused)} refused by name")
    return bool(slower)


if __name__ == "__main__":
    raise SystemExit(main())
