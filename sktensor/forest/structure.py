"""Walk the trees of a forest: level by level, all trees at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["levels", "tree_depths", "trees_of_nodes"]

Array = npt.NDArray[Any]


def levels(root: Array, left: Array, right: Array) -> Iterator[tuple[Array, Array]]:
    """Yield, for each depth from 0 on, the trees and the nodes found there.

    Parameters
    ----------
    root, left, right : ndarray of int32
        As in :class:`~sktensor.Forest`, validated: in a forest with cycles the walk does not end.

    Yields
    ------
    tree, node : ndarray of int32
        Parallel arrays; ``node < 0`` is the leaf ``~node``. Trees stand in order, left children before right ones.
    """
    tree = np.arange(len(root), dtype=np.int32)
    node = root
    while len(node):
        yield tree, node
        inner = node >= 0
        tree, node = np.repeat(tree[inner], 2), node[inner]
        node = np.stack([left[node], right[node]], axis=1).ravel()


def tree_depths(root: Array, left: Array, right: Array) -> Array:
    """Depth of each tree: the number of comparisons on its longest path, 0 for a single leaf."""
    depth = np.zeros(len(root), dtype=np.int32)
    for level, (tree, _) in enumerate(levels(root, left, right)):
        depth[tree] = level
    return depth


def trees_of_nodes(root: Array, left: Array, right: Array) -> Array:
    """Tree that each internal node belongs to, for any arrays at all.

    Parameters
    ----------
    root, left, right : ndarray of int32
        As in :class:`~sktensor.Forest`, but possibly malformed: children out of range are passed over, and of
        several parents one counts.

    Returns
    -------
    ndarray of int32, shape (M,)
        Number of the tree, -1 for a node that no root leads to.
    """
    count = len(left)
    top = np.arange(count)
    for child in (left, right):
        parent = np.flatnonzero((child >= 0) & (child < count))
        top[child[parent]] = parent
    trees = np.flatnonzero((root >= 0) & (root < count))
    top[root[trees]] = root[trees]
    # Each round doubles the height climbed, so that neither a chain nor a cycle takes more than log2(M) of them.
    for _ in range(count.bit_length()):
        above = top[top]
        if np.array_equal(above, top):
            break
        top = above
    tree = np.full(count, -1, dtype=np.int32)
    tree[root[trees]] = trees
    return tree[top]
