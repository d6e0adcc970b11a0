"""SHAP values by the CPU kernels: exact, and the same bits however they are computed."""

from __future__ import annotations

import numpy as np
import pytest
from exact_shap import as_floats, base_values, interactions, leaf_magnitude, path_dependent, raw_sums
from forests import random_forest, random_rows

from sktensor import Forest
from sktensor.explain import tables
from sktensor.explain.native import NativeExplainer, refusal
from sktensor.inputs.rows import Columns, Rows
from sktensor.native import loader

pytestmark = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")

EXACT, ADDITIVE = 1e-14, 1e-13  # of the largest leaf's magnitude


@pytest.fixture(params=range(1 + getattr(loader.library(), "best", 0)))
def instruction_set(request, monkeypatch):
    monkeypatch.setattr(loader.library(), "isa", request.param)
    return request.param


def rows_of(forest, X):
    return Rows(X, forest.inputs.flush_limit, forest.inputs.missing_value)


def explain(forest, X, players=None, n_players=None, n_threads=1):
    players = tables.identity_players(forest.trees) if players is None else np.asarray(players, np.int32)
    n_players = int(players.max(initial=-1)) + 1 if n_players is None else n_players
    return NativeExplainer(forest, players, n_players).values(rows_of(forest, X), n_threads)


def tame(rng, **options):
    """A random forest whose leaves are of about one size, as those of models are."""
    forest = random_forest(rng, cover=True, **options)
    values = rng.normal(size=forest.trees.leaf_value.shape)
    cover = forest.trees.cover * (rng.random(len(forest.trees.cover)) > 0.1)
    return forest.replace(leaf_value=values, cover=cover, base=rng.normal(size=forest.n_outputs)).validate()


