"""Traversal on the CPU: a forest's trees cut into blocks of nodes, as the kernel walks them.

A block holds up to 12 nodes of a tree in two cache lines. All of its questions are asked at once, and the answers
tell the exit: to another block, or to a leaf. What is cut where decides how many blocks a row passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.backends.cpu import slots
from sktensor.backends.cpu.codes import Codes, codes_structure, compile_codes
from sktensor.backends.cpu.cuts import EXITS, NODES, Cut, cut
from sktensor.errors import UnsupportedModelError
from sktensor.forest import Trees
from sktensor.native import abi

__all__ = ["BLOCK", "LinearLeaves", "TraversalTables", "compile", "refusal", "structure"]

Array = npt.NDArray[Any]

BLOCK = np.dtype(
    [
        ("key", np.uint32, NODES),
        ("code", np.uint8, NODES),
        ("n_blocks", np.uint32),
        ("care", np.uint16, EXITS),
        ("want", np.uint16, EXITS),
        ("first", np.uint32, 2),
        ("reserved", np.uint32),
    ]
)
CACHE_LINE = 64

HIGHEST = 0xFFFFFFFF  # the key that no code exceeds
NARROW_SLOTS = 2**8  # which 8 bits number
MOST_VALUES = 2**16


@dataclass(frozen=True)
class LinearLeaves:
    """Leaves that are linear functions, in the order of the kernel's leaves."""

    first: Array  # int32 (L + 1,)
    column: Array  # int32
    coef: Array  # float64
    const: Array  # float64 (L,)


@dataclass(frozen=True)
class TraversalTables:
    """A forest's trees as blocks, by output, each with its leaves in the order in which its blocks lead to them."""

    n_columns: int  # of X
    codes: Codes
    blocks: Array  # BLOCK (B,), 64-byte aligned: the roots of all trees, then each tree's others
    wide_code: Array | None  # uint16 (B, 12)
    block_node: Array  # int32 (B,): the forest's node that a block begins with
    top_node: Array  # int32: its nodes in blocks at the top of trees
    top_block: Array  # int64: their blocks
    tree_block: Array  # int64 (T + 1,): where a tree's other blocks begin
    tree_leaf: Array  # int64 (T + 1,)
    tree_output: Array  # int32 (T,)
    tree_number: Array  # int32 (T,): the forest's number of a tree
    leaf: Array  # int32 (L,): the forest's number of a leaf
    value_number: Array | None  # uint16 (L,): a leaf's entry of `values`, which stand in the order of leaves without it
    values: Array  # acc dtype (V, 1) or (V, K)
    linear: LinearLeaves | None
    base: Array  # acc dtype (K,)


def refusal(trees: Trees) -> str:
    """Why the kernel cannot run a forest, as far as that is known before tables are compiled; or an empty text."""
    if trees.lin_off is not None and trees.acc_dtype != "float64":
        return f"linear leaves are added in float64, not in {trees.acc_dtype}"
    return slots.refusal(trees)


def compile(trees: Trees, rows_dtype: str) -> TraversalTables:
    """Cut the trees of a forest into blocks.

    Parameters
    ----------
    trees : Trees
        Whose leaves and sums are asked for.
    rows_dtype : {"float32", "float64"}
        The dtype of the rows. Where features are float64, rows of float32 have simpler codes: the thresholds rounded
        to float32 such that no comparison of a float32 changes. Where features are float32 it makes no difference.

    Returns
    -------
    TraversalTables

    Raises
    ------
    ValueError
        For what :func:`refusal` says.
    UnsupportedModelError
        If `forest.aggregate` is not ``"sum"``.
    """
    if trees.aggregate != "sum":
        raise UnsupportedModelError(f"Trees.aggregate={trees.aggregate!r} is not covered yet; only 'sum' is.")
    if why := refusal(trees):
        raise ValueError(f"The CPU kernel cannot walk this forest: {why}. Use backend='torch'.")
    codes, slot, key = compile_codes(trees, rows_dtype)

    target = np.maximum(trees.tree_target, 0)
    tree_number = np.argsort(target, kind="stable").astype(np.int32)
    made = cut(trees, trees.root[tree_number])
    # Roots first, as the cut has them; the children of a block stay side by side.
    others = np.argsort(made.tree[trees.n_trees :], kind="stable")
    order = np.concatenate([np.arange(trees.n_trees), trees.n_trees + others])
    blocks, wide_code, tree_block, tree_leaf, leaf = _blocks(made, order, slot, key, trees.n_trees, codes.n_slots)
    member = made.member[order]
    top_block, place = np.nonzero((member >= 0) & made.is_top[order, None])
    linear = _linear(trees, leaf)
    values = trees.leaf_value[leaf]
    value_number, values = (None, values) if linear else _distinct(values)
    return TraversalTables(
        n_columns=trees.n_columns,
        codes=codes,
        blocks=blocks,
        wide_code=wide_code,
        block_node=np.ascontiguousarray(member[:, 0]),
        top_node=member[top_block, place],
        top_block=top_block,
        tree_block=tree_block,
        tree_leaf=tree_leaf,
        tree_output=target[tree_number].astype(np.int32),
        tree_number=tree_number,
        leaf=leaf,
        value_number=value_number,
        values=values,
        linear=linear,
        base=trees.base,
    )


# ------------------------------------------------------------------------------------------------------------ blocks


