"""Descriptions of transformers held against the transformers themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.pipelines.registry import description_of
from sktensor.pipelines.structure import Column, Description, column_of, is_missing

__all__ = ["check_transformer"]

Array = npt.NDArray[Any]

N_VALUES = 200


def check_transformer(transformer: Any, X: Any, *, describe: Description | None = None) -> None:
    """Hold the description of a fitted transformer against what it gives.

    Each column of what it gives must come from the column that is said: others are shuffled. A monotone one must keep
    the order of numbers, of neighbouring ones too; one in pieces must be the same for all numbers between two known
    ones, and for all unknown texts.

    Parameters
    ----------
    transformer : transformer
        Fitted.
    X : array-like or data frame of shape (n_samples, n_features)
        Rows that it takes, some tens at least.
    describe : callable, optional
        As for :func:`~sktensor.register_transformer`; by default the one that is registered.

    Raises
    ------
    AssertionError
        Naming the column and what is wrong with it.
    ValueError
        If nobody describes the transformer, or it is said to be run.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sktensor.testing import check_transformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> check_transformer(StandardScaler().fit(X), X)
    """
    describe = describe or description_of(transformer)
    if describe is None:
        raise ValueError(f"Nobody describes {type(transformer).__name__}: register_transformer(package, describe).")
    n_columns = X.shape[1]
    given = [Column(j, "monotone", (lambda rows: rows, j)) for j in range(n_columns)]
    described = describe(transformer, given)
    if described is None:
        raise ValueError(f"This {type(transformer).__name__} is said to be run, and nothing is promised of it.")
    found = transformer.transform(X)
    if found.shape[1] != len(described):
        raise AssertionError(f"{len(described)} columns are described, and the transformer gives {found.shape[1]}")
    rng = np.random.default_rng(0)
    for j, column in enumerate(described):
        shuffled = _with_others_shuffled(X, column.source, rng)
        if not _same(column_of(found, j), column_of(transformer.transform(shuffled), j)):
            raise AssertionError(f"column {j} is said to come from column {column.source} alone, and others change it")
        values = _numbers(X, column.source)
        if values is not None:
            _check_numbers(transformer, X, j, column, values, rng)


def _with_others_shuffled(X: Any, kept: int, rng: np.random.Generator) -> Any:
    order = rng.permutation(len(X))
    if hasattr(X, "iloc"):
        moved = X.iloc[order].reset_index(drop=True)
        moved.isetitem(kept, X.iloc[:, kept].to_numpy())
        return moved.astype(X.dtypes)
    moved = np.array(X)[order]
    moved[:, kept] = np.asarray(X)[:, kept]
    return moved


def _numbers(X: Any, column: int) -> Array | None:
    values = np.asarray(X.iloc[:, column]) if hasattr(X, "iloc") else np.asarray(X)[:, column]
    if values.dtype.kind != "f":
        return None
    finite: Array = values[np.isfinite(values)]
    return finite


def _check_numbers(transformer: Any, X: Any, j: int, column: Column, values: Array, rng: np.random.Generator) -> None:
    """Numbers in ascending order, with neighbours and known ones among them."""
    at = rng.choice(values, N_VALUES)
    known = [value for one in (*column.known, *column.points) for value in one.values if not is_missing(value)]
    known = [value for value in known if isinstance(value, (int, float))]
    at = np.concatenate([at, np.nextafter(at, np.inf), np.array(known, dtype=at.dtype)])
    exceptions = {value for one in column.points for value in one.values}
    at = np.sort(at[~np.isin(at, list(exceptions))])
    rows = X.iloc[np.zeros(len(at), dtype=int)].reset_index(drop=True) if hasattr(X, "iloc") else None
    if rows is None:
        rows = np.repeat(np.asarray(X)[:1], len(at), axis=0)
        rows[:, column.source] = at
    else:
        rows.isetitem(column.source, at)
    try:
        z = column_of(transformer.transform(rows), j)
    except ValueError:
        return  # it takes known values alone
    if column.kind == "pieces":
        edges = np.unique(np.array(known, dtype=np.float64))
        piece = 2 * np.searchsorted(edges, at, side="left") + np.isin(at, edges)
        changes = np.flatnonzero((piece[1:] == piece[:-1]) & (z[1:] != z[:-1]))
        if len(changes):
            raise AssertionError(f"column {j} changes between {at[changes[0]]!r} and {at[changes[0] + 1]!r}")
        return
    steps = np.diff(z) if column.kind == "monotone" else -np.diff(z)
    if (wrong := np.flatnonzero(steps < 0)).size:
        first, second = at[wrong[0]], at[wrong[0] + 1]
        raise AssertionError(f"column {j} is said to be {column.kind}, and is not from {first!r} to {second!r}")


def _same(first: Array, second: Array) -> bool:
    if first.dtype.kind == "f":
        return bool(np.array_equal(first, second, equal_nan=True))
    return bool(np.array_equal(first, second))
