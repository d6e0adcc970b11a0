"""Values of categorical columns as what the trees see: numbers from tables, and columns derived from hashes of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sktensor.cityhash import cityhash64
from sktensor.forest import EXCEEDS, HASH, IS_HASH, KEY_FACTOR, Forest

if TYPE_CHECKING:
    import torch

__all__ = ["KeyedColumns", "NumberTable", "category_numbers", "hashes", "number_tables", "numbered"]

Array = npt.NDArray[Any]

# Keys of some rows that are made and looked up together: what is at hand meanwhile fits into a second-level cache.
KEYS_TOGETHER = 2**15

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
        if (keys := self.forest.key_off) is not None:
            together = max(1, KEYS_TOGETHER // max(1, len(keys) - 1))
            for begin in range(0, n, together):
                part = slice(begin, min(begin + together, n))
                of_part = {column: found[rows][part] for column, found in self.hashes.items()}
                out[part, self.forest.n_features :] = _derived(self.forest, out[part], of_part).T
        return out


def _derived(forest: Forest, numbers: Array, hashed: dict[int, Array]) -> Array:
    """The derived columns of some rows, shape (D, n)."""
    assert forest.key_off is not None and forest.table_off is not None and forest.table_key is not None
    assert forest.derived_key is not None and forest.derived_value is not None
    parts, first, n_parts = _parts(forest, numbers, hashed), forest.key_off[:-1], np.diff(forest.key_off)
    factor = np.uint64(KEY_FACTOR)
    key: Array = np.zeros((len(n_parts), len(numbers)), dtype=np.uint64)
    for i in range(n_parts.max(initial=0)):
        at = np.flatnonzero(n_parts > i)
        key[at] = factor * (key[at] + factor * parts[first[at] + i])

    # The last known key that is not greater, by halves, for all tables at once.
    begin, end = (forest.table_off[at, None].astype(np.int64) for at in (slice(None, -1), slice(1, None)))
    size, known = end - begin, forest.table_key
    place = np.broadcast_to(begin - 1, key.shape)
    for step in (1 << i for i in reversed(range(int(size.max(initial=0)).bit_length()))):
        further = place + step
        fits = further < end
        fits &= known[np.minimum(further, len(known) - 1)] <= key
        place = np.where(fits, further, place)
    if len(known):
        place = np.where((place >= begin) & (known[place] == key), place - begin, size)  # -1 is not from `begin` on
    else:
        place = np.zeros_like(place)
    chosen = forest.derived_key
    widths = size[chosen, 0] + 1
    values: Array = forest.derived_value[(np.cumsum(widths) - widths)[:, None] + place[chosen]]
    return values


def _parts(forest: Forest, numbers: Array, hashed: dict[int, Array]) -> Array:
    """The parts of all keys, uint64, shape (P, n)."""
    assert forest.key_column is not None and forest.key_test is not None
    assert forest.key_value is not None and forest.key_nan is not None
    found: Array = np.empty((len(forest.key_test), len(numbers)), dtype=np.uint64)
    compared = np.flatnonzero(forest.key_test == EXCEEDS)
    x = numbers.T[forest.key_column[compared]]
    exceeds = x > forest.key_value[compared, None].astype(numbers.dtype)
    found[compared] = np.where(np.isnan(x), forest.key_nan[compared, None], exceeds)
    for column, hashes_there in hashed.items():
        here = forest.key_column == column
        found[here & (forest.key_test == HASH)] = hashes_there
        asked = np.flatnonzero(here & (forest.key_test == IS_HASH))
        found[asked] = hashes_there.view(np.int64) == forest.key_value[asked, None].astype(np.int64)
    return found


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
