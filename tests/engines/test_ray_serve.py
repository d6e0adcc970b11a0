"""Dynamic batching with Ray Serve (examples/serving/ray_serve_app.py), asked over loopback."""

from __future__ import annotations

import numpy as np
import pytest
from engine_cases import COLUMNS, Notes, ObservedModel, rows
from serving import assert_replies_are_the_callers, at_once, free_port, post, records, wrong_requests

import sktensor

pytest.importorskip("ray.serve", reason="Ray Serve is not installed")

import ray
from ray import serve


@pytest.fixture(scope="module")
def address(importable_in_workers):
    ray.init(num_cpus=4, include_dashboard=False, object_store_memory=200 * 2**20, log_to_driver=False)
    port = free_port()
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()
    ray.shutdown()


def content(frame):
    return {"rows": records(frame)}


def probabilities(answer):
    return answer["probabilities"]


def serving(name, model, **options):
    from ray_serve_app import Scoring

    serve.run(Scoring.options(**options).bind(model), name=name, route_prefix=f"/{name}")
    return f"/{name}/predict"


def test_concurrent_callers_get_their_own_answers_and_bad_requests_fail_alone(address, pipeline, model_path, tmp_path):
    path = serving("recipe", ObservedModel(sktensor.load(model_path), tmp_path))
    assert_replies_are_the_callers(address + path, pipeline, content, probabilities, wrong_requests())
    notes = Notes(tmp_path)
    assert len(set(notes.processes("answered"))) <= 2  # replicas
    assert not notes.libraries_loaded()
    serve.delete("recipe")


def test_full_batches_do_not_wait_and_models_are_never_mixed(
    address, pipeline, other_pipeline, model_path, other_path, tmp_path
):
    frames = [rows(size, seed=size) for size in (1, 2, 3, 4)]
    batches = {"num_replicas": 1, "user_config": {"rows": 10, "seconds": 100.0}}
    paths = [
        serving(name, ObservedModel(sktensor.load(path), tmp_path), **batches)
        for name, path in (("one", model_path), ("two", other_path))
    ]
    for path, library in zip(paths, (pipeline, other_pipeline), strict=True):
        replies = at_once(address + path, [content(frame) for frame in frames])
        for frame, (status, answer) in zip(frames, replies, strict=True):
            assert status == 200
            assert np.array(probabilities(answer)).tobytes() == library.predict_proba(frame[COLUMNS]).tobytes()
    assert Notes(tmp_path).rows_answered() == [1 + 2 + 3 + 4] * 2  # four requests in one prediction of each model


def test_a_batch_that_is_not_full_is_answered_at_the_time_out(address, pipeline, model_path):
    path = serving("few", sktensor.load(model_path), user_config={"rows": 1_000, "seconds": 0.05})
    status, answer = post(address + path, content(rows(3)))
    assert status == 200
    assert np.array(probabilities(answer)).tobytes() == pipeline.predict_proba(rows(3)[COLUMNS]).tobytes()
