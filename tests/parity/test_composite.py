"""Models made of others: the library combines the answers, programs give them, and no bit differs."""

from __future__ import annotations

import copy
import functools
import io
import pickle
import threading
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn
import torch
from agreement import same_bits
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from reference import hurting
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import check_estimator
from versions import is_older
from xgboost import XGBClassifier, XGBRegressor

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError, VerificationError, extract_forest, tensorize
from sktensor.estimator.composite import CompositePlan
from sktensor.runtime.planner import Plan
from sktensor.runtime.program import Program

RNG = np.random.default_rng(3)
X = np.round(RNG.normal(size=(150, 5)), 1)
SCORE = X @ [1.0, -0.7, 0.4, 0.5, 0.2] + RNG.normal(scale=0.4, size=len(X))
THREE = np.digitize(SCORE, [-0.6, 0.5])
TARGETS = {
    "binary": (SCORE > 0.1).astype(int),
    "three": THREE,
    "strings": np.array(["no", "perhaps", "yes"])[THREE],
    "two strings": np.array(["no", "yes"])[(SCORE > 0.1).astype(int)],
    "odd": np.array([-3, 1, 7])[THREE],
    "twelve": np.arange(len(X)) % 12,
    "numbers": SCORE,
}
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")

FOREST = RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0)
XGB = XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1)
BOOSTED = GradientBoostingClassifier(n_estimators=4, random_state=0)
HIST = HistGradientBoostingClassifier(max_iter=2, random_state=0)  # whose threads are slow among other processes
LGBM = LGBMClassifier(n_estimators=4, min_child_samples=5, n_jobs=1, verbose=-1)
CAT = CatBoostClassifier(n_estimators=4, depth=3, thread_count=1, verbose=0, allow_writing_files=False)
NUMBERS = RandomForestRegressor(n_estimators=5, max_depth=4, random_state=0)
XGB_NUMBERS = XGBRegressor(n_estimators=4, max_depth=3, n_jobs=1)
BOOSTED_NUMBERS = GradientBoostingRegressor(n_estimators=4, random_state=0)

