"""Serve a saved model with LitServe, whose workers answer batches of requests: python litserve_app.py MODEL PORT"""

import sys

import litserve as ls
import numpy as np
import polars as pl
from scoring_request import ScoringRequest

import sktensor


class Scoring(ls.LitAPI):
    path = sys.argv[1]

    def setup(self, device):  # in each worker; where there are several devices, each worker is given one
        self.model = sktensor.load(self.path).set_params(device=device).warmup()

    def decode_request(self, request: ScoringRequest):  # checked by the server: a bad request never meets others
        return request.frame()

    def batch(self, frames):
        return frames

    def predict(self, frames):
        probabilities = self.model.predict_proba(pl.concat(frames))
        return np.split(probabilities, np.cumsum([len(frame) for frame in frames])[:-1])

    def unbatch(self, probabilities):
        return probabilities

    def encode_response(self, probabilities):
        return {"probabilities": probabilities.tolist()}


if __name__ == "__main__":
    scoring = Scoring(max_batch_size=64, batch_timeout=0.005)  # requests, seconds
    server = ls.LitServer(scoring, accelerator="cpu", workers_per_device=2)
    server.run(port=int(sys.argv[2]), generate_client_file=False)
