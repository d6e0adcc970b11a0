"""How the extension module reads few rows of a frame: the layout of the frame and the views, as plain values.

What it does is what :mod:`~sktensor.inputs.few_rows` and :mod:`~sktensor.inputs.view_values` do in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest.views import BinView, CategoryView, NumberView, View
from sktensor.inputs.few_rows import Layout, same_place
from sktensor.inputs.layouts import POLARS_NUMBERS
from sktensor.native.frame_calls import FrameRead

__all__ = ["frame_read"]

Array = npt.NDArray[Any]

NAN = float("nan")

NUMBERS = frozenset(POLARS_NUMBERS.values())


def frame_read(
    X: Any,
    layout: Layout,
    views: Sequence[View],
    lowest: Array,
    highest: Array,
    takes_missing: Array,
    dtype: str,
) -> FrameRead | None:
    """How frames like X are read; None where views are made of what steps give, or of texts of another class.

    Parameters
    ----------
    X : data frame
        Of pandas or polars.
    layout : Layout
        Of X.
    views : sequence of View
        What is to be made.
    lowest, highest : ndarray of float64, shape (F,)
        Between which numbers steps and model take those of each column.
    takes_missing : ndarray of bool, shape (F,)
        Whether they take missing ones.
    dtype : {"float32", "float64"}
        Of the rows.
    """
    read = [c for c, kind in enumerate(layout.kinds) if kind]
    slot = {c: i for i, c in enumerate(read)}
    is_pandas = not isinstance(X.columns, list)
    numbers, bins, categories = [], [], []
    for at, view in enumerate(views):
        if isinstance(view, NumberView) and layout.kinds[view.column] in NUMBERS:
            fill = NAN if view.fill is None else view.fill
            numbers.append((at, slot[view.column], view.low, view.high, fill))
        elif isinstance(view, BinView) and layout.kinds[view.column] in NUMBERS:
            refused = None if view.refused is None else view.refused.astype(np.bool_).tobytes()
            bins.append((at, slot[view.column], view.breaks.astype(np.float64).tobytes(), refused))
        elif isinstance(view, CategoryView) and layout.kinds[view.column] not in NUMBERS:
            codes = dict(view.codes)
            if any(type(text) is not str for text in codes):
                return None
            nan, none, unknown = (-1 if code is None else code for code in (view.nan, view.none, view.unknown))
            categories.append((at, slot[view.column], codes, nan, none, unknown, view.all_missing))
        else:
            return None
    return FrameRead(
        frame_type=type(X),
        names=X.columns.tolist() if is_pandas else X.columns,
        index=X.columns if is_pandas else None,
        dtypes=None if is_pandas else tuple(map(type, X.dtypes)),
        same_place=same_place if is_pandas else None,
        is_double=dtype == "float64",
        n_views=len(views),
        slots=tuple(
            (layout.kinds[c] in NUMBERS, float(lowest[c]), float(highest[c]), bool(takes_missing[c])) for c in read
        ),
        numbers=tuple(numbers),
        bins=tuple(bins),
        categories=tuple(categories),
        parts=_blocks(layout, slot) if is_pandas else _columns(layout, slot),
    )


def _blocks(layout: Layout, slot: dict[int, int]) -> tuple[tuple[Any, ...], ...]:
    """The blocks of columns of pandas."""
    found = []
    for dtype, place, listed, pairs in layout.parts:
        how, size = _how(layout.kinds[pairs[0][1]]) if pairs else ("-", 0)
        found.append((how, size, place, dtype, listed, tuple((i, slot[c]) for i, c in pairs)))
    return tuple(found)


def _how(kind: str) -> tuple[str, int]:
    """How columns of a kind are read, and the bytes of a value."""
    if kind in NUMBERS or kind == "object":
        dtype = np.dtype(kind)
        return dtype.kind, dtype.itemsize
    return ("a" if kind.startswith("string pyarrow") else "l"), 0


def _columns(layout: Layout, slot: dict[int, int]) -> tuple[tuple[str, int, int], ...]:
    """The columns of polars."""
    _, floats, integers, texts = layout.parts
    how = [*(("f", *pair) for pair in floats), *(("i", *pair) for pair in integers), *(("O", *pair) for pair in texts)]
    return tuple((kind, place, slot[c]) for kind, place, c in how)
