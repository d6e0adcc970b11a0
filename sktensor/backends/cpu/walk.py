"""Walking on the CPU: nodes that compare values of X themselves, for few trees over many columns.

The other kernels make codes of all columns that the forest uses before any tree is asked, which pays when many trees
look at them. A tree of a row looks at as many values as it is deep, and this kernel reads no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.backends.cpu import bitsliced as cpu_bitsliced
from sktensor.backends.cpu.kernels import Calls, Tables, _like
from sktensor.forest import Forest, Trees
from sktensor.forest.structure import levels
from sktensor.inputs.rows import Rows
from sktensor.native import abi

__all__ = ["WalkKernel", "refusal", "structure"]

Array = npt.NDArray[Any]


def refusal(trees: Trees) -> str:
    """Why the kernel cannot run a forest, or an empty text."""
    if trees.aggregate != "sum" or trees.lin_off is not None:
        return "it walks to constant leaves"
    if trees.is_cat is not None and trees.is_cat.any():
        return "it knows no categories"
    if trees.zero_dir is not None and (trees.zero_dir >= 0).any():
        return "it knows no sides for zero"
    return ""


def structure(trees: Trees) -> abi.WalkStructure:
    """A forest's trees as the kernel reads them: every node stands behind its parent."""
    levels_of_nodes = [node[node >= 0] for _, node in levels(trees.root, trees.left, trees.right)]
    order = np.concatenate([*levels_of_nodes, np.empty(0, np.int32)])
    number = np.empty(trees.n_nodes + 1, dtype=np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)

    def renumbered(at: Array) -> Array:
        return np.where(at >= 0, number[np.maximum(at, 0)], at).astype(np.int32)

    nodes = np.zeros(len(order), dtype=abi.NODE)
    nodes["threshold"], nodes["column"] = trees.threshold[order], trees.feature[order]
    nodes["child"][:, 0], nodes["child"][:, 1] = renumbered(trees.left[order]), renumbered(trees.right[order])
    nodes["missing_right"] = ~trees.nan_left[order]
    return abi.filled(
        abi.WalkStructure,
        n_columns=trees.n_columns,
        right_if_equal=trees.cmp == "lt",
        n_trees=trees.n_trees,
        nodes=nodes,
        n_nodes=len(nodes),
        root=renumbered(trees.root),
        tree_output=np.maximum(trees.tree_target, 0).astype(np.int32),
        n_leaf_outputs=trees.leaf_value.shape[1],
        values=np.ascontiguousarray(trees.leaf_value),
        n_leaves=trees.n_leaves,
        sum=cpu_bitsliced.sum_structure(trees),
    )


class WalkKernel:
    """Sums and leaves of a forest's trees by walking them, comparing the values of X.

    Parameters
    ----------
    forest : Forest
        What to run.
    """

    def __init__(self, forest: Forest) -> None:
        self._leaf_id = forest.trees.leaf_id
        self._n_trees = forest.n_trees
        self._calls = Calls(forest)
        self._tables = [Tables("walk", structure(forest.trees))]

    def total(self, rows: Rows, rows_per_batch: int, n_threads: int, start: Array | None = None) -> Any:
        """The sum over trees, shape (n, K): a tensor where the rows are one, otherwise a numpy array."""
        return self._calls.sums(self._tables, rows, n_threads, start)

    def tables_in_place(self, n_rows: int, dtype: str) -> Sequence[Tables]:
        """The tables for rows that are read where they lie, which continue each other's sums."""
        return self._tables

    def leaves(self, rows: Rows, rows_per_batch: int, n_threads: int) -> Any:
        """The library's leaf numbers, int32, shape (n, T)."""
        out = np.empty((len(rows), self._n_trees), dtype=np.int32)
        (tables,) = self._calls.fitting(self._tables, rows)
        self._calls.run([partial(self._calls.kernels.walk_leaves, tables.address)], rows, out, n_threads)
        return _like(rows, self._leaf_id[out])