CASES = {
    "voting, soft": (VotingClassifier([("a", FOREST), ("b", XGB)], voting="soft"), "three"),
    "voting, soft, weights, dropped, strings": (
        VotingClassifier([("a", FOREST), ("b", "drop"), ("c", BOOSTED)], voting="soft", weights=[1, 5, 0.3]),
        "strings",
    ),
    "voting, soft, four libraries": (
        VotingClassifier([("a", FOREST), ("b", XGB), ("c", LGBM), ("d", CAT)], voting="soft"),
        "binary",
    ),
    "voting, soft, one that is no tree": (
        VotingClassifier([("a", FOREST), ("b", LogisticRegression())], voting="soft"),
        "odd",
    ),
    "voting, hard, weights, strings": (
        VotingClassifier([("a", FOREST), ("b", BOOSTED), ("c", XGB)], voting="hard", weights=[2, 1, 0.5]),
        "strings",
    ),
    "voting of numbers": (
        VotingRegressor([("a", NUMBERS), ("b", XGB_NUMBERS), ("c", LinearRegression())], weights=[1, 2, 3]),
        "numbers",
    ),
    "voting of voting": (
        VotingClassifier([("a", VotingClassifier([("b", FOREST)], voting="soft")), ("c", XGB)], voting="soft"),
        "three",
    ),
    "stacking": (StackingClassifier([("a", FOREST), ("b", BOOSTED)], cv=2), "two strings"),
    "stacking under a forest, passed through": (
        StackingClassifier([("a", LogisticRegression()), ("b", FOREST)], FOREST, cv=2, passthrough=True),
        "odd",
    ),
    "stacking of numbers": (StackingRegressor([("a", NUMBERS), ("b", XGB_NUMBERS)], NUMBERS, cv=2), "numbers"),
    "bagging": (BaggingClassifier(FOREST, 3, random_state=0), "strings"),
    "bagging, columns": (BaggingClassifier(XGB, 4, max_features=3, bootstrap_features=True, random_state=1), "three"),
    "bagging, missing classes": (BaggingClassifier(FOREST, 6, max_samples=4, random_state=0), "odd"),
    "bagging of histograms": (BaggingClassifier(HIST, 2, random_state=0), "binary"),
    "bagging, decisions": (BaggingClassifier(BOOSTED, 3, random_state=0), "binary"),
    "bagging of numbers": (BaggingRegressor(BOOSTED_NUMBERS, 3, max_features=0.7, random_state=0), "numbers"),
    "bagging of numbers, two jobs": (BaggingRegressor(XGB_NUMBERS, 5, n_jobs=2, random_state=0), "numbers"),
    "boosting": (AdaBoostClassifier(FOREST, n_estimators=3, random_state=0), "strings"),
    "boosting, two classes": (AdaBoostClassifier(LGBM, n_estimators=3, random_state=0), "two strings"),
    "boosting of numbers": (AdaBoostRegressor(NUMBERS, n_estimators=4, random_state=0), "numbers"),
    "from a forest": (GradientBoostingClassifier(init=FOREST, n_estimators=6, random_state=0), "strings"),
    "from a forest, two classes": (GradientBoostingClassifier(init=FOREST, n_estimators=6, random_state=0), "binary"),
    "from boosted numbers": (GradientBoostingRegressor(init=XGB_NUMBERS, n_estimators=6, random_state=0), "numbers"),
    "from a linear model, twelve classes": (
        GradientBoostingClassifier(init=LogisticRegression(), n_estimators=3, random_state=0),
        "twelve",
    ),
    "from chance": (
        GradientBoostingClassifier(init=DummyClassifier(strategy="stratified", random_state=0), n_estimators=6),
        "binary",
    ),
    "from a linear model": (
        GradientBoostingRegressor(init=LinearRegression(), n_estimators=9, learning_rate=0.3, random_state=0),
        "numbers",
    ),
    "from numbers, huber": (
        GradientBoostingRegressor(init=NUMBERS, loss="huber", n_estimators=6, random_state=0),
        "numbers",
    ),
}


@functools.cache
def fitted(name):
    model, target = CASES[name]
    return clone(model).fit(X, TARGETS[target])


def thresholds(model, columns):
    """Columns and thresholds of all trees inside a model."""
    try:
        forest = extract_forest(model)
    except UnsupportedModelError:
        inside = [*getattr(model, "estimators_", ()), getattr(model, "final_estimator_", None)]
        if isinstance(model, GradientBoostingClassifier | GradientBoostingRegressor):
            inside, trees = [model.init_], [tree.tree_ for tree in model.estimators_.ravel()]
            yield from ((columns[tree.feature[tree.feature >= 0]], tree.threshold[tree.feature >= 0]) for tree in trees)
        inside = [
            part for part in inside if not isinstance(part, LinearRegression | LogisticRegression | DummyClassifier)
        ]
        for part, seen in zip(inside, getattr(model, "estimators_features_", [columns] * len(inside)), strict=False):
            if part is not None and getattr(part, "n_features_in_", 0) == len(seen):
                yield from thresholds(part, columns[seen])
    else:
        yield columns[forest.trees.feature], forest.trees.threshold


def rows_that_hurt(name, nan=False):
    """The thresholds of all parts, the numbers beside them, denormals and so on; NaN and infinities on demand."""
    pairs = list(thresholds(fitted(name), np.arange(X.shape[1])))
    feature, threshold = (np.concatenate(found) for found in zip(*pairs, strict=True))
    forest = SimpleNamespace(trees=SimpleNamespace(feature=feature, threshold=threshold), n_features=X.shape[1])
    return hurting(forest, np.random.default_rng(8), n=300, nan=nan, inf=nan)


def assert_answers_are(fast, model, rows):
    for method in METHODS:
        assert hasattr(fast, method) == hasattr(model, method)
        if hasattr(model, method):
            same_bits(getattr(fast, method)(rows), getattr(model, method)(rows))


