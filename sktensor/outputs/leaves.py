"""From leaves to what ``apply`` and ``transform`` return."""

from __future__ import annotations

from typing import Any

import numpy as np

from sktensor.forest import Forest
from sktensor.outputs.shapes import Rows, cast, shaped

__all__ = ["leaf_columns", "leaf_numbers"]


def leaf_numbers(forest: Forest, numbers: Rows) -> Rows:
    """Leaf numbers in the library's shape and dtype.

    Parameters
    ----------
    forest : Forest
        Whose leaves they are.
    numbers : ndarray or Tensor of int32, shape (n, T)
        The library's numbers of the leaves, `leaf_id`.

    Returns
    -------
    ndarray or Tensor of leaf_dtype, shape (n, *leaf_shape)
        (0,) for an empty array where `no_rows` is ``"flat"``.
    """
    return cast(shaped(forest, numbers, forest.outputs.leaf_shape), forest.outputs.leaf_dtype)


def leaf_columns(forest: Forest, leaves: Rows) -> Any:
    """What ``transform`` returns.

    Parameters
    ----------
    forest : Forest
        With an embedding.
    leaves : ndarray or Tensor of int32, shape (n, T)
        The forest's own numbers of the leaves that each row reaches.

    Returns
    -------
    csr_matrix, ndarray or Tensor of float64, shape (n, columns)
        Of arrays a CSR matrix or an array, of tensors a sparse or a dense tensor.

    Raises
    ------
    AttributeError
        If the model has no transform.
    ValueError
        For a row that reaches a leaf without a column.
    """
    if forest.outputs.embedding == "none":
        raise AttributeError("This model has no transform.")
    number, width = _columns_of(forest, leaves)
    shape = leaves.shape[0], width
    if not isinstance(leaves, np.ndarray):
        import torch

        ones = torch.ones_like(leaves, dtype=torch.float64)
        if forest.outputs.embedding == "dense":
            return ones.new_zeros(shape).scatter_(1, number.to(torch.int64), ones)
        row = torch.arange(len(leaves), device=leaves.device).repeat_interleave(leaves.shape[1])
        at = torch.stack([row, number.flatten().to(torch.int64)])
        return torch.sparse_coo_tensor(at, ones.flatten(), shape, check_invariants=False, is_coalesced=True)
    if forest.outputs.embedding == "dense":
        columns = np.zeros(shape)
        np.put_along_axis(columns, number, 1.0, axis=1)
        return columns
    from scipy.sparse import csr_matrix

    ends = np.arange(0, leaves.size + 1, max(leaves.shape[1], 1))
    return csr_matrix((np.ones(leaves.size), number.ravel(), ends), shape=shape)


def _columns_of(forest: Forest, leaves: Rows) -> tuple[Rows, int]:
    """The column of each of the leaves, and how many columns there are; scikit-learn's error for one without."""
    without = np.isnan(forest.trees.leaf_value[:, 0])
    if not without.any():
        return leaves, forest.n_leaves
    reached = leaves if isinstance(leaves, np.ndarray) else leaves.cpu().numpy()
    for tree, unknown in enumerate(without[reached].T):
        if unknown.any():  # [sklearn/preprocessing/_encoders.py, _BaseEncoder._transform]
            found = np.unique(forest.trees.leaf_id[reached[unknown, tree]]).tolist()
            raise ValueError(
                f"Found unknown categories {found} in column {tree} during transform: no row of the last fit reached "
                "these leaves, so that there are no columns for them. Fit the model again, on all rows."
            )
    number = (np.cumsum(~without) - 1).astype(np.int32)[reached]
    return (number if reached is leaves else leaves.new_tensor(number)), int(np.count_nonzero(~without))
