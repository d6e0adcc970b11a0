"""Aggregates of the leaf values of all trees other than sums: weighted medians, sums of logarithms.

In numpy on any device, since the libraries do it in numpy: the order in which its sort leaves equal values, which
differs from one instruction set to the next, decides in which order their weights are added.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Forest

__all__ = ["log_mean", "weighted_median"]

Array = npt.NDArray[Any]


def weighted_median(forest: Forest, leaves: Array) -> Array:
    """The weighted median of the trees' values.

    Step by step as scikit-learn takes it [sklearn/ensemble/_weight_boosting.py, AdaBoostRegressor._get_median_predict].

    Parameters
    ----------
    forest : Forest
        With weights of its trees.
    leaves : ndarray of int32, shape (n, T)
        The forest's own numbers of the leaves that each row reaches.

    Returns
    -------
    ndarray of the forest's acc_dtype, shape (n, 1)
    """
    assert forest.trees.tree_weight is not None
    values = forest.trees.leaf_value[leaves, 0]
    order = np.argsort(values, axis=1)
    sums = np.cumsum(forest.trees.tree_weight[order], axis=1)
    first = (sums >= 0.5 * sums[:, -1:]).argmax(axis=1)[:, None]
    found: Array = np.take_along_axis(values, np.take_along_axis(order, first, axis=1), axis=1)
    return found


def log_mean(forest: Forest, leaves: Array) -> Array:
    """The logarithm of the mean of the trees' probabilities, from their logarithms.

    As scikit-learn's bagging takes it [sklearn/ensemble/_bagging.py, _parallel_predict_log_proba].

    Parameters
    ----------
    forest : Forest
        Whose leaves hold probabilities of all classes.
    leaves : ndarray of int32, shape (n, T)
        The forest's own numbers of the leaves that each row reaches.

    Returns
    -------
    ndarray of the forest's acc_dtype, shape (n, K)
    """
    with np.errstate(divide="ignore"):
        logs = np.log(forest.trees.leaf_value)
    total = np.full((len(leaves), forest.n_outputs), -np.inf, dtype=forest.trees.acc_dtype)
    for leaf in leaves.T:
        total = np.logaddexp(total, logs[leaf])
    total -= np.log(forest.outputs.div)
    return total
