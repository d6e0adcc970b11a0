"""The wrapper as an estimator: its life in pipelines and searches, its errors, its copies."""

from __future__ import annotations

import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import sklearn
import torch
from agreement import STRATEGIES, assert_agrees, same_bits
from catboost import CatBoost, CatBoostClassifier, CatBoostRanker, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor
from sklearn.utils.estimator_checks import check_estimator
from small_models import SMALL, X, Y
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier, XGBRanker, XGBRegressor, XGBRFClassifier, XGBRFRegressor

from sktensor import TensorizedEstimator, UnsupportedModelError, tensorize
from sktensor.runtime.program import Program


def pipeline(model=None, **parameters):
    model = XGBClassifier(**SMALL) if model is None else model
    return Pipeline([("scale", StandardScaler()), ("clf", TensorizedEstimator(model, device="cpu", **parameters))])


def test_a_pipeline_fits_predicts_and_cross_validates_as_with_the_bare_model():
    bare = Pipeline([("scale", StandardScaler()), ("clf", XGBClassifier(**SMALL))])
    fast = pipeline()
    same_bits(fast.fit(X, Y).predict(X), bare.fit(X, Y).predict(X))
    scores = [cross_validate(p, X, Y, cv=3, scoring=["accuracy", "neg_log_loss"]) for p in (fast, bare)]
    np.testing.assert_array_equal(scores[0]["test_accuracy"], scores[1]["test_accuracy"])
    np.testing.assert_allclose(scores[0]["test_neg_log_loss"], scores[1]["test_neg_log_loss"], rtol=1e-6)


@pytest.mark.slow
def test_a_grid_search_runs_over_the_wrapped_model_and_the_strategy_in_two_processes():
    grid = {"clf__estimator__max_depth": [1, 3], "clf__strategy": ["gemm", "tree_traversal"]}
    search = GridSearchCV(pipeline(), grid, cv=2, n_jobs=2).fit(X, Y)
    bare = Pipeline([("scale", StandardScaler()), ("clf", XGBClassifier(**SMALL))])
    expected = GridSearchCV(bare, {"clf__max_depth": [1, 3]}, cv=2).fit(X, Y)
    assert search.best_score_ == expected.best_score_
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], np.repeat(expected.cv_results_["mean_test_score"], 2)
    )


def test_a_fitted_model_in_a_fitted_pipeline_needs_no_fit():
    scale = StandardScaler().fit(X)
    model = XGBClassifier(**SMALL).fit(scale.transform(X), Y)
    fast = Pipeline([("scale", scale), ("clf", TensorizedEstimator(model))])
    same_bits(fast.predict(X), model.predict(scale.transform(X)))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_dump_loads_in_a_fresh_process_and_gives_the_same_bits(tmp_path, strategy):
    fast = pipeline(strategy=strategy).fit(X, Y)
    before = fast.predict_proba(X)  # compiled, so that there is device state to leave out
    joblib.dump(fast, tmp_path / "model.joblib")
    np.save(tmp_path / "X.npy", X)
    code = "import joblib, numpy, sys; d = sys.argv[1]; " + (
        "numpy.save(d + '/after.npy', joblib.load(d + '/model.joblib').predict_proba(numpy.load(d + '/X.npy')))"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, str(tmp_path)], check=True)
    same_bits(np.load(tmp_path / "after.npy"), before)


def test_a_pickle_holds_no_tensors(forest):
    fast = TensorizedEstimator(forest)
    fast.predict(X)
    assert b"torch" not in pickle.dumps(fast)


def test_attributes_are_those_of_the_fitted_model(forest):
    for fast in (TensorizedEstimator(forest), TensorizedEstimator(RandomForestClassifier(5, random_state=0)).fit(X, Y)):
        same_bits(fast.classes_, forest.classes_)
        assert fast.n_features_in_ == X.shape[1]
        same_bits(fast.feature_importances_, forest.feature_importances_)
        assert not hasattr(fast, "feature_names_in_")
        assert isinstance(fast.estimator_, RandomForestClassifier)
        assert fast.forest_.n_trees == 5


def test_an_unfitted_wrapper_shows_no_fitted_attribute():
    fast = TensorizedEstimator(RandomForestClassifier())
    for name in ("classes_", "n_features_in_", "feature_names_in_", "estimator_", "forest_", "feature_importances_"):
        assert not hasattr(fast, name)


