"""Tree traversal: all trees of one depth walk down together, one level at a time.

After Hummingbird's strategy of that name, with trees bucketed by depth instead of padded to the deepest, 32-bit
node numbers, and siblings side by side, so that a step is ``child + (code > rank)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sktensor.forest import Trees
from sktensor.forest.structure import levels, tree_depths
from sktensor.strategies.buckets import Tables, compile_buckets, run_buckets
from sktensor.strategies.costs import Cost, Shape
from sktensor.strategies.ranks import compile_ranks
from sktensor.strategies.tables import Array

if TYPE_CHECKING:
    import torch

__all__ = ["Bucket", "Tables", "compile", "cost", "run"]


STEP_NS = 2.9


@dataclass(frozen=True)
class Bucket:
    """Trees of one depth; their P nodes and leaves stand level by level, roots first."""

    depth: int
    n_trees: int
    column: Array  # int32 (P,): the codes to look at; 0 at a leaf
    rank: Array  # code dtype (P,): the largest of the dtype at a leaf, which no code exceeds
    child: Array  # int32 (P,): the left child, its sibling is next; a leaf points to itself
    leaf: Array  # int32 (P,): the forest's number of a leaf


def compile(trees: Trees) -> Tables:
    """Lay out the forest's nodes for traversal."""
    ranks, column, rank = compile_ranks(trees)
    depth = tree_depths(trees.root, trees.left, trees.right)
    return compile_buckets(ranks, depth, lambda numbers: _bucket(trees, numbers, ranks.code_dtype, column, rank))


def _bucket(trees: Trees, numbers: Array, code_dtype: str, column: Array, rank: Array) -> Bucket:
    walk = [node for _, node in levels(trees.root[numbers], trees.left, trees.right)]
    node = np.concatenate(walk)
    inner = node >= 0
    start = np.cumsum([0, *[len(level) for level in walk]])
    child = np.arange(len(node), dtype=np.int32)
    for level, first in zip(walk, start[1:], strict=False):
        (parents,) = np.nonzero(level >= 0)
        child[first - len(level) + parents] = first + 2 * np.arange(len(parents))
    return Bucket(
        depth=len(walk) - 1,
        n_trees=len(numbers),
        column=np.where(inner, column[node * inner], 0).astype(np.int32) if inner.any() else np.zeros_like(child),
        rank=_ranks_at(node, inner, rank, code_dtype),
        child=child,
        leaf=np.where(inner, 0, ~node).astype(np.int32),
    )


def _ranks_at(node: Array, inner: Array, rank: Array, code_dtype: str) -> Array:
    out = np.full(len(node), np.iinfo(code_dtype).max, dtype=code_dtype)
    out[inner] = rank[node[inner]]
    return out


def cost(shape: Shape) -> Cost:
    """What traversal would take: a step a level for each row and tree, in six tensor operations a bucket."""
    return Cost(
        table_bytes=13.0 * float(np.sum(2 * shape.n_leaves - 1)),
        row_bytes=16.0 * len(shape.depth),
        kernels=float(np.sum(4 + 6 * np.unique(shape.depth))),
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
    if bucket.depth == 0:
        return bucket.leaf.unsqueeze(1).expand(T, n)
    # All rows stand at the roots, so the first step needs whole rows of codes only.
    at_root = codes.index_select(0, bucket.column[:T]) > bucket.rank[:T].unsqueeze(1)
    node = (bucket.child[:T].unsqueeze(1) + at_root).flatten()
    row = torch.arange(n, dtype=torch.int32, device=codes.device).repeat(T)
    flat = codes.flatten()
    for _ in range(bucket.depth - 1):
        code = flat.index_select(0, torch.add(row, bucket.column.index_select(0, node), alpha=n))
        node = bucket.child.index_select(0, node) + (code > bucket.rank.index_select(0, node))
    return bucket.leaf.index_select(0, node).view(T, n)
