"""Every container that a library takes, against the library: rows as arrays, lists, frames and sparse matrices.

For each model, container, number of columns, number of rows and method, the library and sktensor answer in turn, on one
thread, by the processor's time, which other processes disturb less than the clock. Prints each cell, those in which
sktensor is slower or takes more memory than stated marked, and how many were at least as fast, slower and refused, with
the ten worst; exits with 1 if a cell is marked. A cell that takes the library more than 50 milliseconds is asked
once where sktensor takes less than half as long, and so is one that takes it more than ten seconds.

Memory is what Python's allocators hold at most during a call, numpy's included, beyond what was there before and the
answer itself. `may_take` states the bound.

Usage: python -m benchmarks.containers [--models XGBoost,forest] [--containers csr] [--columns 10,1000] [--rows 1,100]
       [--seconds 0.3] [--write containers.jsonl] [--repeat 1.2] [--noise 1.05] [--save containers.json]

With `--write`, cells are appended to a file as they are measured, one JSON object a line, and those that it has are not
measured again, except by `--repeat FACTOR`: those in which sktensor was less than so many times as fast. What was
measured last counts. `--save` writes all cells, those of the file included, as one document.
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
from functools import lru_cache
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

from benchmarks.machine import PACKAGES, describe, versions
from benchmarks.machine import facts as facts_of_machine
from sktensor import TensorizedEstimator

COLUMNS = (10, 1_000, 5_000)
ROWS = (1, 100, 10_000)
TRAINING_ROWS = 2_000
METHODS = ("predict", "predict_proba", "decision_function", "apply")
WORST = 10
KEY = ("model", "container", "columns", "rows", "method")
FIELDS = (*KEY, "library_us", "ours_us", "bytes_beyond_answer")

# Seconds of the library from which a cell is asked once: in any case, and where sktensor is clearly faster.
MOST_SECONDS = 10
CLEAR_SECONDS = 0.05

# Bytes that a prediction may hold beyond its answer, whatever X is: a block of 32 MiB of columns that have to be cast,
# and a fourth of that for all that is small.
BLOCKS = 40 * 2**20

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


@lru_cache(maxsize=len(ROWS))
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
    if first[0] > MOST_SECONDS or (first[0] > CLEAR_SECONDS and first[1] < first[0] / 2):
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


def may_take(cell):
    """The most bytes that a prediction may hold beyond its answer.

    Beside the blocks that is the answer once more, since leaf numbers and sums are turned into the library's dtype, and
    what cannot be read where it lies and is made whole, as the libraries do: the array of a list's numbers, CSR rows of
    COO entries (a value and an index, up to 8 bytes each), and a number of 8 bytes for each value of a category.
    """
    n_cells = cell["rows"] * cell["columns"]
    made = {"list": 8 * n_cells, "coo": 16 * cell["entries"], "categories": 8 * n_cells // CATEGORIES_EACH}
    return BLOCKS + cell["answer_bytes"] + made.get(cell["container"], 0)


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
    answer = np.asarray(found).nbytes
    return {
        "library_us": library * 1e6,
        "ours_us": own * 1e6,
        "bytes_beyond_answer": peak(ours) - answer,
        "answer_bytes": answer,
        "entries": Z.nnz if scipy.sparse.issparse(Z) else 0,
    }


def cells(models, containers, columns, rows, seconds, known):
    """Measure each combination that is not known, and say what is found of all."""
    for n_columns, name in itertools.product(columns, models):
        made = {}  # the model trained on numbers, and the one trained on categories
        for container, n_rows in itertools.product(containers, rows):
            Z = None
            for method in METHODS:
                key = dict(zip(KEY, (name, container, n_columns, n_rows, method), strict=True))
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
        f"{'  MORE MEMORY' if is_large(cell) else ''}"
    )


def ratio(cell):
    """How many times as fast as the library."""
    return cell["library_us"] / cell["ours_us"]


def is_slower(cell, noise):
    """Whether sktensor is slower by more than what is noise."""
    return cell["ours_us"] > noise * cell["library_us"]


def is_large(cell):
    """Whether a prediction held more than is stated."""
    return cell["bytes_beyond_answer"] > may_take(cell)


def save(path, found, noise):
    """Write what was found of all cells, one a line, with the machine and the versions."""
    timed = [cell for cell in found if "ours_us" in cell]
    lines = []
    for cell in timed:
        times = {name: float(f"{cell[name]:.4g}") for name in ("library_us", "ours_us")}
        lines.append(json.dumps([(cell | times)[name] for name in FIELDS]))
    facts = {
        "machine": facts_of_machine(),
        "versions": versions((*PACKAGES, "catboost", "pandas", "polars", "pyarrow", "scipy")),
        "noise": noise,
        "measured": len(timed),
        "slower": sum(is_slower(cell, noise) for cell in timed),
        "more_memory": sum(map(is_large, timed)),
        "refused": [cell for cell in found if "refused" in cell],
        "raised_by_the_library": sum("library" in cell for cell in found),
        "fields": FIELDS,
        "cells": [],
    }
    head, tail = json.dumps(facts, indent=1).rsplit("[]", 1)
    path.write_text(head + "[\n" + ",\n".join(lines) + "\n]" + tail + "\n", encoding="utf-8")


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--containers", default=",".join(CONTAINERS))
    parser.add_argument("--columns", default=",".join(map(str, COLUMNS)))
    parser.add_argument("--rows", default=",".join(map(str, ROWS)))
    parser.add_argument("--seconds", type=float, default=0.3, help="how long a cell is measured, about")
    parser.add_argument("--write", type=Path, help="file that cells are appended to, and taken from if it has them")
    parser.add_argument("--repeat", type=float, default=0.0, help="measure known cells anew, if less often as fast")
    parser.add_argument("--save", type=Path, help="file for a document of all cells")
    parser.add_argument("--noise", type=float, default=1.05, help="what counts as slower: so many times the library")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of a program of its own: libraries warn of names in every call
    machine = describe()
    print(machine)
    known = {}
    if given.write and given.write.exists():
        for line in given.write.read_text(encoding="utf-8").splitlines():
            cell = json.loads(line)
            known[tuple(cell[name] for name in KEY)] = cell
    known = {key: cell for key, cell in known.items() if "ours_us" not in cell or ratio(cell) >= given.repeat}
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
    slower, large = [cell for cell in timed if is_slower(cell, given.noise)], list(filter(is_large, timed))
    refused = sum("refused" in cell for cell in found)
    raised = sum("library" in cell for cell in found)
    print(
        f"\n{len(timed) - len(slower)} of {len(timed)} cells at least as fast, {len(slower)} slower; {refused} refused "
        f"by sktensor, {raised} by the library. The worst:"
    )
    for cell in timed[:WORST]:
        print(line_of(cell, given.noise))
    if timed:
        most = max(timed, key=lambda cell: cell["bytes_beyond_answer"] / may_take(cell))
        print(
            f"{len(large)} took more memory than stated. Nearest to that, with {may_take(most) / 2**20:.1f} MiB stated:"
        )
        print(line_of(most, given.noise))
    if given.save:
        save(given.save, found, given.noise)
    return bool(slower or large)


if __name__ == "__main__":
    raise SystemExit(main())
