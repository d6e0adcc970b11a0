"""What a call for one row costs beside its kernel: checks, names, shapes; for arrays and for frames with names.

Usage: python benchmarks/call_cost.py [--calls 3000]
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time

import numpy as np
import pandas as pd
import polars as pl
from lightgbm import LGBMClassifier
from machine import describe
from models import labels, rows
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator
from sktensor.native import abi, loader

MODELS = {
    "XGBoost, 50 trees": XGBClassifier(n_estimators=50, n_jobs=1),
    "LightGBM, 50 trees": LGBMClassifier(n_estimators=50, n_jobs=1, verbose=-1),
    "RandomForest, 50 trees": RandomForestClassifier(50, max_depth=6, random_state=0),
    "HistGradientBoosting, 50 trees": HistGradientBoostingClassifier(max_iter=50, random_state=0),
}

# Microseconds beyond the kernel's own that a call may take.
BOUNDS = {"float32": 5.0, "float64": 5.0, "pandas": 15.0, "polars": 15.0}


def microseconds(calls, n):
    """Median time of each call; they take turns, so that a slow moment of the machine meets all of them."""
    taken = {name: [] for name in calls}
    for call in calls.values():
        call(), call()
    gc.disable()
    for _ in range(n):
        for name, call in calls.items():
            start = time.perf_counter_ns()
            call()
            taken[name].append(time.perf_counter_ns() - start)
    gc.enable()
    return {name: statistics.median(times) / 1e3 for name, times in taken.items()}


def kernel_call(fast, row):
    """What calls the kernel alone, as ctypes does, with all that it needs made before."""
    program, kernels = fast._current().program, loader.library()
    (tables,), _ = program.tables_in_place(1, row.dtype.name, fast._settings())
    inputs, out = program.forest.inputs, np.empty((1, program.forest.n_outputs), dtype=program.forest.trees.acc_dtype)
    packed = loader.packed_rows(row, inputs.missing_value, inputs.flush_limit)
    given = packed, abi.DTYPES[program.forest.trees.feature_dtype], loader.address(out), 1, kernels.isa
    return lambda alive=(row, out): tables.call(*given)


def measure(model, n):
    """Time of ``predict_raw`` for each kind of row, and of the kernel's call alone for one of the same dtype."""
    X = rows(5_000)
    y, names = labels(X), [f"column {j}" for j in range(X.shape[1])]
    plain, named = (TensorizedEstimator(model).fit(part, y) for part in (X, pd.DataFrame(X, columns=names)))
    row = X[:1]
    kernels = {f"kernel, {dtype}": kernel_call(plain, row.astype(dtype)) for dtype in ("float32", "float64")}
    kinds = {
        "float32": (plain, row),
        "float64": (plain, row.astype("float64")),
        "pandas": (named, pd.DataFrame(row, columns=names)),
        "polars": (named, pl.DataFrame(row, schema=names)),
    }
    calls = {name: lambda fast=fast, given=given: fast.predict_raw(given) for name, (fast, given) in kinds.items()}
    return microseconds(kernels | calls, n)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3000, help="of which the median is shown")
    args = parser.parse_args()

    print(describe(), end="\n\n")
    kinds = "  ".join(f"{kind:>8}" for kind in BOUNDS)
    print(f"{'one row of 28 columns':<32} {'kernel':>8} {kinds}   microseconds beyond the kernel")
    late = False
    for name, model in MODELS.items():
        taken = measure(model, args.calls)
        beyond = {kind: taken[kind] - taken.get(f"kernel, {kind}", taken["kernel, float32"]) for kind in BOUNDS}
        kept = all(beyond[kind] <= bound for kind, bound in BOUNDS.items())
        late = late or not kept
        figures = "  ".join(f"{value:>8.1f}" for value in beyond.values())
        print(
            f"{name:<32} {taken['kernel, float32']:>8.1f} {figures}   {'' if kept else 'NOT '}within the bounds",
            flush=True,
        )
    return int(late)


if __name__ == "__main__":
    raise SystemExit(main())
