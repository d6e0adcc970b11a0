"""Derived columns on the CPU: a forest's keys and tables as the kernel reads them, and the calls that run it."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import IS_HASH, KEY_FACTOR, Forest, InputSpec
from sktensor.inputs.ctr_features import CtrColumns, sign_extended
from sktensor.native import abi, loader

__all__ = ["Keys", "cityhash64"]

Array = npt.NDArray[Any]

# Rows whose columns are made at once by each thread, for the trees that read them next: few enough to stay in a cache.
ROWS_TOGETHER = 2048

PLACE = np.dtype([("key", np.uint64), ("number", np.uint32), ("is_taken", np.uint32)])


class Keys:
    """The columns that a forest derives from others, made by the kernel.

    Parameters
    ----------
    forest : Forest
        With derived columns, of float32 features.
    kernels : Library
        What makes them.
    """

    def __init__(self, forest: Forest, kernels: loader.Library) -> None:
        self._kernels, self._n_features, self._n_columns = kernels, forest.n_features, forest.trees.n_columns
        self._tables = _structure(forest.inputs)
        error = kernels.check_keys(ctypes.addressof(self._tables))
        kernels.check(error, "Tables for the CPU kernels do not hold together")

    def arrays(self, columns: CtrColumns, n_threads: int) -> Iterator[tuple[int, Array]]:
        """All columns of some rows at a time, shape (n, n_columns), and the number of the first of these rows.

        An array holds its columns until the next one is asked for.
        """
        hashes = cityhash64(list(itertools.chain(*[found.values for found in columns.texts.values()])), self._kernels)
        hashes, first = sign_extended(hashes), 0
        of_rows: dict[int, Array] = {}
        for column, found in columns.texts.items():
            of_rows[column] = hashes[first : first + len(found.values)][found.codes]
            first += len(found.values)
        where = (ctypes.c_void_p * self._n_features)(
            *[loader.address(of_rows[j]) if j in of_rows else None for j in range(self._n_features)]
        )
        unread = np.empty(0, dtype=np.float32)
        lie = loader.packed_columns([columns.numbers.get(j, unread) for j in range(self._n_features)])
        packed = loader.packed_frame(lie, len(columns), None, -1.0)
        together = min(ROWS_TOGETHER * n_threads, len(columns))
        room = np.empty(self._n_columns * together, dtype=np.float32)
        for first in range(0, len(columns), max(together, 1)):
            n = min(together, len(columns) - first)
            out = room[: self._n_columns * n].reshape(self._n_columns, n)
            error = self._kernels.derive(
                ctypes.addressof(self._tables),
                packed,
                where,
                first,
                n,
                loader.address(out),
                n_threads,
                self._kernels.isa,
            )
            self._kernels.check(error)
            yield first, out.T


def cityhash64(texts: list[bytes], kernels: loader.Library) -> Array:
    """The CityHash64 of each text, uint64, shape (n,)."""
    begins = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=begins[1:])
    out = np.empty(len(texts), dtype=np.uint64)
    kernels.check(kernels.cityhash64(b"".join(texts), loader.address(begins), len(texts), loader.address(out)))
    return out


def _structure(inputs: InputSpec) -> abi.KeysStructure:
    assert inputs.key_off is not None and inputs.key_column is not None and inputs.key_test is not None
    assert inputs.key_value is not None and inputs.key_nan is not None and inputs.table_off is not None
    assert inputs.table_key is not None and inputs.derived_key is not None and inputs.derived_value is not None
    known = np.diff(inputs.table_off).astype(np.int64)
    places, first, bits = _places(inputs.table_key, known)
    by_key = np.argsort(inputs.derived_key, kind="stable")
    widths = known[inputs.derived_key] + 1
    with np.errstate(over="ignore"):
        border = inputs.key_value.astype(np.float32)
    is_hash = inputs.key_test == IS_HASH
    return abi.filled(
        abi.KeysStructure,
        n_columns=inputs.n_features,
        factor=KEY_FACTOR,
        n_keys=len(known),
        n_parts=len(inputs.key_column),
        key_parts=inputs.key_off,
        part_column=inputs.key_column,
        part_test=inputs.key_test.astype(np.int32),
        part_hash=np.where(is_hash, inputs.key_value, 0.0).astype(np.int64).view(np.uint64),
        part_border=border,
        part_missing=inputs.key_nan.astype(np.uint8),
        places=places,
        n_places=len(places),
        key_places=first,
        key_bits=bits,
        n_derived=len(by_key),
        key_columns=np.searchsorted(inputs.derived_key[by_key], np.arange(len(known) + 1)).astype(np.int32),
        column=by_key.astype(np.int32),
        column_values=(np.cumsum(widths) - widths)[by_key],
        values=inputs.derived_value,
        n_values=len(inputs.derived_value),
    )


def _places(keys: Array, known: Array) -> tuple[Array, Array, Array]:
    """Hash tables of the known keys of each derived key, at most half full; where each begins, and its bits."""
    bits = np.array([int(2 * n).bit_length() for n in np.maximum(known, 1)], dtype=np.int32)
    size = np.left_shift(1, bits.astype(np.int64))
    first = np.cumsum(size) - size
    table = np.repeat(np.arange(len(known)), known)
    places = np.zeros(int(size.sum()), dtype=PLACE)
    places["number"] = np.repeat(known, size)  # of a key that is not there
    left = np.arange(len(keys))
    at = (keys >> (64 - bits[table]).astype(np.uint64)).astype(np.int64)
    while len(left):
        # Of those that want the same empty place, the first one gets it; all others move on.
        place = first[table[left]] + at[left]
        _, winner = np.unique(place, return_index=True)
        winner = winner[places["is_taken"][place[winner]] == 0]
        chosen = left[winner]
        places["key"][place[winner]], places["is_taken"][place[winner]] = keys[chosen], 1
        places["number"][place[winner]] = chosen - (np.cumsum(known) - known)[table[chosen]]
        left = np.delete(left, winner)
        at[left] = (at[left] + 1) % size[table[left]]
    return places, first, bits
