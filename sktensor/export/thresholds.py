"""Thresholds that ask of a number what others ask of it after it has been rounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import TINY

__all__ = ["before_cast", "before_flush"]

Array = npt.NDArray[Any]


def before_cast(threshold: Array) -> Array:
    """Thresholds for float64 numbers that say of each what the given ones say of its cast to float32.

    A cast rounds to nearest, ties to even, and never changes the order of two numbers: those that are rounded to `a` or
    less end at the middle between `a` and the next float32, which itself belongs to them where `a` is even.

    Parameters
    ----------
    threshold : ndarray of float32 or float64, shape (M,)
        Of ``float32(x) <= threshold``.

    Returns
    -------
    ndarray of float64, shape (M,)
        Of ``x <= threshold``.

    Examples
    --------
    >>> import numpy as np
    >>> from sktensor.export.thresholds import before_cast
    >>> before_cast(np.array([1.0])).item() == 1.0 + 2**-24
    True
    """
    wide = threshold.astype(np.float64)
    with np.errstate(over="ignore"):
        a = wide.astype(np.float32)
    a = np.where(a > wide, np.nextafter(a, np.float32(-np.inf)), a).astype(np.float32)
    largest = float(np.finfo(np.float32).max)
    step = 2.0**103  # half of the distance from the largest float32 to 2**128, from where on a cast gives infinity
    with np.errstate(over="ignore", invalid="ignore"):
        above = np.nextafter(a, np.float32(np.inf)).astype(np.float64)
        middle = (a.astype(np.float64) + above) / 2
    middle = np.where(a == np.float32(largest), largest + step, middle)
    even = (a.view(np.uint32) & 1) == 0
    found = np.where(even, middle, np.nextafter(middle, -np.inf))
    found = np.where(np.isposinf(a), np.inf, found)
    return np.where(np.isneginf(a), -(largest + step), found)


def before_flush(threshold: Array) -> Array:
    """Thresholds that say of each number what the given ones say of it once tiny ones have become zero.

    Parameters
    ----------
    threshold : ndarray of float64, shape (M,)
        Of ``x <= threshold``, where numbers up to the size of `TINY` are 0.0.

    Returns
    -------
    ndarray of float64, shape (M,)
        Of ``x <= threshold`` for numbers as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from sktensor.export.thresholds import before_flush
    >>> before_flush(np.array([1e-40, -1e-40, 0.5]))
    array([ 1.00000002e-35, -1.00000002e-35,  5.00000000e-01])
    """
    found = np.where((threshold >= 0) & (threshold < TINY), TINY, threshold)
    return np.where((threshold < 0) & (threshold >= -TINY), np.nextafter(-TINY, -np.inf), found)
