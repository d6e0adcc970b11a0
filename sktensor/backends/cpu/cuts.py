"""How trees are cut into blocks of nodes, which traversal on the CPU answers at once.

What is cut where decides how many blocks a row passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Trees
from sktensor.forest.structure import levels

__all__ = ["EXITS", "NODES", "Cut", "cut"]

Array = npt.NDArray[Any]

NODES, EXITS = 12, 13

MOST_WEIGHT = 1e30  # far from where sums of float32 overflow

# What a block costs besides, as if so many more rows passed it, for it takes memory: a share of a tree's rows, and
# something where there are none.
BLOCK_SHARE, LEAST_SHARE = 1 / 5000, 1e-30

# From how many to how many nodes there are from a node on, as far as a block holds them. Most nodes have few.
SIZES = ((1, 1), (2, 3), (4, 6), (7, NODES))

# The share of a tree's rows that a block has to see to be part of its top: a circuit answers a block's questions for
# all rows in the time that this share of them takes to pass it. No block below so many generations is, lest a chain of
# nodes is a circuit from end to end; and a byte numbers the blocks up to there, 13 and 13 times 13 at most.
TOP_SHARE, TOP_GENERATIONS = 0.05, 3


@dataclass(frozen=True)
class Cut:
    """Blocks of all trees, a generation after the other; exits beyond the last one are masked by `used`."""

    tree: Array  # int32 (B,)
    member: Array  # int32 (B, 12): the forest's nodes, -1 beyond the last
    exit: Array  # int32 (B, 13): node or ~leaf
    care: Array  # uint16 (B, 13)
    want: Array  # uint16 (B, 13)
    used: Array  # int32 (B,): exits
    child: Array  # int64 (B,): the block that the first exit to a block leads to
    is_top: Array  # bool (B,): whether it is at the top of its tree, where enough rows pass for a circuit


def cut(trees: Trees, root: Array) -> Cut:
    """Cut trees into blocks such that rows pass as few of them as can be.

    How many rows come to a node is taken from its training weight, where the forest knows it.
    """
    weight = _weights(trees)
    places, heavy = _Places.cheapest(trees, weight), TOP_SHARE * weight[root]
    tree, generations, n_blocks = np.arange(len(root), dtype=np.int32), [], 0
    above_is_top = weight[root] > 0
    while len(root):
        found = _generation(trees, places, tree, root)
        n_blocks += len(root)
        inside = np.arange(EXITS) < found.used[:, None]
        to_block = inside & (found.exit >= 0)
        n_children = to_block.sum(axis=1)
        found.child[:] = n_blocks + np.cumsum(n_children) - n_children
        generations.append(found)
        found.is_top[:] = above_is_top & (weight[root] >= heavy[tree]) & (len(generations) < TOP_GENERATIONS)
        above_is_top = np.repeat(found.is_top, n_children)
        tree, root = np.repeat(tree, n_children), found.exit[to_block]
    names = ("tree", "member", "exit", "care", "want", "used", "child", "is_top")
    if not generations:
        generations.append(_generation(trees, places, tree, root))
    return Cut(**{name: np.concatenate([getattr(g, name) for g in generations]) for name in names})


def _weights(trees: Trees) -> Array:
    """How many rows come to a node, or as many as there are nodes from it on where that is not known; 0 for leaves."""
    weight = np.zeros(trees.n_nodes + trees.n_leaves, dtype=np.float32)  # ~leaf counts from the end
    if trees.cover is not None:
        cover = np.nan_to_num(trees.cover[: trees.n_nodes])
        weight[: trees.n_nodes] = np.clip(cover, 0, MOST_WEIGHT)
        return weight
    for _, node in reversed(list(levels(trees.root, trees.left, trees.right))):
        inner = node[node >= 0]
        weight[inner] = 1 + weight[trees.left[inner]] + weight[trees.right[inner]]
    return weight


@dataclass(frozen=True)
class _Places:
    """How many nodes of a block stand below each of them."""

    best: Array  # uint8 (M,): nodes of a block that begins with a node
    left: Array  # uint8 (13, M): of so many from a node on, itself included, those in its left child

    @staticmethod
    def cheapest(trees: Trees, weight: Array) -> _Places:
        """From the leaves up: the least weight of all blocks below a node, for each number of places that it gets.

        With none, a node begins a block itself. That is the best cut there is of every tree.
        """
        best = np.zeros(trees.n_nodes, dtype=np.uint8)
        left = np.zeros((NODES + 1, trees.n_nodes), dtype=np.uint8)
        own = np.maximum(BLOCK_SHARE * weight[trees.root], LEAST_SHARE)
        # Of the level below, where the children of a node stand side by side.
        below, size = np.empty((NODES + 1, 0), dtype=np.float32), np.empty(0, dtype=np.int32)
        for tree, node in reversed(list(levels(trees.root, trees.left, trees.right))):
            (inner,) = np.nonzero(node >= 0)
            cost = np.full((NODES + 1, len(node)), np.inf, dtype=np.float32)
            cost[0, node < 0] = 0
            own_size = np.zeros(len(node), dtype=np.int32)
            own_size[inner] = np.minimum(1 + size[0::2] + size[1::2], NODES)
            for least, most in SIZES:
                (which,) = np.nonzero((own_size[inner] >= least) & (own_size[inner] <= most))
                if not len(which):
                    continue
                at = inner[which]
                nodes = node[at]
                found, shared = _shared_out(below[:most, 2 * which], below[:most, 2 * which + 1])
                best[nodes] = n_best = found.argmin(axis=0)
                found[0] = own[tree[at]] + weight[nodes] + np.take_along_axis(found, n_best[None], axis=0)[0]
                cost[: most + 1, at] = found
                left[: most + 1, nodes] = shared
            below, size = cost, own_size
        return _Places(best, left)


def _shared_out(left: Array, right: Array) -> tuple[Array, Array]:
    """The least cost of each number of places, one of which is a node's own, and how many its left child then has.

    Parameters
    ----------
    left, right : ndarray of float32, shape (most, n)
        What each number of places costs below the children of nodes.
    """
    most, n = left.shape
    cost = np.full((most + 1, n), np.inf, dtype=np.float32)
    shared = np.zeros((most + 1, n), dtype=np.uint8)
    for k in range(most):
        tried = left[k] + right[: most - k]
        is_less = tried < cost[k + 1 :]
        np.copyto(cost[k + 1 :], tried, where=is_less)
        np.copyto(shared[k + 1 :], np.uint8(k), where=is_less)
    return cost, shared


def _generation(trees: Trees, places: _Places, tree: Array, root: Array) -> Cut:
    """The blocks that begin at these nodes."""
    n = len(root)
    # A column a block: whatever is done to all blocks at once then runs along memory.
    member = np.full((NODES, n), -1, dtype=np.int32)
    exits = np.full((EXITS, n), -1, dtype=np.int32)
    care, want = np.zeros((EXITS, n), dtype=np.uint16), np.zeros((EXITS, n), dtype=np.uint16)
    room = np.zeros((EXITS, n), dtype=np.uint8)  # nodes of the block from an exit on
    room[0, root >= 0] = places.best[root[root >= 0]]
    used = np.ones(n, dtype=np.int32)
    exits[0] = root
    open_ = np.arange(n)  # blocks that still grow
    for i in range(NODES):
        where = room[: i + 1, open_].argmax(axis=0)
        grows = room[where, open_] > 0
        open_, where = open_[grows], where[grows]
        if not len(open_):
            break
        node = exits[where, open_]
        member[i, open_] = node
        bit = np.uint16(1 << i)
        care[i + 1, open_] = care[where, open_] = care[where, open_] | bit
        want[i + 1, open_] = want[where, open_]
        want[where, open_] |= bit
        n_left = places.left[room[where, open_], node]
        room[i + 1, open_] = room[where, open_] - 1 - n_left
        room[where, open_] = n_left
        exits[where, open_], exits[i + 1, open_] = trees.left[node], trees.right[node]
        used[open_] = i + 2
    return Cut(tree, member.T, exits.T, care.T, want.T, used, np.empty(n, dtype=np.int64), np.ones(n, dtype=bool))