# --- the same answers -----------------------------------------------------------------------------------------------


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", CASES)
def test_answers_are_the_librarys_bit_for_bit(name):
    model, rows = fitted(name), rows_that_hurt(name)
    fast = TensorizedEstimator(model)
    with np.errstate(divide="ignore"):
        for given in (rows, rows.astype(np.float32), np.asfortranarray(rows), rows[:1]):
            assert_answers_are(fast, model, given)
    assert fast.score(X, TARGETS[CASES[name][1]]) == model.score(X, TARGETS[CASES[name][1]])
    weight = np.linspace(0.1, 2.0, len(X))
    assert fast.score(X, TARGETS[CASES[name][1]], weight) == model.score(X, TARGETS[CASES[name][1]], weight)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("strategy", ["bitsliced", "gemm", "tree_traversal", "perfect_tree_traversal"])
@pytest.mark.parametrize("name", ["voting, soft", "stacking of numbers", "bagging, columns", "from a forest"])
def test_every_strategy_gives_the_same(name, strategy):
    fast = TensorizedEstimator(fitted(name), strategy=strategy, batch_size=77)
    assert_answers_are(fast, fitted(name), rows_that_hurt(name))


@pytest.mark.parametrize("name", CASES)
def test_missing_values_and_infinities_are_answered_or_refused_as_by_the_library(name):
    model, rows = fitted(name), rows_that_hurt(name, nan=True)
    fast = TensorizedEstimator(model)
    for given in (rows, np.where(np.isnan(rows), 0.0, rows), np.where(np.isinf(rows), 0.0, rows)):
        try:
            expected = model.predict(given)
        except ValueError as error:
            with pytest.raises(ValueError, match=r"infinity|NaN") as ours:
                fast.predict(given)
            assert str(error).split("\n")[0] == str(ours.value).split("\n")[0]
        else:
            same_bits(fast.predict(given), expected)


KINDS = {
    "a list": lambda rows: rows.tolist(),
    "integers": lambda rows: np.floor(rows).astype(np.int64),
    "float16": lambda rows: rows.astype(np.float16),
    "CSR": lambda rows: scipy.sparse.csr_matrix(rows),
    "CSC": lambda rows: scipy.sparse.csc_matrix(rows),
}


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["voting, soft", "stacking", "bagging, columns", "boosting", "from a forest"])
def test_rows_of_every_kind_are_taken_as_the_library_takes_them(name, kind):
    model = clone(CASES[name][0])
    given = KINDS[kind](X)
    model.fit(given if kind.startswith("CS") else X, TARGETS["binary"])
    assert_answers_are(TensorizedEstimator(model), model, given)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", ["voting, soft", "stacking", "bagging", "boosting", "from a forest"])
def test_frames_are_taken_by_name(name):
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])]).astype({"c1": np.float32})
    model = clone(CASES[name][0]).fit(frame, TARGETS["three"] > 0)
    for fast in (TensorizedEstimator(model), TensorizedEstimator(CASES[name][0]).fit(frame, TARGETS["three"] > 0)):
        assert fast.feature_names_in_.tolist() == frame.columns.tolist()
        for given in (frame, pl.from_pandas(frame)):
            if name == "voting, soft" and given is not frame and is_older("xgboost", "3.0"):
                continue  # whose models look for no names in frames of polars
            assert_answers_are(fast, model, given)
        with pytest.raises(ValueError, match="feature names"):
            fast.predict(frame.rename(columns={"c0": "other"}))


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", ["voting, soft", "stacking", "bagging", "boosting of numbers", "from a forest"])
def test_tensors_are_answered_as_arrays_are_and_with_tensors_under_dispatch(name, dispatch):
    model, rows = fitted(name), rows_that_hurt(name)
    fast = TensorizedEstimator(model)
    half = torch.tensor(rows).bfloat16()
    for given, array in ((torch.tensor(rows), rows), (half, half.float().numpy())):
        found = fast.predict(given)
        assert isinstance(found, torch.Tensor) == (model.predict(array).dtype.kind in "biuf")
        same_bits(np.asarray(found), model.predict(array))
        with sklearn.config_context(array_api_dispatch=False):
            same_bits(fast.predict(given), model.predict(array))
            if is_classifier(model):
                same_bits(fast.predict_proba(given), model.predict_proba(array))


