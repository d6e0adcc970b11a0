"""Traversal on the CPU: the tables, what the kernel makes of them, and that damaged ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import same_bits
from forests import forests, random_forest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import LAYOUTS
from reference import reference_leaves, reference_sum
from traversal_kernel import EVERY, Loaded, assert_as_reference, needs_kernels, rows_for

from sktensor import Forest, UnsupportedModelError
from sktensor.backends.cpu import traversal as cpu_traversal
from sktensor.native import abi


def test_an_array_of_another_dtype_or_layout_is_refused():
    with pytest.raises(TypeError, match=r"tree_leaf.*int64.*int32"):
        abi.filled(abi.TraversalStructure, tree_leaf=np.zeros(3, np.int32))
    with pytest.raises(TypeError, match=r"values.*contiguous"):
        abi.filled(abi.TraversalStructure, values=np.zeros((3, 3)).T[::2])


@given(forest=forests(), rows_dtype=st.sampled_from(["float32", "float64"]))
@settings(max_examples=60)
def test_every_leaf_has_one_exit_and_blocks_lead_on(forest, rows_dtype):
    tables = cpu_traversal.compile(forest.trees, rows_dtype)
    assert sorted(tables.leaf) == list(range(forest.n_leaves))
    children = []
    for b, block in enumerate(tables.blocks):
        first = int(block["first"][0])
        children += range(first, first + block["n_blocks"]) if block["n_blocks"] else []
        assert not block["n_blocks"] or first > b
    assert sorted([*range(forest.n_trees), *children]) == list(range(len(tables.blocks)))
    nodes = np.count_nonzero(tables.blocks["key"] != cpu_traversal.HIGHEST)
    assert nodes <= forest.n_nodes  # a node whose threshold no value exceeds looks like none
    assert tables.blocks.ctypes.data % 64 == 0


def test_blocks_are_filled_along_the_way_of_all_rows():
    """A chain of 100 nodes that all rows walk to its end, beside bushes that none goes to."""
    rng = np.random.default_rng(0)
    forest = random_forest(rng, n_trees=1, max_depth=60, chain=True, single_leaf="none", shuffle=False, cover=True)
    cover = forest.trees.cover.copy()
    cover[: forest.n_nodes] = np.arange(forest.n_nodes, 0, -1)
    tables = cpu_traversal.compile(forest.replace(cover=cover).trees, "float64")
    assert len(tables.blocks) == forest.n_nodes / cpu_traversal.NODES


def test_leaves_of_few_values_share_them():
    rng = np.random.default_rng(1)
    forest = random_forest(rng, n_trees=20, max_depth=8, n_outputs=3, vector=True)
    pool = np.array([[0.0, 1.0, 0.5], [-0.0, 1.0, 0.5], [1.0, 0.0, 0.5]])  # the first two are not the same bits
    few = forest.replace(leaf_value=pool[rng.integers(0, 3, forest.n_leaves)])
    tables = cpu_traversal.compile(few.trees, "float64")
    assert len(tables.values) == 3
    same_bits(tables.values[tables.value_number], few.trees.leaf_value[tables.leaf])
    assert cpu_traversal.compile(forest.trees, "float64").value_number is None


def test_more_codes_than_can_be_numbered_are_refused_by_their_number():
    n = 2 * 33_000  # each feature once for missing values to the left and once to the right
    leaf = np.arange(2 * n, dtype=np.int32)
    forest = Forest.from_fields(
        n_features=n // 2, feature=np.arange(n) // 2, threshold=np.zeros(n), left=~leaf[::2], right=~leaf[1::2],
        nan_left=np.arange(n) % 2 == 0, root=np.arange(n), tree_target=np.zeros(n),
        leaf_value=np.zeros((2 * n, 1)), leaf_id=leaf, base=[0.0],
    )  # fmt: skip
    # one after the other, so that no rank suits both sides
    forest = forest.replace(threshold=np.where(forest.trees.nan_left, -1.0, 1.0))
    with pytest.raises(ValueError, match=r"66,016 codes.*65,536"):
        cpu_traversal.compile(forest.trees, "float64")


def test_aggregates_other_than_sums_are_refused():
    forest = random_forest(np.random.default_rng(2), aggregate="per_tree")
    with pytest.raises(UnsupportedModelError, match="per_tree"):
        cpu_traversal.compile(forest.trees, "float64")


@needs_kernels
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(forest=forests(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=120)
def test_leaves_and_sums_are_those_of_the_reference(dtype, forest, seed):
    rng = np.random.default_rng(seed)
    assert_as_reference(forest, rows_for(forest, rng, 40, dtype, nan=bool(seed % 2)))


@needs_kernels
@pytest.mark.parametrize("n_features", [1, 16, 17, 33, 65, 129, 300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_codes_of_every_number_find_room(n_features, dtype):
    """Codes in one, two and four registers, in memory, and too many for 8 bits."""
    rng = np.random.default_rng(n_features)
    for zero_dir in (False, True):  # up to six codes a feature
        forest = random_forest(
            rng, n_trees=60, max_depth=7, n_features=n_features, feature_dtype="float64", zero_dir=zero_dir,
            categorical=n_features > 1, n_outputs=2,
        )  # fmt: skip
        for nan in (False, True):
            assert_as_reference(forest, rows_for(forest, rng, 90, dtype, nan=nan))


@needs_kernels
def test_missing_value_in_deep_nodes_follows_each_nodes_default_side():
    """Blocks of rows without missing values pass on fewer codes than those with some."""
    rng = np.random.default_rng(4)
    forest = random_forest(rng, n_trees=30, max_depth=6, n_features=20, feature_dtype="float32")
    assert cpu_traversal.compile(forest.trees, "float32").codes.n_slots == 64
    X = rng.normal(size=(9000, 20)).astype(np.float32)
    X[[2500, 2501, 8999], 3] = np.nan
    assert_as_reference(forest, X)


@needs_kernels
@pytest.mark.parametrize("n_rows", [0, 1, 2, 7, 9, 23, 24, 25, 64, 100, 192, 193, 1000, 2049])
@pytest.mark.parametrize("vector", [False, True])
def test_any_number_of_rows_is_accepted(n_rows, vector):
    rng = np.random.default_rng(n_rows)
    for n_outputs in (1, 2, 3, 4, 5):
        forest = random_forest(rng, n_trees=11, n_outputs=n_outputs, vector=vector, feature_dtype="float32")
        assert_as_reference(forest, rows_for(forest, rng, n_rows, "float32"))


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize("n_rows", [1, 100, 700])
def test_tables_larger_than_the_cache_give_the_same(n_rows):
    rng = np.random.default_rng(7)
    forest = random_forest(rng, n_trees=450, max_depth=9, n_features=6, single_leaf="none", missing=False)
    assert cpu_traversal.compile(forest.trees, "float64").blocks.nbytes > 2**19
    assert_as_reference(forest, rows_for(forest, rng, n_rows, "float64"), n_threads=2)


@needs_kernels
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("feature_dtype", ["float32", "float64"])
def test_rows_of_every_memory_layout_are_read(layout, dtype, feature_dtype):
    rng = np.random.default_rng(3)
    forest = random_forest(rng, n_trees=20, max_depth=6, n_features=9, feature_dtype=feature_dtype, n_outputs=3)
    assert_as_reference(forest, rows_for(forest, rng, 300, dtype), layout=layout)


@needs_kernels
@pytest.mark.parametrize("linear", [False, True])
def test_columns_of_a_frame_are_read_each_in_its_dtype(linear):
    rng = np.random.default_rng(5)
    forest = random_forest(rng, n_trees=20, max_depth=6, n_features=4, feature_dtype="float64", linear=linear)
    X = rows_for(forest, rng, 500, "float64")
    columns = [X[:, 0].copy(), X[::-1, 1].copy()[::-1], np.repeat(X[:, 2], 3)[::3]]
    with np.errstate(over="ignore"):
        columns.append(X[:, 3].astype(np.float32))
    X[:, 3] = columns[3]
    for isa in EVERY:
        sums, leaves = Loaded.of(forest, "float64").of_columns(columns, isa)
        np.testing.assert_array_equal(leaves, reference_leaves(forest, X))
        same_bits(sums, reference_sum(forest, X))


@needs_kernels
def test_missing_value_beyond_float32_precision_equals_no_neighbour():
    """Rows of float32 have codes of their own for features of float64, but are compared with 0.1 in float64."""
    rng = np.random.default_rng(6)
    forest = random_forest(rng, n_trees=20, n_features=3, feature_dtype="float64", missing_value=0.1)
    X = rng.choice(np.array([0.1, -0.5, 0.9], dtype=np.float32), size=(200, 3))
    assert_as_reference(forest, X)
    assert_as_reference(forest, X.astype(np.float64))


@needs_kernels
def test_sums_of_a_deep_forest_are_added_in_the_order_of_trees():
    rng = np.random.default_rng(8)
    forest = random_forest(rng, n_trees=200, max_depth=12, n_features=5, n_outputs=2, chain=True, acc_dtype="float32")
    assert_as_reference(forest, rows_for(forest, rng, 50, "float64"))


@needs_kernels
def test_a_forest_without_trees_gives_its_base():
    none = np.empty(0, dtype=np.int32)
    forest = Forest.from_fields(
        n_features=2, n_outputs=2, feature=none, threshold=none.astype(float), left=none, right=none, nan_left=none,
        root=none, tree_target=none, leaf_value=np.empty((0, 1)), leaf_id=none, base=[1.5, -0.0],
    )  # fmt: skip
    assert_as_reference(forest, np.zeros((3, 2)))
