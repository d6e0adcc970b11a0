"""Fitted models that only hand rows on to one inside them: searches, RFE, FrozenEstimator."""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from agreement import same_bits
from lightgbm import LGBMClassifier
from reference import hurting, reference_apply, reference_raw
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, RFECV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, precision_score
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from xgboost import XGBClassifier

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest, tensorize
from sktensor.estimator.plain_answers import PlainAnswers
from sktensor.extractors.sklearn import model as extractor
from sktensor.runtime.program import Program

RNG = np.random.default_rng(4)
X = np.round(RNG.normal(size=(150, 6)), 1)
SCORE = X @ [1.0, 0.0, -0.7, 0.4, 0.0, 0.5] + RNG.normal(scale=0.4, size=len(X))
Y = np.array(["a", "b", "c"])[np.digitize(SCORE, [-0.5, 0.6])]
TWO = (SCORE > 0).astype(int)

FOREST = RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0)
XGB = XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1)
LGBM = LGBMClassifier(n_estimators=4, min_child_samples=5, n_jobs=1, verbose=-1)
NUMBERS = GradientBoostingRegressor(n_estimators=5, random_state=0)
GRID = {"max_depth": [1, 3]}


def several(estimator, X, y):
    return {"right": estimator.score(X, y), "wrong": -estimator.score(X, y)}


CASES = {
    "grid": (GridSearchCV(FOREST, GRID, cv=2), Y),
    "grid, its own scoring": (GridSearchCV(FOREST, GRID, cv=2, scoring="neg_log_loss"), Y),
    "grid, its own scorer": (GridSearchCV(XGB, GRID, cv=2, scoring=make_scorer(precision_score)), TWO),
    "grid, several scores": (GridSearchCV(FOREST, GRID, cv=2, scoring=["accuracy", "f1_macro"], refit="f1_macro"), Y),
    "grid, a function of several scores": (GridSearchCV(FOREST, GRID, cv=2, scoring=several, refit="wrong"), Y),
    "grid of numbers": (GridSearchCV(NUMBERS, GRID, cv=2, scoring="neg_mean_absolute_error"), SCORE),
    "random": (RandomizedSearchCV(LGBM, GRID, n_iter=2, cv=2, random_state=0), TWO),
    "halving": (HalvingGridSearchCV(XGB, GRID, cv=2, random_state=0), TWO),
    "halving, random": (HalvingRandomSearchCV(FOREST, GRID, n_candidates=2, cv=2, random_state=0), Y),
    "grid of grid": (GridSearchCV(GridSearchCV(FOREST, GRID, cv=2, scoring="roc_auc_ovr"), {"cv": [2, 3]}, cv=2), Y),
    "RFE": (RFE(FOREST, n_features_to_select=3), Y),
    "RFE of numbers": (RFE(NUMBERS, n_features_to_select=0.5), SCORE),
    "RFECV": (RFECV(XGB, cv=2), TWO),
    "RFE of LightGBM": (RFE(LGBM, n_features_to_select=2), TWO),
    "RFE of grid": (
        RFE(
            GridSearchCV(FOREST, GRID, cv=2, scoring="neg_log_loss"),
            n_features_to_select=4,
            importance_getter="best_estimator_.feature_importances_",
        ),
        Y,
    ),
    "grid of RFE": (GridSearchCV(RFE(FOREST), {"n_features_to_select": [2, 3]}, cv=2), Y),
    "frozen": (FrozenEstimator(clone(FOREST).fit(X, Y)), Y),
    "frozen grid": (FrozenEstimator(GridSearchCV(FOREST, GRID, cv=2, scoring="neg_log_loss").fit(X, Y)), Y),
}
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")


@functools.cache
def fitted(name):
    model, y = CASES[name]
    return model if isinstance(model, FrozenEstimator) else clone(model).fit(X, y)


