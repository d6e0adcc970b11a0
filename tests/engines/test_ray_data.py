"""Scoring with Ray Data (examples/scaling/ray_scoring.py) on a real cluster of two workers."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from engine_cases import COLUMNS, Notes, ObservedModel, rows, run_recipe, same_scores

import sktensor

pytest.importorskip("ray.data", reason="Ray is not installed")

import ray

FRAME = rows(3_000)


@pytest.fixture(scope="module", autouse=True)
def cluster(importable_in_workers):
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=200 * 2**20, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


def table_of(bounds):
    return ray.data.from_arrow(
        [pa.Table.from_pandas(FRAME[begin:end], preserve_index=False) for begin, end in reversed(bounds)]
    )


def score(table, model):
    import ray_scoring

    return ray_scoring.score(table, model).to_pandas()


MANY = [(begin, begin + 200) for begin in range(0, 3_000, 200)]


def test_blocks_of_any_order_and_size_get_the_librarys_scores(pipeline, model_path, tmp_path):
    model = ObservedModel(sktensor.load(model_path), tmp_path)
    bounds = [(0, 1), (1, 1), (1, 700), (700, 701), (701, 3_000)]
    same_scores(score(table_of(bounds), model), pipeline, FRAME)
    assert sum(Notes(tmp_path).rows_answered()) == len(FRAME)


def test_an_empty_table_has_an_empty_score(model_path):
    scored = score(table_of([(0, 0)]), sktensor.load(model_path))
    assert len(scored) == 0


def test_the_model_is_loaded_once_an_actor_without_its_library(pipeline, model_path, tmp_path):
    same_scores(score(table_of(MANY), ObservedModel(sktensor.load(model_path), tmp_path)), pipeline, FRAME)
    notes = Notes(tmp_path)
    assert len(notes.processes("loaded")) == len(set(notes.processes("loaded"))) <= 2
    assert len(notes.processes("answered")) > 2
    assert not notes.libraries_loaded()


def test_a_killed_actor_loses_nothing_and_doubles_nothing(pipeline, model_path, tmp_path):
    scored = score(table_of(MANY), ObservedModel(sktensor.load(model_path), tmp_path, kill=True))
    assert Notes(tmp_path).killed
    same_scores(scored, pipeline, FRAME)


@pytest.mark.parametrize(("n_jobs", "threads"), [(None, 1), (2, 2)])
def test_an_actor_uses_the_threads_that_the_model_says(numbers_path, tmp_path, n_jobs, threads):
    model = ObservedModel(sktensor.load(numbers_path).set_params(n_jobs=n_jobs), tmp_path)
    many = pd.concat([FRAME] * 10, ignore_index=True)
    score(ray.data.from_arrow(pa.Table.from_pandas(many, preserve_index=False)), model)
    assert Notes(tmp_path).threads() == threads


def test_a_block_is_read_where_it_lies(pipeline, model_path):
    from ray_scoring import Scorer

    seen = []

    class Model:
        feature_names_in_ = COLUMNS

        def predict_proba(self, X):
            seen.append(X)
            return sktensor.load(model_path).predict_proba(X)

    table = pa.table({name: FRAME[name].to_numpy() for name in ("row", "age", "income")}).append_column(
        "city", pa.array(FRAME["city"])
    )
    scorer = Scorer(ray.put(None))
    scorer.model = Model()
    same_scores(scorer(table).to_pandas(), pipeline, FRAME)
    assert isinstance(seen[0], pl.DataFrame)
    for name in ("age", "income"):
        address = table[name].chunk(0).buffers()[1].address
        assert seen[0][name].to_numpy().__array_interface__["data"][0] == address


def test_the_recipe_runs_as_a_script(pipeline, model_path, tmp_path):
    (tmp_path / "rows").mkdir()
    FRAME.to_parquet(tmp_path / "rows" / "0.parquet")
    run_recipe("scaling/ray_scoring.py", model_path, tmp_path / "rows", tmp_path / "scores")
    same_scores(pd.read_parquet(tmp_path / "scores"), pipeline, FRAME)


def test_the_example_of_the_gallery_runs_with_the_librarys_bits(importable_in_workers):
    run_recipe("plot_ray_data.py")