def test_subclass_with_its_own_combination_keeps_it():
    class Least(VotingRegressor):
        def predict(self, X):
            return self._predict(X).min(axis=1)

    model = Least([("a", NUMBERS), ("b", XGB_NUMBERS)]).fit(X, SCORE)
    assert (model.predict(X) != VotingRegressor.predict(model, X)).any()
    same_bits(TensorizedEstimator(model).predict(X), model.predict(X))


# --- what runs ------------------------------------------------------------------------------------------------------


@pytest.fixture
def totals(monkeypatch):
    """Sums over trees taken in this process, each with its settings."""
    seen = []
    for name in ("raw_scores", "total"):
        run = getattr(Program, name)
        monkeypatch.setattr(Program, name, lambda self, *a, run=run: seen.append(a[1]) or run(self, *a))
    return seen


def test_submodels_are_answered_by_programs(totals):
    fast = TensorizedEstimator(fitted("voting, soft"), verify=False)
    fast.predict(X)
    assert len(totals) == 2


@pytest.mark.parametrize(("name", "programs"), [("from a forest", 2), ("from a linear model", 1)])
def test_boosting_and_its_init_estimator_are_separate_programs(totals, name, programs):
    fast = TensorizedEstimator(fitted(name), verify=False, strategy="gemm")
    fast.predict(X)
    assert [settings.strategy for settings in totals] == ["gemm"] * programs
    assert [place for place, _ in fast.explain_plan().submodels][1].startswith("its own trees, GradientBoosting")


def test_jobs_of_bagging_share_the_programs_of_this_process(totals):
    fast = TensorizedEstimator(fitted("bagging of numbers, two jobs"), verify=False)
    fast.predict(X)
    assert len(totals) == 5


def test_settings_reach_every_submodel_at_any_time(totals):
    fast = TensorizedEstimator(fitted("voting of voting"), batch_size=7, verify=False)
    fast.predict(X)
    assert {settings.batch_size for settings in totals} == {7}
    totals.clear()
    fast.set_params(batch_size=9, strategy="gemm").predict(X)
    assert {(settings.batch_size, settings.strategy) for settings in totals} == {(9, "gemm")} and len(totals) == 2
    with pytest.raises(ValueError, match="Unknown device 'gpu'"):
        fast.set_params(device="gpu").predict(X)


def test_inner_wrapper_keeps_its_settings(totals):
    own = TensorizedEstimator(FOREST, strategy="gemm", verify=False)
    model = VotingClassifier([("a", own), ("b", XGB)], voting="soft").fit(X, THREE)
    totals.clear()
    found = TensorizedEstimator(model, strategy="tree_traversal", verify=False).predict_proba(X)
    assert [settings.strategy for settings in totals] == ["gemm", "tree_traversal"]
    same_bits(found, model.predict_proba(X))


def test_plan_shows_submodels_and_which_run_in_the_library():
    plan = TensorizedEstimator(fitted("voting, soft, one that is no tree"), strategy="gemm").explain_plan(10)
    assert isinstance(plan, CompositePlan)
    (forest, ours), (linear, theirs) = plan.submodels
    assert forest == "estimators_[0], RandomForestClassifier" and linear == "estimators_[1], LogisticRegression"
    assert isinstance(ours, Plan) and (ours.strategy, ours.n_rows) == ("gemm", 10)
    assert "LogisticRegression is not supported" in theirs
    for word in ("VotingClassifier combines the answers of 2", "gemm", "estimators_[1], LogisticRegression: as the li"):
        assert word in str(plan)


def test_plan_shows_nested_submodels():
    text = str(TensorizedEstimator(fitted("voting of voting")).explain_plan())
    assert "  estimators_[0], RandomForestClassifier" in text and "estimators_[1], XGBClassifier" in text


