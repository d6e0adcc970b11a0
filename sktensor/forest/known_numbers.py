"""Numbers of numbers: the places of values in a table of known ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["places_in"]

Array = npt.NDArray[Any]


def places_in(values: Array, table: Array) -> Array:
    """Where numbers stand in a table, compared in the dtype that numpy finds for both.

    As in scikit-learn's ``_check_unknown`` [sklearn/utils/_encode.py].

    Parameters
    ----------
    values : ndarray of shape (n,)
        Numbers.
    table : ndarray of shape (m,)
        Distinct numbers in any order.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN for those that the table lacks.

    Examples
    --------
    >>> places_in(np.array([2.5, 7.0]), np.array([1.0, 2.5]))
    array([ 1., nan])
    """
    if not len(table):
        return np.full(len(values), np.nan)
    common = np.result_type(values, table)
    order = np.argsort(table, kind="stable")
    ascending, values = table[order].astype(common), values.astype(common)
    at = np.minimum(np.searchsorted(ascending, values), len(table) - 1)
    found: Array = np.where(ascending[at] == values, order[at], np.nan)
    return found