def rows_that_hurt(name):
    forest = extract_forest(fitted(name))
    options = {"nan": forest.inputs.accepts_nan, "inf": forest.inputs.accepts_inf}
    return hurting(forest, np.random.default_rng(8), n=300, **options)


def innermost(model, rows):
    """The model at the end of the chain, and what it is given."""
    if isinstance(model, RFE):
        return innermost(model.estimator_, rows[:, model.support_])
    for name in ("best_estimator_", "estimator") if isinstance(model, FrozenEstimator) else ("best_estimator_",):
        if name in vars(model):
            return innermost(getattr(model, name), rows)
    return model, rows


@pytest.mark.parametrize("name", CASES)
def test_answers_and_score_are_those_of_the_model_bit_for_bit(name):
    model, y = fitted(name), CASES[name][1]
    fast, rows = TensorizedEstimator(model), rows_that_hurt(name)
    for method in METHODS:
        assert hasattr(fast, method) == hasattr(model, method)
        if hasattr(model, method):
            with np.errstate(divide="ignore"):
                same_bits(getattr(fast, method)(rows), getattr(model, method)(rows))
    assert fast.score(X, y) == model.score(X, y)
    assert fast.n_features_in_ == 6 and hasattr(fast, "classes_") == hasattr(model, "classes_")


@pytest.mark.parametrize("name", CASES)
def test_forest_of_the_inner_model_uses_columns_of_the_outer(name):
    model, rows = fitted(name), rows_that_hurt(name)
    forest = extract_forest(model)
    assert forest.n_features == 6
    with np.errstate(over="ignore"):
        as_cast = rows.astype(forest.trees.feature_dtype)  # what the models' public methods do first
    same_bits(reference_raw(forest, rows), extractor.predict_raw(model, as_cast).reshape(len(rows), -1))
    inner, seen = innermost(model, rows)
    same_bits(TensorizedEstimator(model).predict_raw(rows), TensorizedEstimator(inner).predict_raw(seen))
    finite = np.where(np.isinf(as_cast), 1e30, as_cast)  # XGBoost's apply takes no others
    leaves = extractor.predict_leaves(model, finite).reshape(len(rows), -1)
    same_bits(reference_apply(forest, finite).reshape(len(rows), -1), leaves.astype(forest.outputs.leaf_dtype))
    inner, seen = innermost(model, finite)
    same_bits(TensorizedEstimator(model).apply(finite), TensorizedEstimator(inner).apply(seen))
    assert TensorizedEstimator(model).forest_.n_features == 6
    raw = tensorize(model, output="raw")(torch.tensor(rows)).numpy()
    same_bits(raw, TensorizedEstimator(model).predict_raw(rows))


def test_linear_leaves_and_symmetric_trees_use_columns_of_the_outer():
    catboost = pytest.importorskip("catboost")
    linear = LGBMClassifier(n_estimators=3, linear_tree=True, n_jobs=1, verbose=-1)
    symmetric = catboost.CatBoostClassifier(n_estimators=3, depth=3, verbose=0, allow_writing_files=False)
    for inner, field in ((linear, "lin_feature"), (symmetric, "feature")):
        model = RFE(inner, n_features_to_select=2).fit(X, TWO)
        forest = extract_forest(model)
        selected = np.flatnonzero(model.support_)
        assert set(getattr(forest.trees, field).ravel()) <= set(selected) != {0, 1}
        raw = extractor.predict_raw(model, X).reshape(len(X), -1)
        same_bits(tensorize(model, output="raw")(torch.tensor(X)).numpy().reshape(len(X), -1), raw)


def test_columns_that_rfe_dropped_may_hold_anything_that_it_takes():
    model = fitted("RFE")
    rows = X.copy()
    rows[:, ~model.support_] = np.inf
    same_bits(TensorizedEstimator(model).predict(rows), model.predict(rows))
    rows = X.copy()
    rows[0, model.support_] = np.inf
    np.testing.assert_array_equal(extract_forest(model).inputs.unused, ~model.support_)
    for est in (model, TensorizedEstimator(model)):
        with pytest.raises(ValueError, match="infinity"):
            est.predict(rows)


