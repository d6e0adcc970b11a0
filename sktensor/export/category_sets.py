"""Nodes that test categories, as sets of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Trees

__all__ = ["Sets", "sets_of"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Sets:
    """Sets of category numbers, whose members go to one side and everything else to the other.

    Attributes
    ----------
    is_set : ndarray of bool, shape (M,)
        Which nodes have one.
    right : ndarray of bool, shape (M,)
        Whether members go right: where what is no category goes left.
    sizes : ndarray of int64, shape (M,)
        How many members there are.
    members : ndarray of int64
        Those of one node behind those of the other, ascending.
    """

    is_set: Array
    right: Array
    sizes: Array
    members: Array


def sets_of(trees: Trees) -> Sets | None:
    """The sets of all nodes that test categories; None if there are none."""
    if trees.is_cat is None or not trees.is_cat.any():
        return None
    assert trees.cat_off is not None and trees.cat_words is not None and trees.cat_bits is not None
    right = trees.is_cat & (np.zeros(trees.n_nodes, dtype=bool) if trees.oov_left is None else trees.oov_left)
    sizes = np.zeros(trees.n_nodes, dtype=np.int64)
    members = []
    for node in np.flatnonzero(trees.is_cat):
        words = trees.cat_bits[trees.cat_off[node] : trees.cat_off[node] + trees.cat_words[node]]
        bits = np.unpackbits(np.ascontiguousarray(words, dtype="<u4").view(np.uint8), bitorder="little")
        own = np.flatnonzero(bits != right[node])  # a set bit goes left
        sizes[node] = len(own)
        members.append(own)
    return Sets(trees.is_cat, right, sizes, np.concatenate(members) if members else np.empty(0, dtype=np.int64))
