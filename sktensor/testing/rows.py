"""Rows that hurt a forest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.estimator.verification import probe
from sktensor.forest import Forest
from sktensor.testing.trees import Paths

__all__ = ["GIVEN", "hurting"]

Array = npt.NDArray[Any]

GIVEN = "the rows given"


def hurting(forest: Forest, X: Array) -> Iterator[tuple[Array, str]]:
    """The rows given, and rows made for this forest, with their names."""
    on = probe(forest)
    yield on, "the forest's own thresholds and missing values"  # which tell most, so first
    yield X, GIVEN
    if forest.inputs.hashed is not None:
        return  # what follows is made of real numbers, which are no categories
    if len(X) and forest.n_nodes:
        yield _on_the_way(forest, X), "the rows given with a threshold on their way put in"
    if forest.trees.feature_dtype == "float32":
        wide = on.astype(np.float64)
        up = np.random.default_rng(1).random(wide.shape) < 0.5
        yield np.nextafter(wide, np.where(up, np.inf, -np.inf)), "float64 numbers that the cast to float32 rounds"
    else:
        yield on.astype(np.float32), "the forest's own thresholds, as float32"
    whole = np.rint(np.nan_to_num(on.astype(np.float64), posinf=0.0, neginf=0.0).clip(-1e6, 1e6)).astype(np.int64)
    whole[::3] += (2**24 + 1) * (whole[::3] > 0)
    yield whole, "integers, some too large for float32"
    if forest.inputs.accepts_inf:
        rows = on.copy()
        rng = np.random.default_rng(2)
        at = rng.random(rows.shape) < 0.3
        if (
            forest.inputs.values_in_arrays and forest.inputs.categories is not None
        ):  # whose libraries take no infinite categories
            at &= [table is None for table in forest.inputs.categories]
        rows[at] = rng.choice(np.array([np.inf, -np.inf], dtype=rows.dtype), at.sum())
        yield rows, "infinities"


def _on_the_way(forest: Forest, X: Array) -> Array:
    """Rows in which the column that a node on their way looks at holds its threshold or a number beside it.

    Nodes deep in a tree are seldom reached by rows that are made of thresholds alone.
    """
    rng = np.random.default_rng(3)
    rows = X[rng.integers(0, len(X), 256)].astype(forest.trees.feature_dtype)
    paths = Paths(forest)
    leaf = paths.leaves(rows)
    for row, tree in enumerate(rng.integers(0, forest.n_trees, len(rows))):
        path = paths.to(leaf[row, tree])
        if not path or paths.is_category(node := path[rng.integers(len(path))]):
            continue
        at = forest.trees.threshold[node].astype(rows.dtype)
        beside = [at, at, np.nextafter(at, rows.dtype.type(-np.inf)), np.nextafter(at, rows.dtype.type(np.inf))]
        drawn = rng.choice(np.array(beside + [np.nan] * forest.inputs.accepts_nan, dtype=rows.dtype))
        if np.isfinite(drawn) or np.isnan(drawn):
            rows[row, forest.trees.feature[node]] = drawn
    return rows
