"""Multiplexers three at a time: the same bits as one by one, in fewer steps."""

from __future__ import annotations

import numpy as np
import pytest
from forests import deep_forests, forests, perfect_tree, random_forest
from hypothesis import given, settings
from hypothesis import strategies as st

from sktensor import Forest
from sktensor.backends.cpu.multiplexers import in_triples
from sktensor.strategies import bitsliced


def circuits_of(forest):
    return bitsliced.compile(forest.trees)


def words(tables, seed):
    """Random answers to all questions, 64 rows in a word, behind the constants."""
    planes = np.random.default_rng(seed).integers(0, 2**64, len(tables.plane_rank), dtype=np.uint64)
    return [0, 2**64 - 1, *map(int, planes)]


def choose(values, select, if_set, if_clear):
    return values[select] & values[if_set] | ~values[select] & values[if_clear]


def codes_one_by_one(tables, seed):
    values = words(tables, seed)
    for operands in zip(tables.select, tables.if_set, tables.if_clear, strict=True):
        values.append(choose(values, *operands))
    return [[values[value] for value in code] for code in tables.piece_code]


def all_in_triples(tables):
    return in_triples(tables, tables.piece_code.ravel())


def codes_in_triples(tables, seed):
    """As the kernel finds them: a piece's triples, then its other multiplexers, each from what is there already."""
    found, values, answers = all_in_triples(tables), words(tables, seed), []
    for p, code in enumerate(found.number[tables.piece_code]):
        assert len(values) == found.piece_first[p]
        for select, *below in found.triples[found.piece_triples[p] : found.piece_triples[p + 1]]:
            own = len(values)
            values += [choose(values, *below[:3]), choose(values, *below[3:])]
            values[own:] = [choose(values, select, own, own + 1)]
        for operands in found.singles[found.piece_singles[p] : found.piece_singles[p + 1]]:
            values.append(choose(values, *operands))
        answers.append([values[value] for value in code])
    return answers


def assert_same_codes(forest, seed=0):
    tables = circuits_of(forest)
    assert codes_in_triples(tables, seed) == codes_one_by_one(tables, seed)


@pytest.mark.slow
@given(forest=forests(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_triples_find_the_codes_that_multiplexers_find(forest, seed):
    assert_same_codes(forest, seed)


@pytest.mark.slow
@given(forest=deep_forests(most_leaves=bitsliced.MOST_LEAVES), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_they_do_in_trees_that_are_flattened_and_cut(forest, seed):
    assert_same_codes(forest, seed)


def test_trees_without_a_choice_have_none():
    single = all_in_triples(circuits_of(Forest.from_trees([{"value": 1.0}], n_features=1)))
    assert single.triples.shape == (0, 7) and single.singles.shape == (0, 3)
    assert single.piece_triples.tolist() == single.piece_singles.tolist() == [0, 0]


@pytest.mark.parametrize(("depth", "n_triples", "n_singles"), [(1, 0, 0), (2, 0, 1), (3, 1, 1), (4, 3, 2), (6, 18, 3)])
def test_a_perfect_tree_is_all_triples_but_one_multiplexer_for_every_other_bit(depth, n_triples, n_singles):
    found = all_in_triples(circuits_of(Forest.from_trees([perfect_tree(depth)], n_features=1)))
    assert (len(found.triples), len(found.singles)) == (n_triples, n_singles)
    assert 3 * n_triples + n_singles == 2**depth - 1 - depth  # a multiplexer a node, less a bit each


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_there_are_never_more_steps_than_multiplexers(seed):
    rng = np.random.default_rng(seed)
    forest = random_forest(rng, n_trees=4, max_depth=7, n_features=5, chain=bool(rng.integers(2)))
    tables = circuits_of(forest)
    found = all_in_triples(tables)
    assert len(found.triples) + len(found.singles) <= len(tables.select)
    assert 3 * len(found.triples) + len(found.singles) >= len(tables.select)
