"""LightGBM's extractor, held against the library itself: raw scores and leaves bit for bit, values by formula."""

import lightgbm as lgb
import numpy as np
import pytest
import scipy.sparse
from agreement import STRATEGIES, assert_agrees, assert_booster_agrees
from lightgbm_models import EPOCH, GRID, MODELS, F, N, X, linked, raw_of, same
from reference import hurting, reference_apply

from sktensor import extract_forest
from sktensor.extractors.lightgbm import extract

pytestmark = [
    pytest.mark.filterwarnings("ignore:The argument 'eval_set'"),
    pytest.mark.filterwarnings("ignore:Cannot compute class probabilities"),
]


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    """A model, its forest and rows that hurt."""
    model = MODELS[request.param]()
    forest = extract_forest(model)
    rng = np.random.default_rng(11)
    rows = np.vstack([hurting(forest, rng, n=250), X[:40], EPOCH[:20], GRID[:40]])
    tiny = [1e-35, -1e-35, float(np.float32(1e-35)), np.nextafter(float(np.float32(1e-35)), 1), 1e-36, 5e-324, -0.0]
    rows[rng.random(rows.shape) < 0.1] = rng.choice(tiny)
    if forest.trees.is_cat is not None:
        codes = [*range(70), -0.5, -0.999, -1.0, 2.7, 2.0**31, 2.0**31 - 1, -(2.0**31), 1e300, np.inf, np.nan]
        for column in np.unique(forest.trees.feature[forest.trees.is_cat]):
            rows[::2, column] = rng.choice(codes, size=len(rows[::2]))
    return model, forest, rows


@pytest.mark.evidence("answers")
def test_raw_scores_have_the_bits_of_the_library(case):
    model, forest, rows = case
    same(raw_of(forest, rows), model.predict(rows, raw_score=True))
    with np.errstate(over="ignore"):
        single = rows.astype(np.float32)
    same(raw_of(forest, single), model.predict(single, raw_score=True))


@pytest.mark.evidence("answers")
def test_leaf_numbers_are_those_of_the_library(case):
    model, forest, rows = case
    same(reference_apply(forest, rows), model.predict(rows, pred_leaf=True))


def test_other_dtypes_pass_through_float32(case):
    model, forest, _ = case
    rng = np.random.default_rng(3)
    inner = forest.trees.threshold[np.isfinite(forest.trees.threshold) & (np.abs(forest.trees.threshold) < 2**60)]
    near = np.concatenate([np.rint(inner), np.rint(inner) + 1, [2**24 + 1, 2**53 + 1, -(2**31) - 7, 0, 1, 2, 3, 40]])
    whole = rng.choice(near.astype(np.int64), size=(80, F))
    for rows in (
        whole,
        whole.astype(np.int32),
        (whole % 50).astype(np.uint8),
        whole % 2 == 0,
        X[:50].astype(np.float16),
    ):
        same(raw_of(forest, rows), model.predict(rows, raw_score=True))


def test_absent_entries_of_sparse_rows_are_zero(case):
    model, forest, rows = case
    # Values within 1e-35 that stand in a CSR matrix are compared as they are: the library flushes them in dense
    # arrays and CSC matrices only [LightGBM src/c_api.cpp RowPairFunctionFromDenseMatric, RowFunctionFromCSR].
    absent = np.random.default_rng(5).random(rows.shape) < 0.5
    rows = np.where(absent | (np.abs(rows) <= np.float32(1e-35)), 0.0, rows)
    same(raw_of(forest, rows), model.predict(scipy.sparse.csr_matrix(rows), raw_score=True))


@pytest.mark.evidence("answers")
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_values_follow_from_raw_scores_by_the_extracted_link(case):
    model, forest, rows = case
    if forest.trees.lin_off is not None:  # huge inputs leave inf and NaN, which no comparison of ulps takes
        rows = np.clip(rows, -10, 10)
    predict = lgb.LGBMModel.predict if isinstance(model, lgb.LGBMModel) else lgb.Booster.predict
    raw = predict(model, rows, raw_score=True)
    theirs = predict(model, rows)
    ours = linked(forest, raw).reshape(len(rows), *forest.outputs.value_shape)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    np.testing.assert_array_max_ulp(ours, theirs, maxulp=4)


