"""Whether trees are trees: nodes and leaves on one parent each, thresholds, sets of categories, linear leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest.fields import fail, outside
from sktensor.forest.structure import trees_of_nodes
from sktensor.forest.trees import Trees

__all__ = ["check_trees"]

Array = npt.NDArray[Any]


def check_trees(trees: Trees) -> None:
    """Check every array of trees against the others.

    Parameters
    ----------
    trees : Trees
        Whose arrays are of the lengths that they declare.

    Raises
    ------
    ValueError
        Naming the field, the tree and the node.
    """
    n_leaves, n_outputs = trees.n_leaves, trees.n_outputs
    if trees.leaf_value.shape not in ((n_leaves, 1), (n_leaves, n_outputs)):
        fail("leaf_value", f"expected shape {(n_leaves, 1)} or {(n_leaves, n_outputs)}, got {trees.leaf_value.shape}")
    tree = _check_structure(trees)
    _check_nodes(trees, tree)
    _check_leaves(trees, tree)


def _check_structure(trees: Trees) -> Array:
    """Check that every node and leaf hangs on exactly one root or parent; return the tree of each node."""
    root, left, right = trees.root, trees.left, trees.right
    tree = trees_of_nodes(root, left, right)
    legal = f"expected a node below {trees.n_nodes} or a leaf from {-trees.n_leaves} (that is ~leaf) to -1"
    for field in ("root", "left", "right"):
        child = getattr(trees, field)
        bad = (child < -trees.n_leaves) | (child >= trees.n_nodes)
        for at in np.flatnonzero(bad)[:1]:
            fail(field, f"{f'tree {at}' if field == 'root' else _node(tree, at)}: {legal}, got {child[at]}")

    links = np.concatenate([root, left, right])
    inner = links >= 0
    parents = np.bincount(links[inner], minlength=trees.n_nodes)
    leaf_parents = np.bincount(~links[~inner], minlength=trees.n_leaves)
    for counts, kind in ((parents, "node"), (leaf_parents, "leaf")):
        for at in np.flatnonzero(counts > 1)[:1]:
            twice = np.flatnonzero(links == (at if kind == "node" else ~at))
            (field, place), (other, elsewhere) = (_link(trees, tree, i) for i in twice[1::-1])
            fail(field, f"{place}: {kind} {at} is {other} of {elsewhere} already and can have one parent only")
    for counts, kind in ((parents, "node"), (leaf_parents, "leaf")):
        for at in np.flatnonzero(counts == 0)[:1]:
            fail("root, left and right", f"none of them leads to {kind} {at}; drop what no tree reaches")
    for at in np.flatnonzero(tree < 0)[:1]:
        fail("left and right", f"node {at} hangs on a cycle that no root leads to")
    return tree


def _node(tree: Array, node: int) -> str:
    return f"tree {tree[node]}, node {node}" if tree[node] >= 0 else f"node {node} (in no tree)"


def _link(trees: Trees, tree: Array, position: int) -> tuple[str, str]:
    """Field and place of an entry of root, left and right laid end to end."""
    if position < trees.n_trees:
        return "root", f"tree {position}"
    side, node = divmod(int(position) - trees.n_trees, trees.n_nodes)
    return ("left", "right")[side], _node(tree, node)


def _check_nodes(trees: Trees, tree: Array) -> None:
    def check(field: str, bad: Array, expected: str) -> None:
        for at in np.flatnonzero(bad)[:1]:
            fail(field, f"{_node(tree, at)}: expected {expected}, got {getattr(trees, field)[at]}")

    columns = f"a column from 0 to {trees.n_columns - 1}"
    check("feature", outside(trees.feature, trees.n_columns), columns)
    nan = np.isnan(trees.threshold)
    check("threshold", nan if trees.is_cat is None else nan & ~trees.is_cat, "a number or an infinity")
    if trees.zero_dir is not None:
        check("zero_dir", outside(trees.zero_dir, 2, low=-1), "-1, 0 or 1")
    if trees.cat_bits is not None and trees.cat_off is not None and trees.cat_words is not None:
        # Numeric nodes are held to it, too (0 and 0 will do): tensor programs gather for all nodes alike.
        size = len(trees.cat_bits)
        check("cat_off", outside(trees.cat_off, size + 1), f"a word of cat_bits, which has {size}")
        check("cat_words", trees.cat_words < 0, "a number of words")
        end = trees.cat_off.astype(np.int64) + trees.cat_words
        check("cat_words", end > size, f"words that end within the {size} of cat_bits")


def _check_leaves(trees: Trees, tree: Array) -> None:
    target, width = trees.tree_target, trees.leaf_value.shape[1]
    if (target == -1).all() and len(target):
        if width != trees.n_outputs:
            fail("leaf_value", f"expected {trees.n_outputs} columns, since tree_target is -1 everywhere, got {width}")
    else:
        for at in np.flatnonzero(outside(target, trees.n_outputs))[:1]:
            legal = f"an output from 0 to {trees.n_outputs - 1} in every tree, or -1 in every tree"
            fail("tree_target", f"tree {at}: expected {legal}, got {target[at]}")
        if width != 1 and len(target):
            fail("leaf_value", f"expected 1 column, since tree_target names one output for each tree, got {width}")
    if trees.aggregate == "weighted_median":
        _check_median(trees)
    if trees.lin_off is not None and trees.lin_feature is not None and trees.lin_const is not None:
        _check_linear(trees, tree, trees.lin_off.astype(np.int64), trees.lin_feature, trees.lin_const)


def _check_median(trees: Trees) -> None:
    if trees.tree_weight is None:
        fail("tree_weight", "expected an array, since aggregate is 'weighted_median', got None")
    for at in np.flatnonzero(~(trees.tree_weight >= 0))[:1]:
        fail("tree_weight", f"tree {at}: expected a number from 0 on, got {trees.tree_weight[at]}")
    if trees.n_trees == 0 or trees.n_outputs != 1 or trees.lin_off is not None:
        fail("aggregate", "'weighted_median' needs at least one tree, one output, and leaves of constant values")


def _check_linear(trees: Trees, tree: Array, offset: Array, feature: Array, const: Array) -> None:
    if trees.leaf_value.shape[1] != 1:
        fail("lin_off", f"linear leaves hold one value each, leaf_value has {trees.leaf_value.shape[1]} columns")
    terms = offset[1:] - offset[:-1]
    for at in np.flatnonzero(terms < 0)[:1]:
        fail("lin_off", f"{_leaf(trees, tree, at)}: ends at term {offset[at + 1]}, before its start at {offset[at]}")
    if offset[0] != 0 or offset[-1] != len(feature):
        fail("lin_off", f"expected offsets from 0 to {len(feature)}, the size of lin_feature, got {offset[[0, -1]]}")
    for at in np.flatnonzero(outside(feature, trees.n_columns))[:1]:
        place = _leaf(trees, tree, int(np.repeat(np.arange(trees.n_leaves), terms)[at]))
        fail("lin_feature", f"{place}: expected a column from 0 to {trees.n_columns - 1}, got {feature[at]}")
    value = trees.leaf_value[:, 0]
    const = const.astype(value.dtype)
    for at in np.flatnonzero((terms == 0) & (const != value) & ~(np.isnan(const) & np.isnan(value)))[:1]:
        place = _leaf(trees, tree, at)
        fail("lin_const", f"{place}: expected leaf_value {value[at]}, since the leaf has no terms, got {const[at]}")


def _leaf(trees: Trees, tree: Array, leaf: int) -> str:
    link = int(np.flatnonzero(np.concatenate([trees.root, trees.left, trees.right]) == ~leaf)[0])
    at = link if link < trees.n_trees else tree[(link - trees.n_trees) % trees.n_nodes]
    return f"tree {at}, leaf {leaf}"
