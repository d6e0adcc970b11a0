"""Files of format 1 hold fields that forests have no more."""

from __future__ import annotations

import numpy as np
import pytest

from sktensor import Forest
from sktensor.forest import TINY
from sktensor.persistence.forest_codec import decode_forest, encode_forest
from sktensor.persistence.formats import LATER_THAN_1, upgrade, upgrade_arrays


def header_of_format_1(**fields):
    """The header of a forest of one leaf as format 1 had it, and its arrays."""
    encoded, arrays = encode_forest(Forest.from_trees([{"value": 1.0}], n_features=1))
    later = {*LATER_THAN_1, "zero_limit"}
    forest = {name: value for name, value in encoded.items() if name not in later} | {"base_last": False} | fields
    return {"format": 1, "parameters": {}, "forest": forest}, arrays | {"tree_iter": np.zeros(1, dtype=np.int32)}


def test_fields_without_a_meaning_are_dropped():
    header, arrays = header_of_format_1()
    forest = decode_forest(upgrade(header)["forest"], upgrade_arrays(header, arrays))
    assert forest.trees.leaf_value.tolist() == [[1.0]] and forest.trees.zero_limit == 0.0


def test_the_zero_rule_of_lightgbm_follows_its_flushing():
    header, arrays = header_of_format_1(flush_tiny=True)
    assert decode_forest(upgrade(header)["forest"], upgrade_arrays(header, arrays)).trees.zero_limit == TINY


def test_a_base_added_last_which_no_model_had_is_refused():
    header, arrays = header_of_format_1(base_last=True)
    with pytest.raises(ValueError, match="unknown to this version: base_last"):
        decode_forest(upgrade(header)["forest"], upgrade_arrays(header, arrays))
