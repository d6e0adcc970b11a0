"""Forests whose rows have more codes than the traversal kernel numbers: another way is taken, or the error says why."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import same_bits
from forests import random_forest, random_rows
from reference import reference_leaves, reference_sum

from sktensor import Forest
from sktensor.backends.cpu import slots, traversal
from sktensor.inputs.rows import Rows
from sktensor.native import loader
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

pytestmark = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")


@pytest.fixture
def few_slots(monkeypatch):
    """A kernel that numbers 64 codes of a row."""
    monkeypatch.setattr(slots, "MOST_SLOTS", 64)


def wide_forest(max_depth=4):
    rng = np.random.default_rng(0)
    return random_forest(rng, n_trees=60, max_depth=max_depth, n_features=80, n_outputs=2, categorical=True)


@pytest.mark.parametrize("n_rows", [1, 300])
def test_auto_chooses_another_strategy_for_wide_forests(n_rows, few_slots):
    forest = wide_forest()
    X = random_rows(forest, np.random.default_rng(1), n_rows)
    program = Program(forest)
    same_bits(program.total(Rows(X), Settings()), reference_sum(forest, X))
    found = program.leaves(Rows(X), Settings())
    np.testing.assert_array_equal(found, forest.trees.leaf_id[reference_leaves(forest, X)])


def test_large_trees_among_circuits_are_not_walked_either(few_slots, monkeypatch):
    monkeypatch.setattr("sktensor.strategies.bitsliced.MOST_LEAVES", 12)
    forest = wide_forest()
    X = random_rows(forest, np.random.default_rng(1), 600)
    assert all(option.refused for option in Program(forest).plan(600, Settings()).options if option.backend == "native")
    same_bits(Program(forest).total(Rows(X), Settings()), reference_sum(forest, X))


def test_explicit_strategy_is_refused_with_the_reason(few_slots):
    program, X = Program(wide_forest()), np.zeros((3, 80))
    named = Settings(strategy="tree_traversal", backend="native")
    for call in (program.total, program.leaves):
        with pytest.raises(ValueError, match=r"a row has [\d,]+ codes, of which the kernel numbers at most 64"):
            call(Rows(X), named)
    with pytest.raises(ValueError, match="at most 64"):  # circuits have no leaves to tell
        program.leaves(Rows(X), Settings(strategy="bitsliced", backend="native"))


def test_a_forest_that_fits_is_not_refused(monkeypatch):
    forest = wide_forest()
    needed = traversal.compile(forest.trees, "float64").codes.n_slots
    monkeypatch.setattr(slots, "MOST_SLOTS", needed)
    assert traversal.refusal(forest.trees) == ""
    monkeypatch.setattr(slots, "MOST_SLOTS", needed - 1)
    assert f"a row has {needed:,} codes" in traversal.refusal(wide_forest().trees)


@pytest.mark.slow
def test_more_features_than_16_bits_number():
    n = 70_000
    leaf = np.arange(2 * n, dtype=np.int32)
    forest = Forest.from_fields(
        n_features=n, feature=np.arange(n), threshold=np.zeros(n), left=~leaf[::2], right=~leaf[1::2],
        nan_left=np.arange(n) % 2 == 0, root=np.arange(n), tree_target=np.zeros(n),
        leaf_value=np.arange(2.0 * n)[:, None], leaf_id=leaf, base=[0.0],
    )  # fmt: skip
    X = np.random.default_rng(0).normal(size=(2, n))
    program = Program(forest)
    for n_rows in (1, 2):
        reached = 2 * np.arange(n) + (X[:n_rows] > 0)
        same_bits(program.total(Rows(X[:n_rows]), Settings()), reached.sum(1, keepdims=True).astype(float))  # exact
        np.testing.assert_array_equal(program.leaves(Rows(X[:n_rows]), Settings()), reached)