def _blocks(
    cut: Cut, order: Array, slot: Array, key: Array, n_trees: int, n_slots: int
) -> tuple[Array, Array | None, Array, Array, Array]:
    """The blocks in this order, their wide codes, where trees' other blocks and leaves begin, and the leaves."""
    number = np.empty(len(order) + 1, dtype=np.int64)
    number[order] = np.arange(len(order))
    number[-1] = 0  # for blocks without children that stand last

    member, used = cut.member[order], cut.used[order]
    lane = np.arange(EXITS, dtype=np.int16)
    kind = np.where(lane < used[:, None], cut.exit[order] < 0, 2).astype(np.int16)
    by_kind = np.sort(kind * 16 + lane, axis=1)  # to blocks, to leaves, nowhere
    kind, lanes = by_kind >> 4, by_kind & 15
    at = order[:, None] * EXITS + lanes
    n_blocks, n_leaves = np.count_nonzero(kind == 0, axis=1), np.count_nonzero(kind == 1, axis=1)
    by_tree = np.argsort(cut.tree[order], kind="stable")
    leaf_begin = np.empty(len(order), dtype=np.int64)
    leaf_begin[by_tree] = np.cumsum(n_leaves[by_tree]) - n_leaves[by_tree]

    blocks = _aligned(len(order))
    blocks["key"] = np.append(key, np.uint32(HIGHEST))[member]
    code = np.append(slot, 0)[member]
    wide = n_slots > NARROW_SLOTS
    blocks["code"] = 0 if wide else code
    blocks["n_blocks"] = n_blocks
    blocks["care"] = np.where(kind == 2, 0, cut.care.ravel()[at])
    blocks["want"] = np.where(kind == 2, 0xFFFF, cut.want.ravel()[at])
    blocks["first"][:, 0] = np.where(n_blocks > 0, number[np.minimum(cut.child[order], len(order))], 0)
    blocks["first"][:, 1] = (len(order) + leaf_begin - n_blocks) % 2**32
    leaf = ~cut.exit.ravel()[at[by_tree]][kind[by_tree] == 1]

    tree_block = n_trees + np.searchsorted(cut.tree[order[n_trees:]], np.arange(n_trees + 1))
    tree_leaf = np.append(leaf_begin[:n_trees], len(leaf))
    wide_code = code.astype(np.uint16) if wide else None
    return blocks, wide_code, tree_block.astype(np.int64), tree_leaf, leaf


def _aligned(n: int) -> Array:
    """Empty blocks that begin where a cache line does."""
    room = np.zeros(n * BLOCK.itemsize + CACHE_LINE, dtype=np.uint8)
    begin = -room.ctypes.data % CACHE_LINE
    return room[begin : begin + n * BLOCK.itemsize].view(BLOCK)


def _distinct(values: Array) -> tuple[Array | None, Array]:
    """Each leaf's number among the distinct values and these; or all values as they are, where most are distinct.

    Fully grown trees of a classifier have as many distinct leaves as classes, which then stay in the cache.
    """
    as_bits = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
    hashed = np.zeros(len(values), dtype=np.uint64)
    for column in as_bits.T:
        hashed = (hashed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
    found = np.unique(hashed)
    if len(found) > min(len(values) // 8, MOST_VALUES):
        return None, values
    number = np.searchsorted(found, hashed)
    example = np.empty(len(found), dtype=np.int64)
    example[number] = np.arange(len(values))
    if not np.array_equal(as_bits[example[number]], as_bits):  # two values of one hash
        return None, values
    return number.astype(np.uint16), values[example]


def _linear(trees: Trees, leaf: Array) -> LinearLeaves | None:
    """The forest's linear leaves in the order of `leaf`."""
    if trees.lin_off is None:
        return None
    assert trees.lin_feature is not None and trees.lin_coef is not None and trees.lin_const is not None
    count = np.diff(trees.lin_off)[leaf]
    first = np.concatenate([[0], np.cumsum(count)])
    term = np.arange(first[-1]) + np.repeat(trees.lin_off[leaf] - first[:-1], count)
    return LinearLeaves(
        first=first.astype(np.int32),
        column=trees.lin_feature[term],
        coef=trees.lin_coef[term],
        const=trees.lin_const[leaf],
    )


# --------------------------------------------------------------------------------------------------------- structure


def structure(tables: TraversalTables) -> abi.TraversalStructure:
    """The tables as the kernel reads them.

    Parameters
    ----------
    tables : TraversalTables
        What :func:`compile` gave.

    Returns
    -------
    abi.TraversalStructure
        Keeps the arrays that it points to alive.
    """
    linear = tables.linear
    return abi.filled(
        abi.TraversalStructure,
        codes=codes_structure(tables.codes, tables.n_columns),
        n_trees=len(tables.tree_number),
        blocks=tables.blocks,
        wide_code=tables.wide_code,
        n_blocks=len(tables.blocks),
        tree_block=tables.tree_block,
        tree_leaf=tables.tree_leaf,
        tree_output=tables.tree_output,
        leaf=tables.leaf,
        n_leaf_outputs=tables.values.shape[1],
        value_number=tables.value_number,
        values=tables.values,
        n_values=len(tables.values),
        n_leaves=len(tables.leaf),
        linear_first=None if linear is None else linear.first,
        linear_column=None if linear is None else linear.column,
        linear_coef=None if linear is None else linear.coef,
        linear_const=None if linear is None else linear.const,
        sum=abi.filled(
            abi.SumStructure,
            base=tables.base,
            acc_dtype=abi.DTYPES[tables.base.dtype.name],
            n_outputs=len(tables.base),
        ),
    )
