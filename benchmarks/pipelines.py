"""Whole pipelines: the library's, the same with only its model wrapped, and with its steps folded into the trees.

Two pipelines, as arrays and as frames: StandardScaler and XGBoost on 28 columns of numbers; and a ColumnTransformer
that imputes and scales 12 numbers, imputes and one-hot encodes 6 texts, with four models behind it. Calls take turns on
one thread; figures are medians of the process's time, ratios those of these medians. Answers are compared to the bit
first. And how long it takes to fold 100 columns of 255 thresholds each.

Usage: python -m benchmarks.pipelines [--rows 100000] [--seconds 3] [--models NAME ...] [--write FILE] [--figure FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

from benchmarks import machine
from docs import drawing as d
from sktensor import TensorizedEstimator

N_TRAIN = 5_000
NUMBERS, TEXTS = [f"number {i}" for i in range(12)], [f"text {i}" for i in range(6)]
FRAMES = ("object", "str", "polars")

MODELS = {
    "XGBoost 200 x d6": lambda: XGBClassifier(n_estimators=200, max_depth=6, n_jobs=1),
    "LightGBM 200 x 63 leaves": lambda: LGBMClassifier(n_estimators=200, num_leaves=63, n_jobs=1, verbose=-1),
    "HistGradientBoosting 200": lambda: HistGradientBoostingClassifier(max_iter=200, early_stopping=False),
    "RandomForest 200 x d8": lambda: RandomForestClassifier(200, max_depth=8, n_jobs=1, random_state=0),
}


def numbers(n, columns, seed=0, missing=0.0):
    """Rows of random numbers, some of them missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, columns)) * rng.uniform(0.1, 100, columns) + rng.normal(size=columns) * 10
    X[rng.random(X.shape) < missing] = np.nan
    return X


def frame(n, kind, seed=0):
    """Rows of 12 numbers and 6 texts, some of them missing."""
    rng = np.random.default_rng(seed)
    columns = dict(zip(NUMBERS, numbers(n, 12, 0, 0.0)[rng.permutation(n)].T, strict=True))
    for name in NUMBERS[:4]:
        columns[name][rng.random(n) < 0.05] = np.nan
    for i, name in enumerate(TEXTS):
        values = np.array([f"category {k}" for k in range(4 + 4 * i)], dtype=object)[rng.integers(0, 4 + 4 * i, n)]
        if i < 2:
            values[rng.random(n) < 0.05] = np.nan if kind == "object" else None
        columns[name] = pd.Series(values, dtype=object)
    found = pd.DataFrame(columns)
    if kind == "polars":
        return pl.from_pandas(found)
    return found if kind == "object" else found.astype(dict.fromkeys(TEXTS, kind))


def labels(X):
    """Two classes that depend on several columns."""
    given = np.column_stack([np.asarray(X[name]) for name in X.columns[:12]]) if hasattr(X, "columns") else X
    given = np.nan_to_num(given[:, :6].astype(float))
    z = (given - given.mean(axis=0)) / given.std(axis=0)
    return (z[:, 0] * z[:, 1] + np.abs(z[:, 2]) - z[:, 3] + z[:, 4] * z[:, 5] > 0.5).astype(int)


def scaled(model):
    """StandardScaler and a model."""
    return Pipeline([("scale", StandardScaler()), ("model", model)])


def mixed(model):
    """Numbers imputed and scaled, texts imputed and one-hot encoded, and a model."""
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
            (
                "texts",
                make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
                TEXTS,
            ),
        ],
        sparse_threshold=0.0
        if isinstance(model, HistGradientBoostingClassifier)
        else 0.3,  # which takes no sparse rows
    )
    return Pipeline([("columns", columns), ("model", model)])


def in_turn(calls, seconds):
    """Median process time of each call, microseconds; they take turns, so that a slow moment meets all of them."""
    taken = {name: [] for name in calls}
    for call in calls.values():
        call()
    gc.disable()
    start = time.monotonic()
    while time.monotonic() - start < seconds or len(taken[next(iter(taken))]) < 3:
        for name, call in calls.items():
            before = time.process_time_ns()
            call()
            taken[name].append(time.process_time_ns() - before)
    gc.enable()
    return {name: statistics.median(times) / 1e3 for name, times in taken.items()}


def compare(pipeline, X, seconds):
    """Microseconds of the pipeline, of it with its model wrapped, wrapped as a whole, and of steps and trees alone."""
    inside = Pipeline([*pipeline.steps[:-1], ("model", TensorizedEstimator(pipeline[-1]))])
    ours = TensorizedEstimator(pipeline)
    if pipeline.predict_proba(X).tobytes() != ours.predict_proba(X).tobytes():
        raise AssertionError("the answers differ")
    if not any(ready is not None for ready in ours._compiled()._ready.values()):
        raise AssertionError("the steps are not folded")
    steps = pipeline[:-1]
    given = steps.transform(X)
    forest = inside[-1]
    return in_turn(
        {
            "library": lambda: pipeline.predict_proba(X),
            "model wrapped": lambda: inside.predict_proba(X),
            "pipeline wrapped": lambda: ours.predict_proba(X),
            "steps alone": lambda: steps.transform(X),
            "forest alone": lambda: forest.predict_proba(given),
        },
        seconds,
    )


