"""Torch tensors, without loading torch: which X is one, and its numbers as numpy."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["is_tensor", "on_host"]


def is_tensor(X: Any) -> bool:
    """Whether X is a torch tensor, without loading torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(X, torch.Tensor)


def on_host(X: Any) -> Any:
    """A tensor as numpy, its numbers unchanged; anything else as it is.

    Parameters
    ----------
    X : object
        A dense torch.Tensor of any dtype, on any device; or anything else.

    Returns
    -------
    ndarray or object
        Of the tensor's dtype, or float32 where numpy lacks that: bfloat16 and the floats of 8 bits.
    """
    if not is_tensor(X):
        return X
    X = X.detach().cpu().resolve_conj().resolve_neg()
    if X.is_floating_point() and (X.element_size() == 1 or str(X.dtype) == "torch.bfloat16"):
        X = X.float()
    return X.numpy()
