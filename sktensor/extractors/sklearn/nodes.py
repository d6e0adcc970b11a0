"""From a library's node table, in which leaves stand among the nodes, to the forest's numbering."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Numbering", "numbering"]

Array = npt.NDArray[Any]


class Numbering(NamedTuple):
    """Where the rows of a node table went.

    Attributes
    ----------
    inner, leaf : ndarray of int64
        Rows of the internal nodes and of the leaves, in the order of the table, which is their order in the forest.
    root, left, right, leaf_id
        As in :class:`~sktensor.Forest`; `leaf_id` is the leaf's row within its tree.
    """

    inner: Array
    leaf: Array
    root: Array
    left: Array
    right: Array
    leaf_id: Array


def numbering(is_leaf: Array, left: Array, right: Array, sizes: Array) -> Numbering:
    """Number the nodes and leaves of many trees whose tables stand one after the other.

    Parameters
    ----------
    is_leaf : ndarray of bool, shape (rows,)
        Which rows are leaves.
    left, right : ndarray of int, shape (rows,)
        Children as rows within the tree; ignored at leaves.
    sizes : ndarray of int, shape (T,)
        Rows of each tree. A tree's root is its first row.

    Returns
    -------
    Numbering
        Absolute numbers, a leaf as ``~leaf``.

    Raises
    ------
    ValueError
        If a tree has no rows, or a child is none of its tree's rows, naming tree and node.
    """
    if not sizes.all():
        raise ValueError(f"Tree {int(sizes.argmin())} of the model has no nodes.")
    start = np.cumsum(sizes) - sizes
    own_start = np.repeat(start, sizes)
    inner, leaf = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
    number = np.empty(len(is_leaf), dtype=np.int64)
    number[inner] = np.arange(len(inner))
    number[leaf] = ~np.arange(len(leaf))
    shift, size = own_start[inner], np.repeat(sizes, sizes)[inner]
    for side, child in (("left", left[inner]), ("right", right[inner])):
        for at in np.flatnonzero((child < 0) | (child >= size))[:1]:
            tree = int(np.searchsorted(start, inner[at], "right")) - 1
            raise ValueError(
                f"Tree {tree}, node {inner[at] - start[tree]} of the model: expected a {side} child from 0 to "
                f"{size[at] - 1}, got {child[at]}."
            )
    return Numbering(
        inner=inner,
        leaf=leaf,
        root=number[start],
        left=number[left[inner] + shift],
        right=number[right[inner] + shift],
        leaf_id=leaf - own_start[leaf],
    )
