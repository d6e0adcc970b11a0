"""Score a table with Dask: each worker gets the compiled model once, and uses one thread for each of its own."""

import sys

import dask
import dask.dataframe as dd
import numpy as np
from distributed import Client, LocalCluster

import sktensor


def score_partition(frame, model):
    """Add the probability of the last class to the rows of a pandas frame."""
    if len(frame) == 0:  # as scikit-learn's own, models may refuse to answer no rows
        return frame.assign(score=np.empty(0))
    return frame.assign(score=model.predict_proba(frame[list(model.feature_names_in_)])[:, -1].astype(float))


def score(table, model):
    """Add a column to a Dask frame, lazily; partitions come in any order, and are done again if a worker is lost."""
    shipped = dask.delayed(model, pure=True)  # a task of its own: workers fetch its result, once, and keep it
    return table.map_partitions(score_partition, shipped, meta=table._meta.assign(score=np.empty(0)))


if __name__ == "__main__":
    model_path, rows, scores = sys.argv[1:]
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster):
        score(dd.read_parquet(rows), sktensor.load(model_path)).to_parquet(scores)
