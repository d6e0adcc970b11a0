"""Interventional SHAP values by the CPU kernels: exact, and the same bits however they are computed."""

from __future__ import annotations

import numpy as np
import pytest
from exact_shap import as_floats, interventional, leaf_magnitude
from forests import random_forest, random_rows

from sktensor.explain import interventional as native
from sktensor.explain import tables
from sktensor.explain.interventional import InterventionalExplainer
from sktensor.inputs.rows import Rows
from sktensor.native import loader

pytestmark = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")

EXACT = 1e-14  # of the largest leaf's magnitude

KINDS = {
    "small trees": {},
    "float32 features, less than": {"feature_dtype": "float32", "cmp": "lt"},
    "sides of zeros": {"zero_dir": True},
    "categories": {"categorical": True},
    "several outputs": {"n_outputs": 3, "n_trees": 7},
    "vector leaves": {"n_outputs": 3, "vector": True},
    "more outputs than are walked at once": {"n_outputs": 6, "vector": True, "n_trees": 3},
    "chains": {"chain": True, "max_depth": 9, "n_features": 8},
    "repeated features": {"max_depth": 7, "n_features": 2, "n_trees": 3},
    "single leaves": {"single_leaf": "all"},
}


def rows_of(forest, X):
    return Rows(X, forest.inputs.flush_limit, forest.inputs.missing_value)


def made(rng, **options):
    forest = random_forest(rng, **options)
    values = rng.normal(size=forest.trees.leaf_value.shape)
    return forest.replace(leaf_value=values).validate()


def explainer(forest, background, players=None, n_players=None):
    players = tables.identity_players(forest.trees) if players is None else np.asarray(players, np.int32)
    n_players = int(players.max()) + 1 if n_players is None else n_players
    return InterventionalExplainer(forest, players, n_players, rows_of(forest, background))


@pytest.fixture(params=["looked up", "walked", "some of each"])
def way(request, monkeypatch):
    budget = {"looked up": native.TABLE_BYTES, "walked": -1, "some of each": 3000}[request.param]
    monkeypatch.setattr(native, "TABLE_BYTES", budget)


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_exact(kind, way):
    rng = np.random.default_rng(list(KINDS).index(kind))
    forest = made(rng, **KINDS[kind])
    X, background = random_rows(forest, rng, 5), random_rows(forest, rng, 7)
    found = explainer(forest, background).values(rows_of(forest, X), 1)
    exact = interventional(forest, X, background)
    assert np.abs(found - as_floats(exact)).max() <= EXACT * max(leaf_magnitude(forest), 1)


def test_columns_of_one_player_are_played_together(way):
    rng = np.random.default_rng(5)
    forest = made(rng, n_features=5, max_depth=5, n_trees=4)
    X, background, players = random_rows(forest, rng, 5), random_rows(forest, rng, 6), [3, 0, 3, 1, 0]
    found = explainer(forest, background, players, 5).values(rows_of(forest, X), 1)
    exact = interventional(forest, X, background, np.array(players), 5)
    assert np.abs(found - as_floats(exact)).max() <= EXACT * leaf_magnitude(forest)


@pytest.mark.parametrize("options", [{}, {"n_outputs": 3, "vector": True}], ids=["one output", "vector leaves"])
def test_the_same_bits_for_any_batch_thread_count_and_instruction_set(options, way, monkeypatch):
    rng = np.random.default_rng(3)
    forest = made(rng, n_trees=9, max_depth=5, n_features=6, **options)
    X, background = random_rows(forest, rng, 300), random_rows(forest, rng, 20)
    every = explainer(forest, background).values(rows_of(forest, X), 1)
    for isa in range(loader.library().best + 1):
        monkeypatch.setattr(loader.library(), "isa", isa)
        own = explainer(forest, background)
        for n in (1, 2, 9, 65):
            assert own.values(rows_of(forest, X[:n]), 1).tobytes() == every[:n].tobytes()
        assert own.values(rows_of(forest, X), 3).tobytes() == every.tobytes()


def test_a_large_background_counts_each_row_once(way):
    rng = np.random.default_rng(6)
    forest = made(rng, n_trees=3, max_depth=3)
    X, few = random_rows(forest, rng, 5), random_rows(forest, rng, 8)
    many = np.repeat(few, 16, axis=0)
    found, expected = (explainer(forest, b).values(rows_of(forest, X), 1) for b in (many, few))
    assert np.abs(found - expected).max() <= EXACT


def test_a_background_without_rows_is_refused():
    forest = made(np.random.default_rng(7))
    with pytest.raises(ValueError, match="no rows"):
        explainer(forest, np.empty((0, forest.n_features)))
