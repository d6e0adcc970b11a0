"""CatBoost's extractor, held against the library itself: bit for bit."""

import json
import pickle
import tempfile

import catboost as cb
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from agreement import STRATEGIES, assert_agrees, library_leaves, library_raw, same_bits, within_ulps
from reference import hurting, reference_apply, reference_raw
from sklearn.exceptions import NotFittedError

from sktensor import TensorizedEstimator, UnsupportedModelError, VerificationError, extract_forest, outputs, tensorize
from sktensor.extractors.catboost import model as extractor
from sktensor.extractors.catboost import trees as catboost_trees
from sktensor.extractors.catboost.model import extract

pytestmark = [
    pytest.mark.filterwarnings("ignore:Failed to import numba"),
    pytest.mark.filterwarnings("ignore:Can't optimize method"),
]

RNG = np.random.default_rng(7)
N, F = 300, 5
X = RNG.normal(size=(N, F))
HOLES = np.where(RNG.random((N, F)) < 0.15, np.nan, X)
GRID = RNG.integers(-15, 16, (N, F)) / 10
WIDE = RNG.integers(0, 2**40, (N, F)).astype(np.float64)
signal = X[:, 0] - 2 * (X[:, 1] > 0.3) + X[:, 2] * X[:, 3]
REAL = signal + 0.1 * RNG.normal(size=N)
POSITIVE = np.exp(REAL / 2)
SHARE = 1 / (1 + np.exp(-REAL))
YES = (REAL > 0).astype(int)
THREE = np.digitize(REAL, [-1.5, 0.5])
NINE = np.digitize(REAL, np.quantile(REAL, np.arange(1, 9) / 9))
TWO_REALS = np.column_stack([REAL, X[:, 4]])
TWO_LABELS = np.column_stack([YES, X[:, 4] > 0]).astype(int)
GROUPS = np.repeat(np.arange(N // 10), 10)
QUIET = {
    "iterations": 12,
    "depth": 4,
    "thread_count": 1,
    "verbose": 0,
    "allow_writing_files": False,
    "random_seed": 0,
}
DEPTHWISE = {"grow_policy": "Depthwise"}
LOSSGUIDE = {"grow_policy": "Lossguide", "max_leaves": 13, "depth": 9}
CONSTANT = {"allow_const_label": True, "bootstrap_type": "No"}

C, R, K, B = cb.CatBoostClassifier, cb.CatBoostRegressor, cb.CatBoostRanker, cb.CatBoost


def fitted(cls, data, y, fit_params=None, **params):
    params = {**QUIET, **params}
    return (cls(params) if cls is B else cls(**params)).fit(data, y, **(fit_params or {}))


def fit(cls, data, y, fit_params=None, **params):
    return lambda: fitted(cls, data, y, fit_params, **params)


def stopped(**params):
    """A model that early stopping cut."""
    model = R(**{**QUIET, "iterations": 60, "learning_rate": 1.0, **params})
    return model.fit(X[:200], REAL[:200], eval_set=(X[200:], REAL[200:]), early_stopping_rounds=3)


def loaded(model, tmp="cbm", into=None):
    """A model that has been to a file and back."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_model(f"{folder}/model", format=tmp)
        return (into or type(model))().load_model(f"{folder}/model", format=tmp)


def moved(model, scale, bias):
    model.set_scale_and_bias(scale, bias)
    return model


def threshold(model, probability):
    model.set_probability_threshold(probability)
    return model


def leaves_set(model, values):
    model.set_leaf_values(np.resize(values, len(model.get_leaf_values())).astype(np.float64))
    return model


def asymmetric(model):
    model._convert_to_asymmetric_representation()
    return model


def without_unused(model):
    model.drop_unused_features()
    return model


def shrunk(model, *span):
    model.shrink(*span)
    return model


def summed(*models):
    return cb.sum_models(list(models), weights=[0.3, 0.7])


class SquaredError:
    """An objective of one's own."""

    def calc_ders_range(self, approxes, targets, weights):
        return [(t - a, -1.0) for a, t in zip(approxes, targets, strict=True)]


def every_loss():
    for loss in (
        "RMSE", "MAE", "Quantile:alpha=0.3", "LogLinQuantile", "Expectile:alpha=0.3", "Poisson", "MAPE", "Lq:q=2.5",
        "Tweedie:variance_power=1.5", "Huber:delta=1", "LogCosh", "RMSEWithUncertainty", "Cox",
        "MultiQuantile:alpha=0.1,0.5,0.9",
    ):  # fmt: skip
        yield loss, fit(R, X, POSITIVE, loss_function=loss)
    for loss in ("MultiRMSE", "MultiRMSEWithMissingValues"):
        yield loss, fit(R, X, TWO_REALS, loss_function=loss)
    yield "SurvivalAft", fit(R, X, np.column_stack([POSITIVE, POSITIVE]), loss_function="SurvivalAft:dist=Normal")
    for loss in ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll", "Focal:focal_alpha=0.5;focal_gamma=2"):
        yield f"{loss}, two classes", fit(C, X, YES, loss_function=loss)
    for loss in ("MultiClass", "MultiClassOneVsAll"):
        yield f"{loss}, three classes", fit(C, X, THREE, loss_function=loss)
    for loss in ("MultiLogloss", "MultiCrossEntropy"):
        yield loss, fit(C, X, TWO_LABELS, loss_function=loss)
    yield "CrossEntropy of shares", fit(C, X, SHARE, loss_function="CrossEntropy")
    for loss in (
        "YetiRank", "YetiRankPairwise", "PairLogit", "PairLogitPairwise", "QueryRMSE", "QuerySoftMax",
        "StochasticRank:metric=DCG", "StochasticFilter", "LambdaMart",
    ):  # fmt: skip
        yield loss, fit(K, X, YES, {"group_id": GROUPS}, loss_function=loss)
    for loss, y in (
        ("RMSE", REAL),
        ("Logloss", YES),
        ("MultiClass", THREE),
        ("Poisson", POSITIVE),
        ("RMSEWithUncertainty", REAL),
    ):
        yield f"CatBoost, {loss}", fit(B, X, y, loss_function=loss)
    yield "custom objective", fit(R, X, REAL, loss_function=SquaredError(), eval_metric="RMSE")
    yield "custom objective, classifier", fit(C, X, YES, loss_function=SquaredError(), eval_metric="Logloss")
    yield "custom objective, shifted labels", fit(C, X, YES + 4, loss_function=SquaredError(), eval_metric="Logloss")


MODELS = {
    **dict(every_loss()),
    # trees
    "Depthwise": fit(R, X, REAL, **DEPTHWISE),
    "Lossguide": fit(R, X, REAL, **LOSSGUIDE),
    "Depthwise, NaN, classes": fit(C, HOLES, THREE, **DEPTHWISE),
    "Lossguide, NaN, classes": fit(C, HOLES, THREE, **LOSSGUIDE),
    "Lossguide, two targets": fit(R, X, TWO_REALS, loss_function="MultiRMSE", **LOSSGUIDE),
    "Depthwise, deep": fit(R, X, REAL, depth=9, **DEPTHWISE),
    "depth 10": fit(R, X, REAL, depth=10, iterations=6),
    "depth 12, classes": fit(C, X, THREE, depth=12, iterations=3),
    "depth 1": fit(R, X, REAL, depth=1),
    "depth 0": fit(R, X, REAL, depth=0),
    "depth 0, Depthwise": fit(R, X, REAL, depth=0, **DEPTHWISE),
    "single leaves, classes": fit(C, X, THREE, min_data_in_leaf=1000, **DEPTHWISE),
    "trees of unequal depth": fit(C, np.column_stack([np.repeat([0, 1], 150)]), np.tile([0, 1], 150), rsm=0.5),
    "constant target": fit(R, X, np.full(N, 3.0), **CONSTANT),
    "one tree": fit(R, X, REAL, iterations=1),
    "asymmetric copy": lambda: asymmetric(fitted(C, HOLES, THREE)),
    # missing values
    "NaN": fit(R, HOLES, REAL),
    "NaN as maximum": fit(R, HOLES, REAL, nan_mode="Max"),
    "NaN as maximum, Lossguide": fit(R, HOLES, REAL, nan_mode="Max", **LOSSGUIDE),
    "NaN forbidden": fit(R, X, REAL, nan_mode="Forbidden"),
    "NaN in one column": fit(C, np.column_stack([HOLES[:, :1], X[:, 1:]]), YES, nan_mode="Max"),
    # columns
    "one-decimal values": fit(R, GRID, REAL),
    "integers that float32 rounds": fit(R, WIDE, REAL),
    "many borders": fit(R, X, REAL, border_count=1000, iterations=20, depth=6),
    "few borders": fit(R, X, REAL, border_count=2),
    "ignored columns": fit(R, X, REAL, ignored_features=[0, 3]),
    "unused columns dropped": lambda: without_unused(fitted(R, X, REAL, ignored_features=[0, 3])),
    "infinite values": fit(R, np.where(X > 1.5, np.inf, np.where(X < -1.5, -np.inf, X)), REAL),
    "frame": fit(R, pd.DataFrame(HOLES, columns=list("abcde")), REAL),
    # labels
    "strings": fit(C, X, np.array(["no", "yes"])[YES]),
    "strings, three classes": fit(C, X, np.array(["b", "a", "zz"])[THREE]),
    "integers": fit(C, X, np.array([9, 5])[YES]),
    "integers, three classes": fit(C, X, np.array([7, -2, 30])[THREE]),
    "floats": fit(C, X, YES * 1.5),
    "floats, three classes": fit(C, X, THREE * 1.5),
    "booleans": fit(C, X, YES.astype(bool)),
    "nine classes": fit(C, X, NINE),
    "class_names": fit(C, X, THREE, class_names=[2, 0, 1]),
    "weights": fit(C, X, YES, {"sample_weight": RNG.random(N)}, class_weights=[1, 5]),
    # after training
    "early stopping": stopped,
    "early stopping, all trees kept": lambda: stopped(use_best_model=False),
    "scale and bias": lambda: moved(fitted(R, X, REAL), 1.37, 0.1),
    "scale alone": lambda: moved(fitted(R, X, REAL), -0.3, 0.0),
    "bias alone": lambda: moved(fitted(R, X, REAL), 1.0, 1e-3),
    "scale and bias of classes": lambda: moved(fitted(C, X, THREE), 1.37, [0.1, 0.0, -0.3]),
    "negative scale of zeros": lambda: moved(leaves_set(fitted(R, X, REAL), [0.0]), -1.0, 0.0),
    "negative scale of zeros, one bias": lambda: moved(
        leaves_set(fitted(R, X, TWO_REALS, loss_function="MultiRMSE"), [0.0]), -1.0, [0.0, 1.0]
    ),
    "leaves of -0.0": lambda: leaves_set(fitted(R, X, REAL), [-0.0, -1e-310]),
    "leaves that cancel": lambda: leaves_set(fitted(R, X, REAL), [1e16, -1e16, 1.0, 0.1, 1e-8]),
    "probabilities from tiny to one": lambda: moved(fitted(C, X, YES), 60.0, 1.0),
    "probabilities from tiny to one, classes": lambda: moved(fitted(C, X, NINE), 60.0, np.arange(9.0).tolist()),
    "large Poisson values": lambda: moved(fitted(R, X, POSITIVE, loss_function="Poisson"), 700.0, 1.0),
    "large variances": lambda: moved(fitted(R, X, POSITIVE, loss_function="RMSEWithUncertainty"), 90.0, [1.0, -2.0]),
    "threshold 0.3": lambda: threshold(fitted(C, X, YES), 0.3),
    "threshold 0.9": lambda: threshold(fitted(C, X, YES, iterations=30), 0.9),
    "threshold 0": lambda: threshold(fitted(C, X, YES), 0.0),
    "threshold 1": lambda: threshold(fitted(C, X, YES), 1.0),
    "threshold, three classes": lambda: threshold(fitted(C, X, THREE), 0.9),
    "threshold, two labels": lambda: threshold(fitted(C, X, TWO_LABELS, loss_function="MultiLogloss"), 0.8),
    "shrunk": lambda: shrunk(fitted(R, X, REAL), 9, 2),
    "sum": lambda: summed(fitted(R, X, REAL), fitted(R, X, REAL, depth=6)),
    "sum, Lossguide": lambda: summed(fitted(R, X, REAL, **LOSSGUIDE), fitted(R, HOLES, REAL, **DEPTHWISE)),
    "sum as classifier": lambda: cb.to_classifier(summed(fitted(C, X, YES), fitted(C, X, YES, depth=3))),
    "loaded": lambda: loaded(fitted(C, HOLES, THREE)),
    "loaded Poisson": lambda: loaded(fitted(R, X, POSITIVE, loss_function="Poisson")),
    "loaded as CatBoost": lambda: loaded(fitted(R, X, POSITIVE, loss_function="Poisson"), into=B),
    "loaded Lossguide": lambda: loaded(fitted(R, X, REAL, **LOSSGUIDE)),
    "loaded JSON": lambda: loaded(fitted(R, HOLES, REAL), "json"),
    "loaded JSON, Lossguide": lambda: loaded(fitted(R, HOLES, REAL, **LOSSGUIDE), "json"),
    "loaded JSON, Depthwise": lambda: loaded(fitted(C, HOLES, THREE, **DEPTHWISE), "json"),
    "pickled": lambda: pickle.loads(pickle.dumps(threshold(fitted(C, X, YES), 0.3))),
    "subclass": fit(type("Mine", (C,), {}), X, YES),
    "objective by its other name": fit(R, X, POSITIVE, objective="Poisson"),
}


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


@pytest.mark.evidence("refused")
def test_borders_that_json_cannot_hold_are_refused():
    """Of a model that is read none is infinite, which no missing value would exceed."""
    model = fitted(R, np.where(X > 1.5, np.inf, HOLES), REAL, nan_mode="Max", iterations=60, depth=6)
    with pytest.raises(UnsupportedModelError, match=r"cannot write this model as JSON: .*invalid float value: inf"):
        extract(model)


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


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    ("field", "value"), [("label_shape", (2,)), ("decision_threshold", np.nan), ("link", "mean_variance")]
)
def test_a_forest_with_an_impossible_answer_is_refused_by_field(field, value):
    forest = extract(fitted(C, X, THREE, iterations=1))
    with pytest.raises(ValueError, match=field):
        forest.replace(**{field: value}).validate()


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [C(**QUIET), R(**QUIET), K(**QUIET), B(QUIET)], ids=lambda m: type(m).__name__)
def test_an_unfitted_model_is_named(model):
    with pytest.raises(NotFittedError, match=type(model).__name__):
        extract(model)


