"""CTR columns: statistics of categories and their combinations, looked up in a forest's tables by hashes of text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import EXCEEDS, HASH, IS_HASH, KEY_FACTOR, Forest, InputSpec
from sktensor.inputs.categories import Factorized
from sktensor.inputs.cityhash import cityhash64

__all__ = ["CtrColumns", "sign_extended"]

Array = npt.NDArray[Any]

# Keys that are computed and looked up at a time: their working set fits into a second-level cache.
KEYS_TOGETHER = 2**15


def sign_extended(hashes: Array) -> Array:
    """Of each hash the low half, as CatBoost extends it to 64 bits."""
    found: Array = hashes.astype(np.uint32).view(np.int32).astype(np.int64).view(np.uint64)
    return found


@dataclass(frozen=True)
class CtrColumns:
    """The columns of X and the CTR columns derived from them, which are computed for a slice of rows at a time.

    Parameters
    ----------
    numbers : dict of ndarray of float32 or float64, shape (n,)
        The columns that are not hashed, by number.
    texts : dict of Factorized, of bytes
        The hashed columns, by number.
    n_rows : int
        Their length.
    forest : Forest
        Whose keys and tables; with derived columns.
    """

    numbers: Mapping[int, Array]
    texts: Mapping[int, Factorized]
    n_rows: int
    forest: Forest

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, the derived ones included."""
        return self.n_rows, self.forest.trees.n_columns

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the rows."""
        return np.dtype(self.forest.trees.feature_dtype)

    def __len__(self) -> int:
        return self.n_rows

    @cached_property
    def _hashes(self) -> dict[int, Array]:
        return {
            column: sign_extended(np.array([cityhash64(text) for text in found.values], dtype=np.uint64))[found.codes]
            for column, found in self.texts.items()
        }

    def __getitem__(self, rows: slice) -> Array:
        """Some rows as one array; columns that are hashed are 0 there."""
        n = len(range(*rows.indices(self.n_rows)))
        out = np.zeros((n, self.forest.trees.n_columns), dtype=self.dtype)
        with np.errstate(over="ignore"):
            for j, column in self.numbers.items():
                out[:, j] = column[rows]
        assert self.forest.inputs.key_off is not None
        together = max(1, KEYS_TOGETHER // max(1, len(self.forest.inputs.key_off) - 1))
        for begin in range(0, n, together):
            block = slice(begin, min(begin + together, n))
            of_block = {column: found[rows][block] for column, found in self._hashes.items()}
            out[block, self.forest.n_features :] = _derived(self.forest.inputs, out[block], of_block).T
        return out


def _derived(inputs: InputSpec, numbers: Array, hashed: dict[int, Array]) -> Array:
    """The derived columns of some rows, shape (D, n)."""
    assert inputs.key_off is not None and inputs.table_off is not None and inputs.table_key is not None
    assert inputs.derived_key is not None and inputs.derived_value is not None
    parts, first, n_parts = _parts(inputs, numbers, hashed), inputs.key_off[:-1], np.diff(inputs.key_off)
    factor = np.uint64(KEY_FACTOR)
    key: Array = np.zeros((len(n_parts), len(numbers)), dtype=np.uint64)
    for i in range(n_parts.max(initial=0)):
        at = np.flatnonzero(n_parts > i)
        key[at] = factor * (key[at] + factor * parts[first[at] + i])

    # The last known key that is not greater, by halves, for all tables at once.
    begin, end = (inputs.table_off[at, None].astype(np.int64) for at in (slice(None, -1), slice(1, None)))
    size, known = end - begin, inputs.table_key
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
    chosen = inputs.derived_key
    widths = size[chosen, 0] + 1
    values: Array = inputs.derived_value[(np.cumsum(widths) - widths)[:, None] + place[chosen]]
    return values


def _parts(inputs: InputSpec, numbers: Array, hashed: dict[int, Array]) -> Array:
    """The parts of all keys, uint64, shape (P, n)."""
    assert inputs.key_column is not None and inputs.key_test is not None
    assert inputs.key_value is not None and inputs.key_nan is not None
    found: Array = np.empty((len(inputs.key_test), len(numbers)), dtype=np.uint64)
    compared = np.flatnonzero(inputs.key_test == EXCEEDS)
    x = numbers.T[inputs.key_column[compared]]
    exceeds = x > inputs.key_value[compared, None].astype(numbers.dtype)
    found[compared] = np.where(np.isnan(x), inputs.key_nan[compared, None], exceeds)
    for column, hashes_there in hashed.items():
        here = inputs.key_column == column
        found[here & (inputs.key_test == HASH)] = hashes_there
        asked = np.flatnonzero(here & (inputs.key_test == IS_HASH))
        found[asked] = hashes_there.view(np.int64) == inputs.key_value[asked, None].astype(np.int64)
    return found
