"""Probabilities from raw scores by the CPU kernels: the same bits as outputs.py gives with numpy, in one pass."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.native import abi, loader
from sktensor.native.ranges import ranges
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
    return _probabilities(
        raw, 2, n_threads, lambda kernels, x, n, out: kernels.sigmoid32(_EXPF, x, n, out, n_threads, kernels.isa)
    )


def sigmoid64(raw: Array, factor: float, n_threads: int) -> Array | None:
    """Probabilities of two classes, (n, 2), from `factor` times float64 scores (n, 1); None without kernels."""
    return _probabilities(
        raw, 2, n_threads, lambda kernels, x, n, out: kernels.sigmoid64(x, n, factor, out, n_threads, kernels.isa)
    )


def softmax32(raw: Array, n_threads: int) -> Array | None:
    """XGBoost's probabilities of several classes from float32 scores, both (n, K); None without kernels."""
    k = raw.shape[1]
    return _probabilities(
        raw, k, n_threads, lambda kernels, x, n, out: kernels.softmax32(_EXPF, x, n, k, out, n_threads, kernels.isa)
    )


def softmax64(raw: Array, n_threads: int) -> Array | None:
    """LightGBM's probabilities of several classes from float64 scores, both (n, K); None without kernels."""
    k = raw.shape[1]
    return _probabilities(
        raw, k, n_threads, lambda kernels, x, n, out: kernels.softmax64(x, n, k, out, n_threads, kernels.isa)
    )


def _probabilities(
    raw: Array, n_classes: int, n_threads: int, call: Callable[[loader.Library, int, int, int], int]
) -> Array | None:
    """What a kernel makes of the scores, shape (n, n_classes) and their dtype; None without kernels."""
    if (kernels := loader.library()) is None:
        return None
    raw, out = np.ascontiguousarray(raw), np.empty((len(raw), n_classes), dtype=raw.dtype)
    for first, last in ranges(len(raw), raw.shape[1], n_threads):
        some, target = (raw[first:last], out[first:last]) if first else (raw, out)
        kernels.check(call(kernels, loader.address(some), last - first, loader.address(target)))
    return out
