"""Meta-estimators of scikit-learn around trees: calibration, thresholds, outputs, classes, targets, columns."""

from __future__ import annotations

import copy
import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from agreement import same_bits
from meta_estimators import (
    CASES,
    FOREST,
    SCORE,
    TARGETS,
    THREE,
    TWO,
    XGB,
    X,
    assert_answers_are,
    fitted,
    parameter_of,
    rows_that_hurt,
)
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import RFE, SelectFromModel, SequentialFeatureSelector
from sklearn.linear_model import LogisticRegression, RANSACRegressor
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import has_fit_parameter

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError
from sktensor.estimator.composite import CompositePlan
from sktensor.estimator.plain_answers import PlainAnswers
from sktensor.runtime.program import Program

# --- the same answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_answers_are_the_librarys_bit_for_bit(name):
    model, rows, y = fitted(name), rows_that_hurt(name), TARGETS[CASES[name][1]]
    fast = TensorizedEstimator(model)
    for given in (rows, rows.astype(np.float32), np.asfortranarray(rows), rows[:1], rows[:7].tolist()):
        assert_answers_are(fast, model, given)
    if hasattr(model, "score"):
        with np.errstate(all="ignore"):
            same_bits(np.asarray(fast.score(X, y)), np.asarray(model.score(X, y)))
    else:
        assert not hasattr(fast, "score")
    assert fast.n_features_in_ == 5 and hasattr(fast, "classes_") == hasattr(model, "classes_")


# A consensus is found with random numbers that its model takes from, if it has a parameter random_state of its own
# [sklearn/linear_model/_ransac.py]; a wrapper has none, as a pipeline has none.
@pytest.mark.parametrize("name", [name for name in CASES if "frozen" not in name and name != "consensus"])
def test_fit_and_wrapped_models_inside_give_the_same(name):
    model, target = CASES[name]
    rows, y = rows_that_hurt(name), TARGETS[target]
    assert_answers_are(TensorizedEstimator(model).fit(X, y), fitted(name), rows)
    parameter = parameter_of(model)
    within = clone(model).set_params(**{parameter: TensorizedEstimator(getattr(model, parameter))})
    if name == "best of thresholds":
        within = GridSearchCV(
            FixedThresholdClassifier(TensorizedEstimator(XGB)), {"threshold": [0.2, 0.6]}, scoring=model.scoring, cv=2
        )
    within.fit(X, y)
    assert_answers_are(within, fitted(name), rows)
    assert_answers_are(TensorizedEstimator(within), fitted(name), rows)


@pytest.mark.parametrize("name", CASES)
def test_missing_values_and_infinities_are_answered_or_refused_as_by_the_library(name):
    model, rows = fitted(name), rows_that_hurt(name, nan=True)
    fast = TensorizedEstimator(model)
    method = "predict" if hasattr(model, "predict") else "transform"
    for given in (rows, np.where(np.isnan(rows), 0.0, rows), np.where(np.isinf(rows), 0.0, rows)):
        try:
            with np.errstate(all="ignore"):
                expected = getattr(model, method)(given)
        except ValueError as error:
            with pytest.raises(ValueError, match=r"infinity|NaN") as ours:
                getattr(fast, method)(given)
            assert str(error).split("\n")[0] == str(ours.value).split("\n")[0]
        else:
            same_bits(getattr(fast, method)(given), expected)


@pytest.mark.parametrize("name", CASES)
def test_rows_of_another_shape_are_answered_or_refused_as_by_the_library(name):
    model, fast = fitted(name), TensorizedEstimator(fitted(name))
    method = "predict" if hasattr(model, "predict") else "transform"
    shapes = [
        (X[:, :3], "features"),
        (X[0], "Reshape your data|2D|1D"),
        (X[:0], "0 sample|is required|zero-size|empty"),
    ]
    for given, said in shapes:
        try:
            expected = getattr(model, method)(given)
        except (ValueError, IndexError):
            with pytest.raises(ValueError, match=said):
                getattr(fast, method)(given)
        else:
            same_bits(getattr(fast, method)(given), expected)


