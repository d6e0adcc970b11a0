"""NGBoost: the parameters of a distribution as sums over trees, and what its library makes of these."""

from sktensor.extractors.ngboost.model import (
    check_class,
    columns,
    extract,
    fingerprint,
    is_fitted,
    methods,
    predict_leaves,
    predict_raw,
    unfitted,
)

__all__ = [
    "check_class",
    "columns",
    "extract",
    "fingerprint",
    "is_fitted",
    "methods",
    "predict_leaves",
    "predict_raw",
    "unfitted",
]
