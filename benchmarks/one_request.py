"""Where the time of one row's request goes in a server, in microseconds of process time, the median of 2,000 requests.

``python -m benchmarks.one_request`` runs the steps of examples/serving/fastapi_app.py, without HTTP, and the library's
own pipeline for comparison. Process time, so that what else the machine does counts little.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import sktensor
from benchmarks.scaling import COLUMNS, ROOT, fitted_pipeline, saved, written_rows


def microseconds(step: Callable[[], Any], n: int = 2_000) -> float:
    """The median of a step's process time; where the clock is coarse, of ten runs at once."""
    times = []
    for _ in range(n // 10):
        begin = time.process_time_ns()
        for _ in range(10):
            step()
        times.append((time.process_time_ns() - begin) / 10_000)
    return float(np.median(times))


def main() -> None:
    sys.path.insert(0, str(ROOT / "examples/serving"))
    from scoring_request import ScoringRequest

    with tempfile.TemporaryDirectory() as name:
        sample = pd.read_parquet(written_rows(Path(name) / "rows", 80_000) / "0.parquet")[COLUMNS]
        pipeline = fitted_pipeline(sample)
        model = sktensor.load(saved(pipeline, Path(name) / "model.safetensors", sample)).warmup()
    body = json.dumps({"rows": [{"age": 41.5, "income": 20_000.0, "city": "Oslo"}]})
    request = ScoringRequest.model_validate_json(body)
    frame = request.frame()
    answer = model.predict_proba(frame)
    one = sample[:1]
    assert model.predict_proba(one).tobytes() == pipeline.predict_proba(one).tobytes()
    for step, run, n in (
        ("checking the JSON", lambda: ScoringRequest.model_validate_json(body), 2_000),
        ("making a frame", request.frame, 2_000),
        ("predict_proba", lambda: model.predict_proba(frame), 2_000),
        ("writing the JSON", lambda: json.dumps({"probabilities": answer.tolist()}), 2_000),
        ("the pipeline's own predict_proba", lambda: pipeline.predict_proba(one), 200),
    ):
        run()
        print(f"{step:33} {microseconds(run, n):8.1f}", flush=True)


if __name__ == "__main__":
    main()
