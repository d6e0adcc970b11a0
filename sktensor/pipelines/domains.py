"""The numbers of a dtype in order, and the search for the first one for which something holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Domain", "first_that"]

Array = npt.NDArray[Any]

# Integers are looked for up to here, as far as float64 holds all of them.
EXACT_INTEGERS = 2**53

# Numbers that are tried together, of each column and of all of them, at most.
TOGETHER = 4096
ELEMENTS = 200_000

# In which rounds numbers about a guess are tried, and how far away from it, as a power of two.
NEAR = {1: 40, 2: 16}


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


Answered = tuple[Array, Array]
"""Whether what is asked holds, and what the steps give, each of shape (questions, k)."""


def first_that(
    domains: Sequence[Domain],
    asked: Callable[[list[Array], list[Array]], list[Answered]],
    counts: Sequence[int],
    levels: Sequence[Array],
) -> list[Array]:
    """For each of several questions about each column, the place of the smallest number for which it holds.

    Intervals are narrowed until they are empty. What is found does not depend on which numbers are tried: if the steps
    are about linear where they give some levels, fewer are.

    Parameters
    ----------
    domains : sequence of Domain
        One a column.
    asked : callable
        Called with an array of numbers, shape (questions, k), and the numbers of these questions for each column, it
        returns whether they hold there, and what the steps give there, of the same shapes. What holds for a number has
        to hold for all greater ones.
    counts : sequence of int
        How many questions there are about each column.
    levels : sequence of ndarray of float64, shape (questions,)
        About where, in what the steps give, questions begin to hold.

    Returns
    -------
    list of ndarray of uint64
        Places; one behind the last number's where it holds for none.
    """
    of_dtype: dict[np.dtype[Any], list[int]] = {}
    for i, domain in enumerate(domains):
        of_dtype.setdefault(domain.dtype, []).append(i)
    searches = [
        _Search(domains[columns[0]], [counts[i] for i in columns], np.concatenate([levels[i] for i in columns]))
        for columns in of_dtype.values()
    ]
    order = [i for columns in of_dtype.values() for i in columns]
    for number in itertools.count():
        which = [w for search in searches for w in search.open()]
        most = max(map(len, which), default=0)
        if not most:
            break
        k = int(np.clip(min(TOGETHER, ELEMENTS // len(domains)) // most, 5, 255))
        tried = [values for search in searches for values in search.tried(k, number)]
        of_column: list[Any] = [None] * len(domains)
        for i, values, w in zip(order, tried, which, strict=True):
            of_column[i] = values, w
        answered = asked([values for values, _ in of_column], [w for _, w in of_column])
        in_order = [answered[i] for i in order]
        for search in searches:
            n = len(search.counts)
            search.narrow(in_order[:n])
            in_order = in_order[n:]
    found: list[Any] = [None] * len(domains)
    for search, columns in zip(searches, of_dtype.values(), strict=True):
        for i, places in zip(columns, np.split(search.high, search.starts[1:-1]), strict=True):
            found[i] = places
    return found


class _Search:
    """The intervals of all questions about some columns of a dtype."""

    def __init__(self, domain: Domain, counts: Sequence[int], levels: Array) -> None:
        self._domain, self.counts, self._levels = domain, counts, levels
        self.starts = np.cumsum([0, *counts])
        n = int(self.starts[-1])
        self._low: Array = np.full(n, domain.first, dtype=np.uint64)
        self.high: Array = np.full(n, domain.last + 1, dtype=np.uint64)
        # Two numbers and what the steps give there, for a line through them.
        self._x, self._z = np.full((2, n), np.nan), np.full((2, n), np.nan)
        self._which: Array = np.arange(n)
        self._places: Array = np.empty((n, 0), dtype=np.uint64)

    def _by_column(self, rows: Array) -> list[Array]:
        return np.split(rows, np.searchsorted(self._which, self.starts[1:-1]))

    def open(self) -> list[Array]:
        """By column, the questions of which nothing is known yet for some numbers."""
        self._which = np.flatnonzero(self._low < self.high)
        return [w - start for w, start in zip(self._by_column(self._which), self.starts[:-1], strict=True)]

    def tried(self, k: int, number: int) -> list[Array]:
        """By column, numbers to try next for the open questions, in ascending order."""
        a, b = self._low[self._which], self.high[self._which]
        if number == 0:
            two = self._domain.place(np.array([0, 1]).astype(self._domain.dtype))
            found: Array = np.repeat(two[None], len(a), axis=0)
        else:
            # Places a <= p < b; neighbours may coincide where few are left.
            width, step = b - a, np.arange(1, k + 1, dtype=np.uint64)
            part, rest = width // np.uint64(k + 1), width % np.uint64(k + 1)
            found = a[:, None] + part[:, None] * step + (rest[:, None] * step) // np.uint64(k + 1)
            if number in NEAR:
                self._gather(found, NEAR[number])
        self._places = np.clip(found, a[:, None], b[:, None] - np.uint64(1))
        return self._by_column(self._domain.value(self._places))

    def _gather(self, found: Array, reach: int) -> None:
        """Try places about those where a line reaches the levels, ever farther apart."""
        (x0, x1), (z0, z1), level = self._x[:, self._which], self._z[:, self._which], self._levels[self._which]
        with np.errstate(all="ignore"):
            x = x0 + (level - z0) * ((x1 - x0) / (z1 - z0))
        is_known = ~np.isnan(x) & np.isfinite(z0) & np.isfinite(z1)
        first, last = self._domain.value(np.array([self._domain.first, self._domain.last], dtype=np.uint64))
        x = np.clip(x[is_known], float(first), float(last))
        if self._domain.dtype.kind != "f":
            x = np.rint(x)
        at = self._domain.place(x.astype(self._domain.dtype))[:, None]
        k = found.shape[1]
        away = np.exp2(np.linspace(0, reach, k // 2)).astype(np.uint64)
        below = at - np.minimum(away[::-1], at)
        found[is_known] = np.concatenate([below, *([at] * (k % 2)), at + away], axis=1)

    def narrow(self, answered: Sequence[Answered]) -> None:
        """Take note of what has been found for the numbers that were tried, by column."""
        which, places = self._which, self._places
        holds, given = (np.concatenate(parts) for parts in zip(*answered, strict=True))
        rows, k = np.arange(len(which)), places.shape[1]
        n_below = (~holds).sum(axis=1)  # those for which it does not hold come first
        low, high = self._low[which], self.high[which]
        at, before = np.minimum(n_below, k - 1), np.maximum(n_below, 1) - 1
        self.high[which] = np.where(n_below < k, places[rows, at], high)
        self._low[which] = np.where(n_below > 0, places[rows, before] + np.uint64(1), low)
        at, before = np.where(n_below == 0, 1, at), np.where(n_below == k, k - 2, before)  # two of one side
        for end, column in enumerate((before, at)):
            self._x[end, which] = self._domain.value(places[rows, column]).astype(np.float64)
            self._z[end, which] = given[rows, column]
