"""Survival trees, survival forests and gradient boosting of scikit-survival: risk scores, and functions of time."""

from sktensor.extractors.sksurv.model import check_class, extract, fingerprint, methods, predict_leaves, predict_raw

__all__ = ["check_class", "extract", "fingerprint", "methods", "predict_leaves", "predict_raw"]
