"""Plans for code trees: where the trees of a forest are to be cut and flattened, so that a few bits tell leaves apart.

A code tree is a binary tree each of whose nodes has a bit of its own: bit h - 1 for a node of height h. A leaf owns
all codes that agree with the bits on its path; the other bits are free. So a tree of up to eight levels is its own
code tree. A deeper one is made to fit by two means:

* **Lifting.** A subtree takes the place of its k-th ancestor, with all that this holds besides as its sibling: the
  node above the two asks whether a row goes all the way down to the subtree. It takes k - 1 multiplexers to find this
  condition from those of the nodes on the way.
* **Cutting.** A subtree becomes a piece with a table of its own, and a single leaf, "elsewhere", of the piece above.
  In its own piece, such a leaf stands beside it, below a node that asks whether a row reaches the subtree.

Which is best for each subtree and number of bits is found by dynamic programming, for all trees at once, a height at
a time. A multiplexer is the unit: a code tree takes one for each node, less its number of bits (circuits.py shows
why), and those of its lifts; a piece costs a look-up in its table. What a lift leaves is planned in the same way:
without its descendant x, the subtree of x's k-th ancestor falls into two at any z on the way from that ancestor to x,
where z's subtree, without x, is lifted to the top, and the top is left without z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sktensor.forest import Trees
from sktensor.forest.structure import levels
from sktensor.strategies.tables import Array

__all__ = ["ELSEWHERE", "KNOWN", "MAX_BITS", "REST", "Nodes", "Plans"]

MAX_BITS = 8

# The farthest ancestor whose place a subtree takes: the work grows with the square, and farther ones gain little.
MAX_LIFT = 6

# Subtrees of a lower height are not worth a look-up of their own, unless no other code is possible.
CUT_HEIGHT = 5

IMPOSSIBLE = 1 << 24
SHIFT = 3  # of costs that carry a choice, of 0 to MAX_LIFT, in their low bits

# What may be left of a subtree without one of its descendants ...
REST = 0
KNOWN = 1  # ... where the conditions of the path to the descendant are known already ...
ELSEWHERE = 2  # ... and with "elsewhere" beside it


@dataclass(frozen=True)
class Nodes:
    """The M nodes of a forest in the order of their heights, then its L leaves."""

    number: Array  # (M,) the node's number in the forest
    position: Array  # (M,) the inverse
    tree: Array  # (M + L,)
    depth: Array  # (M + L,)
    parent: Array  # (M + L,) -1 at a root
    sibling: Array  # (M + L,) -1 at a root
    right: Array  # (M,) the right child
    height: Array  # (M,)
    n_leaves: Array  # (M,) leaves below

    @classmethod
    def of(cls, trees: Trees) -> Nodes:
        """Those of a forest."""
        M = trees.n_nodes
        tree, depth, height, n_leaves = (np.zeros(M + trees.n_leaves, dtype=np.int64) for _ in range(4))
        n_leaves[M:] = 1
        left, right = (np.where(child >= 0, child, M + ~child) for child in (trees.left, trees.right))
        walk = list(levels(trees.root, trees.left, trees.right))
        for level, (of_tree, node) in reversed(list(enumerate(walk))):
            at = np.where(node >= 0, node, M + ~node)
            tree[at], depth[at] = of_tree, level
            node = node[node >= 0]
            height[node] = 1 + np.maximum(height[left[node]], height[right[node]])
            n_leaves[node] = n_leaves[left[node]] + n_leaves[right[node]]

        number = np.argsort(height[:M], kind="stable")
        moved = np.arange(M + trees.n_leaves)
        moved[number] = np.arange(M)
        left, right = moved[left[number]], moved[right[number]]
        order = np.concatenate([number, np.arange(M, len(moved))])
        parent, sibling = np.full(len(moved), -1), np.full(len(moved), -1)
        parent[left] = parent[right] = np.arange(M)
        sibling[left], sibling[right] = right, left
        return cls(
            number, moved[:M], tree[order], depth[order], parent, sibling, right, height[number], n_leaves[number]
        )


@dataclass(frozen=True)
class Descents:
    """Pairs (x, k) of a node and its k-th ancestor, "the top", in rows sorted by k and the top."""

    above: Array  # (MAX_LIFT + 1, M + 1): the node, its parent, its grandparent, ...; M for none
    row: Array  # (MAX_LIFT + 1, M + 1): where the pair stands
    x: Array  # (R,)
    start: Array  # (MAX_LIFT + 1, heights + 1): where tops of height 1, 2, ... start for each k

    @classmethod
    def of(cls, nodes: Nodes, crowded: Array) -> Descents:
        """All of the nodes of `crowded` trees."""
        M, heights = len(nodes.number), int(nodes.height.max(initial=0))
        above = np.full((MAX_LIFT + 1, M + 1), M)
        above[0, :M] = np.arange(M)
        above[1, :M] = np.where(crowded[nodes.tree[:M]] & (nodes.parent[:M] >= 0), nodes.parent[:M], M)
        for k in range(2, MAX_LIFT + 1):
            above[k] = above[k - 1, above[1]]
        row = np.zeros_like(above)
        start = np.zeros((MAX_LIFT + 1, heights + 1), dtype=np.int64)
        parts, n_rows = [], 0
        for k in range(1, MAX_LIFT + 1):
            x = np.argsort(above[k, :M], kind="stable")
            x = x[: np.count_nonzero(above[k, :M] < M)]
            row[k, x] = np.arange(n_rows, n_rows + len(x))
            start[k] = n_rows + np.searchsorted(nodes.height[above[k, x]], np.arange(1, heights + 2))
            parts.append(x)
            n_rows += len(x)
        return cls(above, row, np.concatenate(parts), start)


@dataclass(frozen=True)
class Plans:
    """What is best for each node x and number of bits b = 0, ..., MAX_BITS."""

    descents: Descents
    lifted: Array  # (M, B): the descendant that takes the node's place
    cut: Array  # bool (M, B): whether the subtree is cut off
    bits: Array  # (M,): number of them for the piece that starts with the subtree as a tree's root
    cut_bits: Array  # (M,): likewise for the piece of a subtree that is cut off
    cut_lifted: Array  # (M,): the subtree's node, itself or a descendant, that takes the place of the piece's root
    place: Array  # int8 (3, R, B): of what is left without x, what lies how far below the top is lifted to it

    @classmethod
    def of(cls, nodes: Nodes, lookup: Sequence[int]) -> Plans:
        """The best plans, given what a look-up by each number of bits costs in multiplexers."""
        return _Planner(nodes, np.asarray(lookup, dtype=np.int64)).plans()


def _crowded(nodes: Nodes, lookup: Array) -> Array:
    """Trees that are too high, or for which fewer bits than they are high might do and cost less; shape (T,)."""
    root = nodes.parent[: len(nodes.number)] < 0
    tree, height, n_leaves = nodes.tree[: len(root)][root], nodes.height[root], nodes.n_leaves[root]
    crowded = np.zeros(nodes.tree.max(initial=-1) + 1, dtype=bool)
    for bits in range(MAX_BITS):
        cheaper = lookup[bits] - bits + 1 < lookup[np.minimum(height, MAX_BITS)] - height  # with one lift at least
        crowded[tree[(height > bits) & (n_leaves <= 2**bits) & cheaper]] = True
    crowded[tree[height > MAX_BITS]] = True
    return crowded


class _Planner:
    """Dynamic programming from the leaves up."""

    def __init__(self, nodes: Nodes, lookup: Array) -> None:
        M, B = len(nodes.number), MAX_BITS + 1
        self.nodes, self.lookup = nodes, lookup
        self.descents = Descents.of(nodes, _crowded(nodes, lookup))
        self.starts = np.searchsorted(nodes.height, np.arange(1, nodes.height.max(initial=0) + 2))
        self.best = np.zeros((M + 1, B), dtype=np.int32)  # of the whole subtree; row M is a leaf's
        self.cost = np.empty((3, len(self.descents.x), B), dtype=np.int32)  # of what is left
        self.cost[..., 0] = IMPOSSIBLE
        self.place = np.zeros(self.cost.shape, dtype=np.int8)
        self.lifted = np.empty((M, B), dtype=np.int64)
        self.cut = np.zeros((M, B), dtype=bool)
        self.bits, self.cut_bits, self.cut_lifted = (np.zeros(M, dtype=np.int64) for _ in range(3))

    def plans(self) -> Plans:
        """Plan all subtrees, the lower ones first."""
        for height, (first, last) in enumerate(zip(self.starts[:-1], self.starts[1:], strict=True), 1):
            at = slice(first, last)
            whole, piece = self._plain(at), np.full((last - first, MAX_BITS + 1), _candidate(IMPOSSIBLE, 0))
            for k in range(1, min(MAX_LIFT, height - 1) + 1):
                rows = slice(*self.descents.start[k, height - 1 : height + 1])
                if rows.start == rows.stop:
                    continue
                # With as many bits as it is high, a tree takes its own shape, and more are of no use.
                b = min(height - 1, MAX_BITS)
                self._split(rows, k, b)
                if k > 1:
                    self._lift(whole, first, rows, KNOWN, k, b)
                if height >= CUT_HEIGHT:
                    self._split_beside_elsewhere(rows, k, b)
                    self._lift(piece, first, rows, ELSEWHERE, k, b)
            self._choose(at, height, whole, piece)
        return Plans(self.descents, self.lifted, self.cut, self.bits, self.cut_bits, self.cut_lifted, self.place)

    def _plain(self, at: slice) -> Array:
        """The whole subtree in its own shape: the right child takes its place."""
        right = self.nodes.right[at]
        left = self.nodes.sibling[right]
        whole = np.full((len(right), MAX_BITS + 1), _candidate(IMPOSSIBLE, 0))
        cost = 1 + self._best(left)[:, :-1] + self._best(right)[:, :-1]
        whole[:, 1:] = _candidate(cost, right[:, None])
        return whole

    def _best(self, x: Array) -> Array:
        """Costs of whole subtrees."""
        return self.best.take(np.minimum(x, len(self.best) - 1), 0)

    def _left(self, kind: int, x: Array, k: int, b: int) -> Array:
        """Costs, by 0 to b - 1 bits, of what x's leave of their k-th ancestors' subtrees."""
        return self.cost[kind].take(self.descents.row[k].take(x), 0)[:, :b]

    def _split(self, rows: slice, k: int, b: int) -> None:
        """Where what is left falls into two."""
        x = self.descents.x[rows]
        if k == 1:
            self.cost[REST, rows] = self.cost[KNOWN, rows] = self._best(self.nodes.sibling[x])
            return
        rest = known = np.full((len(x), b), IMPOSSIBLE << SHIFT, dtype=np.int32)
        for j in range(1, k):
            outside = self._left(KNOWN, self.descents.above[k - j, x], j, b)
            split = (1 + outside + self._left(REST, x, k - j, b) << SHIFT) + j
            known = np.minimum(known, split)
            rest = np.minimum(rest, split + (j - 1 << SHIFT))
        self._keep(REST, rows, rest)
        self._keep(KNOWN, rows, known)

    def _split_beside_elsewhere(self, rows: slice, k: int, b: int) -> None:
        """The same, where "elsewhere" stands beside the top, and the conditions from the tree's root on are known."""
        x = self.descents.x[rows]
        found = 1 + self._left(REST, x, k, b) << SHIFT  # "elsewhere" alone has the one side
        for j in range(1, k):
            outside = self._left(ELSEWHERE, self.descents.above[k - j, x], j, b)
            found = np.minimum(found, (1 + outside + self._left(REST, x, k - j, b) << SHIFT) + j)
        self._keep(ELSEWHERE, rows, found)

    def _keep(self, kind: int, rows: slice, found: Array) -> None:
        """Note costs and places, which are the same for any more bits."""
        b = found.shape[1]
        self.place[kind, rows, 1 : b + 1] = found & ((1 << SHIFT) - 1)
        self.place[kind, rows, b + 1 :] = self.place[kind, rows, b, None]
        self.cost[kind, rows, 1 : b + 1] = np.minimum(found >> SHIFT, IMPOSSIBLE)
        self.cost[kind, rows, b + 1 :] = self.cost[kind, rows, b, None]

    def _lift(self, found: Array, first: int, rows: slice, kind: int, k: int, b: int) -> None:
        """Try to lift descendants to the top, beside what is left there."""
        x = self.descents.x[rows]
        top = self.descents.above[k, x]
        # A node, and a multiplexer for each condition on the way but the first: of the path from the top, or, beside
        # "elsewhere", of that from the tree's root.
        taken = k if kind == KNOWN else k + 1
        lifted = _candidate(taken + self.cost[kind, rows, :b] + self.best.take(x, 0)[:, :b], x[:, None])
        starts = np.flatnonzero(np.diff(top, prepend=-1))
        at = top[starts] - first
        found[at, 1 : b + 1] = np.minimum(found[at, 1 : b + 1], np.minimum.reduceat(lifted, starts))

    def _choose(self, at: slice, height: int, whole: Array, piece: Array) -> None:
        """Whether the subtrees stay whole or are cut off, and how they then start a piece."""
        bits = np.arange(MAX_BITS + 1)
        uncut, self.lifted[at] = _parts(whole)
        node = np.arange(at.start, at.stop)[:, None]
        piece[:, 1:] = np.minimum(piece[:, 1:], _candidate(1 + uncut[:, :-1], node))

        # More bits than the subtree is high, and one for "elsewhere", are not used and save nothing.
        cost = uncut + self.lookup - bits
        self.bits[at] = cost[:, : height + 1].argmin(1)
        cost, lifted = _parts(piece)
        # The path to a subtree has as many conditions as it is deep, of which the first is there.
        cost = cost + self.lookup - bits + self.nodes.depth[at, None] - 1
        chosen = cost[:, : height + 2].argmin(1)[:, None]
        self.cut_bits[at] = chosen[:, 0]
        self.cut_lifted[at] = np.take_along_axis(lifted, chosen, 1)[:, 0]
        alone = np.take_along_axis(cost, chosen, 1)
        self.cut[at] = alone < uncut
        self.best[at] = np.minimum(uncut, alone)


def _candidate(cost: Array | int, node: Array | int) -> Array:
    """Costs and nodes in one number, so that the least has the least cost."""
    return np.left_shift(cost, 32, dtype=np.int64) | node


def _parts(candidate: Array) -> tuple[Array, Array]:
    """The two again."""
    return np.minimum(candidate >> 32, IMPOSSIBLE), candidate & 0xFFFFFFFF
