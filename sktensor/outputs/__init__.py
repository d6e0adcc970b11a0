"""From sums and leaves to what the methods of an estimator return."""

from sktensor.outputs.decisions import decision_scores, labels, sample_scores
from sktensor.outputs.leaves import leaf_columns, leaf_numbers
from sktensor.outputs.links import (
    EXPF_LIMIT,
    log_probabilities,
    probabilities,
    raw_scores,
    shaped_raw,
    shaped_values,
    values,
)
from sktensor.outputs.table import OUTPUTS, Output

__all__ = [
    "EXPF_LIMIT",
    "OUTPUTS",
    "Output",
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
