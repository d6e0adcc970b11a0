"""Demultiplexers of circuits: how rows spread over a code tree, three levels at a time.

Each node of a code tree has a bit of the code, by its height, which is its answer for the rows that come to it. So the
rows that come to a node and its question give both sides, and what the node adds to its bit. A *demultiplexer* does
that for up to seven nodes whose heights are on one *floor* of three, with a zero in the place of a node that is not
there: all rows go on to the side where it is clear. Multiplexers load the planes of most questions more than once, so
where a code tree fills its floors, demultiplexers take less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.native import abi
from sktensor.strategies.bitsliced import CodeNodes
from sktensor.strategies.bitsliced.circuits import ONE, ZERO

__all__ = ["LOADS", "Demultiplexers", "demultiplexed"]

Array = npt.NDArray[Any]

LOADS = 15.0  # that a demultiplexer takes, counted as for multiplexers
LEVELS = 3  # of nodes on a floor
SELECTS = 2**LEVELS - 1
LAST = abi.FLOORS - 1  # the lowest floor, whose nodes have the lowest bits


@dataclass(frozen=True)
class Demultiplexers:
    """Demultiplexers of P pieces, from the highest floor down."""

    piece: Array  # int64 (U,) ascending
    floor: Array  # int64 (U,) from 0, the highest one
    above: Array  # int64 (U,): whose side the rows come from, counted in the piece; -1 where all rows come
    side: Array  # int64 (U,): which of its sides
    node: Array  # int64 (U, 7): code trees' nodes, the children of number i are 2 i + 1 and 2 i + 2; -1 for none

    def counts(self, n_pieces: int) -> Array:
        """How many each piece has."""
        return np.bincount(self.piece, minlength=n_pieces)

    def of(self, chosen: Array) -> Demultiplexers:
        """Those of the pieces where `chosen` (P,) holds."""
        some = chosen[self.piece]
        return Demultiplexers(*(each[some] for each in (self.piece, self.floor, self.above, self.side, self.node)))

    def floors(self, n_pieces: int) -> Array:
        """Where those of each floor of each piece begin, int64 (3 P + 1,)."""
        place = self.piece * abi.FLOORS + self.floor
        return np.searchsorted(place, np.arange(n_pieces * abi.FLOORS + 1))

    def operands(self, question: Array, first_side: Array) -> Array:
        """Values (U, 8): where rows come from, then questions.

        Parameters
        ----------
        question : ndarray of int, shape (C,)
            The value that each node of the code trees asks for.
        first_side : ndarray of int, shape (P,)
            The value of the first side in each piece.
        """
        rows = np.where(self.above < 0, ONE, first_side[self.piece] + abi.SIDES * self.above + self.side)
        return np.column_stack([rows, np.where(self.node < 0, ZERO, question[self.node])])


def demultiplexed(nodes: CodeNodes) -> Demultiplexers:
    """The code trees of all pieces as demultiplexers."""
    n = len(nodes.select)
    floor = LAST - (nodes.height - 1) // LEVELS
    level = (LEVELS - nodes.height) % LEVELS  # on its floor, from 0, the highest one
    parent, is_set = np.full(n, -1), np.zeros(n, dtype=np.int64)
    for side, children in enumerate((nodes.if_clear, nodes.if_set)):
        (inner,) = np.nonzero(children >= 0)
        parent[children[inner]], is_set[children[inner]] = inner, side
    enters = (parent < 0) | (floor[parent] != floor)

    # The demultiplexer of each node, named by the node where rows enter it, and its place there.
    entry, place = np.arange(n), np.zeros(n, dtype=np.int64)
    below = 2 * place + 1 + is_set  # where rows come out that enter here: a place, or a side beyond the last place
    for height in range(int(nodes.height.max(initial=0)), 0, -1):
        (at,) = np.nonzero(nodes.height == height)
        inside = at[~enters[at]]
        above = parent[inside]
        entry[inside] = entry[above]
        place[at] = 2 ** level[at] - 1  # down the clear sides of nodes that are not there
        place[inside] = _fallen(2 * place[above] + 1 + is_set[inside], level[above] + 1, level[inside])
        beyond = at[enters[at] & (parent[at] >= 0)]
        above = parent[beyond]
        below[beyond] = _fallen(2 * place[above] + 1 + is_set[beyond], level[above] + 1, np.full(len(above), LEVELS))

    (tops,) = np.nonzero(enters)
    tops = tops[np.lexsort((tops, floor[tops], nodes.piece[tops]))]
    piece = nodes.piece[tops]
    number = np.empty(n, dtype=np.int64)
    number[tops] = np.arange(len(tops))
    node = np.full((len(tops), SELECTS), -1)
    node[number[entry], place] = np.arange(n)
    comes, own = parent[tops] >= 0, number[entry[parent[tops]]]
    return Demultiplexers(
        piece=piece,
        floor=floor[tops],
        above=np.where(comes, own - np.searchsorted(piece, piece), -1),
        side=np.where(comes, below[tops] - SELECTS, 0),
        node=node,
    )


def _fallen(place: Array, level: Array, to: Array) -> Array:
    """Places at a level after all clear sides down to another one."""
    return np.asarray((place + 1) * 2 ** (to - level) - 1)
