"""Damaged models: the extractors refuse them with an error that says what is wrong, or read a forest that is one.

``SKTENSOR_DAMAGED_MODELS=10000`` in the environment has so many of each kind tried.
"""

from __future__ import annotations

import copy
import json
import os
import warnings
from unittest import mock

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from corruptions import OF_BYTES, OF_LINES, OF_NESTED, change_a_record
from mutations import some
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree._tree import Tree

from sktensor import Forest, extract_forest
from sktensor.extractors.catboost import model as of_catboost
from sktensor.extractors.xgboost.model import read
from sktensor.extractors.xgboost.ubjson import parse
from sktensor.inputs.rows import as_rows
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")

COUNT = int(os.environ.get("SKTENSOR_DAMAGED_MODELS", "150"))

RNG = np.random.default_rng(7)
X = np.column_stack([RNG.integers(0, 40, 200), RNG.normal(size=(200, 3))]).astype(float)
X[RNG.random(X.shape) < 0.1] = np.nan
SIGNAL = np.nan_to_num(X[:, 0] % 3 + X[:, 1])
YES, THREE = (SIGNAL > 1).astype(int), np.digitize(SIGNAL, [0.5, 1.5])
CODES = np.where(np.isnan(X[:, :1]), 0, X[:, :1])
WORDS = pd.DataFrame({"many": CODES[:, 0].astype(int), "three": THREE.astype(str), "number": X[:, 1]})
SMALL = {"max_depth": 3, "nthread": 1, "max_cat_to_onehot": 4}


def xgboost_models():
    data = {"feature_types": ["c", "q", "q", "q"], "enable_categorical": True}
    targets = np.column_stack([SIGNAL, SIGNAL**2])
    vector = {"multi_strategy": "multi_output_tree"}
    softprob = {"objective": "multi:softprob", "num_class": 3, "booster": "dart", "rate_drop": 0.5}
    return [
        xgboost.train({**SMALL, "objective": "binary:logistic"}, xgboost.DMatrix(X, YES, **data), 3),
        xgboost.train({**SMALL, **softprob}, xgboost.DMatrix(X, THREE), 2),
        xgboost.train({**SMALL, **vector}, xgboost.DMatrix(X, targets), 2),
    ]


def lightgbm_models():
    params = {"num_leaves": 5, "num_threads": 1, "verbosity": -1, "min_data_in_leaf": 5}
    categories = {"max_cat_to_onehot": 1, "min_data_per_group": 5, "cat_smooth": 1}
    return [
        lightgbm.train(
            {**params, **categories, "objective": "binary"}, lightgbm.Dataset(X, YES, categorical_feature=[0]), 3
        ),
        lightgbm.train({**params, "objective": "regression", "linear_tree": True}, lightgbm.Dataset(X, SIGNAL), 3),
        lightgbm.train({**params, "objective": "multiclass", "num_class": 3}, lightgbm.Dataset(X, THREE), 2),
    ]


def catboost_models():
    quiet = {
        "iterations": 3,
        "depth": 2,
        "border_count": 4,
        "thread_count": 1,
        "verbose": 0,
        "allow_writing_files": False,
    }
    lossguide = {"grow_policy": "Lossguide", "max_leaves": 5}
    return [
        catboost.CatBoostClassifier(**quiet).fit(X, YES),
        catboost.CatBoostClassifier(**quiet, loss_function="MultiClass").fit(X, THREE),
        catboost.CatBoostRegressor(**quiet, **lossguide).fit(X, SIGNAL),
        catboost.CatBoostRegressor(**quiet, one_hot_max_size=3, cat_features=[0, 1]).fit(WORDS, SIGNAL),
    ]


class Retold(lightgbm.Booster):
    """A booster of which another text is told."""

    text = None

    def model_to_string(self, *args, **kwargs):
        return self.text or super().model_to_string(*args, **kwargs)

    def telling(self, text):
        self.text = text
        return self


def read_catboost(model, saved):
    with mock.patch.object(of_catboost, "_saved", lambda model: saved):
        return of_catboost.extract(model)


# Each of these takes a random generator and what the function behind it in KINDS made, and returns a function that
# reads a damaged model.


def of_xgboost_ubjson(rng, saved):
    data = some(rng, OF_BYTES)(rng, some(rng, saved))
    return lambda: read(parse(data))


def of_xgboost_json(rng, saved):
    data = some(rng, saved)
    if rng.random() < 0.3:
        damaged = some(rng, OF_BYTES)(rng, data)
        return lambda: read(json.loads(damaged))
    content = some(rng, OF_NESTED)(rng, json.loads(data))
    return lambda: read(content)


