"""A few rows of a frame as Python's own values.

For one row, calls of numpy and of the frame's library take longer than its values. What can be said of all frames with
the same kinds of columns is found out once; each row is then read by the same few steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sktensor.inputs.layouts import KINDS, POLARS_NUMBERS, columns_of, pandas_kind

__all__ = ["FEW_VALUES", "FLOATS", "FewRows", "FewRowsReader", "Layout", "same_place"]

# Up to so many values in all, they are faster read one by one.
FEW_VALUES = 500

# Layouts of a library that are known at a time: rows may come in turn with and without missing integers, and the like.
LAYOUTS_KEPT = 4

FLOATS = ("float32", "float64")

Listed: TypeAlias = Callable[[Any], list[list[Any]]]


class FewRows(NamedTuple):
    """Columns of a few rows.

    Attributes
    ----------
    columns : list
        By the number of the column its values, or None for those that no step looks at. Numbers are of type float, and
        what is missing beside texts is NaN or None as the steps would see it.
    n_rows : int
        Their length.
    layout : Layout
        Of the frame.
    """

    columns: list[Any]
    n_rows: int
    layout: Layout


@dataclass(frozen=True, eq=False)
class Layout:
    """What is known of frames with the same kinds of columns.

    Attributes
    ----------
    kinds : tuple of str
        As :class:`~sktensor.inputs.layouts.FrameLayout` has them.
    numeric : tuple of int
        The columns that hold numbers.
    parts : object
        Of pandas, of each block its dtype, its place, what lists its values, and which of them are which columns. Of
        polars the classes of the dtypes, and of the columns of floats, integers and texts their places and numbers.
    """

    kinds: tuple[str, ...]
    numeric: tuple[int, ...]
    parts: Any


class FewRowsReader:
    """What reads a few rows of frames.

    Parameters
    ----------
    read : sequence of int
        The columns that the steps look at.
    """

    def __init__(self, read: Sequence[int]) -> None:
        self._read = read
        self._known: dict[str, tuple[tuple[list[int], Layout], ...]] = {}

    def of(self, library: str, X: Any, n_rows: int, places: list[int]) -> tuple[tuple[str, ...], Any] | None:
        """What the columns of a frame are of, and these; None if one is of another kind.

        Parameters
        ----------
        library : {"pandas", "polars"}
            Whose frame it is.
        X : data frame
            The rows.
        n_rows : int
            How many there are.
        places : list of int
            Where each column of the steps is in it.

        Returns
        -------
        kinds : tuple of str
            As :class:`~sktensor.inputs.layouts.FrameLayout` has them.
        columns : FewRows, or list
            As of :func:`~sktensor.inputs.layouts.columns_of` where the library keeps its values in another way than
            is known here.
        """
        for known, layout in self._known.get(library, ()):
            if known != places:
                continue
            values = _from_pandas(X, layout) if library == "pandas" else _from_polars(X, layout)
            if values is not None:
                # What FewRows(...) does, without a call.
                return layout.kinds, tuple.__new__(FewRows, (values, n_rows, layout))
        if (found := columns_of(X, places, self._read)) is None:
            return None
        columns, kinds = found
        parts = (_parts_of_pandas if library == "pandas" else _parts_of_polars)(X, places, self._read, kinds)
        if parts is not None:
            numeric = tuple(c for c in self._read if kinds[c] in POLARS_NUMBERS.values())
            others = self._known.get(library, ())[: LAYOUTS_KEPT - 1]
            self._known[library] = (places, Layout(kinds, numeric, parts)), *others
        return kinds, columns


# --- pandas -------------------------------------------------------------------------------------------------------


def _parts_of_pandas(X: Any, places: list[int], read: Sequence[int], kinds: tuple[str, ...]) -> Any:
    """For each block of columns: its dtype, its place, what lists its values, and which of them are which columns.

    None where this pandas calls what it holds columns in otherwise, which has no public name.
    """
    blocks = getattr(getattr(X, "_mgr", None), "blocks", None)
    if blocks is None or not all(hasattr(block, "_mgr_locs") and hasattr(block, "values") for block in blocks):
        return None
    column_at = {places[c]: c for c in read}
    parts = []
    for block in blocks:
        pairs = tuple((i, column_at[place]) for i, place in enumerate(block._mgr_locs) if place in column_at)
        dtype = block.values.dtype
        listed = _listed(kinds[pairs[0][1]], block.values) if pairs else None
        parts.append((dtype, block._mgr_locs, listed, pairs))
    return tuple(parts)


def _listed(kind: str, values: Any) -> Listed:
    """What makes lists of the columns of a block."""
    if kind == "object" or kind in FLOATS:
        return np.ndarray.tolist
    if kind in KINDS.values():
        return _integers
    if kind == "category":
        return _Categories(values.categories.tolist())
    return _arrow_strings if kind.startswith("string pyarrow") else _strings


def _integers(values: Any) -> list[list[Any]]:
    return values.astype(np.float64).tolist()  # type: ignore[no-any-return]


def _arrow_strings(values: Any) -> list[list[Any]]:
    found = values.__arrow_array__()
    listed = (found.chunk(0) if found.num_chunks == 1 else found).to_pylist()
    return [[np.nan if value is None else value for value in listed]]


def _strings(values: Any) -> list[list[Any]]:
    # What is missing there is NaN to scikit-learn, however the dtype calls it.
    return [[value if isinstance(value, str) else np.nan for value in values.tolist()]]


class _Categories:
    def __init__(self, own: list[Any]) -> None:
        self._own = [*own, np.nan]  # whose code is -1

    def __call__(self, values: Any) -> list[list[Any]]:
        return [[self._own[code] for code in values.codes.tolist()]]


def _from_pandas(X: Any, layout: Layout) -> list[Any] | None:
    """The columns of a frame of this layout; None if it has another one."""
    blocks, parts = X._mgr.blocks, layout.parts
    if len(blocks) != len(parts):
        return None
    columns: list[Any] = [None] * len(layout.kinds)
    for block, (dtype, place, listed, pairs) in zip(blocks, parts, strict=True):
        values = block.values
        if block._mgr_locs is not place and not same_place(block._mgr_locs, place):
            return None
        if listed is None:
            continue
        if values.dtype is not dtype and not _same_kind(values.dtype, layout.kinds[pairs[0][1]]):
            return None
        found = listed(values)
        for i, c in pairs:
            columns[c] = found[i]
    return columns


def same_place(one: Any, other: Any) -> bool:
    """Whether two blocks of pandas hold the same columns of their frames."""
    one, other = one.indexer, other.indexer
    if isinstance(one, slice) or isinstance(other, slice):
        return type(one) is type(other) and bool(one == other)
    return np.array_equal(one, other)


def _same_kind(dtype: Any, kind: str) -> bool:
    """Whether columns of another dtype object are read in the same way: not if they have categories of their own."""
    return kind != "category" and pandas_kind(dtype) == kind


# --- polars -------------------------------------------------------------------------------------------------------


def _parts_of_polars(X: Any, places: list[int], read: Sequence[int], kinds: tuple[str, ...]) -> Any:
    """The classes of the dtypes, and of the columns their places, their numbers, and what they hold."""
    floats = tuple((places[c], c) for c in read if kinds[c] in FLOATS)
    integers = tuple((places[c], c) for c in read if kinds[c] in POLARS_NUMBERS.values() and kinds[c] not in FLOATS)
    texts = tuple((places[c], c) for c in read if kinds[c] not in POLARS_NUMBERS.values())
    return list(map(type, X.dtypes)), floats, integers, texts


def _from_polars(X: Any, layout: Layout) -> list[Any] | None:
    """The columns of a frame of this layout; None if it has another one."""
    classes, floats, integers, texts = layout.parts
    if list(map(type, X.dtypes)) != classes:  # Enums of other texts are read in the same way
        return None
    columns: list[Any] = [None] * len(layout.kinds)
    rows = X.rows()
    for place, c in texts:
        columns[c] = [row[place] for row in rows]
    for place, c in floats:
        columns[c] = [np.nan if (value := row[place]) is None else value for row in rows]
    for place, c in integers:
        if None in (values := [row[place] for row in rows]):
            return None  # a column of integers with missing values is none of numbers to the steps
        columns[c] = [float(value) for value in values]
    return columns
