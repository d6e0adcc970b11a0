"""The strategies, held against the slow evaluator on forests and rows that hurt: the same leaves, the same sums."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch
from forests import forests, random_forest, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import reference_leaves, reference_sum
from torch._subclasses.fake_tensor import FakeTensorMode

from sktensor import Forest, register_strategy
from sktensor.inputs.rows import Rows, as_columns
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings
from sktensor.strategies import find_strategy, gemm, strategies, sums, tree_traversal
from sktensor.strategies.costs import Shape
from sktensor.strategies.ranks import threshold_in_feature_dtype
from sktensor.strategies.tables import map_arrays

NAMES = ("bitsliced", "gemm", "tree_traversal", "perfect_tree_traversal")
IN_BUCKETS = NAMES[1:]  # test_bitsliced.py has tests like theirs


def run(forest, name, X):
    """Leaves and sums by the strategy of that name, from X in the forest's feature dtype."""
    strategy = find_strategy(name)
    tables, sum_tables = map_arrays((strategy.compile(forest.trees), sums.compile(forest.trees)), torch.tensor)
    rows = as_columns(torch.tensor(X), forest, forest.inputs.flush_limit)
    leaves = strategy.run(tables, rows)
    return leaves.T.numpy(), sums.run(sum_tables, leaves, rows).numpy()


def rows_for(forest, rng, n=60):
    with np.errstate(over="ignore"):
        return random_rows(forest, rng, n).astype(forest.trees.feature_dtype)


def same_bits(a, b):
    """Equal dtypes, shapes and bits, except that one NaN is as good as another."""
    assert a.dtype == b.dtype and a.shape == b.shape
    integers = f"i{a.dtype.itemsize}"
    nan = np.isnan(a) & np.isnan(b)
    np.testing.assert_array_equal(
        np.where(nan, 0, np.ascontiguousarray(a).view(integers)),
        np.where(nan, 0, np.ascontiguousarray(b).view(integers)),
    )


def assert_as_reference(forest, X, name):
    leaves, total = run(forest, name, X)
    np.testing.assert_array_equal(leaves, reference_leaves(forest, X))
    same_bits(total, reference_sum(forest, X))


