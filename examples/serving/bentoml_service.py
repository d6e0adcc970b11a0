"""Serve a saved model with BentoML, in batches: MODEL=model.safetensors bentoml serve bentoml_service:Scoring"""

import os

import bentoml
from scoring_request import Rows, ScoringRequest

import sktensor


@bentoml.service(workers=1, traffic={"timeout": 30, "max_concurrency": 64})
class Scoring:
    def __init__(self):  # in each worker
        self.model = sktensor.load(os.environ["MODEL"]).warmup()

    @bentoml.api(batchable=True, max_batch_size=1_000, max_latency_ms=1_000)
    def predict(self, rows: Rows) -> list[list[float]]:  # checked before they are batched
        return self.model.predict_proba(ScoringRequest.model_construct(rows=rows).frame()).tolist()
