"""
Spark: partitions, and one process
==================================

``mapInArrow`` hands over batches of a partition's rows; the model is broadcast, once for each Python worker. Measured
is reading sixteen files of Parquet and scoring their rows, by two workers and by a process without Spark.
"""

# sphinx_gallery_thumbnail_path = "plot_spark.svg"
import tempfile
import time

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pyarrow as pa
from pyspark.sql import SparkSession
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator

COLUMNS, PARTITIONS = [f"x{column}" for column in range(20)], [1, 2, 4, 8, 16]
frame = pl.DataFrame(np.random.default_rng(0).normal(size=(640_000, 20)), schema=COLUMNS).with_row_index("row")
rows, label = frame[COLUMNS], (frame["x0"] * frame["x1"] > frame["x2"]).to_numpy()
library = XGBClassifier(n_estimators=300, n_jobs=1).fit(rows[:5_000], label[:5_000])
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", False).getOrCreate()


def scored(table, shipped):
    def score(batches):
        for batch in batches:
            scores = shipped.value.predict_proba(pl.from_arrow(batch.select(COLUMNS)))[:, 1]
            yield pa.RecordBatch.from_pydict({"row": batch["row"], "score": scores})

    return table.mapInArrow(score, "row long, score float")  # lazily


with tempfile.TemporaryDirectory() as folder:
    for n in range(16):
        frame[40_000 * n : 40_000 * (n + 1)].write_parquet(f"{folder}/{n}.parquet")
    for model, color in ((library, "tab:gray"), (TensorizedEstimator(library), "tab:cyan")):
        shipped = spark.sparkContext.broadcast(model)
        scores = scored(spark.read.parquet(folder), shipped).toPandas().sort_values("row").score.to_numpy()
        assert scores.tobytes() == library.predict_proba(rows)[:, 1].tobytes()
        times = [time.perf_counter()]
        for n in PARTITIONS * 2:  # twice; drawn is the better time
            scored(spark.read.parquet(folder).coalesce(n), shipped).write.format("noop").mode("overwrite").save()
            times.append(time.perf_counter())
        model.predict_proba(pl.read_parquet(f"{folder}/*.parquet", columns=COLUMNS))
        plt.axhline(len(frame) / (time.perf_counter() - times[-1]), ls=":", color=color)
        seconds = np.diff(times).reshape(2, -1).min(axis=0)
        plt.semilogy(PARTITIONS, len(frame) / seconds, "o-", color=color, label=type(model).__name__)

# %%
# .. image:: /plot_spark.svg
#    :alt: Rows a second by number of partitions, of the library and of sktensor

plt.gca().set(title="dotted: one process without Spark", xlabel="partitions", ylabel="rows a second", xticks=PARTITIONS)
plt.legend()