@pytest.mark.parametrize("name", ["grid", "halving", "RFE", "RFECV", "RFE of LightGBM"])
def test_rows_of_every_kind_are_taken_as_the_model_takes_them(name):
    model, y = CASES[name]
    frame = pd.DataFrame(X, columns=list("abcdef")).astype({"b": np.float32})
    kinds = {
        "list": X.tolist(),
        "integers": np.floor(X).astype(np.int64),
        "csr": scipy.sparse.csr_matrix(X),
        "csc": scipy.sparse.csc_matrix(np.where(X > 0, X, 1e-38)),
    }
    for given in kinds.values():
        same_bits(TensorizedEstimator(fitted(name)).predict(given), fitted(name).predict(given))
    by_name = clone(model).fit(frame, y)
    for fast in (TensorizedEstimator(by_name), TensorizedEstimator(model).fit(frame, y)):
        assert fast.feature_names_in_.tolist() == list("abcdef")
        same_bits(fast.predict_proba(frame), by_name.predict_proba(frame))
        with pytest.raises(ValueError, match="feature names"):
            fast.predict(frame.rename(columns={"a": "z"}))
    same_bits(TensorizedEstimator(fitted(name)).predict_proba(torch.tensor(X)), fitted(name).predict_proba(X))
    raw = TensorizedEstimator(fitted(name)).predict_raw(torch.tensor(X))
    assert isinstance(raw, torch.Tensor)
    same_bits(raw.numpy(), TensorizedEstimator(fitted(name)).predict_raw(X))


def test_rfe_that_puts_out_frames_is_taken_too():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = RFE(FOREST, n_features_to_select=3).set_output(transform="pandas").fit(frame, Y)
    with pytest.warns(UserWarning, match="fitted without feature names"):
        expected = model.predict_proba(frame)
    with pytest.warns(UserWarning, match="fitted without feature names"):
        same_bits(TensorizedEstimator(model).predict_proba(frame), expected)


@pytest.mark.parametrize("name", ["grid, its own scoring", "RFE", "random"])
def test_unfitted_delegating_model_is_fitted_by_the_wrapper(name):
    model, y = CASES[name]
    fast = TensorizedEstimator(model)
    with pytest.raises(NotFittedError):
        fast.predict(X)
    assert not hasattr(fast, "forest_") and not hasattr(fast, "n_features_in_")
    fast.fit(X, y)
    same_bits(fast.predict(X), fitted(name).predict(X))
    assert fast.score(X, y) == fitted(name).score(X, y)
    again = pickle.loads(pickle.dumps(fast))
    same_bits(again.predict(X), fitted(name).predict(X))


def test_programs_answer_and_their_settings_may_change(monkeypatch):
    seen, total = [], Program.raw_scores
    monkeypatch.setattr(Program, "raw_scores", lambda self, *a: seen.append(a[1].strategy) or total(self, *a))
    monkeypatch.setattr(PlainAnswers, "__call__", lambda *_: None)  # the short way leads around it
    for name in ("grid", "RFE", "grid of RFE", "frozen grid"):
        fast = TensorizedEstimator(fitted(name), verify=False)
        fast.predict(X)
        fast.set_params(strategy="gemm").predict(X)
        assert seen == ["auto", "gemm"]
        seen.clear()
        assert "gemm" in str(fast.explain_plan())


