"""Ranges of rows, a kernel call each: between two calls Python sees signals, so Ctrl-C need not wait for the last."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

__all__ = ["LEAST_ROWS", "ranges", "rows_at_once"]

SECONDS = 0.05  # that a call should take at least, if there are as many rows
STEP_SECONDS = 1e-7  # what a row takes in a tree at most, where its nodes come from memory
LEAST_ROWS = 512  # for each thread: what circuits answer at once, in the same time as fewer
WALKED_ROWS = 4096  # what traversal takes through one tree after the other, so that nodes come into the cache once


def rows_at_once(n_steps: int, least: int | None = None) -> int:
    """How many rows a thread is given in a first call: whole blocks of the kernels.

    Parameters
    ----------
    n_steps : int
        Steps of up to 100 ns that a row takes, such as trees.
    least : int, optional
        Rows that the kernel takes at once, if not 512.

    Examples
    --------
    >>> rows_at_once(100), rows_at_once(700)
    (8192, 1024)
    """
    least = least or LEAST_ROWS
    wanted = int(SECONDS / STEP_SECONDS) // max(n_steps, 1)
    block = WALKED_ROWS if wanted >= WALKED_ROWS else least
    return max(-(-wanted // block), 1) * block


def ranges(n_rows: int, n_steps: int, n_threads: int, least: int | None = None) -> Iterable[tuple[int, int]]:
    """Cut rows into ranges that take 50 to 100 ms each; few rows stay one range.

    Parameters
    ----------
    n_rows : int
        How many there are.
    n_steps : int
        Steps of up to 100 ns that a row takes, such as trees.
    n_threads : int
        Threads that share a range.
    least : int, optional
        Rows that the kernel takes at once, if not 512.

    Returns
    -------
    iterable of (first, last)
        ``first:last`` is a range. All rows are one, if `n_steps` allows; otherwise the first one is half as long as
        that, and the next ones as long as the time allows that passes until they are asked for.

    Examples
    --------
    >>> list(ranges(1000, 100, 1))
    [(0, 1000)]
    """
    size = rows_at_once(n_steps, least) * n_threads
    if n_rows <= 2 * size:  # without a generator, which takes longer than a kernel does for a row
        return ((0, n_rows),) if n_rows else ()
    return _by_time(n_rows, size, (least or LEAST_ROWS) * n_threads)


def _by_time(n_rows: int, size: int, least: int) -> Iterator[tuple[int, int]]:
    first = 0
    while first < n_rows:
        # Few rows that are left are no call of their own, in which threads would wait for each other once more.
        is_last = n_rows - first <= size + size // 4
        last, began = n_rows if is_last else first + size, time.perf_counter()
        yield first, last
        took = time.perf_counter() - began
        if took < SECONDS:
            size *= 4 if took < SECONDS / 4 else 2
        elif took > SECONDS * 2:
            size = max(size // 2 // least, 1) * least
        first = last
