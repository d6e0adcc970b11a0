"""Values of categorical columns as what the trees see: numbers from tables, and text to be hashed."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import count
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Forest
from sktensor.forest.known_numbers import places_in

if TYPE_CHECKING:
    import torch

__all__ = [
    "Factorized",
    "NumberTable",
    "category_numbers",
    "category_texts",
    "factorized",
    "number_tables",
    "numbered",
    "objects",
]

Array = npt.NDArray[Any]

# From here on, not every integer is a float64.
EXACT_INTEGERS = 2**53


@dataclass(frozen=True)
class Factorized:
    """A column as its distinct values, and which of them each row has.

    Parameters
    ----------
    values : list
        Distinct, by type too: 1.0 is equal to 1.
    codes : ndarray of int, shape (n,)
        For each row the index of its value in `values`.
    """

    values: list[Any]
    codes: Array

    def column(self) -> Array:
        """The values of the rows, as objects."""
        found: Array = objects(self.values)[self.codes]
        return found


def objects(values: list[Any]) -> Array:
    """A one-dimensional array of objects, also of sequences, which numpy would unpack."""
    found: Array = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def factorized(column: Array) -> Factorized:
    """A column as its distinct values.

    Parameters
    ----------
    column : ndarray of shape (n,)
        Of numbers, text or objects.

    Returns
    -------
    Factorized
    """
    values = column.tolist()
    several_types = len(set(map(type, values))) > 1
    keys = list(zip(map(type, values), values, strict=True)) if several_types else values
    number: defaultdict[Any, int] = defaultdict(count().__next__)
    position = np.fromiter(map(number.__getitem__, keys), np.intp, len(keys))
    return Factorized([value for _, value in number] if several_types else list(number), position)


def category_numbers(name: Any, column: Array | Factorized, table: Array) -> Array:
    """Look up the values of a column in a table; the result is their index there, NaN for those that it lacks.

    Parameters
    ----------
    name : object
        The column's name, for errors.
    column : ndarray of shape (n,) or Factorized
        Of numbers, text or objects.
    table : ndarray of shape (m,)
        Distinct values.

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    ValueError
        For infinities, and for numbers where the table holds text: scikit-learn's encoder takes neither.
    """
    if isinstance(column, np.ndarray) and column.dtype.kind in "biuf":
        if column.dtype.kind == "f" and np.isinf(column).any():
            raise ValueError(
                f"Column {name!r} of categories: Input contains infinity or a value too large for "
                f"dtype({column.dtype.name!r})."
            )
        if table.dtype.kind in "biuf":
            return places_in(column, table)
        if any(isinstance(value, str) for value in table.tolist()):
            raise ValueError(f"Column {name!r} holds {column.dtype} numbers, but the model was fitted with text there.")
    number = {value: float(i) for i, value in enumerate(table.tolist())}
    found = column if isinstance(column, Factorized) else factorized(column)
    numbers: Array = np.array([number.get(value, math.nan) for value in found.values], dtype=np.float64)
    return numbers[found.codes]


def category_texts(name: Any, column: Array | Factorized) -> Factorized:
    """The text of each value of a column, by which CatBoost knows it.

    Parameters
    ----------
    name : object
        The column's name, for errors.
    column : ndarray of shape (n,) or Factorized
        Of text, bytes and integers; ``True`` is 1.

    Returns
    -------
    Factorized
        Of bytes.

    Raises
    ------
    ValueError
        For anything else, missing values among it.
    """
    found = column if isinstance(column, Factorized) else factorized(column)
    return Factorized([_text(name, value) for value in found.values], found.codes)


def _text(name: Any, value: Any) -> bytes:
    """The text that CatBoost makes of a category [_catboost.pyx, get_cat_factor_bytes_representation]."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (Integral, np.bool_)):
        return b"%d" % int(value)
    raise ValueError(
        f"Column {name!r} of categories holds {value!r}: categories of this model are text or integers. "
        "Convert real numbers and missing values to text, as for fitting."
    )


# --- the same in tensor code ----------------------------------------------------------------


@dataclass(frozen=True)
class NumberTable:
    """Values of a column in ascending order, and their numbers."""

    column: int
    value: Any  # float64 (m,)
    number: Any  # float64 (m,)


def number_tables(forest: Forest) -> tuple[NumberTable, ...]:
    """Lookup tables for :func:`numbered`, of a forest whose arrays hold the values of categories.

    Raises
    ------
    ValueError
        If a table holds text, or integers that float64 does not hold exactly.
    """
    if forest.inputs.hashed is not None:
        columns = np.flatnonzero(forest.inputs.hashed).tolist()
        raise ValueError(
            f"The categories of columns {columns} are hashed as text, which no tensor code does. "
            "Use TensorizedEstimator, which does it before the trees."
        )
    found = []
    for column, table in enumerate(forest.inputs.categories or ()):
        if not forest.inputs.values_in_arrays or table is None:
            continue
        if table.dtype.kind not in "biuf" or (np.abs(table.astype(np.float64)) >= EXACT_INTEGERS).any():
            raise ValueError(
                f"The categories of column {column} are text or integers from 2**53 on, which tensors of numbers "
                "cannot hold. Use TensorizedEstimator, which looks them up before the trees."
            )
        order = np.argsort(table, kind="stable")
        found.append(NumberTable(column, table[order].astype(np.float64), order.astype(np.float64)))
    return tuple(found)


def numbered(tables: tuple[NumberTable, ...], rows: torch.Tensor) -> torch.Tensor:
    """Rows with the values of categorical columns replaced by their numbers, NaN for those that are unknown."""
    import torch

    if not tables:
        return rows
    columns = list(rows.unbind(1))
    for table in tables:
        x = columns[table.column].to(torch.float64).contiguous()
        if not len(table.value):
            columns[table.column] = torch.full_like(x, torch.nan)
            continue
        at = torch.searchsorted(table.value, x).clamp(max=len(table.value) - 1)
        columns[table.column] = torch.where(table.value[at] == x, table.number[at], torch.nan)
    return torch.stack([column.to(torch.float64) for column in columns], 1)
