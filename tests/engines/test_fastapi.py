"""A plain FastAPI application (examples/serving/fastapi_app.py), asked over loopback."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import numpy as np
import pytest
from engine_cases import COLUMNS, rows
from serving import assert_replies_are_the_callers, free_port, post, records, running, wrong_requests

pytest.importorskip("fastapi", reason="FastAPI is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")


@pytest.fixture(scope="module")
def address(importable_in_workers, model_path, tmp_path_factory):
    port = free_port()
    command = ["-m", "uvicorn", "fastapi_app:app", "--port", port, "--workers", 2]
    address = f"http://127.0.0.1:{port}"
    with running(command, tmp_path_factory.mktemp("server") / "log", f"{address}/docs", MODEL=model_path):
        yield f"{address}/predict"


def content(frame):
    return {"rows": records(frame)}


def test_concurrent_callers_get_their_own_answers_and_bad_requests_fail_alone(address, pipeline):
    assert_replies_are_the_callers(address, pipeline, content, lambda answer: answer["probabilities"], wrong_requests())


def test_labels_come_out_not_numbers_of_classes(address, pipeline):
    frame = rows(50)
    status, answer = post(address, content(frame))
    assert status == 200
    assert answer["labels"] == list(pipeline.predict(frame[COLUMNS]))
    assert set(answer["labels"]) == {"late", "on time"}


def test_scores_of_a_file_are_streamed_in_its_order(importable_in_workers, model_path, pipeline, tmp_path):
    frame, port = rows(5_500), free_port()
    frame.to_parquet(tmp_path / "table.parquet", row_group_size=2_000)
    command = ["-m", "uvicorn", "fastapi_stream_app:app", "--port", port]
    address = f"http://127.0.0.1:{port}"
    with running(command, tmp_path / "log", f"{address}/docs", MODEL=model_path, TABLES=tmp_path):
        with urllib.request.urlopen(f"{address}/scores/table", timeout=60) as response:
            batches = [json.loads(line) for line in response]
            assert response.headers["Transfer-Encoding"] == "chunked"
        for wrong, status in (("nothing", 404), ("..%2Ftable", 404), ("a.b", 422)):
            with pytest.raises(urllib.error.HTTPError) as refusal:
                urllib.request.urlopen(f"{address}/scores/{wrong}", timeout=60)
            assert refusal.value.code == status
    assert len(batches) >= 6
    found = np.concatenate([np.array(batch) for batch in batches])
    assert found.tobytes() == pipeline.predict_proba(frame[COLUMNS]).tobytes()
