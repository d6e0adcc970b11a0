"""Files of versions whose forests had fields that are gone."""

from __future__ import annotations

import numpy as np
import pytest
from forests import random_forest

from sktensor.persistence.codec import forest_from_plain, plain_forest


def test_a_base_that_is_added_first_needs_no_field():
    """`base_last`, which no extractor has set."""
    plain, arrays = plain_forest(random_forest(np.random.default_rng(0), n_trees=3).validate())
    assert "base_last" not in plain
    forest = forest_from_plain({**plain, "base_last": False}, arrays)
    np.testing.assert_array_equal(forest.leaf_value, arrays["leaf_value"])
    with pytest.raises(ValueError, match="unknown to this version: base_last"):
        forest_from_plain({**plain, "base_last": True}, arrays)
