"""A forest of some of a forest's trees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Forest
from sktensor.forest.structure import trees_of_nodes

__all__ = ["take_trees"]

Array = npt.NDArray[Any]

OF_NODES = (
    "feature", "threshold", "left", "right", "nan_left", "zero_dir", "is_cat", "cat_off", "cat_words", "oov_left",
)  # fmt: skip
OF_TREES = ("root", "tree_target", "tree_iter", "tree_weight", "ob_feature", "ob_threshold")
OF_LEAVES = ("leaf_value", "leaf_id", "lin_const")


def take_trees(forest: Forest, trees: Array) -> Forest:
    """The trees of these numbers, in this order, with everything else as it was.

    Parameters
    ----------
    forest : Forest
        A valid one.
    trees : ndarray of int, shape (n,)
        Distinct numbers of trees.

    Returns
    -------
    Forest
        Nodes and leaves keep their order among themselves; those of other trees are gone. Its sum starts where the
        whole forest's starts.
    """
    chosen = np.zeros(forest.n_trees, dtype=bool)
    chosen[trees] = True
    nodes = np.flatnonzero(chosen[trees_of_nodes(forest.root, forest.left, forest.right)])
    children = np.concatenate([forest.left[nodes], forest.right[nodes], forest.root[trees]])
    leaves = np.unique(~children[children < 0])
    node_number, leaf_number = np.zeros(forest.n_nodes, dtype=np.int32), np.zeros(forest.n_leaves, dtype=np.int32)
    node_number[nodes], leaf_number[leaves] = np.arange(len(nodes)), np.arange(len(leaves))

    taken: dict[str, Any] = {name: _at(forest, name, nodes) for name in OF_NODES}
    taken |= {name: _at(forest, name, trees) for name in OF_TREES}
    taken |= {name: _at(forest, name, leaves) for name in OF_LEAVES}
    for name in ("left", "right", "root"):
        child = taken[name]
        inner = child >= 0
        number = np.empty_like(child)
        number[inner], number[~inner] = node_number[child[inner]], ~leaf_number[~child[~inner]]
        taken[name] = number
    if forest.lin_off is not None:
        counts = np.diff(forest.lin_off)[leaves]
        off = np.concatenate([[0], np.cumsum(counts)])
        terms = np.arange(off[-1]) + np.repeat(forest.lin_off[:-1][leaves] - off[:-1], counts)
        taken |= {
            "lin_off": off,
            "lin_feature": _at(forest, "lin_feature", terms),
            "lin_coef": _at(forest, "lin_coef", terms),
        }
    if forest.cover is not None:
        taken["cover"] = forest.cover[np.concatenate([nodes, forest.n_nodes + leaves])]
    return replace(forest, leaf_shape=(len(trees),), **taken)


def _at(forest: Forest, name: str, places: Array) -> Array | None:
    array = getattr(forest, name)
    return None if array is None else array[places]
