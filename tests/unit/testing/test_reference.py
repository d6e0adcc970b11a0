"""The slow reference evaluator, held against numbers worked out by hand from the rules of the libraries."""

from __future__ import annotations

import numpy as np
import pytest
from reference import reference_apply, reference_leaves, reference_raw, reference_sum

from sktensor import Forest

LEFT, RIGHT = 1.0, 2.0


def node(**keys):
    return {"feature": 0, "left": {"value": LEFT}, "right": {"value": RIGHT}, **keys}


def sides(forest, values):
    """Where a forest of one node sends each value: "L" or "R"."""
    X = values[:, None] if isinstance(values, np.ndarray) else np.array(values, dtype=np.float64)[:, None]
    return "".join("LR"[int(value) - 1] for value in reference_raw(forest, X)[:, 0])


@pytest.mark.parametrize(("cmp", "expected"), [("le", "LLRR"), ("lt", "LRRR")])
def test_only_le_sends_equality_left(cmp, expected):
    forest = Forest.from_trees([node(threshold=0.5)], n_features=1, cmp=cmp)
    assert sides(forest, [np.nextafter(0.5, 0), 0.5, np.nextafter(0.5, 1), np.inf]) == expected


def test_both_zeros_are_equal_and_infinity_equals_itself():
    assert sides(Forest.from_trees([node(threshold=-0.0)], n_features=1), [0.0, -0.0, 5e-324]) == "LLR"
    assert sides(Forest.from_trees([node(threshold=0.0)], n_features=1, cmp="lt"), [-0.0, -5e-324]) == "RL"
    assert sides(Forest.from_trees([node(threshold=np.inf)], n_features=1), [np.inf, 1e300, np.nan]) == "LLR"
    assert sides(Forest.from_trees([node(threshold=np.inf)], n_features=1, cmp="lt"), [np.inf, 1e300]) == "RL"


@pytest.mark.parametrize("nan_left", [True, False])
def test_missing_values_go_to_the_side_of_the_node(nan_left):
    forest = Forest.from_trees([node(threshold=0.0, nan_left=nan_left)], n_features=1)
    assert sides(forest, [np.nan, -1.0, 1.0]) == ("L" if nan_left else "R") + "LR"


def test_float32_features_are_rounded_before_the_comparison():
    # float32(0.1) is 0.100000001490116..., above the float64 threshold 0.1
    forest = Forest.from_trees([node(threshold=0.1)], n_features=1, feature_dtype="float32")
    assert sides(forest, [0.1, 0.0999999]) == "RL"
    narrow = Forest.from_trees([node(threshold=np.float32(0.1))], n_features=1, feature_dtype="float32", cmp="lt")
    # rounds up to the threshold itself, so that it is not below it
    assert sides(narrow, [0.1, 0.0999999]) == "RL"
    # 1e300 overflows to infinity in float32
    above = Forest.from_trees([node(threshold=np.inf)], n_features=1, feature_dtype="float32", cmp="lt")
    assert sides(above, [1e300, 3e38]) == "RL"


def test_integers_pass_through_float32_where_the_rule_says_so():
    # 2**24 + 1 rounds to 2**24 in float32
    values = np.array([2**24 + 1])
    tree = node(threshold=2.0**24)
    assert sides(Forest.from_trees([tree], n_features=1, ints_as_float32=True), values) == "L"
    assert sides(Forest.from_trees([tree], n_features=1), values) == "R"
    assert sides(Forest.from_trees([tree], n_features=1, ints_as_float32=True), values.astype(np.float64)) == "R"


@pytest.mark.parametrize(("zero_left", "expected"), [(True, "LLLR"), (False, "RRLR")])
def test_zero_goes_its_own_way_whatever_the_comparison(zero_left, expected):
    forest = Forest.from_trees([node(threshold=0.5, zero_left=zero_left)], n_features=1)
    assert sides(forest, [0.0, -0.0, 1e-30, 1.0]) == expected


