"""Rows a second from a Parquet file to one with scores, by one process and by each engine's two workers.

``python -m benchmarks.scaling [--rows N] [--engines dask ray spark]`` prints a line for each, the best of three runs.
Engines run the recipes of examples/scaling/ on clusters of two single-threaded workers on this machine, which are
started before the clock is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import sktensor

ROOT = Path(__file__).parents[1]
COLUMNS = ["age", "income", "city"]


def written_rows(folder: Path, n_rows: int, n_files: int = 8) -> Path:
    """A folder of Parquet files with numbers, of which some are missing, and text."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(n_files):
        n = n_rows // n_files
        frame = pd.DataFrame(
            {
                "age": rng.normal(40, 12, n),
                "income": rng.lognormal(10, 1, n),
                "city": rng.choice(["Lyon", "Oslo", "Porto"], n),
            }
        )
        frame.loc[rng.random(n) < 0.1, "income"] = np.nan
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / f"{number}.parquet")
    return folder


def fitted_pipeline(sample: pd.DataFrame) -> Any:
    """Imputing, scaling and one-hot encoding in front of 500 trees of LightGBM."""
    from lightgbm import LGBMClassifier
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [("n", numbers, ["age", "income"]), ("t", OneHotEncoder(handle_unknown="ignore"), ["city"])],
        sparse_threshold=0,
    )
    noise = np.random.default_rng(0).normal(0, 12, len(sample))
    model = make_pipeline(columns, LGBMClassifier(n_estimators=500, n_jobs=1, verbose=-1))
    return model.fit(sample, sample["age"] + noise > 45)


def saved(pipeline: Any, path: Path, sample: pd.DataFrame) -> Path:
    """The file of the wrapped pipeline."""
    import polars as pl

    fast = sktensor.TensorizedEstimator(pipeline)
    for text in ("object", "str", "string"):  # engines differ in which of pandas' dtypes of text they hand over
        fast.predict(sample[:1].astype({"city": text}))
    fast.predict(pl.from_pandas(sample[:1]))
    sktensor.save(fast, path)
    return path


@contextmanager
def one_process(model: Any) -> Iterator[Callable[[Path, Path], None]]:
    import parquet_scoring

    def run(source: Path, target: Path) -> None:
        target.mkdir()
        for file in sorted(source.iterdir()):
            parquet_scoring.score(file, target / file.name, model)

    yield run


@contextmanager
def dask(model: Any) -> Iterator[Callable[[Path, Path], None]]:
    import dask.dataframe as dd
    import dask_scoring
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
        Client(cluster),
    ):
        yield lambda source, target: dask_scoring.score(dd.read_parquet(source), model).to_parquet(target)


@contextmanager
def ray(model: Any) -> Iterator[Callable[[Path, Path], None]]:
    import ray
    import ray_scoring

    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)  # a third one to read and write
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield lambda source, target: ray_scoring.score(ray.data.read_parquet(str(source)), model).write_parquet(str(target))
    ray.shutdown()


@contextmanager
def spark(model: Any) -> Iterator[Callable[[Path, Path], None]]:
    import spark_scoring
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    yield lambda source, target: spark_scoring.score(
        session.read.parquet(str(source)), model, in_arrow=True
    ).write.parquet(str(target))
    session.stop()


ENGINES = {"dask": dask, "ray": ray, "spark": spark}


def timed(run: Callable[[Path, Path], None], source: Path, target: Path) -> float:
    """Seconds of a run."""
    begin = time.perf_counter()
    run(source, target)
    return time.perf_counter() - begin


def report(name: str, n_rows: int, seconds: float) -> None:
    """Print a line."""
    print(
        f"{name:12} {n_rows / seconds / 1000:8,.0f} thousand rows a second; load {os.getloadavg()[0]:.1f}", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=list(ENGINES))
    arguments = parser.parse_args()
    paths = [str(ROOT), str(ROOT / "examples/scaling")]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = written_rows(folder / "rows", arguments.rows)
        sample = pd.read_parquet(source / "0.parquet")[COLUMNS][:20_000]
        pipeline = fitted_pipeline(sample)
        model = sktensor.load(saved(pipeline, folder / "model.safetensors", sample))
        measured = {"one process": one_process} | {name: ENGINES[name] for name in arguments.engines}
        with one_process(pipeline) as run:
            (few := folder / "few").mkdir()
            (few / "0.parquet").hardlink_to(source / "0.parquet")
            report("the library", arguments.rows // 8, timed(run, few, folder / "library"))
        for engine, start in measured.items():
            with start(model) as run:
                run(source, folder / "first")  # workers are started, and models compiled
                seconds = min(timed(run, source, folder / f"again {number}") for number in range(3))
            for name in ("first", "again 0", "again 1", "again 2"):
                assert pq.ParquetDataset(folder / name).read(["score"]).num_rows == arguments.rows // 8 * 8
                shutil.rmtree(folder / name)
            report(engine, arguments.rows, seconds)


if __name__ == "__main__":
    main()
