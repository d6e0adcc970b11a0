"""Scoring with Spark (examples/scaling/spark_scoring.py) on a real cluster: two executors, processes of their own."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
from engine_cases import Notes, ObservedModel, rows, run_recipe, same_scores

import sktensor

pytest.importorskip("pyspark", reason="Spark is not installed")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java", allow_module_level=True)

from pyspark.sql import SparkSession

FRAME = rows(3_000)


@pytest.fixture(scope="module")
def spark(importable_in_workers, tmp_path_factory):
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": tmp_path_factory.mktemp("spark"),
        "spark.sql.warehouse.dir": tmp_path_factory.mktemp("warehouse"),
        "spark.ui.enabled": False,
    }
    builder = SparkSession.builder.master("local-cluster[2,1,1024]").appName("sktensor")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        session = builder.config(map={name: str(value) for name, value in settings.items()}).getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        yield session
        session.stop()


@pytest.fixture(params=["in pandas", "in Arrow"])
def score(request, spark):
    import spark_scoring

    return lambda table, model: spark_scoring.score(table, model, in_arrow=request.param == "in Arrow").toPandas()


def test_partitions_of_any_order_and_size_get_the_librarys_scores(spark, score, pipeline, model_path, tmp_path):
    model = ObservedModel(sktensor.load(model_path), tmp_path)
    # Two partitions by a key of two values, of which most of eight remain empty.
    table = spark.createDataFrame(FRAME.iloc[::-1]).repartition(8, "city")
    same_scores(score(table, model), pipeline, FRAME)
    assert sum(Notes(tmp_path).rows_answered()) == len(FRAME)


def test_an_empty_table_has_an_empty_score(spark, score, model_path):
    table = spark.createDataFrame(FRAME).where("row < 0")
    assert list(score(table, sktensor.load(model_path)).columns) == [*FRAME.columns, "score"]


def test_the_model_is_loaded_once_a_worker_without_its_library(spark, score, pipeline, model_path, tmp_path):
    model = ObservedModel(sktensor.load(model_path), tmp_path)
    same_scores(score(spark.createDataFrame(FRAME).repartition(12), model), pipeline, FRAME)
    notes = Notes(tmp_path)
    assert len(notes.processes("loaded")) == len(set(notes.processes("loaded")))
    assert len(set(notes.processes("answered"))) < len(notes.processes("answered"))
    assert not notes.libraries_loaded()


def test_a_killed_worker_loses_nothing_and_doubles_nothing(spark, score, pipeline, model_path, tmp_path):
    model = ObservedModel(sktensor.load(model_path), tmp_path, kill=True)
    scored = score(spark.createDataFrame(FRAME).repartition(12), model)
    assert Notes(tmp_path).killed
    same_scores(scored, pipeline, FRAME)


@pytest.mark.parametrize(("n_jobs", "threads"), [(None, 1), (2, 2)])
def test_a_worker_uses_the_threads_that_the_model_says(spark, score, numbers_path, tmp_path, n_jobs, threads):
    model = ObservedModel(sktensor.load(numbers_path).set_params(n_jobs=n_jobs), tmp_path)
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "100000")
    score(spark.range(30_000).selectExpr("id AS row", "id / 300 AS age", "id AS income").coalesce(1), model)
    assert Notes(tmp_path).threads() == threads


def test_the_recipe_runs_as_a_script(pipeline, model_path, tmp_path):
    FRAME.to_parquet(tmp_path / "rows.parquet")
    run_recipe("scaling/spark_scoring.py", model_path, tmp_path / "rows.parquet", tmp_path / "scores")
    same_scores(pd.read_parquet(tmp_path / "scores"), pipeline, FRAME)


def test_the_example_of_the_gallery_runs_with_the_librarys_bits(importable_in_workers):
    run_recipe("plot_spark.py")
