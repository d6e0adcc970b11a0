"""Partitions of consecutive trees, such that the working set of each stays small."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Trees
from sktensor.forest.structure import trees_of_nodes

__all__ = ["partitions_by_questions", "runs"]

Array = npt.NDArray[Any]


def partitions_by_questions(trees: Trees, question: Array, most: int) -> list[Array]:
    """Cut the trees into partitions that ask at most so many distinct questions, a tree at the least.

    Parameters
    ----------
    trees : Trees
        Whose trees.
    question : ndarray of int, shape (M,)
        Number of the question that each node asks.
    most : int
        Distinct questions in a partition.

    Returns
    -------
    list of ndarray
        Numbers of the trees of each partition, in ascending order.
    """
    tree = trees_of_nodes(trees.root, trees.left, trees.right)
    order = np.argsort(tree, kind="stable")
    tree, question = tree[order], question[order]
    found, first, place = [], 0, 0
    while first < trees.n_trees:
        _, seen = np.unique(question[place:], return_index=True)
        trees_with_new = np.sort(tree[place + seen])  # the tree in which each question first comes up
        end = trees.n_trees if len(seen) <= most else max(int(trees_with_new[most]), first + 1)
        found.append(np.arange(first, end))
        first, place = end, int(np.searchsorted(tree, end))
    return found or [np.arange(0)]


def runs(flag: Array) -> list[Array]:
    """Numbers of consecutive elements that are the same, run after run."""
    return np.split(np.arange(len(flag)), np.flatnonzero(np.diff(flag)) + 1) if len(flag) else [np.arange(0)]