@pytest.mark.parametrize(
    "name",
    ["calibrated, sigmoid", "chain", "several outputs", "one against the rest", "fixed threshold", "other target"],
)
def test_frames_are_taken_by_name(name):
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])]).astype({"c1": np.float32})
    y = TARGETS[CASES[name][1]]
    model = clone(CASES[name][0]).fit(frame, y)
    for fast in (TensorizedEstimator(model), TensorizedEstimator(CASES[name][0]).fit(frame, y)):
        assert fast.feature_names_in_.tolist() == frame.columns.tolist()
        assert_answers_are(fast, model, frame)
        with pytest.raises(ValueError, match="feature names"):
            fast.predict(frame.rename(columns={"c0": "other"}))
        with pytest.warns(UserWarning, match="valid feature names"):
            fast.predict(X)


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.csc_array])
@pytest.mark.parametrize("name", ["calibrated, sigmoid", "chain", "one against one", "self-trained forest"])
def test_sparse_rows_are_taken(name, kind):
    model = clone(CASES[name][0]).fit(kind(X), TARGETS[CASES[name][1]])
    assert_answers_are(TensorizedEstimator(model), model, kind(X))


def test_sparse_labels_are_answered_as_sparse_labels():
    model = OneVsRestClassifier(FOREST).fit(X, scipy.sparse.csr_array(TARGETS["labels"]))
    found, expected = TensorizedEstimator(model).predict(X), model.predict(X)
    assert type(found) is type(expected) and (found != expected).nnz == 0


def test_fit_finds_the_same_consensus():
    found = TensorizedEstimator(CASES["consensus"][0]).fit(X, SCORE)
    assert_answers_are(found, fitted("consensus"), rows_that_hurt("consensus"))


def test_rows_that_change_in_place_are_read_anew():
    for name in ("chain", "calibrated, frozen", "one against one"):
        fast, rows = TensorizedEstimator(fitted(name)), X.copy()
        fast.predict(rows)
        rows[:] = -rows
        same_bits(fast.predict(rows), fitted(name).predict(rows))


def test_chain_asks_a_forest_once_and_a_random_model_as_often_as_the_library():
    asked = []
    fast = TensorizedEstimator(fitted("chain"), verify=False).warmup()
    with pytest.MonkeyPatch.context() as patch:
        run = Program.raw_scores
        patch.setattr(Program, "raw_scores", lambda self, *given: asked.append(self) or run(self, *given))
        patch.setattr(PlainAnswers, "__call__", lambda *_: None)  # the short way leads around it
        fast.predict(X)
    assert len(asked) == 3
    chance = DummyClassifier(strategy="stratified", random_state=np.random.RandomState(0))
    mixed = VotingClassifier([("a", FOREST), ("b", chance)])
    model = ClassifierChain(mixed).fit(X, TARGETS["labels"])
    expected = copy.deepcopy(model).predict(X)
    same_bits(TensorizedEstimator(copy.deepcopy(model)).predict(X), expected)


# --- thresholds, columns ----------------------------------------------------------------------------------------------


def test_threshold_of_a_fitted_model_needs_no_fit_and_counts_at_once():
    model = FixedThresholdClassifier(clone(FOREST).fit(X, TWO), threshold=0.2)
    fast = TensorizedEstimator(model)
    assert_answers_are(fast, model, X)
    for threshold in (0.8, 0.05):
        before = fast.predict(X)
        fast.set_params(estimator__threshold=threshold)
        assert (fast.predict(X) != before).any()
        same_bits(fast.predict(X), model.predict(X))
    assert not hasattr(clone(fast), "classes_")


def test_columns_of_a_fitted_model_are_selected_without_a_fit():
    model = SelectFromModel(clone(FOREST).fit(X, THREE), prefit=True)
    same_bits(TensorizedEstimator(model).transform(X), model.transform(X))
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = SelectFromModel(FOREST).fit(frame, THREE)
    fast = TensorizedEstimator(model).set_output(transform="pandas")
    pd.testing.assert_frame_equal(fast.transform(frame), model.set_output(transform="pandas").transform(frame))
    assert fast.get_feature_names_out().tolist() == model.get_feature_names_out().tolist()


def test_importances_are_asked_for_once():
    asked = []

    def importances(model):
        asked.append(model)
        return model.feature_importances_

    model = SelectFromModel(FOREST, importance_getter=importances).fit(X, THREE)
    fast = TensorizedEstimator(model)
    expected = model.transform(X)
    asked.clear()
    for _ in range(3):
        same_bits(fast.transform(X), expected)
    assert len(asked) == 1


def test_sequential_selection_asks_a_wrapped_model_inside():
    bare = SequentialFeatureSelector(FOREST, n_features_to_select=2, cv=2).fit(X, THREE)
    fast = SequentialFeatureSelector(TensorizedEstimator(FOREST), n_features_to_select=2, cv=2).fit(X, THREE)
    assert fast.get_support().tolist() == bare.get_support().tolist()


