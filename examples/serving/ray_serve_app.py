"""Serve a saved model with Ray Serve, whose replicas answer batches of requests: python ray_serve_app.py MODEL PORT"""

import sys

import numpy as np
import polars as pl
from fastapi import FastAPI
from ray import serve
from scoring_request import ScoringRequest

import sktensor

app = FastAPI()


@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 1}, user_config={"rows": 1_000, "seconds": 0.005})
@serve.ingress(app)
class Scoring:
    def __init__(self, model):
        self.model = model.warmup()

    def reconfigure(self, batches):  # also while it serves
        self.answer.set_max_batch_size(batches["rows"])
        self.answer.set_batch_wait_timeout_s(batches["seconds"])

    @serve.batch(batch_size_fn=lambda frames: sum(map(len, frames)))
    async def answer(self, frames):
        probabilities = self.model.predict_proba(pl.concat(frames))
        return np.split(probabilities, np.cumsum([len(frame) for frame in frames])[:-1])

    @app.post("/predict")
    async def predict(self, request: ScoringRequest):  # checked before it meets others: a bad request fails alone
        return {"probabilities": (await self.answer(request.frame())).tolist()}


if __name__ == "__main__":
    serve.start(http_options={"port": int(sys.argv[2])})
    serve.run(Scoring.bind(sktensor.load(sys.argv[1])), blocking=True)
