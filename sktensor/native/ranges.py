"""Ranges of rows, a kernel call each: between two calls Python sees signals, so Ctrl-C need not wait for the last."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

__all__ = ["LEAST_ROWS", "ranges"]

SECONDS = 0.05  # that a call should take
STEP_SECONDS = 1e-7  # what a row takes in a tree at most, where its nodes come from memory
LEAST_ROWS = 512  # for each thread: what circuits answer at once


def ranges(n_rows: int, n_steps: int, n_threads: int, least: int = LEAST_ROWS) -> Iterable[tuple[int, int]]:
    """Cut rows into ranges that take about 50 ms each; few rows stay one range.

    Parameters
    ----------
    n_rows : int
        How many there are.
    n_steps : int
        Steps of up to 100 ns that a row takes, such as trees.
    n_threads : int
        Threads that share a range.
    least : int
        Rows for each thread, at least.

    Returns
    -------
    iterable of (first, last)
        ``first:last`` is a range. The first one is as long as `n_steps` allows, the next ones are as long as the time
        allows that passes until they are asked for.

    Examples
    --------
    >>> list(ranges(1000, 100, 1))
    [(0, 1000)]
    """
    if n_rows <= least:  # without a generator, which takes longer than a kernel does for a row
        return ((0, n_rows),) if n_rows else ()
    return _by_time(n_rows, n_steps, n_threads, least)


def _by_time(n_rows: int, n_steps: int, n_threads: int, least: int) -> Iterator[tuple[int, int]]:
    size = max(least, int(SECONDS / STEP_SECONDS) // max(n_steps, 1)) * n_threads
    first = 0
    while first < n_rows:
        last, began = min(n_rows, first + size), time.perf_counter()
        yield first, last
        took = time.perf_counter() - began
        if took < SECONDS / 4:
            size *= 4
        elif took > SECONDS * 2:
            size = max(size // 2, least * n_threads)
        first = last
