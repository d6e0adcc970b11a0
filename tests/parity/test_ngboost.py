"""NGBoost against the library: parameters of distributions, and what is made of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from agreement import same_bits
from further_libraries import as_frame, hurting_rows, same_errors, same_in
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest, tensorize
from sktensor.testing import check_extractor

pytest.importorskip("ngboost")
from ngboost import NGBClassifier, NGBRegressor, NGBSurvival
from ngboost.distns import (
    Bernoulli,
    Exponential,
    Gamma,
    Laplace,
    LogNormal,
    MultivariateNormal,
    Normal,
    Poisson,
    T,
    k_categorical,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 5)).astype(np.float32).astype(np.float64)
Y = np.exp(X[:, 0] + 0.3 * RNG.normal(size=200))
EVENT = (X[:, 1] > -0.5).astype(int)
FEW = {"n_estimators": 12, "verbose": False, "random_state": 0}

MODELS = {
    "normal": (NGBRegressor, {"Dist": Normal}, (Y,)),
    "normal, some rows and columns": (NGBRegressor, {"minibatch_frac": 0.7, "col_sample": 0.5}, (Y,)),
    "Laplace": (NGBRegressor, {"Dist": Laplace}, (Y,)),
    "log-normal": (NGBRegressor, {"Dist": LogNormal}, (Y,)),
    "exponential": (NGBRegressor, {"Dist": Exponential}, (Y,)),
    "gamma": (NGBRegressor, {"Dist": Gamma}, (Y,)),
    "Poisson": (NGBRegressor, {"Dist": Poisson}, (Y.astype(int),)),
    "Student's t, extra trees": (NGBRegressor, {"Dist": T, "Base": ExtraTreeRegressor(max_depth=3)}, (Y,)),
    "two learners": (
        NGBRegressor,
        {"Base": [DecisionTreeRegressor(max_depth=2), ExtraTreeRegressor(max_depth=3, random_state=0)]},
        (Y,),
    ),
    "two normal targets": (NGBRegressor, {"Dist": MultivariateNormal(2)}, (np.stack([Y, X[:, 1]], axis=1),)),
    "two classes": (NGBClassifier, {"Dist": Bernoulli}, ((Y > 1).astype(int),)),
    "four classes": (NGBClassifier, {"Dist": k_categorical(4), "col_sample": 0.5}, (np.arange(200) % 4,)),
    "survival, log-normal": (NGBSurvival, {"Dist": LogNormal}, (Y, EVENT)),
    "survival, exponential": (NGBSurvival, {"Dist": Exponential}, (Y, EVENT)),
}
CONFORM = ("normal", "normal, some rows and columns", "Laplace", "two learners", "two classes", "four classes")


def fitted(name):
    kind, parameters, target = MODELS[name]
    return kind(**FEW, **parameters).fit(X, *target)


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    return request.param, fitted(request.param)


def test_predictions_and_parameters_are_the_librarys(case):
    model = case[1]
    rows = hurting_rows(model)
    same_in(model, ["predict", *(["predict_proba"] if hasattr(model, "predict_proba") else [])], rows)
    fast = TensorizedEstimator(model)
    for batch in (rows, rows[:1], rows[:3]):
        same_bits(fast.pred_param(batch), np.asarray(model.pred_param(batch)))


def test_distributions_are_the_librarys(case):
    model, fast = case[1], TensorizedEstimator(case[1])
    for batch in (X, X[:1]):
        ours, theirs = fast.pred_dist(batch), model.pred_dist(batch)
        assert type(ours) is type(theirs)
        same_bits(ours._params, theirs._params)
        same_bits(np.asarray(ours.predict()), np.asarray(theirs.predict()))


def test_fewer_rounds_are_the_librarys(case):
    model, fast = case[1], TensorizedEstimator(case[1])
    for max_iter in (None, 0, 3, 12, 100):
        same_bits(fast.pred_param(X, max_iter=max_iter), np.asarray(model.pred_param(X, max_iter=max_iter)))
        same_bits(fast.pred_dist(X, max_iter)._params, model.pred_dist(X, max_iter)._params)


def test_the_score_is_the_librarys(case):
    name, model = case
    target = MODELS[name][2]
    if len(target) == 1:
        assert TensorizedEstimator(model).score(X, *target) == model.score(X, *target)
        return
    with pytest.raises(Exception) as theirs:  # survival models cannot score times
        model.score(X, target[0])
    with pytest.raises(type(theirs.value)):
        TensorizedEstimator(model).score(X, target[0])


def test_a_wrapper_that_was_fitted_itself_predicts(case):
    kind, parameters, (target, *event) = MODELS[case[0]]
    given = {"E": event[0]} if event else {}
    fast = clone(TensorizedEstimator(kind(**FEW, **parameters))).fit(X, target, **given)
    same_bits(fast.predict(X), fast.estimator_.predict(X))
    with pytest.raises(NotFittedError):
        clone(fast).predict(X)


@pytest.mark.parametrize("name", CONFORM)
def test_what_a_forest_answers_conforms(name):
    check_extractor(fitted(name), X)


@pytest.mark.parametrize("name", CONFORM)
def test_what_a_forest_answers_is_saved(name, tmp_path):
    model = fitted(name)
    sktensor.save(TensorizedEstimator(model), tmp_path / "model.safetensors")
    loaded = sktensor.load(tmp_path / "model.safetensors")
    same_bits(loaded.predict(X), model.predict(X))
    assert not hasattr(loaded, "pred_dist")


def test_modules_give_parameters_and_means(case):
    name, model = case
    rows, params = torch.from_numpy(X), np.asarray(model.pred_param(X))
    raw = tensorize(model, output="raw")(rows).numpy()
    same_bits(np.ascontiguousarray(raw[:, -params.shape[1] :]), params)
    if name not in CONFORM:
        with pytest.raises(ValueError, match="Use 'raw'"):
            tensorize(model)


def test_a_location_is_no_mean_where_the_scale_is_none():
    """Where a scale overflows or vanishes, the library's mean is NaN; -0.0 becomes 0.0."""
    model = fitted("normal")
    for trees in model.base_models[-1:]:
        trees[1].tree_.value[:] = np.array([-1e6, 1e6, 0.0] * 100)[: trees[1].tree_.node_count, None, None]
    with np.errstate(over="ignore", invalid="ignore"):
        expected = model.predict(X)
        assert np.isnan(expected).any() and not np.isnan(expected).all()
        same_bits(TensorizedEstimator(model, verify=False).predict(X), expected)


