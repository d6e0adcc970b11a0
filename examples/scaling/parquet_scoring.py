"""Score a Parquet file that is larger than memory: some rows are read, scored and written, then the next ones."""

import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import sktensor


def batches_with_scores(path, model, rows_per_batch=65_536):
    """Record batches of a Parquet file with the probability of the last class as a further column, in their order."""
    with pq.ParquetFile(path, pre_buffer=False) as file:  # True keeps whatever has been read until the end
        for batch in file.iter_batches(rows_per_batch):
            features = pl.from_arrow(batch.select(list(model.feature_names_in_)))  # which copies no numbers
            scores = model.predict_proba(features)[:, -1] if len(features) else np.empty(0)  # some refuse no rows
            yield batch.append_column("score", pa.array(scores, pa.float64()))


def score(source, target, model):
    """Write the rows of a file and their scores to another; memory holds a row group of the source at most."""
    schema = pq.read_schema(source).append(pa.field("score", pa.float64()))
    with pq.ParquetWriter(target, schema) as file:
        for batch in batches_with_scores(source, model):
            file.write_batch(batch)


if __name__ == "__main__":
    model_path, rows, scores = sys.argv[1:]
    score(rows, scores, sktensor.load(model_path))
