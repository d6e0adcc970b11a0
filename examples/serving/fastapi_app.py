"""Serve a saved model with FastAPI: MODEL=model.safetensors uvicorn fastapi_app:app --workers 2"""

import os

from fastapi import FastAPI
from scoring_request import ScoringRequest

import sktensor

model = sktensor.load(os.environ["MODEL"]).warmup()  # compiled before the first request
app = FastAPI()


@app.post("/predict")
def predict(request: ScoringRequest):  # no coroutine: it runs in a thread, and kernels let others run meanwhile
    frame = request.frame()
    return {"labels": model.predict(frame).tolist(), "probabilities": model.predict_proba(frame).tolist()}