def test_frames_are_read_by_position():
    model = fitted("gamma")
    with pytest.warns(UserWarning, match="fitted without feature names"):
        same_bits(TensorizedEstimator(model).predict(as_frame(X)), model.predict(as_frame(X)))


def test_the_next_prediction_compiles_what_was_trained_further():
    model = fitted("normal")
    fast = TensorizedEstimator(model)
    fast.predict(X)
    model.partial_fit(X, Y)
    same_bits(fast.predict(X), model.predict(X))


def test_what_the_library_refuses_is_refused():
    for name in ("normal", "gamma", "four classes"):
        same_errors(fitted(name), "predict", X)
        for asked in (fitted(name), TensorizedEstimator(fitted(name))):
            for text in (X.astype(str), X.astype(str).tolist()):
                with pytest.raises(ValueError):
                    asked.predict(text)


def test_what_is_not_supported_is_refused_by_name(tmp_path):
    with pytest.raises(NotFittedError, match="not fitted"):
        extract_forest(NGBRegressor(**FEW))
    with pytest.raises(UnsupportedModelError, match="Base=Ridge is not supported"):
        extract_forest(NGBRegressor(Base=Ridge(), **FEW).fit(X, Y))
    model = fitted("gamma")
    with pytest.raises(UnsupportedModelError, match="NGBRegressor makes predict of more"):
        sktensor.save(TensorizedEstimator(model), tmp_path / "model.safetensors")
    with pytest.raises(AttributeError, match=r"Call estimator_\.staged_predict"):
        TensorizedEstimator(model).staged_predict(X)
    with pytest.raises(TypeError, match="max_iter"):
        TensorizedEstimator(fitted("normal")).predict(X, max_iter=2)
    mine = type("Mine", (NGBRegressor,), {"predict": lambda self, X: X})
    with pytest.raises(UnsupportedModelError, match="replaces predict"):
        extract_forest(mine(**FEW).fit(X, Y))
