"""How far sums of the same leaves can be apart that engines add in other orders or dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Forest

__all__ = ["sum_bound"]

Array = npt.NDArray[Any]


def sum_bound(forest: Forest) -> Array:
    """How far the raw scores of an exported model can be from the library's.

    Both engines add the same leaf values, in different orders. Whatever the order, ``n`` additions of floats with unit
    roundoff ``u`` give the exact sum of ``n + 1`` numbers up to ``gamma(n) = n * u / (1 - n * u)`` times the sum of
    their absolute values [N. Higham, Accuracy and Stability of Numerical Algorithms, section 4.2]; so that two orders
    are apart by twice as much at most. A division, a factor and a bias behind the sum are one more rounding each, and
    leaf values into which they are folded another one.

    Parameters
    ----------
    forest : Forest
        Of the model.

    Returns
    -------
    ndarray of float64, shape (K,)
        For each output, in the unit of the raw scores; of the rows with the largest leaves. Zero where nothing is
        added.

    Examples
    --------
    >>> from sktensor import Forest
    >>> from sktensor.export import sum_bound
    >>> forest = Forest.from_trees([{"value": 1.0}, {"value": 2.0}, {"value": 3.0}], n_features=1)
    >>> sum_bound(forest)  # 2 * gamma(6) * 6
    array([7.99360578e-15])
    """
    trees, out = forest.trees, forest.outputs
    largest = np.zeros((forest.n_trees, forest.n_outputs))
    sizes = np.abs(trees.leaf_value.astype(np.float64))
    tree = tree_of_leaves(forest)
    for k in range(forest.n_outputs):
        of_output = sizes[:, k if sizes.shape[1] > 1 else 0]
        np.maximum.at(largest[:, k], tree, of_output)
    largest[(trees.tree_target >= 0)[:, None] & (trees.tree_target[:, None] != np.arange(forest.n_outputs))] = 0.0
    total = largest.sum(0) + np.abs(trees.base.astype(np.float64))
    if not out.raw_is_pre_div:
        total = np.abs(total / out.div * out.scale) + (0.0 if out.bias is None else np.abs(out.bias))
    n = (largest > 0).sum(0) + 3.0  # the base, and what comes behind the sum
    roundings = n * (2.0**-24 if trees.acc_dtype == "float32" else 2.0**-53)
    return np.where(total > 0, 2 * roundings / (1 - roundings) * total, 0.0)


def tree_of_leaves(forest: Forest) -> Array:
    """The tree that each leaf belongs to.

    Parameters
    ----------
    forest : Forest
        Any.

    Returns
    -------
    ndarray of int64, shape (L,)
    """
    trees = forest.trees
    found = np.empty(forest.n_leaves, dtype=np.int64)
    numbers = np.arange(forest.n_trees)
    at = trees.root.astype(np.int64)
    while len(at):  # one level of all trees after the other
        leaf = at < 0
        found[~at[leaf]] = numbers[leaf]
        at, numbers = at[~leaf], numbers[~leaf]
        at, numbers = np.concatenate([trees.left[at], trees.right[at]]).astype(np.int64), np.concatenate([numbers] * 2)
    return found
