"""Demultiplexers: the same bits as multiplexers one by one, from each question once."""

from __future__ import annotations

import numpy as np
import pytest
from forests import deep_forests, forests, perfect_tree, random_forest
from hypothesis import given, settings
from hypothesis import strategies as st

from sktensor import Forest
from sktensor.backends.cpu import bitsliced as cpu_bitsliced
from sktensor.backends.cpu.demultiplexers import demultiplexed
from sktensor.strategies import bitsliced
from sktensor.strategies.bitsliced.circuits import ONE, ZERO

ALL = 2**64 - 1


def values_of(tables, seed):
    """Random answers to all questions, 64 rows in a word, and what all multiplexers make of them."""
    planes = np.random.default_rng(seed).integers(0, 2**64, len(tables.plane_rank), dtype=np.uint64)
    values = [0, ALL, *map(int, planes)]
    for select, if_set, if_clear in zip(tables.select, tables.if_set, tables.if_clear, strict=True):
        values.append(values[select] & values[if_set] | ~values[select] & values[if_clear])
    return values


def leaves(tables, piece, bits):
    """The leaf of each of 64 rows."""
    first = tables.piece_first[piece]
    return [tables.leaf[first + sum((bit >> row & 1) << b for b, bit in enumerate(bits))] for row in range(64)]


def leaves_by_multiplexers(tables, values):
    return [leaves(tables, p, [values[value] for value in code]) for p, code in enumerate(tables.piece_code)]


def leaves_by_demultiplexers(tables, nodes, values):
    """As the kernel finds them, floor by floor, from questions and from the sides of demultiplexers above."""
    n_pieces, found = len(tables.piece_tree), []
    demultiplexers = demultiplexed(nodes)
    first_side = np.full(n_pieces, len(values))
    operands, floors = demultiplexers.operands(nodes.select, first_side), demultiplexers.floors(n_pieces)
    for p in range(n_pieces):
        known, bits = list(values), [0] * 9
        for floor in range(3):
            for rows, *questions in operands[floors[3 * p + floor] : floors[3 * p + floor + 1]]:
                sides = [known[rows]]
                for level in range(3):
                    asked = [known[question] for question in questions[2**level - 1 : 2 ** (level + 1) - 1]]
                    is_set = [side & answer for side, answer in zip(sides, asked, strict=True)]
                    for rows_set in is_set:
                        bits[8 - 3 * floor - level] |= rows_set
                    sides = [x for side, right in zip(sides, is_set, strict=True) for x in (side ^ right, right)]
                known += sides
        found.append(leaves(tables, p, bits[: tables.piece_bits[p]]))
    return found


def assert_same_leaves(forest, seed=0):
    tables, nodes = bitsliced.compile_circuits(forest.trees)
    values = values_of(tables, seed)
    assert leaves_by_demultiplexers(tables, nodes, values) == leaves_by_multiplexers(tables, values)


@pytest.mark.slow
@given(forest=forests(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_they_find_the_leaves_that_multiplexers_find(forest, seed):
    assert_same_leaves(forest, seed)


@pytest.mark.slow
@given(forest=deep_forests(most_leaves=bitsliced.MOST_LEAVES), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_they_do_in_trees_that_are_flattened_and_cut(forest, seed):
    assert_same_leaves(forest, seed)


@pytest.mark.parametrize(("depth", "count"), [(0, 0), (1, 1), (2, 1), (3, 1), (4, 3), (5, 5), (6, 9)])
def test_a_perfect_tree_takes_one_for_each_subtree_of_three_levels(depth, count):
    forest = Forest.from_trees([perfect_tree(depth)], n_features=1)
    tables, nodes = bitsliced.compile_circuits(forest.trees)
    demultiplexers = demultiplexed(nodes)
    assert demultiplexers.counts(1).tolist() == [count]
    asked = demultiplexers.operands(nodes.select, np.array([100]))[:, 1:]
    assert np.sort(asked[asked != ZERO]).tolist() == list(range(ONE + 1, ONE + 1 + len(tables.plane_rank)))


def test_each_node_of_a_code_tree_is_asked_once():
    forest = random_forest(np.random.default_rng(3), n_trees=20, max_depth=9, n_features=6)
    _, nodes = bitsliced.compile_circuits(forest.trees)
    demultiplexers = demultiplexed(nodes)
    assert np.sort(demultiplexers.node[demultiplexers.node >= 0]).tolist() == list(range(len(nodes.select)))
    own = demultiplexers.piece[:, None] == nodes.piece[np.maximum(demultiplexers.node, 0)]
    assert (own | (demultiplexers.node < 0)).all()


def steps_of(*trees):
    """How many demultiplexers the kernel gets for these trees, and how many multiplexers, in triples and single."""
    forest = Forest.from_trees(list(trees), n_features=1)
    tables = cpu_bitsliced.structure(forest.trees, *bitsliced.compile_circuits(forest.trees))
    n = tables.n_pieces
    return tables.piece_demuxes[3 * n], tables.piece_triples[n] + tables.piece_muxes[n]


def chain(length, at=0):
    """A tree in which one side of each node is a leaf."""
    if length == at:
        return {"value": float(length)}
    return {"feature": 0, "threshold": at + 0.5, "left": {"value": float(at)}, "right": chain(length, at + 1)}


def test_each_tree_takes_whichever_is_cheaper():
    assert steps_of(perfect_tree(6)) == (9, 0)
    demultiplexers, multiplexers = steps_of(chain(8))
    assert demultiplexers == 0 and multiplexers > 0
    assert steps_of(perfect_tree(6), chain(8)) == (9, multiplexers)
