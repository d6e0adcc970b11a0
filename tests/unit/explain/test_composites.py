"""SHAP values of models of models: the weighted sum of those inside, where the answer is one; otherwise an error."""

from __future__ import annotations

import numpy as np
import pytest
from explained_models import CLASSES, WEIGHTS, X, Y, lgb
from lightgbm import LGBMRegressor
from sklearn import ensemble, multiclass, multioutput
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, RANSACRegressor
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from xgboost import XGBClassifier, XGBRegressor

from sktensor import TensorizedEstimator, UnsupportedModelError

XGB = {"n_estimators": 3, "max_depth": 3, "n_jobs": 1}


def light(**params):
    return LGBMRegressor(**({"n_estimators": 3, "num_leaves": 5, "verbose": -1, "n_jobs": 1} | params))


def trees(**params):
    return ensemble.RandomForestRegressor(**({"n_estimators": 3, "max_depth": 3, "random_state": 0} | params))


def classes(**params):
    return ensemble.RandomForestClassifier(**({"n_estimators": 3, "max_depth": 3, "random_state": 0} | params))


def cube(x):
    return x**3


def total(wrapped, rows):
    """Base values and values together, (n,) or (n, K)."""
    found = wrapped.contributions(rows)
    assert found.dtype == np.float64
    values = wrapped.shap_values(rows)
    both = found[..., :-1] if found.ndim == 2 else found[..., :-1].transpose(0, 2, 1)
    assert values.tobytes() == np.ascontiguousarray(both).tobytes()
    return found.sum(-1)


SUMS = {
    "voting": lambda: ensemble.VotingRegressor([("a", light()), ("b", trees())]),
    "weighted_voting": lambda: ensemble.VotingRegressor([("a", light()), ("b", trees())], weights=[3, 1]),
    "bagging": lambda: ensemble.BaggingRegressor(light(), n_estimators=3, random_state=0),
    "bagging_of_columns": lambda: ensemble.BaggingRegressor(light(), 3, max_features=2, random_state=0),
    "bagging_of_columns_drawn_twice": lambda: ensemble.BaggingRegressor(
        light(), 3, bootstrap_features=True, random_state=0
    ),
    "ransac": lambda: RANSACRegressor(trees(), min_samples=0.5, random_state=0),
    "boosting_from_another_model_on": lambda: ensemble.GradientBoostingRegressor(init=trees(), n_estimators=3),
    "votes_of_votes": lambda: ensemble.VotingRegressor(
        [("a", ensemble.BaggingRegressor(light(), 2, random_state=0)), ("b", trees())]
    ),
}


@pytest.mark.parametrize("name", SUMS)
def test_values_of_regressors_add_up_to_predictions(name):
    model = SUMS[name]().fit(X, Y)
    np.testing.assert_allclose(total(TensorizedEstimator(model), X), model.predict(X), rtol=1e-12, atol=1e-12)


def test_voting_is_the_mean_of_values():
    model = ensemble.VotingRegressor([("a", light()), ("b", trees())], weights=[3, 1]).fit(X, Y)
    one, two = (TensorizedEstimator(inside).shap_values(X) for inside in model.estimators_)
    np.testing.assert_allclose(TensorizedEstimator(model).shap_values(X), 0.75 * one + 0.25 * two, rtol=0, atol=1e-15)


def test_columns_that_a_model_was_not_given_have_no_value():
    model = ensemble.BaggingRegressor(light(), 1, max_features=2, random_state=0).fit(X, Y)
    found = TensorizedEstimator(model).shap_values(X)
    given = model.estimators_features_[0]
    assert found.shape == X.shape and not np.delete(found, given, axis=1).any()
    inside = TensorizedEstimator(model.estimators_[0]).shap_values(X[:, given])
    np.testing.assert_allclose(found[:, given], inside, rtol=0, atol=1e-15)


def test_interactions_and_backgrounds_are_combined_too():
    model = ensemble.BaggingRegressor(light(), 3, max_features=3, random_state=0).fit(X, Y)
    wrapped = TensorizedEstimator(model)
    values, pairs = wrapped.shap_values(X[:9]), wrapped.shap_values(X[:9], interactions=True)
    np.testing.assert_allclose(pairs.sum(2), values, rtol=0, atol=1e-14)
    background = X[20:30]
    found = wrapped.shap_values(X[:9], background=background)
    np.testing.assert_allclose(
        found.sum(1) + model.predict(background).mean(), model.predict(X[:9]), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    "model",
    [
        ensemble.VotingClassifier([("a", classes()), ("b", classes(random_state=1))], voting="soft"),
        ensemble.BaggingClassifier(classes(), 3, max_features=3, random_state=0),
    ],
    ids=["voting", "bagging"],
)
def test_values_of_mean_probabilities_add_up_to_them(model):
    model = model.fit(X, CLASSES)
    np.testing.assert_allclose(total(TensorizedEstimator(model), X), model.predict_proba(X), rtol=1e-12, atol=1e-12)


