"""Score a table with Ray Data: actors load the model once from the object store, and read blocks where they lie."""

import sys

import numpy as np
import polars as pl
import pyarrow as pa
import ray

import sktensor


class Scorer:
    """Adds the probability of the last class to Arrow tables; there is one for each actor."""

    def __init__(self, model):
        self.model = ray.get(model)

    def __call__(self, table):
        features = pl.from_arrow(table.select(list(self.model.feature_names_in_)))  # which copies no numbers
        score = self.model.predict_proba(features)[:, -1] if len(features) else np.empty(0)  # some refuse no rows
        return table.append_column("score", pa.array(score, pa.float64()))


def score(dataset, model, n_actors=2):
    """Add a column to a Ray dataset, lazily; the blocks of an actor that dies are done again by another."""
    return dataset.map_batches(
        Scorer,
        fn_constructor_args=(ray.put(model),),  # a reference; the arrays lie in shared memory
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=n_actors),  # reading needs a processor, too
        num_cpus=1,
        batch_format="pyarrow",
    )


if __name__ == "__main__":
    model_path, rows, scores = sys.argv[1:]
    ray.init()  # the cluster that there is, or one on this machine
    score(ray.data.read_parquet(rows), sktensor.load(model_path)).write_parquet(scores)
