"""Models of scikit-learn as forests, and where those made of other models keep them."""

from sktensor.extractors.sklearn.model import (
    check_class,
    extract,
    fingerprint,
    is_fitted,
    methods,
    predict_leaves,
    predict_raw,
    steps,
    submodels,
    watched,
)

__all__ = [
    "check_class",
    "extract",
    "fingerprint",
    "is_fitted",
    "methods",
    "predict_leaves",
    "predict_raw",
    "steps",
    "submodels",
    "watched",
]
