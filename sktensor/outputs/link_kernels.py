"""Probabilities from raw scores by the CPU kernels: the same bits as outputs.py gives with numpy, in one pass."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.native import abi, loader
from sktensor.outputs import exponentials

__all__ = ["sigmoid32", "sigmoid64", "softmax32", "softmax64"]

Array = npt.NDArray[Any]

_expf = abi.ExpfStructure(
    power=tuple(exponentials.POWERS_F),
    cubic=exponentials.CUBIC_F,
    scale=exponentials.LOG2_E * exponentials.STEPS_F,
)
_EXPF = ctypes.addressof(_expf)


def sigmoid32(raw: Array, n_threads: int) -> Array | None:
    """XGBoost's probabilities of two classes, (n, 2), from float32 scores (n, 1); None without kernels."""
    if (kernels := loader.library()) is None:
        return None
    out = np.empty((len(raw), 2), dtype=np.float32)
    kernels.sigmoid32(_EXPF, loader.address(raw), len(raw), loader.address(out), n_threads, kernels.isa)
    return out


def sigmoid64(raw: Array, factor: float, n_threads: int) -> Array | None:
    """Probabilities of two classes, (n, 2), from `factor` times float64 scores (n, 1); None without kernels."""
    if (kernels := loader.library()) is None:
        return None
    out = np.empty((len(raw), 2), dtype=np.float64)
    kernels.sigmoid64(loader.address(raw), len(raw), factor, loader.address(out), n_threads, kernels.isa)
    return out


def softmax32(raw: Array, n_threads: int) -> Array | None:
    """XGBoost's probabilities of several classes from float32 scores, both (n, K); None without kernels."""
    if (kernels := loader.library()) is None:
        return None
    out = np.empty_like(raw)
    kernels.softmax32(_EXPF, loader.address(raw), *raw.shape, loader.address(out), n_threads, kernels.isa)
    return out


def softmax64(raw: Array, n_threads: int) -> Array | None:
    """LightGBM's probabilities of several classes from float64 scores, both (n, K); None without kernels."""
    if (kernels := loader.library()) is None:
        return None
    out = np.empty_like(raw)
    kernels.softmax64(loader.address(raw), *raw.shape, loader.address(out), n_threads, kernels.isa)
    return out
