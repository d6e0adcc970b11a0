"""Ensembles and pipelines of imbalanced-learn against the library."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import same_bits
from further_libraries import as_frame, hurting_rows, same_errors, same_in
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest
from sktensor.estimator.composite import Composite
from sktensor.extractors.imblearn.model import without_samplers

pytest.importorskip("imblearn")
from imblearn import FunctionSampler
from imblearn.ensemble import (
    BalancedBaggingClassifier,
    BalancedRandomForestClassifier,
    EasyEnsembleClassifier,
    RUSBoostClassifier,
)
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline, make_pipeline
from imblearn.under_sampling import RandomUnderSampler

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
X, CLASSES = make_classification(
    400, 6, n_informative=4, n_redundant=0, n_classes=3, weights=[0.7, 0.2], random_state=0
)
X = X.astype(np.float32).astype(np.float64)
TARGETS = {"two classes": np.minimum(CLASSES, 1), "three classes": np.array(["a", "b", "c"])[CLASSES]}
FEW = {"n_estimators": 6, "random_state": 0}

# Those that are one forest, and those whose answers the library combines.
ONE_FOREST = {
    "balanced forest": BalancedRandomForestClassifier(**FEW),
    "balanced forest without replacement": BalancedRandomForestClassifier(bootstrap=True, replacement=False, **FEW),
    "balanced bagging": BalancedBaggingClassifier(**FEW),
    "balanced bagging in some columns": BalancedBaggingClassifier(max_features=0.5, bootstrap_features=True, **FEW),
    "balanced bagging with SMOTE": BalancedBaggingClassifier(sampler=SMOTE(), **FEW),
    "balanced bagging without resampling": BalancedBaggingClassifier(sampler=FunctionSampler(), **FEW),
    "RUSBoost": RUSBoostClassifier(DecisionTreeClassifier(max_depth=2), **FEW),
    "RUSBoost by probabilities": RUSBoostClassifier(DecisionTreeClassifier(max_depth=2), algorithm="SAMME.R", **FEW),
    "sampler and forest": Pipeline([("sample", SMOTE(random_state=0)), ("model", RandomForestClassifier(**FEW))]),
    "two samplers and boosting": make_pipeline(
        RandomOverSampler(random_state=0),
        RandomUnderSampler(random_state=0),
        "passthrough",
        HistGradientBoostingClassifier(max_iter=6, random_state=0),
    ),
    "sampler and balanced bagging": make_pipeline(RandomOverSampler(random_state=0), BalancedBaggingClassifier(**FEW)),
}
OF_MODELS = {
    "easy ensemble": EasyEnsembleClassifier(n_estimators=3, random_state=0),
    "easy ensemble of forests": EasyEnsembleClassifier(3, RandomForestClassifier(**FEW), random_state=0),
    "balanced bagging of boosting": BalancedBaggingClassifier(
        HistGradientBoostingClassifier(max_iter=4), 3, random_state=0
    ),
    "RUSBoost of forests": RUSBoostClassifier(RandomForestClassifier(**FEW), n_estimators=2, random_state=0),
    "bagging of pipelines": BaggingClassifier(
        make_pipeline(RandomUnderSampler(random_state=0), RandomForestClassifier(**FEW)), 3, random_state=0
    ),
    "voting of both": VotingClassifier(
        [("forest", BalancedRandomForestClassifier(**FEW)), ("bag", BalancedBaggingClassifier(**FEW))], voting="soft"
    ),
}


def fitted(model, y):
    with pytest.warns() if getattr(model, "algorithm", "") == "SAMME.R" else pytest.MonkeyPatch.context():
        return clone(model).fit(X, y)


@pytest.fixture(scope="module", params=TARGETS)
def y(request):
    return TARGETS[request.param]


@pytest.fixture(scope="module", params=ONE_FOREST)
def one_forest(request, y):
    return fitted(ONE_FOREST[request.param], y)


@pytest.fixture(scope="module", params=OF_MODELS)
def of_models(request, y):
    return fitted(OF_MODELS[request.param], y)


def had(model):
    return [method for method in METHODS if hasattr(model, method)]


def test_models_that_are_one_forest_give_the_librarys_answers(one_forest, y):
    same_in(one_forest, had(one_forest), hurting_rows(one_forest))
    fast = TensorizedEstimator(one_forest)
    assert had(fast) == had(one_forest)
    assert fast.score(X, y) == one_forest.score(X, y)
    assert not isinstance(fast._compiled(), Composite)
    if hasattr(one_forest, "apply"):
        same_bits(fast.apply(X), one_forest.apply(X))


def test_models_of_models_give_the_librarys_answers(of_models, y):
    rows = np.concatenate([X[:30], hurting_rows(ONE_FOREST["balanced forest"].fit(X, y))[:60]])
    same_in(of_models, had(of_models), np.nan_to_num(rows))
    fast = TensorizedEstimator(of_models)
    assert fast.score(X, y) == of_models.score(X, y)
    assert not any(submodel.refused for submodel in fast._compiled().submodels)


def test_models_that_are_one_forest_are_saved(one_forest, tmp_path):
    sktensor.save(TensorizedEstimator(one_forest), tmp_path / "model.safetensors")
    loaded = sktensor.load(tmp_path / "model.safetensors")
    for method in had(one_forest):
        same_bits(getattr(loaded, method)(X), getattr(one_forest, method)(X))


def test_wrappers_that_are_fitted_themselves_and_searched_answer_frames(y):
    for model in (ONE_FOREST["balanced bagging"], ONE_FOREST["sampler and forest"], OF_MODELS["easy ensemble"]):
        fast = TensorizedEstimator(model).fit(as_frame(X), y)
        same_bits(fast.predict_proba(as_frame(X)), fast.estimator_.predict_proba(as_frame(X)))
        with pytest.raises(ValueError, match="feature names"):
            fast.predict(as_frame(X).iloc[:, ::-1])
    grid = {"estimator__model__max_depth": [2, 3]}
    search = GridSearchCV(TensorizedEstimator(ONE_FOREST["sampler and forest"]), grid, cv=2).fit(X, y)
    same_bits(search.predict(X), search.best_estimator_.estimator_.predict(X))


def test_the_next_prediction_compiles_what_was_fitted_again(one_forest, y):
    model = fitted(one_forest, y)
    fast = TensorizedEstimator(model)
    fast.predict(X)
    with np.errstate(all="ignore"):
        model.fit(X[:300] + 1.0, y[:300])
    same_bits(fast.predict_proba(X), model.predict_proba(X))


def test_a_pipelines_last_step_may_be_of_any_library_with_its_own_rules(y):
    model = make_pipeline(RandomUnderSampler(random_state=0), XGBClassifier(n_estimators=4, n_jobs=1))
    model.fit(as_frame(X), np.unique(y, return_inverse=True)[1])
    rows = as_frame(np.where(X > 1.5, np.nan, X))
    same_bits(TensorizedEstimator(model).predict_proba(rows), model.predict_proba(rows))


def test_errors_are_raised_where_the_library_raises(y):
    for name in ("balanced forest", "balanced bagging", "RUSBoost", "sampler and forest"):
        same_errors(fitted(ONE_FOREST[name], y), "predict", X)


def test_what_is_not_supported_is_refused_by_name(y):
    with pytest.raises(UnsupportedModelError, match="SVC is not supported"):
        TensorizedEstimator(BalancedBaggingClassifier(SVC(), **FEW)).fit(X, y)
    with pytest.raises(UnsupportedModelError, match="SVC is not supported"):
        TensorizedEstimator(make_pipeline(RandomUnderSampler(), SVC())).fit(X, y)
    mine = type("Mine", (BalancedBaggingClassifier,), {"predict_proba": lambda self, X: X})
    with pytest.raises(UnsupportedModelError, match="replaces predict_proba"):
        extract_forest(mine(**FEW).fit(X, y))
    strange = type("Strange", (Pipeline,), {"predict": lambda self, X: X})
    with pytest.raises(UnsupportedModelError, match="replaces predict"):
        extract_forest(strange([("model", RandomForestClassifier(**FEW))]).fit(X, y))


def test_samplers_are_taken_out_of_pipelines():
    forest, scaler = RandomForestClassifier(), StandardScaler()
    assert without_samplers(make_pipeline(RandomUnderSampler(), "passthrough", forest)) is forest
    left = without_samplers(make_pipeline(scaler, RandomUnderSampler(), forest))
    assert [step for _, step in left.steps] == [scaler, forest]
    assert type(left).__module__.startswith("sklearn.")


def test_pipelines_at_the_end_of_which_is_an_adaboost_keep_its_rules(y):
    model = make_pipeline(RandomUnderSampler(random_state=0), AdaBoostClassifier(n_estimators=4)).fit(X, y)
    same_in(model, had(model), hurting_rows(model))