def test_outputs_side_by_side():
    model = multioutput.MultiOutputRegressor(light()).fit(X, np.c_[Y, X[:, 3]])
    np.testing.assert_allclose(total(TensorizedEstimator(model), X), model.predict(X), rtol=1e-12, atol=1e-12)
    assert TensorizedEstimator(model).shap_values(X).shape == (len(X), 4, 2)


def test_one_model_for_each_class():
    inside = ensemble.HistGradientBoostingClassifier(max_iter=3)
    model = multiclass.OneVsRestClassifier(inside).fit(X, CLASSES)
    found = total(TensorizedEstimator(model), X)
    np.testing.assert_allclose(found, model.decision_function(X), rtol=1e-12, atol=1e-12)


def test_models_that_hand_rows_on():
    search = GridSearchCV(light(), {"num_leaves": [3, 5]}, cv=2).fit(X, Y)
    expected = TensorizedEstimator(search.best_estimator_).shap_values(X)
    assert TensorizedEstimator(search).shap_values(X).tobytes() == expected.tobytes()
    assert TensorizedEstimator(FrozenEstimator(search.best_estimator_)).shap_values(X).tobytes() == expected.tobytes()
    threshold = FixedThresholdClassifier(XGBClassifier(**XGB), threshold=0.3).fit(X, CLASSES > 0)
    inside = TensorizedEstimator(threshold.estimator_).shap_values(X)
    assert TensorizedEstimator(threshold).shap_values(X).tobytes() == inside.tobytes()


def test_selected_columns_have_the_values():
    model = RFE(light(), n_features_to_select=2).fit(X, Y)
    found = TensorizedEstimator(model).shap_values(X)
    assert found.shape == (len(X), 2)
    assert found.tobytes() == TensorizedEstimator(model.estimator_).shap_values(model.transform(X)).tobytes()


REFUSED = {
    "stacking": lambda: ensemble.StackingRegressor([("a", light()), ("b", trees())], cv=2).fit(X, Y),
    "calibration": lambda: CalibratedClassifierCV(classes(), cv=2).fit(X, CLASSES),
    "chain": lambda: multioutput.RegressorChain(light()).fit(X, np.c_[Y, X[:, 3]]),
    "transformed_target": lambda: TransformedTargetRegressor(light(), func=np.cbrt, inverse_func=cube).fit(X, Y),
    "hard_votes": lambda: ensemble.VotingClassifier([("a", classes()), ("b", classes())]).fit(X, CLASSES),
    "pairs_of_classes": lambda: multiclass.OneVsOneClassifier(classes()).fit(X, CLASSES),
    "classes_without_scores": lambda: multiclass.OneVsRestClassifier(XGBClassifier(**XGB)).fit(X, CLASSES),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_answers_are_refused_by_name(name):
    model = REFUSED[name]()
    with pytest.raises(UnsupportedModelError, match=f"of this {type(model).__name__}: its answer is no weighted sum"):
        TensorizedEstimator(model).shap_values(X)


def test_probabilities_that_are_no_raw_scores_are_refused():
    model = ensemble.VotingClassifier([("a", classes()), ("b", XGBClassifier(**XGB))], voting="soft").fit(X, CLASSES)
    with pytest.raises(UnsupportedModelError, match=r"predict_proba of estimators_\[1\] gives, which is no raw score"):
        TensorizedEstimator(model).shap_values(X)
    counts = ensemble.VotingRegressor([("a", light(objective="poisson")), ("b", trees())]).fit(X, np.abs(Y))
    with pytest.raises(UnsupportedModelError, match=r"predict of estimators_\[0\] gives, which is no raw score"):
        TensorizedEstimator(counts).shap_values(X)


def test_models_that_are_not_supported_are_named():
    model = ensemble.VotingRegressor([("a", light()), ("b", LinearRegression())]).fit(X, Y)
    with pytest.raises(UnsupportedModelError, match="its LinearRegression is supported by nothing here"):
        TensorizedEstimator(model).shap_values(X)


def test_subclasses_with_answers_of_their_own_are_refused():
    class Doubled(ensemble.VotingRegressor):
        def predict(self, X):
            return 2 * super().predict(X)

    model = Doubled([("a", light()), ("b", trees())]).fit(X, Y)
    with pytest.raises(UnsupportedModelError, match="of this Doubled"):
        TensorizedEstimator(model).shap_values(X)


def test_a_wrapper_around_a_wrapper_explains_as_the_inner_one():
    inner = TensorizedEstimator(XGBRegressor(**XGB)).fit(X, Y, sample_weight=WEIGHTS)
    assert TensorizedEstimator(inner).shap_values(X).tobytes() == inner.shap_values(X).tobytes()
    assert TensorizedEstimator(TensorizedEstimator(lgb())).contributions(X).dtype == np.float64
