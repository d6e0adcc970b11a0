"""Slots: where the codes of a row stand for the traversal kernel, and how many a forest needs."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Trees
from sktensor.strategies.ranks import RankTables, compile_ranks

__all__ = ["MOST_SLOTS", "assign", "refusal"]

Array = npt.NDArray[Any]

MOST_SLOTS = 2**16  # they are numbered with 16 bits
MOST_VARIANTS = 6  # columns of codes for one feature, see strategies.ranks
REGISTER_SLOTS = (16, 32, 64)  # widths for which there are instructions

# How many slots forests with many questions need, since planning asks again for each number of rows.
_counted: weakref.WeakKeyDictionary[Trees, int] = weakref.WeakKeyDictionary()


def refusal(trees: Trees) -> str:
    """Why there are not enough slots for a forest; or an empty text."""
    if (needed := _needed(trees)) > MOST_SLOTS:
        return f"a row has {needed:,} codes, of which the kernel numbers at most {MOST_SLOTS:,}"
    return ""


def _needed(trees: Trees) -> int:
    """Slots for the codes of a row; 0 where they are few without counting."""
    if trees.n_nodes < MOST_SLOTS // MOST_VARIANTS - 16:
        return 0
    if (found := _counted.get(trees)) is None:
        is_cat = np.zeros(trees.n_nodes, dtype=bool) if trees.is_cat is None else trees.is_cat
        most = len(np.unique(trees.feature[~is_cat])) + np.count_nonzero(is_cat)
        found = 0
        if (most + 16) * MOST_VARIANTS > MOST_SLOTS:
            narrow = replace(trees, feature_dtype="float32")  # as rows of float32 see it
            found = max(assign(compile_ranks(compared)[0])[1] for compared in (narrow, trees))
        _counted[trees] = found
    return found


def assign(ranks: RankTables) -> tuple[Array, int, int]:
    """The slot of each column of codes; how many there are, and how many where no value is missing or zero.

    The first code of every feature stands among the base slots, a second one as many further on: where all codes of
    a feature are the same, the kernel looks at the base slots only, by ignoring the higher bits of a slot.
    """
    n_numeric = len(ranks.source)
    first = np.concatenate([[True], ranks.source[1:] != ranks.source[:-1]])[:n_numeric]
    number = np.cumsum(first) - 1  # of the feature
    variant = np.arange(n_numeric) - np.flatnonzero(first)[number] if n_numeric else number
    n_features = int(np.count_nonzero(first))
    n_categories = ranks.n_columns - n_numeric
    needed = n_features + n_categories
    n_base = next((n for n in REGISTER_SLOTS if n >= needed), -(-needed // 16) * 16)
    n_slots = n_base * (1 + int(variant.max(initial=0)))
    return np.concatenate([number + n_base * variant, n_features + np.arange(n_categories)]), n_slots, n_base
