"""Circuits for the tops of trees: rows leave them where walking from the root would have taken them."""

from __future__ import annotations

import ctypes
from functools import partial

import numpy as np
import pytest
from agreement import same_bits
from forests import forests, random_forest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import reference_sum
from sklearn.tree import DecisionTreeRegressor
from traversal_kernel import Loaded, assert_as_reference, error_of, needs_kernels, rows_for

from sktensor import extract_forest
from sktensor.backends.cpu import tops as cpu_tops
from sktensor.backends.cpu import traversal as cpu_traversal
from sktensor.backends.cpu.kernels import BitslicedKernel, TraversalKernel
from sktensor.inputs.rows import Rows
from sktensor.native import abi, loader
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings
from sktensor.strategies import bitsliced

pytestmark = needs_kernels

deep = partial(random_forest, n_trees=7, max_depth=11, n_features=5, single_leaf="some", missing=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(forest=forests(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_rows_enter_the_trees_where_the_reference_takes_them(dtype, forest, seed):
    rng = np.random.default_rng(seed)
    assert Loaded.of(forest, dtype).structure.n_tops
    assert_as_reference(forest, rows_for(forest, rng, 520, dtype, nan=bool(seed % 2)))


@pytest.mark.parametrize("n_rows", [319, 320, 511, 512, 513, 831, 832, 1000, 4096, 4415, 4416, 5000])
def test_any_number_of_rows_may_begin_in_circuits(n_rows):
    """Of the last ones, fewer than 320 begin at the root."""
    rng = np.random.default_rng(n_rows)
    forest = deep(rng, feature_dtype="float64", n_outputs=2)
    assert Loaded.of(forest, "float64").structure.n_tops
    for n_threads in (1, 2):
        assert_as_reference(forest, rows_for(forest, rng, n_rows, "float64"), n_threads)


@pytest.mark.parametrize("rows_dtype", ["float32", "float64"])
@pytest.mark.parametrize("feature_dtype", ["float32", "float64"])
def test_questions_of_every_kind_are_answered(feature_dtype, rows_dtype):
    """Categories, zeros that count as missing, more thresholds than one search has, and trees of several pieces."""
    rng = np.random.default_rng(3)
    forest = deep(rng, n_trees=60, n_features=3, categorical=True, zero_dir=True, feature_dtype=feature_dtype)
    loaded = Loaded.of(forest, rows_dtype)
    searches = loaded.structure.tops[0].n_searches
    assert searches > forest.n_features
    assert loaded.structure.tops[0].n_pieces > forest.n_trees
    assert_as_reference(forest, rows_for(forest, rng, 1100, rows_dtype))


@pytest.mark.parametrize(("limit", "value"), [("MOST_QUESTIONS", 300), ("MOST_TREES", 5)])
def test_trees_are_shared_out_among_circuits(monkeypatch, limit, value):
    monkeypatch.setattr(cpu_tops, limit, value)
    rng = np.random.default_rng(4)
    forest = deep(rng, n_trees=12, n_outputs=3, vector=True, single_leaf="none")
    assert Loaded.of(forest, "float64").structure.n_tops > 2
    assert_as_reference(forest, rows_for(forest, rng, 700, "float64"))


def test_a_byte_numbers_the_blocks_below_the_widest_top():
    """A root with 13 blocks below, all of the top, and 13 below each of these."""
    X = np.arange(2**13, dtype=np.float64)[:, None]
    forest = extract_forest(DecisionTreeRegressor().fit(X, X[:, 0]))  # split in halves down to single rows
    top = Loaded.of(forest, "float64").structure.tops[0]
    assert set((ctypes.c_uint8 * top.n_values).from_address(top.values)) == set(range(14, 183))
    assert_as_reference(forest, np.random.default_rng(0).permutation(X)[:5000])


def test_a_column_that_no_tree_looks_at_may_be_left_out():
    rng = np.random.default_rng(5)
    forest = deep(rng, n_trees=20, n_features=9)
    forest = forest.replace(feature=np.array([0, 2, 3, 5, 8])[forest.trees.feature % 5])
    X = rows_for(forest, rng, 1100, "float64")
    kernel = TraversalKernel(forest, "float64")
    (tables,) = kernel.tables_in_place(len(X), "float64")
    assert tables._structure.n_tops
    narrow = tables.narrowed(forest.trees.used_columns)
    out = np.empty((len(X), forest.n_outputs), dtype=forest.trees.acc_dtype)
    calls = kernel._calls
    calls.run([narrow.call], Rows(np.ascontiguousarray(X[:, [0, 2, 3, 5, 8]]), forest.inputs.flush_limit), out, 1)
    same_bits(out, reference_sum(forest, X))


def test_few_rows_and_small_trees_do_without():
    rng = np.random.default_rng(6)
    large, small = deep(rng, single_leaf="none"), random_forest(rng, n_trees=7, max_depth=4, n_features=5)
    wide = deep(rng, n_features=100)
    assert cpu_tops.pay(large.trees)
    assert not cpu_tops.pay(small.trees)
    assert not cpu_tops.pay(wide.trees)  # each of many columns would be searched for a few trees
    kernel = TraversalKernel(large)
    n_tops = [kernel.tables_in_place(n, "float64")[0]._structure.n_tops for n in (1, 999, 1000)]
    assert n_tops == [0, 0, 1]
    assert not TraversalKernel(small).tables_in_place(1000, "float64")[0]._structure.n_tops


def test_circuits_for_many_rows_are_prepared_before_these_come(monkeypatch):
    rng = np.random.default_rng(13)
    program, settings = Program(deep(rng, single_leaf="none")), Settings(strategy="tree_traversal", backend="native")
    program.prepare(settings, 5000)
    monkeypatch.setattr(cpu_tops, "structures", None)
    program.total(Rows(rows_for(program.forest, rng, 5000, "float64")), settings)
    with pytest.raises(TypeError, match="NoneType"):
        program.total(Rows(rows_for(program.forest, rng, 5000, "float32")), settings)


FAULTS = {  # a field of the first circuits, what it is made, the error
    "another number of columns": ("n_columns", 4, 226),
    "sums of another dtype": ("sum.acc_dtype", abi.FLOAT64, 226),
    "more outputs than trees": ("sum.n_outputs", 8, 226),
    "vectors for answers": ("n_leaf_outputs", 2, 226),
    "no multiplexers": ("muxes", None, 227),
    "no triples of them": ("triples", None, 227),
    "pieces for some trees only": ("n_pieces", 1, 226),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_circuits_are_refused_with_their_error_code(fault):
    field, value, number = FAULTS[fault]
    loaded = Loaded.of(deep(np.random.default_rng(8)), "float64")
    at = loaded.structure.tops[0]
    *path, name = field.split(".")
    for part in path:
        at = getattr(at, part)
    setattr(at, name, value)
    assert error_of(loaded.structure) == number


def test_a_way_out_of_the_tree_is_refused():
    loaded = Loaded.of(deep(np.random.default_rng(9), single_leaf="none"), "float64")
    top = loaded.structure.tops[0]
    start = (ctypes.c_uint8 * top.n_values).from_address(top.values)
    n_others = int(np.diff(loaded.tables.tree_block)[0])
    assert n_others < 255
    for number, error in [(n_others + 1, 228), (255, 228), (n_others, 0), (0, 0)]:
        start[0] = number
        assert error_of(loaded.structure) == error


def test_no_circuits_where_their_number_says_some_is_refused():
    forest = deep(np.random.default_rng(10))
    structure = cpu_traversal.structure(cpu_traversal.compile(forest.trees, "float64"))
    structure.n_tops = 1
    assert error_of(structure) == 226
    structure.n_tops = -1
    assert error_of(structure) == 226


def test_features_without_float64_thresholds_are_not_compared_in_float64():
    loaded = Loaded.of(deep(np.random.default_rng(11), feature_dtype="float64"), "float64")
    loaded.structure.tops[0].thresholds64 = None
    library, n_outputs, n_trees = loader.library(), loaded.forest.n_outputs, loaded.forest.n_trees
    rows = loader.packed_rows(rows_for(loaded.forest, np.random.default_rng(0), 600, "float64"), None, -1.0)
    here, number = ctypes.addressof(loaded.structure), loader.address(loaded.tables.tree_number)
    sums, leaves = np.empty((600, n_outputs)), np.empty((600, n_trees), dtype=np.int32)
    assert library.run_traversal(here, rows, abi.FLOAT64, loader.address(sums), 1, abi.BASELINE) == 102
    assert library.run_leaves(here, rows, abi.FLOAT64, number, loader.address(leaves), 1, abi.BASELINE) == 102


def test_trees_too_large_for_circuits_begin_in_some(monkeypatch):
    rng = np.random.default_rng(12)
    forest = deep(rng, n_trees=6, single_leaf="none", base=[0.1])
    monkeypatch.setattr(bitsliced, "MOST_LEAVES", 12)
    kernel = BitslicedKernel(forest)
    assert [tables._structure.n_tops for tables in kernel.tables_in_place(900, "float64")] == [1]
    X = rows_for(forest, rng, 900, "float64")
    same_bits(kernel.total(Rows(X), 900, 1), reference_sum(forest, X))
