"""A lock for what is compiled once, which a forked process has anew."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["CompilationLock"]

_all: weakref.WeakSet[CompilationLock] = weakref.WeakSet()


class CompilationLock:
    """A lock, one for all objects of a module: one in each would have to be left out of every copy and pickle.

    Examples
    --------
    >>> compiling = CompilationLock()
    >>> with compiling.held():
    ...     pass
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _all.add(self)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; the same thread may again, since a wrapper may wrap another."""
        with self._lock:  # this very one: a fork meanwhile puts another in its place
            yield

    def renew(self) -> None:
        """Put a fresh lock in the place of one that may be held by a thread which a forked process does not have."""
        self._lock = threading.RLock()


def _renew_all() -> None:
    for lock in _all:
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
