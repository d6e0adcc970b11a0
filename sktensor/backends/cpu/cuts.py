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

# Subtrees of up to so many nodes join the block of their parent before anything else does: blocks of their own would
# hold little else, and a row there would pass one more.
SMALL = 2

# The share of a tree's rows that a block has to see to be part of its top: a circuit answers a block's questions for
# all rows in the time that this share of them takes to pass it. No block below so many generations is, lest a chain of
# nodes is a circuit from end to end.
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
    """Cut trees into blocks, from the top: the heaviest nodes below a block's root make up the block.

    A node's weight is its training weight where the forest knows it, so that the rows to come pass few blocks.
    """
    ranking, first = _Ranking(trees), root
    tree, generations, n_blocks = np.arange(len(root), dtype=np.int32), [], 0
    while len(root):
        found = _generation(trees, ranking, tree, root)
        n_blocks += len(root)
        inside = np.arange(EXITS) < found.used[:, None]
        to_block = inside & (found.exit >= 0)
        n_children = to_block.sum(axis=1)
        found.child[:] = n_blocks + np.cumsum(n_children) - n_children
        generations.append(found)
        is_heavy = ranking.weight[root] >= TOP_SHARE * ranking.weight[first[tree]]
        found.is_top[:] = is_heavy & (len(generations) < TOP_GENERATIONS)
        tree, root = np.repeat(tree, n_children), found.exit[to_block]
    names = ("tree", "member", "exit", "care", "want", "used", "child", "is_top")
    if not generations:
        generations.append(_generation(trees, ranking, tree, root))
    return Cut(**{name: np.concatenate([getattr(g, name) for g in generations]) for name in names})


class _Ranking:
    """What a node is worth to a block that has so many places left; nothing for leaves."""

    def __init__(self, trees: Trees) -> None:
        size = np.zeros(trees.n_nodes + trees.n_leaves, dtype=np.int32)  # ~leaf counts from the end
        for _, node in reversed(list(levels(trees.root, trees.left, trees.right))):
            inner = node[node >= 0]
            size[inner] = 1 + size[trees.left[inner]] + size[trees.right[inner]]
        weight = size.astype(np.float32)
        if trees.cover is not None:
            weight[: trees.n_nodes] = 1 + np.maximum(np.nan_to_num(trees.cover[: trees.n_nodes]), 0)
        weight[trees.n_nodes :] = -1
        heaviest = 2 * weight.max(initial=1)
        self.weight = weight
        self._by_room = [np.where((size > 0) & (size <= room), heaviest, weight) for room in range(SMALL + 1)]

    def __call__(self, node: Array, room: int) -> Array:
        return self._by_room[min(room, SMALL)][node]


def _generation(trees: Trees, ranking: _Ranking, tree: Array, root: Array) -> Cut:
    """The blocks that begin at these nodes."""
    n = len(root)
    # A column a block: whatever is done to all blocks at once then runs along memory.
    member = np.full((NODES, n), -1, dtype=np.int32)
    exits = np.full((EXITS, n), -1, dtype=np.int32)
    care, want = np.zeros((EXITS, n), dtype=np.uint16), np.zeros((EXITS, n), dtype=np.uint16)
    worth = np.full((EXITS, n), -1, dtype=np.float32)
    used = np.ones(n, dtype=np.int32)
    exits[0], worth[0] = root, ranking(root, NODES)
    open_ = np.arange(n)  # blocks that may still grow
    for i in range(NODES):
        room = NODES - i
        if room < SMALL:
            worth[: i + 1, open_] = ranking(exits[: i + 1, open_], room)
        best, where = worth[0, open_], np.zeros(len(open_), dtype=np.int32)
        for j in range(1, i + 1):
            other = worth[j, open_]
            better = other > best
            np.maximum(best, other, out=best)
            where[better] = j
        grows = best > 0
        open_, where = open_[grows], where[grows]
        if not len(open_):
            break
        node = exits[where, open_]
        member[i, open_] = node
        bit = np.uint16(1 << i)
        care[i + 1, open_] = care[where, open_] = care[where, open_] | bit
        want[i + 1, open_] = want[where, open_] | bit
        for place, child in ((where, trees.left[node]), (i + 1, trees.right[node])):
            exits[place, open_] = child
            worth[place, open_] = ranking(child, room - 1)
        used[open_] = i + 2
    return Cut(tree, member.T, exits.T, care.T, want.T, used, np.empty(n, dtype=np.int64), np.ones(n, dtype=bool))
