"""SHAP values by tensor code against exact rationals: every kind of forest, players of several columns, backgrounds."""

from __future__ import annotations

import exact_shap
import numpy as np
import pytest
from exact_shap import as_floats, leaf_magnitude
from forests import random_forest, random_rows
from small_forests import leaf, split

from sktensor import Forest
from sktensor.explain import tensors
from sktensor.explain.tables import base_values, identity_players
from sktensor.explain.tensors import TensorExplainer
from sktensor.inputs.rows import as_rows

KINDS = {
    "one_output": {},
    "outputs_in_turn": {"n_outputs": 3},
    "vector_leaves": {"n_outputs": 3, "vector": True},
    "deep_chains_of_few_columns": {"chain": True, "max_depth": 9, "n_trees": 2, "n_features": 3},
    "chains_of_many_columns": {"chain": True, "max_depth": 8, "n_trees": 2, "n_features": 9},
    "categories": {"categorical": True},
    "xgboost_categories": {"categorical": True, "cat_mode": "xgb", "cmp": "lt"},
    "zeros_apart": {"zero_dir": True},
    "float32_less_than": {"feature_dtype": "float32", "acc_dtype": "float32", "cmp": "lt"},
    "stumps": {"max_depth": 1},
    "single_leaves": {"single_leaf": "all"},
    "one_column": {"n_features": 1, "max_depth": 5},
    "no_missing_values": {"missing": False},
}


def forest_of(kind, seed=0):
    rng = np.random.default_rng(seed)
    forest = random_forest(rng, cover=True, **KINDS[kind])
    return forest.replace(leaf_value=np.clip(forest.trees.leaf_value, -5, 5)), rng


def explainer(forest, players=None, n_players=None, **background):
    players = identity_players(forest.trees) if players is None else np.asarray(players, dtype=np.int32)
    return TensorExplainer(forest, players, forest.trees.n_columns if n_players is None else n_players, **background)


def assert_exact(found, expected, forest):
    assert found.dtype == np.float64
    assert np.abs(found - as_floats(expected)).max(initial=0) <= 1e-14 * max(leaf_magnitude(forest), 1e-300)


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_exact(kind):
    forest, rng = forest_of(kind)
    X = random_rows(forest, rng, 8)
    found = explainer(forest).values(as_rows(X, forest))
    assert_exact(found, exact_shap.path_dependent(forest, X), forest)


@pytest.mark.parametrize("kind", KINDS)
def test_base_value_and_values_add_up_to_the_sum(kind):
    forest, rng = forest_of(kind, seed=1)
    X = random_rows(forest, rng, 20)
    total = base_values(forest.trees) + explainer(forest).values(as_rows(X, forest)).sum(1)
    assert np.abs(total - as_floats(exact_shap.raw_sums(forest, X))).max() <= 1e-13 * leaf_magnitude(forest)


@pytest.mark.parametrize("kind", KINDS)
def test_interactions_are_exact(kind):
    forest, rng = forest_of(kind, seed=2)
    X = random_rows(forest, rng, 3)
    found = explainer(forest).interactions(as_rows(X, forest))
    assert_exact(found, exact_shap.interactions(forest, X), forest)


@pytest.mark.parametrize("kind", KINDS)
def test_interventional_values_are_exact(kind):
    forest, rng = forest_of(kind, seed=3)
    X, background = random_rows(forest, rng, 3), random_rows(forest, rng, 4)
    found = explainer(forest, background=as_rows(background, forest)).values(as_rows(X, forest))
    assert_exact(found, exact_shap.interventional(forest, X, background), forest)


def test_interventional_values_need_no_covers():
    forest, rng = forest_of("one_output")
    X, background = random_rows(forest, rng, 3), random_rows(forest, rng, 4)
    expected = exact_shap.interventional(forest, X, background)
    bare = forest.replace(cover=None)
    assert_exact(explainer(bare, background=as_rows(background, forest)).values(as_rows(X, forest)), expected, forest)


def test_columns_of_one_player_count_as_one():
    forest, rng = forest_of("one_output", seed=4)
    X = random_rows(forest, rng, 6)
    players = [1, 0, 1, 0]
    found = explainer(forest, players, 2).values(as_rows(X, forest))
    assert found.shape == (6, 2, 1)
    assert_exact(found, exact_shap.path_dependent(forest, X, players, 2), forest)
    single = exact_shap.path_dependent(forest, X)
    assert as_floats(single[:, 0] + single[:, 2] != exact_shap.path_dependent(forest, X, players, 2)[:, 1]).any()


