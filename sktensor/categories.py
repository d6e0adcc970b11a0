"""Values of categorical columns as what the trees see: numbers from tables, and columns derived from hashes of text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sktensor.cityhash import cityhash64
from sktensor.forest import KEY_FACTOR, Forest

if TYPE_CHECKING:
    import torch

__all__ = [
    "EXCEEDS", "HASH", "IS_HASH", "KeyedColumns", "NumberTable", "category_numbers", "hashes", "mixed",
    "number_tables", "numbered",
]  # fmt: skip

Array = npt.NDArray[Any]

# Parts of a key, as Forest.key_test has them.
HASH, EXCEEDS, IS_HASH = 0, 1, 2

# From here on, not every integer is a float64.
EXACT_INTEGERS = 2**53


def category_numbers(name: Any, values: Array, table: Array) -> Array:
    """The number that each value of a column has in a table; NaN for those that it lacks.

    Parameters
    ----------
    name : object
        The column's name, for errors.
    values : ndarray of shape (n,)
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
    if values.dtype.kind in "biuf":
        if values.dtype.kind == "f" and np.isinf(values).any():
            raise ValueError(
                f"Column {name!r} of categories: Input contains infinity or a value too large for "
                f"dtype({values.dtype.name!r})."
            )
        if table.dtype.kind in "biuf":
            return _found(values, table)
        if any(isinstance(value, str) for value in table.tolist()):
            raise ValueError(f"Column {name!r} holds {values.dtype} numbers, but the model was fitted with text there.")
    number = {value: float(i) for i, value in reversed(list(enumerate(table.tolist())))}
    distinct, position = _distinct(values)
    return np.array([number.get(value, math.nan) for value in distinct])[position] if distinct else np.empty(0)


def _found(values: Array, table: Array) -> Array:
    """Numbers of numbers, compared in the dtype that numpy finds for both, as in scikit-learn's ``_check_unknown``."""
    if not len(table):
        return np.full(len(values), np.nan)
    common = np.result_type(values, table)
    order = np.argsort(table, kind="stable")
    ascending, values = table[order].astype(common), values.astype(common)
    at = np.minimum(np.searchsorted(ascending, values), len(table) - 1)
    found: Array = np.where(ascending[at] == values, order[at], np.nan)
    return found


def hashes(name: Any, values: Array) -> Array:
    """The low halves of the CityHash64 of a column's text, sign-extended as CatBoost does.

    Parameters
    ----------
    name : object
        The column's name, for errors.
    values : ndarray of shape (n,)
        Of text, bytes and integers; ``True`` is 1.

    Returns
    -------
    ndarray of uint64, shape (n,)

    Raises
    ------
    ValueError
        For anything else, missing values among it.
    """
    distinct, position = _distinct(values)
    found = np.array([cityhash64(_text(name, value)) & 0xFFFFFFFF for value in distinct], dtype=np.uint32)
    return found.view(np.int32).astype(np.int64).view(np.uint64)[position]


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


def _distinct(values: Array) -> tuple[list[Any], Array]:
    """The distinct values, and which of them each value is."""
    if values.dtype.kind != "O":
        found, position = np.unique(values, return_inverse=True)
        return found.tolist(), position
    seen: dict[tuple[type, Any], int] = {}  # by type, too: 1.0 is equal to 1
    position = np.fromiter((seen.setdefault((type(v), v), len(seen)) for v in values), np.intp, len(values))
    return [value for _, value in seen], position


def mixed(parts: Iterable[Array], n_rows: int) -> Array:
    """The keys made of some parts, uint64, shape (n_rows,)."""
    factor = np.uint64(KEY_FACTOR)
    key: Array = np.zeros(n_rows, dtype=np.uint64)
    for part in parts:
        key = factor * (key + factor * part)
    return key


@dataclass(frozen=True)
class KeyedColumns:
    """Columns with those derived from them, which are made for some rows at a time.

    Parameters
    ----------
    numbers : tuple of ndarray, shape (n,)
        The columns of X as numbers; zeros where they are hashed.
    hashes : dict of ndarray of uint64, shape (n,)
        By column.
    n_rows : int
        Their length.
    forest : Forest
        Whose keys and tables.
    """

    numbers: Sequence[Array]
    hashes: dict[int, Array]
    n_rows: int
    forest: Forest

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, the derived ones included."""
        return self.n_rows, self.forest.n_columns

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the rows."""
        return np.dtype(self.forest.feature_dtype)

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, rows: slice) -> Array:
        """Some rows as one array."""
        n = len(range(*rows.indices(self.n_rows)))
        out = np.empty((n, self.forest.n_columns), dtype=self.dtype)
        with np.errstate(over="ignore"):
            for j, column in enumerate(self.numbers):
                out[:, j] = column[rows]
        forest = self.forest
        if forest.key_off is None:
            return out
        assert forest.derived_key is not None and forest.derived_value is not None and forest.table_off is not None
        place = [self._places(key, out, rows) for key in range(len(forest.key_off) - 1)]
        first = 0
        for d, key in enumerate(forest.derived_key.tolist()):
            out[:, forest.n_features + d] = forest.derived_value[first:][place[key]]
            first += int(forest.table_off[key + 1] - forest.table_off[key]) + 1
        return out

    def _places(self, key: int, numbers: Array, rows: slice) -> Array:
        """Where each row's value of a key stands in its table; behind the last one, if it is not there."""
        forest = self.forest
        assert forest.key_off is not None and forest.table_off is not None and forest.table_key is not None
        parts = range(forest.key_off[key], forest.key_off[key + 1])
        value = mixed((self._part(part, numbers, rows) for part in parts), len(numbers))
        known = forest.table_key[forest.table_off[key] : forest.table_off[key + 1]]
        if not len(known):
            return np.zeros(len(numbers), dtype=np.intp)
        at = np.minimum(np.searchsorted(known, value), len(known) - 1)
        place: Array = np.where(known[at] == value, at, len(known))
        return place

    def _part(self, part: int, numbers: Array, rows: slice) -> Array:
        """A part of a key, uint64."""
        forest = self.forest
        assert forest.key_column is not None and forest.key_test is not None
        assert forest.key_value is not None and forest.key_nan is not None
        column, test, value = int(forest.key_column[part]), forest.key_test[part], forest.key_value[part]
        if test == HASH:
            return self.hashes[column][rows]
        if test == IS_HASH:
            answer = self.hashes[column][rows].view(np.int64) == int(value)
        else:
            x = numbers[:, column]
            answer = np.where(np.isnan(x), forest.key_nan[part], x > numbers.dtype.type(value))
        part_of_key: Array = np.asarray(answer, dtype=np.uint64)
        return part_of_key


# --- the same for tensors, where that is tensor code ----------------------------------------------------------------


@dataclass(frozen=True)
class NumberTable:
    """Values of a column in ascending order, and their numbers."""

    column: int
    value: Any  # float64 (m,)
    number: Any  # float64 (m,)


def number_tables(forest: Forest) -> tuple[NumberTable, ...]:
    """The tables of a forest whose arrays hold values, for :func:`numbered`.

    Raises
    ------
    ValueError
        If they hold what is no number to a tensor.
    """
    if forest.hashed is not None:
        columns = np.flatnonzero(forest.hashed).tolist()
        raise ValueError(
            f"The categories of columns {columns} are hashed as text, which no tensor code does. "
            "Use TensorizedEstimator, which does it before the trees."
        )
    found = []
    for column, table in enumerate(forest.categories or ()):
        if not forest.values_in_arrays or table is None:
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