@pytest.mark.parametrize(
    ("model", "methods"),
    [
        (RandomForestClassifier(), {"predict_proba", "predict_log_proba"}),
        (RandomForestRegressor(), set()),
        (GradientBoostingClassifier(), {"predict_proba", "predict_log_proba", "decision_function"}),
        (HistGradientBoostingClassifier(), {"predict_proba", "decision_function"}),
        (XGBClassifier(), {"predict_proba"}),
        (XGBRegressor(), set()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_methods_are_there_iff_the_wrapped_model_has_them(model, methods):
    fast = TensorizedEstimator(model)
    found = {m for m in ("predict_proba", "predict_log_proba", "decision_function") if hasattr(fast, m)}
    assert (
        found
        == methods
        == {m for m in ("predict_proba", "predict_log_proba", "decision_function") if hasattr(model, m)}
    )


def test_a_wrapper_is_a_model_too(forest):
    twice = TensorizedEstimator(TensorizedEstimator(forest))
    same_bits(twice.predict_proba(X), forest.predict_proba(X))
    assert tensorize(TensorizedEstimator(forest))(torch.tensor(X)).shape == (len(X), 3)


def test_kind_and_score_are_the_wrapped_models():
    Xd, yd = load_diabetes(return_X_y=True)
    weight = np.linspace(0.1, 2, len(Xd))
    classifier = TensorizedEstimator(LGBMClassifier(n_estimators=5, verbose=-1)).fit(X, Y)
    regressor = TensorizedEstimator(HistGradientBoostingRegressor(max_iter=5)).fit(Xd, yd)
    assert is_classifier(classifier) and is_regressor(regressor)
    assert classifier.score(X, Y) == classifier.estimator_.score(X, Y)
    assert regressor.score(Xd, yd, weight) == regressor.estimator_.score(Xd, yd, weight)


def test_fit_parameters_and_weights_reach_the_wrapped_model():
    Xb, yb = load_breast_cancer(return_X_y=True)
    weight = np.linspace(0.1, 2, len(yb))
    settings = {"n_estimators": 40, "early_stopping_rounds": 2, "learning_rate": 0.9, "n_jobs": 1}
    fast = TensorizedEstimator(XGBClassifier(**settings))
    fast.fit(Xb[:400], yb[:400], sample_weight=weight[:400], eval_set=[(Xb[400:], yb[400:])], verbose=False)
    bare = XGBClassifier(**settings)
    bare.fit(Xb[:400], yb[:400], sample_weight=weight[:400], eval_set=[(Xb[400:], yb[400:])], verbose=False)
    assert bare.best_iteration < 39
    same_bits(fast.predict_raw(Xb), bare.predict(Xb, output_margin=True))


def test_metadata_is_routed_to_the_wrapped_model():
    weight = np.where(Y == 0, 5.0, 0.1)
    with sklearn.config_context(enable_metadata_routing=True):
        inner = DecisionTreeClassifier(max_depth=1, random_state=0).set_fit_request(sample_weight=True)
        fast = Pipeline([("clf", TensorizedEstimator(inner))]).fit(X, Y, sample_weight=weight)
        assert not hasattr(TensorizedEstimator(inner), "set_fit_request")
    bare = DecisionTreeClassifier(max_depth=1, random_state=0).fit(X, Y, sample_weight=weight)
    same_bits(fast.predict_proba(X), bare.predict_proba(X))


def test_meta_estimators_take_the_wrapper(forest):
    inner = TensorizedEstimator(RandomForestClassifier(n_estimators=3, random_state=0))
    assert CalibratedClassifierCV(FrozenEstimator(TensorizedEstimator(forest))).fit(X, Y).predict_proba(X).shape == (
        len(X),
        3,
    )
    assert RFE(inner, n_features_to_select=3).fit(X, Y).support_.sum() == 3
    assert SelectFromModel(inner, max_features=4).fit(X, Y).transform(X).shape[1] <= 4


def test_a_ranker_ranks():
    group = [60, 60, 58]
    ranker = LGBMRanker(n_estimators=5, verbose=-1)
    fast = TensorizedEstimator(ranker).fit(X, Y, group=group)
    same_bits(fast.predict(X), clone(ranker).fit(X, Y, group=group).predict(X))


def messages(*calls):
    found = []
    for call in calls:
        with pytest.raises(Exception) as info:
            call()
        found.append((type(info.value), str(info.value).replace("TensorizedEstimator", "RandomForestClassifier")))
    return found


@pytest.mark.parametrize(
    "bad",
    [
        X[:, :-1],
        X[0],
        X[None],
        [["a"] * 13],
        np.full((2, 13), "text"),
        np.full((2, 13), np.inf),
        np.full((2, 13), 1e300),
        np.full((2, 13), 1j),
        [],
        [[1.0] * 13, [1.0] * 12],
        3.0,
    ],
    ids=[
        "too few columns",
        "1-D",
        "3-D",
        "text",
        "text array",
        "inf",
        "beyond float32",
        "complex",
        "[]",
        "ragged",
        "0-D",
    ],
)
def test_bad_rows_are_refused_in_scikit_learns_own_words(forest, bad):
    # Not all at fitting time: these are the errors of a model whose parameters are fine.
    ours, library = messages(lambda: TensorizedEstimator(forest).predict(bad), lambda: forest.predict(bad))
    assert ours[0] is library[0] or issubclass(ours[0], library[0])
    assert ours[1].split("\n")[0] == library[1].split("\n")[0]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"strategy": "fastest"}, "Unknown strategy 'fastest'. Known: 'auto', 'gemm'"),
        ({"strategy": None}, "Unknown strategy None"),
        ({"backend": "cpp"}, "Unknown backend 'cpp'. Known: 'auto', 'native', 'torch'"),
        (
            {"backend": "native", "strategy": "gemm"},
            "backend='native' has no kernel for strategy='gemm'. Known: 'auto'",
        ),
        ({"device": "gpu"}, "Unknown device 'gpu'. Known: 'cpu', 'cuda'"),
        ({"device": "meta"}, "device='meta' is not supported. Known: 'cpu', 'cuda'"),
        ({"device": "cuda:99"}, "device='cuda:99' is not there"),
        ({"batch_size": 0}, "batch_size must be a positive integer or None, got 0"),
        ({"batch_size": 1.5}, "batch_size must be a positive integer or None, got 1.5"),
        ({"n_jobs": 0}, "n_jobs must be an integer other than 0, or None, got 0"),
    ],
)
def test_bad_parameters_are_refused_by_name_before_anything_is_fitted(forest, parameters, said):
    class Unfittable(RandomForestClassifier):
        def fit(self, *args):
            raise AssertionError("was fitted all the same")

    with pytest.raises(ValueError) as info:
        TensorizedEstimator(forest, **parameters).predict(X)
    assert said in str(info.value)
    with pytest.raises(ValueError) as info:
        TensorizedEstimator(Unfittable(), **parameters).fit(X, Y)
    assert said in str(info.value)


