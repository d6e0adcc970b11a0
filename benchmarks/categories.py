"""Frames with categorical columns: predictions of the libraries themselves and of sktensor, in turn, on one thread.

Then, for the libraries that split by sets of categories, those of a pipeline that one-hot encodes the same columns.

Usage: python -m benchmarks.categories [--rows 50000] [--repeats 5]
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from xgboost import XGBClassifier

from benchmarks.machine import describe
from sktensor import TensorizedEstimator

CARDINALITIES = (2, 5, 6, 7, 7, 14, 16, 40)
TRAINING_ROWS = 20_000


def frame(n):
    """Eight columns of text and six of numbers."""
    rng = np.random.default_rng(0)
    columns = {f"category{j}": rng.choice([f"value {i}" for i in range(c)], n) for j, c in enumerate(CARDINALITIES)}
    columns |= {f"number{j}": rng.normal(size=n) for j in range(6)}
    return pd.DataFrame(columns)


def labels(X):
    """Two classes that depend on all columns."""
    rng = np.random.default_rng(1)
    effect = sum(rng.normal(size=c)[X[f"category{j}"].factorize()[0]] for j, c in enumerate(CARDINALITIES))
    score = effect + 3 * X["number0"] * X["number1"] + rng.normal(size=len(X))
    return (score > np.median(score)).astype(int).to_numpy()


def models():
    """Each with how its library is asked for probabilities, which takes one thread unless it says otherwise."""
    names = [f"category{j}" for j in range(len(CARDINALITIES))]
    cat = {"verbose": 0, "cat_features": names, "allow_writing_files": False}
    one = {"thread_count": 1}
    return {
        "CatBoost, 300 trees, combinations": (CatBoostClassifier(iterations=300, **cat), one),
        "CatBoost, 100 trees, no combinations": (CatBoostClassifier(iterations=100, max_ctr_complexity=1, **cat), one),
        "XGBoost, 100 trees": (XGBClassifier(n_estimators=100, enable_categorical=True, n_jobs=1), {}),
        "LightGBM, 100 trees": (LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1), {}),
        "HistGradientBoosting, 100 trees": (HistGradientBoostingClassifier(categorical_features="from_dtype"), {}),
    }


def kinds(X, model):
    """The frame as the model's library takes it."""
    names = [f"category{j}" for j in range(len(CARDINALITIES))]
    coded = X.astype(dict.fromkeys(names, "category"))
    found = {"pandas, categories": coded}
    if isinstance(model, CatBoostClassifier):
        found |= {"pandas, objects": X.astype(dict.fromkeys(names, object)), "pandas, text": X}
        found |= {"polars, text": pl.from_pandas(X)}
    return found


def seconds(calls, repeats):
    """Medians of calls that take turns."""
    taken = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(repeats):
        for call, times in zip(calls, taken, strict=True):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


def one_hot(model):
    """The same model behind an encoder of its columns of categories."""
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    columns = make_column_transformer(
        (encoder, make_column_selector(dtype_include="category")), remainder="passthrough"
    )
    plain = {"categorical_features": None} if isinstance(model, HistGradientBoostingClassifier) else {}
    return make_pipeline(columns, clone(model).set_params(**plain))


def against_one_hot(X, y, repeats):
    """Print what categories take as they are, and behind an encoder; times are those of the encoder by the library."""
    print(f"\n{'':38}{'one-hot encoded, us a row':>40}{'categories, us a row':>34}{'times':>10}")
    print(f"{'':38}{'library':>20}{'sktensor':>20}{'library':>17}{'sktensor':>17}")
    for name, (model, _) in models().items():
        if isinstance(model, CatBoostClassifier):
            continue
        rows = kinds(X, model)["pandas, categories"]
        encoded, own = one_hot(model), clone(model)
        calls = []
        for each in (encoded, own):
            each.fit(rows[:TRAINING_ROWS], y[:TRAINING_ROWS])
            wrapped = TensorizedEstimator(each)
            calls += [partial(each.predict_proba, rows), partial(wrapped.predict_proba, rows)]
        found = [1e6 * t / len(rows) for t in seconds(calls, repeats)]
        print(f"{name:38}{found[0]:20.2f}{found[1]:20.2f}{found[2]:17.2f}{found[3]:17.2f}{found[0] / found[3]:9.0f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000, help="rows of the large frame (%(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="predictions of the large frame (%(default)s)")
    options = parser.parse_args()
    print(describe(), "\n")
    X = frame(options.rows)
    y = labels(X)
    print(f"{'':38}{'':20}{f'{options.rows:,} rows, us a row':>28}{'one row, us':>28}")
    for name, (model, arguments) in models().items():
        for kind, rows in kinds(X, model).items():
            if kind == "pandas, categories":
                model.fit(rows[:TRAINING_ROWS], y[:TRAINING_ROWS])
                wrapped = TensorizedEstimator(model)
            cells = []
            for part, repeats in ((rows, options.repeats), (rows[:1], 100 * options.repeats)):
                calls = (
                    lambda part=part, m=model, a=arguments: m.predict_proba(part, **a),
                    lambda part=part, w=wrapped: w.predict_proba(part),
                )
                library, ours = (1e6 * t / len(part) for t in seconds(calls, repeats))
                cells.append(f"{library:10.2f} {ours:9.2f} {library / ours:6.1f}x")
            print(f"{name:38}{kind:20}{cells[0]}{cells[1]}")
    against_one_hot(X, y, options.repeats)


if __name__ == "__main__":
    main()
