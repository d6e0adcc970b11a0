"""Models of CatBoost as forests."""

from sktensor.extractors.catboost.columns import columns
from sktensor.extractors.catboost.model import extract, predict_leaves, predict_raw

__all__ = ["columns", "extract", "predict_leaves", "predict_raw"]
