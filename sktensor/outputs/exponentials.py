"""The exponential functions of the libraries, each with its own last bits, for numpy arrays and torch tensors."""

from __future__ import annotations

import math
import sys
from typing import Any, TypeAlias

import numpy as np

__all__ = ["c_exp", "c_log", "c_log1p", "exp", "expf", "table_exp"]

Values: TypeAlias = Any
"""A numpy array or a torch tensor of floats."""

# Of the C library's expf: 2**(k/32) from a table, and a cubic for what is left of the exponent. The coefficients are
# those of Arm's optimized routines, which glibc has used since 2.28.
STEPS_F = 32
POWERS_F = np.array([2.0 ** (i / STEPS_F) for i in range(STEPS_F)])
CUBIC_F = tuple(
    float.fromhex(c) / STEPS_F**power
    for c, power in (("0x1.c6af84b912394p-5", 3), ("0x1.ebfce50fac4f3p-3", 2), ("0x1.62e42ff0c52d6p-1", 1))
)
LOG2_E = float.fromhex("0x1.71547652b82fep+0")
# Beyond these, float32 knows only 0 and infinity.
RANGE_F = (-110.0, 100.0)

# Of CatBoost's: powers of two in steps of 1/2048, and the range in which it computes.
TABLE_BITS = 11
POWERS = np.array([2.0 ** (i / 2**TABLE_BITS) for i in range(2**TABLE_BITS)])
TABLE_RANGE = (-708.39641853226408, 709.78271289338397)


def exp(x: Values) -> Values:
    """``exp`` in the dtype of `x`: for float32 the C library's, for float64 that of numpy or torch."""
    if isinstance(x, np.ndarray):
        if x.dtype == np.float32:
            return expf(x)
        with np.errstate(over="ignore"):  # inf is the answer, and the libraries give it without a word
            return np.exp(x)
    return expf(x) if x.dtype == sys.modules["torch"].float32 else x.exp()


def c_exp(x: Values) -> Values:
    """``exp`` of float64 as the C library computes it, which numpy and torch differ from in the last bits.

    Of all functions for arrays, scipy's Box-Cox transform and its inverse are the C library's, for a parameter of 0.
    """
    if not isinstance(x, np.ndarray):
        return x.exp()
    from scipy.special import inv_boxcox

    with np.errstate(over="ignore"):
        return inv_boxcox(x, 0.0)


def c_log(x: Values) -> Values:
    """``log`` of float64 as the C library computes it; of tensors as torch does."""
    if not isinstance(x, np.ndarray):
        return x.log()
    from scipy.special import boxcox

    return boxcox(x, 0.0)


def c_log1p(x: Values) -> Values:
    """``log1p`` of float64 as the C library computes it; of tensors as torch does."""
    if not isinstance(x, np.ndarray):
        return x.log1p()
    if x.dtype != np.float64:
        return np.log1p(x)
    return np.fromiter(map(math.log1p, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


def expf(x: Values) -> Values:
    """``expf`` of float32 as glibc computes it, bit for bit: in float64, rounded once.

    XGBoost's links call it. The exponential of float64, rounded, differs from it in one value of 1,600.
    """
    if not isinstance(x, np.ndarray):
        return _expf(x.double()).float()
    with np.errstate(over="ignore", invalid="ignore"):  # NaN stays NaN, whatever whole number it becomes on the way
        return _expf(x.astype(np.float64)).astype(np.float32)


def _expf(x: Values) -> Values:
    xp = np if isinstance(x, np.ndarray) else sys.modules["torch"]
    scaled = xp.clip(x, *RANGE_F) * (LOG2_E * STEPS_F)
    steps = xp.round(scaled)
    rest = scaled - steps
    high = CUBIC_F[0] * rest + CUBIC_F[1]
    return (high * (rest * rest) + (CUBIC_F[2] * rest + 1.0)) * _power_of_two(steps, POWERS_F)


def table_exp(x: Values) -> Values:
    """``exp`` of float64 as CatBoost computes it: ``2**(n / 2048)`` for the nearest n, and a cubic for the rest.

    The logarithm of 2 that it reduces by is one double, so its error grows with the argument, and only the same
    reduction gives the same numbers [catboost library/cpp/fast_exp]. Below its range the library gives 0.0 or the
    smallest normal number, depending on the row's place in a block; here it is 0.0.
    """
    xp = np if isinstance(x, np.ndarray) else sys.modules["torch"]
    low, high = TABLE_RANGE
    inside = xp.clip(x, low, high)
    steps = xp.round(inside * (2**TABLE_BITS / np.log(2.0)))
    rest = steps * (np.log(2.0) / 2**TABLE_BITS) - inside
    cubic = (3.0000000027955394 - rest) * (rest * rest) * 0.16666666685227835064 - rest + 1.0
    found = cubic * _power_of_two(steps, POWERS)
    zero, infinite = xp.zeros_like(x), xp.full_like(x, np.inf)
    return xp.where(x < low, zero, xp.where(x > high, infinite, found))


def _power_of_two(steps: Values, table: Any) -> Values:
    """``2 ** (steps / len(table))`` for whole float64 steps, from a table of the fractions."""
    bits = len(table).bit_length() - 1
    if isinstance(steps, np.ndarray):
        n, powers = steps.astype(np.int64), table
    else:
        torch = sys.modules["torch"]
        n, powers = steps.to(torch.int64), torch.as_tensor(table, device=steps.device)
    exponent = ((n >> bits) + 1023) << 52  # the bits of a double's power of two
    return powers[n & (len(table) - 1)] * exponent.view(steps.dtype)