KINDS = {
    "small trees": {},
    "float32 features, less than": {"feature_dtype": "float32", "cmp": "lt"},
    "sides of zeros": {"zero_dir": True},
    "categories": {"categorical": True},
    "categories of xgboost": {"categorical": True, "cat_mode": "xgb", "feature_dtype": "float32", "cmp": "lt"},
    "several outputs": {"n_outputs": 3, "n_trees": 7},
    "vector leaves": {"n_outputs": 3, "vector": True},
    "chains": {"chain": True, "max_depth": 12, "n_features": 9},
    "repeated features": {"max_depth": 7, "n_features": 2, "n_trees": 3},
    "single leaves": {"single_leaf": "all"},
    "stumps": {"max_depth": 1},
    "nothing but the first tree a leaf": {"single_leaf": "first"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_exact(kind, instruction_set):
    rng = np.random.default_rng(list(KINDS).index(kind))
    forest = tame(rng, **KINDS[kind])
    X = random_rows(forest, rng, 9)
    found, exact = explain(forest, X), path_dependent(forest, X)
    assert found.shape == (9, forest.n_features, forest.n_outputs)
    assert np.abs(found - as_floats(exact)).max() <= EXACT * max(leaf_magnitude(forest), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_base_add_up_to_the_sum(kind):
    rng = np.random.default_rng(list(KINDS).index(kind))
    forest = tame(rng, **KINDS[kind])
    X = random_rows(forest, rng, 30)
    total = explain(forest, X).sum(axis=1) + tables.base_values(forest.trees)
    assert np.abs(total - as_floats(raw_sums(forest, X))).max() <= ADDITIVE
    assert np.abs(tables.base_values(forest.trees) - as_floats(base_values(forest))).max() <= EXACT


def test_columns_of_one_player_are_played_together(instruction_set):
    rng = np.random.default_rng(5)
    forest = tame(rng, n_features=5, max_depth=6, n_trees=4)
    X, players = random_rows(forest, rng, 8), [3, 0, 3, 1, 0]
    exact = path_dependent(forest, X, np.array(players), 5)
    assert np.abs(explain(forest, X, players, 5) - as_floats(exact)).max() <= EXACT * leaf_magnitude(forest)


def explain_pairs(forest, X, players=None, n_players=None, n_threads=1):
    players = tables.identity_players(forest.trees) if players is None else np.asarray(players, np.int32)
    n_players = int(players.max(initial=-1)) + 1 if n_players is None else n_players
    return NativeExplainer(forest, players, n_players).interactions(rows_of(forest, X), n_threads)


@pytest.mark.parametrize("kind", KINDS)
def test_interactions_are_exact_and_add_up_to_the_values(kind, instruction_set):
    rng = np.random.default_rng(100 + list(KINDS).index(kind))
    forest = tame(rng, **KINDS[kind])
    X = random_rows(forest, rng, 5)
    found, exact = explain_pairs(forest, X), interactions(forest, X)
    assert found.shape == (5, forest.n_features, forest.n_features, forest.n_outputs)
    assert np.abs(found - as_floats(exact)).max() <= EXACT * max(leaf_magnitude(forest), 1)
    assert np.abs(found.sum(axis=2) - explain(forest, X)).max() <= ADDITIVE


def test_interactions_of_columns_of_one_player(instruction_set):
    rng = np.random.default_rng(5)
    forest = tame(rng, n_features=5, max_depth=6, n_trees=4)
    X, players = random_rows(forest, rng, 5), [3, 0, 3, 1, 0]
    exact = interactions(forest, X, np.array(players), 5)
    assert np.abs(explain_pairs(forest, X, players, 5) - as_floats(exact)).max() <= EXACT * leaf_magnitude(forest)


def oblivious(rng, *, n_trees=5, depth=4, n_features=4, n_outputs=1):
    """Trees that ask one question at each depth, as those of CatBoost do, with leaves that no row reached."""

    def grown(asked):
        if not asked:
            return {"value": float(rng.normal()), "cover": float(rng.integers(0, 9) * (rng.random() < 0.7))}
        (feature, threshold), rest = asked[0], asked[1:]
        children = grown(rest), grown(rest)
        cover = sum(child["cover"] for child in children)
        return {
            "feature": feature, "threshold": threshold, "left": children[0], "right": children[1], "cover": cover,
            "nan_left": True,
        }  # fmt: skip

    questions = [[(int(rng.integers(n_features)), float(rng.normal())) for _ in range(depth)] for _ in range(n_trees)]
    return Forest.from_trees([grown(q) for q in questions], n_features=n_features, n_outputs=n_outputs)


@pytest.mark.parametrize("depth", [3, 5])
def test_values_of_oblivious_trees_are_exact(depth, instruction_set):
    rng = np.random.default_rng(depth)
    forest = oblivious(rng, depth=depth, n_outputs=2)
    X = rng.normal(size=(9, 4))
    X[rng.random(X.shape) < 0.2] = np.nan
    exact = path_dependent(forest, X)
    assert np.abs(explain(forest, X) - as_floats(exact)).max() <= EXACT * max(leaf_magnitude(forest), 1)


def test_oblivious_trees_are_looked_up_and_others_walked():
    rng = np.random.default_rng(1)
    for forest, looked_up in ((oblivious(rng), True), (tame(rng, max_depth=5), False)):
        made = NativeExplainer(forest, tables.identity_players(forest.trees), forest.n_features)
        assert (made._tables is not made._walked) == looked_up


def deep(rng, **options):
    return tame(rng, **{"n_trees": 3, "max_depth": 40, "n_features": 37, "chain": True, **options})


FORESTS = {
    "small": lambda rng: tame(rng, n_trees=20, max_depth=5, n_features=6),
    "several outputs": lambda rng: tame(rng, n_trees=9, max_depth=5, n_features=6, n_outputs=3),
    "vector leaves": lambda rng: tame(rng, n_trees=9, max_depth=6, n_features=6, n_outputs=4, vector=True),
    "oblivious trees": lambda rng: oblivious(rng, n_trees=30, depth=6, n_features=9),
    "chains of more points than are taken at once": deep,
    "deep chains with vector leaves": lambda rng: deep(rng, n_outputs=3, vector=True),
}


@pytest.mark.parametrize("kind", FORESTS)
def test_the_same_bits_for_any_batch_thread_count_and_instruction_set(kind, monkeypatch):
    rng = np.random.default_rng(3)
    forest = FORESTS[kind](rng)
    X = random_rows(forest, rng, 300)
    every = explain(forest, X)
    for isa in range(loader.library().best + 1):
        monkeypatch.setattr(loader.library(), "isa", isa)
        for n in (1, 2, 7, 8, 9, 63, 64, 65, 300):
            assert explain(forest, X[:n]).tobytes() == every[:n].tobytes()
            assert explain(forest, X[-n:]).tobytes() == every[-n:].tobytes()
        assert explain(forest, X, n_threads=3).tobytes() == every.tobytes()


@pytest.mark.parametrize("kind", FORESTS)
def test_the_same_interactions_for_any_batch_thread_count_and_instruction_set(kind, monkeypatch):
    rng = np.random.default_rng(4)
    forest = FORESTS[kind](rng)
    X = random_rows(forest, rng, 130)
    every = explain_pairs(forest, X)
    for isa in range(loader.library().best + 1):
        monkeypatch.setattr(loader.library(), "isa", isa)
        for n in (1, 9, 65):
            assert explain_pairs(forest, X[:n]).tobytes() == every[:n].tobytes()
        assert explain_pairs(forest, X, n_threads=3).tobytes() == every.tobytes()


def test_values_of_deep_chains_are_exact_to_the_additivity(instruction_set):
    rng = np.random.default_rng(8)
    forest = deep(rng)
    X = random_rows(forest, rng, 20)
    total = explain(forest, X).sum(axis=1) + tables.base_values(forest.trees)
    assert np.abs(total - as_floats(raw_sums(forest, X))).max() <= ADDITIVE


def test_rows_of_any_dtype_and_layout_have_the_same_values():
    rng = np.random.default_rng(12)
    forest = tame(rng, n_trees=9, n_features=5)
    with np.errstate(over="ignore"):
        X = random_rows(forest, rng, 80).astype(np.float32)
    expected = explain(forest, X.astype(np.float64))
    columns = Columns(tuple(np.ascontiguousarray(column) for column in X.T), len(X))
    for data in (X, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], columns):
        assert explain(forest, data).tobytes() == expected.tobytes()


def test_sparse_rows_and_integers_have_the_values_of_arrays():
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(13)
    forest = tame(rng, n_trees=9, n_features=30, max_depth=3)
    X = np.where(rng.random((50, 30)) < 0.8, 0, rng.integers(-3, 4, (50, 30)))
    expected = explain(forest, X.astype(np.float64))
    assert explain(forest, sparse.csr_matrix(X.astype(np.float64))).tobytes() == expected.tobytes()
    assert explain(forest, X).tobytes() == expected.tobytes()


def test_tensors_have_the_values_of_arrays():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(14)
    forest = tame(rng)
    X = random_rows(forest, rng, 20)
    assert explain(forest, torch.from_numpy(X)).tobytes() == explain(forest, X).tobytes()


def test_players_without_a_column_have_zeros():
    rng = np.random.default_rng(15)
    forest = tame(rng, n_features=3)
    X = random_rows(forest, rng, 5)
    found = explain(forest, X, [4, 1, 6], 8)
    assert found.shape == (5, 8, 1)
    assert np.count_nonzero(found[:, [0, 2, 3, 5, 7]]) == 0


def test_no_rows_have_no_values():
    forest = tame(np.random.default_rng(16))
    assert explain(forest, np.empty((0, forest.n_features))).shape == (0, forest.n_features, 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cover": None}, "keeps no covers"),
        ({"cover": np.full(3, -1.0)}, "negative or not finite"),
        ({"aggregate": "per_tree"}, "no sum over trees"),
    ],
)
def test_models_without_values_are_refused_by_name(changes, words):
    leaves = {"value": 1.0, "cover": 2.0}, {"value": 2.0, "cover": 1.0}
    stump = {"feature": 0, "threshold": 0.5, "left": leaves[0], "right": leaves[1], "cover": 3.0}
    forest = Forest.from_trees([stump], n_features=1)
    assert refusal(forest) == ""
    forest = forest.replace(**changes)
    assert words in refusal(forest)
    with pytest.raises(ValueError, match=words):
        NativeExplainer(forest, np.zeros(1, np.int32), 1)
