"""Models of LightGBM as forests."""

from sktensor.extractors.lightgbm.model import extract, predict_leaves, predict_raw

__all__ = ["extract", "predict_leaves", "predict_raw"]