# --- the life of an estimator -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_copies_pickles_and_dumps_give_the_same(name):
    fast = TensorizedEstimator(fitted(name))
    rows = rows_that_hurt(name)
    method = "predict" if hasattr(fast, "predict") else "transform"
    expected = getattr(fast, method)(rows)
    dump = io.BytesIO()
    joblib.dump(fast, dump)
    for again in (pickle.loads(pickle.dumps(fast)), joblib.load(dump), copy.deepcopy(fast), copy.copy(fast)):
        same_bits(getattr(again, method)(rows), expected)


@pytest.mark.parametrize("name", ["calibrated, sigmoid", "chain", "one against the rest", "other target"])
def test_predictions_change_neither_the_model_nor_the_library(name):
    model = fitted(name)
    before, of_class = dict(vars(model)), dict(vars(type(model)))
    module = vars(__import__(type(model).__module__, fromlist=["*"])).copy()
    fast = TensorizedEstimator(model)
    fast.predict(X)
    state = dict(vars(fast))
    fast.predict(X), fast.score(X, TARGETS[CASES[name][1]]), fast.explain_plan()
    assert vars(fast) == state and dict(vars(type(model))) == of_class
    assert all(vars(model)[key] is value for key, value in before.items()) and vars(model).keys() == before.keys()
    assert all(vars(__import__(type(model).__module__, fromlist=["*"]))[key] is value for key, value in module.items())


def test_methods_of_subclasses_stay_theirs():
    class Sure(CalibratedClassifierCV):
        def predict_proba(self, X):
            return np.round(super().predict_proba(X))

    model = Sure(FOREST, cv=2).fit(X, TWO)
    fast = TensorizedEstimator(model)
    same_bits(fast.predict_proba(X), model.predict_proba(X))
    same_bits(fast.predict(X), model.predict(X))
    assert set(np.unique(fast.predict_proba(X))) == {0.0, 1.0}


SEARCHED = [
    ("calibrated, sigmoid", {"estimator__max_depth": [1, 3], "method": ["sigmoid", "isotonic"]}),
    ("chain of numbers", {f"{parameter_of(CASES['chain of numbers'][0])}__max_depth": [1, 3]}),
    ("one against the rest", {"estimator__max_depth": [1, 3]}),
    ("other target", {"regressor__max_depth": [1, 3]}),
    ("fixed threshold", {"threshold": [0.2, 0.8], "estimator__max_depth": [2]}),
]


@pytest.mark.parametrize(("name", "grid"), SEARCHED, ids=[name for name, _ in SEARCHED])
def test_parameters_within_are_set_and_searched(name, grid):
    model, y = CASES[name][0], TARGETS[CASES[name][1]]
    bare = GridSearchCV(model, grid, cv=2).fit(X, y)
    ours = {f"estimator__{parameter}": values for parameter, values in grid.items()}
    fast = GridSearchCV(TensorizedEstimator(model), ours, cv=2).fit(X, y)
    same_bits(fast.cv_results_["mean_test_score"], bare.cv_results_["mean_test_score"])
    same_bits(fast.predict(X), bare.predict(X))
    one = {parameter: values[-1] for parameter, values in grid.items()}
    set_later = TensorizedEstimator(clone(model)).set_params(
        **{f"estimator__{key}": value for key, value in one.items()}
    )
    same_bits(set_later.fit(X, y).predict(X), clone(model).set_params(**one).fit(X, y).predict(X))


def test_another_fit_of_the_library_is_compiled():
    for name in ("calibrated, sigmoid", "one against one", "self-trained", "other target"):
        model, y = clone(CASES[name][0]).fit(X, TARGETS[CASES[name][1]]), TARGETS[CASES[name][1]]
        fast = TensorizedEstimator(model)
        fast.predict(X)
        model.fit(-X, y)
        same_bits(fast.predict(X), model.predict(X))


@pytest.mark.parametrize("name", [name for name in CASES if name != "best of thresholds"])
def test_plan_shows_submodels_and_there_is_no_file(name, tmp_path):
    fast = TensorizedEstimator(fitted(name))
    plan = fast.explain_plan(10)
    assert isinstance(plan, CompositePlan) and plan.submodels and plan.model in str(plan)
    with pytest.raises(UnsupportedModelError, match="joblib"):
        sktensor.save(fast, tmp_path / "model.safetensors")
    with pytest.raises(AttributeError, match="forest_"):
        fast.forest_  # noqa: B018


