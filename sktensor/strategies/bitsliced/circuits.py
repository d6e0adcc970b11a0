"""Circuits: code trees as multiplexers over bit planes, and the leaves that each code stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sktensor.forest import Trees
from sktensor.strategies.bitsliced.code_plans import MAX_BITS
from sktensor.strategies.bitsliced.code_trees import CodeTrees
from sktensor.strategies.tables import Array

__all__ = ["ONE", "PLANES", "ZERO", "Circuits", "CodeNodes", "wire"]

# Values: all zeros, all ones, then the planes, then the multiplexers.
ZERO, ONE, PLANES = 0, 1, 2


@dataclass(frozen=True)
class CodeNodes:
    """The C nodes of all code trees. A node of height h has bit h - 1 of the code, which is what it asks for."""

    piece: Array  # (C,)
    height: Array  # (C,): one more than the higher of its children, where leaves have 0
    select: Array  # int32 (C,): the value that it asks for
    if_set: Array  # (C,): a node, or ~leaf
    if_clear: Array  # (C,)


@dataclass(frozen=True)
class Circuits:
    """Multiplexers, and the codes that they find for each piece."""

    nodes: CodeNodes

    select: Array  # int32 (O,)
    if_set: Array  # int32 (O,)
    if_clear: Array  # int32 (O,)
    level: Array  # (O,): one more than the highest of its operands, where planes and constants have 0
    piece_mux: Array  # int64 (P + 1,)
    piece_bits: Array  # int32 (P,)
    piece_code: Array  # int32 (P, 8)
    piece_first: Array  # int64 (P,)
    leaf: Array  # int32


def wire(code_trees: CodeTrees, trees: Trees, plane: Array, n_planes: int) -> Circuits:
    """Multiplexers that find the codes of these code trees.

    Parameters
    ----------
    code_trees : CodeTrees
        The code trees.
    trees : Trees
        Their forest.
    plane : ndarray of int32, shape (M,)
        The plane in which a node's question is answered: 1 where the row goes right.
    n_planes : int
        How many planes there are.
    """
    board = _Board(PLANES + n_planes)
    select, inside_is_set = _conditions(code_trees, trees, plane + PLANES, board)
    one = np.where(inside_is_set, code_trees.inside, code_trees.outside)
    zero = np.where(inside_is_set, code_trees.outside, code_trees.inside)
    height, code = _codes(code_trees, select, one, zero, board)

    grown = code_trees.root >= 0
    at = code_trees.root[grown]
    piece_bits = np.zeros(len(code_trees.root), dtype=np.int32)
    piece_bits[grown] = height[at]
    piece_code = np.zeros((len(code_trees.root), MAX_BITS), dtype=np.int64)
    piece_code[grown] = code[at]
    first, leaf = _leaves(code_trees, piece_bits, height, one, zero, trees.n_leaves)
    piece_mux, level, (mux, if_set, if_clear), renamed = board.by_piece(len(code_trees.root))
    nodes = CodeNodes(code_trees.piece, height[:-1], renamed[select], one, zero)
    return Circuits(nodes, mux, if_set, if_clear, level, piece_mux, piece_bits, renamed[piece_code], first, leaf)


class _Board:
    """Where multiplexers are put as they are thought of."""

    def __init__(self, n_values: int) -> None:
        self.start = self.n_values = n_values
        self.parts: list[tuple[Array, Array, Array, Array]] = []

    def put(self, piece: Array, select: Array, if_set: Array, if_clear: Array) -> Array:
        """Multiplexers, and the numbers of what they give."""
        self.parts.append((piece, select, if_set, if_clear))
        self.n_values += len(piece)
        return np.arange(self.n_values - len(piece), self.n_values)

    def by_piece(self, n_pieces: int) -> tuple[Array, Array, tuple[Array, ...], Array]:
        """Where each piece's multiplexers begin, their levels and operands, and each value's new number."""
        level = np.zeros(self.n_values, dtype=np.int64)
        stop = self.start
        for piece, *operands in self.parts:
            start, stop = stop, stop + len(piece)
            level[start:stop] = 1 + np.maximum.reduce([level[values] for values in operands])
        empty = np.empty(0, dtype=np.int64)
        piece, *operands = (np.concatenate(parts) for parts in zip((empty,) * 4, *self.parts, strict=True))
        order = np.argsort(piece, kind="stable")
        renamed = np.arange(self.n_values, dtype=np.int32)
        renamed[self.start + order] = np.arange(self.start, self.n_values)
        piece_mux = np.searchsorted(piece[order], np.arange(n_pieces + 1))
        return piece_mux, level[self.start + order], tuple(renamed[values[order]] for values in operands), renamed


def _conditions(code_trees: CodeTrees, trees: Trees, plane: Array, board: _Board) -> tuple[Array, Array]:
    """What each node of a code tree asks for, and whether it is 1 where the condition holds, or where it does not.

    A path's conditions are found one from the other from its start. If the first node's side is the right one, its
    plane says where the condition holds, otherwise where it does not; the others follow suit, so that none has to
    be turned round.
    """
    length = code_trees.path_length
    first = np.cumsum(length) - length
    node, right = _paths(code_trees, trees, first)
    holds = right[first]
    value = plane[node]
    for k in range(1, int(length.max(initial=0))):
        longer = np.flatnonzero(length > k)
        at = first[longer] + k
        beside = np.where(holds[longer], ZERO, ONE)
        value[at] = board.put(
            code_trees.path_piece[longer],
            plane[node[at]],
            np.where(right[at], value[at - 1], beside),
            np.where(right[at], beside, value[at - 1]),
        )
    return value[first[code_trees.path] + code_trees.reach], holds[code_trees.path]


def _paths(code_trees: CodeTrees, trees: Trees, first: Array) -> tuple[Array, Array]:
    """The nodes of all paths, one path after the other, and on which side each goes on."""
    parent = np.full(trees.n_nodes + trees.n_leaves, -1)  # ~leaf counts from the end
    for children in (trees.left, trees.right):
        parent[children] = np.arange(trees.n_nodes)
    node = np.empty(int(code_trees.path_length.sum()), dtype=np.int64)
    right = np.empty(len(node), dtype=bool)
    below, at = code_trees.path_end, first + code_trees.path_length - 1
    while len(below):
        node[at] = here = parent[below]
        right[at] = trees.right[here] == below
        more = at > first
        below, at, first = here[more], at[more] - 1, first[more]
    return node, right


def _codes(code_trees: CodeTrees, select: Array, one: Array, zero: Array, board: _Board) -> tuple[Array, Array]:
    """Height of each node of the code trees, and its bits.

    A node of height h has bit h - 1 to itself, and takes each lower one from the child that uses it. Only where both do
    is there something to choose: for as many bits as the lower child is high. That is one more than both children's
    bits less the node's own, so that a code tree takes a multiplexer a node, less the number of its bits.
    """
    height = np.zeros(len(select) + 1, dtype=np.int64)  # the last one is any leaf's
    for group in reversed(code_trees.rounds):
        height[group] = 1 + np.maximum(height[np.maximum(one[group], -1)], height[np.maximum(zero[group], -1)])
    code = np.zeros((len(select) + 1, MAX_BITS), dtype=np.int64)
    for h in range(1, MAX_BITS + 1):
        node = np.flatnonzero(height == h)
        a, b = np.maximum(one[node], -1), np.maximum(zero[node], -1)
        for bit in range(h - 1):
            set_, clear = code[a, bit], code[b, bit]
            value = np.where(height[a] > bit, set_, clear)
            both = np.flatnonzero((height[a] > bit) & (height[b] > bit) & (set_ != clear))
            value[both] = board.put(code_trees.piece[node[both]], select[node[both]], set_[both], clear[both])
            code[node, bit] = value
        code[node, h - 1] = select[node]
    return height, code


def _leaves(
    code_trees: CodeTrees, bits: Array, height: Array, one: Array, zero: Array, n_leaves: int
) -> tuple[Array, Array]:
    """Where each piece's leaves begin, and the leaf of each code, -1 for one elsewhere."""
    size = 2 ** bits.astype(np.int64)
    first = np.cumsum(size) - size
    at = np.repeat(code_trees.root, size)
    code = np.arange(len(at)) - np.repeat(first, size)
    walking = np.flatnonzero(at >= 0)
    while len(walking):
        node = at[walking]
        at[walking] = np.where(code[walking] >> (height[node] - 1) & 1, one[node], zero[node])
        walking = walking[at[walking] >= 0]
    return first, np.where(at == ~n_leaves, -1, ~at).astype(np.int32)
