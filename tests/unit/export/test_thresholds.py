"""Thresholds that stand for a rounding: the same answer for every number, on them and one ulp beside."""

from __future__ import annotations

import numpy as np
import pytest

from sktensor.export.thresholds import before_cast, before_flush
from sktensor.forest import TINY

AT = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.1, -0.1, 1e-50, -1e-50, 1e-45, -1e-45, 1e-38, 3e38, 3.4028234663852886e38, 3.5e38, -3.5e38,
     -3.4028234663852886e38, np.inf, -np.inf, 1 + 2**-23, 1 + 2**-24, 1 + 3 * 2**-24, 16777217.0]
)  # fmt: skip


def beside(x):
    """Numbers, and those one and two ulps beside them."""
    up = np.nextafter(x, np.inf)
    down = np.nextafter(x, -np.inf)
    return np.unique(np.concatenate([x, up, down, np.nextafter(up, np.inf), np.nextafter(down, -np.inf)]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_before_cast(dtype):
    rng = np.random.default_rng(0)
    with np.errstate(over="ignore"):
        thresholds = np.concatenate([AT, rng.normal(size=200), rng.normal(size=50) * 1e-44]).astype(dtype)
        moved = before_cast(thresholds)
        x = beside(np.concatenate([moved, thresholds.astype(np.float64), beside(thresholds).astype(np.float64)]))
        expected = x.astype(np.float32)[:, None].astype(np.float64) <= thresholds.astype(np.float64)
    np.testing.assert_array_equal(x[:, None] <= moved, expected)


def test_before_flush():
    thresholds = np.concatenate([AT, [TINY, -TINY, TINY / 2, -TINY / 2], beside(np.array([TINY, -TINY]))])
    moved = before_flush(thresholds)
    x = beside(np.concatenate([thresholds, moved]))
    flushed = np.where(np.abs(x) <= TINY, 0.0, x)
    np.testing.assert_array_equal(x[:, None] <= moved, flushed[:, None] <= thresholds)
