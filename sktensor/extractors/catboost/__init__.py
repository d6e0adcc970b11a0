"""Models of CatBoost as forests."""

from sktensor.extractors.catboost.columns import columns
from sktensor.extractors.catboost.model import extract, predict_leaves, predict_raw
from sktensor.extractors.catboost.wrapped import check_class, fingerprint, score, unfitted

__all__ = [
    "check_class",
    "columns",
    "extract",
    "fingerprint",
    "predict_leaves",
    "predict_raw",
    "reads_sparse",
    "score",
    "unfitted",
]

reads_sparse = True
