"""Quantile regression forests of quantile-forest against the library."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from agreement import same_bits
from further_libraries import as_frame, hurting_rows, same_errors, same_in
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest, tensorize

quantile_forest = pytest.importorskip("quantile_forest")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 5)).astype(np.float32).astype(np.float64)
Y = 3 * X[:, 0] + RNG.normal(size=300)
TWO = np.stack([Y, -(Y**2)], axis=1)
FEW = {"n_estimators": 12, "random_state": 0}

MODELS = {
    "random forest": (quantile_forest.RandomForestQuantileRegressor(**FEW), Y),
    "extra trees": (quantile_forest.ExtraTreesQuantileRegressor(**FEW), Y),
    "two targets": (quantile_forest.RandomForestQuantileRegressor(**FEW), TWO),
    "all samples of a leaf": (quantile_forest.RandomForestQuantileRegressor(max_samples_leaf=None, **FEW), Y),
    "some samples of a leaf": (
        quantile_forest.ExtraTreesQuantileRegressor(max_samples_leaf=3, min_samples_leaf=5, **FEW),
        TWO,
    ),
    "max_samples_leaf=1.0": (quantile_forest.RandomForestQuantileRegressor(max_samples_leaf=1.0, **FEW), Y),
    "default quantiles": (quantile_forest.RandomForestQuantileRegressor(default_quantiles=[0.1, 0.9], **FEW), Y),
    "monotonic": (quantile_forest.RandomForestQuantileRegressor(monotonic_cst=[1, 0, 0, 0, -1], **FEW), Y),
    "without bootstrap": (quantile_forest.ExtraTreesQuantileRegressor(bootstrap=False, **FEW), Y),
}
QUANTILES = (None, "mean", 0.5, 0, 1, [0.1, 0.5, 0.9], [0.9, 0.1], ["mean"])


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    model, y = MODELS[request.param]
    return clone(model).fit(X, y), y


@pytest.fixture(scope="module")
def model():
    return quantile_forest.RandomForestQuantileRegressor(**FEW).fit(X, Y)


@pytest.mark.parametrize("quantiles", QUANTILES, ids=str)
def test_quantiles_are_the_librarys(case, quantiles):
    same_in(case[0], ["predict"], hurting_rows(case[0]), quantiles=quantiles)


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_every_interpolation_is_the_librarys(case, interpolation):
    same_in(case[0], ["predict"], hurting_rows(case[0]), quantiles=[0.05, 0.5], interpolation=interpolation)


@pytest.mark.parametrize(
    "how",
    [
        {"weighted_quantile": False},
        {"weighted_leaves": True},
        {"aggregate_leaves_first": False},
        {"weighted_quantile": False, "aggregate_leaves_first": False, "weighted_leaves": True},
    ],
    ids=str,
)
def test_ways_of_weighting_are_the_librarys(case, how):
    same_in(case[0], ["predict"], hurting_rows(case[0]), quantiles=[0.3], **how)


def test_ranks_proximities_leaves_and_scores_are_the_librarys(case):
    model, y = case
    fast = TensorizedEstimator(model)
    for rows in (slice(None), slice(0, 1), slice(5, 12)):
        same_bits(fast.quantile_ranks(X[rows], y[rows]), model.quantile_ranks(X[rows], y[rows]))
        same_bits(fast.quantile_ranks(X[rows], y[rows], kind="mean"), model.quantile_ranks(X[rows], y[rows], "mean"))
        assert fast.proximity_counts(X[rows]) == model.proximity_counts(X[rows])
        assert fast.proximity_counts(X[rows], 3) == model.proximity_counts(X[rows], max_proximities=3)
        same_bits(fast.apply(X[rows]), model.apply(X[rows]))
    if y.ndim == 1 and model.default_quantiles is None:
        assert fast.score(X, y) == model.score(X, y)
        assert fast.score(X, y, quantiles=0.9) == model.score(X, y, quantiles=0.9)


def test_quantiles_of_rows_out_of_bag_are_the_librarys(model):
    fast = TensorizedEstimator(model)
    for given in ({}, {"indices": list(range(300))}):
        same_bits(
            fast.predict(X, quantiles=[0.2, 0.8], oob_score=True, **given),
            model.predict(X, quantiles=[0.2, 0.8], oob_score=True, **given),
        )
    same_bits(fast.quantile_ranks(X, Y, oob_score=True), model.quantile_ranks(X, Y, oob_score=True))


def test_a_wrapper_that_was_fitted_itself_predicts_quantiles():
    fast = TensorizedEstimator(quantile_forest.RandomForestQuantileRegressor(**FEW)).fit(as_frame(X), Y)
    same_bits(fast.predict(as_frame(X), quantiles=[0.2]), fast.estimator_.predict(as_frame(X), quantiles=[0.2]))
    with pytest.raises(ValueError, match="feature names"):
        fast.predict(as_frame(X).iloc[:, ::-1])
    fast.estimator_.set_params(random_state=1).fit(as_frame(X), Y)
    same_bits(fast.predict(as_frame(X)), fast.estimator_.predict(as_frame(X)))


def test_parameters_count_that_the_library_reads_when_it_predicts(model):
    model = clone(model).fit(X, Y)
    fast = TensorizedEstimator(model)
    fast.predict(X)
    model.set_params(default_quantiles=0.25, n_estimators=5)
    same_bits(fast.predict(X), model.predict(X))


def test_what_is_inside_searches_and_frozen_predicts_quantiles(model):
    frozen = TensorizedEstimator(FrozenEstimator(model))
    same_bits(frozen.predict(X, quantiles=[0.2]), model.predict(X, quantiles=[0.2]))
    twice = TensorizedEstimator(TensorizedEstimator(model))
    same_bits(twice.predict(X, quantiles=[0.2]), model.predict(X, quantiles=[0.2]))
    search = GridSearchCV(quantile_forest.RandomForestQuantileRegressor(**FEW), {"max_depth": [3]}, cv=2).fit(X, Y)
    same_bits(TensorizedEstimator(search).predict(X), search.predict(X))


def test_tensors_are_answered_by_arrays_as_everywhere(model):
    same_bits(TensorizedEstimator(model).predict(torch.from_numpy(X), quantiles=[0.2]), model.predict(X, [0.2]))


def test_what_the_library_refuses_is_refused(model):
    fast = TensorizedEstimator(model)
    same_errors(model, "predict", hurting_rows(model), quantiles=[0.5])
    for quantiles in ([1.5], "median", (0.1, 0.9)):
        with pytest.raises(ValueError, match=r"must be in the range \[0, 1\]"):
            model.predict(X, quantiles=quantiles)
        with pytest.raises(ValueError, match=r"must be in the range \[0, 1\]"):
            fast.predict(X, quantiles=quantiles)
    for asked in (model, fast):
        with pytest.raises(TypeError):
            asked.predict(csr_array(X))
        with pytest.raises(ValueError):
            asked.predict(X, quantiles=0.5, interpolation="nonsense")
    with pytest.raises(TypeError, match="nonsense"):
        fast.predict(X, nonsense=1)


def test_what_nothing_here_can_do_is_refused_by_name(model, tmp_path):
    fast = TensorizedEstimator(model)
    with pytest.raises(UnsupportedModelError, match="RandomForestQuantileRegressor makes predict of more"):
        sktensor.save(fast, tmp_path / "forest.safetensors")
    with pytest.raises(ValueError, match="no raw scores"):
        fast.predict_raw(X)
    with pytest.raises(UnsupportedModelError, match="Use output='leaf'"):
        tensorize(model)
    with pytest.raises(AttributeError, match="decision_path"):
        fast.decision_path(X)
    with pytest.raises(UnsupportedModelError, match="replaces predict"):
        extract_forest(type("Mine", (type(model),), {"predict": lambda self, X: X})(n_estimators=1).fit(X, Y))


def test_modules_give_leaves(model):
    leaves = tensorize(model, output="leaf")(torch.from_numpy(X)).numpy()
    same_bits(leaves, model.apply(X))
    assert extract_forest(model).trees.aggregate == "per_tree"
