"""Codes on the CPU: how rows become numbers that every node compares with a key of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.backends.cpu import slots
from sktensor.forest import Trees
from sktensor.native import abi
from sktensor.strategies.ranks import NATURAL, CategoryTables, RankTables, compile_ranks

__all__ = ["Codes", "codes_structure", "compile_codes"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Codes:
    """How the rows of X become codes; the fields of the kernel's structure, with their names."""

    code_column: Array  # int32 (C,)
    code_slot: Array  # int32 (C,), ascending
    code_nan: Array  # uint32 (C,)
    code_zero: Array  # uint32 (C,)
    code_has_zero: Array | None  # uint8 (C,)
    zero_limit: float
    thresholds: Array | None  # float64: ascending within a code; None where codes are the bits of a float32
    code_first: Array | None  # int64 (C + 1,)
    category_slot: Array  # int32 (G,)
    categories: CategoryTables | None
    n_slots: int
    n_base_slots: int
    right_if_equal: bool


def compile_codes(trees: Trees, rows_dtype: str) -> tuple[Codes, Array, Array]:
    """Codes of the rows, and what each node compares.

    Parameters
    ----------
    trees : Trees
        Whose nodes are asked.
    rows_dtype : {"float32", "float64"}
        The dtype of the rows. Where features are float64, rows of float32 have simpler codes: the thresholds rounded
        to float32 such that no comparison of a float32 changes. Where features are float32 it makes no difference.

    Returns
    -------
    codes : Codes
    slot : ndarray of int, shape (M,)
        Of each node, where the code stands that it looks at.
    key : ndarray of uint32, shape (M,)
        A row goes right iff its code is greater.
    """
    bits = rows_dtype == "float32" or trees.feature_dtype == "float32"
    compared = replace(trees, feature_dtype="float32") if bits and trees.feature_dtype != "float32" else trees
    return _codes(*compile_ranks(compared), bits)


def codes_structure(codes: Codes, n_columns: int) -> abi.CodesStructure:
    """The codes as kernels read them, of rows with so many columns."""
    return abi.filled(
        abi.CodesStructure,
        n_columns=n_columns,
        n_codes=len(codes.code_column),
        right_if_equal=codes.right_if_equal,
        code_column=codes.code_column,
        code_slot=codes.code_slot,
        code_nan=codes.code_nan,
        code_zero=codes.code_zero,
        code_has_zero=codes.code_has_zero,
        zero_limit=codes.zero_limit,
        thresholds=codes.thresholds,
        code_first=codes.code_first,
        n_thresholds=0 if codes.thresholds is None else len(codes.thresholds),
        **_category_fields(codes),
        n_slots=codes.n_slots,
        n_base_slots=codes.n_base_slots,
    )


def _category_fields(codes: Codes) -> dict[str, Any]:
    found = codes.categories
    if found is None:
        return {"n_category_codes": 0}
    return {
        "n_category_codes": len(found.feature),
        "category_column": found.feature.astype(np.int32),
        "category_slot": codes.category_slot,
        "category_count": found.size[:, 0].astype(np.int32),
        "category_first": np.ascontiguousarray(found.offset[:, 0]),
        "answers": found.answers,
        "n_answers": len(found.answers),
        "truncate_first": found.truncate_first,
        "category_limit": found.limit,
    }


def _codes(ranks: RankTables, column: Array, rank: Array, bits: bool) -> tuple[Codes, Array, Array]:
    """Codes of the rows, and each node's slot and key."""
    thresholds = [t[:n] for bucket in ranks.buckets for t, (n,) in zip(bucket.thresholds, bucket.count, strict=True)]
    count = np.array([len(t) for t in thresholds], dtype=np.int64)
    begin = np.concatenate([[0], np.cumsum(count)])
    every = np.concatenate(thresholds) if thresholds else np.empty(0, dtype=np.float64)
    numeric = column < len(ranks.source)

    # The key of each threshold, and of a rank the least code that lies beyond as many keys.
    key = np.zeros(len(column), dtype=np.uint32)
    if bits:
        keys = _monotone(every) - np.uint32(ranks.right)  # x >= t iff code(x) > code(t) - 1
        key[numeric] = keys[begin[ranks.source[column[numeric]]] + rank[numeric]]
        beyond = np.append(keys, np.uint32(0)) + np.uint32(1)
        code_nan, code_zero = (
            np.where(r > 0, beyond[begin[ranks.source] + r - 1], 0).astype(np.uint32) for r in _special_ranks(ranks)
        )
    else:
        key[numeric] = rank[numeric]
        code_nan, code_zero = (r.astype(np.uint32) for r in _special_ranks(ranks))

    slot_of, n_slots, n_base_slots = slots.assign(ranks)
    of_numbers = slot_of[: len(ranks.source)]
    order = np.argsort(of_numbers)
    source = ranks.source[order]
    has_zero = None if ranks.zero_code is None else (ranks.zero_code[order, 0] != NATURAL).astype(np.uint8)
    codes = Codes(
        code_column=ranks.source_feature[order].astype(np.int32),
        code_slot=of_numbers[order].astype(np.int32),
        code_nan=code_nan[order],
        code_zero=code_zero[order],
        code_has_zero=has_zero,
        zero_limit=ranks.zero_limit,
        thresholds=None if bits else np.concatenate([*(thresholds[s] for s in source), np.empty(0)]),
        code_first=None if bits else np.concatenate([[0], np.cumsum(count[source])]).astype(np.int64),
        category_slot=slot_of[len(ranks.source) :].astype(np.int32),
        categories=ranks.categories,
        n_slots=n_slots,
        n_base_slots=n_base_slots,
        right_if_equal=ranks.right,
    )
    return codes, slot_of[column], key


def _monotone(x: Array) -> Array:
    """The bits of float32 numbers as numbers that grow with them."""
    bits = (x.astype(np.float32) + np.float32(0.0)).view(np.uint32)  # -0.0 is 0.0
    return np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(0x80000000))


def _special_ranks(ranks: RankTables) -> tuple[Array, Array]:
    """Ranks of a missing value and of zero in each numeric column."""
    nan = ranks.nan_code[:, 0]
    return nan, np.zeros_like(nan) if ranks.zero_code is None else np.maximum(ranks.zero_code[:, 0], 0)