def test_plan_names_places_within_calibrated_classifiers():
    plan = TensorizedEstimator(fitted("calibrated, sigmoid")).explain_plan()
    places = [place for place, _ in plan.submodels]
    assert places == [f"calibrated_classifiers_[{i}].estimator, RandomForestClassifier" for i in range(2)]


def test_settings_reach_submodels():
    fast = TensorizedEstimator(fitted("chain"), strategy="gemm")
    assert {plan.strategy for _, plan in fast.explain_plan().submodels} == {"gemm"}
    assert_answers_are(fast, fitted("chain"), rows_that_hurt("chain"))


def test_tensors_are_answered_as_arrays_are():
    torch = pytest.importorskip("torch")
    for name in ("calibrated, sigmoid", "chain", "other target"):
        fast, model = TensorizedEstimator(fitted(name)), fitted(name)
        same_bits(fast.predict(torch.from_numpy(X)), model.predict(X))


def test_unfitted_ones_are_unfitted():
    for name in ("calibrated, sigmoid", "chain", "fixed threshold", "columns by importance"):
        fast = TensorizedEstimator(CASES[name][0])
        assert not hasattr(fast, "classes_") and not hasattr(fast, "estimator_")
        with pytest.raises(sklearn.exceptions.NotFittedError):
            fast.predict(X) if hasattr(fast, "predict") else fast.transform(X)


def is_comparable(check, model):
    """Whether a check of scikit-learn's does with the bare model what it does with a wrapper."""
    if "sample_weight" in check and not has_fit_parameter(model, "sample_weight"):
        return False  # weights are not given to a fit that does not name them
    if "sample_weight_equivalence" in check and hasattr(model, "cv"):
        return False  # the parameter cv, if there is one, is set to something else first
    return not (check == "check_classifiers_classes" and isinstance(model, SelfTrainingClassifier))  # known by its name


# ClassifierChain, RegressorChain and MultiOutputClassifier are not checked by scikit-learn themselves.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "model",
    [
        CalibratedClassifierCV(DecisionTreeClassifier(random_state=0), cv=2),
        MultiOutputRegressor(DecisionTreeRegressor(random_state=0)),
        OneVsRestClassifier(DecisionTreeClassifier(random_state=0)),
        OneVsOneClassifier(DecisionTreeClassifier(random_state=0)),
        OutputCodeClassifier(DecisionTreeClassifier(random_state=0), random_state=0),
        TransformedTargetRegressor(DecisionTreeRegressor(random_state=0)),
        TunedThresholdClassifierCV(DecisionTreeClassifier(random_state=0), cv=2, thresholds=5),
        FixedThresholdClassifier(DecisionTreeClassifier(random_state=0)),
        SelfTrainingClassifier(DecisionTreeClassifier(random_state=0)),
        SelectFromModel(DecisionTreeRegressor(random_state=0)),
        RANSACRegressor(DecisionTreeRegressor(random_state=0), random_state=0, min_samples=5),
        RFE(DecisionTreeClassifier(random_state=0)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_the_wrapper_fails_no_check_that_the_bare_model_passes(model):
    def with_status(status, estimator):
        results = check_estimator(estimator, on_fail=None, on_skip=None)
        assert len(results) > 20
        return {r["check_name"]: r["exception"] for r in results if r["status"] == status}

    ours = with_status("failed", TensorizedEstimator(model))
    passed = with_status("passed", model) if ours else {}
    assert {name: error for name, error in ours.items() if name in passed and is_comparable(name, model)} == {}


# --- what is refused --------------------------------------------------------------------------------------------------


def test_search_among_models_is_not_refused_for_the_one_that_it_is_given():
    grid = {"estimator": [FOREST]}
    search = GridSearchCV(BaggingClassifier(LogisticRegression(), 2, random_state=0), grid, cv=2)
    bare = clone(search).fit(X, THREE)
    assert isinstance(bare.best_estimator_.estimator, RandomForestClassifier)
    same_bits(TensorizedEstimator(search).fit(X, THREE).predict(X), bare.predict(X))


def test_one_supported_submodel_is_enough():
    model = OneVsRestClassifier(VotingClassifier([("a", LogisticRegression()), ("b", FOREST)], voting="soft")).fit(
        X, THREE
    )
    same_bits(TensorizedEstimator(model).predict(X), model.predict(X))