def test_every_submodel_is_verified(monkeypatch):
    fast = TensorizedEstimator(fitted("voting, soft"))
    monkeypatch.setattr(Program, "raw_scores", lambda self, rows, *given: (np.zeros((len(rows), 3)), 1))
    with pytest.raises(VerificationError, match="RandomForestClassifier"):
        fast.predict(X)
    assert TensorizedEstimator(fitted("voting, soft"), verify=False).predict(X).shape == (len(X),)


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    "model",
    [
        VotingClassifier([("a", LogisticRegression()), ("b", make_pipeline(StandardScaler(), LogisticRegression()))]),
        StackingClassifier([("a", LogisticRegression())], cv=2),
        BaggingClassifier(LogisticRegression(), 2),
        AdaBoostClassifier(LogisticRegression(), n_estimators=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_composite_model_without_supported_submodels_is_refused_by_name(model):
    with pytest.raises(UnsupportedModelError, match=type(model).__name__ + ".*(none|is not).*LogisticRegression"):
        TensorizedEstimator(model).fit(X, TARGETS["binary"])


@pytest.mark.parametrize("name", ["voting, soft", "stacking", "bagging", "boosting", "from a forest"])
def test_composite_models_have_no_forest(name, tmp_path):
    model = fitted(name)
    fast = TensorizedEstimator(model)
    for use in (extract_forest, tensorize):
        for given in (model, fast):
            with pytest.raises(UnsupportedModelError, match=type(model).__name__ + ".*not one forest.*Tensorized"):
                use(given)
    for given in (fast, TensorizedEstimator(CASES[name][0]).fit(X, TARGETS["binary"])):
        with pytest.raises(AttributeError, match=r"'forest_'.*not one forest"):
            given.forest_  # noqa: B018
    with pytest.raises(UnsupportedModelError, match=type(model).__name__ + ".*joblib"):
        sktensor.save(fast, tmp_path / "model.safetensors")


@pytest.mark.parametrize("method", ["predict_raw", "apply"])
def test_composite_models_lack_methods_of_trees(method):
    with pytest.raises(AttributeError, match=f"'VotingClassifier'.*no {method} of its own.*estimators_.0."):
        getattr(TensorizedEstimator(fitted("voting, soft")), method)(X)


@pytest.mark.parametrize("name", ["from a forest", "from boosted numbers", "from a linear model"])
def test_boosted_trees_are_applied_as_by_the_library(name):
    same_bits(TensorizedEstimator(fitted(name)).apply(X), fitted(name).apply(X))


def test_unfitted_composite_models_are_unfitted():
    fast = TensorizedEstimator(CASES["voting, soft"][0])
    with pytest.raises(NotFittedError):
        fast.predict(X)
    for name in ("classes_", "n_features_in_", "forest_", "estimator_"):
        assert not hasattr(fast, name)


# --- the life of an estimator -----------------------------------------------------------------------------------------


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", CASES)
def test_copies_pickles_and_dumps_give_the_same(name):
    model, rows = fitted(name), rows_that_hurt(name)
    fast = TensorizedEstimator(model)
    expected = fast.predict(rows)
    dump = io.BytesIO()
    joblib.dump(fast, dump)
    for again in (pickle.loads(pickle.dumps(fast)), joblib.load(dump), copy.deepcopy(fast), copy.copy(fast)):
        same_bits(again.predict(rows), expected)


def test_fit_fits_a_clone_and_a_refit_forgets():
    model = CASES["voting, soft"][0]
    fast = TensorizedEstimator(model).fit(X, THREE)
    assert not hasattr(model, "estimators_") and fast.classes_.tolist() == [0, 1, 2]
    same_bits(fast.predict_proba(X), clone(model).fit(X, THREE).predict_proba(X))
    fast.fit(X[:, :3], TARGETS["binary"])
    assert fast.classes_.tolist() == [0, 1] and fast.n_features_in_ == 3
    same_bits(fast.predict_proba(X[:, :3]), fast.estimator_.predict_proba(X[:, :3]))
    fast.set_params(estimator=clone(FOREST)).fit(X, THREE)
    same_bits(fast.predict_proba(X), fast.forest_ and fast.estimator_.predict_proba(X))
    fast.set_params(estimator=clone(model)).fit(X, THREE)
    assert not hasattr(fast, "forest_")


def test_predictions_change_neither_the_model_nor_the_estimator():
    model = clone(CASES["stacking"][0]).fit(X, TARGETS["binary"])
    before, parts = dict(vars(model)), list(model.estimators_)
    fast = TensorizedEstimator(model)
    fast.predict(X)
    state = dict(vars(fast))
    fast.predict_proba(X), fast.score(X, TARGETS["binary"]), fast.explain_plan()
    assert vars(fast) == state
    assert vars(model) == before and all(a is b for a, b in zip(model.estimators_, parts, strict=True))


def test_more_models_of_a_warm_start_are_compiled():
    model = BaggingClassifier(FOREST, 2, warm_start=True, random_state=0).fit(X, THREE)
    fast = TensorizedEstimator(model)
    before = fast.predict_proba(X)
    model.set_params(n_estimators=4).fit(X, THREE)
    assert (model.predict_proba(X) != before).any()
    same_bits(fast.predict_proba(X), model.predict_proba(X))
    same_bits(fast.set_params(strategy="gemm").predict_proba(X), model.predict_proba(X))


def test_parameters_of_submodels_can_be_searched():
    grid = {"estimator__a__max_depth": [1, 3], "estimator__weights": [None, [1, 3]]}
    model = VotingClassifier([("a", FOREST), ("b", XGB)], voting="soft")
    fast = GridSearchCV(TensorizedEstimator(model), grid, cv=2, scoring="neg_log_loss").fit(X, THREE)
    bare = GridSearchCV(model, {name[11:]: values for name, values in grid.items()}, cv=2, scoring="neg_log_loss")
    bare.fit(X, THREE)
    same_bits(fast.cv_results_["mean_test_score"], bare.cv_results_["mean_test_score"])


def test_wrapper_replaces_the_model_inside_meta_estimators():
    model = CASES["voting, soft"][0]
    found = cross_val_predict(make_pipeline(StandardScaler(), TensorizedEstimator(model)), X, THREE, cv=2)
    same_bits(found, cross_val_predict(make_pipeline(StandardScaler(), model), X, THREE, cv=2))
    stacked = StackingClassifier([("a", TensorizedEstimator(model))], DecisionTreeClassifier(), cv=2).fit(X, THREE)
    bare = StackingClassifier([("a", model)], DecisionTreeClassifier(), cv=2).fit(X, THREE)
    same_bits(stacked.transform(X), bare.transform(X))


def test_concurrent_first_predictions_see_one_model():
    fast, found = TensorizedEstimator(fitted("voting, soft")), []
    expected = fitted("voting, soft").predict_proba(X)
    barrier = threading.Barrier(8)

    def predict():
        barrier.wait()
        found.append(np.array_equal(fast.predict_proba(X), expected))

    threads = [threading.Thread(target=predict) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "model",
    [
        VotingClassifier([("a", DecisionTreeClassifier(random_state=0))]),
        StackingRegressor([("a", DecisionTreeRegressor(random_state=0))], cv=2),
        AdaBoostRegressor(RandomForestRegressor(2), n_estimators=2, random_state=0),
        GradientBoostingClassifier(init=RandomForestClassifier(2, random_state=0), n_estimators=2, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_the_wrapper_fails_no_check_that_the_bare_model_passes(model):
    def with_status(status, estimator):
        results = check_estimator(estimator, on_fail=None, on_skip=None)
        assert len(results) > 40
        return {r["check_name"]: r["exception"] for r in results if r["status"] == status}

    # Those of voting and stacking that are about weights are not made of the bare model, whose fit does not name them.
    ours, bare = with_status("failed", TensorizedEstimator(model)), with_status("passed", model)
    assert {name: error for name, error in ours.items() if name in bare} == {}