class DoublingRegressor(R):
    """Answers of its own."""

    def predict(self, *args, **kwargs):
        return 2 * super().predict(*args, **kwargs)


@pytest.mark.evidence("refused")
def test_answers_of_a_subclass_or_an_object_of_their_own_are_refused_by_name():
    patched = fitted(R, X, REAL)
    patched.predict = lambda X: X[:, 0]
    for own, named in (
        (fitted(DoublingRegressor, X, REAL), "DoublingRegressor replaces predict of CatBoostRegressor"),
        (patched, "CatBoostRegressor replaces predict"),
    ):
        with pytest.raises(UnsupportedModelError, match=named):
            extract_forest(own)


def frame(column):
    return pd.DataFrame({"special": column, "number": X[:, 0]})


REFUSED = {
    "text": (fit(C, frame(np.where(YES, "good one", "bad two")), YES, text_features=["special"]), "text_features"),
    "embeddings": (fit(C, frame([list(row) for row in X]), YES, embedding_features=["special"]), "embedding_features"),
    "classes that are not there": (fit(C, X, np.where(THREE == 2, 3, THREE), classes_count=5), "classes_count"),
    "one class": (fit(C, X, np.ones(N, dtype=int), **CONSTANT), "1 classes"),
    "no trees": (lambda: shrunk(fitted(R, X, REAL), 0, 0), "no trees"),
    "infinite leaves": (lambda: leaves_set(fitted(R, X, REAL), [np.inf]), "JSON"),
    "a tool, not a model": (lambda: cb.Pool(X, REAL), "Pool"),
}


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("name", REFUSED)
def test_unsupported_models_are_refused_by_name(name):
    make, words = REFUSED[name]
    model = make()
    with pytest.raises(UnsupportedModelError, match=words):
        extract(model)


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda saved: saved.update(new_part=1), "new_part"),
        (lambda saved: saved["oblivious_trees"][0]["splits"][0].update(split_type="OnlineCtr"), "OnlineCtr"),
        (lambda saved: saved["oblivious_trees"][0]["splits"][0].update(mirrored=True), "mirrored"),
        (lambda saved: saved["oblivious_trees"][0]["leaf_values"].pop(), "leaf values"),
        (lambda saved: saved["oblivious_trees"][0]["leaf_values"].reverse(), "numbered"),
        (lambda saved: saved["features_info"]["float_features"][0].update(nan_value_treatment="AsZero"), "AsZero"),
        (lambda saved: saved["model_info"]["params"]["loss_function"].update(type="Novel"), "Novel"),
        (lambda saved: saved["model_info"]["params"].pop("loss_function"), "None"),
    ],
)
def test_unknown_fields_of_a_saved_model_are_refused_by_name(monkeypatch, change, words):
    model = fitted(R, X, REAL)
    saved = json.loads(json.dumps(extractor._saved(model)))
    change(saved)
    monkeypatch.setattr(extractor, "_saved", lambda _: saved)
    with pytest.raises(UnsupportedModelError, match=words):
        extract(model)


def test_default_left_without_missing_in_training(monkeypatch):
    model = fitted(R, HOLES, REAL, nan_mode="Max")
    saved = extractor._saved(model)
    assert not extract(model).trees.nan_left.any()
    for feature in saved["features_info"]["float_features"]:
        feature["has_nans"] = False
    monkeypatch.setattr(extractor, "_saved", lambda _: saved)
    assert extract(model).trees.nan_left.all()


@pytest.mark.evidence("refused")
def test_a_classifier_with_a_loss_that_gives_no_classes_is_refused(monkeypatch):
    model = fitted(C, X, YES)
    saved = extractor._saved(model)
    saved["model_info"]["params"]["loss_function"]["type"] = "RMSE"
    monkeypatch.setattr(extractor, "_saved", lambda _: saved)
    with pytest.raises(UnsupportedModelError, match="RMSE"):
        extract(model)
