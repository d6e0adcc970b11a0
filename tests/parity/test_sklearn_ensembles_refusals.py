"""Ensembles of scikit-learn's that are refused, by name, and values that they refuse or take."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from agreement import same_bits, same_columns
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier
from sklearn_ensembles import fitted, target, training_rows

from sktensor import TensorizedEstimator, extract_forest
from sktensor.errors import UnsupportedModelError


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    "model, named",
    [
        (BaggingClassifier(DecisionTreeRegressor(), 2), "BaggingClassifier of .*DecisionTreeRegressor models"),
        (BaggingRegressor(DecisionTreeClassifier(), 2), "BaggingRegressor of .*DecisionTreeClassifier models"),
    ],
)
def test_classifiers_of_regressors_and_the_reverse_are_refused_by_name_and_told_what_is_supported(model, named):
    X = training_rows()
    with pytest.raises(UnsupportedModelError, match=f"{named}.*Supported: of DecisionTree.*ExtraTree"):
        extract_forest(model.fit(X, target(X, "binary")))


@pytest.mark.parametrize(
    "model",
    [
        BaggingClassifier(RandomForestClassifier(2), 2),
        BaggingRegressor(RandomForestRegressor(2), 2),
        AdaBoostClassifier(LogisticRegression(), n_estimators=2),
        AdaBoostClassifier(RandomForestClassifier(2), n_estimators=2),
        AdaBoostRegressor(RandomForestRegressor(2), n_estimators=2),
    ],
)
def test_ensembles_of_other_models_are_no_forest(model):
    X = training_rows()
    with pytest.raises(UnsupportedModelError, match=f"{type(model).__name__} is not one forest"):
        extract_forest(model.fit(X, target(X, "binary")))


class OddTree(DecisionTreeClassifier):
    def predict_proba(self, X, check_input=True):
        return 2 * super().predict_proba(X, check_input)


class OddIsolation(IsolationForest):
    def _score_samples(self, X):
        return -super()._score_samples(X)


class OddMedian(AdaBoostRegressor):
    def _get_median_predict(self, X, limit):
        return np.mean([tree.predict(X) for tree in self.estimators_], axis=0)


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    "model, named",
    [
        (BaggingClassifier(OddTree(), 2), "OddTree replaces predict_proba"),
        (OddIsolation(n_estimators=2), "OddIsolation replaces _score_samples"),
        (OddMedian(n_estimators=2), "OddMedian replaces _get_median_predict"),
    ],
)
def test_subclasses_with_answers_of_their_own_are_refused_by_name(model, named):
    X = training_rows()
    with pytest.raises(UnsupportedModelError, match=named):
        extract_forest(model.fit(X, target(X, "binary")))


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, sp.csr_matrix, pd.DataFrame])
@pytest.mark.parametrize("labels", ["one", "two"])
def test_adaboost_of_one_class_answers_in_the_dtype_of_its_rows(kind, labels):
    X = training_rows()
    y = np.array(["only"] * len(X)) if labels == "one" else np.full(len(X), 2)
    model = AdaBoostClassifier(n_estimators=2).fit(X, y)
    fast = TensorizedEstimator(model)
    rows = kind(X) if kind in (sp.csr_matrix, pd.DataFrame) else X.astype(kind)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        theirs, ours = getattr(model, method)(rows), getattr(fast, method)(rows)
        if theirs.dtype == object:  # a sparse matrix in an array, as scikit-learn has it
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        else:
            same_bits(ours, theirs)


@pytest.mark.evidence("refused")
def test_adaboost_without_weights_or_with_samme_r_is_refused():
    X = training_rows()
    model = AdaBoostClassifier(n_estimators=2).fit(X, target(X, "binary"))
    model.algorithm = "SAMME.R"  # as in a file of an older version
    with pytest.raises(UnsupportedModelError, match=r"AdaBoostClassifier\(algorithm='SAMME.R'\)"):
        extract_forest(model)
    model.algorithm = "SAMME"
    model.estimator_weights_[:] = 0.0
    with pytest.raises(UnsupportedModelError, match="weights of its trees are all 0"):
        extract_forest(model)


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("name", ["isolation", "bagging", "adaboost", "adaboost regressor", "embedding"])
def test_missing_values_in_sparse_rows_are_refused(name):
    X = sp.csr_matrix(training_rows("sparse"))
    X.data[5] = np.nan
    model = fitted(name)
    method = "transform" if name == "embedding" else "predict"
    if name != "isolation":  # whose trees send them another way than in dense rows
        with pytest.raises(ValueError, match="contains NaN"):
            getattr(model, method)(X)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        getattr(TensorizedEstimator(model), method)(X)


@pytest.mark.evidence("refused")
def test_missing_values_in_sparse_rows_are_refused_by_forests_too():
    X = sp.csr_matrix(training_rows("sparse"))
    X.data[5] = np.nan
    model = RandomForestClassifier(3).fit(training_rows(), target(training_rows(), "binary"))
    for est in (model, TensorizedEstimator(model)):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            est.predict(X)


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, pd.DataFrame, sp.csr_matrix, np.asfortranarray])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_columns_given_to_no_tree_may_hold_any_value(kind, value):
    X = training_rows()
    model = BaggingClassifier(ExtraTreeClassifier(splitter="best", max_depth=2), 3, max_features=1, random_state=0)
    model.fit(X, target(X, "binary"))
    used = np.unique(np.concatenate(model.estimators_features_))
    assert 0 < len(used) < 5
    free, X[4, :] = np.delete(np.arange(5), used)[0], 0.0
    fast = TensorizedEstimator(model)
    same_bits(fast.forest_.inputs.unused, ~np.isin(np.arange(5), used))
    rows = X.copy()
    rows[4, free] = value
    found = fast.predict(kind(rows))
    same_bits(np.asarray(found), model.predict(rows))
    rows[4, used[0]] = value
    for est in (fast, model):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            est.predict(rows)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        fast.predict(kind(rows))


def test_missing_values_are_accepted_by_first_tree_of_forest_and_all_of_bagging():
    X = training_rows()
    rows, y = X.copy(), target(X, "three")
    rows[::5, 1] = np.nan
    forest = ExtraTreesClassifier(4, max_depth=3, random_state=0).fit(X, y)
    forest.estimators_[-1].splitter = "best"  # which it asks no tree but the first about
    same_bits(TensorizedEstimator(forest).predict_proba(rows), forest.predict_proba(rows))
    forest.estimators_[0].splitter = "best"
    bag = BaggingClassifier(ExtraTreeClassifier(max_depth=3), 3, warm_start=True, random_state=0).fit(X, y)
    same_bits(TensorizedEstimator(bag).predict_proba(rows), bag.predict_proba(rows))
    bag.set_params(estimator__splitter="best", n_estimators=6).fit(X, y)
    same_bits(TensorizedEstimator(bag).predict_proba(X), bag.predict_proba(X))
    for est in (forest, TensorizedEstimator(forest), bag, TensorizedEstimator(bag)):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            est.predict(rows)


@pytest.mark.parametrize("name", ["adaboost", "adaboost regressor", "bagging", "embedding", "isolation"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_nan_and_infinities_are_accepted_where_the_library_accepts_them(name, value):
    model, fast = fitted(name), TensorizedEstimator(fitted(name))
    X = training_rows()
    method = "transform" if name == "embedding" else "predict"
    same_columns(getattr(fast, method)(X), getattr(model, method)(X))
    X[7, 3] = value
    with np.errstate(all="ignore"):
        try:
            expected = getattr(model, method)(X)
        except ValueError:
            with pytest.raises(ValueError, match=r"NaN|infinity"):
                getattr(fast, method)(X)
        else:
            same_columns(getattr(fast, method)(X), expected)
