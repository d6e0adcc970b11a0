"""Whether the links between nodes are trees, and the order and depth of these."""

from __future__ import annotations

import numpy as np
import pytest
from forests import forests, random_forest
from hypothesis import given
from small_forests import edited, small

from sktensor import Forest
from sktensor.forest.structure import levels, tree_depths, trees_of_nodes


def structure(root, left, right, n_leaves):
    n, t = len(left), len(root)
    return Forest.from_fields(
        n_features=1,
        feature=np.zeros(n, dtype=int),
        threshold=np.zeros(n),
        left=left,
        right=right,
        nan_left=np.zeros(n, dtype=bool),
        root=root,
        tree_target=np.zeros(t, dtype=int),
        leaf_value=np.zeros((n_leaves, 1)),
        leaf_id=np.arange(n_leaves),
        base=[0.0],
        leaf_shape=(t,),
    )


@pytest.mark.parametrize(
    ("root", "left", "right", "n_leaves", "message"),
    [
        ([~1], [0], [~0], 2, "node 0 hangs on a cycle"),
        ([~2], [1, 0], [~0, ~1], 3, "node 0 hangs on a cycle"),
        ([0, ~2], [~0, 2, ~3, 1], [~1, 3, ~4, ~5], 6, "node 1 hangs on a cycle"),
        ([~0], [~1], [~2], 3, "none of them leads to node 0"),
        ([~0], [], [], 2, "none of them leads to leaf 1"),
        ([0], [0], [~0], 2, "Forest.left: tree 0, node 0: node 0 is root of tree 0 already"),
        ([0], [1, 0], [~0, ~1], 2, "Forest.left: tree 0, node 1: node 0 is root of tree 0 already"),
        ([0], [1, 1], [~0, ~1], 2, "Forest.left: node 1 .in no tree.: node 1 is left of tree 0, node 0 already"),
        ([~0], [0], [0], 1, "Forest.right: node 0 .in no tree.: node 0 is left of node 0"),
    ],
)
def test_cycles_and_strays_are_found(root, left, right, n_leaves, message):
    with pytest.raises(ValueError, match=message):
        structure(root, left, right, n_leaves).validate()


def test_a_ring_of_a_hundred_thousand_nodes_is_found():
    n = 100_000
    with pytest.raises(ValueError, match="cycle"):
        structure([~n], np.roll(np.arange(n), -1), ~np.arange(n), n + 1).validate()


def test_any_single_change_to_the_links_is_found():
    forest = random_forest(np.random.default_rng(4), n_trees=4, max_depth=3)
    for field in ("root", "left", "right"):
        for index, old in enumerate(forest.fields()[field]):
            for value in range(-forest.n_leaves - 2, forest.n_nodes + 2):
                if value != old:
                    with pytest.raises(ValueError, match=r"^Forest\."):
                        edited(forest, field, index, value).validate()


def walked(forest):
    """Depth of each tree, and tree of each node, by plain recursion."""
    depths, tree_of = [], {}

    def visit(node, tree, depth):
        if node < 0:
            return depth
        tree_of[node] = tree
        return max(visit(forest.trees.left[node], tree, depth + 1), visit(forest.trees.right[node], tree, depth + 1))

    for tree, root in enumerate(forest.trees.root):
        depths.append(visit(root, tree, 0))
    return depths, [tree_of[node] for node in range(forest.n_nodes)]


@given(forests())
def test_depths_and_trees_are_those_of_a_plain_walk(forest):
    depths, tree_of = walked(forest)
    assert tree_depths(forest.trees.root, forest.trees.left, forest.trees.right).tolist() == depths
    assert trees_of_nodes(forest.trees.root, forest.trees.left, forest.trees.right).tolist() == tree_of


def test_levels_come_in_the_order_of_the_trees_and_left_before_right():
    forest = small()
    seen = [
        (tree.tolist(), node.tolist())
        for tree, node in levels(forest.trees.root, forest.trees.left, forest.trees.right)
    ]
    assert seen == [([0, 1, 2], [0, ~3, 2]), ([0, 0, 2, 2], [~0, 1, ~4, ~5]), ([0, 0], [~1, ~2])]


def test_the_trees_of_malformed_links_are_found_as_far_as_roots_lead():
    left, right = np.array([1, 99, 3, 2, 7]), np.array([-50, ~0, ~1, ~2, ~3])
    assert trees_of_nodes(np.array([-9, 0, 88]), left, right).tolist() == [1, 1, -1, -1, -1]


def test_the_same_threshold_of_the_same_column_counts_once():
    rng = np.random.default_rng(0)
    forest = random_forest(rng, n_trees=20, max_depth=6, n_features=3)
    few = forest.replace(threshold=np.round(forest.trees.threshold))
    for trees in (forest.trees, few.trees):
        assert trees.n_thresholds == len(set(zip(trees.feature.tolist(), trees.threshold.tolist(), strict=True)))
    assert random_forest(rng, n_trees=2, single_leaf="all").trees.n_thresholds == 0
