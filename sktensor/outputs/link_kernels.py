"""Probabilities from raw scores by the CPU kernels: the same bits as links.py gives with numpy, in one pass."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Forest
from sktensor.native import abi, loader
from sktensor.native.plain_calls import Link
from sktensor.native.ranges import ranges
from sktensor.outputs import exponentials

__all__ = ["link_of", "probabilities"]

Array = npt.NDArray[Any]

_expf = abi.ExpfStructure(
    power=tuple(exponentials.POWERS_F),
    cubic=exponentials.CUBIC_F,
    scale=exponentials.LOG2_E * exponentials.STEPS_F,
)
_EXPF = ctypes.addressof(_expf)


# Up to so many rows, looking for ranges of them takes longer than the kernel does.
FEW_ROWS = 128

# Kernels by `proba`, `link` and the dtype of the raw scores.
KERNELS = {
    ("complement", "clipped_sigmoid", "float32"): "sigmoid32",
    ("complement", "sigmoid", "float64"): "sigmoid64",
    ("values", "softmax", "float32"): "softmax32",
    ("values", "c_softmax", "float64"): "softmax64",
}

# Their calls. Arguments: kernels, link_param, raw scores, rows, classes, out, threads.
CALLS: dict[str, Callable[..., int]] = {
    "sigmoid32": lambda library, _, raw, n, k, out, n_threads: library.sigmoid32(
        _EXPF, raw, n, out, n_threads, library.isa
    ),
    "sigmoid64": lambda library, factor, raw, n, k, out, n_threads: library.sigmoid64(
        raw, n, factor, out, n_threads, library.isa
    ),
    "softmax32": lambda library, _, raw, n, k, out, n_threads: library.softmax32(
        _EXPF, raw, n, k, out, n_threads, library.isa
    ),
    "softmax64": lambda library, _, raw, n, k, out, n_threads: library.softmax64(
        raw, n, k, out, n_threads, library.isa
    ),
}


def link_of(forest: Forest) -> Link | None:
    """The kernel that makes probabilities of a forest's raw scores; None where there is none."""
    spec = forest.outputs
    name = KERNELS.get((spec.proba, spec.link, forest.trees.acc_dtype))
    if name is None or spec.raw_is_pre_div or len(spec.output_slices) > 1:
        return None
    return Link(name, spec.link_param, _EXPF)


def probabilities(forest: Forest, raw: Any, n_threads: int) -> Array | None:
    """What ``predict_proba`` returns in one pass, where there is a kernel for it.

    Parameters
    ----------
    forest : Forest
        Whose scores they are.
    raw : ndarray or Tensor of the forest's acc_dtype, shape (n, K)
        From :func:`~sktensor.outputs.raw_scores`.
    n_threads : int
        Threads that the kernel may use.

    Returns
    -------
    ndarray of the forest's acc_dtype, shape (n, n_classes), or None
        None for tensors, where kernels are missing, and for links without one.
    """
    if not isinstance(raw, np.ndarray) or (link := link_of(forest)) is None:
        return None
    if (kernels := loader.library()) is None:
        return None
    call = CALLS[link.name]
    n_classes = 2 if forest.outputs.proba == "complement" else raw.shape[1]
    raw, out = np.ascontiguousarray(raw), np.empty((len(raw), n_classes), dtype=raw.dtype)
    n = len(raw)
    for first, last in ((0, n),) if 0 < n <= FEW_ROWS else ranges(n, raw.shape[1], n_threads):
        some, target = (raw[first:last], out[first:last]) if first else (raw, out)
        where = loader.address(some), last - first, n_classes, loader.address(target)
        if error := call(kernels, link.factor, *where, n_threads):
            kernels.check(error)
    return out
