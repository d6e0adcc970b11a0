"""Adaptive batching with BentoML (examples/serving/bentoml_service.py), asked over loopback."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import pytest
from serving import N_REQUESTS, assert_replies_are_the_callers, free_port, records, running, wrong_requests

pytest.importorskip("bentoml", reason="BentoML is not installed")


@pytest.fixture(scope="module")
def server(importable_in_workers, model_path, tmp_path_factory):
    port, folder = free_port(), tmp_path_factory.mktemp("server")
    command = ["-m", "bentoml", "serve", "bentoml_service:Scoring", "--port", port, "--host", "127.0.0.1"]
    settings = {"MODEL": model_path, "BENTOML_HOME": folder, "BENTOML_DO_NOT_TRACK": "True"}
    command += ["--working-dir", Path(__file__).parents[2] / "examples/serving"]
    with running(command, folder / "log", f"http://127.0.0.1:{port}/readyz", **settings):
        yield f"http://127.0.0.1:{port}"


def content(frame):
    return {"rows": records(frame)}


def test_concurrent_callers_get_their_own_answers_and_bad_requests_fail_alone(server, pipeline):
    assert_replies_are_the_callers(f"{server}/predict", pipeline, content, lambda answer: answer, wrong_requests())
    # By the engine's own metrics: requests that were answered went through batches, those that were refused did not.
    metrics = urllib.request.urlopen(f"{server}/metrics", timeout=30).read().decode()
    assert metric(metrics, "adaptive_batch_size_sum", "") == N_REQUESTS
    assert metric(metrics, "adaptive_batch_size_count", "") <= N_REQUESTS
    assert metric(metrics, "request_total", '"/predict",http_response_code="200"') == N_REQUESTS
    assert metric(metrics, "request_total", '"/predict",http_response_code="500"') == 0


def metric(text, name, label):
    """The value of the first metric of this name whose labels hold a text, 0 if there is none."""
    found = re.search(rf"^bentoml_service_{name}\{{.*{re.escape(label)}.*\}} (\S+)", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0
