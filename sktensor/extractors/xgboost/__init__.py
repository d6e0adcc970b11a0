"""Models of XGBoost as forests."""

from sktensor.extractors.xgboost.columns import columns
from sktensor.extractors.xgboost.model import extract, predict_leaves, predict_raw

__all__ = ["columns", "extract", "predict_leaves", "predict_raw"]
