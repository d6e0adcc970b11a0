"""The numbers of a dtype in order, and the search for the first one for which something holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Domain", "first_that"]

Array = npt.NDArray[Any]

# Integers are looked for up to here, as far as float64 holds all of them.
EXACT_INTEGERS = 2**53

# Numbers that are tried together, in all columns and for all that is looked for in a column.
TOGETHER = 4096


class Domain:
    """The finite numbers of a dtype, by their place in ascending order.

    Parameters
    ----------
    dtype : numpy.dtype
        Of bools, integers or floats of 32 or 64 bits.

    Attributes
    ----------
    first, last : int
        Places of the smallest and of the largest number.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        if dtype.kind == "f":
            self._bits = np.dtype(f"u{dtype.itemsize}")
            self._sign = 1 << (8 * dtype.itemsize - 1)
            ends = self.place(np.array([np.finfo(dtype).min, np.finfo(dtype).max], dtype=dtype))
            self.first, self.last = int(ends[0]), int(ends[1])
        else:
            low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
            self.first = max(low, -EXACT_INTEGERS) + EXACT_INTEGERS
            self.last = min(high, EXACT_INTEGERS) + EXACT_INTEGERS

    def place(self, values: Array) -> Array:
        """Places of numbers, uint64."""
        if self.dtype.kind != "f":
            return (values.astype(np.int64) + EXACT_INTEGERS).astype(np.uint64)
        bits = values.astype(self.dtype).view(self._bits).astype(np.uint64)
        negative = bits >= self._sign
        mask = np.uint64(2 * self._sign - 1)
        return np.where(negative, ~bits & mask, bits | np.uint64(self._sign))

    def value(self, places: Array) -> Array:
        """The numbers at these places, in the dtype."""
        places = np.clip(places, np.uint64(self.first), np.uint64(self.last))
        if self.dtype.kind != "f":
            return (places.astype(np.int64) - EXACT_INTEGERS).astype(self.dtype)
        mask = np.uint64(2 * self._sign - 1)
        bits = np.where(places >= self._sign, places & np.uint64(self._sign - 1), ~places & mask)
        return bits.astype(self._bits).view(self.dtype)


def first_that(
    domains: Sequence[Domain], holds: Callable[[list[Array]], list[Array]], counts: Sequence[int]
) -> list[Array]:
    """For each of several questions about each column, the place of the smallest number for which it holds.

    Parameters
    ----------
    domains : sequence of Domain
        One a column.
    holds : callable
        Called with an array of places, shape (questions, k), for each column, it returns whether each question holds
        for each of them, of the same shapes. What holds for a number has to hold for all greater ones.
    counts : sequence of int
        How many questions there are about each column.

    Returns
    -------
    list of ndarray of uint64
        Places; one behind the last number's where it holds for none.
    """
    low = [np.full(n, domain.first, dtype=np.uint64) for domain, n in zip(domains, counts, strict=True)]
    high = [np.full(n, domain.last + 1, dtype=np.uint64) for domain, n in zip(domains, counts, strict=True)]
    k = int(np.clip(TOGETHER // max([*counts, 1]), 1, 255))
    while any((a < b).any() for a, b in zip(low, high, strict=True)):
        tried = []
        for a, b in zip(low, high, strict=True):
            width = b - a
            steps = np.arange(1, k + 1, dtype=np.uint64)
            # Places a <= p < b in ascending order; neighbours may coincide where few are left.
            part, rest = width // np.uint64(k + 1), width % np.uint64(k + 1)
            at = a[:, None] + part[:, None] * steps + (rest[:, None] * steps) // np.uint64(k + 1)
            tried.append(np.minimum(at, np.maximum(b, a + np.uint64(1))[:, None] - np.uint64(1)))
        for i, (places, found) in enumerate(zip(tried, holds(tried), strict=True)):
            if not len(places):
                continue
            n_below = (~found).sum(axis=1)  # those for which it does not hold come first
            rows, is_open = np.arange(len(places)), low[i] < high[i]
            above = np.where(n_below < k, places[rows, np.minimum(n_below, k - 1)], high[i])
            below = np.where(n_below > 0, places[rows, np.maximum(n_below, 1) - 1] + np.uint64(1), low[i])
            high[i] = np.where(is_open, np.minimum(above, high[i]), high[i])
            low[i] = np.where(is_open, np.maximum(below, low[i]), low[i])
    return high
