"""Trees in buckets: trees of a kind are handled together, and none is padded to the largest of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sktensor.strategies.ranks import RankTables, encode
from sktensor.strategies.tables import Array

if TYPE_CHECKING:
    import torch

__all__ = ["Tables", "compile_buckets", "run_buckets"]


@dataclass(frozen=True)
class Tables:
    """Tables of a strategy that puts trees into buckets."""

    ranks: RankTables
    buckets: tuple[Any, ...]
    order: Array | None  # int64 (T,): where each tree's row is after the buckets; None if they stand in order


def compile_buckets(ranks: RankTables, kind: Array, build: Callable[[Array], Any]) -> Tables:
    """A bucket for each distinct `kind`, shape (T,), built from the numbers of its trees."""
    members = [np.flatnonzero(kind == one) for one in np.unique(kind)]
    order = np.argsort(np.concatenate(members)) if members else np.empty(0, dtype=np.int64)
    in_order = np.array_equal(order, np.arange(len(order)))
    return Tables(ranks, tuple(build(trees) for trees in members), None if in_order else order)


def run_buckets(tables: Tables, X: torch.Tensor, walk: Callable[[Any, torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Leaves of all trees in their order, shape (T, n), from what `walk` finds for a bucket and the rows' codes."""
    import torch

    codes = encode(tables.ranks, X)
    if not tables.buckets:
        return torch.empty((0, len(X)), dtype=torch.int32, device=X.device)
    leaves = [walk(bucket, codes) for bucket in tables.buckets]
    stacked = leaves[0] if len(leaves) == 1 else torch.cat(leaves)
    return stacked if tables.order is None else stacked.index_select(0, tables.order)