def test_tiny_values_are_flushed_to_zero_up_to_the_limit():
    # float32(1e-35) is 1.00000001e-35, so that the float64 number 1e-35 lies within; the threshold is below zero
    forest = Forest.from_trees([node(threshold=-1e-300)], n_features=1, flush_tiny=True)
    limit = float(np.float32(1e-35))
    assert sides(forest, [-1e-35, -limit, -np.nextafter(limit, 1), -1e-40]) == "RRLR"
    assert sides(Forest.from_trees([node(threshold=-1e-300)], n_features=1), [-1e-35, -1e-40]) == "LL"


def test_flushed_value_goes_to_the_side_of_zero():
    forest = Forest.from_trees([node(threshold=-1.0, zero_left=True)], n_features=1, flush_tiny=True)
    assert sides(forest, [1e-36, -1e-36, 1e-34]) == "LLR"


def test_the_missing_value_is_compared_after_the_cast():
    tree = node(threshold=-5.0, nan_left=False)
    narrow = Forest.from_trees([tree], n_features=1, feature_dtype="float32", missing_value=-999.1)
    # the nearest float32 is -999.099975..., which all of these three become
    assert sides(narrow, [-999.1, float(np.float32(-999.1)), -999.1 + 1e-9, -999.0, np.nan]) == "RRRLR"
    wide = Forest.from_trees([tree], n_features=1, missing_value=-999.1)
    assert sides(wide, [-999.1, float(np.float32(-999.1)), -999.1 + 1e-9]) == "RLL"


