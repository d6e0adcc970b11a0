"""Columns of text looked up among known texts."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sktensor.forest.views import CategoryView
from sktensor.inputs.not_for_views import NotForViews
from sktensor.inputs.view_values import code_of

__all__ = ["FEW_ROWS", "TextColumn", "text_column"]

Array = npt.NDArray[Any]

# Up to so many rows, texts are looked up one by one.
FEW_ROWS = 64


class TextColumn(Protocol):
    """A column of texts and missing values."""

    def codes(self, view: CategoryView) -> Array:
        """The number of each value, or :class:`NotForViews` if one has none."""


def text_column(values: Any, kind: str) -> TextColumn:
    """A column of text of some kind.

    Parameters
    ----------
    values : ndarray, sequence, pandas array or polars Series
        The values.
    kind : {"object", "list", "string", "category", "polars"}
        An array of objects; a sequence of them; pandas' own text or categories; a column of polars.

    Returns
    -------
    TextColumn
    """
    found: TextColumn = KINDS[kind](values)
    return found


class _Objects:
    def __init__(self, values: Array) -> None:
        self._values = values

    def codes(self, view: CategoryView) -> Array:
        if len(self._values) <= FEW_ROWS or "pandas" not in sys.modules:
            return _one_by_one(self._values.tolist(), view)
        numbers: Array
        numbers, distinct = sys.modules["pandas"].factorize(self._values)
        if (numbers >= 0).all():
            found: Array = _one_by_one(distinct.tolist(), view)[numbers]
            return found
        codes: Array = np.append(_one_by_one(distinct.tolist(), view), np.float32(0))[numbers]
        absent = np.flatnonzero(numbers < 0)  # None and NaN, which the steps may tell apart
        codes[absent] = _one_by_one(self._values[absent].tolist(), view)
        return codes


class _Listed:
    """Values of a few rows."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def codes(self, view: CategoryView) -> Array:
        return _one_by_one(self._values, view)


class _Strings:
    """Text of pandas, kept by Arrow or as objects; what is missing there is NaN to scikit-learn."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def codes(self, view: CategoryView) -> Array:
        if len(self._values) <= FEW_ROWS or not _has_arrow():
            if hasattr(self._values, "__arrow_array__"):
                listed = self._values.__arrow_array__().to_pylist()
            else:
                listed = self._values.tolist()
            return _one_by_one([value if isinstance(value, str) else np.nan for value in listed], view)
        return _by_arrow(self._values.__arrow_array__(), view, view.nan)


class _Categories:
    def __init__(self, values: Any) -> None:
        self._values = values

    def codes(self, view: CategoryView) -> Array:
        own, codes = self._values.categories.tolist(), self._values.codes
        unknown = np.nan if view.unknown is None else view.unknown
        missing = np.nan if view.nan is None else view.nan
        table = np.array([*(view.codes.get(value, unknown) for value in own), missing], dtype=np.float32)
        return _checked(table[codes])


class _OfPolars:
    def __init__(self, values: Any) -> None:
        self._values = values

    def codes(self, view: CategoryView) -> Array:
        values, polars = self._values, sys.modules["polars"]
        if len(values) <= FEW_ROWS or not _has_arrow():
            return _one_by_one(values.to_list(), view)
        if values.dtype != polars.String:
            values = values.cast(polars.String)
        return _by_arrow(values.to_arrow(), view, view.none)


KINDS: Mapping[str, Any] = {
    "object": _Objects,
    "list": _Listed,
    "string": _Strings,
    "category": _Categories,
    "polars": _OfPolars,
}


def _one_by_one(values: list[Any], view: CategoryView) -> Array:
    """Codes of values by a dict."""
    get = view.codes.get
    try:
        found = [get(value, -1) for value in values]
    except TypeError as error:  # what cannot be hashed is no text
        raise NotForViews from error
    codes = np.array(found, dtype=np.float32)
    if -1 in found:
        for i in np.flatnonzero(codes < 0).tolist():
            code = code_of(values[i], view)
            codes[i] = np.nan if code is None else code
        return _checked(codes)
    return codes


def _checked(codes: Array) -> Array:
    if np.isnan(codes).any():
        raise NotForViews
    return codes


def _by_arrow(values: Any, view: CategoryView, missing: int | None) -> Array:
    """Codes of an Arrow array of text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pa.array(list(view.codes), type=values.type)
    found = pc.index_in(values, value_set=known, skip_nulls=True)
    at = np.asarray(pc.fill_null(found, -1))
    order = np.fromiter(view.codes.values(), dtype=np.float32, count=len(view.codes))
    table = np.append(order, np.float32(np.nan if view.unknown is None else view.unknown))
    codes: Array = table[at]
    if values.null_count:
        codes[np.asarray(pc.is_null(values))] = np.nan if missing is None else missing
    return _checked(codes)


@cache
def _has_arrow() -> bool:
    return importlib.util.find_spec("pyarrow") is not None
