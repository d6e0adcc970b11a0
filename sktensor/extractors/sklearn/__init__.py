"""Models of scikit-learn as forests, and where those made of other models keep them."""

from sktensor.extractors.sklearn.model import extract, parts, predict_leaves, predict_raw

__all__ = ["extract", "parts", "predict_leaves", "predict_raw"]
