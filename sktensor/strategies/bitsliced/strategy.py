"""Bit-sliced evaluation: a bit for each row and question, and trees as circuits over words of such bits.

Every distinct question of the forest is answered once, as a plane of one bit a row. Multiplexers then find the bits of
each leaf's code, 64 rows at a time in a word, and a table has the leaf. What a row costs grows with the number of
nodes, not with their depth, and no step depends on where a row goes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from sktensor.forest import Trees
from sktensor.strategies.bitsliced.circuits import ONE, PLANES, ZERO, Circuits, CodeNodes, wire
from sktensor.strategies.bitsliced.code_trees import grow
from sktensor.strategies.costs import Cost, Shape
from sktensor.strategies.ranks import Ranked, RankTables, compile_ranks, encode
from sktensor.strategies.tables import Array

if TYPE_CHECKING:
    import torch

__all__ = ["BitslicedTables", "CircuitTables", "Level", "Turn", "compile", "compile_circuits", "cost", "run"]

# Look-ups in tables for codes of 0 to 8 bits, in multiplexers: AVX-512 takes half a cycle for one of these and 64
# rows, and so many for the look-ups of 64 rows.
LOOKUP = {"float32": (30,) * 7 + (32, 48), "float64": (80,) * 8 + (112,)}

# Trees of more leaves are refused: each takes a multiplexer a node for every row, where walking takes a step a level.
MOST_LEAVES = 1024

NODE_NS = 0.12
PIECE_NS = 2.5

# Planes that are made at once, whose answers take a byte a row before they are packed into bits; multiplexers at once,
# so that what they give is still in the cache when it is written.
PLANES_AT_ONCE = 1024
MUXES_AT_ONCE = 4096


@dataclass(frozen=True)
class Level:
    """Multiplexers that depend only on those of earlier levels. Values are numbered in the order of levels."""

    select: Array  # int32 (O_level,)
    if_set: Array  # int32
    if_clear: Array  # int32


@dataclass(frozen=True)
class Turn:
    """Pieces beyond the first of trees that have so many."""

    tree: Array  # int32
    piece: Array  # int32, one of each tree


@dataclass(frozen=True)
class CircuitTables:
    """Planes, multiplexers and leaves of P pieces of trees.

    Values are numbered: 0 all zeros, 1 all ones, then the D planes, then what the O multiplexers give. A plane is 1
    where a row goes right. Multiplexers of a piece are contiguous, and refer to planes, constants and earlier ones of
    their own piece.
    """

    ranks: RankTables
    plane_column: Array  # int32 (D,): plane d is codes[plane_column[d]] > plane_rank[d]
    plane_rank: Array  # int32 (D,)
    select: Array  # int32 (O,)
    if_set: Array  # int32 (O,)
    if_clear: Array  # int32 (O,)
    piece_mux: Array  # int64 (P + 1,): where the piece's multiplexers begin
    piece_tree: Array  # int32 (P,): ascending
    piece_bits: Array  # int32 (P,): 0 to 8
    piece_code: Array  # int32 (P, 8): values of the code's bits, lowest first; 0 beyond piece_bits
    piece_first: Array  # int64 (P,): where the piece's 2**bits leaves begin
    leaf: Array  # int32: forest's number of the leaf, -1 where the row's leaf is in another piece of the tree


@dataclass(frozen=True)
class BitslicedTables(CircuitTables):
    """The same circuits, also in the order in which torch evaluates them."""

    levels: tuple[Level, ...]
    code: Array  # int32 (8 * P,): values of the codes' lowest bits, then of the next ones, numbered as in the levels
    tree_piece: Array  # int32 (T,): each tree's first piece
    turns: tuple[Turn, ...]


def compile_circuits(trees: Trees, ranked: Ranked | None = None) -> tuple[CircuitTables, CodeNodes]:
    """Lay out the forest, whose ranks may be known, as circuits; and the code trees whose codes they find."""
    tables, circuits = _laid_out(trees, ranked or compile_ranks(trees))
    return tables, circuits.nodes


def _laid_out(trees: Trees, ranked: Ranked) -> tuple[CircuitTables, Circuits]:
    ranks, column, rank = ranked
    plane_column, plane_rank, plane = _distinct(column, rank)
    # A look-up of a vector is one of each of its values; in proportion, nothing changes beyond a few of them.
    lookup = np.array(LOOKUP[trees.acc_dtype]) * min(trees.leaf_value.shape[1], 16)
    code_trees = grow(trees, lookup)
    circuits = wire(code_trees, trees, plane, len(plane_column))
    tables = CircuitTables(
        ranks=ranks,
        plane_column=plane_column,
        plane_rank=plane_rank,
        select=circuits.select,
        if_set=circuits.if_set,
        if_clear=circuits.if_clear,
        piece_mux=circuits.piece_mux,
        piece_tree=code_trees.tree.astype(np.int32),
        piece_bits=circuits.piece_bits,
        piece_code=circuits.piece_code,
        piece_first=circuits.piece_first,
        leaf=circuits.leaf,
    )
    return tables, circuits


def compile(trees: Trees) -> BitslicedTables:
    """Lay out the forest as circuits, and in the order in which torch evaluates them."""
    tables, circuits = _laid_out(trees, compile_ranks(trees))
    levels, value = _levels(circuits, PLANES + len(tables.plane_rank))
    tree_piece, turns = _turns(tables.piece_tree, trees.n_trees)
    return BitslicedTables(
        **{each.name: getattr(tables, each.name) for each in fields(tables)},
        levels=levels,
        code=value[circuits.piece_code.T.ravel()],
        tree_piece=tree_piece,
        turns=turns,
    )


def _distinct(column: Array, rank: Array) -> tuple[Array, Array, Array]:
    """Columns and ranks of the distinct questions, sorted, and which of them each node asks."""
    questions, plane = np.unique(column.astype(np.int64) << 32 | rank, return_inverse=True)
    return (questions >> 32).astype(np.int32), (questions & 0xFFFFFFFF).astype(np.int32), plane


def _levels(circuits: Circuits, first: int) -> tuple[tuple[Level, ...], Array]:
    """The multiplexers level by level, and each value's number in that order; theirs start with `first`."""
    order = np.argsort(circuits.level, kind="stable")
    value = np.arange(first + len(order), dtype=np.int32)
    value[first + order] = value[first:].copy()  # of what it overwrites; before NumPy 2.1 it would read what it wrote
    levels = np.split(order, np.flatnonzero(np.diff(circuits.level[order])) + 1)
    parts = [level[i : i + MUXES_AT_ONCE] for level in levels for i in range(0, len(level), MUXES_AT_ONCE)]
    operands = circuits.select, circuits.if_set, circuits.if_clear
    return tuple(Level(*(value[numbers[part]] for numbers in operands)) for part in parts), value


