"""The sum over trees, bit for bit: leaf values are added one tree after the other, in the library's dtype.

Floating-point addition is not associative, so the order of a library's sum is part of its model. The rows are
what runs in parallel, and the outputs, whose sums are independent of each other; never the trees.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sktensor.errors import UnsupportedModelError
from sktensor.forest import Trees
from sktensor.strategies.tables import Array

if TYPE_CHECKING:
    import torch

__all__ = ["LinearLeaves", "SumTables", "compile", "run"]


@dataclass(frozen=True)
class LinearLeaves:
    """Leaves that are linear functions, their terms padded to the longest."""

    count: Array  # int64 (L,)
    feature: Array  # int64 (L, J)
    coef: Array  # float64 (L, J)
    const: Array  # float64 (L,)


@dataclass(frozen=True)
class SumTables:
    """Leaf values, and which trees each step of the sum adds."""

    value: Array  # acc dtype: (L + 1,) with a last -0.0, which changes no sum; (L, K) for vector leaves
    steps: Array  # int64 (S, C): the trees that step s adds to the C accumulators, -1 for none
    every: bool  # whether the steps are simply the trees in order, C at a time
    base: Array  # acc dtype (K, 1)
    linear: LinearLeaves | None


def compile(trees: Trees) -> SumTables:
    """Arrange the trees of a forest for summation.

    Step s adds to each output its s-th tree, so every output still takes its trees in order.
    """
    if trees.aggregate != "sum":
        raise UnsupportedModelError(f"Trees.aggregate={trees.aggregate!r} is not covered yet; only 'sum' is.")
    target = np.maximum(trees.tree_target, 0)  # -1 with one output is that output
    if trees.leaf_value.shape[1] == 1:
        value = np.append(trees.leaf_value.ravel(), trees.leaf_value.dtype.type(-0.0))
        own = [np.flatnonzero(target == k) for k in range(trees.n_outputs)]
        steps = np.full((max(map(len, own), default=0), trees.n_outputs), -1, dtype=np.int64)
        for k, numbers in enumerate(own):
            steps[: len(numbers), k] = numbers
    else:
        value = trees.leaf_value
        steps = np.arange(trees.n_trees, dtype=np.int64)[:, None]
    every = np.array_equal(steps.ravel(), np.arange(trees.n_trees))
    base = trees.base[:, None]
    return SumTables(value, steps, every, base, _linear(trees))


def _linear(trees: Trees) -> LinearLeaves | None:
    if trees.lin_off is None:
        return None
    assert trees.lin_feature is not None and trees.lin_coef is not None and trees.lin_const is not None
    count = np.diff(trees.lin_off).astype(np.int64)
    shape = trees.n_leaves, int(count.max(initial=0))
    feature, coef = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    leaf = np.repeat(np.arange(trees.n_leaves), count)
    term = np.arange(len(leaf)) - np.repeat(trees.lin_off[:-1], count)
    feature[leaf, term], coef[leaf, term] = trees.lin_feature, trees.lin_coef
    return LinearLeaves(count, feature, coef, trees.lin_const)


def run(tables: SumTables, leaves: torch.Tensor, X: torch.Tensor, start: torch.Tensor | None = None) -> torch.Tensor:
    """Add up what the trees say.

    Parameters
    ----------
    tables : SumTables
        With tensors for arrays.
    leaves : torch.Tensor of int32, shape (T, n)
        Leaf of each tree and row.
    X : torch.Tensor, shape (n, F)
        The rows; only linear leaves look at them.
    start : torch.Tensor of the forest's acc_dtype, shape (n, K), optional
        Where the sums of the rows start, in place of the base.

    Returns
    -------
    torch.Tensor of the forest's acc_dtype, shape (n, K)
    """
    total = tables.base.repeat(1, leaves.shape[1]) if start is None else start.t().clone()
    for values in _added(tables, leaves, X):
        total += values
    return total.t()


def _added(tables: SumTables, leaves: torch.Tensor, X: torch.Tensor) -> Iterable[torch.Tensor]:
    """What each step adds, shape (K, n)."""
    import torch

    if tables.value.ndim == 2:  # wide enough to be fetched tree by tree
        return (tables.value.index_select(0, leaf).t() for leaf in leaves.unbind(0))
    steps = _by_step(tables, leaves)
    if tables.linear is None:
        return tables.value.index_select(0, steps.flatten()).view(steps.shape).unbind(0)
    wide = X.to(torch.float64)
    return (torch.stack([_linear_value(tables, leaf, wide) for leaf in step.unbind(0)]) for step in steps.unbind(0))


def _by_step(tables: SumTables, leaves: torch.Tensor) -> torch.Tensor:
    """Leaves by step, accumulator and row, shape (S, C, n)."""
    import torch

    if not tables.every:
        # The row behind the last tree, which -1 asks for, is the leaf that adds nothing.
        nothing = leaves.new_full((1, leaves.shape[1]), len(tables.value) - 1)
        leaves = torch.cat([leaves, nothing]).index_select(0, tables.steps.flatten() % (len(leaves) + 1))
    return leaves.reshape(*tables.steps.shape, leaves.shape[1])


def _linear_value(tables: SumTables, leaf: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
    """What one tree with linear leaves adds to each row, term after term as the library does."""
    import torch

    linear = tables.linear
    assert linear is not None
    leaf = leaf.to(torch.int64)
    # The leaf that adds nothing stands behind the last one and has no terms of its own.
    padding = leaf == len(linear.count)
    at = torch.where(padding, 0, leaf)
    count = torch.where(padding, 0, linear.count[at])
    total, constant = linear.const[at], count == 0
    for j in range(linear.feature.shape[1]):
        x = X.gather(1, linear.feature[at, j].unsqueeze(1)).squeeze(1)
        term = j < count
        total = torch.where(term, total + linear.coef[at, j] * x, total)
        constant = constant | (term & x.isnan())  # LightGBM then falls back on the constant [tree.h Predict]
    return torch.where(constant, tables.value[leaf], total)
