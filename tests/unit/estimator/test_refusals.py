"""What an estimator refuses, and that it says what to do instead."""

from __future__ import annotations

import warnings

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
from agreement import same_bits
from catboost import CatBoostClassifier
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from sktensor import TensorizedEstimator, UnsupportedModelError, tensorize

X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:100, :4], Y[:100]


@pytest.fixture(scope="module")
def forest():
    """A fitted forest."""
    return RandomForestClassifier(n_estimators=3, max_depth=3, random_state=0).fit(X, Y)


@pytest.mark.parametrize(
    ("container", "said"),
    [
        (lambda: catboost.Pool(X), "catboost.Pool.*array or data frame"),
        (lambda: xgboost.DMatrix(X), "xgboost.DMatrix.*array or data frame"),
        (lambda: xgboost.QuantileDMatrix(X), "xgboost.QuantileDMatrix.*array or data frame"),
        (lambda: lightgbm.Dataset(X), "lightgbm.Dataset.*array or data frame"),
        (lambda: {"a": [1.0]}, "X is a dict.*DataFrame"),
        (lambda: [{"a": 1.0}], "X is a list of dict.*DataFrame"),
    ],
)
def test_containers_that_are_no_rows_are_refused_with_what_to_give(forest, container, said):
    with pytest.raises(TypeError, match=said):
        TensorizedEstimator(forest).predict(container())


@pytest.mark.parametrize(
    ("given", "said"),
    [("model.json", "sktensor.load"), (RandomForestClassifier, r"Give RandomForestClassifier\("), (None, "NoneType")],
)
def test_what_is_no_model_is_refused_by_fit_and_has_no_predictions(given, said):
    with pytest.raises(TypeError, match=said):
        TensorizedEstimator(given).fit(X, Y)
    assert not hasattr(TensorizedEstimator(given), "predict_proba") or isinstance(given, type)


@pytest.mark.parametrize(
    ("argument", "value", "said"),
    [
        ("iteration_range", (0, 1), "iterations="),
        ("num_iteration", 1, "iterations="),
        ("ntree_end", 1, "iterations="),
        ("output_margin", True, "predict_raw"),
        ("raw_score", True, "predict_raw"),
        ("pred_leaf", True, r"apply\(X\)"),
        ("pred_contribs", True, r"contributions\(X\)"),
        ("thread_count", 2, "n_jobs"),
        ("nonsense", 1, "nonsense.*X and base_margin"),
    ],
)
def test_arguments_of_the_libraries_are_refused_with_what_there_is_instead(forest, argument, value, said):
    with pytest.raises(TypeError, match=rf"{argument}.*{said}|{said}"):
        TensorizedEstimator(forest).predict(X, **{argument: value})


def test_redundant_arguments_are_accepted():
    bare = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, Y)
    fast = TensorizedEstimator(bare)
    same_bits(fast.predict(X, output_margin=False, iteration_range=None), bare.predict(X))
    with pytest.raises(TypeError, match="predict_raw"):
        fast.predict(X, output_margin=1)


def test_a_regressor_says_that_it_has_no_probabilities():
    with pytest.raises(AttributeError, match=r"RandomForestRegressor is a regressor.*Use predict"):
        TensorizedEstimator(RandomForestRegressor()).predict_proba  # noqa: B018


def test_a_parameter_of_the_wrapped_model_is_named_with_its_prefix(forest):
    fast = TensorizedEstimator(forest)
    for call in (
        lambda: fast.set_params(max_depth=3),
        lambda: GridSearchCV(fast, {"max_depth": [1, 2]}, cv=2).fit(X, Y),
    ):
        with pytest.raises(ValueError, match="write estimator__max_depth"):
            call()
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'"):
        fast.set_params(nonsense=3)


@pytest.mark.parametrize(("n_rows", "error"), [(X, TypeError), (10.5, TypeError), (True, TypeError), (-1, ValueError)])
def test_a_plan_for_no_number_of_rows_is_refused(forest, n_rows, error):
    with pytest.raises(error, match=r"number of rows.*(Give len\(X\), 100|got)"):
        TensorizedEstimator(forest).explain_plan(n_rows)


