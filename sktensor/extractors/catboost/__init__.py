"""Models of CatBoost as forests."""

from sktensor.extractors.catboost.model import extract, predict_leaves, predict_raw

__all__ = ["extract", "predict_leaves", "predict_raw"]
