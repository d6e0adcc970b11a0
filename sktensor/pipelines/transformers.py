"""The structure of scikit-learn's transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.feature_selection import SelectorMixin
from sklearn.utils._set_output import _get_output_config

from sktensor.pipelines.structure import Column, is_missing

__all__ = ["describe"]

Columns = list[Column]


def describe(transformer: Any, columns: Columns) -> Columns | None:
    """The columns of what a transformer of scikit-learn gives.

    Parameters
    ----------
    transformer : transformer
        Fitted.
    columns : list of Column
        Those that it is given.

    Returns
    -------
    list of Column or None
        None for one that is run.
    """
    if (known := TABLE.get(type(transformer).__name__)) is not None:
        return known(transformer, columns)
    if isinstance(transformer, SelectorMixin):
        chosen = transformer.get_support(indices=True)
        return [columns[j] for j in chosen] if len(chosen) else None  # it warns in each call that there are none
    return None


def _elementwise(transformer: Any, columns: Columns) -> Columns:
    """Sums, products and quotients with constants of one sign, clipping, comparing: none of which decreases."""
    return [column.monotone() for column in columns]


def _k_bins(transformer: Any, columns: Columns) -> Columns:
    if transformer.encode == "ordinal":
        return [column.monotone() for column in columns]
    found = []
    for column, edges, n_bins in zip(columns, transformer.bin_edges_, transformer.n_bins_, strict=True):
        found += [column.pieces(edges[1:-1].tolist())] * int(n_bins)
    return found


def _simple_imputer(transformer: Any, columns: Columns) -> Columns | None:
    if (points := _sentinels(transformer.missing_values)) is None:
        return None
    statistics = transformer.statistics_
    empty = np.array([is_missing(value) for value in statistics.tolist()], dtype=bool)
    if empty.any() and not transformer.keep_empty_features:
        return None  # it warns of them in each call
    found = [column.monotone(points) for column in columns]
    if transformer.add_indicator:
        found += _indicators(transformer.indicator_, columns) or []
    return found


def _missing_indicator(transformer: Any, columns: Columns) -> Columns | None:
    if transformer.features == "missing-only" and transformer.error_on_new:
        return None if len(transformer.features_) < len(columns) else _indicators(transformer, columns)
    return _indicators(transformer, columns)


def _indicators(transformer: Any, columns: Columns) -> Columns | None:
    if (points := _sentinels(transformer.missing_values)) is None:
        return None
    return [columns[j].monotone(points) for j in transformer.features_.tolist()]


def _sentinels(missing_values: Any) -> tuple[Any, ...] | None:
    """What an imputer takes for missing beside NaN; None where that is not known."""
    if isinstance(missing_values, (float, np.floating)) and np.isnan(missing_values):
        return ()
    return (missing_values,) if isinstance(missing_values, (int, float, str, np.number)) else None


def _one_hot(transformer: Any, columns: Columns) -> Columns | None:
    counts = getattr(transformer, "_n_features_outs", None)
    if counts is None:
        return None
    # Of unknown categories it warns in each call [sklearn/preprocessing/_encoders.py, transform].
    warns = transformer.handle_unknown == "warn" or (
        transformer.drop is not None and transformer.handle_unknown in ("ignore", "infrequent_if_exist")
    )
    found = []
    for column, values, count in zip(columns, transformer.categories_, counts, strict=True):
        found += [column.pieces(_values(values), unknown="run" if warns else "ask")] * int(count)
    return found


def _ordinal(transformer: Any, columns: Columns) -> Columns:
    return [column.pieces(_values(values)) for column, values in zip(columns, transformer.categories_, strict=True)]


def _target(transformer: Any, columns: Columns) -> Columns:
    each = len(transformer.classes_) if transformer.target_type_ == "multiclass" else 1
    found = []
    for column, values in zip(columns, transformer.categories_, strict=True):
        found += [column.pieces(_values(values))] * each
    return found


def _values(categories: Any) -> list[Any]:
    """Known categories but for missing ones, of which is asked anyway."""
    return [value for value in categories.tolist() if not is_missing(value)]


def _function(transformer: Any, columns: Columns) -> Columns | None:
    if transformer.func is not None:
        return None
    warns = transformer.feature_names_out is None and _get_output_config("transform", transformer)["dense"] != "default"
    return None if warns else list(columns)


TABLE: dict[str, Callable[[Any, Columns], Columns | None]] = {
    "StandardScaler": _elementwise,
    "MinMaxScaler": _elementwise,
    "MaxAbsScaler": _elementwise,
    "RobustScaler": _elementwise,
    "Binarizer": _elementwise,
    "KBinsDiscretizer": _k_bins,
    "SimpleImputer": _simple_imputer,
    "MissingIndicator": _missing_indicator,
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _ordinal,
    "TargetEncoder": _target,
    "FunctionTransformer": _function,
}
