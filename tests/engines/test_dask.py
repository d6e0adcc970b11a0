"""Scoring with Dask (examples/scaling/dask_scoring.py) on a real cluster of two worker processes."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from engine_cases import COLUMNS, Notes, ObservedModel, rows, run_recipe, same_scores

import sktensor

dask = pytest.importorskip("dask", reason="Dask is not installed")
distributed = pytest.importorskip("distributed", reason="Dask is not installed")
dd = pytest.importorskip("dask.dataframe", reason="Dask is not installed")

FRAME = rows(3_000)


@pytest.fixture
def client(importable_in_workers):
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, timeout=60) as client,
    ):
        yield client


def score(table, model):
    import dask_scoring

    return dask_scoring.score(table, model).compute()


def table_of(frames):
    return dd.from_delayed([dask.delayed(frame) for frame in frames], meta=FRAME.iloc[:0], verify_meta=False)


def test_partitions_of_any_order_and_size_get_the_librarys_scores(client, pipeline, model_path, tmp_path):
    bounds = [0, 1, 1, 700, 701, 2_000, 3_000]  # the second partition is empty
    frames = [FRAME.iloc[begin:end] for begin, end in itertools.pairwise(bounds)]
    model = ObservedModel(sktensor.load(model_path), tmp_path)
    scored = score(table_of(frames[::-1]), model)
    same_scores(scored, pipeline, FRAME)
    assert len(Notes(tmp_path).processes("answered")) == 5  # nobody is asked about no rows


def test_the_model_is_loaded_once_a_worker_without_its_library(client, pipeline, model_path, tmp_path):
    model = ObservedModel(sktensor.load(model_path), tmp_path)
    same_scores(score(dd.from_pandas(FRAME, npartitions=16), model), pipeline, FRAME)
    notes = Notes(tmp_path)
    assert set(notes.processes("answered")) <= set(client.run(lambda: __import__("os").getpid()).values())
    assert len(notes.processes("loaded")) == len(set(notes.processes("loaded"))) <= 2
    assert not notes.libraries_loaded()


def test_the_wrapper_itself_may_be_shipped(client, pipeline):
    same_scores(score(dd.from_pandas(FRAME, npartitions=3), sktensor.TensorizedEstimator(pipeline)), pipeline, FRAME)


def test_a_killed_worker_loses_nothing_and_doubles_nothing(client, pipeline, model_path, tmp_path):
    model = ObservedModel(sktensor.load(model_path), tmp_path, kill=True)
    scored = score(dd.from_pandas(FRAME, npartitions=16), model)
    assert Notes(tmp_path).killed
    same_scores(scored, pipeline, FRAME)


@pytest.mark.parametrize(("n_jobs", "threads"), [(None, 1), (2, 2)])
def test_a_worker_uses_the_threads_that_the_model_says(client, numbers_path, tmp_path, n_jobs, threads):
    model = ObservedModel(sktensor.load(numbers_path).set_params(n_jobs=n_jobs), tmp_path)
    many = pd.concat([FRAME] * 20, ignore_index=True)
    score(dd.from_pandas(many, npartitions=2), model)
    assert Notes(tmp_path).threads() == threads


def test_the_recipe_runs_as_a_script(pipeline, model_path, tmp_path):
    dd.from_pandas(FRAME, npartitions=4).to_parquet(tmp_path / "rows")
    run_recipe("scaling/dask_scoring.py", model_path, tmp_path / "rows", tmp_path / "scores")
    same_scores(pd.read_parquet(tmp_path / "scores"), pipeline, FRAME)


def test_columns_in_another_order_and_further_ones_change_nothing(client, pipeline, model_path):
    table = dd.from_pandas(FRAME.assign(note=np.arange(len(FRAME)))[["note", *COLUMNS[::-1], "row"]], npartitions=3)
    same_scores(score(table, sktensor.load(model_path)), pipeline, FRAME)


def test_the_example_of_the_gallery_runs_with_the_librarys_bits(importable_in_workers):
    run_recipe("plot_dask.py")
