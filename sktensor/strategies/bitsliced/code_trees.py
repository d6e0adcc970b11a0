"""Code trees: the trees of a forest as planned, grown from their roots down, all pieces at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from sktensor.forest import Trees
from sktensor.strategies.bitsliced.code_plans import ELSEWHERE, KNOWN, REST, Nodes, Plans
from sktensor.strategies.tables import Array

__all__ = ["CodeTrees", "grow"]

# What a task is about, beside what may be left of a subtree: a whole one, one that is not to be cut off, and the piece
# of one that was.
WHOLE, UNCUT, PIECE = 3, 4, 5


@dataclass(frozen=True)
class CodeTrees:
    """Code trees of C nodes in P pieces, and the G paths whose conditions the nodes ask for.

    Node c asks whether a row that comes to the start of path ``path[c]`` follows it through its first ``reach[c] + 1``
    nodes, to what comes after them. A child is a node of the code tree, or ``~leaf``, where leaf number L (there are L
    in the forest) stands for "elsewhere".
    """

    tree: Array  # (P,) tree of a piece, ascending
    root: Array  # (P,) its root, as children are given
    inside: Array  # (C,) child of the rows that do
    outside: Array  # (C,) child of those that do not
    path: Array  # (C,)
    reach: Array  # (C,)
    piece: Array  # (C,)
    rounds: Sequence[slice]  # nodes in groups such that children stand in later ones
    path_piece: Array  # (G,)
    path_end: Array  # (G,) what comes after the path: a node of the forest or ~leaf
    path_length: Array  # (G,) nodes on it


def grow(trees: Trees, lookup: Sequence[int]) -> CodeTrees:
    """Cut and flatten the trees of a forest at the least cost.

    Parameters
    ----------
    trees : Trees
        Its trees.
    lookup : sequence of int, length MAX_BITS + 1
        What a look-up in a table for codes of so many bits costs, in multiplexers.
    """
    nodes = Nodes.of(trees)
    growth = _Growth(nodes, Plans.of(nodes, lookup))
    while len(growth.tasks.x):
        growth.advance()
    return growth.code_trees()


@dataclass(frozen=True)
class _Tasks:
    """What the next nodes and leaves of code trees are made of, parallel arrays."""

    kind: Array
    x: Array  # a node or leaf, or the descendant that is missing
    k: Array  # how far the top is above it
    bits: Array  # that the part may take
    path: Array  # the one to the descendant, where its conditions are known
    piece: Array
    parent: Array  # node of the code tree above, -1 for none
    side: Array  # of that node: 0 inside, 1 outside

    def take(self, at: Array) -> _Tasks:
        """Some of them."""
        return _Tasks(*(getattr(self, f.name)[at] for f in fields(self)))

    @staticmethod
    def join(*parts: _Tasks) -> _Tasks:
        """All of them."""
        return _Tasks(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(_Tasks)))


class _Growth:
    """Code trees as far as they have grown, in arrays with room for all that may come."""

    def __init__(self, nodes: Nodes, plans: Plans) -> None:
        self.nodes, self.plans = nodes, plans
        self.M, L = len(nodes.number), len(nodes.tree) - len(nodes.number)
        self.elsewhere = ~L
        roots = np.flatnonzero(nodes.parent < 0)
        roots = roots[np.argsort(nodes.tree[roots])]
        self.n_pieces = T = len(roots)
        # Every node of the forest becomes one of a code tree, and may start a piece, which takes one more.
        self.tree, self.root = np.arange(T + self.M), np.empty(T + self.M, dtype=np.int64)
        self.children = np.empty((2 * self.M, 2), dtype=np.int64)
        self.path, self.reach, self.piece = (np.empty(2 * self.M, dtype=np.int64) for _ in range(3))
        self.path_piece, self.path_end, self.path_start = (np.empty(2 * self.M, dtype=np.int64) for _ in range(3))
        self.n_nodes = self.n_paths = 0
        self.rounds: list[slice] = []
        none, zero = np.full(T, -1), np.zeros(T, dtype=np.int64)
        bits = np.where(roots < self.M, np.append(plans.bits, 0)[np.minimum(roots, self.M)], 0)
        self.tasks = _Tasks(zero + UNCUT, roots, zero, bits, none, np.arange(T), none, zero)

    def advance(self) -> None:
        """Make the next node or leaf of every task, and tasks of the nodes' children."""
        tasks = self._resolved(self.tasks)
        leaf = (tasks.kind == ELSEWHERE) & (tasks.k == 0)
        made = np.where(leaf, self.elsewhere, self.M + ~tasks.x)
        leaf |= (tasks.k == 0) & (tasks.x >= self.M)
        cut = ~leaf & (tasks.kind == WHOLE)
        cut[cut] = self.plans.cut[tasks.x[cut], tasks.bits[cut]]
        made[cut] = self.elsewhere
        grows = ~leaf & ~cut
        number = np.arange(self.n_nodes, self.n_nodes + np.count_nonzero(grows))
        made[grows] = number
        hangs = tasks.parent >= 0
        self.children[tasks.parent[hangs], tasks.side[hangs]] = made[hangs]
        self.root[tasks.piece[~hangs]] = made[~hangs]
        pieces = self._pieces(tasks.take(cut))
        self.tasks = _Tasks.join(*self._split(tasks.take(grows), number), pieces)

    def _resolved(self, tasks: _Tasks) -> _Tasks:
        """The tasks, with its sibling for what is left of a subtree without one of the node's children."""
        alone = (tasks.k == 1) & ((tasks.kind == REST) | (tasks.kind == KNOWN))
        return replace(
            tasks,
            kind=np.where(alone, WHOLE, tasks.kind),
            x=np.where(alone, self.nodes.sibling[tasks.x], tasks.x),
            k=np.where(alone, 0, tasks.k),
            path=np.where(alone, -1, tasks.path),
        )

    def _pieces(self, cut: _Tasks) -> _Tasks:
        """Tasks of the pieces that subtrees become which are cut off."""
        piece = np.arange(self.n_pieces, self.n_pieces + len(cut.x))
        self.tree[piece] = self.tree[cut.piece]
        self.n_pieces += len(piece)
        none = np.full(len(piece), -1)
        kind = np.full(len(piece), PIECE)
        return _Tasks(kind, cut.x, cut.k, self.plans.cut_bits[cut.x], none, piece, none, cut.side)

    def _split(self, tasks: _Tasks, number: Array) -> tuple[_Tasks, _Tasks]:
        """Make the nodes of these numbers; tasks of their children."""
        depth = self.nodes.depth
        is_piece, left = tasks.kind == PIECE, tasks.kind <= ELSEWHERE
        whole = ~left & ~is_piece
        lifted = np.empty_like(tasks.x)  # what takes the top's place
        lifted[whole] = self.plans.lifted[tasks.x[whole], tasks.bits[whole]]
        lifted[is_piece] = self.plans.cut_lifted[tasks.x[is_piece]]
        x, k = tasks.x[left], tasks.k[left]
        descents = self.plans.descents
        j = self.plans.place[tasks.kind[left], descents.row[k, x], tasks.bits[left]]
        lifted[left] = descents.above[k - j, x]

        top = np.where(left, descents.above[tasks.k * left, np.where(left, tasks.x, 0)], tasks.x)
        fall = depth[lifted] - depth[top]
        fresh = tasks.path < 0
        path = tasks.path.copy()
        path[fresh] = np.arange(self.n_paths, self.n_paths + np.count_nonzero(fresh))
        self.path_piece[path[fresh]], self.path_end[path[fresh]] = tasks.piece[fresh], lifted[fresh]
        self.path_start[path[fresh]] = np.where(is_piece, 0, depth[top])[fresh]
        self.n_paths += int(np.count_nonzero(fresh))
        self.path[number], self.piece[number] = path, tasks.piece
        self.reach[number] = depth[lifted] - self.path_start[path] - 1
        self.rounds.append(slice(self.n_nodes, self.n_nodes + len(number)))
        self.n_nodes += len(number)

        inside = replace(
            tasks,
            kind=np.where(left, REST, np.where(is_piece & (fall == 0), UNCUT, WHOLE)),
            x=np.where(left, tasks.x, lifted),
            k=np.where(left, tasks.k - fall, 0),
            bits=tasks.bits - 1,
            path=np.full_like(path, -1),
            parent=number,
            side=np.zeros_like(number),
        )
        outside = replace(
            tasks,
            kind=np.where(is_piece | (tasks.kind == ELSEWHERE), ELSEWHERE, KNOWN),
            x=lifted,
            k=fall,
            bits=tasks.bits - 1,
            path=path,
            parent=number,
            side=np.ones_like(number),
        )
        return inside, outside

    def code_trees(self) -> CodeTrees:
        """What has grown, pieces in the order of trees."""
        C, G = slice(self.n_nodes), slice(self.n_paths)
        order = np.argsort(self.tree[: self.n_pieces], kind="stable")
        place = np.argsort(order)
        end = self.path_end[G]
        return CodeTrees(
            tree=self.tree[order],
            root=self.root[order],
            inside=self.children[C, 0],
            outside=self.children[C, 1],
            path=self.path[C],
            reach=self.reach[C],
            piece=place[self.piece[C]],
            rounds=self.rounds,
            path_piece=place[self.path_piece[G]],
            path_end=np.where(end < self.M, np.append(self.nodes.number, 0)[np.minimum(end, self.M)], self.M + ~end),
            path_length=self.nodes.depth[end] - self.path_start[G],
        )