def folding(seconds):
    """Milliseconds to fold 100 columns with 255 thresholds each, verification included."""
    X = numbers(20_000, 100)
    y = (np.abs(np.sin(X * 3 / X.std(axis=0))).sum(axis=1) > 64).astype(int)
    model = XGBClassifier(
        n_estimators=400, max_depth=8, max_bin=256, n_jobs=1, colsample_bytree=0.2, min_child_weight=0
    )
    pipeline = scaled(model).fit(X, y)
    with_steps = TensorizedEstimator(pipeline)
    program = with_steps._compiled()
    thresholds = program.last._compiled().forest.trees
    counts = [len(np.unique(thresholds.threshold[thresholds.feature == j])) for j in range(100)]

    def fold():
        program._ready.clear()
        program.fold_for(X[:1])

    taken = in_turn({"fold": fold}, seconds)
    return {"milliseconds": taken["fold"] / 1e3, "thresholds_a_column": statistics.mean(counts)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="of the long calls (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each cell (%(default)s)")
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="behind the ColumnTransformer (all)")
    parser.add_argument("--write", type=Path, help="where to save the figures as JSON")
    parser.add_argument("--figure", type=Path, help="where to draw where the time of one row goes, as SVG")
    args = parser.parse_args()
    print(machine.describe(), end="\n\n")
    print(f"{'microseconds':<52}{'library':>10}{'model':>10}{'ours':>10}{'steps':>10}{'forest':>10}{'times':>7}")
    cells = {}

    def cell(name, pipeline, X):
        for n in (1, args.rows):
            key = f"{name}, {n:,} row{'s' * (n > 1)}"
            taken = cells[key] = compare(pipeline, X[:n], args.seconds)
            figures = "".join(f"{value:>10,.0f}" for value in taken.values())
            print(f"{key:<52}{figures}{taken['library'] / taken['pipeline wrapped']:>7.1f}", flush=True)

    X = numbers(args.rows, 28)
    xgboost = XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1)
    cell("StandardScaler, XGBoost 100 x d6", scaled(xgboost).fit(X[:N_TRAIN], labels(X)[:N_TRAIN]), X)
    for name in args.models:
        for kind in FRAMES:
            X = frame(args.rows, kind)
            y = labels(X)
            cell(f"ColumnTransformer, {name}, {kind}", mixed(MODELS[name]()).fit(X[:N_TRAIN], y[:N_TRAIN]), X)
    folded = folding(args.seconds)
    print(f"\nfolding 100 columns of {folded['thresholds_a_column']:.0f} thresholds: {folded['milliseconds']:.0f} ms")
    found = {
        "microseconds": cells,
        "folding": folded,
        "machine": machine.facts(),
        "versions": machine.versions(machine.PACKAGES),
    }
    if args.write:
        args.write.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if args.figure:
        draw(cells, args.figure)
    forest = cells[f"StandardScaler, XGBoost 100 x d6, {args.rows:,} rows"]
    return int(forest["pipeline wrapped"] > 1.1 * forest["forest alone"])


PIECES = {
    "steps": ("#d97706", "steps"),
    "model": (d.OTHER, "the library's model"),
    "trees": ("#3a7ca5", "the same trees, wrapped"),
    "folded": (d.OURS, "folded: reading and trees"),
}


def draw(cells, output):
    """Where the time of one row goes: before and after."""
    left, right, bar = 16, 548, 24
    parts, y = [], 4
    for title, what, key in (
        ("An array of 28 numbers", "StandardScaler, XGBoost 100 x depth 6", "StandardScaler, XGBoost 100 x d6, 1 row"),
        (
            "A pandas frame of 18 columns",
            "ColumnTransformer, XGBoost 200 x depth 6",
            "ColumnTransformer, XGBoost 200 x d6, str, 1 row",
        ),
    ):
        taken = cells[key]
        steps, whole, inner, ours = (
            taken[name] for name in ("steps alone", "library", "model wrapped", "pipeline wrapped")
        )
        scale = (right - left) / whole
        parts.append(d.text(left, y + 26, title, weight=600, anchor="start"))
        parts.append(d.text(left, y + 47, what, d.SOFT, size=15, anchor="start"))
        y += 58
        for name, pieces in (
            ("the library's pipeline", [("steps", steps), ("model", whole - steps)]),
            ("its model wrapped", [("steps", steps), ("trees", inner - steps)]),
            ("the pipeline wrapped", [("folded", ours)]),
        ):
            total = sum(value for _, value in pieces)
            words = f"{name}: {total:,.0f} µs"
            if total < whole:
                words += f", {whole / total:.{1 if whole < 10 * total else 0}f} times as fast"
            parts.append(d.text(left, y + 16, words, size=15, anchor="start"))
            x = left
            for kind, value in pieces:
                parts.append(d.rect(x, y + 22, max(value * scale, 2), bar, PIECES[kind][0]))
                x += value * scale
            y += 22 + bar + 8
        y += 12
    for place, (fill, words) in zip(((left, 0), (290, 0), (left, 26), (290, 26)), PIECES.values(), strict=True):
        parts.append(d.rect(place[0], y + place[1], 15, 15, fill))
        parts.append(d.text(place[0] + 22, y + place[1] + 13, words, d.SOFT, size=15, anchor="start"))
    title = "Where the time of a prediction of one row goes: steps and model of two pipelines, before and after"
    output.write_text(d.drawing(title, y + 60, parts), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
