"""
Dask: what a cluster waits for
==============================

Sixteen partitions, two worker processes, scored by the library and by sktensor. The model is sent to each worker once,
and compiled there, by the first of its predictions. Bars are partitions being scored; between them rows are read.
"""

import os
import time

import dask
import dask.dataframe as dd
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator


def read_partition(seed, n_rows=50_000):
    """Stands for a file: a frame of twenty columns."""
    values = np.random.default_rng(seed).normal(size=(n_rows, 20))
    return pd.DataFrame(values, columns=[f"x{column}" for column in range(20)])


def score_partition(frame, model):
    """Scores, and who computed them when."""
    begin = time.time()
    score = model.predict_proba(frame)[:, 1]
    return pd.DataFrame({"score": score, "worker": os.getpid(), "begin": begin, "end": time.time()})


if __name__ == "__main__":  # workers are processes that import this file, too
    rows = read_partition(100, 5_000)
    library = XGBClassifier(n_estimators=300, n_jobs=1).fit(rows, rows.x0 * rows.x1 > rows.x2)
    models = {"XGBoost": library, "sktensor": TensorizedEstimator(library)}
    types = {"score": "f4", "worker": "i8", "begin": "f8", "end": "f8"}
    table, scored = dd.from_map(read_partition, range(16)), {}
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        for name, model in models.items():
            shipped = dask.delayed(model, pure=True)  # a task, whose result each worker fetches once
            scored[name] = table.map_partitions(score_partition, shipped, meta=types).compute()
    assert scored["XGBoost"].score.to_numpy().tobytes() == scored["sktensor"].score.to_numpy().tobytes()

    figure, axes = plt.subplots(2, figsize=(7, 3.6), layout="constrained", sharex=True)
    for panel, (name, rows) in zip(axes, scored.items(), strict=True):
        bars = rows.drop(columns="score").drop_duplicates()
        for worker, color in zip(sorted(set(bars.worker)), ("tab:cyan", "tab:blue"), strict=True):
            mine = bars[bars.worker == worker]
            left = mine.begin - bars.begin.min()
            panel.barh(color, mine.end - mine.begin, left=left, color=color, edgecolor="k", lw=0.5)
        seconds = bars.end.max() - bars.begin.min()
        panel.set_title(f"{name}: {len(rows) / seconds:,.0f} rows a second", fontsize=10)
        panel.set_yticks([0, 1], ["one worker", "the other"])
    axes[-1].set_xlabel("seconds")
