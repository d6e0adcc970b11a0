"""CatBoost's extractor, held against the library itself: bit for bit."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from agreement import STRATEGIES, assert_agrees, library_leaves, library_raw, same_bits, within_ulps
from catboost_models import (
    DEPTHWISE,
    HOLES,
    LOSSGUIDE,
    MODELS,
    POSITIVE,
    REAL,
    RNG,
    THREE,
    TWO_LABELS,
    YES,
    C,
    F,
    N,
    R,
    X,
    fitted,
    leaves_set,
    loaded,
    moved,
    threshold,
    without_unused,
)
from reference import hurting, reference_apply, reference_raw

from sktensor import TensorizedEstimator, VerificationError, extract_forest, outputs, tensorize
from sktensor.extractors.catboost import model as extractor
from sktensor.extractors.catboost import trees as catboost_trees
from sktensor.extractors.catboost.model import extract

pytestmark = [
    pytest.mark.filterwarnings("ignore:Failed to import numba"),
    pytest.mark.filterwarnings("ignore:Can't optimize method"),
]


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    """A model, its forest, and rows that hurt."""
    model = MODELS[request.param]()
    forest = extract_forest(model)
    return model, forest, hurting(forest, np.random.default_rng(1), n=400)


@pytest.mark.evidence("answers")
def test_raw_scores_are_the_librarys_bit_for_bit(case):
    model, forest, rows = case
    with np.errstate(over="ignore"):
        same_bits(reference_raw(forest, rows).reshape(len(rows), *forest.outputs.raw_shape), library_raw(model, rows))


@pytest.mark.evidence("answers")
def test_leaf_numbers_are_the_librarys(case):
    model, forest, rows = case
    same_bits(reference_apply(forest, rows), library_leaves(model, rows))


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_wrapper_answers_as_the_model_does_in_every_strategy(case, strategy):
    model, _, rows = case
    fast = assert_agrees(model, rows, strategy=strategy)
    if hasattr(model, "predict_log_proba"):
        with np.errstate(all="ignore"):
            log_p, expected = fast.predict_log_proba(rows), model.predict_log_proba(rows)
        same_bits(log_p, expected)


@pytest.mark.evidence("answers")
def test_the_module_answers_as_the_model_does(case):
    model, forest, rows = case
    with np.errstate(over="ignore", divide="ignore"):
        same_bits(tensorize(model, output="raw")(torch.tensor(rows)).numpy(), library_raw(model, rows))
        same_bits(tensorize(model, output="leaf")(torch.tensor(rows)).numpy(), library_leaves(model, rows))
        if hasattr(model, "predict_proba"):
            found, expected = tensorize(model, output="proba")(torch.tensor(rows)).numpy(), model.predict_proba(rows)
            if forest.outputs.proba == "complement":  # 1 - p, where an ulp of p near one is many
                same_bits(found[:, 0], 1 - found[:, 1])
                found, expected = found[:, 1], expected[:, 1]
            within_ulps(found, expected)
        else:
            within_ulps(tensorize(model)(torch.tensor(rows)).numpy(), model.predict(rows))


def test_cover_is_the_weight_of_training_rows_in_each_leaf():
    for params in ({}, DEPTHWISE, LOSSGUIDE):
        model = fitted(R, X, REAL, **params)
        forest = extract(model)
        leaf_cover = forest.trees.cover[forest.n_nodes :]
        by_number = {
            (t, n): w
            for t, n, w in zip(
                np.repeat(np.arange(forest.n_trees), model.get_tree_leaf_counts()),
                forest.trees.leaf_id.tolist(),
                leaf_cover.tolist(),
                strict=True,
            )
        }
        leaves = reference_apply(forest, X)
        for t in range(forest.n_trees):
            for n, count in zip(*np.unique(leaves[:, t], return_counts=True), strict=True):
                assert by_number[t, n] == count
        roots = forest.trees.root[forest.trees.root >= 0]
        np.testing.assert_array_equal(forest.trees.cover[roots], N)
        cover = np.concatenate([forest.trees.cover[: forest.n_nodes], leaf_cover])
        place = np.where(forest.trees.left >= 0, forest.trees.left, forest.n_nodes + ~forest.trees.left)
        other = np.where(forest.trees.right >= 0, forest.trees.right, forest.n_nodes + ~forest.trees.right)
        np.testing.assert_array_equal(cover[: forest.n_nodes], cover[place] + cover[other])


def test_ignored_features_are_still_input_columns():
    model = without_unused(fitted(R, X, REAL, ignored_features=[3, 4]))
    assert len(extractor._saved(model)["features_info"]["float_features"]) == 3
    assert_agrees(model, X)


def test_label_threshold_is_exclusive():
    model = moved(leaves_set(fitted(C, X, TWO_LABELS, loss_function="MultiLogloss"), [0.0]), 1.0, [0.0, 1e-300])
    assert (model.predict(X) == [0, 1]).all()
    for strategy in ("auto", "tree_traversal"):
        assert_agrees(model, X, strategy=strategy)


def test_log_proba_near_one_is_rounded_as_by_the_library():
    """It takes the logarithm of 1 + exp, of which log1p would keep more."""
    model = MODELS["probabilities from tiny to one"]()
    expected = model.predict_log_proba(X)
    assert ((expected > -1e-8) & (expected < 0)).sum() > 20
    same_bits(TensorizedEstimator(model).predict_log_proba(X), expected)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", ["nine classes", "probabilities from tiny to one, classes"])
def test_softmax_denominator_is_summed_in_class_order(name):
    model = MODELS[name]()
    same_bits(TensorizedEstimator(model).predict_proba(X), model.predict_proba(X))


def test_every_kind_of_input_gives_the_librarys_answer():
    integers = (X * 1e8).astype(np.int64)
    model = fitted(R, integers.astype(np.float64), REAL)
    kinds = (
        integers,
        integers.astype(np.int32),
        integers.astype(np.float32),
        integers.astype(">f8"),
        np.asfortranarray(integers.astype(np.float64)),
        pd.DataFrame(integers),
        pd.DataFrame(integers, columns=list("abcde")).astype("float32"),
        scipy.sparse.csr_matrix(np.where(RNG.random((N, F)) < 0.5, 0.0, integers)),
        (X > 0),
        X.astype(np.float16),
    )
    fast = TensorizedEstimator(model)
    for rows in kinds:
        theirs = rows.set_axis(range(F), axis=1) if isinstance(rows, pd.DataFrame) else rows
        same_bits(fast.predict_raw(theirs), model.predict(theirs))


def test_no_rows_give_no_answers_in_the_librarys_dtype():
    fast = TensorizedEstimator(fitted(C, X, THREE))
    assert fast.predict_raw(X[:0]).shape == (0, 3)
    assert fast.predict(X[:0]).shape == (0, 1)


def test_exp_is_bitwise_equal_over_its_whole_range():
    model = leaves_set(fitted(R, X, POSITIVE, loss_function="Poisson", iterations=1), [0.0])
    points = np.concatenate([RNG.normal(size=60), RNG.uniform(-708, 709, 60), [0.0, -0.0, 708.3, 709.78, 709.79, 1e3]])
    theirs = np.array([moved(model, 1.0, float(x)).predict(X[:1])[0] for x in points])
    forest = extract(moved(model, 1.0, 0.0))
    assert np.isposinf(theirs[-1])
    same_bits(outputs.values(forest, points[:, None])[:, 0], theirs)
    same_bits(outputs.values(forest, torch.tensor(points)[:, None])[:, 0].numpy(), theirs)


def test_labels_at_the_decision_threshold():
    model = leaves_set(fitted(C, X, YES, iterations=1), [0.0])
    for probability in (0.1, 0.25, 0.3, 1 / 3, 0.75, 0.9):
        threshold(model, probability)
        border = extract(model).outputs.decision_threshold
        for raw in (border, np.nextafter(border, 9), np.nextafter(border, -9)):
            moved(model, 1.0, float(raw))
            same_bits(TensorizedEstimator(model).predict(X[:3]), model.predict(X[:3]))


def test_extraction_leaves_the_model_as_it_was():
    model = fitted(C, HOLES, THREE)
    before, raw = dict(vars(model)), library_raw(model, X)
    extract(model)
    assert dict(vars(model)) == before
    same_bits(library_raw(model, X), raw)


def test_verification_notices_leaves_that_the_library_does_not_predict_with():
    model = fitted(R, X, REAL)
    model.predict(X[:1])
    leaves_set(model, [1.0])  # which its predictions, begun before, ignore from here on
    with pytest.raises(VerificationError, match="all leaves are the same"):
        TensorizedEstimator(model).predict(X)
    same_bits(TensorizedEstimator(loaded(model, into=None)).forest_.trees.leaf_value, np.ones((12 * 16, 1)))


def test_a_model_is_extracted_without_a_python_loop_over_nodes():
    calls = []

    class Numpy:
        def __getattr__(self, name):
            calls.append(name)
            return getattr(np, name)

    counts = []
    for depth in (2, 8):
        model = fitted(R, X, REAL, depth=depth, iterations=5)
        calls.clear()
        catboost_trees.np, kept = Numpy(), catboost_trees.np
        try:
            extract(model)
        finally:
            catboost_trees.np = kept
        counts.append(len(calls))
    assert counts[0] == counts[1]


def test_default_left_without_missing_in_training(monkeypatch):
    model = fitted(R, HOLES, REAL, nan_mode="Max")
    saved = extractor._saved(model)
    assert not extract(model).trees.nan_left.any()
    for feature in saved["features_info"]["float_features"]:
        feature["has_nans"] = False
    monkeypatch.setattr(extractor, "_saved", lambda _: saved)
    assert extract(model).trees.nan_left.all()
