"""Walking trees that compare values of X themselves."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from agreement import same_bits
from forests import random_forest
from reference import reference_sum
from sklearn.tree import DecisionTreeClassifier

from sktensor import TensorizedEstimator
from sktensor.backends.cpu import costs, walk
from sktensor.backends.cpu.kernels import TraversalKernel
from sktensor.backends.cpu.walk import WalkKernel
from sktensor.inputs.rows import Columns, as_rows
from sktensor.native import abi, loader

pytestmark = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")

RULES = {
    "float32": {},
    "float64": {"feature_dtype": "float64", "acc_dtype": "float64"},
    "less than": {"cmp": "lt"},
    "less or equal": {"cmp": "le", "feature_dtype": "float64"},
    "vector leaves": {"n_outputs": 3, "vector": True},
    "several outputs": {"n_outputs": 3, "base": [0.1, -0.0, 7.0]},
    "missing value": {"missing_value": -1.0},
}


def rows_for(forest, n, dtype):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, forest.n_features)).astype(dtype)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[rng.random(X.shape) < 0.1] = rng.choice(forest.trees.threshold, 1)
    X[rng.random(X.shape) < 0.05] = -1.0
    return X


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
def test_walking_gives_the_sums_and_leaves_of_the_reference(rule, dtype):
    forest = random_forest(np.random.default_rng(1), n_trees=7, max_depth=6, **RULES[rule])
    assert not walk.refusal(forest.trees)
    kernel, other = WalkKernel(forest), TraversalKernel(forest)
    for n in (0, 1, 127, 128, 129, 1500):
        X = rows_for(forest, n, dtype)
        rows = as_rows(X, forest)
        for n_threads in (1, 2):
            same_bits(kernel.total(rows, 0, n_threads), other.total(rows, 0, n_threads))
            np.testing.assert_array_equal(kernel.leaves(rows, 0, n_threads), other.leaves(rows, 0, n_threads))
        columns = as_rows(Columns(tuple(np.ascontiguousarray(X[:, j]) for j in range(X.shape[1])), n), forest)
        same_bits(kernel.total(columns, 0, 1), kernel.total(rows, 0, 1))
        same_bits(kernel.total(as_rows(np.asfortranarray(X), forest), 0, 1), kernel.total(rows, 0, 1))
        start = np.full((n, forest.n_outputs), 0.25, dtype=forest.trees.acc_dtype)
        same_bits(kernel.total(rows, 0, 1, start), other.total(rows, 0, 1, start))
    X = np.random.default_rng(5).normal(size=(50, forest.n_features)).astype(forest.trees.feature_dtype)
    same_bits(kernel.total(as_rows(X, forest), 0, 1), reference_sum(forest, X))


def test_a_tree_over_many_columns_is_walked_and_one_over_few_is_not():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 600)).astype("float32")
    y = (X @ rng.normal(size=600) > 0).astype(int)
    fast = TensorizedEstimator(DecisionTreeClassifier(random_state=0).fit(X, y))
    assert fast.explain_plan(10_000).strategy == costs.DIRECT
    same_bits(fast.predict_proba(np.tile(X, (20, 1))), fast.estimator_.predict_proba(np.tile(X, (20, 1))))
    np.testing.assert_array_equal(fast.apply(X), fast.estimator_.apply(X))
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        fast.predict(np.where(np.arange(600) == 599, np.inf, np.tile(X, (20, 1))))
    few = TensorizedEstimator(DecisionTreeClassifier(random_state=0).fit(X[:, :5], y))
    assert few.explain_plan(10_000).strategy != costs.DIRECT


@pytest.mark.parametrize("rules", [{"categorical": True}, {"zero_dir": True}, {"linear": True}])
def test_what_it_cannot_walk_is_refused(rules):
    assert walk.refusal(random_forest(np.random.default_rng(0), n_trees=5, **rules).trees)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("column", 99, "column that X does not have"),
        ("column", -1, "column that X does not have"),
        ("child", 0, "does not stand behind"),
        ("child", 10**6, "out of range"),
        ("child", -(10**6), "out of range"),
        ("missing_right", 2, "neither 0 nor 1"),
    ],
)
def test_children_outside_their_tree_are_found_before_walking(field, value, message):
    forest = random_forest(np.random.default_rng(0), n_trees=3, max_depth=4)
    tables = walk.structure(forest.trees)
    nodes = next(kept for kept in tables.kept if isinstance(kept, np.ndarray) and kept.dtype == abi.NODE)
    nodes[field][0] = value
    kernels = loader.library()
    error = kernels.check_walk(ctypes.addressof(tables))
    assert error and message in kernels.message(error)
