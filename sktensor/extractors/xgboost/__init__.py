"""Models of XGBoost as forests."""

from sktensor.extractors.xgboost.columns import columns
from sktensor.extractors.xgboost.model import extract, predict_leaves, predict_raw
from sktensor.extractors.xgboost.wrapped import check_class, fingerprint

__all__ = ["check_class", "columns", "extract", "fingerprint", "predict_leaves", "predict_raw", "reads_sparse"]

reads_sparse = True