def of_lightgbm_text(rng, saved):
    model, data = some(rng, saved)
    text = some(rng, OF_BYTES if rng.random() < 0.3 else OF_LINES)(rng, data).decode(errors="replace")
    return lambda: extract_forest(model.telling(text))


def of_catboost_json(rng, saved):
    model, data = some(rng, saved)
    if rng.random() < 0.2:
        damaged = some(rng, OF_BYTES)(rng, data)
        return lambda: read_catboost(model, json.loads(damaged))
    content = some(rng, OF_NESTED)(rng, json.loads(data))
    return lambda: read_catboost(model, content)


def sklearn_models():
    params = {"n_estimators": 2, "max_depth": 3, "random_state": 0}
    filled = np.nan_to_num(X)
    return [
        RandomForestClassifier(**params).fit(X, THREE),
        GradientBoostingClassifier(**params).fit(filled, YES),
        HistGradientBoostingClassifier(max_iter=2, max_depth=3).fit(X, THREE),
    ]


def of_sklearn_arrays(rng, models):
    """A model with a tree whose arrays were changed, which scikit-learn does not hinder."""
    model = copy.deepcopy(some(rng, models))
    if hasattr(model, "_predictors"):
        predictor = some(rng, some(rng, model._predictors))
        predictor.nodes = change_a_record(rng, predictor.nodes)
        return lambda: extract_forest(model)
    tree = some(rng, np.ravel(model.estimators_))
    state = tree.tree_.__getstate__()
    state["nodes"] = change_a_record(rng, state["nodes"])
    state["node_count"] = len(state["nodes"])
    state["values"] = state["values"][: len(state["nodes"])]
    tree.tree_ = Tree(tree.n_features_in_, np.atleast_1d(tree.n_classes_ if hasattr(tree, "n_classes_") else 1), 1)
    tree.tree_.__setstate__(state)
    return lambda: extract_forest(model)


KINDS = {
    of_xgboost_ubjson: lambda: [bytes(model.save_raw("ubj")) for model in xgboost_models()],
    of_xgboost_json: lambda: [bytes(model.save_raw("json")) for model in xgboost_models()],
    of_lightgbm_text: lambda: [
        (Retold(model_str=text), text.encode()) for text in (model.model_to_string() for model in lightgbm_models())
    ],
    of_sklearn_arrays: sklearn_models,
    of_catboost_json: lambda: [(model, json.dumps(of_catboost._saved(model)).encode()) for model in catboost_models()],
}


def assert_runs(forest):
    """A forest that passes its checks can be run, whatever it says."""
    if forest.n_features > 1000 or forest.n_outputs > 1000:
        return
    rows = np.concatenate([np.nan_to_num(X), X, -1e9 * X])[::20]
    rows = np.resize(rows, (len(rows), forest.n_features)).astype(forest.trees.feature_dtype)
    if forest.inputs.reads_values:
        rows = np.rint(np.nan_to_num(rows)).astype(np.int64).astype(object)
    for settings in (Settings(), Settings(backend="torch", strategy="tree_traversal")):
        Program(forest).total(as_rows(rows, forest), settings)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_damaged_model_is_refused_by_name_or_read_as_a_forest(kind):
    saved, outcomes = KINDS[kind](), {"refused": 0, "read": 0}
    for number in range(COUNT):
        rng = np.random.default_rng(number)
        damaged = kind(rng, saved)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                forest = damaged()
                assert isinstance(forest, Forest)
                forest.validate()
        except ValueError as error:
            outcomes["refused"] += 1
            assert str(error)
        except Exception as error:
            raise AssertionError(f"damaged model number {number}: {type(error).__name__}: {error}") from error
        else:
            outcomes["read"] += 1
            assert_runs(forest)
    assert min(outcomes.values()) > COUNT // 50, outcomes