def _turns(piece_tree: Array, n_trees: int) -> tuple[Array, tuple[Turn, ...]]:
    """The first piece of each tree, then those that have a second one, a third one, and so on."""
    first = np.searchsorted(piece_tree, np.arange(n_trees)).astype(np.int32)
    turn = np.arange(len(piece_tree)) - first[piece_tree]
    pieces = [np.flatnonzero(turn == i).astype(np.int32) for i in range(1, turn.max(initial=0) + 1)]
    return first, tuple(Turn(piece_tree[piece].astype(np.int32), piece) for piece in pieces)


def cost(shape: Shape) -> Cost:
    """What it would take: a multiplexer a node, and look-ups in tables that hold some hundred leaves each."""
    if shape.n_leaves.max(initial=0) > MOST_LEAVES:
        return Cost(table_bytes=np.inf, row_bytes=0.0, kernels=np.inf, row_ns=np.inf)
    n_nodes = float(np.sum(shape.n_leaves - 1))
    n_pieces = float(np.sum(-(-shape.n_leaves // 100)))
    return Cost(
        table_bytes=30.0 * n_nodes + 600.0 * n_pieces,
        row_bytes=4.0 * PLANES_AT_ONCE + 0.2 * n_nodes + 20.0 * n_pieces,
        kernels=45.0 + 8.0 * float(shape.depth.max(initial=0)) + n_nodes / 170.0,
        row_ns=NODE_NS * n_nodes + PIECE_NS * n_pieces,
    )


def run(tables: BitslicedTables, X: torch.Tensor) -> torch.Tensor:
    """Leaf that each row reaches in each tree.

    Parameters
    ----------
    tables : BitslicedTables
        With tensors for arrays.
    X : torch.Tensor, shape (n, F)
        In the forest's feature dtype, missing values as NaN.

    Returns
    -------
    torch.Tensor of int32, shape (T, n)
        Numbers of the forest's leaves.
    """
    import torch

    n, P = X.shape[0], len(tables.piece_tree)
    w = n // 64 + 2  # one word more than rows may need: torch.export would take a single one for a rule
    values = _planes(tables, torch.nn.functional.pad(encode(tables.ranks, X), (0, 64 * w - n)))
    done = PLANES + len(tables.plane_rank)
    for level in tables.levels:
        set_, clear = values.index_select(0, level.if_set), values.index_select(0, level.if_clear)
        found = clear ^ (values.index_select(0, level.select) & (set_ ^ clear))
        values[done : done + len(found)] = found
        done += len(found)
    code = _transposed(values.index_select(0, tables.code).view(8, P, w)).view(torch.uint8)
    # Padded by a negative number: for a slice, torch.export would have to prove that n <= 64 * w.
    code = torch.nn.functional.pad(code.view(P, 64 * w), (0, n - 64 * w))
    at = torch.add(code, tables.piece_first.to(torch.int32).unsqueeze(1))
    leaves = tables.leaf.index_select(0, at.flatten()).view(P, n)
    if not tables.turns:
        return leaves
    whole = leaves.index_select(0, tables.tree_piece)
    for turn in tables.turns:  # one piece has the leaf, and the tree's others -1
        tree = turn.tree.to(torch.int64)
        found = torch.maximum(whole.index_select(0, tree), leaves.index_select(0, turn.piece))
        whole = whole.index_copy(0, tree, found)
    return whole


def _planes(tables: BitslicedTables, codes: torch.Tensor) -> torch.Tensor:
    """Words for all values, int64 (2 + D + O, w), of which the constants and planes are there.

    The eight rows of a byte lie 8 * w apart, so that neither packing them nor unpacking the codes moves a row.
    """
    import torch

    n_planes, w = len(tables.plane_rank), codes.shape[1] // 64
    values = torch.empty((PLANES + n_planes + len(tables.select), w), dtype=torch.int64, device=codes.device)
    values[ZERO], values[ONE] = 0, -1
    for start in range(0, n_planes, PLANES_AT_ONCE):
        stop = min(start + PLANES_AT_ONCE, n_planes)
        column, rank = tables.plane_column[start:stop], tables.plane_rank[start:stop]
        # Ranks in full: against a column that is broadcast, torch compares 15 times more slowly on CPUs.
        answers = codes.index_select(0, column) > rank.to(codes.dtype).unsqueeze(1).repeat(1, codes.shape[1])
        packed, *others = answers.view(torch.int64).view(stop - start, 8, w).unbind(1)
        for bit, rows in enumerate(others, 1):
            packed = packed | rows << bit
        values[PLANES + start : PLANES + stop] = packed
    return values


def _transposed(words: torch.Tensor) -> torch.Tensor:
    """Words (P, 8, w) whose byte number i has in bit r what byte i of word k had, in bit k what it had in bit r.

    After "Transposing a Bit Matrix" in Warren, Hacker's Delight: halves of each 8 x 8 matrix change places, then
    quarters, then single bits.
    """
    import torch

    parts = list(words.unbind(0))
    for width, mask in ((4, 0x0F0F0F0F0F0F0F0F), (2, 0x3333333333333333), (1, 0x5555555555555555)):
        upper = [k for k in range(8) if not k & width]
        low, high = torch.cat([parts[k] for k in upper]), torch.cat([parts[k + width] for k in upper])
        swapped = ((low >> width) ^ high) & mask
        low, high = low ^ (swapped << width), high ^ swapped
        for k, a, b in zip(upper, low.chunk(4), high.chunk(4), strict=True):
            parts[k], parts[k + width] = a, b
    return torch.stack(parts, 1)
