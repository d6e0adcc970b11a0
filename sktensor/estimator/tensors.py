"""Answers for X that is given as a tensor."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from sklearn import get_config

from sktensor.inputs.tensors import is_tensor, on_host

__all__ = ["as_scikit_learn_answers", "like_array", "like_tensor"]


def as_scikit_learn_answers(found: Any) -> Any:
    """Tensors stay tensors where scikit-learn's own estimators would let them, under ``array_api_dispatch``."""
    if type(found) is np.ndarray:
        return found
    if isinstance(found, list):
        return [as_scikit_learn_answers(one) for one in found]
    return found if is_tensor(found) and get_config()["array_api_dispatch"] else on_host(found)


def like_array(X: Any, found: Any) -> Any:
    """Answers that are tensors, as arrays of the library that the array X is of: CuPy's for CuPy's, not copied."""
    if type(found) is np.ndarray:
        return found
    if isinstance(found, list):
        return [like_array(X, one) for one in found]
    if not is_tensor(found) or is_tensor(X) or not hasattr(X, "__dlpack__"):
        return found
    namespace = getattr(X, "__array_namespace__", None)
    library = sys.modules[type(X).__module__.partition(".")[0]] if namespace is None else namespace()
    return library.from_dlpack(found) if hasattr(library, "from_dlpack") else found


def like_tensor(X: Any, found: Any) -> Any:
    """An answer as tensors on the device of the tensor X; what torch has no dtype for stays as it is."""
    if isinstance(found, list):
        return [like_tensor(X, one) for one in found]
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "biuf":
        return found
    import torch

    return torch.as_tensor(found, device=X.device)
