"""The paths from the roots of a forest to its leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Forest
from sktensor.inputs.rows import as_rows
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

__all__ = ["Paths"]

Array = npt.NDArray[Any]


class Paths:
    """The paths from the roots of a forest to its leaves."""

    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        links, inner = np.concatenate([forest.trees.left, forest.trees.right]), np.tile(np.arange(forest.n_nodes), 2)
        self._above_node = np.full(forest.n_nodes, -1)
        self._above_leaf = np.full(forest.n_leaves, -1)
        self._above_node[links[links >= 0]] = inner[links >= 0]
        self._above_leaf[~links[links < 0]] = inner[links < 0]

    def leaves(self, X: Array) -> Array:
        """Numbers of the leaves in the forest's arrays, shape (n, T)."""
        numbered = self.forest.replace(leaf_id=np.arange(self.forest.n_leaves))
        found: Array = Program(numbered).leaves(as_rows(X, numbered), Settings())
        return found

    def to(self, leaf: int) -> list[int]:
        """The nodes from a leaf's root down to the leaf."""
        nodes = []
        node = self._above_leaf[leaf]
        while node >= 0:
            nodes.append(int(node))
            node = self._above_node[node]
        return nodes[::-1]

    def is_category(self, node: int) -> bool:
        """Whether a node asks for a set of categories."""
        return self.forest.trees.is_cat is not None and bool(self.forest.trees.is_cat[node])
