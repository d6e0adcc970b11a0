"""Walking on the CPU: nodes that compare values of X themselves, for few trees over many columns.

The other kernels make codes of all columns that the forest uses before any tree is asked, which pays when many trees
look at them. A tree of a row looks at as many values as it is deep, and this kernel reads no others.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.backends.cpu import bitsliced as cpu_bitsliced
from sktensor.backends.cpu.kernels import Calls, Tables, _kernels, _like
from sktensor.forest import Forest
from sktensor.forest.structure import levels
from sktensor.inputs.rows import Rows
from sktensor.native import abi

__all__ = ["WalkKernel", "refusal", "structure"]

Array = npt.NDArray[Any]


def refusal(forest: Forest) -> str:
    """Why the kernel cannot run a forest, or an empty text."""
    if forest.aggregate != "sum" or forest.lin_off is not None or forest.derived_key is not None:
        return "it walks to constant leaves, over columns of X"
    if forest.is_cat is not None and forest.is_cat.any():
        return "it knows no categories"
    if forest.zero_dir is not None and (forest.zero_dir >= 0).any():
        return "it knows no sides for zero"
    return ""


def structure(forest: Forest) -> abi.WalkStructure:
    """A forest's trees as the kernel reads them: every node stands behind its parent."""
    levels_of_nodes = [node[node >= 0] for _, node in levels(forest.root, forest.left, forest.right)]
    order = np.concatenate([*levels_of_nodes, np.empty(0, np.int32)])
    number = np.empty(forest.n_nodes + 1, dtype=np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)

    def renumbered(at: Array) -> Array:
        return np.where(at >= 0, number[np.maximum(at, 0)], at).astype(np.int32)

    nodes = np.zeros(len(order), dtype=abi.NODE)
    nodes["threshold"], nodes["column"] = forest.threshold[order], forest.feature[order]
    nodes["child"][:, 0], nodes["child"][:, 1] = renumbered(forest.left[order]), renumbered(forest.right[order])
    nodes["missing_right"] = ~forest.nan_left[order]
    return abi.filled(
        abi.WalkStructure,
        n_columns=forest.n_columns,
        right_if_equal=forest.cmp == "lt",
        n_trees=forest.n_trees,
        nodes=nodes,
        n_nodes=len(nodes),
        root=renumbered(forest.root),
        tree_output=np.maximum(forest.tree_target, 0).astype(np.int32),
        n_leaf_outputs=forest.leaf_value.shape[1],
        values=np.ascontiguousarray(forest.leaf_value),
        n_leaves=forest.n_leaves,
        sum=cpu_bitsliced.sum_structure(forest),
    )


class WalkKernel:
    """Sums and leaves of a forest's trees by walking them, comparing the values of X.

    Parameters
    ----------
    forest : Forest
        What to run.
    """

    def __init__(self, forest: Forest) -> None:
        self._forest = forest
        self._calls = Calls(forest)
        self._tables = [Tables("walk", structure(forest), forest)]

    def total(self, rows: Rows, rows_per_batch: int, n_threads: int, start: Array | None = None) -> Any:
        """The sum over trees, shape (n, K): a tensor where the rows are one, otherwise a numpy array."""
        return self._calls.sums(self._tables, rows, n_threads, start)

    def leaves(self, rows: Rows, rows_per_batch: int, n_threads: int) -> Any:
        """The library's leaf numbers, int32, shape (n, T)."""
        out = np.empty((len(rows), self._forest.n_trees), dtype=np.int32)
        (tables,) = self._calls.fitting(self._tables, rows)
        self._calls.run([partial(_kernels().walk_leaves, tables.address)], rows, out, n_threads)
        return _like(rows, self._forest.leaf_id[out])
