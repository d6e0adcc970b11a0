"""Survival trees, forests and boosting of scikit-survival against the library."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from agreement import same_bits
from further_libraries import BATCHES, as_frame, hurting_rows, same_errors, same_in
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest, tensorize
from sktensor.testing import check_extractor

ensemble = pytest.importorskip("sksurv.ensemble")
tree = pytest.importorskip("sksurv.tree")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(250, 5)).astype(np.float32).astype(np.float64)
Y = np.empty(250, dtype=[("event", bool), ("time", float)])
Y["event"] = RNG.random(250) < 0.7
Y["time"] = np.ceil(200 * np.exp(X[:, 0]) * RNG.random(250)) + 1.0
WITH_GAPS = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
FUNCTIONS = ("predict_survival_function", "predict_cumulative_hazard_function")
FEW = {"n_estimators": 10, "random_state": 0}

FORESTS = {
    "survival forest": ensemble.RandomSurvivalForest(**FEW),
    "survival forest with missing values": ensemble.RandomSurvivalForest(**FEW),
    "extra survival trees": ensemble.ExtraSurvivalTrees(max_depth=4, **FEW),
    "survival tree": tree.SurvivalTree(max_depth=5, random_state=0),
    "extra survival tree": tree.ExtraSurvivalTree(random_state=0),
    "tree of one leaf": tree.SurvivalTree(min_samples_leaf=200),
}
LOW_MEMORY = {
    "survival forest": ensemble.RandomSurvivalForest(low_memory=True, **FEW),
    "extra survival trees": ensemble.ExtraSurvivalTrees(low_memory=True, **FEW),
    "survival tree": tree.SurvivalTree(low_memory=True, random_state=0),
}
BOOSTING = {
    "Cox": {},
    "Cox, dropout": {"dropout_rate": 0.3},
    "squared": {"loss": "squared"},
    "inverse probability": {"loss": "ipcwls", "subsample": 0.5},
    "inverse probability, dropout": {"loss": "ipcwls", "dropout_rate": 0.3},
}


@pytest.fixture(scope="module", params=FORESTS)
def forest(request):
    return clone(FORESTS[request.param]).fit(WITH_GAPS if "missing" in request.param else X, Y)


@pytest.fixture(scope="module", params=LOW_MEMORY)
def without_functions(request):
    return clone(LOW_MEMORY[request.param]).fit(X, Y)


@pytest.fixture(scope="module", params=BOOSTING)
def boosting(request):
    return ensemble.GradientBoostingSurvivalAnalysis(**FEW, **BOOSTING[request.param]).fit(X, Y)


def same_functions(ours, theirs):
    """Equal step functions in an array of them."""
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    for a, b in zip(ours, theirs, strict=True):
        assert type(a) is type(b) and (a.a, a.b, a.domain) == (b.a, b.b, b.domain)
        same_bits(np.asarray(a.x), np.asarray(b.x))
        same_bits(np.asarray(a.y), np.asarray(b.y))


def test_risk_scores_of_single_rows_and_of_many_are_the_librarys(forest):
    same_in(forest, ["predict"], hurting_rows(forest))
    fast = TensorizedEstimator(forest)
    for i in range(len(X)):
        same_bits(fast.predict(X[i : i + 1]), forest.predict(X[i : i + 1]))


def test_a_single_row_is_added_up_otherwise_than_many():
    """Without this, a forest of one table would do."""
    forest = clone(FORESTS["survival forest"]).fit(X, Y)
    one_by_one = np.concatenate([forest.predict(row[None]) for row in X])
    assert (one_by_one != forest.predict(X)).any()
    np.testing.assert_allclose(one_by_one, forest.predict(X), rtol=1e-12)


@pytest.mark.parametrize("method", FUNCTIONS)
def test_functions_of_time_are_the_librarys(forest, method):
    same_in(forest, [method], hurting_rows(forest), return_array=True)
    fast = TensorizedEstimator(forest)
    for batch in BATCHES[1:4]:
        same_functions(getattr(fast, method)(X[batch]), getattr(forest, method)(X[batch]))


def test_leaves_and_scores_of_forests_are_the_librarys(forest):
    fast = TensorizedEstimator(forest)
    same_bits(fast.apply(X), forest.apply(X.astype(np.float32)))
    assert fast.score(X, Y) == forest.score(X, Y)


def test_forests_without_functions_refuse_them_as_the_library_does(without_functions, tmp_path):
    model, fast = without_functions, TensorizedEstimator(without_functions)
    same_in(model, ["predict"], hurting_rows(model))
    for method in FUNCTIONS:
        for asked in (model, fast):
            with pytest.raises(NotImplementedError, match="not implemented in low memory mode"):
                getattr(asked, method)(X)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_forests_of_several_jobs_add_up_in_the_order_of_their_trees(n_jobs):
    model = ensemble.RandomSurvivalForest(n_jobs=n_jobs, **FEW).fit(X, Y)
    alone = clone(model).set_params(n_jobs=None).fit(X, Y)
    same_bits(TensorizedEstimator(model).predict(X), alone.predict(X))


def test_boosting_gives_the_librarys_scores(boosting):
    rows = hurting_rows(boosting)
    same_in(boosting, ["predict", "apply"], rows)
    fast = TensorizedEstimator(boosting)
    same_bits(fast.predict_raw(rows), boosting._raw_predict(np.ascontiguousarray(rows, dtype=np.float32)))
    assert fast.score(X, Y) == boosting.score(X, Y)
    check_extractor(boosting, X)


@pytest.mark.parametrize("method", FUNCTIONS)
def test_functions_of_boosting_are_the_librarys(boosting, method):
    fast = TensorizedEstimator(boosting)
    if boosting.loss == "coxph":
        same_in(boosting, [method], X, return_array=True)
        same_functions(getattr(fast, method)(X[:4]), getattr(boosting, method)(X[:4]))
        return
    for asked in (boosting, fast):
        with pytest.raises(ValueError, match="loss option set to 'coxph'"):
            getattr(asked, method)(X)


def test_a_wrapper_that_was_fitted_itself_has_all_methods():
    unfitted = TensorizedEstimator(ensemble.RandomSurvivalForest(**FEW))
    assert all(hasattr(unfitted, name) for name in (*FUNCTIONS, "predict", "score"))
    fast = clone(unfitted).fit(as_frame(X), Y)
    same_bits(fast.predict(as_frame(X)), fast.estimator_.predict(as_frame(X)))
    same_bits(
        fast.predict_survival_function(as_frame(X), return_array=True),
        fast.estimator_.predict_survival_function(as_frame(X), return_array=True),
    )
    with pytest.raises(ValueError, match="feature names"):
        fast.predict_survival_function(as_frame(X).iloc[:, ::-1])
    fast.estimator_.set_params(random_state=1).fit(as_frame(X), Y)
    for batch in (slice(0, 1), slice(None)):
        rows = as_frame(X[batch])
        same_bits(fast.predict(rows), fast.estimator_.predict(rows))
        same_bits(
            fast.predict_cumulative_hazard_function(rows, return_array=True),
            fast.estimator_.predict_cumulative_hazard_function(rows, return_array=True),
        )


def test_what_is_frozen_wrapped_or_searched_answers_single_rows_as_the_library():
    model = ensemble.RandomSurvivalForest(**FEW).fit(X, Y)
    search = GridSearchCV(ensemble.RandomSurvivalForest(**FEW), {"max_depth": [4]}, cv=2).fit(X, Y)
    for inside, whole in ((model, FrozenEstimator(model)), (model, TensorizedEstimator(model)), (search, search)):
        fast = TensorizedEstimator(whole)
        for i in range(40):
            same_bits(fast.predict(X[i : i + 1]), inside.predict(X[i : i + 1]))
    frozen = TensorizedEstimator(FrozenEstimator(model))
    same_bits(
        frozen.predict_survival_function(X, return_array=True), model.predict_survival_function(X, return_array=True)
    )


def test_saved_boosting_predicts_and_saved_forests_are_refused(boosting, tmp_path):
    sktensor.save(TensorizedEstimator(boosting), tmp_path / "boosting.safetensors")
    loaded = sktensor.load(tmp_path / "boosting.safetensors")
    same_bits(loaded.predict(X), boosting.predict(X))
    assert not hasattr(loaded, "predict_survival_function") and not hasattr(loaded, "score")
    forest = TensorizedEstimator(clone(FORESTS["survival forest"]).fit(X, Y))
    with pytest.raises(UnsupportedModelError, match="RandomSurvivalForest makes predict of more"):
        sktensor.save(forest, tmp_path / "forest.safetensors")


def test_modules_give_the_scores_of_many_rows(forest, boosting):
    rows = torch.from_numpy(X)
    same_bits(tensorize(forest)(rows).numpy(), forest.predict(X))
    same_bits(tensorize(boosting, output="raw")(rows).numpy(), TensorizedEstimator(boosting).predict_raw(X))


def test_rows_that_the_library_refuses_are_refused(forest, boosting):
    same_errors(forest, "predict", X)
    same_errors(forest, "predict_survival_function", X)
    same_errors(boosting, "predict", X)
    for asked in (boosting, TensorizedEstimator(boosting)):
        with pytest.raises(ValueError, match="NaN"):
            asked.predict(WITH_GAPS)


def test_what_is_not_supported_is_refused_by_name(boosting):
    for model in (
        ensemble.ComponentwiseGradientBoostingSurvivalAnalysis(),
        pytest.importorskip("sksurv.linear_model").CoxPHSurvivalAnalysis(),
    ):
        with pytest.raises(UnsupportedModelError, match=f"{type(model).__name__} is not supported"):
            TensorizedEstimator(model).fit(X, Y)
    with pytest.raises(AttributeError, match=r"Call estimator_\.staged_predict"):
        TensorizedEstimator(boosting).staged_predict(X)
    with pytest.raises(TypeError, match="rows are always checked"):
        TensorizedEstimator(tree.SurvivalTree().fit(X, Y)).predict(X, check_input=False)
    mine = type("Mine", (ensemble.RandomSurvivalForest,), {"predict": lambda self, X: X})
    with pytest.raises(UnsupportedModelError, match="replaces predict"):
        extract_forest(mine(n_estimators=1).fit(X, Y))
