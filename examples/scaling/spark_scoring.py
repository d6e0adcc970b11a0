"""Score a table with Spark: the model is broadcast to each Python worker once, which uses one thread."""

import sys

import numpy as np
import polars as pl
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.types import DoubleType, StructField, StructType

import sktensor


def score(table, model, in_arrow=False):
    """Add the probability of the last class to a Spark frame, lazily; tasks of a worker that dies are done again."""
    shipped = table.sparkSession.sparkContext.broadcast(model)

    def probabilities(features):
        return shipped.value.predict_proba(features)[:, -1].astype(float)

    def in_pandas(frames):
        for frame in frames:
            features = frame[list(shipped.value.feature_names_in_)]
            yield frame.assign(score=probabilities(features) if len(frame) else np.empty(0))

    def in_batches(batches):
        for batch in batches:
            features = pl.from_arrow(batch.select(list(shipped.value.feature_names_in_)))  # copies no numbers
            scores = probabilities(features) if len(features) else np.empty(0)
            yield batch.append_column("score", pa.array(scores, pa.float64()))

    schema = StructType([*table.schema.fields, StructField("score", DoubleType())])
    return table.mapInArrow(in_batches, schema) if in_arrow else table.mapInPandas(in_pandas, schema)


if __name__ == "__main__":
    model_path, rows, scores = sys.argv[1:]
    spark = SparkSession.builder.getOrCreate()  # by spark-submit, or on this machine
    score(spark.read.parquet(rows), sktensor.load(model_path), in_arrow=True).write.parquet(scores)