@given(forest=forests(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=150)
def test_every_strategy_finds_the_leaves_and_sums_of_the_reference(forest, seed):
    X = rows_for(forest, np.random.default_rng(seed))
    for name in NAMES:
        assert_as_reference(forest, X, name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_rows", [0, 1, 2, 7])
def test_any_number_of_rows_is_accepted(name, n_rows):
    rng = np.random.default_rng(0)
    forest = random_forest(rng, n_outputs=3, n_trees=7, categorical=True)
    assert_as_reference(forest, rows_for(forest, rng, n_rows), name)


@pytest.mark.parametrize("name", ["gemm", "tree_traversal"])
def test_a_chain_of_hundreds_of_nodes_is_walked_to_its_end(name):
    rng = np.random.default_rng(1)
    forest = random_forest(rng, n_trees=2, max_depth=300, chain=True, single_leaf="none")
    assert Shape.of(forest.trees).depth.max() == 300
    assert_as_reference(forest, rows_for(forest, rng), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_thresholds", [255, 256, 32_767, 32_768])
def test_codes_hold_any_number_of_thresholds(name, n_thresholds):
    # 255 and 32767 are the most that one and two bytes can tell apart.
    rng = np.random.default_rng(n_thresholds)
    forest = _with_thresholds(n_thresholds)
    X = np.r_[
        rng.uniform(-1, n_thresholds, 50), [np.nan, -np.inf, np.inf], np.arange(0, n_thresholds, n_thresholds // 9)
    ]
    if name == "gemm" and n_thresholds > 300:
        with pytest.raises(ValueError, match="strategy='gemm' would need"):
            Program(forest).total(Rows(X[:, None]), Settings(strategy=name))
    else:
        assert_as_reference(forest, X[:, None].astype(float), name)


@functools.cache
def _with_thresholds(n_thresholds):
    stumps = [
        {"feature": 0, "threshold": float(t), "left": {"value": 1.0}, "right": {"value": 2.0}}
        for t in np.linspace(0, n_thresholds - 1, 16).round()
    ]
    # One tree that asks for every threshold by way of a stump each would be slow; fill up with a balanced tree.
    return Forest.from_trees([*stumps, _search_tree(0, n_thresholds)], n_features=1)


def _search_tree(low, high):
    """A balanced tree with the thresholds low, ..., high - 1, whose leaves count those below x."""
    if low == high:
        return {"value": float(low)}
    middle = (low + high) // 2
    return {
        "feature": 0,
        "threshold": float(middle),
        "left": _search_tree(low, middle),
        "right": _search_tree(middle + 1, high),
    }


@given(
    t=st.floats(allow_nan=False),
    x=st.floats(width=32),
    cmp=st.sampled_from(["le", "lt"]),
    beside=st.sampled_from([None, -1, 0, 1]),
)
def test_thresholds_rounded_to_float32_compare_as_before(t, x, cmp, beside):
    with np.errstate(over="ignore"):
        rounded = threshold_in_feature_dtype(np.array([t]), "float32", cmp)
        if beside is not None:  # values at the threshold and beside it, which chance would not find
            near = np.float32(t)
            x = near if beside == 0 else np.nextafter(near, np.float32(beside * np.inf))
    x = np.float32(x)
    wide = float(x)
    assert rounded.dtype == np.float32
    assert bool(x <= rounded[0] if cmp == "le" else x < rounded[0]) == (wide <= t if cmp == "le" else wide < t)


@pytest.mark.parametrize("name", NAMES)
def test_nan_in_an_unused_column_changes_nothing(name):
    stump = {"feature": 1, "threshold": 0.5, "left": {"value": 1.0}, "right": {"value": 2.0}}
    forest = Forest.from_trees([stump], n_features=3)
    X = np.array([[np.nan, 0.0, np.inf], [np.nan, 1.0, np.nan]])
    np.testing.assert_array_equal(run(forest, name, X)[1].ravel(), [1.0, 2.0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("acc_dtype", ["float32", "float64"])
def test_the_sum_is_taken_in_the_order_of_the_trees(name, acc_dtype):
    # Any other order of these values gives another sum; a pairwise one gives 0.
    values = [1e8 if acc_dtype == "float32" else 1e17, 1.0, -1e8 if acc_dtype == "float32" else -1e17, 1.0] * 50
    forest = Forest.from_trees([{"value": v} for v in values], n_features=1, acc_dtype=acc_dtype)
    expected = np.array(0, acc_dtype)
    for v in values:
        expected = expected + np.array(v, acc_dtype)
    assert run(forest, name, np.zeros((1, 1)))[1][0, 0] == expected == 1.0


def test_a_negative_zero_survives_the_sum():
    forest = Forest.from_trees(
        [{"value": -0.0}, {"value": -0.0}, {"value": -0.0}], n_features=1, n_outputs=2, base=[-0.0, 0.0]
    )
    total = run(forest, "tree_traversal", np.zeros((1, 1)))[1]
    assert np.signbit(total).tolist() == [[True, False]]


def test_outputs_with_different_numbers_of_trees_are_summed_apart():
    forest = Forest.from_trees(
        [{"value": v} for v in (1.0, 2.0, 4.0, 8.0)], n_features=1, n_outputs=3, tree_target=[2, 0, 2, 2]
    )
    assert run(forest, "tree_traversal", np.zeros((2, 1)))[1].tolist() == [[2.0, 0.0, 13.0]] * 2


def test_trees_are_not_padded_to_the_deepest_one():
    rng = np.random.default_rng(3)
    shallow = random_forest(rng, n_trees=50, max_depth=2, chain=True, single_leaf="none", shuffle=False)
    deep = random_forest(rng, n_trees=1, max_depth=12, chain=True, single_leaf="none", shuffle=False)
    mixed = Forest.from_trees([*shallow.to_trees(), *deep.to_trees()], n_features=4)
    for name in IN_BUCKETS:
        cost = find_strategy(name).cost
        assert (
            cost(Shape.of(mixed.trees)).table_bytes
            == cost(Shape.of(shallow.trees)).table_bytes + cost(Shape.of(deep.trees)).table_bytes
        )
    assert [bucket.depth for bucket in tree_traversal.compile(mixed.trees).buckets] == [2, 12]


@pytest.mark.parametrize("name", ["gemm", "perfect_tree_traversal"])
def test_tables_that_would_not_fit_are_refused_before_they_are_made(name, monkeypatch):
    forest = random_forest(np.random.default_rng(4), n_trees=1, max_depth=9_000, chain=True, single_leaf="none")
    monkeypatch.setattr(find_strategy(name), "compile", lambda forest: pytest.fail("compiled all the same"))
    with pytest.raises(ValueError, match=rf"strategy='{name}' would need .* Use 'tree_traversal', or 'auto'"):
        Program(forest).total(Rows(np.zeros((1, 4))), Settings(strategy=name))


@pytest.mark.parametrize("name", IN_BUCKETS)
def test_stated_table_sizes_are_what_the_tables_take(name):
    forest = random_forest(np.random.default_rng(5), n_trees=40, max_depth=7, single_leaf="none", zero_dir=False)
    strategy = find_strategy(name)
    tables = strategy.compile(forest.trees)
    taken = sum(a.nbytes for bucket in tables.buckets for a in _arrays(bucket))
    assert 0.5 * taken <= strategy.cost(Shape.of(forest.trees)).table_bytes <= 3 * taken


def _arrays(tables):
    found = []
    map_arrays(tables, found.append)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_device_synchronisation_within_a_batch(name):
    # Tensors without contents: any step that had to see a value, as .item(), bool() or nonzero() do, raises.
    forest = random_forest(np.random.default_rng(6), n_outputs=2, categorical=True, zero_dir=True, linear=True)
    strategy = find_strategy(name)
    tables = strategy.compile(forest.trees), sums.compile(forest.trees)
    with FakeTensorMode():
        tables = map_arrays(tables, lambda a: torch.empty(a.shape, dtype=getattr(torch, a.dtype.name)))
        rows = torch.empty(50, forest.n_features, dtype=torch.float64)
        total = sums.run(tables[1], strategy.run(tables[0], rows), rows)
    assert total.shape == (50, 2)


def test_gemm_scores_are_whole_numbers_that_float32_holds():
    forest = random_forest(np.random.default_rng(7), n_trees=3, max_depth=400, chain=True, single_leaf="none")
    for bucket in gemm.compile(forest.trees).buckets:
        largest = np.abs(bucket.path).sum(axis=2) + np.abs(bucket.turns[..., 0])
        assert largest.max() < 2**24


def test_a_registered_strategy_runs_in_the_program():
    class LeftMost:
        """Finds the first leaf, whatever the row."""

        def compile(self, forest):
            return _First(np.arange(forest.n_trees, dtype=np.int32))

        def run(self, tables, X):
            return tables.leaf[:, None].expand(-1, len(X))

    register_strategy("left_most", LeftMost())
    try:
        forest = Forest.from_trees([{"value": 1.0}, {"value": 2.0}], n_features=1)
        assert Program(forest).total(Rows(np.zeros((2, 1))), Settings(strategy="left_most")).tolist() == [[3.0], [3.0]]
    finally:
        from sktensor.strategies import _strategies

        del _strategies["left_most"]


@dataclasses.dataclass(frozen=True)
class _First:
    leaf: np.ndarray


@pytest.mark.parametrize(
    ("name", "strategy", "error"), [("auto", gemm, ValueError), ("a b", gemm, ValueError), ("x", 1, TypeError)]
)
def test_invalid_strategies_are_not_registered(name, strategy, error):
    before = strategies()
    with pytest.raises(error, match="strategy"):
        register_strategy(name, strategy)
    assert strategies() == before
