"""The tops of trees as circuits, which take many rows down their first levels before traversal on the CPU goes on.

A block of nodes takes as long for every row that passes it; a circuit takes as long for 512 rows as for one, by the
number of its nodes. So the blocks that a twentieth of a tree's rows or more pass are a circuit besides, which takes
them all to the blocks below.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.backends.cpu import bitsliced as cpu_bitsliced
from sktensor.backends.cpu.partitions import partitions_by_questions
from sktensor.backends.cpu.traversal import TraversalTables
from sktensor.forest import Trees
from sktensor.forest.transform import take_trees
from sktensor.native import abi
from sktensor.strategies import bitsliced
from sktensor.strategies.auto import TABLE_LIMIT
from sktensor.strategies.ranks import compile_ranks

__all__ = ["LEAST_ROWS", "attach", "pay", "structures"]

Array = npt.NDArray[Any]

LEAST_ROWS = 1000  # of a call: with fewer, what circuits save is less than their tables take to come into the cache
LEAST_NODES = 64  # a tree: smaller ones have few blocks below
TOP_NODES = 120  # about as many as a tree of thousands has at the top
MOST_COLUMNS = 3  # for each tree of a circuit: to search a column takes as long as a third of a block

# Questions whose answers lie in the cache together, beside the codes of the rows and a tree.
MOST_QUESTIONS = 8192
MOST_TREES = 96  # of a circuit: each has a byte or two for every row at hand


def pay(trees: Trees) -> bool:
    """Whether circuits for the tops of trees are faster than their blocks."""
    in_one = min(trees.n_trees, MOST_QUESTIONS // TOP_NODES)
    large, narrow = trees.n_nodes >= LEAST_NODES * trees.n_trees > 0, len(trees.used_columns) <= MOST_COLUMNS * in_one
    return large and narrow and cpu_bitsliced.answer_bytes(trees) <= TABLE_LIMIT


def structures(trees: Trees, tables: TraversalTables) -> list[abi.BitslicedStructure]:
    """Circuits for the tops of trees, for some trees after the others.

    Parameters
    ----------
    trees : Trees
        A forest's.
    tables : TraversalTables
        What traversal compiled from them.

    Returns
    -------
    list of abi.BitslicedStructure
        In the order of the tables.
    """
    tops = _tops(trees, tables)
    _, column, rank = compile_ranks(tops)
    partitions = partitions_by_questions(tops, column.astype(np.int64) << 32 | rank, MOST_QUESTIONS)
    parts = [numbers[i : i + MOST_TREES] for numbers in partitions for i in range(0, len(numbers), MOST_TREES)]
    return [_structure(take_trees(tops, numbers)) for numbers in parts]


def attach(structure: abi.TraversalStructure, found: list[abi.BitslicedStructure]) -> Any:
    """Have traversal begin with these circuits; returns what has to be kept as long as it does."""
    structure.tops = array = (abi.BitslicedStructure * len(found))(*found)
    structure.n_tops = len(found)
    return array, found


def _structure(tops: Trees) -> abi.BitslicedStructure:
    """Circuits of some tops. A piece without a row's exit answers with 0, the root: the highest answer counts."""
    structure = cpu_bitsliced.structure(tops, *bitsliced.compile_circuits(tops), value_dtype=np.uint8)
    structure.value_bytes = None  # nothing is added
    return structure


def _tops(trees: Trees, tables: TraversalTables) -> Trees:
    """Trees of the nodes at the top, in the order of the tables.

    A leaf's value says where a row goes on that comes to it: 0 at the root, or else one more than the number of a
    block among the tree's others. Those come generation by generation, and the first ones are few.
    """
    order = np.argsort(tables.top_node)
    node, holder = tables.top_node[order], tables.top_block[order]
    number = np.full(trees.n_nodes, -1, dtype=np.int32)
    number[node] = np.arange(len(node))
    block = np.zeros(trees.n_nodes, dtype=np.int64)  # that begins with a node
    is_one = tables.block_node >= 0
    block[tables.block_node[is_one]] = np.flatnonzero(is_one)

    child = np.concatenate([trees.left[node], trees.right[node], trees.root[tables.tree_number]])
    start = np.concatenate([holder, holder, np.arange(trees.n_trees)])  # of leaves: their blocks
    start[child >= 0] = block[child[child >= 0]]
    inner = np.full(len(child), -1, dtype=np.int32)
    inner[child >= 0] = number[child[child >= 0]]
    (exits,) = np.nonzero(inner < 0)
    inner[exits] = ~np.arange(len(exits), dtype=np.int32)
    left, right, root = np.split(inner, [len(node), 2 * len(node)])
    tree = np.searchsorted(tables.tree_block, start[exits], side="right") - 1  # of blocks that are no roots
    value = np.where(start[exits] < trees.n_trees, 0, start[exits] + 1 - tables.tree_block[tree])

    def of_nodes(values: Array | None) -> Array | None:
        return None if values is None else values[node]

    return replace(
        trees,
        n_outputs=trees.n_trees,
        acc_dtype="float32",
        feature=trees.feature[node],
        threshold=trees.threshold[node],
        left=left,
        right=right,
        nan_left=trees.nan_left[node],
        zero_dir=of_nodes(trees.zero_dir),
        is_cat=of_nodes(trees.is_cat),
        cat_off=of_nodes(trees.cat_off),
        cat_words=of_nodes(trees.cat_words),
        oov_left=of_nodes(trees.oov_left),
        cover=None,
        root=root,
        tree_target=np.arange(trees.n_trees, dtype=np.int32),
        tree_weight=None,
        leaf_id=np.arange(len(exits)),
        leaf_value=value[:, None],
        lin_off=None,
        lin_feature=None,
        lin_coef=None,
        lin_const=None,
        base=np.zeros(trees.n_trees, dtype=np.float32),
    )