def test_an_unfitted_model_is_refused_in_scikit_learns_own_words():
    for method in ("predict", "predict_proba", "apply", "predict_raw", "explain_plan", "score"):
        args = {"explain_plan": (), "score": (X, Y)}.get(method, (X,))
        with pytest.raises(NotFittedError, match="This TensorizedEstimator instance is not fitted yet"):
            getattr(TensorizedEstimator(RandomForestClassifier()), method)(*args)


def test_a_model_that_is_no_tree_ensemble_is_refused_by_name():
    with pytest.raises(UnsupportedModelError, match="LogisticRegression"):
        TensorizedEstimator(LogisticRegression()).fit(X, Y)


def test_a_failed_refit_leaves_the_fitted_state_alone(forest):
    fast = TensorizedEstimator(forest).fit(X, Y)
    before = fast.predict_proba(X)
    with pytest.raises(ValueError, match="Unknown strategy"):
        fast.set_params(strategy="none").fit(X[:, :3], Y)
    same_bits(fast.set_params(strategy="auto").predict_proba(X), before)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeRegressor(),
        RandomForestClassifier(n_estimators=3),
        GradientBoostingClassifier(n_estimators=3),
        LGBMClassifier(n_estimators=3, verbose=-1),
    ],
    ids=lambda model: type(model).__name__,
)
def test_an_empty_batch_is_refused_where_the_library_refuses_it(model, strategy):
    fast = TensorizedEstimator(model, strategy=strategy).fit(X, Y)
    for method in ("predict", "predict_raw", "predict_proba", "apply"):
        if hasattr(fast, method):
            with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
                getattr(fast, method)(X[:0])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_empty_batch_gives_an_empty_answer_where_the_library_gives_one(strategy):
    model = XGBClassifier(**SMALL).fit(X, Y)
    fast = TensorizedEstimator(model, strategy=strategy)
    for method in ("predict", "predict_proba", "apply"):
        ours, theirs = getattr(fast, method)(X[:0]), getattr(model, method)(X[:0])
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("batch_size", [1, 2, 7, 100, 1000])
def test_batch_size_changes_no_bit(forest, strategy, batch_size):
    assert_agrees(forest, X, strategy=strategy, batch_size=batch_size)


