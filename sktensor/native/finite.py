"""Whether rows are finite, by a CPU kernel: in place, and without a copy in another dtype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.native import abi, loader
from sktensor.native.ranges import ranges

__all__ = ["all_finite", "columns_are_finite"]

VALUES_PER_STEP = 100  # that the kernel looks at in 100 ns
VALUES_TOGETHER = 2**24  # of columns that lie apart, so that Ctrl-C is seen between some of them

_known = (np.dtype(np.float32), np.dtype(np.float64))


def all_finite(X: npt.NDArray[Any], dtype: str) -> bool:
    """Whether all values of X are known to be finite once they are cast; False, too, where no kernel can tell."""
    kernels = loader.library()
    if kernels is None or X.ndim != 2 or X.dtype not in _known:
        return False
    for first, last in ranges(len(X), X.shape[1] // VALUES_PER_STEP, 1):
        rows = loader.packed_rows(X[first:last] if first or last < len(X) else X, None, -1.0)
        if not kernels.all_finite(rows, abi.DTYPES[dtype], kernels.isa):
            return False
    return True


def columns_are_finite(columns: Sequence[npt.NDArray[Any]], dtype: str) -> bool:
    """The same of columns of float32 and float64 values, all of one length."""
    kernels = loader.library()
    if kernels is None:
        return False
    n_rows = len(columns[0]) if columns else 0
    together = max(1, VALUES_TOGETHER // max(n_rows, 1))
    for first in range(0, len(columns), together):
        some = loader.packed_columns(columns[first : first + together])  # which has to stay until the call is over
        if not kernels.all_finite(loader.packed_frame(some, n_rows, None, -1.0), abi.DTYPES[dtype], kernels.isa):
            return False
    return True
