"""Quantile regression forests of quantile-forest: the leaves of their trees, and quantiles of what lies in these."""

from sktensor.extractors.quantile_forest.model import check_class, extract, fingerprint, methods, predict_leaves

__all__ = ["check_class", "extract", "fingerprint", "methods", "predict_leaves"]
