"""Models of LightGBM as forests."""

from sktensor.extractors.lightgbm.columns import columns
from sktensor.extractors.lightgbm.model import extract, predict_leaves, predict_raw
from sktensor.extractors.lightgbm.wrapped import check_class, fingerprint

__all__ = ["check_class", "columns", "extract", "fingerprint", "predict_leaves", "predict_raw", "reads_sparse"]

reads_sparse = True
