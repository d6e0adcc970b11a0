"""X as the views of a folded pipeline: its columns read, looked up and put beside what steps give that are run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest.views import BinView, CategoryView, NumberView, StepView, View
from sktensor.inputs.few_rows import FewRows
from sktensor.inputs.not_for_views import NotForViews
from sktensor.inputs.rows import IN_PLACE, Columns
from sktensor.inputs.texts import FEW_ROWS
from sktensor.inputs.view_values import ValueViews

__all__ = ["ViewReader"]

Array = npt.NDArray[Any]


class ViewReader:
    """What makes columns of X the views of a forest.

    Parameters
    ----------
    views : sequence of View
        What is to be made.
    columns : sequence of int
        The columns of X that steps look at.
    lowest, highest : ndarray of float64, shape (F,)
        Between which numbers steps and model take those of each column of X.
    takes_missing : ndarray of bool, shape (F,)
        Whether they take missing ones.
    dtype : {"float32", "float64"}
        The forest's feature dtype.
    """

    def __init__(
        self,
        views: Sequence[View],
        columns: Sequence[int],
        lowest: Array,
        highest: Array,
        takes_missing: Array,
        dtype: str,
    ) -> None:
        self.views, self.columns, self.dtype = views, columns, dtype
        self.lowest, self.highest, self.takes_missing = lowest, highest, takes_missing
        of = [i for i, view in enumerate(views) if isinstance(view, NumberView)]
        self._of_numbers = np.array(of, dtype=np.intp)
        self._others = [(i, view) for i, view in enumerate(views) if not isinstance(view, NumberView)]
        of_numbers = [views[i] for i in of]
        self._low = np.array([view.low for view in of_numbers])  # type: ignore[union-attr]
        self._high = np.array([view.high for view in of_numbers])  # type: ignore[union-attr]
        fills = [np.nan if view.fill is None else view.fill for view in of_numbers]  # type: ignore[union-attr]
        self._fill = np.array(fills)
        self._has_holes = bool((self._low < self._high).any())
        self._has_fills = not bool(np.isnan(self._fill).all())
        self._numeric: list[int] | None = None
        self._by_value: ValueViews | None = None

    def read_few(self, rows: FewRows, given: Array | None) -> Array:
        """A few rows of X as views.

        Parameters
        ----------
        rows : FewRows
            Their values.
        given : ndarray of shape (n, S), optional
            What the steps give that are run.

        Returns
        -------
        ndarray of shape (n, V)

        Raises
        ------
        NotForViews
            If a value is none that the views were made for.
        """
        if self._by_value is None:  # which columns hold numbers is the same for all rows of a kind
            self._by_value = ValueViews(self.views, rows.layout.numeric, self.lowest, self.highest, self.takes_missing)
        return np.array(self._by_value.rows(rows.columns, rows.n_rows, given), dtype=self.dtype)

    def read(self, columns: Sequence[Any], n_rows: int, given: Array | None) -> Array | Columns:
        """Columns of X as views.

        Parameters
        ----------
        columns : sequence
            By the number of the column: numbers or a :class:`~sktensor.inputs.texts.TextColumn`; None for those that
            no step looks at.
        n_rows : int
            Their length.
        given : ndarray of shape (n, S), optional
            What the steps give that are run.

        Returns
        -------
        ndarray or Columns of shape (n, V)

        Raises
        ------
        NotForViews
            If a value is none that the views were made for.
        """
        if n_rows <= FEW_ROWS:
            return self._few(columns, n_rows, given)
        for c in self.columns:
            if isinstance(columns[c], np.ndarray):
                self._check(columns[c], c)
        found = [_read(columns, view, given) for view in self.views]
        return Columns(tuple(c if c.dtype in IN_PLACE else c.astype(self.dtype) for c in found), n_rows)

    def _few(self, columns: Sequence[Any], n_rows: int, given: Array | None) -> Array:
        """All columns of numbers at once, in one array of float64, which holds what is looked for exactly."""
        if self._numeric is None:  # the first rows say which columns hold numbers, and so do all after them
            self._choose_numeric(columns)
        assert self._numeric is not None
        x = np.empty((n_rows, len(self._numeric)))
        try:
            for i, c in enumerate(self._numeric):
                x[:, i] = columns[c]
        except TypeError as error:  # None
            raise NotForViews from error
        absent = np.isnan(x)
        if not (((x >= self._lowest) & (x <= self._highest)) | (absent & self._takes)).all():
            raise NotForViews
        out = np.empty((n_rows, len(self.views)), dtype=self.dtype)
        z = x[:, self._place]
        if self._has_fills:
            z = np.where(np.isnan(z), self._fill, z)
        if self._has_holes:
            z = np.where((z >= self._low) & (z < self._high), np.nan, z)
        out[:, self._of_numbers] = z  # in range, as has been seen
        for i, view in self._others:
            if isinstance(view, BinView):
                out[:, i] = _bins(x[:, self._numeric.index(view.column)], view)
            else:
                out[:, i] = _read(columns, view, given)
        return out

    def _choose_numeric(self, columns: Sequence[Any]) -> None:
        numeric = [c for c in self.columns if isinstance(columns[c], (np.ndarray, tuple))]
        self._lowest, self._highest = self.lowest[numeric], self.highest[numeric]
        self._takes = self.takes_missing[numeric]
        self._place = np.array([numeric.index(self.views[i].column) for i in self._of_numbers.tolist()], dtype=np.intp)
        self._numeric = numeric

    def _check(self, values: Array, c: int) -> None:
        """Have the library asked about numbers that it would refuse."""
        low, high = self.lowest[c], self.highest[c]
        if values.min() >= low and values.max() <= high:
            return
        absent = np.isnan(values)
        if not self.takes_missing[c] or not (((values >= low) & (values <= high)) | absent).all():
            raise NotForViews


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
