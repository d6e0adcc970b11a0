"""Arrays of every dtype and layout, and lists, made of a matrix of float64."""

from __future__ import annotations

import numpy as np
from layouts import misaligned


def strided(X):
    wide = np.repeat(X, 2, axis=1)
    wide[:, 1::2] = 77.0
    return wide[:, ::2]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


ARRAYS = {
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "int64": lambda X: X.astype(np.int64),
    "int8": lambda X: X.astype(np.int8),
    "uint16": lambda X: np.abs(X).astype(np.uint16),
    "bool": lambda X: X > 0,
    "large integers": lambda X: X.astype(np.int64) * (2**24 + 1),
    "big-endian": lambda X: X.astype(">f8"),
    "columns first": np.asfortranarray,
    "backwards": lambda X: X[::-1, ::-1],
    "strided": strided,
    "read-only": read_only,
    "misaligned": misaligned,
    "list": lambda X: X.tolist(),
    "objects": lambda X: X.astype(object),
    "longdouble": lambda X: X.astype(np.longdouble),
}
