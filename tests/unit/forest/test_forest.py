"""A Forest keeps what it was given, cannot be changed, and is checked before anything computes with it."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from forests import forests, random_forest, random_rows
from hypothesis import given
from hypothesis import strategies as st
from reference import reference_apply, reference_raw
from small_forests import edited, leaf, small, split

from sktensor import Forest
from sktensor.forest import InputSpec, OutputSpec, Trees
from sktensor.forest.fields import array_fields

ARRAYS = [spec.name for part in (Trees, InputSpec, OutputSpec) for spec in array_fields(part)]
WITHOUT_LINEAR = dict.fromkeys(("lin_off", "lin_feature", "lin_coef", "lin_const"))


def same_bits(a, b):
    return (a is None and b is None) or (a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def test_arrays_are_kept_in_the_documented_dtypes():
    forest = random_forest(
        np.random.default_rng(0), categorical=True, zero_dir=True, linear=True, cover=True, feature_dtype="float32"
    )
    for spec in (spec for part in (Trees, InputSpec, OutputSpec) for spec in array_fields(part)):
        array = forest.fields()[spec.name]
        if array is not None:
            expected = {"acc": "float64", "floating": "float32"}.get(spec.metadata["dtype"], spec.metadata["dtype"])
            assert array.dtype == expected, spec.name
            assert array.flags.c_contiguous, spec.name


def test_acc_dtype_is_the_dtype_of_leaf_values_and_base():
    forest = small(acc_dtype="float32", base=[0.1])
    assert forest.trees.leaf_value.dtype == forest.trees.base.dtype == np.float32
    assert forest.trees.base[0] == np.float32(0.1)


def test_minus_zero_infinite_thresholds_and_nan_leaves_are_legal_and_kept():
    tree = split(0, -0.0, split(0, -np.inf, leaf(np.nan), leaf(-0.0)), leaf(np.inf))
    forest = Forest.from_trees([tree], n_features=1, base=[-0.0])
    assert forest.trees.threshold.tobytes() == np.array([-0.0, -np.inf]).tobytes()
    assert forest.trees.leaf_value.tobytes() == np.array([np.nan, -0.0, np.inf]).tobytes()
    assert np.signbit(forest.trees.base[0])


def test_no_trees_at_all_is_a_forest():
    forest = Forest.from_trees([], n_features=2, n_outputs=2, base=[1.0, 2.0])
    assert (forest.n_trees, forest.n_nodes, forest.n_leaves) == (0, 0, 0)
    assert reference_raw(forest, np.zeros((2, 2))).tolist() == [[1.0, 2.0], [1.0, 2.0]]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("feature", [0.5, 1.0, 2.0], "do not fit into int32"),
        ("feature", [np.nan, 1.0, 2.0], "do not fit into int32"),
        ("feature", [2**31, 1, 2], "do not fit into int32"),
        ("feature", ["a", "b", "c"], "expected numbers"),
        ("feature", [None, 1, 2], "expected numbers"),
        ("threshold", [1j, 1, 2], "expected numbers"),
        ("nan_left", [0, 1, 2], "do not fit into bool"),
        ("cat_bits", [-1, 0], "do not fit into uint32"),
        ("leaf_value", [1.0, 2.0], "2 dimension"),
        ("base", 0.0, "1 dimension"),
        ("acc_dtype", "float16", "'float32' or 'float64'"),
    ],
)
def test_what_its_dtype_cannot_hold_is_refused(field, value, message):
    with pytest.raises(ValueError, match=rf"Forest\.{field}: .*{message}"):
        small().replace(**{field: value})


def test_fields_cannot_be_set():
    with pytest.raises(dataclasses.FrozenInstanceError):
        small().n_features = 5


@pytest.mark.parametrize("remake", [lambda f: f, copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))])
def test_arrays_cannot_be_written(remake):
    forest = remake(small(bias=[1.0], tree_weight=[1.0, 1.0, 1.0]))
    for name in ARRAYS:
        if (array := forest.fields()[name]) is not None and array.size:
            with pytest.raises(ValueError, match="read-only"):
                array[0] = array[0]


def test_a_caller_who_writes_into_its_own_array_changes_no_forest():
    threshold = np.array([0.5, 0.0, np.inf])
    forest = small().replace(threshold=threshold)
    threshold[0] = 7.0
    assert forest.trees.threshold[0] == 0.5
    assert threshold.flags.writeable


@given(forests())
def test_a_pickled_forest_is_the_same_to_the_bit(forest):
    again = pickle.loads(pickle.dumps(forest))
    for name, before in forest.fields().items():
        after = again.fields()[name]
        assert same_bits(before, after) if name in ARRAYS else before == after, name


@given(forests())
def test_random_forests_are_valid(forest):
    assert forest.validate() is forest


def test_a_chain_as_long_as_a_forest_is_valid():
    n = 200_000
    at = np.arange(n)
    forest = Forest.from_fields(
        n_features=1,
        feature=np.zeros(n, dtype=int),
        threshold=np.zeros(n),
        left=~at,
        right=np.append(at[1:], ~n),
        nan_left=np.zeros(n, dtype=bool),
        root=[0],
        tree_target=[0],
        leaf_value=np.zeros((n + 1, 1)),
        leaf_id=np.arange(n + 1),
        base=[0.0],
        leaf_shape=(1,),
    )
    assert forest.validate().n_nodes == n


@pytest.mark.parametrize(
    "rules",
    [
        {"proba": "complement", "decision": "half", "classes": (np.array(["a", "b"]),), "link": "sigmoid"},
        {"proba": "complement", "decision": "argmax", "classes": (np.array([1.5, 2.5]),)},
        {"decision": "index", "link": "hinge", "classes": (np.array([0, 1]),)},
        {"n_outputs": 3, "decision": "index", "link": "argmax", "classes": (np.arange(3),), "value_shape": ()},
        {"n_outputs": 3, "proba": "values", "decision": "argmax", "classes": (np.arange(3),)},
        {"n_outputs": 3, "decision": "raw_argmax", "output_slices": (1, 2), "classes": (np.arange(1), np.arange(2))},
        {"n_outputs": 2, "decision": "multilabel_half"},
        {"raw_shape": (1,), "value_shape": (1,), "leaf_shape": (3, 1), "leaf_dtype": "float32", "label_dtype": "<U3"},
        {"aggregate": "weighted_median", "tree_weight": [0.5, 1.0, 0.0], **WITHOUT_LINEAR},
        {"aggregate": "per_tree", "raw_shape": (3,)},
        {"categories": (None, np.array(["x", "y"], dtype=object), None), "unknown_category": "error"},
        {"missing_value": np.nan, "div": np.float32(3), "scale": -1, "flush_tiny": np.bool_(True)},
        {"cover": np.arange(9.0), "oov_left": [False, True, False], "bias": [1.0]},
        {"aggregate": "per_tree", "embedding": "sparse", "unused": [False, False, True], "sparse_accepts_nan": False},
        {"link": "isolation", "link_param": 0.0, "decision": "inlier", "classes": (np.array([-1, 1]),)},
        {"proba": "ada_softmax", "decision": "raw_positive", "classes": (np.array([0, 1]),)},
        {"proba": "values", "log_proba": "log_add_exp", "decision": "argmax", "classes": (np.array([0]),), "div": 3.0},
    ],
)
def test_every_kind_of_answer_is_legal(rules):
    assert small(n_outputs=rules.get("n_outputs", 1)).replace(**rules).validate()


@pytest.mark.parametrize(
    ("field", "index", "value", "message"),
    [
        ("feature", 1, 3, "Forest.feature: tree 0, node 1: expected a column from 0 to 2, got 3"),
        ("feature", 2, -1, "Forest.feature: tree 2, node 2: "),
        ("threshold", 2, np.nan, "Forest.threshold: tree 2, node 2: expected a number or an infinity, got nan"),
        ("left", 1, 3, "Forest.left: tree 0, node 1: expected a node below 3 or a leaf from -6"),
        ("right", 0, -7, "Forest.right: tree 0, node 0: "),
        ("right", 2, 2**31 - 1, "Forest.right: tree 2, node 2: "),
        ("left", 0, -(2**31), "Forest.left: tree 0, node 0: "),
        ("root", 1, 3, "Forest.root: tree 1: "),
        ("root", 1, 0, "Forest.root: tree 1: node 0 is root of tree 0 already"),
        ("root", 1, 1, "Forest.right: tree 0, node 0: node 1 is root of tree 1 already"),
        ("right", 2, ~4, "Forest.right: tree 2, node 2: leaf 4 is left of tree 2, node 2 already"),
        ("left", 2, ~3, "Forest.left: tree 2, node 2: leaf 3 is root of tree 1 already"),
        ("left", 1, 0, "Forest.left: tree 0, node 1: node 0 is root of tree 0 already"),
        ("zero_dir", 0, 2, "Forest.zero_dir: tree 0, node 0: expected -1, 0 or 1, got 2"),
        ("zero_dir", 2, -2, "Forest.zero_dir: tree 2, node 2: "),
        ("cat_off", 1, 1, "Forest.cat_words: tree 0, node 1: "),
        ("cat_off", 1, -1, "Forest.cat_off: tree 0, node 1: "),
        ("cat_off", 2, 3, "Forest.cat_off: tree 2, node 2: "),
        ("cat_words", 1, 3, "Forest.cat_words: tree 0, node 1: "),
        ("cat_words", 1, 2**31 - 1, "Forest.cat_words: tree 0, node 1: "),
        ("cat_words", 1, -1, "Forest.cat_words: tree 0, node 1: "),
        ("tree_target", 1, 1, "Forest.tree_target: tree 1: expected an output from 0 to 0"),
        ("tree_target", 2, -1, "Forest.tree_target: tree 2: "),
        ("lin_off", 0, 1, "Forest.lin_off: "),
        ("lin_off", -1, 1, "Forest.lin_off: tree 2, leaf 5: ends at term 1, before its start at 2"),
        ("lin_off", -1, 3, "Forest.lin_off: expected offsets from 0 to 2"),
        ("lin_off", 2, 2, "Forest.lin_const: tree 0, leaf 2: expected leaf_value 3.0"),
        ("lin_feature", 1, 3, "Forest.lin_feature: tree 0, leaf 2: expected a column from 0 to 2, got 3"),
        ("lin_const", 0, 9.0, "Forest.lin_const: tree 0, leaf 0: expected leaf_value 1.0"),
        ("lin_const", 3, 4.5, "Forest.lin_const: tree 1, leaf 3: expected leaf_value 4.0"),
    ],
)
def test_one_wrong_entry_is_named_with_its_tree_and_node(field, index, value, message):
    forest = edited(small(), field, index, value)
    with pytest.raises(ValueError) as error:
        forest.validate()
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_features": 0}, "n_features: expected at least 1"),
        ({"n_features": 2.0}, "n_features: expected an integer"),
        ({"n_outputs": 0}, "n_outputs: expected at least 1"),
        ({"feature_dtype": "float16"}, "feature_dtype: expected one of 'float32', 'float64', got 'float16'"),
        ({"cmp": "<"}, "cmp: expected one of 'lt', 'le'"),
        ({"cat_mode": None}, "cat_mode"),
        ({"link": "logit"}, "link: expected one of 'identity', "),
        ({"proba": "sigmoid"}, "proba"),
        ({"decision": "sign"}, "decision"),
        ({"aggregate": "mean"}, "aggregate"),
        ({"sparse_absent": "nan"}, "sparse_absent"),
        ({"unknown_category": "code"}, "unknown_category"),
        ({"flush_tiny": 1}, "flush_tiny: expected True or False"),
        ({"missing_value": "nan"}, "missing_value: expected a number or None"),
        ({"div": 0.0}, "div: expected a divisor"),
        ({"div": np.nan}, "div"),
        ({"scale": np.nan}, "scale"),
        ({"link_param": "1"}, "link_param: expected a number"),
        ({"leaf_dtype": "int65"}, "leaf_dtype"),
        ({"label_dtype": "strings"}, "label_dtype"),
        ({"feature": None}, "feature: expected an array, got None"),
        ({"leaf_id": None}, "leaf_id: expected an array, got None"),
        ({"threshold": [0.0]}, r"threshold: expected shape \(3,\)"),
        ({"nan_left": np.zeros(4, bool)}, "nan_left"),
        ({"zero_dir": np.zeros(2)}, "zero_dir"),
        ({"oov_left": np.zeros(2, bool)}, "oov_left"),
        ({"cover": np.zeros(6)}, r"cover: expected shape \(9,\)"),
        ({"tree_target": [0, 0]}, "tree_target"),
        ({"tree_weight": np.zeros(1)}, "tree_weight"),
        ({"leaf_value": np.zeros((6, 2))}, "leaf_value"),
        ({"leaf_value": np.zeros((5, 1))}, "leaf_value"),
        ({"base": [0.0, 0.0]}, "base"),
        ({"bias": [0.0, 0.0]}, "bias"),
        ({"lin_off": np.zeros(6)}, "lin_off"),
        ({"lin_feature": [0]}, "lin_feature"),
        ({"lin_const": np.zeros(5)}, "lin_const"),
        ({"aggregate": "weighted_median"}, "tree_weight: expected an array"),
        ({"aggregate": "weighted_median", "tree_weight": [0.5, -1.0, 2.0]}, "tree_weight: tree 1: .*from 0 on"),
        ({"aggregate": "weighted_median", "tree_weight": [0.5, 1.0, np.nan]}, "tree_weight: tree 2: .*from 0 on"),
        ({"aggregate": "weighted_median", "tree_weight": np.ones(3)}, "aggregate: .*leaves of constant values"),
        ({"unused": [False]}, "unused: expected shape"),
        ({"embedding": "dense"}, "embedding: 'dense' needs aggregate 'per_tree'"),
        ({"link": "isolation", "link_param": -1.0}, "link_param: expected a number from 0 on"),
        ({"decision": "inlier", "classes": (np.array([1]),)}, "classes: decision 'inlier' chooses from 2"),
        ({"proba": "values", "log_proba": "log_add_exp", "div": -3.0}, "log_proba: .*div > 0"),
        ({"log_proba": "log_add_exp"}, "log_proba: .*needs proba 'values'"),
        ({"output_slices": (2,)}, "output_slices"),
        ({"output_slices": (1, 0)}, "output_slices"),
        ({"output_slices": [1]}, "output_slices: expected a tuple of integers"),
        ({"raw_shape": (2,)}, "raw_shape"),
        ({"raw_shape": (1, 1)}, "raw_shape"),
        ({"value_shape": (-1,)}, "value_shape"),
        ({"leaf_shape": (2,)}, "leaf_shape: expected 3 numbers, one for each tree"),
        ({"leaf_shape": ()}, "leaf_shape"),
        ({"leaf_shape": (3.0,)}, "leaf_shape: expected a tuple of integers"),
        ({"classes": [np.arange(2)]}, "classes: expected a tuple"),
        ({"classes": ([0, 1],)}, "classes"),
        ({"classes": (np.arange(2), np.arange(2))}, "classes"),
        ({"decision": "half"}, "classes: expected the labels"),
        ({"decision": "half", "classes": (np.arange(3),)}, "classes: decision 'half' chooses from 1 or 2"),
        ({"decision": "raw_positive", "classes": (np.arange(3),)}, "classes"),
        ({"decision": "argmax", "classes": (np.arange(2),)}, "classes: decision 'argmax' chooses from 1 label"),
        ({"decision": "argmax", "proba": "complement", "classes": (np.arange(3),)}, "classes"),
        ({"decision": "index", "link": "argmax", "classes": (np.arange(2),)}, "classes"),
        ({"categories": (None, None)}, "categories"),
        ({"categories": (None, None, [1])}, "categories"),
    ],
)
def test_a_wrong_field_is_named(changes, message):
    with pytest.raises(ValueError, match=rf"^Forest\.{message}"):
        small().replace(**changes).validate()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"proba": "complement"}, "proba"),
        ({"proba": "ada_softmax", "output_slices": (1, 1)}, "proba: 'ada_softmax' needs one slice"),
        ({"raw_shape": ()}, "raw_shape: expected room for 2 value"),
        ({"value_shape": ()}, "value_shape"),
        ({"value_shape": (2,), "link": "argmax"}, "value_shape: expected room for 1 value"),
        ({"decision": "half", "classes": (np.arange(2),)}, "decision: 'half' needs slices of one output"),
        ({"tree_target": [-1, -1, -1]}, "leaf_value: expected 2 columns"),
        ({"leaf_value": np.zeros((6, 2))}, "leaf_value: expected 1 column"),
        (
            {"tree_target": [-1] * 3, "leaf_value": np.array([[1.0, 1], *[[2, 2]] * 5])},
            "lin_off: linear leaves hold one",
        ),
    ],
)
def test_a_wrong_field_among_two_outputs_is_named(changes, message):
    with pytest.raises(ValueError, match=rf"^Forest\.{message}"):
        small(n_outputs=2).replace(**changes).validate()


@pytest.mark.parametrize("missing", ["is_cat", "cat_off", "cat_words", "cat_bits", "lin_off", "lin_coef", "lin_const"])
def test_fields_of_a_group_come_together(missing):
    with pytest.raises(ValueError, match=f"given without {missing}; these fields come together"):
        small().replace(**{missing: None}).validate()


def derived(**changes):
    """Column 0 is hashed; columns 2 and 3 are looked up by it, and by it with column 1."""
    fields = {
        "hashed": [True, False],
        "key_off": [0, 1, 4],
        "key_column": [0, 0, 1, 0],
        "key_test": [0, 0, 1, 2],
        "key_value": [0.0, 0.0, 0.5, -7.0],
        "key_nan": [False] * 4,
        "table_off": [0, 2, 3],
        "table_key": np.array([5, 2**64 - 2, 7], dtype=np.uint64),
        "derived_key": [0, 1],
        "derived_value": [1.0, 2.0, 3.0, 4.0, 5.0],
    }
    return Forest.from_trees([split(3, 0.5, leaf(1.0), split(2, 1.5, leaf(2.0), leaf(3.0)))], n_features=2, **{
        **fields, **changes
    })  # fmt: skip


def test_derived_columns_stand_behind_those_of_x():
    forest = derived()
    assert (forest.n_features, forest.trees.n_columns, forest.inputs.reads_values) == (2, 4, True)
    assert (
        forest.inputs.table_key.dtype == np.uint64 and forest.inputs.derived_value.dtype == forest.trees.feature_dtype
    )
    assert derived(feature_dtype="float32").inputs.derived_value.dtype == np.float32
    assert (small().trees.n_columns, small().inputs.reads_values) == (3, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hashed": [True]}, r"hashed: expected shape \(2,\)"),
        ({"hashed": None}, "key_test: part 0: asks for hashes of a column that is not hashed, 0"),
        ({"key_test": [0, 0, 1, 1]}, "key_test: part 3: asks for numbers of a hashed column, 0"),
        ({"key_test": [3, 0, 1, 2]}, "key_test: part 0: expected 0, 1 or 2, got 3"),
        ({"key_off": [0, 1, 3]}, "key_off: expected ascending offsets from 0 to 4"),
        ({"key_off": [0, 5, 4]}, "key_off: expected ascending"),
        ({"table_off": [0, 3]}, "table_off: expected 3 offsets"),
        ({"table_off": []}, "table_off: expected ascending"),
        ({"key_column": [0, 0, 2, 0]}, "key_column: part 2: expected a column from 0 to 1, got 2"),
        ({"key_value": [0.0, 0.0, 0.5]}, r"key_value: expected shape \(4,\)"),
        ({"key_value": [0.0, 0.0, 0.5, 0.5]}, "key_value: part 3: expected a signed number of 32 bits, got 0.5"),
        ({"key_value": [0.0, 0.0, 0.5, 2.0**31]}, "key_value: part 3"),
        ({"key_value": [0.0, 0.0, 0.5, np.nan]}, "key_value: part 3"),
        ({"key_value": [0.0, 0.0, 0.5, np.inf]}, "key_value: part 3"),
        ({"key_value": [0.0, 0.0, np.nan, 0.0]}, "key_value: part 2: expected a number or an infinity"),
        ({"table_key": np.array([6, 6, 7], dtype=np.uint64)}, "table_key: key 0: expected ascending values"),
        ({"derived_key": [0, 2]}, "derived_key: column 1: expected a key from 0 to 1, got 2"),
        ({"derived_value": [1.0] * 4}, "derived_value: expected 5 values"),
        ({"derived_key": [0], "derived_value": [1.0] * 3}, "feature: tree 0, node 0: expected a column from 0 to 2"),
        ({"key_nan": None}, "key_off: given without key_nan; these fields come together"),
    ],
)
def test_a_wrong_field_of_derived_columns_is_named(changes, message):
    with pytest.raises(ValueError, match=rf"^Forest\.{message}"):
        derived(**changes)


def test_thresholds_of_categorical_nodes_are_ignored():
    assert edited(small(), "threshold", 1, np.nan).validate()


WRONG = [-(2**31), -100, -2, -1, 0, 1, 2, 3, 32, 100, 2**31 - 1, 2**32 - 1, np.nan, np.inf, -np.inf, 0.5, 1e300]


@given(forest=forests(), data=st.data())
def test_a_forest_with_one_entry_changed_is_refused_or_works(forest, data):
    names = [name for name in ARRAYS if forest.fields()[name] is not None and forest.fields()[name].size]
    field = data.draw(st.sampled_from(names))
    array = np.array(forest.fields()[field])
    index = data.draw(st.integers(0, array.size - 1))
    with np.errstate(over="ignore", invalid="ignore"):
        legal = [v for v in WRONG if array.dtype.kind == "f" or np.array(v).astype(array.dtype) == v]
        array.flat[index] = data.draw(st.sampled_from(legal))
    changed = forest.replace(**{field: array})
    try:
        changed.validate()
    except ValueError as error:
        assert str(error).startswith("Forest.")
    else:
        X = random_rows(changed, np.random.default_rng(0), 5)
        assert reference_raw(changed, X).shape == (5, forest.n_outputs)
        assert reference_apply(changed, X).shape == (5, forest.n_trees)