def test_no_more_rows_are_in_flight_than_asked_for(forest, monkeypatch):
    from sktensor.strategies import tree_traversal

    seen, run = [], tree_traversal.run
    monkeypatch.setattr(tree_traversal, "run", lambda tables, rows: seen.append(len(rows)) or run(tables, rows))
    fast = TensorizedEstimator(forest, strategy="tree_traversal", backend="torch", batch_size=50, verify=False)
    fast.predict(X)
    assert seen == [50, 50, 50, 28]


def test_rows_in_flight_stay_within_a_budget_whatever_the_forest(forest):
    for trees in (1, 50, 400):
        model = ExtraTreesRegressor(n_estimators=trees, max_depth=6, random_state=0).fit(X, Y)
        for backend in ("auto", "torch"):
            plan = TensorizedEstimator(model, backend=backend).explain_plan(10**9)
            assert plan.batch_bytes <= 16 * 2**20
            assert plan.rows_per_batch >= 16


def test_plan_names_its_choice_and_the_reason(forest):
    text = str(TensorizedEstimator(forest).explain_plan(100_000))
    for word in ("strategy", "least expected time", "device", "cpu", "rows per batch", "gemm", "tree_traversal"):
        assert word in text


def test_nothing_global_is_changed(forest):
    before = torch.get_num_threads(), torch.get_default_dtype(), torch.initial_seed(), np.geterr()
    grad = torch.is_grad_enabled()
    TensorizedEstimator(forest, n_jobs=1).fit(X, Y).predict(X)
    assert (torch.get_num_threads(), torch.get_default_dtype(), torch.initial_seed(), np.geterr()) == before
    assert torch.is_grad_enabled() == grad


def test_a_program_survives_a_copy(forest):
    program = Program(TensorizedEstimator(forest).forest_)
    again = pickle.loads(pickle.dumps(program))
    assert again.forest.n_leaves == program.forest.n_leaves


CATBOOST = {"iterations": 3, "depth": 2, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
CHECKED = [
    *(cls(random_state=0) for cls in (DecisionTreeClassifier, DecisionTreeRegressor)),
    *(cls(random_state=0) for cls in (ExtraTreeClassifier, ExtraTreeRegressor)),
    *(cls(n_estimators=3, random_state=0) for cls in (RandomForestClassifier, RandomForestRegressor)),
    *(cls(n_estimators=3, random_state=0) for cls in (ExtraTreesClassifier, ExtraTreesRegressor)),
    *(cls(n_estimators=3, random_state=0) for cls in (GradientBoostingClassifier, GradientBoostingRegressor)),
    *(cls(max_iter=3, random_state=0) for cls in (HistGradientBoostingClassifier, HistGradientBoostingRegressor)),
    *(cls(n_estimators=3, n_jobs=1) for cls in (XGBClassifier, XGBRegressor, XGBRanker)),
    *(cls(n_estimators=3, n_jobs=1) for cls in (XGBRFClassifier, XGBRFRegressor)),
    *(cls(n_estimators=3, n_jobs=1, verbose=-1) for cls in (LGBMClassifier, LGBMRegressor, LGBMRanker)),
    *(cls(**CATBOOST) for cls in (CatBoostClassifier, CatBoostRegressor, CatBoostRanker)),
    CatBoost(CATBOOST),
    *(cls(n_estimators=3, random_state=0) for cls in (BaggingClassifier, BaggingRegressor)),
    *(cls(n_estimators=3, random_state=0) for cls in (AdaBoostClassifier, AdaBoostRegressor)),
    *(cls(n_estimators=3, random_state=0) for cls in (IsolationForest, RandomTreesEmbedding)),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", CHECKED, ids=lambda model: type(model).__name__)
def test_the_wrapper_fails_no_check_that_the_bare_model_passes(model):
    def failed(estimator):
        results = check_estimator(estimator, on_fail=None, on_skip=None)
        assert len(results) >= 40
        return {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}

    # The fits of HistGradientBoosting are too small for two threads, which would wait for each other most of the time.
    with threadpool_limits(1, "openmp"):
        ours = failed(TensorizedEstimator(model))
        bare = failed(model) if ours else {}
    assert {name: error for name, error in ours.items() if name not in bare} == {}