@pytest.mark.parametrize("zeros", [[1], [0, 2], [0, 1, 2, 3, 4]], ids=str)
def test_nodes_without_cover_weigh_their_children_equally(zeros):
    tree = split(0, 0.0, split(0, -1.0, leaf(1.0), leaf(3.0)), split(1, 0.0, leaf(-2.0), leaf(5.0)))
    forest = Forest.from_trees([tree], n_features=2)
    cover = np.array([10.0, 4.0, 6.0, 1.0, 3.0, 2.0, 4.0])
    cover[2 + np.array(zeros)] = 0.0
    forest = forest.replace(cover=cover)
    X = np.array([[-2.0, -1.0], [-0.5, 1.0], [1.0, -1.0], [1.0, 1.0]])
    assert_exact(explainer(forest).values(as_rows(X, forest)), exact_shap.path_dependent(forest, X), forest)
    assert_exact(explainer(forest).interactions(as_rows(X, forest)), exact_shap.interactions(forest, X), forest)


def test_the_same_bits_for_any_number_of_rows(monkeypatch):
    forest, rng = forest_of("outputs_in_turn", seed=5)
    X = random_rows(forest, rng, 50)
    together = explainer(forest).values(as_rows(X, forest))
    alone = [explainer(forest).values(as_rows(X[i : i + 1], forest))[0] for i in range(50)]
    assert (together == np.stack(alone)).all()
    monkeypatch.setattr(tensors, "BATCH_BYTES", 20_000)
    assert (together == explainer(forest).values(as_rows(X, forest))).all()


def test_no_rows_give_no_values():
    forest, _ = forest_of("vector_leaves")
    rows = as_rows(np.empty((0, 4)), forest)
    assert explainer(forest).values(rows).shape == (0, 4, 3)
    assert explainer(forest).interactions(rows).shape == (0, 4, 4, 3)


def test_trees_of_many_nodes_are_split_into_buckets(monkeypatch):
    forest, rng = forest_of("one_output", seed=6)
    X = random_rows(forest, rng, 5)
    monkeypatch.setattr(tensors, "BUCKET_NODES", 3)
    found = explainer(forest)
    assert len(found._buckets) > 2
    assert_exact(found.values(as_rows(X, forest)), exact_shap.path_dependent(forest, X), forest)


def test_tensors_are_answered_with_tensors():
    torch = pytest.importorskip("torch")
    forest, rng = forest_of("one_output")
    X = random_rows(forest, rng, 5)
    found = explainer(forest).values(as_rows(torch.from_numpy(X), forest))
    assert isinstance(found, torch.Tensor)
    assert (found.numpy() == explainer(forest).values(as_rows(X, forest))).all()


def test_the_oracle_is_the_average_over_all_orders():
    """Of two players, by hand: the mean of what each adds first and second."""
    tree = split(0, 0.0, leaf(0.0, cover=1.0), split(1, 0.0, leaf(0.0, cover=1.0), leaf(12.0, cover=2.0), cover=3.0))
    forest = Forest.from_trees([tree | {"cover": 4.0}], n_features=2)
    found = exact_shap.path_dependent(forest, np.array([[1.0, 1.0]]))[0, :, 0].tolist()
    base = exact_shap.base_values(forest)[0]
    assert base == 6  # 3/4 of 8
    # v({0}) = 8, v({1}) = 3/4 * 12 = 9, v({0, 1}) = 12
    assert found == [(8 - 6 + 12 - 9) / 2, (9 - 6 + 12 - 8) / 2]


def chain(n_columns, rng):
    """A tree that asks of one column after the other."""
    tree = leaf(float(rng.normal()), cover=1.0)
    cover = 1.0
    for column in rng.permutation(n_columns).tolist():
        beside = float(rng.integers(1, 50))
        cover += beside
        other = leaf(float(rng.normal()), cover=beside)
        sides = (tree, other) if rng.random() < 0.5 else (other, tree)
        tree = split(column, float(rng.normal()), *sides, cover=cover)
    return tree


@pytest.mark.parametrize("n_columns", [24, 41])
def test_values_of_a_deep_chain_are_exact(n_columns):
    rng = np.random.default_rng(n_columns)
    forest = Forest.from_trees([chain(n_columns, rng)], n_features=n_columns)
    X = rng.normal(size=(6, n_columns))
    expected = exact_shap.path_dependent_by_leaves(forest, X)
    assert_exact(explainer(forest).values(as_rows(X, forest)), expected, forest)


@pytest.mark.parametrize("kind", ["one_output", "vector_leaves", "deep_chains_of_few_columns"])
def test_the_oracle_of_deep_trees_is_that_of_all_sets(kind):
    forest, rng = forest_of(kind, seed=7)
    X = random_rows(forest, rng, 4)
    assert (exact_shap.path_dependent_by_leaves(forest, X) == exact_shap.path_dependent(forest, X)).all()
