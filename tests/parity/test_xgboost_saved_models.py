"""What XGBoost saves of a model, read: documents of every version, their trees in any order, and damaged ones."""

import json

import numpy as np
import pytest
import xgboost as xgb
from agreement import assert_agrees
from versions import since
from xgboost_models import (
    MODELS,
    REAL,
    TARGETS,
    THREE,
    VECTOR,
    C,
    R,
    X,
    booster_of_model,
    fit,
    raw_of,
    same,
    stopped,
    trained,
)

from sktensor import extract_forest
from sktensor.extractors.xgboost import model as extractor
from sktensor.extractors.xgboost.trees import leaf_widths, tree_fields
from sktensor.extractors.xgboost.ubjson import parse

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:xgboost")

VECTORS = fit(R, X, TARGETS, **VECTOR)


def saved_trees(model):
    return parse(extractor._saved(model))["learner"]["gradient_booster"]["model"]["trees"]


@since("xgboost", "3.2", "leaf weights of their own")
def test_vector_leaves_are_read_from_base_weights_as_before_version_3_2():
    trees = saved_trees(VECTORS())
    before = []
    for tree in trees:
        leaf, rows = tree["left_children"] < 0, tree["leaf_weights"].reshape(-1, 3)
        weights = np.full((len(leaf), 3), 7.0, dtype=np.float32)
        weights[leaf] = rows[tree["right_children"][leaf]]
        right = np.where(leaf, -1, tree["right_children"])
        old = {**tree, "base_weights": weights.ravel(), "right_children": right}
        del old["leaf_weights"]
        before.append(old)
    same(
        tree_fields(before, leaf_widths(before), np.zeros(len(before), dtype=int))[0]["leaf_value"],
        extractor.extract(VECTORS()).trees.leaf_value,
    )


def test_rounds_are_inferred_for_models_before_version_2():
    gbtree = {"trees": [None] * 12, "gbtree_model_param": {"num_parallel_tree": "2"}}
    assert extractor._first_trees_of_rounds(gbtree, 3).tolist() == [0, 6, 12]


@pytest.mark.parametrize("inner", [False, True], ids=["3.3", "3.4"])
def test_dart_weights_of_later_versions_are_read(inner):
    model = {"trees": [None, None]}
    booster = {"name": "gbtree", "model": model}
    (model if inner else booster)["weight_drop"] = [0.5, 1.0]
    _, weights, in_place = extractor._gbtree(booster, None)
    assert (weights.tolist(), in_place) == ([0.5, 1.0], False)


def test_ubjson_and_json_are_parsed_to_the_same():
    def plain(value):
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list | np.ndarray) else value

    def single(value):
        """Floats as their float32 value, which is what both formats hold; a NaN as something equal to itself."""
        if isinstance(value, dict):
            return {key: single(item) for key, item in value.items()}
        if isinstance(value, list):
            return [single(item) for item in value]
        if isinstance(value, float | np.float32):
            return "NaN" if np.isnan(value) else np.float32(value)
        return value

    for name in ("categories, dart", "vector leaves", "rank:ndcg, unbiased"):
        model = MODELS[name]()
        raw = {kind: bytes(model.get_booster().save_raw(kind)) for kind in ("json", "ubj")}
        assert single(plain(parse(raw["ubj"]))) == single(json.loads(raw["json"]))


def test_a_damaged_document_is_a_value_error():
    raw = bytes(trained(REAL, 1, max_depth=1).save_raw("ubj"))
    for end in range(0, len(raw)):
        with pytest.raises(ValueError, match="UBJSON"):
            parse(raw[:end])
    with pytest.raises(ValueError, match="UBJSON: the document ends"):
        parse(raw + b"N")
    with pytest.raises(ValueError, match="UBJSON"):
        parse(b"[" * 100_000)


STRATEGIES_OF_TARGETS = ("one_output_per_tree", "multi_output_tree")


@pytest.mark.parametrize("first", STRATEGIES_OF_TARGETS)
@pytest.mark.parametrize(("cls", "y"), [(R, TARGETS), (C, THREE), (C, np.c_[THREE > 0, THREE > 1].astype(int))])
def test_continued_training_with_another_multi_strategy(cls, y, first):
    (other,) = set(STRATEGIES_OF_TARGETS) - {first}
    before = fit(cls, X, y, multi_strategy=first)()
    model = cls(multi_strategy=other, n_estimators=3, max_depth=3, n_jobs=1).fit(X, y, xgb_model=before)
    widths = {int(tree["tree_param"]["size_leaf_vector"]) for tree in saved_trees(model)}
    assert len(widths) == 2
    assert_agrees(model, X)
    n_before = before.get_booster().num_boosted_rounds()
    for span in ((0, n_before), (n_before - 1, n_before + 2), (n_before, n_before + 3)):
        same(
            raw_of(extractor.extract(model, iterations=span), X),
            model.predict(X, output_margin=True, iteration_range=span),
        )


