"""Trees as circuits over bit planes: the leaves of tree_traversal, bit for bit, and circuits without waste."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from forests import forests, random_forest, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import reference_leaves, reference_sum

from sktensor import Forest, tensorize
from sktensor.inputs.rows import as_columns
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings
from sktensor.strategies import bitsliced, tree_traversal
from sktensor.strategies.bitsliced import circuits, strategy
from sktensor.strategies.bitsliced.code_plans import MAX_BITS
from sktensor.strategies.costs import Shape
from sktensor.strategies.tables import arrays, map_arrays


def leaves_of(strategy, forest, X):
    tables = map_arrays(strategy.compile(forest.trees), torch.tensor)
    return strategy.run(tables, as_columns(torch.tensor(X), forest, forest.inputs.flush_limit)).numpy()


def rows_for(forest, rng, n=60):
    with np.errstate(over="ignore"):
        return random_rows(forest, rng, n).astype(forest.trees.feature_dtype)


def assert_same_leaves(forest, X):
    expected = leaves_of(tree_traversal, forest, X)
    found = leaves_of(bitsliced, forest, X)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)
    assert_sound(forest, bitsliced.compile(forest.trees))
    return found


def assert_sound(forest, tables):
    """What the native kernel takes for granted, and that nothing is there in vain."""
    n_planes, n_muxes, n_pieces = len(tables.plane_column), len(tables.select), len(tables.piece_tree)
    questions = list(zip(tables.plane_column.tolist(), tables.plane_rank.tolist(), strict=True))
    assert questions == sorted(set(questions))
    assert tables.piece_mux[0] == 0 and tables.piece_mux[-1] == n_muxes and (np.diff(tables.piece_mux) >= 0).all()
    assert (np.diff(tables.piece_tree) >= 0).all()
    assert set(tables.piece_tree.tolist()) == set(range(forest.n_trees))
    assert ((tables.piece_bits >= 0) & (tables.piece_bits <= MAX_BITS)).all()

    own = circuits.PLANES + n_planes + np.repeat(tables.piece_mux[:-1], np.diff(tables.piece_mux))
    number = circuits.PLANES + n_planes + np.arange(n_muxes)
    operands = np.stack([tables.select, tables.if_set, tables.if_clear])
    is_mux = operands >= circuits.PLANES + n_planes
    assert (operands >= 0).all() and (operands < number).all() and (~is_mux | (operands >= own)).all()
    assert (tables.select >= circuits.PLANES).all() and (tables.if_set != tables.if_clear).all()
    used = np.zeros(circuits.PLANES + n_planes + n_muxes, dtype=bool)
    used[operands.ravel()] = True
    for piece, bits in enumerate(tables.piece_bits):
        code = tables.piece_code[piece]
        assert (code[:bits] >= circuits.PLANES).all() and (code[bits:] == circuits.ZERO).all()
        in_code = code[:bits][code[:bits] >= circuits.PLANES + n_planes] - circuits.PLANES - n_planes
        assert ((in_code >= tables.piece_mux[piece]) & (in_code < tables.piece_mux[piece + 1])).all()
        used[code] = True
    assert used[circuits.PLANES :].all()

    size = 2 ** tables.piece_bits.astype(np.int64)
    np.testing.assert_array_equal(tables.piece_first, np.cumsum(size) - size)
    assert len(tables.leaf) == size.sum()
    tree_of_leaf = np.empty(forest.n_leaves, dtype=np.int64)
    for t, root in enumerate(forest.trees.root):
        stack = [int(root)]
        while stack:
            node = stack.pop()
            if node < 0:
                tree_of_leaf[~node] = t
            else:
                stack += [int(forest.trees.left[node]), int(forest.trees.right[node])]
    entry_tree = np.repeat(tables.piece_tree, size)
    there = tables.leaf >= 0
    np.testing.assert_array_equal(tree_of_leaf[tables.leaf[there]], entry_tree[there])
    pairs = np.unique(np.stack([np.repeat(np.arange(n_pieces), size)[there], tables.leaf[there]]), axis=1)
    np.testing.assert_array_equal(np.sort(pairs[1]), np.arange(forest.n_leaves))  # each in just one piece


@pytest.mark.slow
@given(forest=forests(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=80)
def test_the_leaves_are_those_of_traversal(forest, seed):
    X = rows_for(forest, np.random.default_rng(seed))
    np.testing.assert_array_equal(assert_same_leaves(forest, X).T, reference_leaves(forest, X))


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(7, 16), chain=st.booleans(), acc=st.sampled_from([32, 64]))
@settings(max_examples=25)
def test_trees_deeper_than_a_code_has_bits_are_flattened_and_cut(seed, depth, chain, acc):
    rng = np.random.default_rng(seed)
    forest = random_forest(
        rng,
        n_trees=3,
        max_depth=depth,
        n_features=6,
        chain=chain,
        categorical=True,
        zero_dir=True,
        acc_dtype=f"float{acc}",
    )
    if Shape.of(forest.trees).n_leaves.max() <= bitsliced.MOST_LEAVES:
        assert_same_leaves(forest, rows_for(forest, rng, 200))


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1), n_leaves=st.lists(st.integers(1, 400), min_size=1, max_size=3))
@settings(max_examples=25)
def test_trees_grown_leaf_by_leaf_are_found_whole(seed, n_leaves):
    rng = np.random.default_rng(seed)
    forest = Forest.from_trees([_grown(rng, n, rng.uniform(0, 1)) for n in n_leaves], n_features=3)
    assert_same_leaves(forest, rows_for(forest, rng, 150))


def _grown(rng, n_leaves, skew):
    """A tree that falls into two at random places: near its middle, or near its ends, the more it is skewed."""
    if n_leaves == 1:
        return {"value": 0.0}
    share = rng.beta(2, 2) if rng.random() > skew else rng.choice([0.02, 0.98])
    left = int(np.clip(round(share * n_leaves), 1, n_leaves - 1))
    return {
        "feature": int(rng.integers(3)),
        "threshold": round(float(rng.normal()), 2),
        "nan_left": bool(rng.integers(2)),
        "left": _grown(rng, left, skew),
        "right": _grown(rng, n_leaves - left, skew),
    }


def _counting(low, high):
    """A balanced tree with a leaf for each of the whole numbers low, ..., high - 1."""
    if high - low == 1:
        return {"value": float(low)}
    middle = (low + high) // 2
    return {
        "feature": 0,
        "threshold": middle - 0.5,
        "left": _counting(low, middle),
        "right": _counting(middle, high),
    }


@pytest.mark.parametrize("acc_dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("n_leaves", "n_pieces"), [(1, 1), (2, 1), (255, 1), (256, 1), (257, 2), (512, None), (1024, None)]
)
def test_a_balanced_tree_takes_one_piece_up_to_256_leaves(n_leaves, n_pieces, acc_dtype):
    forest = Forest.from_trees([_counting(0, n_leaves)], n_features=1, acc_dtype=acc_dtype)
    X = np.arange(n_leaves, dtype=float)[:, None]
    np.testing.assert_array_equal(assert_same_leaves(forest, X), [np.arange(n_leaves)])
    tables = bitsliced.compile(forest.trees)
    assert n_pieces is None or len(tables.piece_tree) == n_pieces
    if n_leaves <= 256:
        bits = int(np.ceil(np.log2(n_leaves)))
        assert tables.piece_bits.tolist() == [bits]
        assert len(tables.select) == n_leaves - 1 - bits


@pytest.mark.slow
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("n_nodes", [1, 7, 8, 9, 60, 255, 256])
def test_a_chain_is_found_whole(n_nodes, side):
    other = {"left": "right", "right": "left"}[side]
    tree = {"value": 0.0}
    for i in range(n_nodes):
        threshold = float(i if side == "left" else -i)
        tree = {"feature": 0, "threshold": threshold, side: tree, other: {"value": 0.0}}
    forest = Forest.from_trees([tree, {"value": 1.0}], n_features=1)
    X = np.r_[np.arange(-n_nodes - 1, n_nodes + 2) - 0.5, np.nan, np.inf, -np.inf][:, None]
    found = assert_same_leaves(forest, X)
    assert len(np.unique(found[0])) == n_nodes + 1


def test_a_chain_that_changes_sides_is_found_whole():
    rng = np.random.default_rng(0)
    for depth in (40, 60):
        forest = random_forest(rng, n_trees=4, max_depth=depth, n_features=3, chain=True, single_leaf="first")
        assert_same_leaves(forest, rows_for(forest, rng, 300))


def test_a_symmetric_tree_takes_no_multiplexer():
    def level(depth):
        if depth == 6:
            return {"value": 0.0}
        return {"feature": depth % 2, "threshold": float(depth), "left": level(depth + 1), "right": level(depth + 1)}

    forest = Forest.from_trees([level(0)], n_features=2)
    assert_same_leaves(forest, np.random.default_rng(0).uniform(-1, 7, (200, 2)))
    tables = bitsliced.compile(forest.trees)
    assert len(tables.select) == 0 and len(tables.plane_column) == 6


def test_condition_shared_by_trees_is_one_plane():
    stump = {"feature": 0, "threshold": 0.5, "left": {"value": 1.0}, "right": {"value": 2.0}}
    tables = bitsliced.compile(Forest.from_trees([stump] * 5, n_features=1).trees)
    assert (tables.plane_column.tolist(), tables.plane_rank.tolist()) == ([0], [0])
    assert tables.piece_code[:, 0].tolist() == [circuits.PLANES] * 5
    assert tables.leaf.tolist() == list(range(10))  # right is 1


@pytest.mark.parametrize("n_rows", [0, 1, 2, 63, 64, 65, 127, 128, 129, 1000])
def test_any_number_of_rows_is_accepted(n_rows):
    rng = np.random.default_rng(n_rows)
    forest = random_forest(rng, n_outputs=3, n_trees=7, max_depth=10, categorical=True, zero_dir=True)
    found = assert_same_leaves(forest, rows_for(forest, rng, n_rows))
    assert found.shape == (7, n_rows)


@pytest.mark.parametrize("n_rows", [0, 3])
def test_a_forest_without_trees_has_no_leaves_to_find(n_rows):
    forest = Forest.from_trees([], n_features=2)
    assert leaves_of(bitsliced, forest, np.zeros((n_rows, 2))).shape == (0, n_rows)


def test_planes_and_multiplexers_that_do_not_fit_at_once_follow_each_other(monkeypatch):
    rng = np.random.default_rng(2)
    forest = random_forest(rng, n_trees=9, max_depth=7, single_leaf="none")
    monkeypatch.setattr(strategy, "PLANES_AT_ONCE", 7)
    monkeypatch.setattr(strategy, "MUXES_AT_ONCE", 5)
    assert_same_leaves(forest, rows_for(forest, rng, 200))


@pytest.mark.slow
def test_a_module_is_compiled_whole_and_exported_with_any_number_of_rows(monkeypatch):
    monkeypatch.setitem(strategy.LOOKUP, "float64", (0,) * (MAX_BITS + 1))  # cuts even small trees into pieces
    rng = np.random.default_rng(3)
    forest = random_forest(
        rng, n_trees=2, max_depth=5, single_leaf="none", categorical=True, zero_dir=True, missing_value=-999.0
    )
    assert bitsliced.compile(forest.trees).turns
    X = random_rows(forest, rng, 200)
    expected, rows = reference_sum(forest, X)[:, 0], torch.tensor(X)
    module = tensorize(forest, strategy="bitsliced")
    torch._dynamo.reset()
    exported = torch.export.export(module, (rows,), dynamic_shapes=({0: torch.export.Dim("n", min=1)},)).module()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    for run in (module, exported, compiled):
        for n in (200, 128, 64, 63, 7, 2):
            np.testing.assert_array_equal(run(rows[:n]).numpy(), expected[:n])


def test_a_module_finds_the_same_leaves_on_each_device(device):
    rng = np.random.default_rng(4)
    forest = random_forest(rng, n_trees=6, max_depth=12, categorical=True)
    X = rows_for(forest, rng, 150)
    tables = map_arrays(bitsliced.compile(forest.trees), lambda a: torch.tensor(a, device=device))
    found = bitsliced.run(tables, as_columns(torch.tensor(X, device=device), forest, forest.inputs.flush_limit))
    np.testing.assert_array_equal(found.cpu().numpy().T, reference_leaves(forest, X))


def test_trees_of_thousands_of_leaves_are_refused_before_anything_is_made(monkeypatch):
    forest = Forest.from_trees([_counting(0, bitsliced.MOST_LEAVES + 1)], n_features=1)
    monkeypatch.setattr(strategy, "compile", lambda forest: pytest.fail("compiled all the same"))
    with pytest.raises(ValueError, match="Use 'tree_traversal', or 'auto'"):
        Program(forest).plan(10, Settings(strategy="bitsliced", backend="torch"))
    assert Program(forest).plan(10, Settings()).strategy != "bitsliced"


def test_stated_table_sizes_are_what_the_tables_take():
    forest = random_forest(np.random.default_rng(5), n_trees=40, max_depth=9, single_leaf="none")
    tables = dataclasses.replace(bitsliced.compile(forest.trees), ranks=None)
    taken = sum(a.nbytes for a in arrays(tables))
    assert 0.4 * taken <= bitsliced.cost(Shape.of(forest.trees)).table_bytes <= 2.5 * taken
