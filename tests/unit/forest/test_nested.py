"""Nested dicts become a Forest and come back; a frame shows one. Malformed dicts are refused by place."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from forests import forests, random_forest, random_rows
from hypothesis import given
from hypothesis import strategies as st
from reference import reference_apply, reference_raw

from sktensor import Forest
from sktensor.forest.nested import FROM_TREES

STUMP = {"feature": 0, "threshold": 0.5, "left": {"value": 1.0}, "right": {"value": 2.0}}


def rules_of(forest):
    """The fields that from_trees is given beside the trees."""
    return {name: value for name, value in forest.fields().items() if name not in FROM_TREES}


def there_and_back(forest):
    return Forest.from_trees(forest.to_trees(), **rules_of(forest))


def plain(forest):
    """The forest without entries that mean nothing: what a kind of node ignores, and groups that nothing uses."""
    changes = {}
    is_cat = np.zeros(forest.n_nodes, dtype=bool) if forest.trees.is_cat is None else forest.trees.is_cat
    changes["threshold"] = np.where(is_cat, forest.trees.threshold.dtype.type(0), forest.trees.threshold)
    if is_cat.all():
        changes["threshold"] = changes["threshold"].astype(forest.trees.feature_dtype)
    if forest.trees.zero_dir is not None:
        zero_dir = np.where(is_cat, -1, forest.trees.zero_dir)
        changes["zero_dir"] = zero_dir if (zero_dir >= 0).any() else None
    if forest.trees.oov_left is not None and not forest.trees.oov_left.any():
        changes["oov_left"] = None
    if not is_cat.any():
        changes |= dict.fromkeys(("is_cat", "cat_off", "cat_words", "cat_bits", "oov_left"))
    if forest.trees.lin_off is not None and forest.trees.lin_off[-1] == 0:
        changes |= dict.fromkeys(("lin_off", "lin_feature", "lin_coef", "lin_const"))
    return forest.replace(**changes)


def assert_same_fields(a, b):
    for name, x in a.fields().items():
        y = b.fields()[name]
        if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
            assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes()), name
        else:
            assert x is y or (not isinstance(x, np.ndarray) and x == y), name


# ---------------------------------------------------------------------------- from trees


def test_nodes_are_numbered_depth_first_and_leaves_from_left_to_right():
    tree = {
        "feature": 3,
        "threshold": 0.0,
        "left": {"feature": 1, "threshold": 1.0, "left": {"value": 10}, "right": {"value": 11}, "nan_left": True},
        "right": {"feature": 2, "threshold": 2.0, "left": {"value": 12, "leaf_id": 7}, "right": {"value": 13}},
    }
    forest = Forest.from_trees([tree, {"value": 14}, STUMP], n_features=4)
    assert forest.trees.root.tolist() == [0, ~4, 3]
    assert forest.trees.feature.tolist() == [3, 1, 2, 0]
    assert forest.trees.threshold.tolist() == [0.0, 1.0, 2.0, 0.5]
    assert forest.trees.left.tolist() == [1, ~0, ~2, ~5]
    assert forest.trees.right.tolist() == [2, ~1, ~3, ~6]
    assert forest.trees.nan_left.tolist() == [False, True, False, False]
    assert forest.trees.leaf_value.tolist() == [[10], [11], [12], [13], [14], [1], [2]]
    assert forest.trees.leaf_id.tolist() == [0, 1, 7, 3, 0, 0, 1]
    assert (
        forest.trees.zero_dir,
        forest.trees.is_cat,
        forest.trees.oov_left,
        forest.trees.lin_off,
        forest.trees.cover,
    ) == (None,) * 5


def test_defaults_follow_the_number_of_outputs():
    one = Forest.from_trees([STUMP] * 3, n_features=1)
    assert (one.trees.base.tolist(), one.trees.tree_target.tolist()) == ([0.0], [0, 0, 0])
    assert (one.outputs.raw_shape, one.outputs.value_shape, one.outputs.leaf_shape, one.outputs.output_slices) == (
        (),
        (),
        (3,),
        (1,),
    )
    two = Forest.from_trees([STUMP] * 4, n_features=1, n_outputs=2)
    assert (two.trees.base.tolist(), two.trees.tree_target.tolist()) == ([0, 0], [0, 1, 0, 1])
    assert (two.outputs.raw_shape, two.outputs.value_shape, two.outputs.output_slices) == ((2,), (2,), (2,))
    vector = Forest.from_trees([{"value": [1.0, 2.0]}] * 2, n_features=1, n_outputs=2)
    assert vector.trees.tree_target.tolist() == [-1, -1]
    assert vector.trees.leaf_value.tolist() == [[1.0, 2.0], [1.0, 2.0]]


def test_given_rules_replace_the_defaults():
    forest = Forest.from_trees([STUMP] * 2, n_features=2, n_outputs=2, tree_target=[1, 1], base=[3.0, 4.0], cmp="lt")
    assert (forest.trees.tree_target.tolist(), forest.trees.base.tolist(), forest.trees.cmp) == (
        [1, 1],
        [3.0, 4.0],
        "lt",
    )


def test_thresholds_are_float32_where_all_of_them_are():
    narrow = STUMP | {"threshold": np.float32(0.1)}
    assert Forest.from_trees([narrow, narrow], n_features=1).trees.threshold.dtype == np.float32
    assert Forest.from_trees([narrow, STUMP], n_features=1).trees.threshold.dtype == np.float64
    assert Forest.from_trees([STUMP], n_features=1, feature_dtype="float32").trees.threshold.dtype == np.float64


def test_categories_become_words_of_bits():
    leaves = {"left": {"value": 1.0}, "right": {"value": 2.0}}
    sets = [[0, 31, 33], [], [64], (np.int64(2), np.uint8(2))]
    trees = [{"feature": 0, "categories": codes, "oov_left": codes == [64], **leaves} for codes in sets]
    trees.append({"feature": 0, "categories": [1], "cat_words": 3, **leaves})
    forest = Forest.from_trees([*trees, STUMP], n_features=1)
    assert forest.trees.cat_words.tolist() == [2, 0, 3, 1, 3, 0]
    assert forest.trees.cat_off.tolist() == [0, 0, 2, 5, 6, 0]
    assert forest.trees.cat_bits.tolist() == [1 | 1 << 31, 1 << 1, 0, 0, 1, 1 << 2, 1 << 1, 0, 0]
    assert forest.trees.is_cat.tolist() == [True] * 5 + [False]
    assert forest.trees.oov_left.tolist() == [False, False, True, False, False, False]
    assert forest.trees.threshold[5] == 0.5


def test_linear_leaves_keep_the_order_of_their_terms():
    linear = {"const": 0.25, "features": [2, 0], "coef": [10.0, 20.0]}
    tree = STUMP | {"left": {"value": 1.0, "linear": linear}, "right": {"value": 2.0}}
    forest = Forest.from_trees([{"value": 0.5}, tree], n_features=3)
    assert forest.trees.lin_off.tolist() == [0, 0, 2, 2]
    assert forest.trees.lin_feature.tolist() == [2, 0]
    assert forest.trees.lin_coef.tolist() == [10.0, 20.0]
    assert forest.trees.lin_const.tolist() == [0.5, 0.25, 2.0]


def test_cover_stands_for_nodes_then_for_leaves():
    tree = STUMP | {"cover": 9, "left": {"value": 1.0, "cover": 4}, "right": {"value": 2.0, "cover": 5}}
    assert Forest.from_trees([{"value": 1.0, "cover": 3}, tree], n_features=1).trees.cover.tolist() == [9, 3, 4, 5]


def test_one_dict_may_stand_in_several_places():
    tree = {"feature": 0, "threshold": 0.0, "left": STUMP, "right": STUMP}
    assert Forest.from_trees([tree, STUMP], n_features=1).n_nodes == 4


# ---------------------------------------------------------------------------- malformed dicts


def deep(bad):
    """The third of four trees holds `bad` at the right child of the left child."""
    inner = STUMP | {"right": bad}
    return [STUMP, {"value": 1.0}, STUMP | {"left": inner}, STUMP]


LEAF = {"value": 1.0}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, "expected a dict, got NoneType"),
        (1.0, "expected a dict, got float"),
        ({}, "expected exactly one of 'value', 'threshold' and 'categories', got the keys []"),
        (STUMP | {"categories": [1]}, "expected exactly one of 'value', 'threshold' and 'categories'"),
        (STUMP | {"value": 1.0}, "expected exactly one of 'value', 'threshold' and 'categories'"),
        ({"threshold": 0.0, "left": LEAF, "right": LEAF}, "a dict with 'threshold' needs 'feature'"),
        ({"feature": 0, "threshold": 0.0, "left": LEAF}, "a dict with 'threshold' needs 'right'"),
        ({"feature": 0, "categories": [], "right": LEAF}, "a dict with 'categories' needs 'left'"),
        (LEAF | {"feature": 0}, "a dict with 'value' takes no 'feature'"),
        (LEAF | {1: 0}, "a dict with 'value' takes no 1"),
        (STUMP | {"nanleft": True}, "a dict with 'threshold' takes no 'nanleft', only "),
        (STUMP | {"oov_left": True}, "a dict with 'threshold' takes no 'oov_left'"),
        ({"feature": 0, "categories": [1], "left": LEAF, "right": LEAF, "zero_left": True}, "takes no 'zero_left'"),
        (STUMP | {"feature": 0.0}, "expected an integer from 0 to 2147483647 for 'feature', got 0.0"),
        (STUMP | {"feature": -1}, "expected an integer from 0"),
        (STUMP | {"feature": True}, "expected an integer from 0"),
        (STUMP | {"threshold": "0.5"}, "expected a number for 'threshold', got '0.5'"),
        (STUMP | {"threshold": None}, "expected a number for 'threshold'"),
        (STUMP | {"nan_left": 1}, "expected True or False for 'nan_left', got 1"),
        (STUMP | {"zero_left": -1}, "expected True or False for 'zero_left'"),
        (
            {"feature": 0, "categories": 3, "left": LEAF, "right": LEAF},
            "expected a sequence of numbers for 'categories'",
        ),
        ({"feature": 0, "categories": [1.5], "left": LEAF, "right": LEAF}, "expected an integer from 0 to 16777215"),
        ({"feature": 0, "categories": [2**24], "left": LEAF, "right": LEAF}, "expected an integer from 0 to 16777215"),
        (
            {"feature": 0, "categories": [64], "cat_words": 2, "left": LEAF, "right": LEAF},
            "category 64 needs 3 words, but 'cat_words' is 2",
        ),
        ({"value": "1.0"}, "expected a sequence of numbers for 'value'"),
        ({"value": None}, "expected a sequence of numbers for 'value'"),
        ({"value": [1.0, 2.0]}, "expected 1 number(s) for 'value', one for each output, got 2"),
        ({"value": ["x"]}, "expected a number for 'value'"),
        ({"value": [1.0]}, "'value' is a number in all leaves, or a sequence in all leaves"),
        (LEAF | {"leaf_id": -1}, "expected an integer from 0 to 2147483647 for 'leaf_id'"),
        (LEAF | {"cover": 3.0}, "'cover' belongs to every node and leaf of all trees, or to none"),
        (LEAF | {"cover": None}, "expected a number for 'cover'"),
        (LEAF | {"linear": [1.0]}, "expected a dict of 'const', 'features' and 'coef' for 'linear'"),
        (LEAF | {"linear": {"const": 1.0, "features": []}}, "expected a dict of 'const', 'features' and 'coef'"),
        (LEAF | {"linear": {"const": 1.0, "features": [0], "coef": []}}, "expected a coefficient for each feature"),
        (LEAF | {"linear": {"const": 1.0, "features": [0], "coef": ["x"]}}, "expected a number for 'coef'"),
        (LEAF | {"linear": {"const": "x", "features": [], "coef": []}}, "expected a number for 'const'"),
    ],
)
def test_a_malformed_dict_is_named_by_tree_and_path(bad, message):
    with pytest.raises(ValueError) as error:
        Forest.from_trees(deep(bad), n_features=1, cat_mode="xgb")
    assert str(error.value).startswith("Tree 2, root.left.right: ")
    assert message in str(error.value)


@pytest.mark.parametrize(("cat_mode", "beyond"), [("xgb", 2**24), ("lgb", 2**31)])
def test_a_number_that_the_library_takes_for_no_category_is_refused(cat_mode, beyond):
    tree = {"feature": 0, "categories": [beyond], "left": LEAF, "right": LEAF}
    with pytest.raises(ValueError, match=f"from 0 to {beyond - 1} for 'categories'"):
        Forest.from_trees([tree], n_features=1, cat_mode=cat_mode)


def test_a_node_that_contains_itself_is_refused():
    tree = dict(STUMP)
    tree["right"] = STUMP | {"left": tree}
    with pytest.raises(ValueError, match=r"^Tree 1, root\.right\.left: the node contains itself"):
        Forest.from_trees([STUMP, tree], n_features=1)


def test_the_path_to_a_deep_fault_stays_readable():
    tree = None
    for _ in range(3000):
        tree = {"feature": 0, "threshold": 0.0, "left": LEAF, "right": tree}
    with pytest.raises(ValueError) as error:
        Forest.from_trees([tree], n_features=1)
    assert "root.right.right" in str(error.value)
    assert "(2981 more)" in str(error.value)
    assert len(str(error.value)) < 300


def test_wrong_columns_and_thresholds_of_dicts_are_named_by_number():
    with pytest.raises(ValueError, match=r"Forest\.feature: tree 1, node 1: expected a column from 0 to 0, got 1"):
        Forest.from_trees([STUMP, STUMP | {"feature": 1}], n_features=1)
    with pytest.raises(ValueError, match=r"Forest\.threshold: tree 0, node 0"):
        Forest.from_trees([STUMP | {"threshold": np.nan}], n_features=1)


def test_fields_read_from_the_trees_cannot_be_given():
    with pytest.raises(TypeError, match="feature, root: read from the trees"):
        Forest.from_trees([STUMP], n_features=1, root=[0], feature=[0])


def test_unknown_rules_are_refused():
    with pytest.raises(TypeError, match="comparison"):
        Forest.from_trees([STUMP], n_features=1, comparison="lt")


# ---------------------------------------------------------------------------- and back


def test_to_trees_says_what_differs_from_the_defaults():
    leaves = {"left": {"value": 1.0, "leaf_id": 0}, "right": {"value": 2.0, "leaf_id": 1}}
    trees = [
        {"feature": 1, "threshold": -0.0, "zero_left": False, "nan_left": True, **leaves},
        {"feature": 0, "categories": [0, 40], "cat_words": 3, "oov_left": True, "nan_left": False, **leaves},
        {"feature": 0, "categories": [5], "nan_left": False, **leaves},
        {"value": 3.0, "leaf_id": 8, "linear": {"const": 1.0, "features": [1], "coef": [2.0]}},
    ]
    assert Forest.from_trees(trees, n_features=2).to_trees() == trees


@pytest.mark.slow
@given(st.data())
def test_trees_in_depth_first_order_round_trip_bitwise(data):
    forest = data.draw(forests(shuffle=False))
    assert_same_fields(there_and_back(forest), plain(forest))


@pytest.mark.slow
@given(forests(shuffle=True))
def test_trees_in_any_node_order_round_trip(forest):
    again = there_and_back(forest)
    pd.testing.assert_frame_equal(again.to_frame(), plain(forest).to_frame(), check_exact=True)
    X = random_rows(forest, np.random.default_rng(0), 40)
    assert reference_raw(again, X).tobytes() == reference_raw(forest, X).tobytes()
    assert reference_apply(again, X).tobytes() == reference_apply(forest, X).tobytes()


@pytest.mark.parametrize("single_leaf", ["none", "all"])
@pytest.mark.parametrize("feature_dtype", ["float32", "float64"])
def test_empty_columns_come_back_in_their_dtypes(single_leaf, feature_dtype):
    forest = random_forest(
        np.random.default_rng(1), feature_dtype=feature_dtype, single_leaf=single_leaf, shuffle=False
    )
    assert_same_fields(there_and_back(forest), forest)


@pytest.mark.slow
def test_chain_of_five_thousand_nodes_round_trips():
    forest = random_forest(
        np.random.default_rng(2),
        n_trees=2,
        max_depth=5000,
        chain=True,
        single_leaf="none",
        categorical=True,
        shuffle=False,
    )
    assert forest.n_nodes == 10_000
    assert_same_fields(there_and_back(forest), plain(forest))
    assert forest.to_frame()["depth"].max() == 5000


# ---------------------------------------------------------------------------- the frame


def test_a_frame_shows_nodes_and_leaves_breadth_first():
    inner = STUMP | {"feature": 2, "threshold": 1.5, "nan_left": True, "cover": 5}
    inner["left"], inner["right"] = {"value": 10.0, "cover": 2}, {"value": 11.0, "cover": 3, "leaf_id": 9}
    tree = {"feature": 1, "threshold": -0.5, "left": inner, "right": {"value": 12.0, "cover": 4}, "cover": 9}
    frame = Forest.from_trees([{"value": 7.0, "cover": 1}, tree], n_features=3).to_frame()
    nan = np.nan
    expected = pd.DataFrame(
        {
            "tree": [0, 1, 1, 1, 1, 1],
            "node": [0, 0, 1, 2, 3, 4],
            "depth": [0, 0, 1, 1, 2, 2],
            "feature": pd.array([None, 1, 2, None, None, None], dtype="Int64"),
            "threshold": [nan, -0.5, 1.5, nan, nan, nan],
            "left": pd.array([None, 1, 3, None, None, None], dtype="Int64"),
            "right": pd.array([None, 2, 4, None, None, None], dtype="Int64"),
            "missing": pd.array([None, 2, 3, None, None, None], dtype="Int64"),
            "value": [7.0, nan, nan, 12.0, 10.0, 11.0],
            "leaf_id": pd.array([0, None, None, 2, 0, 9], dtype="Int64"),
            "cover": [1.0, 9.0, 5.0, 4.0, 2.0, 3.0],
        }
    )
    pd.testing.assert_frame_equal(frame, expected)


def test_a_frame_shows_vector_leaves_as_tuples():
    tree = STUMP | {"left": {"value": [1.0, 2.0]}, "right": {"value": [3.0, 4.0]}}
    frame = Forest.from_trees([tree], n_features=1, n_outputs=2).to_frame()
    assert frame["value"].tolist() == [None, (1.0, 2.0), (3.0, 4.0)]
    assert frame["cover"].isna().all()


def test_a_frame_shows_no_threshold_for_categories():
    tree = {"feature": 0, "categories": [1], "left": STUMP, "right": {"value": 1.0}}
    frame = Forest.from_trees([STUMP, tree], n_features=1).to_frame()
    assert frame.loc[frame["tree"] == 1, "threshold"].isna().tolist() == [True, False, True, True, True]
    assert frame.loc[frame["tree"] == 0, "threshold"].tolist()[0] == 0.5


def test_a_forest_of_no_trees_is_an_empty_frame():
    frame = Forest.from_trees([], n_features=1).to_frame()
    assert frame.shape == (0, 11)


def test_without_pandas_the_frame_says_what_to_install():
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from sktensor import Forest\n"
        "Forest.from_trees([{'value': 1.0}], n_features=1).to_frame()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: Forest.to_frame needs pandas, which is not installed: pip install pandas" in done.stderr
