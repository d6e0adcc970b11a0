"""Which programs run in a meta-estimator, how often, with which settings, and what the plan says of them."""

from __future__ import annotations

import copy
import io
import pickle
import threading

import joblib
import numpy as np
import pytest
from agreement import same_bits
from composite_models import CASES, FOREST, TARGETS, THREE, XGB, X, fitted, rows_that_hurt
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import check_estimator

from sktensor import TensorizedEstimator, VerificationError
from sktensor.estimator.composite import CompositePlan
from sktensor.estimator.plain_answers import PlainAnswers
from sktensor.runtime.planner import Plan
from sktensor.runtime.program import Program


@pytest.fixture
def totals(monkeypatch):
    """Sums over trees taken in this process, each with its settings: all of the ordinary way."""
    seen = []
    monkeypatch.setattr(PlainAnswers, "__call__", lambda *_: None)
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


@pytest.mark.slow
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
    ours = with_status("failed", TensorizedEstimator(model))
    bare = with_status("passed", model) if ours else {}
    assert {name: error for name, error in ours.items() if name in bare} == {}


class Nothing(RegressorMixin, BaseEstimator):
    """Learns nothing, so that nobody can tell whether it is fitted."""

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return np.zeros(len(X))


def test_models_without_a_sign_of_their_fit_run_as_the_library_runs_them_beside_trees():
    rng = np.random.default_rng(0)
    Z, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    parts = [("nothing", Nothing()), ("tree", DecisionTreeRegressor(max_depth=3, random_state=0))]
    model = StackingRegressor(parts, final_estimator=Nothing()).fit(Z, y)
    same_bits(TensorizedEstimator(model).transform(Z), model.transform(Z))
