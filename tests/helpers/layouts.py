"""The same numbers in other places: every way in which an array can lie in memory."""

from __future__ import annotations

import numpy as np


def row_major(X):
    return np.ascontiguousarray(X)


def column_major(X):
    return np.asfortranarray(X)


def strided(X):
    """Every second row and every third column of something larger."""
    room = np.full((2 * X.shape[0], 3 * X.shape[1]), 7, dtype=X.dtype)
    room[::2, 1::3] = X
    return room[::2, 1::3]


def misaligned(X):
    """Beginning one byte beside where a number of that size should."""
    room = np.zeros(X.nbytes + 1, dtype=np.uint8)
    view = room[1:].view(X.dtype).reshape(X.shape)
    view[...] = X
    return view


def backwards(X):
    """Last row and last column first."""
    return np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]


def read_only(X):
    view = X.copy()
    view.flags.writeable = False
    return view


LAYOUTS = (row_major, column_major, strided, misaligned, backwards, read_only)
