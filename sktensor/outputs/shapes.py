"""Arrays and tensors in the shape and dtype of an answer."""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np

from sktensor.forest import Forest

__all__ = ["Rows", "by_slice", "cast", "namespace", "shaped", "slices"]

Rows: TypeAlias = Any
"""A numpy array or a torch tensor, one row a sample."""


def namespace(x: Rows) -> Any:
    """The module whose functions take `x`.

    Parameters
    ----------
    x : ndarray or Tensor
        Any.

    Returns
    -------
    module
        numpy or torch.
    """
    return np if isinstance(x, np.ndarray) else sys.modules["torch"]


def cast(x: Rows, dtype: Any) -> Rows:
    """Cast `x`.

    Parameters
    ----------
    x : ndarray or Tensor
        Any.
    dtype : str or dtype
        The name of a dtype, or another array's ``dtype``.

    Returns
    -------
    ndarray or Tensor of that dtype
    """
    if isinstance(x, np.ndarray):
        return x.astype(dtype)
    return x.to(getattr(sys.modules["torch"], dtype) if isinstance(dtype, str) else dtype)


def shaped(forest: Forest, x: Rows, shape: tuple[int, ...]) -> Rows:
    """Give each row of `x` its shape.

    Parameters
    ----------
    forest : Forest
        Whose answers they are.
    x : ndarray or Tensor, shape (n, ...)
        The rows.
    shape : tuple of int
        Of a row.

    Returns
    -------
    ndarray or Tensor, shape (n, *shape)
        Of an array without entries, where `no_rows` is ``"flat"``, (0,).
    """
    if forest.inputs.no_rows == "flat" and isinstance(x, np.ndarray) and not x.size:
        return x.reshape(0)
    if x.shape[1:] == shape:
        return x
    if not shape and x.ndim == 2:  # of one column; in a third of the time that reshape takes
        return x[:, 0]
    return x.reshape(x.shape[0], *shape)


def slices(forest: Forest, x: Rows) -> list[Rows]:
    """Cut the columns of `x` into those of each target.

    Parameters
    ----------
    forest : Forest
        Whose answers they are.
    x : ndarray or Tensor, shape (n, K)
        One column an output.

    Returns
    -------
    list of ndarray or Tensor, shape (n, width)
    """
    ends = np.cumsum(forest.outputs.output_slices).tolist()
    return [x[:, end - width : end] for end, width in zip(ends, forest.outputs.output_slices, strict=True)]


def by_slice(forest: Forest, x: Rows) -> Rows | list[Rows]:
    """Cut the columns of `x` into those of each target; `x` itself where there is one target.

    Parameters
    ----------
    forest : Forest
        Whose answers they are.
    x : ndarray or Tensor, shape (n, K)
        One column an output.

    Returns
    -------
    ndarray or Tensor, shape (n, K), or list of them, shape (n, width)
        A list for several targets, each with memory of its own.
    """
    if len(forest.outputs.output_slices) == 1:
        return x
    return [one.copy() if isinstance(one, np.ndarray) else one for one in slices(forest, x)]
