"""Whether rows are finite, by a CPU kernel: in place, and without a copy in another dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.native import abi, loader
from sktensor.native.ranges import ranges

__all__ = ["all_finite"]

VALUES_PER_STEP = 100  # that the kernel looks at in 100 ns

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
