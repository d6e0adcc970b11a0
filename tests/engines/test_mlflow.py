"""A wrapped pipeline logged with MLflow and served by it (examples/serving/mlflow_model.py), asked over loopback."""

from __future__ import annotations

import numpy as np
import pytest
from engine_cases import COLUMNS, rows
from serving import assert_replies_are_the_callers, free_port, running

from sktensor import TensorizedEstimator

mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
pytest.importorskip("mlflow.sklearn", reason="MLflow is not installed")


@pytest.fixture(scope="module")
def logged(importable_in_workers, pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.create_experiment("sktensor", artifact_location=str(folder / "artifacts"))
    mlflow.set_experiment("sktensor")
    from mlflow_model import log

    fast = TensorizedEstimator(pipeline)
    yield folder, log(fast, rows(20)[COLUMNS])
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def address(logged):
    folder, uri = logged
    port = free_port()
    command = [
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        uri,
        "--env-manager",
        "local",
        "--port",
        port,
        "-h",
        "127.0.0.1",
    ]
    with running(
        command, folder / "log", f"http://127.0.0.1:{port}/ping", MLFLOW_TRACKING_URI=mlflow.get_tracking_uri()
    ):
        yield f"http://127.0.0.1:{port}/invocations"


def content(frame):
    split = frame[COLUMNS].astype(object).where(frame[COLUMNS].notna(), None).to_dict("split")
    return {"dataframe_split": {"columns": split["columns"], "data": split["data"]}}


def test_concurrent_callers_get_their_own_answers_and_bad_requests_fail_alone(address, pipeline):
    good = content(rows(2))["dataframe_split"]
    wrong = [
        b"no JSON",
        {"rows": []},
        {"dataframe_split": {"columns": ["age", "city"], "data": [[1.0, "Oslo"]]}},
        {"dataframe_split": {"columns": good["columns"], "data": [["old", 1.0, "Oslo"]]}},
    ]
    assert_replies_are_the_callers(address, pipeline, content, lambda answer: answer["predictions"], wrong)


def test_a_model_that_is_loaded_again_gives_the_same_bits(logged, pipeline):
    frame = rows(100)[COLUMNS]
    again = mlflow.pyfunc.load_model(logged[1])
    assert np.asarray(again.predict(frame)).tobytes() == pipeline.predict_proba(frame).tobytes()
    assert isinstance(mlflow.sklearn.load_model(logged[1]), TensorizedEstimator)
