"""What the servers take: JSON with rows of named values, checked before they meet other requests or the model."""

from typing import Annotated

import polars as pl
from pydantic import BaseModel, ConfigDict, Field


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    age: float | None
    income: float | None
    city: str | None


Rows = Annotated[list[Row], Field(min_length=1, max_length=1_000)]


class ScoringRequest(BaseModel):
    rows: Rows

    def frame(self):
        """The rows as a frame with the names and dtypes that the model was saved for."""
        schema = {"age": pl.Float64, "income": pl.Float64, "city": pl.String}
        return pl.DataFrame([row.model_dump() for row in self.rows], schema=schema)
