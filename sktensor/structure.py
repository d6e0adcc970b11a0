"""Walk the trees of a forest level by level, all trees at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["levels", "tree_depths"]

Array = npt.NDArray[Any]


def levels(root: Array, left: Array, right: Array) -> Iterator[tuple[Array, Array]]:
    """Yield, for each depth from 0 on, the trees and the nodes found there.

    Parameters
    ----------
    root, left, right : ndarray of int32
        As in :class:`~sktensor.Forest`.

    Yields
    ------
    tree, node : ndarray of int32
        Parallel arrays; ``node < 0`` is the leaf ``~node``. Left children stand before right ones.
        In a malformed forest with cycles the walk does not end: stop it after ``len(left)`` levels.
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
