"""XGBoost's extractor, held against the library itself: raw scores and leaves bit for bit, values by formula."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import scipy.special
import torch
import xgboost as xgb
from agreement import STRATEGIES, assert_agrees, assert_booster_agrees
from reference import hurting, reference_apply
from versions import is_older
from xgboost_models import (
    GRID,
    HOLES,
    LABELS,
    MODELS,
    THREE,
    WHOLE,
    YES,
    C,
    F,
    N,
    X,
    booster_of,
    booster_of_model,
    dmatrix,
    finite,
    fit,
    forest_of,
    predicted,
    raw_of,
    same,
)

from sktensor import extract_forest, outputs
from sktensor.extractors.xgboost import model as extractor
from sktensor.extractors.xgboost.outputs import LINKS
from sktensor.extractors.xgboost.ubjson import parse

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:xgboost")


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    """A model, its forest and rows that hurt."""
    model = MODELS[request.param]()
    forest = extract_forest(model)
    rng = np.random.default_rng(11)
    rows = np.vstack(
        [hurting(forest, rng, n=160, inf=forest.inputs.accepts_inf), X[:20], HOLES[:20], GRID[:20], WHOLE[:20]]
    )
    if not forest.inputs.accepts_inf:
        rows = finite(rows, np.nan)
    if forest.inputs.missing_value is not None:
        near = [model.missing, np.nextafter(np.float32(forest.inputs.missing_value), np.float32(0))]
        rows[rng.random(rows.shape) < 0.2] = rng.choice(np.array(near, dtype=np.float64))
    if forest.trees.is_cat is not None:
        codes = [*range(100), -0.5, -0.0, -1.0, 2.7, 127.0, 128.0, 2.0**24 - 1, 2.0**24, 1e300, np.inf, -np.inf, np.nan]
        for column in (0, 1):
            rows[:, column] = rng.choice(codes, size=len(rows))
    return model, forest, rows


def config(booster):
    return json.loads(booster.save_config())["learner"]


def given(model, rows):
    """The rows that :func:`predicted` predicts."""
    return rows if isinstance(model, xgb.XGBModel) else finite(rows, np.nan)


@pytest.mark.evidence("answers")
def test_raw_scores_have_the_bits_of_the_library(case):
    model, forest, rows = case
    same(raw_of(forest, given(model, rows)), predicted(model, rows, output_margin=True))
    with np.errstate(over="ignore"):
        single = rows.astype(np.float32)
    same(raw_of(forest, given(model, single)), predicted(model, single, output_margin=True))


def test_boosters_predict_in_place_with_the_same_bits_unless_dart(case):
    model, forest, rows = case
    is_booster = isinstance(model, xgb.Booster)
    booster = model if is_booster else model.get_booster()
    if config(booster)["gradient_booster"]["name"] == "dart":
        pytest.skip("dart rounds differently in place")
    given = {} if is_booster else {"missing": float(model.missing), "iteration_range": model._get_iteration_range(None)}
    found = booster.inplace_predict(rows, predict_type="margin", validate_features=False, **given)
    same(raw_of(forest, rows), found)


@pytest.mark.evidence("answers")
def test_leaf_numbers_are_those_of_the_library(case):
    model, forest, rows = case
    if forest.n_trees == 0:
        pytest.skip("the library returns an array without rows")
    if isinstance(model, xgb.XGBModel):
        rows = finite(rows, model.missing)
        names = model.get_booster().feature_names
        same(reference_apply(forest, rows), model.apply(rows if names is None else pd.DataFrame(rows, columns=names)))
    else:
        rows = finite(rows, np.nan)
        same(reference_apply(forest, rows), model.predict(dmatrix(rows, model), pred_leaf=True))


def test_whole_numbers_are_cast_to_float32_at_once(case):
    model, forest, _ = case
    rng = np.random.default_rng(3)
    inner = forest.trees.threshold[
        np.isfinite(forest.trees.threshold) & (np.abs(forest.trees.threshold) < 2**60)
    ].astype(np.float64)
    near = np.concatenate([np.rint(inner), np.rint(inner) + 1, [2**24 + 1, 2**53 + 1, -(2**31) - 7, 0, 1, 2, 3, 40]])
    whole = rng.choice(near.astype(np.int64), size=(80, F))
    for rows in (
        whole,
        whole.astype(np.int32),
        (whole % 50).astype(np.uint8),
        whole % 2 == 0,
        X[:50].astype(np.float16),
    ):
        same(raw_of(forest, rows), predicted(model, rows, output_margin=True))


def test_float64_inputs_round_to_float32_before_they_are_compared(case):
    model, forest, _ = case
    if not forest.n_nodes or (np.abs(forest.trees.threshold) > 1e37).any():
        pytest.skip("no thresholds, or none whose neighbours are numbers")
    t = forest.trees.threshold.astype(np.float64)
    gap = np.spacing(np.abs(forest.trees.threshold)).astype(np.float64)
    near = np.concatenate([t - gap * share for share in (0.49, 0.5, 0.51, -0.49, 0.0, 1.0)])
    rows = np.random.default_rng(5).choice(near, size=(200, F))
    same(raw_of(forest, rows), predicted(model, rows, output_margin=True))


def test_absent_entries_of_sparse_rows_are_missing(case):
    model, forest, rows = case
    assert forest.inputs.sparse_absent == "missing"
    if not isinstance(model, xgb.XGBModel) or not forest.inputs.accepts_inf or forest.inputs.missing_value is not None:
        pytest.skip("a booster, or another value than NaN is missing")
    absent = np.random.default_rng(5).random(rows.shape) < 0.5
    stored = scipy.sparse.csr_matrix((rows[~absent], np.nonzero(~absent)), shape=rows.shape)
    same(raw_of(forest, np.where(absent, np.nan, rows)), model.predict(stored, output_margin=True))


def linked(forest, raw):
    """Values from raw scores by the formulas of the library."""
    one = np.float32(1)
    match forest.outputs.link:
        case "identity":
            return raw
        case "clipped_sigmoid":
            return one / (np.exp(np.minimum(-raw, np.float32(88.7))) + one + np.float32(1e-16))
        case "exp":
            return np.exp(raw)
        case "hinge":
            return (raw > 0).astype(np.float32)
        case "argmax":
            return raw.argmax(axis=1).astype(np.float32)
        case "softmax":
            e = np.exp(raw - raw.max(axis=1, keepdims=True))
            return e / np.add.accumulate(e, axis=1, dtype=np.float64)[:, -1:].astype(np.float32)


@pytest.mark.evidence("answers")
def test_values_follow_from_raw_scores_by_the_extracted_link(case):
    model, forest, rows = case
    ours = linked(forest, predicted(model, rows, output_margin=True))
    theirs = predicted(model, rows)
    assert (
        (ours.dtype, ours.shape)
        == (theirs.dtype, (len(rows), *forest.outputs.value_shape))
        == (np.float32, theirs.shape)
    )
    np.testing.assert_array_max_ulp(ours, theirs, maxulp=4)


@pytest.mark.evidence("answers")
def test_labels_and_probabilities_follow_the_extracted_rules(case):
    model, forest, rows = case
    if not isinstance(model, xgb.XGBClassifier):
        assert (forest.outputs.proba, forest.outputs.decision, forest.outputs.classes) == ("none", "none", ())
    else:
        assert_labels_and_probabilities(model, forest, rows)


def assert_labels_and_probabilities(model, forest, rows):
    """Those that the rules make of a classifier's raw scores are the model's."""
    raw = model.predict(rows, output_margin=True)
    values = linked(forest, raw)
    proba = {
        "complement": lambda: np.column_stack([np.float32(1) - values, values]),
        "values": lambda: values,
        "softmax": lambda: scipy.special.softmax(raw, axis=1),
    }[forest.outputs.proba]()
    theirs = model.predict_proba(rows)
    assert (proba.dtype, proba.shape) == (theirs.dtype, theirs.shape)
    np.testing.assert_allclose(proba, theirs, rtol=5e-7, atol=1e-7)

    (classes,) = forest.outputs.classes
    same(classes[: len(model.classes_)], model.classes_)  # a model of one class may still answer 1
    labels = {
        "half": lambda: (values > 0.5).astype(classes.dtype),
        "multilabel_half": lambda: (values > 0.5).astype(np.float64),
        "argmax": lambda: classes[values.argmax(axis=1)],
        "index": lambda: classes[values.astype(int)],
    }[forest.outputs.decision]()
    same(
        labels if forest.outputs.label_dtype is None else labels.astype(forest.outputs.label_dtype), model.predict(rows)
    )


@pytest.mark.evidence("answers")
def test_inputs_are_taken_as_the_library_takes_them(case):
    _, forest, _ = case
    assert (forest.trees.feature_dtype, forest.trees.acc_dtype, forest.trees.cmp, forest.outputs.leaf_dtype) == (
        "float32",
        "float32",
        "lt",
        "float32",
    )
    assert forest.inputs.accepts_nan and not forest.inputs.flush_tiny and not forest.inputs.ints_as_float32
    assert (forest.trees.cat_mode, forest.n_features) == ("xgb", F)
    assert forest.trees.threshold.dtype == forest.trees.leaf_value.dtype == forest.trees.base.dtype == np.float32


def test_cases_cover_every_rule():
    trees = parse(extractor._saved(MODELS["pruned"]()))["learner"]["gradient_booster"]["model"]["trees"]
    assert max(int(tree["tree_param"]["num_deleted"]) for tree in trees) > 5
    assert forest_of("pruned").n_leaves == forest_of("pruned").n_nodes + 8
    assert set(forest_of("NaN").trees.nan_left.tolist()) == {True, False}
    assert forest_of("categories").trees.cat_words.max() > 2
    assert forest_of("categories with NaN").trees.nan_left[forest_of("categories with NaN").trees.is_cat].any()
    assert forest_of("single leaves").n_nodes == forest_of("vector leaves, single").n_nodes == 0
    assert (forest_of("vector leaves").trees.tree_target == -1).all()
    assert len(set(forest_of("targets").trees.base.tolist())) == (1 if is_older("xgboost", "3.1") else 3)
    assert forest_of("base score one half").trees.base.tobytes() == np.float32(-0.0).tobytes()
    names = ("classifier", "hinge", "softmax", "three classes", "count:poisson")
    assert {forest_of(name).outputs.link for name in names} == {
        "clipped_sigmoid", "hinge", "argmax", "softmax", "exp",
    }  # fmt: skip
    assert forest_of("parallel trees").n_trees == 8 * 9
    assert forest_of("missing 1e300").inputs.missing_value == np.inf
    assert not forest_of("missing a numpy integer").inputs.accepts_inf


def test_cover_is_the_sum_of_hessians_of_each_node_and_leaf():
    forest = forest_of("regressor")
    of_node, of_leaf = np.split(forest.trees.cover, [forest.n_nodes])
    left, right = (np.append(of_node, of_leaf[::-1])[c] for c in (forest.trees.left, forest.trees.right))
    assert (of_node[forest.trees.root] == N).all()
    assert (left + right == of_node).all()


@pytest.mark.slow
def test_every_objective_of_the_table_has_a_case():
    met = {config(booster)["objective"]["name"] for booster in map(booster_of, MODELS)}
    assert met == set(LINKS)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_wrapper_answers_as_the_model_does_in_every_strategy(case, strategy):
    model, _, rows = case
    if isinstance(model, xgb.XGBModel):
        assert_agrees(model, rows, strategy=strategy)
    else:
        rows = dmatrix(finite(rows, np.nan), model), finite(rows, np.nan)
        assert_booster_agrees(model, rows, strategy, raw={"output_margin": True}, leaves={"pred_leaf": True})


FLAT = {"gamma": 1e9, "base_score": 0.5}  # leaves of 0.0, where as many rows pull up as down
TIES = {
    "hinge": (fit(C, X, np.arange(N) % 2, objective="binary:hinge", **{**FLAT, "base_score": 0.0}), 0.0),
    "two classes": (fit(C, X, np.arange(N) % 2, **FLAT), 0.5),
    "labels": (fit(C, X, LABELS, **FLAT), 0.5),
}


@pytest.mark.parametrize("name", TIES)
def test_ties_give_the_first_class_as_in_the_library(name):
    build, value = TIES[name]
    model = build()
    assert not model.predict(X, output_margin=True).any()
    np.testing.assert_array_equal(booster_of_model(model).inplace_predict(X), np.float32(value))
    for strategy in ("auto", "tree_traversal"):
        assert_agrees(model, X, strategy=strategy)
    assert not model.predict(X).any()


def test_equal_probabilities_of_different_scores_give_the_first_class():
    model = fit(C, X, THREE, learning_rate=3e-9, base_score=0.0)()
    margins = model.predict(X, output_margin=True)
    assert 20 < (margins.argmax(axis=1) != model.predict(X)).sum() < N
    raw = torch.tensor(margins)  # of which tensor code makes the labels that a kernel makes of arrays
    np.testing.assert_array_equal(outputs.labels(extract_forest(model), raw).numpy(), model.predict(X))
    for strategy in ("auto", "tree_traversal"):
        assert_agrees(model, X, strategy=strategy)


def test_single_class_model_may_predict_the_other_class():
    model = fit(C, X, YES * 0, n_estimators=1, learning_rate=0.01, base_score=0.9)()
    assert model.n_classes_ == 1 and model.predict(X).all()
    for strategy in ("auto", "tree_traversal"):
        assert_agrees(model, X, strategy=strategy)
