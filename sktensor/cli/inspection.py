"""``inspect``: a model's trees, plan and memory."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import numpy as np

from sktensor.errors import UnsupportedModelError
from sktensor.estimator import TensorizedEstimator
from sktensor.forest import Forest, Trees
from sktensor.persistence.saved_model import SavedModel
from sktensor.registry import extract_forest, find_extractor

__all__ = ["inspect"]

SHOWN_NAMES = 12

# Packages whose distributions have other names.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "imblearn": "imbalanced-learn", "sksurv": "scikit-survival"}


def inspect(model: Any, n_rows: int) -> None:
    """Print what a fitted model is, what its trees are, and how sktensor runs it.

    Parameters
    ----------
    model : object
        Fitted.
    n_rows : int
        Rows that the plan is for.
    """
    fast = model if isinstance(model, TensorizedEstimator) else TensorizedEstimator(model)
    plan = fast.explain_plan(n_rows)
    kind = type(fast.estimator_)
    if isinstance(fast.estimator_, SavedModel):
        _print("model", f"{fast.estimator_.model} (as sktensor.save has kept it)")
    else:
        _print("model", f"{kind.__qualname__} ({_package(kind)})")
    forest = _forest(fast)
    names = getattr(fast, "feature_names_in_", None)
    if forest is not None:
        _print_forest(forest)
    elif (width := getattr(fast, "n_features_in_", None)) is not None:
        _print("features", f"{width:,}")
    if names is not None:
        more = f" and {len(names) - SHOWN_NAMES} others" if len(names) > SHOWN_NAMES else ""
        _print("columns", ", ".join(map(str, names[:SHOWN_NAMES])) + more)
    if (classes := getattr(fast, "classes_", None)) is not None and not isinstance(classes, list):
        more = " ..." if len(classes) > SHOWN_NAMES else ""
        _print("classes", ", ".join(map(str, classes[:SHOWN_NAMES])) + more)
    print(f"\nplan for {n_rows:,} rows")
    print("\n".join(f"  {line}" for line in str(plan).splitlines()))


def _forest(fast: TensorizedEstimator) -> Forest | None:
    """The forest of a model, or of the last step of a pipeline; None of a model that combines others."""
    model: Any = fast.estimator_
    try:
        extractor = find_extractor(model)
        while hasattr(extractor, "steps") and (steps := extractor.steps(model)) is not None:
            model = steps.last
            extractor = find_extractor(model)
        return fast.forest_ if model is fast.estimator_ else extract_forest(model)
    except (AttributeError, UnsupportedModelError):
        return None


def _print_forest(forest: Forest) -> None:
    trees = forest.trees
    depth = depths(trees)
    _print("trees", f"{forest.n_trees:,}")
    _print("nodes", f"{forest.n_nodes:,}")
    _print("leaves", f"{forest.n_leaves:,}")
    _print("depth", f"{depth.max(initial=0)} at most, {depth.mean() if len(depth) else 0:.1f} on average")
    used = len(trees.used_columns)
    _print("features", f"{forest.n_features:,}, {used:,} of them used ({trees.feature_dtype})")
    _print("outputs", f"{forest.n_outputs:,} (sums of {trees.acc_dtype}, link {forest.outputs.link})")
    if trees.is_cat is not None:
        _print("categories", f"{int(trees.is_cat.sum()):,} nodes ask for them")
    size = sum(value.nbytes for value in forest.fields().values() if isinstance(value, np.ndarray))
    _print("memory", f"{size / 2**20:.3g} MiB as a forest")


def depths(trees: Trees) -> Any:
    """The depth of each tree: questions on the longest way to a leaf.

    Parameters
    ----------
    trees : Trees
        Any.

    Returns
    -------
    ndarray of int64, shape (T,)
    """
    found = np.zeros(trees.n_trees, dtype=np.int64)
    at, numbers = trees.root.astype(np.int64), np.arange(trees.n_trees)
    while (inner := at >= 0).any():  # one level of all trees after the other
        at, numbers = at[inner], numbers[inner]
        found[np.unique(numbers)] += 1
        at, numbers = np.concatenate([trees.left[at], trees.right[at]]), np.concatenate([numbers, numbers])
    return found


def _package(kind: type) -> str:
    package = kind.__module__.partition(".")[0]
    package = DISTRIBUTIONS.get(package, package)
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return package


def _print(name: str, value: str) -> None:
    print(f"{name:<12}{value}")
