"""GEMM: every condition of every tree is evaluated, and a matrix product finds the leaf that they agree on.

After Hummingbird's strategy of that name. The first of its three products, which picks columns by multiplying
with zeros and ones and so lets a NaN of any feature poison a row, is a selection here; the third, which would sum
in an order of its own, is left to the common sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sktensor.forest import Trees
from sktensor.forest.structure import levels
from sktensor.strategies.buckets import Tables, compile_buckets, run_buckets
from sktensor.strategies.costs import Cost, Shape
from sktensor.strategies.ranks import compile_ranks
from sktensor.strategies.tables import Array

if TYPE_CHECKING:
    import torch

__all__ = ["Bucket", "Tables", "compile", "cost", "run"]


MULTIPLY_NS = 0.035
CONDITION_NS = 1.2


@dataclass(frozen=True)
class Bucket:
    """B trees of about as many leaves: I conditions and W leaves each, padding included.

    ``path @ conditions + turns`` is ``W * (right turns that hold - left turns that fail - right turns due) + place``:
    the leaf's place among the W if all conditions on its path hold, and negative otherwise. All terms are integers
    that float32 holds exactly, so the product is exact in whatever order a device sums it.
    """

    column: Array  # int32 (B * I,)
    rank: Array  # code dtype (B * I, 1)
    path: Array  # float32 (B, W, I): W where the leaf lies right of the condition's node, -W left, 0 elsewhere
    turns: Array  # float32 (B, W, 1): the leaf's place, minus W for each right turn to it
    first: Array  # int32 (B, 1): where the tree's row of `leaf` begins
    leaf: Array  # int32 (B * W,)


def compile(trees: Trees) -> Tables:
    """Write the forest's paths as matrices."""
    ranks, column, rank = compile_ranks(trees)
    places = Places.of(trees)
    width = bucket_width(np.bincount(places.leaf_tree, minlength=trees.n_trees))
    questions = column, rank, ranks.code_dtype
    return compile_buckets(
        ranks, width, lambda numbers: _bucket(trees, numbers, int(width[numbers[0]]), places, questions)
    )


def bucket_width(n_leaves: Array) -> Array:
    """Leaves that a tree is padded to: the next of 1, 2, 3, 4, 6, 8, 12, 16, 24, ..., at most a third in vain."""
    power = 2 ** np.ceil(np.log2(n_leaves)).astype(np.int64)
    return np.where((n_leaves <= power * 3 // 4) & (power >= 4), power * 3 // 4, power)


@dataclass(frozen=True)
class Places:
    """The tree of each node and leaf, their places within it, and their parents (-1 at a root)."""

    node_tree: Array
    leaf_tree: Array
    node_place: Array
    leaf_place: Array
    node_parent: Array
    leaf_parent: Array

    @classmethod
    def of(cls, trees: Trees) -> Places:
        node_tree = np.empty(trees.n_nodes, dtype=np.int64)
        leaf_tree = np.empty(trees.n_leaves, dtype=np.int64)
        for tree, node in levels(trees.root, trees.left, trees.right):
            inner = node >= 0
            node_tree[node[inner]], leaf_tree[~node[~inner]] = tree[inner], tree[~inner]
        node_parent = np.full(trees.n_nodes, -1, dtype=np.int64)
        leaf_parent = np.full(trees.n_leaves, -1, dtype=np.int64)
        for children in (trees.left, trees.right):
            inner = children >= 0
            node_parent[children[inner]], leaf_parent[~children[~inner]] = np.flatnonzero(inner), np.flatnonzero(~inner)
        return cls(node_tree, leaf_tree, _within(node_tree), _within(leaf_tree), node_parent, leaf_parent)


def _within(group: Array) -> Array:
    """Number of each element within its group."""
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    place = np.empty(len(group), dtype=np.int64)
    place[order] = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place


def _bucket(trees: Trees, numbers: Array, width: int, places: Places, questions: tuple[Array, Array, str]) -> Bucket:
    column, rank, code_dtype = questions
    n_conditions = width - 1
    slot = np.full(trees.n_trees, -1, dtype=np.int64)
    slot[numbers] = np.arange(len(numbers))

    nodes = np.flatnonzero(slot[places.node_tree] >= 0)
    at = slot[places.node_tree[nodes]], places.node_place[nodes]
    columns = np.zeros((len(numbers), n_conditions), dtype=np.int32)
    ranks = np.full((len(numbers), n_conditions), np.iinfo(code_dtype).max, dtype=code_dtype)
    columns[at], ranks[at] = column[nodes], rank[nodes]

    leaves = np.flatnonzero(slot[places.leaf_tree] >= 0)
    tree, place = slot[places.leaf_tree[leaves]], places.leaf_place[leaves]
    leaf = np.zeros((len(numbers), width), dtype=np.int32)
    leaf[tree, place] = leaves
    path = np.zeros((len(numbers), width, n_conditions), dtype=np.float32)
    turns = np.full((len(numbers), width, 1), -1, dtype=np.float32)  # padding: below every leaf that matches
    turns[tree, place, 0] = place

    below, above = ~leaves, places.leaf_parent[leaves]
    while (climbing := above >= 0).any():  # all leaves climb at once, and note each ancestor's side
        tree, place, below, above = tree[climbing], place[climbing], below[climbing], above[climbing]
        right = trees.right[above] == below
        path[tree, place, places.node_place[above]] = np.where(right, width, -width)
        turns[tree, place, 0] -= width * right
        below, above = above, places.node_parent[above]
    first = np.arange(len(numbers), dtype=np.int32)[:, None] * np.int32(width)
    return Bucket(columns.ravel(), ranks.reshape(-1, 1), path, turns, first, leaf.ravel())


def cost(shape: Shape) -> Cost:
    """What it would take: all conditions of all trees, and a product with as many columns as leaves."""
    width = bucket_width(shape.n_leaves).astype(np.float64)
    return Cost(
        table_bytes=float(np.sum(4 * width * width + 9 * width)),
        row_bytes=float(np.sum(10 * width)),
        kernels=8.0 * len(np.unique(width)),
        row_ns=float(np.sum(MULTIPLY_NS * width * (width - 1) + CONDITION_NS * width)),
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
    return run_buckets(tables, X, _match)


def _match(bucket: Bucket, codes: torch.Tensor) -> torch.Tensor:
    import torch

    n_trees, _, n_conditions = bucket.path.shape
    n = codes.shape[1]
    if n_conditions == 0:
        return bucket.leaf.unsqueeze(1).expand(n_trees, n)
    goes_right = (codes.index_select(0, bucket.column) > bucket.rank).to(torch.float32).view(n_trees, n_conditions, n)
    place = torch.baddbmm(bucket.turns, bucket.path, goes_right).amax(1).to(torch.int32)
    return bucket.leaf.index_select(0, (bucket.first + place).flatten()).view(n_trees, n)