@pytest.mark.evidence("answers")
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_labels_and_probabilities_follow_the_extracted_rules(case):
    model, forest, rows = case
    values = linked(forest, model.predict(rows, raw_score=True))
    rules = forest.outputs.proba, forest.outputs.decision, forest.outputs.classes
    if not isinstance(model, lgb.LGBMClassifier):
        assert rules == ("none", "none", ())
    elif callable(model.objective_):
        assert rules == ("values", "none", ())
        same(values, model.predict(rows))
        same(values, model.predict_proba(rows))
    else:
        assert_labels_and_probabilities(model, forest, rows, values)


def assert_labels_and_probabilities(model, forest, rows, values):
    """Those that the rules make of a classifier's values are the model's."""
    proba = np.column_stack([1.0 - values, values]) if forest.outputs.proba == "complement" else values
    np.testing.assert_array_max_ulp(proba[:, -1], model.predict_proba(rows)[:, -1], maxulp=4)
    assert proba.shape == model.predict_proba(rows).shape
    number = (values > 0.5).astype(int) if forest.outputs.decision == "half" else values.argmax(axis=1)
    (classes,) = forest.outputs.classes
    predicted = model.predict(rows)
    assert classes[number].dtype == predicted.dtype
    assert classes[number].tolist() == predicted.tolist()


@pytest.mark.evidence("answers")
def test_inputs_are_taken_as_the_library_takes_them(case):
    _, forest, _ = case
    assert (forest.trees.feature_dtype, forest.trees.acc_dtype, forest.trees.cmp, forest.outputs.leaf_dtype) == (
        "float64",
        "float64",
        "le",
        "int32",
    )
    assert (
        forest.inputs.flush_tiny
        and forest.inputs.ints_as_float32
        and forest.inputs.accepts_nan
        and forest.inputs.accepts_inf
    )
    assert (forest.inputs.sparse_absent, forest.trees.cat_mode, forest.n_features) == ("zero", "lgb", F)
    assert not forest.trees.base.any()


def forest_of(name):
    return extract(MODELS[name]())


def test_cases_cover_every_rule():
    assert forest_of("zero_as_missing").trees.zero_dir.max() == 1
    assert np.isinf(forest_of("NaN against the rest").trees.threshold).any()
    assert forest_of("categories").trees.cat_words.max() > 1
    assert np.diff(forest_of("linear").trees.lin_off).max() > 1
    assert (np.diff(forest_of("linear after constant").trees.lin_off) == 0).sum() >= 9
    assert (forest_of("booster, an absent class").trees.root < 0).tolist()[:3] == [False, False, True]
    assert forest_of("constant target").n_nodes == 0
    for name, missing in (("regressor", 0), ("zero_as_missing", 1), ("NaN", 2)):
        line = MODELS[name]().booster_.model_to_string().partition("\ndecision_type=")[2].partition("\n")[0]
        assert missing in {int(kind) >> 2 for kind in line.split()}, name
    sides = forest_of("regressor")
    assert set((sides.trees.nan_left == (sides.trees.threshold >= 0)).tolist()) == {True}


def test_cover_counts_the_training_rows_of_each_node_and_leaf():
    forest = forest_of("regressor")
    cover = np.append(forest.trees.cover[: forest.n_nodes], forest.trees.cover[forest.n_nodes :])
    of_leaf = cover[forest.n_nodes :]
    children = [np.where(c >= 0, cover[c], of_leaf[~c]) for c in (forest.trees.left, forest.trees.right)]
    assert (cover[forest.trees.root] == N).all()
    assert (children[0] + children[1] == cover[: forest.n_nodes]).all()


def test_only_the_iterations_of_predict_are_kept():
    kept = MODELS["booster kept"]()
    assert kept.num_trees() > kept.best_iteration == extract(kept).n_trees
    three = MODELS["early stopping, classes"]()
    assert extract(three).n_trees == 3 * three.best_iteration_
    assert 0 < three.best_iteration_ < three.n_estimators
    assert forest_of("three classes").trees.tree_target.tolist()[:4] == [0, 1, 2, 0]


@pytest.mark.evidence("answers")
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_wrapper_answers_as_the_model_does_in_every_strategy(case, strategy):
    model, _, rows = case
    if isinstance(model, lgb.Booster):
        assert_booster_agrees(model, rows, strategy, raw={"raw_score": True}, leaves={"pred_leaf": True})
    else:
        assert_agrees(model, rows, strategy=strategy)
