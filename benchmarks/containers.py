"""Every container that a library takes, against the library: rows as arrays, lists, frames and sparse matrices.

For each model, container, number of columns, number of rows and method, the library and sktensor answer in turn, on one
thread, by the processor's time, which other processes disturb less than the clock. Prints each cell, those in which
sktensor is slower marked, and how many were at least as fast, slower and refused, with the ten worst; exits with 1 if
there is a slower one. A cell that takes the library more than ten seconds is asked once.

Usage: python -m benchmarks.containers [--models XGBoost,forest] [--containers csr] [--columns 10,1000] [--rows 1,100]
       [--seconds 0.3] [--write containers.jsonl] [--noise 1.05]

With `--write`, cells are appended to a file as they are measured, one JSON object a line, and those that it has are not
measured again; delete its lines, or the file, to have them measured anew.
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
from sklearn.base import clone
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
WORST = 10

MODELS = {
    "XGBoost": XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1),
    "LightGBM": LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1),
    "CatBoost": CatBoostClassifier(iterations=100, depth=6, verbose=0, thread_count=1, allow_writing_files=False),
    "forest": RandomForestClassifier(n_estimators=50, random_state=0),
    "single tree": DecisionTreeClassifier(random_state=0),
    "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=100, random_state=0),
    "GradientBoosting": GradientBoostingClassifier(n_estimators=50, max_features=0.2, random_state=0),
    "IsolationForest": IsolationForest(n_estimators=50, random_state=0),
    "Bagging": BaggingClassifier(n_estimators=10, max_features=0.5, random_state=0),
    "AdaBoost": AdaBoostClassifier(DecisionTreeClassifier(max_depth=2, max_features=0.2), n_estimators=20),
}

# What each model is asked for with one thread, beside what it was made with.
ONE_THREAD = {"CatBoost": {"thread_count": 1}}

# Every so manieth column is one of categories, in the container of that name.
CATEGORIES_EACH = 5
N_CATEGORIES = 12


def with_categories(name, n_columns):
    """A model that is to be trained on a frame with categories, where the library takes one."""
    names = list(map(str, range(0, n_columns, CATEGORIES_EACH)))
    settings = {
        "XGBoost": {"enable_categorical": True, "tree_method": "hist"},
        "HistGradientBoosting": {"categorical_features": "from_dtype"},
        "CatBoost": {"cat_features": names},
    }
    return clone(MODELS[name]).set_params(**settings.get(name, {}))


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


def categories(X):
    """A pandas frame in which every fifth column is one of categories, of texts."""
    frame = pd.DataFrame(X, columns=[str(j) for j in range(X.shape[1])])
    texts = np.array([f"c{i}" for i in range(N_CATEGORIES)])
    dtype = pd.CategoricalDtype(texts)
    chosen = frame.columns[::CATEGORIES_EACH]
    columns = {name: pd.Categorical(texts[frame[name].astype(int) % N_CATEGORIES], dtype=dtype) for name in chosen}
    return frame.assign(**columns)


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
    "categories": categories,
    "polars": lambda X: pl.DataFrame(X, schema=[str(j) for j in range(X.shape[1])]),
    "arrow": lambda X: pa.table({str(j): column for j, column in enumerate(X.T)}),
    "csr": scipy.sparse.csr_matrix,
    "csc": scipy.sparse.csc_matrix,
    "coo": scipy.sparse.coo_matrix,
}


def medians(calls, seconds):
    """Median seconds of the processor for calls that take turns; slow ones are asked less often."""
    first = []
    for call in calls:
        start = time.process_time()
        call()
        first.append(time.process_time() - start)
    if first[0] > 10:
        return first
    n = int(np.clip(seconds / max(sum(first), 1e-9), 3, 200))
    taken = [[] for _ in calls]
    gc.disable()
    for _ in range(n):
        for call, times in zip(calls, taken, strict=True):
            start = time.process_time()
            call()
            times.append(time.process_time() - start)
    gc.enable()
    return [statistics.median(times) for times in taken]


def peak(call):
    """Bytes that Python's allocators held at most beside what was there before, numpy's included."""
    tracemalloc.start()
    call()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def trained(name, container, n_columns):
    """The model of that name, trained on numbers, or on a frame with categories where it is to be asked with such."""
    X = numbers(TRAINING_ROWS, n_columns)
    y = (X[:, : n_columns // 2].sum(1) > X[:, n_columns // 2 :].sum(1)).astype(int)
    if container == "categories":
        return with_categories(name, n_columns).fit(categories(X), y)
    return clone(MODELS[name]).fit(X, y)


def measured(model, fast, Z, method, given, seconds):
    """What is found of one method with one container: times, or who refuses it."""
    theirs, ours = lambda: getattr(model, method)(Z, **given), lambda: getattr(fast, method)(Z)
    try:
        expected = theirs()
    except Exception as error:
        return {"library": type(error).__name__}
    try:
        found = ours()
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"[:200]}
    if np.asarray(found).tobytes() != np.asarray(expected).tobytes():
        return {"refused": "DIFFERENT ANSWER"}
    library, own = medians([theirs, ours], seconds)
    beyond = peak(ours) - np.asarray(found).nbytes
    return {"library_us": library * 1e6, "ours_us": own * 1e6, "bytes_beyond_answer": beyond}


def cells(models, containers, columns, rows, seconds, known):
    """Measure each combination that is not known, and say what is found of all."""
    for n_columns, name in itertools.product(columns, models):
        made = {}  # the model trained on numbers, and the one trained on categories
        for container, n_rows in itertools.product(containers, rows):
            Z = None
            for method in METHODS:
                key = {"model": name, "container": container, "columns": n_columns, "rows": n_rows, "method": method}
                if (found := known.get(tuple(key.values()))) is not None:
                    yield found, False
                    continue
                kind = container == "categories"
                if kind not in made:
                    try:
                        model = trained(name, container, n_columns)
                        made[kind] = model, TensorizedEstimator(model)
                    except Exception as error:
                        made[kind] = error
                if isinstance(made[kind], Exception):
                    yield key | {"library": f"{type(made[kind]).__name__} in training"}, True
                    continue
                model, fast = made[kind]
                if not hasattr(model, method):
                    yield key | {"library": "AttributeError"}, True
                    continue
                Z = CONTAINERS[container](numbers(n_rows, n_columns)) if Z is None else Z
                given = ONE_THREAD.get(name, {}) if method in ("predict", "predict_proba") else {}
                yield key | measured(model, fast, Z, method, given, seconds), True


def line_of(cell, noise):
    """What is printed of a cell that was measured or that sktensor refuses."""
    where = "{model:22} {container:16} {columns:5} columns {rows:6} rows {method:18}".format(**cell)
    if "ours_us" not in cell:
        return f"{where} {cell['refused']}"
    return (
        f"{where} {cell['library_us']:12.1f} {cell['ours_us']:12.1f} us {ratio(cell):7.2f}x "
        f"{cell['bytes_beyond_answer'] / 2**20:8.1f} MiB{'  SLOWER' if is_slower(cell, noise) else ''}"
    )


def ratio(cell):
    """How many times as fast as the library."""
    return cell["library_us"] / cell["ours_us"]


def is_slower(cell, noise):
    """Whether sktensor is slower by more than what is noise."""
    return cell["ours_us"] > noise * cell["library_us"]


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--containers", default=",".join(CONTAINERS))
    parser.add_argument("--columns", default=",".join(map(str, COLUMNS)))
    parser.add_argument("--rows", default=",".join(map(str, ROWS)))
    parser.add_argument("--seconds", type=float, default=0.3, help="how long a cell is measured, about")
    parser.add_argument("--write", type=Path, help="file that cells are appended to, and taken from if it has them")
    parser.add_argument("--noise", type=float, default=1.05, help="what counts as slower: so many times the library")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of a program of its own: libraries warn of names in every call
    machine = describe()
    print(machine)
    known = {}
    if given.write and given.write.exists():
        for line in given.write.read_text(encoding="utf-8").splitlines():
            cell = json.loads(line)
            known[tuple(cell[name] for name in ("model", "container", "columns", "rows", "method"))] = cell
    found, told = [], set()
    chosen = [part.split(",") for part in (given.models, given.containers)]
    sizes = [[int(n) for n in part.split(",")] for part in (given.columns, given.rows)]
    with threadpool_limits(1):
        for cell, is_new in cells(*chosen, *sizes, given.seconds, known):
            found.append(cell)
            if is_new and given.write:
                with given.write.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(cell | {"machine": machine}) + "\n")
            if "library" not in cell:
                print(line_of(cell, given.noise), flush=True)
            elif (raised := (cell["model"], cell["container"], cell["method"], cell["library"])) not in told:
                told.add(raised)
                print("{:22} {:16} {:18} the library raises {}".format(*raised), flush=True)
    timed = sorted((cell for cell in found if "ours_us" in cell), key=ratio)
    slower = [cell for cell in timed if is_slower(cell, given.noise)]
    refused = sum("refused" in cell for cell in found)
    raised = sum("library" in cell for cell in found)
    print(
        f"\n{len(timed) - len(slower)} of {len(timed)} cells at least as fast, {len(slower)} slower; {refused} refused "
        f"by sktensor, {raised} by the library. The worst:"
    )
    for cell in timed[:WORST]:
        print(line_of(cell, given.noise))
    if timed:
        most = max(timed, key=lambda cell: cell["bytes_beyond_answer"])
        print(f"The most memory beyond the answer:\n{line_of(most, given.noise)}")
    return bool(slower)


if __name__ == "__main__":
    raise SystemExit(main())
