"""Few rows of a data frame through views, kernels and back, in one call of an extension module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy.typing as npt

from sktensor.native.plain_calls import PlainCall, extension

__all__ = ["FrameCall", "FrameRead", "frame_call"]

FrameCall = Callable[[Any], npt.NDArray[Any] | None]
"""``call(X)``: the answer, or None where X, or what is found in it, is for the ordinary way."""


class FrameRead(NamedTuple):
    """How few rows of frames of one layout are read, and what is made of them.

    Attributes
    ----------
    frame_type : type
        Of the frames.
    names : list
        Of all their columns, in order.
    index : object
        Of pandas, what holds these names in one frame.
    dtypes : tuple of type, optional
        Of polars, the classes of the dtypes of all columns; None for frames of pandas.
    same_place : callable, optional
        Of pandas, whether two places of a block are the same.
    is_double : bool
        Whether the rows are made of float64, not float32.
    n_views : int
        Numbers in a row, as the trees see it.
    slots : tuple of (bool, float, float, bool)
        Of each column that is read whether it holds numbers, between which bounds they are taken, and whether missing
        ones are.
    numbers : tuple of (int, int, float, float, float)
        The view's place, its slot, `low`, `high` and `fill` of :class:`~sktensor.forest.views.NumberView`.
    bins : tuple of (int, int, bytes, bytes or None)
        The view's place, its slot, `breaks` and `refused` of :class:`~sktensor.forest.views.BinView`.
    categories : tuple of (int, int, dict, int, int, int, bool)
        The view's place, its slot, and the fields of :class:`~sktensor.forest.views.CategoryView`; -1 in place of None.
    parts : tuple
        Of pandas, of each block of columns: how it is read and the bytes of a number, its place, its dtype, what makes
        lists of it, and of each column that is read its place in the block and its slot. Of polars, of each column that
        is read how, its place, and its slot.
    """

    frame_type: type
    names: list[Any]
    index: Any
    dtypes: tuple[type, ...] | None
    same_place: Callable[[Any, Any], bool] | None
    is_double: bool
    n_views: int
    slots: tuple[tuple[bool, float, float, bool], ...]
    numbers: tuple[tuple[int, int, float, float, float], ...]
    bins: tuple[tuple[int, int, bytes, bytes | None], ...]
    categories: tuple[tuple[int, int, dict[str, int], int, int, int, bool], ...]
    parts: tuple[tuple[Any, ...], ...]


def frame_call(plain: PlainCall, read: FrameRead) -> FrameCall:
    """What answers few rows of frames in one call.

    Parameters
    ----------
    plain : PlainCall
        What answers the rows that the trees see, as :func:`~sktensor.native.plain_calls.plain_call` gives it.
    read : FrameRead
        How these are made.

    Returns
    -------
    FrameCall
    """
    return extension().FrameCall(plain, **read._asdict())  # type: ignore[no-any-return]
