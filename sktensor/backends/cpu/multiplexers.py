"""Multiplexers of circuits, three at a time.

Most multiplexers are asked by one other only, which chooses between two of them. The three are one step of the kernel,
a *triple*: it takes fewer loads than each on its own, and what the lower two give stays in registers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.strategies.bitsliced import CircuitTables
from sktensor.strategies.bitsliced.circuits import PLANES, ZERO

__all__ = ["SINGLE", "Multiplexers", "in_triples", "needed_by"]

Array = npt.NDArray[Any]

# What they take: loads, and about two more for their numbers, their answer and the loop.
TRIPLE, SINGLE = 8.5, 4.5
NEVER = 1e12


@dataclass(frozen=True)
class Multiplexers:
    """Triples and single multiplexers of P pieces. A piece's triples come first, and are numbered before its others.

    A triple is seven values: a select, then the select, value where set and value where clear of the multiplexer that
    it takes where it is set, then those of the other one.
    """

    triples: Array  # int32 (R, 7)
    piece_triples: Array  # int64 (P + 1,)
    singles: Array  # int32 (O, 3): select, value where it is set, value where it is clear
    piece_singles: Array  # int64 (P + 1,)
    piece_first: Array  # int64 (P,): the first value of a piece's own
    number: Array  # int64: the new number of each value of the circuits, where something needs it

    def loads(self) -> Array:
        """What those of each piece take."""
        return TRIPLE * np.diff(self.piece_triples) + SINGLE * np.diff(self.piece_singles)


def in_triples(tables: CircuitTables, needed: Array) -> Multiplexers:
    """The multiplexers that find some values, as many of them in triples as pay.

    Parameters
    ----------
    tables : CircuitTables
        The circuits.
    needed : ndarray of int
        The values.
    """
    first = PLANES + len(tables.plane_rank)
    n = len(tables.select)
    values, mux = _operands(tables)
    level = _levels(mux)
    steps = _steps(level)
    is_needed = _closure(mux, needed[needed >= first] - first, steps)
    steps = [at[is_needed[at]] for at in steps]
    in_data = np.bincount(mux[is_needed, 1:].ravel(), minlength=n + 1)
    elsewhere = np.bincount(mux[is_needed, 0], minlength=n + 1)
    elsewhere += np.bincount(needed[needed >= first] - first, minlength=n + 1)
    one_asks = (in_data == 1) & (elsewhere == 0)
    one_asks[n] = False
    cost = _costs(mux, one_asks, steps)
    is_triple, is_single, joined = _chosen(mux, one_asks, steps, cost)

    piece = _pieces(tables)
    triples, singles = (_by_piece(np.flatnonzero(chosen), piece, level) for chosen in (is_triple, is_single))
    begins = np.arange(len(tables.piece_tree) + 1)
    piece_triples, piece_singles = (np.searchsorted(piece[some], begins) for some in (triples, singles))
    renamed = np.arange(first + n)
    renamed[first + triples] = first + np.arange(len(triples)) + piece_singles[piece[triples]]
    renamed[first + singles] = first + np.arange(len(singles)) + piece_triples[piece[singles] + 1]

    operands = [renamed[values[triples, :1]]]
    for side in (1, 2):
        own, below = values[triples, side, None], mux[triples, side]
        plain = np.concatenate([np.full((len(triples), 2), ZERO), own], 1)  # of zeros, which take the value where clear
        takes = joined[triples, side - 1]
        operands.append(renamed[np.where(takes[:, None], values[np.where(takes, below, 0)], plain)])
    return Multiplexers(
        triples=np.concatenate(operands, 1).astype(np.int32),
        piece_triples=piece_triples,
        singles=renamed[values[singles]].astype(np.int32),
        piece_singles=piece_singles,
        piece_first=first + piece_triples[:-1] + piece_singles[:-1],
        number=renamed,
    )


def needed_by(tables: CircuitTables, values: Array) -> Array:
    """How many multiplexers of each piece find these values, int64 (P,)."""
    _, mux = _operands(tables)
    own = values - PLANES - len(tables.plane_rank)
    is_needed = _closure(mux, own[own >= 0], _steps(_levels(mux)))
    return np.bincount(_pieces(tables)[is_needed], minlength=len(tables.piece_tree))


def _operands(tables: CircuitTables) -> tuple[Array, Array]:
    """Operands (O, 3), as values and as multiplexers; O, which stands behind them, for those that are none."""
    values = np.stack([tables.select, tables.if_set, tables.if_clear], 1).astype(np.int64)
    first = PLANES + len(tables.plane_rank)
    return values, np.where(values >= first, values - first, len(values))


def _pieces(tables: CircuitTables) -> Array:
    """The piece of each multiplexer."""
    return np.repeat(np.arange(len(tables.piece_tree)), np.diff(tables.piece_mux))


def _levels(mux: Array) -> Array:
    """One more than the highest of its operands for each multiplexer, and 0 for what is none."""
    level = np.zeros(len(mux) + 1, dtype=np.int64)
    while True:
        found = 1 + level[mux].max(axis=1, initial=0)
        if np.array_equal(found, level[:-1]):
            return level
        level[:-1] = found


def _steps(level: Array) -> list[Array]:
    """Multiplexers level by level, those that depend on none first."""
    return [np.flatnonzero(level[:-1] == i) for i in range(1, int(level.max(initial=0)) + 1)]


def _closure(mux: Array, some: Array, steps: list[Array]) -> Array:
    """Whether each multiplexer is one of these, or one that they need."""
    is_needed = np.zeros(len(mux) + 1, dtype=bool)
    is_needed[some] = True
    for at in reversed(steps):
        is_needed[mux[at[is_needed[at]]]] = True
    return is_needed[:-1]


@dataclass(frozen=True)
class _Costs:
    """What each multiplexer takes with all below that only it asks; 0 for what is none."""

    as_triple: Array  # NEVER where something below is asked by others too: that may be a single one, which comes later
    as_single: Array
    below: Array  # without itself, where what it chooses between are triples


def _costs(mux: Array, one_asks: Array, steps: list[Array]) -> _Costs:
    cost = _Costs(*(np.zeros(len(mux) + 1) for _ in range(3)))
    n = len(mux)
    for at in steps:
        data = mux[at, 1:]
        alone = one_asks[data] | (data == n)
        fits = (mux[at, 0] == n) & alone.all(axis=1)
        cost.below[at] = np.where(fits, cost.as_triple[data].sum(axis=1), NEVER)
        taken = np.minimum(cost.below[data], cost.as_triple[data]).sum(axis=1)
        cost.as_triple[at] = np.where(fits, np.minimum(TRIPLE + taken, NEVER), NEVER)
        least = np.minimum(cost.as_triple[data], cost.as_single[data])
        cost.as_single[at] = SINGLE + np.where(one_asks[data], least, 0).sum(axis=1)
    return cost


def _chosen(mux: Array, one_asks: Array, steps: list[Array], cost: _Costs) -> tuple[Array, Array, Array]:
    """Which multiplexers are the uppermost of triples, which stay single, and which of its two a triple takes in."""
    n = len(mux)
    is_triple, is_single = np.zeros(n + 1, dtype=bool), np.zeros(n + 1, dtype=bool)
    joined = np.zeros((n, 2), dtype=bool)

    def choose(some: Array) -> None:
        some = some[some < n]
        pays = cost.as_triple[some] < cost.as_single[some]
        is_triple[some[pays]], is_single[some[~pays]] = True, True

    choose(np.concatenate([at[~one_asks[at]] for at in steps]) if steps else np.empty(0, dtype=np.int64))
    for at in reversed(steps):
        below = mux[at[is_single[at]], 1:].ravel()
        choose(below[one_asks[below]])
        tops = at[is_triple[at]]
        data = mux[tops, 1:]
        joined[tops] = (data < n) & (cost.below[data] <= cost.as_triple[data])
        is_triple[data[~joined[tops]]] = True
        is_triple[mux[data[joined[tops]], 1:]] = True
        is_triple[n] = False
    return is_triple[:n], is_single[:n], joined


def _by_piece(some: Array, piece: Array, level: Array) -> Array:
    """Multiplexers in the order of pieces, each behind those that it asks."""
    return some[np.lexsort((level[some], piece[some]))]
