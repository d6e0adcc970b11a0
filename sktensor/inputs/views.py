"""X as the views of a folded pipeline: its columns read, looked up and put beside what steps give that are run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest.views import BinView, CategoryView, NumberView, StepView, View
from sktensor.inputs.rows import IN_PLACE, Columns

__all__ = ["NotForViews", "read_views"]

Array = npt.NDArray[Any]

# Up to so many rows, values are looked up one by one, in less time than libraries take to begin.
FEW_ROWS = 64


class NotForViews(Exception):
    """X holds what steps refuse, warn of, or read in ways of their own: they have to be asked."""


def read_views(
    columns: Sequence[Any], views: Sequence[View], n_rows: int, given: Array | None, dtype: str
) -> Array | Columns:
    """Columns of X as a forest's views.

    Parameters
    ----------
    columns : sequence
        By the number of the column: an array of numbers, or a column of values; None for those that no view reads.
    views : sequence of View
        What is to be made of them.
    n_rows : int
        Their length.
    given : ndarray of shape (n, S), optional
        What the steps give that are run.
    dtype : {"float32", "float64"}
        The forest's feature dtype.

    Returns
    -------
    ndarray or Columns of shape (n, V)

    Raises
    ------
    NotForViews
        If a value is none that the views were made for.
    """
    if n_rows <= FEW_ROWS:
        out = np.empty((n_rows, len(views)), dtype=dtype)
        for i, view in enumerate(views):
            out[:, i] = _read(columns, view, given)
        return out
    found = [_read(columns, view, given) for view in views]
    return Columns(tuple(c if c.dtype in IN_PLACE else c.astype(dtype) for c in found), n_rows)


def _read(columns: Sequence[Any], view: View, given: Array | None) -> Array:
    if isinstance(view, NumberView):
        return _numbers(columns[view.column], view)
    if isinstance(view, CategoryView):
        codes: Array = columns[view.column].codes(view)
        if not view.all_missing and np.isin(codes, [code for code in (view.nan, view.none) if code is not None]).all():
            raise NotForViews
        return codes
    if isinstance(view, BinView):
        return _bins(columns[view.column], view)
    assert isinstance(view, StepView) and given is not None
    return given[:, view.column]


def _numbers(values: Array, view: NumberView) -> Array:
    """The numbers of a column, with those between `low` and `high` missing, and missing ones filled."""
    if view.is_plain:
        return values
    if view.fill is not None and (absent := np.isnan(values)).any():
        values = np.where(absent, values.dtype.type(view.fill), values)
    if (inside := (values >= view.low) & (values < view.high)).any():
        as_float = values if values.dtype.kind == "f" else values.astype(np.float64)
        values = np.where(inside, as_float.dtype.type(np.nan), as_float)
    return values


def _bins(values: Array, view: BinView) -> Array:
    """The bin of each number of a column; NaN for missing ones."""
    found = np.searchsorted(view.breaks, values.astype(np.float64), side="right")
    absent = np.isnan(values) if values.dtype.kind == "f" else None
    if absent is not None and not absent.any():
        absent = None
    if view.refused is not None:
        found_here = found if absent is None else found[~absent]
        if view.refused[found_here].any():
            raise NotForViews
    bins: Array = found.astype(np.float32)
    if absent is not None:
        bins[absent] = np.nan
    return bins
