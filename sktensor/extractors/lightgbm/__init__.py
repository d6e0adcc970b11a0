"""Models of LightGBM as forests."""

from sktensor.extractors.lightgbm.model import extract, predict_leaves, predict_raw
from sktensor.extractors.lightgbm.wrapped import caveat, check_class, fingerprint

__all__ = ["caveat", "check_class", "extract", "fingerprint", "predict_leaves", "predict_raw"]
