"""What tests of the estimator share."""

from __future__ import annotations

import pytest
from sklearn.ensemble import RandomForestClassifier
from small_models import X, Y


@pytest.fixture
def forest():
    """A fitted forest that the tests may do anything to."""
    return RandomForestClassifier(n_estimators=5, random_state=0).fit(X, Y)
