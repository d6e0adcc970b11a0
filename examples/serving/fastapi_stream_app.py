"""Stream the scores of a Parquet file: MODEL=model.safetensors TABLES=folder uvicorn fastapi_stream_app:app"""

import json
import os
import pathlib
from typing import Annotated

import polars as pl
import pyarrow.parquet as pq
from fastapi import FastAPI, HTTPException, Path
from fastapi.responses import StreamingResponse

import sktensor

model = sktensor.load(os.environ["MODEL"]).warmup()
app = FastAPI()


def lines(path):
    """A line of JSON for each batch, which is read when the client has taken the one before."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(1_000, columns=list(model.feature_names_in_)):
            yield json.dumps(model.predict_proba(pl.from_arrow(batch)).tolist()) + "\n"


@app.get("/scores/{table}")
def scores(table: Annotated[str, Path(pattern=r"^\w+$")]):
    path = pathlib.Path(os.environ["TABLES"], f"{table}.parquet")
    if not path.is_file():
        raise HTTPException(404, f"there is no table {table}")
    return StreamingResponse(lines(path), media_type="application/x-ndjson")