def test_a_wrapped_pipeline_of_which_a_step_is_run_has_no_forest():
    fast = TensorizedEstimator(make_pipeline(PCA(2), RandomForestClassifier()).fit(X, Y))
    with pytest.raises(AttributeError, match="'pca' has to be run"):
        _ = fast.forest_


class Untrained:
    """A mix-in of models that must not be trained."""

    def fit(self, *args, **kwargs):
        raise AssertionError("was trained")


class NoSVC(Untrained, SVC):
    """Never trained."""


class NoMLP(Untrained, MLPClassifier):
    """Never trained."""


class NoLinear(Untrained, xgboost.XGBClassifier):
    """Never trained."""


@pytest.mark.parametrize("model", [NoSVC(), NoMLP(), NoLinear(booster="gblinear"), GridSearchCV(NoSVC(), {})], ids=str)
def test_a_model_that_cannot_be_supported_is_refused_before_it_is_trained(model):
    with pytest.raises(UnsupportedModelError):
        TensorizedEstimator(model).fit(X, Y)


# --- boosters, and parameters that scikit-learn cannot clone ---------------------------------------------------------


@pytest.fixture(params=["xgboost", "lightgbm"])
def booster(request):
    """A trained booster."""
    if request.param == "xgboost":
        return xgboost.train({"nthread": 1, "objective": "binary:logistic"}, xgboost.DMatrix(X, Y), 3)
    return lightgbm.train({"verbose": -1, "num_threads": 1, "objective": "binary"}, lightgbm.Dataset(X, Y), 3)


def test_a_wrapped_booster_predicts_the_values_of_its_module(booster):
    fast = TensorizedEstimator(booster)
    given = xgboost.DMatrix(X) if isinstance(booster, xgboost.Booster) else X
    raw = {"output_margin": True} if isinstance(booster, xgboost.Booster) else {"raw_score": True}
    same_bits(fast.predict(X), np.asarray(booster.predict(given)))
    same_bits(fast.predict_raw(X), np.asarray(booster.predict(given, **raw)))
    assert (fast.apply(X) == booster.predict(given, pred_leaf=True)).all()
    assert fast.explain_plan(10).n_rows == 10 and fast.n_features_in_ == 4
    assert clone(fast).estimator is booster and not hasattr(fast, "predict_proba")
    assert "Booster" in repr(fast)


def test_a_booster_comes_trained(booster):
    with pytest.raises(TypeError, match="comes trained"):
        TensorizedEstimator(booster).fit(X, Y)


def test_catboost_with_a_list_of_columns_is_cloned_searched_and_fitted():
    rows = X.astype(object)
    rows[:, 3] = [str(int(value) // 100) for value in X[:, 3]]
    settings = {"iterations": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    fast = TensorizedEstimator(CatBoostClassifier(cat_features=[3], **settings))
    copied = clone(fast)
    assert copied.estimator is not fast.estimator and copied.estimator.get_params() == fast.estimator.get_params()
    bare = CatBoostClassifier(cat_features=[3], depth=2, **settings).fit(rows, Y)
    found = GridSearchCV(fast, {"estimator__depth": [2]}, cv=2).fit(rows, Y)
    same_bits(found.predict_proba(rows), bare.predict_proba(rows))


def test_an_objective_that_is_a_function_is_warned_of_as_by_lightgbm():
    def logistic(truth, raw):
        p = 1.0 / (1.0 + np.exp(-raw))
        return p - truth, p * (1.0 - p)

    bare = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1, objective=logistic).fit(X, Y)
    for method in ("predict", "predict_proba"):
        said = []
        for est in (bare, TensorizedEstimator(bare)):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found = getattr(est, method)(X)
            said.append(([(w.category, str(w.message)) for w in caught], found.tobytes()))
        assert said[0] == said[1] and len(said[0][0]) == 1


def test_a_trace_of_circuits_is_refused_by_name(forest):
    torch = pytest.importorskip("torch")
    module = tensorize(forest, strategy="bitsliced")
    with pytest.raises(RuntimeError, match=r"torch\.jit\.trace.*torch\.export"):
        torch.jit.trace(module, torch.from_numpy(X))
