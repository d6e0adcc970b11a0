"""Models of LightGBM as forests."""

from sktensor.extractors.lightgbm.columns import columns
from sktensor.extractors.lightgbm.model import extract, predict_leaves, predict_raw

__all__ = ["columns", "extract", "predict_leaves", "predict_raw"]
