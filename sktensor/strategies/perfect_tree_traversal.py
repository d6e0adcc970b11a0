"""Perfect tree traversal: trees filled up to perfect ones, so that a step is ``2 * node + (code > rank)``.

After Hummingbird's strategy of that name, with trees bucketed by depth: each is filled up to its own depth only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sktensor.forest import Trees
from sktensor.forest.structure import tree_depths
from sktensor.strategies.buckets import Tables, compile_buckets, run_buckets
from sktensor.strategies.costs import Cost, Shape
from sktensor.strategies.ranks import compile_ranks
from sktensor.strategies.tables import Array

if TYPE_CHECKING:
    import torch

__all__ = ["Bucket", "Tables", "compile", "cost", "run"]


STEP_NS = 2.5


@dataclass(frozen=True)
class Level:
    """One level of all trees of a bucket, tree after tree."""

    column: Array  # int32 (trees * 2**level,)
    rank: Array  # code dtype, likewise


@dataclass(frozen=True)
class Bucket:
    """Trees of one depth."""

    n_trees: int
    levels: tuple[Level, ...]
    leaf: Array  # int32 (trees * 2**depth,)


def compile(trees: Trees) -> Tables:
    """Fill the forest's trees up to perfect ones."""
    ranks, column, rank = compile_ranks(trees)
    depth = tree_depths(trees.root, trees.left, trees.right)
    return compile_buckets(ranks, depth, lambda numbers: _bucket(trees, numbers, ranks.code_dtype, column, rank))


def _bucket(trees: Trees, numbers: Array, code_dtype: str, column: Array, rank: Array) -> Bucket:
    filled = []
    node = trees.root[numbers]
    while np.any(node >= 0):
        inner = node >= 0
        at = node[inner]
        level = Level(np.zeros(len(node), dtype=np.int32), np.zeros(len(node), dtype=code_dtype))
        level.column[inner], level.rank[inner] = column[at], rank[at]
        filled.append(level)
        children = np.repeat(node, 2)  # a leaf becomes both of its children, so the way to it does not matter
        children[0::2][inner], children[1::2][inner] = trees.left[at], trees.right[at]
        node = children
    return Bucket(len(numbers), tuple(filled), ~node)


def cost(shape: Shape) -> Cost:
    """What it would take: a step a level for each row and tree, in five tensor operations a bucket."""
    return Cost(
        table_bytes=float(np.sum(9 * 2.0 ** np.minimum(shape.depth, 1000))),
        row_bytes=16.0 * len(shape.depth),
        kernels=float(np.sum(4 + 5 * np.unique(shape.depth))),
        row_ns=STEP_NS * float(np.sum(shape.depth)),
    )


def run(tables: Tables, X: torch.Tensor) -> torch.Tensor:
    """Leaf that each row reaches in each tree.

    Parameters
    ----------
    tables : Tables
        With tensors for arrays.
    X : torch.Tensor, shape (n, F)
        In the forest's feature dtype, missing values as NaN.

    Returns
    -------
    torch.Tensor of int32, shape (T, n)
        Numbers of the forest's leaves.
    """
    return run_buckets(tables, X, _walk)


def _walk(bucket: Bucket, codes: torch.Tensor) -> torch.Tensor:
    import torch

    T, n = bucket.n_trees, codes.shape[1]
    if not bucket.levels:
        return bucket.leaf.unsqueeze(1).expand(T, n)
    root = bucket.levels[0]
    at_root = codes.index_select(0, root.column) > root.rank.unsqueeze(1)
    first = torch.arange(0, 2 * T, 2, dtype=torch.int32, device=codes.device)
    node = (first.unsqueeze(1) + at_root).flatten()
    row = torch.arange(n, dtype=torch.int32, device=codes.device).repeat(T)
    flat = codes.flatten()
    for level in bucket.levels[1:]:
        code = flat.index_select(0, torch.add(row, level.column.index_select(0, node), alpha=n))
        node = torch.add(code > level.rank.index_select(0, node), node, alpha=2)
    return bucket.leaf.index_select(0, node).view(T, n)