CATEGORY_INPUTS = [0.0, 3.7, 3.0, -0.5, -0.0, -1.0, 1.0, 32.0, 2.0**24, 2.0**31, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize(
    ("cat_mode", "oov_left", "expected"),
    [
        # a value below 0, even -0.5, is no category; it, and 32 and more, go the way of the unknown
        ("xgb", True, "LLLLLLRLLLLLR"),
        ("xgb", False, "LLLRLRRRRRRRR"),
        # -0.5 is truncated to category 0 first
        ("lgb", True, "LLLLLLRLLLLLR"),
        ("lgb", False, "LLLLLRRRRRRRR"),
    ],
)
def test_category_numbers_are_read_as_each_library_reads_them(cat_mode, oov_left, expected):
    tree = node(categories=[0, 3], oov_left=oov_left)
    assert sides(Forest.from_trees([tree], n_features=1, cat_mode=cat_mode), CATEGORY_INPUTS) == expected


def test_minus_one_half_tells_the_two_ways_of_reading_apart():
    tree = node(categories=[1, 2, 3], oov_left=True)
    # category 0 is known and goes right; no category goes left
    assert sides(Forest.from_trees([tree], n_features=1, cat_mode="xgb"), [-0.5, -0.0]) == "LR"
    assert sides(Forest.from_trees([tree], n_features=1, cat_mode="lgb"), [-0.5, -0.0]) == "RR"


def test_the_largest_category_of_each_mode():
    top = 2**24 - 1
    tree = node(categories=[top], cat_words=2**19 + 1)
    xgb = Forest.from_trees([tree | {"oov_left": True}], n_features=1, cat_mode="xgb")
    # 2**24 lies within the words but is no category
    assert sides(xgb, [top, top - 1, 2.0**24, 2.0**24 - 0.5]) == "LRLL"
    lgb = Forest.from_trees([tree | {"oov_left": True}], n_features=1, cat_mode="lgb")
    assert sides(lgb, [top, 2.0**24, 2.0**24 + 32, 2.0**31]) == "LRLL"


def test_missing_value_at_a_categorical_node_goes_to_its_side():
    assert sides(Forest.from_trees([node(categories=[1], nan_left=True)], n_features=1), [np.nan, 1.0, 0.0]) == "LLR"


def test_a_tree_adds_to_its_output_and_a_vector_leaf_to_all():
    scalar = Forest.from_trees(
        [{"value": 1.0}, {"value": 2.0}, {"value": 4.0}], n_features=1, n_outputs=2, base=[8.0, 16.0]
    )
    assert reference_raw(scalar, np.zeros((1, 1))).tolist() == [[8.0 + 1.0 + 4.0, 16.0 + 2.0]]
    tree = {"feature": 0, "threshold": 0.0, "left": {"value": [1.0, 2.0]}, "right": {"value": [3.0, 4.0]}}
    vector = Forest.from_trees([tree, {"value": [0.5, 0.25]}], n_features=1, n_outputs=2)
    assert reference_raw(vector, np.array([[-1.0], [1.0]])).tolist() == [[1.5, 2.25], [3.5, 4.25]]


def test_the_sum_runs_in_order_in_the_accumulators_dtype():
    # In float32, 1e8 + 1 stays 1e8; taken in another order, or in float64, the 1 would survive.
    values = [{"value": v} for v in (1e8, 1.0, -1e8)]
    assert reference_raw(Forest.from_trees(values, n_features=1, acc_dtype="float32"), np.zeros((1, 1))).item() == 0.0
    assert reference_raw(Forest.from_trees(values, n_features=1), np.zeros((1, 1))).item() == 1.0


def test_division_scale_and_bias_follow_the_sum():
    rules = {"n_features": 1, "div": 4.0, "scale": 3.0, "bias": [0.5]}
    forest = Forest.from_trees([{"value": 1.0}, {"value": 7.0}], **rules)
    assert reference_sum(forest, np.zeros((1, 1))).item() == 8.0
    assert reference_raw(forest, np.zeros((1, 1))).item() == 8.0 / 4.0 * 3.0 + 0.5
    before = Forest.from_trees([{"value": 1.0}, {"value": 7.0}], n_features=1, div=4.0, raw_is_pre_div=True)
    assert reference_raw(before, np.zeros((1, 1))).item() == 8.0


def test_linear_leaves_add_their_terms_unless_one_is_missing():
    linear = {"const": 0.5, "features": [2, 1], "coef": [10.0, 100.0]}
    tree = {"feature": 0, "threshold": 0.0, "left": {"value": 7.0, "linear": linear}, "right": {"value": 9.0}}
    forest = Forest.from_trees([tree], n_features=3)
    nan = np.nan
    X = np.array([[-1, 2, 3], [-1, nan, 3], [-1, 2, nan], [1, 2, 3], [1, nan, nan], [nan, 2, 3]])
    assert reference_raw(forest, X)[:, 0].tolist() == [0.5 + 30.0 + 200.0, 7.0, 7.0, 9.0, 9.0, 9.0]


def test_terms_of_a_linear_leaf_are_added_in_their_order():
    linear = {"const": 1.0, "features": [0, 1], "coef": [1e17, -1e17]}
    forest = Forest.from_trees([{"value": 0.0, "linear": linear}], n_features=2)
    assert reference_raw(forest, np.ones((1, 2))).item() == 0.0  # the 1 is lost; summed the other way round it is not


def test_leaves_are_numbered_in_the_forest_and_named_by_the_library():
    tree = {"feature": 0, "threshold": 0.0, "left": {"value": 1.0, "leaf_id": 5}, "right": {"value": 2.0, "leaf_id": 3}}
    forest = Forest.from_trees(
        [{"value": 0.0, "leaf_id": 9}, tree], n_features=1, leaf_dtype="float32", leaf_shape=(1, 2)
    )
    X = np.array([[-1.0], [1.0]])
    assert reference_leaves(forest, X).tolist() == [[0, 1], [0, 2]]
    leaves = reference_apply(forest, X)
    assert (leaves.dtype, leaves.tolist()) == (np.float32, [[[9.0, 5.0]], [[9.0, 3.0]]])


def test_a_path_of_three_nodes_by_hand():
    low = {"feature": 1, "threshold": 2.0, "left": {"value": 1.0}, "right": {"value": 2.0}}
    high = {"feature": 2, "threshold": -1.0, "left": {"value": 3.0}, "right": {"value": 4.0}, "nan_left": True}
    forest = Forest.from_trees([{"feature": 0, "threshold": 0.0, "left": low, "right": high}], n_features=3)
    X = [[0, 2, 9], [0, 3, 9], [1, 0, -1], [1, 0, 0], [1, 0, np.nan], [-1, np.nan, 0]]
    assert reference_raw(forest, np.array(X))[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0, 3.0, 2.0]
