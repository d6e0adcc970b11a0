"""From sums to what the methods of an estimator return."""

from sktensor.outputs.links import (
    EXPF_LIMIT,
    decision_scores,
    labels,
    leaf_columns,
    leaf_numbers,
    log_probabilities,
    probabilities,
    raw_scores,
    sample_scores,
    shaped_raw,
    shaped_values,
    values,
)

__all__ = [
    "EXPF_LIMIT",
    "decision_scores",
    "labels",
    "leaf_columns",
    "leaf_numbers",
    "log_probabilities",
    "probabilities",
    "raw_scores",
    "sample_scores",
    "shaped_raw",
    "shaped_values",
    "values",
]