NAMED = {
    "a child out of range": (["trees", 1, "left_children", 0], 99, "Tree 1, node 0 .* expected children from 0 to"),
    "a child of two nodes": (
        ["trees", 1, "left_children", 0],
        2,
        r"tree 1, node \d+: .* can have one parent",
    ),
    "a cycle": (["trees", 1, "left_children", 1], 0, "can have one parent only"),
    "a threshold that is none": (["trees", 1, "split_conditions", 0], np.nan, "Forest.threshold: tree 1, node"),
    "a column out of range": (
        ["trees", 2, "split_indices", 0],
        4,
        "Forest.feature: tree 2, node .* from 0 to 3, got 4",
    ),
    "arrays of other lengths": (
        ["trees", 0, "default_left"],
        [0],
        "Tree 0 .* default_left has 1 entries",
    ),
    "text for numbers": (["trees", 0, "split_indices", 0], "x", "Tree 0 .* list of whole numbers for split_indices"),
    "a list in a list": (["trees", 0, "split_indices", 0], [1], "Tree 0 .* list of whole numbers for split_indices"),
    "fractions for numbers": (
        ["trees", 0, "left_children", 0],
        0.5,
        "Tree 0 .* whole numbers for left_children",
    ),
    "no trees": (["trees"], None, "TypeError"),
    "rounds of other trees": (["iteration_indptr", 1], 7, "3 trees, which its iteration_indptr does not divide"),
    "a set out of range": (["trees", 0, "categories_sizes", 0], 10**9, "Tree 0 .*: categories_sizes do not fit"),
    "a set of no node": (["trees", 0, "categories_nodes", 0], 99, "Tree 0 .*: categories_nodes do not fit"),
    "a category out of range": (["trees", 0, "categories", 0], 2**24, "Tree 0 .*: categories do not fit"),
}


@pytest.mark.parametrize("name", NAMED)
def test_damage_to_an_xgboost_model_is_named(name):
    (*way, last), value, words = NAMED[name]
    saved = json.loads(KINDS[of_xgboost_json]()[0])
    inside = saved["learner"]["gradient_booster"]["model"]
    for key in way:
        inside = inside[key]
    assert inside[last] != value
    inside[last] = value
    with pytest.raises(ValueError, match=words):
        read(saved).validate()


@pytest.mark.parametrize(("field", "value"), [("num_class", "2147483647"), ("num_target", "100000000")])
def test_a_number_of_outputs_that_the_trees_cannot_be_for_takes_no_memory(field, value):
    saved = json.loads(KINDS[of_xgboost_json]()[0])
    saved["learner"]["learner_model_param"][field] = value
    with pytest.raises(ValueError, match=f"{field}={value}.* but 3 trees"):
        read(saved)


@pytest.mark.parametrize(
    ("line", "change", "words"),
    [
        ("num_leaves=", "num_leaves=2147483647", "Tree 0 .* of 2147483647 entries: 'leaf_value'"),
        ("num_leaves=", "num_leaves=0", "Tree 0 .* num_leaves=0"),
        ("left_child=", "left_child=1 2 3 99", "Tree 0, node 3 .* a left_child below 4 and from -5 on, got 99"),
        ("threshold=", "threshold=0 7 0 0", "Tree 0 .* but a categorical split with threshold=7"),
        ("cat_boundaries=", "cat_boundaries=9 0", "Tree 0 .* entries: 'cat_threshold'"),
        ("num_class=", "", "KeyError: 'num_class'"),
        ("num_tree_per_iteration=", "num_tree_per_iteration=0", "num_class=1 with 0 tree"),
    ],
)
def test_damage_to_a_lightgbm_model_is_named(line, change, words):
    model, data = KINDS[of_lightgbm_text]()[0]
    lines = data.decode().split("\n")
    lines[next(n for n, found in enumerate(lines) if found.startswith(line))] = change
    with pytest.raises(ValueError, match=words):
        extract_forest(model.telling("\n".join(lines)))


@pytest.mark.parametrize(
    ("node", "side", "child", "words"),
    [(0, "left_child", 99, "Tree 1, node 0 .* a left child from 0 to"), (0, "right_child", -7, "a right child from 0")],
)
def test_damage_to_a_tree_of_scikit_learn_is_named(node, side, child, words):
    model = sklearn_models()[0]
    state = model.estimators_[1].tree_.__getstate__()
    state["nodes"][side][node] = child
    model.estimators_[1].tree_.__setstate__(state)
    with pytest.raises(ValueError, match=words):
        extract_forest(model)


def test_trees_of_a_kind_that_a_catboost_model_does_not_have_are_refused():
    """Asking the library for the nodes of a symmetric model's trees would end the process."""
    model, data = KINDS[of_catboost_json]()[0]
    saved = json.loads(data)
    assert "oblivious_trees" in saved
    saved["trees"] = saved.pop("oblivious_trees")
    with pytest.raises(ValueError, match="no trees of the kind that it has"):
        read_catboost(model, saved)
    del saved["trees"]
    with pytest.raises(ValueError, match="no trees of the kind that it has"):
        read_catboost(model, saved)
