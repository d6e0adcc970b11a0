"""Trees of CatBoost's JSON format: symmetric ones from their lists of splits, others from nested nodes.

A row goes right, and the bit of a symmetric tree is 1, iff ``x > border`` [CatBoost libs/model/cpu/quantization.h].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError

__all__ = ["ParsedTrees", "nested_trees", "symmetric_trees"]

Array = npt.NDArray[Any]

MOST_LEVELS = 16  # of a symmetric tree, as the library limits its depth


@dataclass(frozen=True)
class ParsedTrees:
    """Nodes and leaves of all trees; what is not described here is as in :class:`~sktensor.Forest`."""

    split: Array  # (M,), number in the list of splits
    splits: list[Mapping[str, Any]]
    left: Array
    right: Array
    root: Array
    leaf_value: Array  # (L, K)
    leaf_id: Array
    cover: Array | None


def symmetric_trees(trees: Sequence[Mapping[str, Any]], n_outputs: int) -> ParsedTrees:
    """Lay out symmetric trees, whose leaf numbers are their conditions' bits, the first split's the lowest.

    Parameters
    ----------
    trees : sequence of dict
        The list ``oblivious_trees``.
    n_outputs : int
        Values in a leaf.

    Returns
    -------
    ParsedTrees
        The nodes of a tree level by level from its last split to its first, so that leaves stand in order.
    """
    levels = [tree["splits"] or [] for tree in trees]
    depth = np.array([len(splits) for splits in levels], dtype=np.int64)
    for t in np.flatnonzero(depth > MOST_LEVELS)[:1]:
        raise ValueError(f"Tree {t} has {depth[t]} splits, but CatBoost's trees have at most {MOST_LEVELS}.")
    n_leaves = 1 << depth
    first_leaf, first_node, first_split = (_starts(sizes) for sizes in (n_leaves, n_leaves - 1, depth))
    n_nodes = int((n_leaves - 1).sum())
    level = np.empty(n_nodes, dtype=np.int64)  # of each node, as a number into all splits
    left, right = np.empty((2, n_nodes), dtype=np.int64)
    for d in np.unique(depth):
        of_depth = depth == d
        heap = np.arange((1 << d) - 1)
        node = first_node[of_depth, None] + heap
        level[node] = first_split[of_depth, None] + (d - 1 - np.log2(heap + 1).astype(np.int64))
        for children, side in ((left, 1), (right, 2)):
            child = 2 * heap + side
            is_leaf = child >= len(heap)
            leaf = first_leaf[of_depth, None] + child - len(heap)
            children[node] = np.where(is_leaf, ~leaf, first_node[of_depth, None] + child)
    weights = None
    if all("leaf_weights" in tree for tree in trees):
        weights = _numbers(chain.from_iterable(tree["leaf_weights"] for tree in trees))
    return ParsedTrees(
        split=level,
        splits=list(chain.from_iterable(levels)),
        left=left,
        right=right,
        root=np.where(depth == 0, ~first_leaf, first_node),
        leaf_value=_leaf_values(chain.from_iterable(tree["leaf_values"] for tree in trees), n_leaves, n_outputs),
        leaf_id=np.arange(n_leaves.sum()) - np.repeat(first_leaf, n_leaves),
        cover=None if weights is None else _cover(weights, depth, n_leaves),
    )


def nested_trees(trees: Sequence[Mapping[str, Any]], leaf_numbers: Sequence[_FlatTree], n_outputs: int) -> ParsedTrees:
    """Lay out trees of the policies Depthwise and Lossguide.

    Parameters
    ----------
    trees : sequence of dict
        The list ``trees``.
    leaf_numbers : sequence of (list of (int, int), list of int)
        For each tree, how far from each node of the library's own layout its children stand, and the node's leaf.
    n_outputs : int
        Values in a leaf.

    Returns
    -------
    ParsedTrees
        Nodes and leaves depth first, from left to right.
    """
    splits: list[Mapping[str, Any]] = []
    children: list[list[int]] = []
    root: list[int] = []
    leaf_id: list[int] = []
    values: list[Any] = []
    weights: list[Any] = []
    n_leaves: list[int] = []
    parents: list[int] = []
    leaf_parents: list[int] = []
    for tree, (steps, leaf_of) in zip(trees, leaf_numbers, strict=True):
        first_leaf = len(leaf_id)
        # The library keeps a leaf beside an inner node within their parent: its step is 0.
        stack: list[tuple[Mapping[str, Any], int, int, int]] = [(tree, 0, -1, 0)]
        while stack:
            node, at, parent, side = stack.pop()
            if "split" in node:
                number = len(splits)
                splits.append(node["split"])
                children.append([0, 0])
                parents.append(parent)
                stack += [(node[name], at + steps[at][s], number, s) for s, name in ((1, "right"), (0, "left"))]
            else:
                number = ~len(leaf_id)
                leaf_id.append(leaf_of[at])
                values.append(node["value"])
                weights.append(node.get("weight"))
                leaf_parents.append(parent)
            if parent < 0:
                root.append(number)
            else:
                children[parent][side] = number
        n_leaves.append(len(leaf_id) - first_leaf)
    below = np.array(children, dtype=np.int64).reshape(-1, 2)
    flat = values if n_outputs == 1 else chain.from_iterable(values)
    return ParsedTrees(
        split=np.arange(len(splits)),
        splits=splits,
        left=below[:, 0],
        right=below[:, 1],
        root=np.array(root),
        leaf_value=_leaf_values(flat, np.array(n_leaves), n_outputs),
        leaf_id=np.array(leaf_id),
        cover=None if None in weights else _summed(parents, leaf_parents, _numbers(weights)),
    )


_FlatTree = tuple[Sequence[tuple[int, int]], Sequence[int]]


def _numbers(values: Any) -> Array:
    return np.fromiter(values, dtype=np.float64)


def _leaf_values(values: Any, n_leaves: Array, n_outputs: int) -> Array:
    found = _numbers(values)
    if len(found) != int(n_leaves.sum()) * n_outputs:
        raise UnsupportedModelError(
            f"{len(found)} leaf values for {int(n_leaves.sum())} leaves of {n_outputs} output(s): the CatBoost model "
            "is damaged or of a kind that is not known."
        )
    return found.reshape(-1, n_outputs)


def _starts(sizes: Array) -> Array:
    """Where each of several runs starts that stand one behind the other."""
    starts: Array = np.cumsum(sizes) - sizes
    return starts


def _cover(weights: Array, depth: Array, n_leaves: Array) -> Array | None:
    """Weights of the nodes of symmetric trees, then of all leaves."""
    if len(weights) != n_leaves.sum():
        return None
    ends = np.cumsum(n_leaves)

    def levels() -> Iterator[Array]:
        for end, d in zip(ends, depth, strict=True):
            tree = weights[end - (1 << d) : end]
            for level in range(d):
                yield tree.reshape(1 << level, -1).sum(1)

    return np.concatenate([*levels(), weights])


def _summed(parents: list[int], leaf_parents: list[int], weights: Array) -> Array:
    """Weights of the nodes of nested trees, which stand behind their parents, then of all leaves."""
    nodes = [0.0] * len(parents)
    for parent, weight in zip(leaf_parents, weights.tolist(), strict=True):
        if parent >= 0:
            nodes[parent] += weight
    for node in range(len(parents) - 1, -1, -1):
        if parents[node] >= 0:
            nodes[parents[node]] += nodes[node]
    return np.concatenate([nodes, weights])
