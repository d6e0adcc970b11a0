"""Rows on which folded steps are compared with the steps themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest.views import BinView, CategoryView, NumberView
from sktensor.pipelines.folding import Folded
from sktensor.pipelines.oracle import UNKNOWN

__all__ = ["probe_values"]

Array = npt.NDArray[Any]

N_ROWS = 256


def probe_values(folded: Folded) -> tuple[dict[int, Any], int]:
    """Values for each column of X that steps look at, and how many: thresholds, what lies beside them, what is missing.

    Parameters
    ----------
    folded : Folded
        Steps and a model.

    Returns
    -------
    values : dict
        By column of X, of the numbers and categories that are taken there.
    n_rows : int
        How many there are of each.
    """
    rng = np.random.default_rng(0)
    thresholds = _thresholds(folded)
    found: dict[int, Any] = {}
    numbers: dict[int, list[Array]] = {}
    refuses: set[int] = set()
    for i, view in enumerate(folded.views):
        if isinstance(view, NumberView):
            numbers.setdefault(view.column, []).append(thresholds.get(i, np.empty(0)))
            if view.low < view.high:
                numbers[view.column].append(np.array([view.low, view.high]))
        elif isinstance(view, BinView):
            if view.refused is None:
                numbers.setdefault(view.column, []).append(view.breaks)
            else:
                refuses.add(view.column)
                kept = np.flatnonzero(~view.refused[1:])  # the lowest number of each bin that is taken
                numbers[view.column] = [view.breaks[kept]]
        elif isinstance(view, CategoryView):
            values: list[Any] = list(view.codes)
            if not folded.runs:  # a step that is run may refuse other values in the same column, or warn of them
                values += [UNKNOWN] * (view.unknown is not None)
                values += [np.nan] * (view.nan is not None) + [None] * (view.none is not None)
            if not values:
                continue
            found[view.column] = [values[k] for k in rng.integers(0, len(values), N_ROWS)]
    for column, parts in numbers.items():
        at = np.unique(np.concatenate(parts))
        low, high = folded.lowest[column], folded.highest[column]
        at = at[(at >= low) & (at <= high)]
        if column not in refuses:
            zeros = np.array([0.0, -0.0, 1.0])
            at = np.concatenate([at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf), zeros])
            at = at[(at >= low) & (at <= high)]
        if not len(at):
            continue
        drawn = at[rng.integers(0, len(at), N_ROWS)]
        found[column] = drawn
        if folded.takes_missing[column] and column not in refuses:
            found[column] = np.where(rng.random(N_ROWS) < 0.1, np.nan, drawn)
    return found, N_ROWS


def _thresholds(folded: Folded) -> dict[int, Array]:
    """The thresholds of the nodes that look at each view."""
    feature, threshold = folded.forest.trees.feature, folded.forest.trees.threshold
    order = np.argsort(feature, kind="stable")
    views, starts = np.unique(feature[order], return_index=True)
    return dict(zip(views.tolist(), np.split(threshold[order], starts)[1:], strict=True))
