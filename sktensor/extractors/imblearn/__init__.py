"""Ensembles of imbalanced-learn, which are scikit-learn's with samplers in them, and pipelines of samplers."""

from sktensor.extractors.imblearn.model import (
    check_class,
    columns,
    extract,
    fingerprint,
    methods,
    predict_leaves,
    predict_raw,
    steps,
    submodels,
)

__all__ = [
    "check_class",
    "columns",
    "extract",
    "fingerprint",
    "methods",
    "predict_leaves",
    "predict_raw",
    "steps",
    "submodels",
]
