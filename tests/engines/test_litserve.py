"""Dynamic batching with LitServe (examples/serving/litserve_app.py), asked over loopback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine_cases import COLUMNS, Notes, rows
from serving import assert_replies_are_the_callers, at_once, free_port, records, running, wrong_requests

pytest.importorskip("litserve", reason="LitServe is not installed")

ROOT = Path(__file__).parents[2]


def content(frame):
    return {"rows": records(frame)}


def probabilities(answer):
    return answer["probabilities"]


@pytest.fixture(scope="module")
def address(importable_in_workers, model_path, tmp_path_factory):
    port = free_port()
    command = [ROOT / "examples/serving/litserve_app.py", model_path, port]
    address = f"http://127.0.0.1:{port}"
    with running(command, tmp_path_factory.mktemp("server") / "log", f"{address}/health"):
        yield f"{address}/predict"


def test_concurrent_callers_get_their_own_answers_and_bad_requests_fail_alone(address, pipeline):
    assert_replies_are_the_callers(address, pipeline, content, probabilities, wrong_requests())


def test_full_batches_do_not_wait_and_models_are_never_mixed(
    pipeline, other_pipeline, model_path, other_path, tmp_path
):
    port = free_port()
    server = Path(__file__).parent / "servers/litserve_observed.py"
    command = [server, model_path, port, other_path, tmp_path, "cpu"]
    frames = [rows(size, seed=size) for size in (1, 2, 3, 4)]
    with running(command, tmp_path / "log", f"http://127.0.0.1:{port}/health"):
        for path, library in (("predict", pipeline), ("other", other_pipeline)):
            replies = at_once(f"http://127.0.0.1:{port}/{path}", [content(frame) for frame in frames])
            for frame, (status, answer) in zip(frames, replies, strict=True):
                assert status == 200
                found = np.array(probabilities(answer))
                assert found.tobytes() == library.predict_proba(frame[COLUMNS]).tobytes()
    assert Notes(tmp_path).rows_answered() == [1 + 2 + 3 + 4] * 2  # four requests in one prediction of each model


def test_each_device_has_a_worker_of_its_own(model_path, other_path, tmp_path):
    port = free_port()
    server = Path(__file__).parent / "servers/litserve_observed.py"
    command = [server, model_path, port, other_path, tmp_path, "cuda"]
    with running(command, tmp_path / "log", f"http://127.0.0.1:{port}/health"):
        pass
    assert {path.name for path in tmp_path.glob("device-*")} == {"device-cuda0", "device-cuda1"}
