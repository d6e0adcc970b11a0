"""Adapters for data frames: one interface to several libraries. `adapter` chooses the one for X, once a call."""

from __future__ import annotations

import sys
from typing import Any

from sktensor.inputs.frames.arrow import ArrowFrame
from sktensor.inputs.frames.base import Frame
from sktensor.inputs.frames.narwhals import NarwhalsFrame
from sktensor.inputs.frames.pandas import PandasFrame
from sktensor.inputs.frames.polars import PolarsFrame

__all__ = ["ArrowFrame", "Frame", "PandasFrame", "adapter", "is_direct"]

# Classes that are asked directly, in microseconds; narwhals, which knows all others, takes milliseconds.
_direct = (
    ("pandas", "DataFrame", PandasFrame),
    ("polars", "DataFrame", PolarsFrame),
    ("pyarrow", "Table", ArrowFrame),
)


def adapter(X: Any) -> Frame:
    """The functions for a frame: those of its library, or narwhals' for all that have none of their own."""
    cls = type(X)
    for package, name, made in _direct:
        if cls is getattr(sys.modules.get(package), name, None):
            return made(X)
    return NarwhalsFrame(X)


def is_direct(X: Any) -> bool:
    """Whether X is a frame that is asked directly, and of no class derived from theirs; no library is loaded."""
    cls = type(X)
    return any(cls is getattr(sys.modules.get(package), name, None) for package, name, _ in _direct)
