"""ONNX graphs of random forests: every rule of comparison, missing value, category and sum, mixed."""

from __future__ import annotations

import numpy as np
import pytest
from exported_models import refused
from forests import forests, random_forest, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import reference_leaves, reference_sum

from sktensor.export import sum_bound, to_onnx

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_sessions import run


def bits(x):
    return np.ascontiguousarray(x).view(f"u{x.itemsize}")


@settings(max_examples=150)
@given(forest=forests(linear=False), seed=st.integers(0, 2**32 - 1), exact=st.booleans())
def test_leaves_and_sums_of_forests_of_all_kinds(forest, seed, exact):
    rows = random_rows(forest, np.random.default_rng(seed))
    graph, why = refused(to_onnx, forest, rows, outputs=("leaf", "raw"), exact_sums=exact)
    if graph is None:
        assert "zero_as_missing=False" in why
        assert (forest.trees.zero_dir >= 0).any()
        return
    found = run(graph, rows)
    np.testing.assert_array_equal(found["leaf"], forest.trees.leaf_id[reference_leaves(forest, rows)])
    expected = reference_sum(forest, rows)
    if exact:
        np.testing.assert_array_equal(bits(found["raw"]), bits(expected))
    else:
        assert (np.abs(found["raw"].astype(np.float64) - expected) <= sum_bound(forest)).all()


def test_the_sum_of_many_trees_in_another_order_stays_within_the_bound():
    forest = random_forest(np.random.default_rng(0), n_trees=400, acc_dtype="float32", threshold_dtype="float64")
    rows = random_rows(forest, np.random.default_rng(1))
    expected = reference_sum(forest, rows)
    for n in (1, 2, len(rows)):  # of few rows, ONNX Runtime adds trees in parallel
        found = run(to_onnx(forest, rows, outputs="raw", exact_sums=False), rows[:n])["raw"]
        assert (np.abs(found.astype(np.float64) - expected[:n]) <= sum_bound(forest)).all()


def test_an_order_other_than_the_librarys_gives_other_bits():
    """What the bound is for, and what exact sums are for."""
    forest = random_forest(np.random.default_rng(0), n_trees=400, acc_dtype="float32", threshold_dtype="float64")
    rows = random_rows(forest, np.random.default_rng(1))
    assert (reference_sum(forest, rows) != reference_sum(forest.take(np.arange(400)[::-1]), rows)).any()


@pytest.mark.parametrize("kind", ["vector", "scalar"])
def test_graphs_take_any_number_of_rows_none_included(kind):
    forest = random_forest(np.random.default_rng(3), n_outputs=2, vector=kind == "vector")
    graph = to_onnx(forest, outputs=("raw", "leaf"))
    for n in (0, 1, 3):
        found = run(graph, np.zeros((n, 4)))
        assert (found["raw"].shape, found["leaf"].shape) == ((n, 2), (n, 5))


def test_linear_leaves_are_refused_by_name():
    forest = random_forest(np.random.default_rng(0), linear=True)
    assert "linear_tree=True" in refused(to_onnx, forest)[1]