def test_search_over_a_meta_estimator_is_supported():
    model = VotingClassifier([("a", FOREST), ("b", LogisticRegression())], voting="soft")
    search = GridSearchCV(model, {"a__max_depth": [1, 3]}, cv=2, scoring="neg_log_loss").fit(X, Y)
    for given in (search, FrozenEstimator(search)):
        fast = TensorizedEstimator(given)
        same_bits(fast.predict_proba(X), search.predict_proba(X))
        assert fast.score(X, Y) == search.score(X, Y)
        with pytest.raises(AttributeError, match=r"forest_.*VotingClassifier is not one forest"):
            fast.forest_  # noqa: B018


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", [extract_forest, lambda model: TensorizedEstimator(model).explain_plan()])
def test_a_search_that_kept_no_model_is_refused(use):
    model = GridSearchCV(FOREST, GRID, cv=2, refit=False).fit(X, Y)
    with pytest.raises(UnsupportedModelError, match=r"GridSearchCV\(refit=False\).*refit=True"):
        use(model)
    with pytest.raises(NotFittedError):
        use(GridSearchCV(FOREST, GRID))


@pytest.mark.parametrize("use", [extract_forest, lambda model: TensorizedEstimator(model).explain_plan()])
def test_unsupported_inner_model_is_refused_by_name_and_told_what_to_do(use):
    inside = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(inside, {"logisticregression__C": [0.1, 1.0]}, cv=2).fit(X, Y)
    with pytest.raises(UnsupportedModelError, match="LogisticRegression is not supported"):
        use(search)
    with pytest.raises(UnsupportedModelError, match="LogisticRegression is not supported"):
        use(RFE(LogisticRegression(), n_features_to_select=2).fit(X, Y))


def test_the_forest_of_a_search_over_pipelines_is_that_of_the_best_one():
    inside = make_pipeline(StandardScaler(), FOREST)
    search = GridSearchCV(inside, {"randomforestclassifier__max_depth": [1, 3]}, cv=2).fit(X, Y)
    found, expected = extract_forest(search).trees, extract_forest(search.best_estimator_).trees
    same_bits(found.threshold, expected.threshold)
    same_bits(found.feature, expected.feature)


def test_a_pipeline_with_the_estimator_inside_needs_no_more():
    bare = make_pipeline(StandardScaler(), FOREST)
    fast = make_pipeline(StandardScaler(), TensorizedEstimator(FOREST))
    expected = GridSearchCV(bare, {"randomforestclassifier__max_depth": [1, 3]}, cv=2).fit(X, Y)
    found = GridSearchCV(fast, {"tensorizedestimator__estimator__max_depth": [1, 3]}, cv=2).fit(X, Y)
    same_bits(found.predict_proba(X), expected.predict_proba(X))


class Opposite(GridSearchCV):
    """A search that answers otherwise than its best model."""

    def predict(self, X):
        return 1 - super().predict(X)


def test_a_class_with_answers_of_its_own_gives_them_and_is_no_forest():
    model = Opposite(XGB, GRID, cv=2).fit(X, TWO)
    same_bits(TensorizedEstimator(model).predict(X), model.predict(X))
    same_bits(TensorizedEstimator(model).predict_proba(X), model.predict_proba(X))
    with pytest.raises(UnsupportedModelError, match="Opposite replaces predict of BaseSearchCV"):
        extract_forest(model)


def test_delegating_models_are_not_saved(tmp_path):
    for name, inside in (("grid", "best_estimator_"), ("RFE", "estimator_")):
        with pytest.raises(UnsupportedModelError, match=f"models in its {inside}"):
            sktensor.save(TensorizedEstimator(fitted(name)), tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "model",
    [
        GridSearchCV(RandomForestRegressor(2, random_state=0), {"max_depth": [2]}, cv=2),
        RFE(RandomForestRegressor(2, random_state=0)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_the_wrapper_fails_no_check_that_the_bare_model_passes(model):
    def with_status(status, estimator):
        results = check_estimator(estimator, on_fail=None, on_skip=None)
        assert len(results) > 40
        return {r["check_name"]: r["exception"] for r in results if r["status"] == status}

    # Those about weights are not made of the bare model, whose fit does not name them.
    ours = with_status("failed", TensorizedEstimator(model))
    bare = with_status("passed", model) if ours else {}
    assert {name: error for name, error in ours.items() if name in bare} == {}
