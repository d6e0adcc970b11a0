"""What tests of further libraries share: rows that hurt, and the same kinds of containers for each."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from agreement import same_bits

from sktensor import TensorizedEstimator, extract_forest
from sktensor.estimator.verification import probe

BATCHES = (slice(None), slice(0, 2), slice(0, 7), *(slice(i, i + 1) for i in range(12)))


def hurting_rows(model):
    """Thresholds, the numbers beside them, zeros, and NaN where it is taken, of float64."""
    return probe(extract_forest(model)).astype(np.float64)


def same_in(model, methods, rows, **given):
    """Hold methods of a wrapper against the model's, for many rows, few and single ones, and of a pickled copy."""
    fast = TensorizedEstimator(model)
    copied = pickle.loads(pickle.dumps(fast))
    for method in methods:
        for batch in BATCHES:
            expected = getattr(model, method)(rows[batch], **given)
            same_bits(getattr(fast, method)(rows[batch], **given), expected)
            same_bits(getattr(copied, method)(rows[batch], **given), expected)


def same_errors(model, method, rows, **given):
    """A wrapper raises what the model raises of no rows, of other columns and of infinities."""
    fast = TensorizedEstimator(model)
    infinite = rows[:2].copy()
    infinite[0, 0] = np.inf
    for bad in (rows[:0], rows[:, :-1], rows[0], infinite, np.array([["a"] * rows.shape[1]])):
        with pytest.raises((ValueError, IndexError)):  # NGBoost's of columns that are not there
            getattr(model, method)(bad, **given)
        with pytest.raises(ValueError):
            getattr(fast, method)(bad, **given)


def as_frame(X):
    """The rows with names."""
    return pd.DataFrame(X, columns=[f"column {i}" for i in range(X.shape[1])])
