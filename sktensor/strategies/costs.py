"""What a strategy would cost a forest, told from the trees' shapes alone, before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Trees
from sktensor.forest.structure import levels

__all__ = ["Cost", "Shape"]


@dataclass(frozen=True)
class Shape:
    """Depths and leaf counts of a forest's trees."""

    depth: npt.NDArray[Any]
    n_leaves: npt.NDArray[Any]

    @classmethod
    def of(cls, trees: Trees) -> Shape:
        """The shape of a forest."""
        depth = np.zeros(trees.n_trees, dtype=np.int64)
        n_leaves = np.zeros(trees.n_trees, dtype=np.int64)
        for level, (tree, node) in enumerate(levels(trees.root, trees.left, trees.right)):
            depth[tree] = level
            n_leaves += np.bincount(tree[node < 0], minlength=trees.n_trees)
        return cls(depth, n_leaves)


@dataclass(frozen=True)
class Cost:
    """Memory in bytes, and time in nanoseconds of one CPU core."""

    table_bytes: float
    row_bytes: float  # temporary memory a row in flight
    kernels: float  # tensor operations a batch, whatever its size
    row_ns: float  # work a row
