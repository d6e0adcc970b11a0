"""Meta-estimators: the library combines the answers of submodels, programs give these, and no bit differs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn
import torch
from agreement import same_bits
from composite_models import CASES, FOREST, NUMBERS, SCORE, TARGETS, THREE, XGB, XGB_NUMBERS, X, fitted, rows_that_hurt
from sklearn.base import clone, is_classifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from versions import is_older

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest, tensorize

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")


def assert_answers_are(fast, model, rows):
    for method in METHODS:
        assert hasattr(fast, method) == hasattr(model, method)
        if hasattr(model, method):
            same_bits(getattr(fast, method)(rows), getattr(model, method)(rows))


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