def test_scalar_tree_for_an_unknown_output_is_an_error():
    trees = saved_trees(VECTORS()) + saved_trees(fit(R, X, TARGETS)())
    widths = leaf_widths(trees)
    with pytest.raises(ValueError, match="trees for others in its tree_info"):
        tree_fields(trees, widths, np.full(len(trees), -1))


def test_children_outside_their_tree_are_an_error_naming_tree_and_node():
    trees = saved_trees(trained(REAL, 3))
    left = np.array(trees[1]["left_children"])
    left[1] = len(left) + 2
    trees[1]["left_children"] = left
    with pytest.raises(ValueError, match="Tree 1, node 1 of the XGBoost model: expected children from 0"):
        tree_fields(trees, leaf_widths(trees), np.zeros(len(trees), dtype=int))


def test_arrays_of_different_lengths_are_an_error_naming_the_tree():
    trees = saved_trees(trained(REAL, 3))
    trees[2]["split_indices"] = trees[2]["split_indices"][:-1]
    with pytest.raises(ValueError, match="Tree 2 of the XGBoost model: split_indices has"):
        tree_fields(trees, leaf_widths(trees), np.zeros(len(trees), dtype=int))


def test_extraction_leaves_the_model_as_it_was():
    model = stopped(C, THREE)
    before, state = bytes(model.get_booster().save_raw("ubj")), dict(model.__dict__)
    extractor.extract(model)
    assert bytes(model.get_booster().save_raw("ubj")) == before
    assert model.__dict__ == state


def edited(booster, change):
    """A booster whose saved model, of which `change` is given the part with the trees, was changed."""
    saved = json.loads(bytes(booster.save_raw("json")))
    change(saved["learner"]["gradient_booster"]["model"])
    return xgb.Booster(model_file=bytearray(json.dumps(saved).encode()))


@since("xgboost", "3.2", "leaf weights of their own")
def test_vector_leaf_values_are_read_in_any_order():
    def backwards(gbtree):
        for tree in gbtree["trees"]:
            rows = np.reshape(tree["leaf_weights"], (-1, 3))
            tree["leaf_weights"] = rows[::-1].ravel().tolist()
            is_leaf, right = np.array(tree["left_children"]) < 0, np.array(tree["right_children"])
            tree["right_children"] = np.where(is_leaf, len(rows) - 1 - right, right).tolist()

    model = VECTORS()
    booster = edited(model.get_booster(), backwards)
    same(booster.predict(xgb.DMatrix(X), output_margin=True), model.predict(X, output_margin=True))
    same(raw_of(extract_forest(booster), X), model.predict(X, output_margin=True))


def test_trees_of_a_round_are_read_in_any_order():
    def last_rounds_backwards(gbtree):
        trees, outputs = gbtree["trees"], gbtree["tree_info"]
        trees[12:], outputs[12:] = trees[:11:-1], outputs[:11:-1]
        for number, tree in enumerate(trees):
            tree["id"] = number

    booster = edited(trained(THREE, objective="multi:softprob", num_class=3), last_rounds_backwards)
    data = xgb.DMatrix(X)
    for span in ((0, 4), (4, 8), (3, 6), (0, 8)):
        expected = booster.predict(data, output_margin=True, iteration_range=span)
        same(raw_of(extract_forest(booster, iterations=span), X), expected)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize(
    "name",
    [
        "dart rf",
        "categories, dart",
        # Before, they are read from base_weights, which nothing but UBJSON holds to the last bit.
        pytest.param("vector leaves", marks=since("xgboost", "3.2", "weights of vector leaves")),
        "hinge",
        "pruned",
    ],
)
def test_a_model_reads_the_same_from_json_as_from_ubjson(name):
    """JSON holds decimals, which have to become float32 before anything is computed with them."""
    booster = booster_of_model(MODELS[name]())
    saved = parse(bytes(booster.save_raw("ubj"))), json.loads(bytes(booster.save_raw("json")))
    one, other = (extractor.read(content).fields() for content in saved)
    same(one.pop("cover").astype(np.float32), other["cover"].astype(np.float32))  # with which nothing is computed
    for field, value in one.items():
        if isinstance(value, np.ndarray):
            same(value, other[field])
        else:
            assert str(value) == str(other[field]), field
