"""A wrapped pipeline in the pipeline's place: fits, parameters, copies, searches and meta-estimators around it."""

from __future__ import annotations

import copy
import io
import pickle
import threading

import joblib
import numpy as np
import pytest
import sklearn
from agreement import same_bits
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imbalanced_pipeline
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator
from small_pipelines import WEIGHT, X, Y, folded_kinds, pipeline, xgboost
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator, UnsupportedModelError, VerificationError, extract_forest
from sktensor.forest.views import BinView
from sktensor.pipelines import folding

# --- other fits -----------------------------------------------------------------------------------------------------


def branches():
    inside = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", inside, [2, 4])])


REFITS = {
    "the pipeline": lambda whole: whole.set_params(clf__max_depth=1).fit(X[:150], 1 - Y[:150]),
    "its first step": lambda whole: whole[0].fit(X * 3 + 1),
    "another step in its place": lambda whole: whole.set_params(scale=StandardScaler().fit(X * 5)),
    "a parameter that transform looks at": lambda whole: whole[0].set_params(with_mean=False),
    "its last step": lambda whole: whole[-1].fit(X, Y ^ (X[:, 1] > 5)),
}


@pytest.mark.parametrize("refit", REFITS)
def test_another_fit_in_place_is_noticed(refit):
    whole = pipeline().fit(X, Y)
    fast = TensorizedEstimator(whole)
    before = fast.predict_proba(X)
    REFITS[refit](whole)
    same_bits(whole.predict_proba(X), fast.predict_proba(X))
    assert before.tobytes() != fast.predict_proba(X).tobytes()


def test_another_fit_of_a_branch_is_noticed():
    whole = Pipeline([("columns", branches()), ("clf", xgboost())]).fit(X, Y)
    fast = TensorizedEstimator(whole)
    before = fast.predict_proba(X)
    whole[0].named_transformers_["b"][1].fit(X[:, [2, 4]] * 3 + 1)
    same_bits(whole.predict_proba(X), fast.predict_proba(X))
    assert before.tobytes() != fast.predict_proba(X).tobytes()


def test_another_fit_in_a_frozen_step_is_noticed():
    scaler = StandardScaler().fit(X)
    whole = make_pipeline(FrozenEstimator(scaler), xgboost()).fit(X, Y)
    fast = TensorizedEstimator(whole)
    before = fast.predict_proba(X)
    scaler.fit(X * 3 + 1)
    same_bits(whole.predict_proba(X), fast.predict_proba(X))
    assert before.tobytes() != fast.predict_proba(X).tobytes()


def test_another_fit_of_a_step_that_is_run_is_noticed():
    whole = make_pipeline(PCA(2), xgboost()).fit(X, Y)
    fast = TensorizedEstimator(whole)
    fast.predict_proba(X)
    whole[0].fit(X * [1, 2, 3, 4, 5] + 1)
    same_bits(whole.predict_proba(X), fast.predict_proba(X))


def test_steps_are_not_folded_again_without_another_fit():
    fast = TensorizedEstimator(pipeline().fit(X, Y))
    fast.predict(X)
    program = fast._compiled()
    fast.predict(X[:1]), fast.predict_proba(X)
    assert fast._compiled() is program


def test_parameters_of_steps():
    fast = TensorizedEstimator(pipeline()).fit(X, Y)
    before = fast.predict_proba(X)
    fast.set_params(estimator__clf__max_depth=1)
    same_bits(before, fast.predict_proba(X))  # until the next fit
    fast.fit(X, Y)
    assert fast.estimator_[-1].max_depth == 1
    same_bits(pipeline().set_params(clf__max_depth=1).fit(X, Y).predict_proba(X), fast.predict_proba(X))


def test_threads_that_predict_while_another_fits():
    fast = TensorizedEstimator(pipeline()).fit(X, Y)
    fits = [pipeline().fit(X, Y), pipeline().fit(X * 2 + 1, 1 - Y)]
    allowed = {one.predict_proba(X).tobytes() for one in fits}
    assert len(allowed) == 2
    wrong, done = [], threading.Event()

    def predict():
        while not done.is_set():
            if fast.predict_proba(X).tobytes() not in allowed:
                wrong.append(True)

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for i in range(10):
            fast.fit(X * 2 + 1 if i % 2 else X, 1 - Y if i % 2 else Y)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not wrong


# --- copies and meta-estimators -------------------------------------------------------------------------------------


def test_clones_are_not_fitted():
    fast = TensorizedEstimator(pipeline()).fit(X, Y)
    copied = clone(fast)
    with pytest.raises(NotFittedError):
        copied.predict(X)
    same_bits(fast.predict_proba(X), copied.fit(X, Y).predict_proba(X))


def _joblib(fast):
    file = io.BytesIO()
    joblib.dump(fast, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, copy.copy, _joblib, lambda fast: pickle.loads(pickle.dumps(fast))],
    ids=["deepcopy", "copy", "joblib", "pickle"],
)  # fmt: skip
def test_copies_fold_anew(copied):
    fast = TensorizedEstimator(pipeline()).fit(X, Y)
    again = copied(fast)
    same_bits(fast.predict_proba(X), again.predict_proba(X))
    assert folded_kinds(again) == ["d"]


def test_frozen_pipelines():
    whole = pipeline().fit(X, Y)
    expected = whole.predict_proba(X)
    fast = TensorizedEstimator(FrozenEstimator(whole))
    same_bits(expected, fast.predict_proba(X))
    same_bits(expected, clone(fast).predict_proba(X))
    same_bits(expected, fast.fit(X[:10], 1 - Y[:10]).predict_proba(X))
    same_bits(expected, clone(FrozenEstimator(TensorizedEstimator(whole))).predict_proba(X))
    assert fast._compiled().submodels[0].refused == ""
    same_bits(extract_forest(FrozenEstimator(whole)).trees.threshold, extract_forest(whole).trees.threshold)


def test_search_over_a_wrapped_pipeline():
    def scores(search):
        return search.fit(X, Y).cv_results_["mean_test_score"]

    grid = {"clf__max_depth": [1, 3], "scale": [StandardScaler(), "passthrough"]}
    ours = GridSearchCV(TensorizedEstimator(pipeline()), {f"estimator__{name}": v for name, v in grid.items()}, cv=2)
    same_bits(scores(GridSearchCV(pipeline(), grid, cv=2)), scores(ours))


def test_a_wrapped_search_over_a_pipeline():
    fast = TensorizedEstimator(GridSearchCV(pipeline(), {"clf__max_depth": [1, 3]}, cv=2)).fit(X, Y)
    same_bits(fast.estimator_.predict_proba(X), fast.predict_proba(X))
    assert fast.score(X, Y) == fast.estimator_.score(X, Y)
    assert folded_kinds(fast._compiled().submodels[0].estimator) == ["d"]


META = {
    "voting": lambda make: VotingClassifier([("a", make()), ("b", make())], voting="soft"),
    "stacking": lambda make: StackingClassifier([("a", make()), ("b", make())], final_estimator=xgboost(), cv=2),
    "bagging": lambda make: BaggingClassifier(make(), n_estimators=2, random_state=0),
    "bagging of columns": lambda make: BaggingClassifier(make(), n_estimators=2, random_state=0, max_features=3),
    "calibration": lambda make: CalibratedClassifierCV(make(), cv=2),
}


@pytest.mark.parametrize("meta", META)
def test_meta_estimators_of_pipelines(meta):
    bare = META[meta](pipeline).fit(X, Y)
    same_bits(bare.predict_proba(X), TensorizedEstimator(bare).predict_proba(X))
    same_bits(bare.predict_proba(X), META[meta](lambda: TensorizedEstimator(pipeline())).fit(X, Y).predict_proba(X))


@pytest.mark.parametrize("meta", META)
def test_pipelines_that_end_in_meta_estimators(meta):
    whole = pipeline(META[meta](xgboost)).fit(X, Y)
    fast = TensorizedEstimator(whole)
    same_bits(whole.predict_proba(X), fast.predict_proba(X))
    assert str(fast.explain_plan(10))


def test_pipelines_that_end_in_a_wrapper():
    whole = pipeline(TensorizedEstimator(xgboost())).fit(X, Y)
    same_bits(whole.predict_proba(X), TensorizedEstimator(whole).predict_proba(X))
    fast = TensorizedEstimator(pipeline(TensorizedEstimator(xgboost()))).fit(X, Y)
    same_bits(whole.predict_proba(X), fast.predict_proba(X))


def test_pipelines_in_pipelines_fold():
    whole = pipeline(pipeline(make_pipeline(StandardScaler(), xgboost()))).fit(X, Y)
    fast = TensorizedEstimator(whole)
    same_bits(whole.predict_proba(X), fast.predict_proba(X))
    same_bits(whole.predict_proba(X.tolist()), fast.predict_proba(X.tolist()))
    assert folded_kinds(fast) == ["d"]
    assert [note.name for note in fast.explain_plan(10).steps] == [
        "scale", "clf__scale", "clf__clf__standardscaler",
    ]  # fmt: skip


@pytest.mark.parametrize("step", ["passthrough", None])
def test_steps_that_do_nothing(step):
    for steps in ([("a", step), ("b", StandardScaler())], [("a", StandardScaler()), ("b", step)], [("a", step)], []):
        whole = Pipeline([*steps, ("clf", xgboost())]).fit(X, Y)
        fast = TensorizedEstimator(whole)
        for method in ("predict", "predict_proba"):
            same_bits(getattr(whole, method)(X), getattr(fast, method)(X))
            with pytest.raises(ValueError, match=r"features|shape mismatch"):
                getattr(fast, method)(X[:, :2])
        assert fast.score(X, Y) == whole.score(X, Y)


def test_memory(tmp_path):
    whole = Pipeline([("scale", StandardScaler()), ("clf", xgboost())], memory=str(tmp_path))
    for _ in range(2):  # the second fit takes the first step from there
        fast = TensorizedEstimator(whole).fit(X, Y)
        same_bits(fast.estimator_.predict_proba(X), fast.predict_proba(X))
        assert folded_kinds(fast) == ["d"]


@pytest.mark.parametrize("steps", [(), (StandardScaler(),)], ids=["sampler", "scaler and sampler"])
def test_pipelines_of_imbalanced_learn(steps):
    whole = make_imbalanced_pipeline(*steps, RandomOverSampler(random_state=0), xgboost())
    fast = TensorizedEstimator(whole).fit(X, Y)
    for method in ("predict", "predict_proba"):
        same_bits(getattr(fast.estimator_, method)(X), getattr(fast, method)(X))
        same_bits(getattr(fast.estimator_, method)(X.tolist()), getattr(fast, method)(X.tolist()))
    if steps:
        assert folded_kinds(fast) == ["d"]
        before = fast.predict_proba(X)
        fast.estimator_[0].fit(X * 3)
        same_bits(fast.estimator_.predict_proba(X), fast.predict_proba(X))
        assert before.tobytes() != fast.predict_proba(X).tobytes()
    same_bits(pickle.loads(pickle.dumps(fast)).predict_proba(X), fast.predict_proba(X))


def test_pipelines_of_imbalanced_learn_in_pipelines():
    whole = pipeline(make_imbalanced_pipeline(StandardScaler(), RandomOverSampler(random_state=0), xgboost()))
    fast = TensorizedEstimator(whole).fit(X, Y)
    same_bits(fast.estimator_.predict_proba(X), fast.predict_proba(X))


# --- metadata -------------------------------------------------------------------------------------------------------


def test_weights_for_a_step():
    whole = pipeline().fit(X, Y, clf__sample_weight=WEIGHT)
    same_bits(
        whole.predict_proba(X), TensorizedEstimator(pipeline()).fit(X, Y, clf__sample_weight=WEIGHT).predict_proba(X)
    )
    scores = [
        cross_validate(one, X, Y, params={"clf__sample_weight": WEIGHT}, cv=2)["test_score"]
        for one in (pipeline(), TensorizedEstimator(pipeline()))
    ]
    same_bits(*scores)


def test_weights_that_the_pipeline_does_not_take():
    with pytest.raises(ValueError, match="does not accept the sample_weight") as expected:
        pipeline().fit(X, Y, sample_weight=WEIGHT)
    with pytest.raises(ValueError, match="does not accept the sample_weight") as found:
        TensorizedEstimator(pipeline()).fit(X, Y, sample_weight=WEIGHT)
    assert str(found.value) == str(expected.value)


def test_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        model = xgboost().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        whole = pipeline(model)
        whole[0].set_fit_request(sample_weight=False)
        bare, fast = clone(whole).fit(X, Y, sample_weight=WEIGHT), TensorizedEstimator(whole)
        fast.fit(X, Y, sample_weight=WEIGHT)
        same_bits(bare.predict_proba(X), fast.predict_proba(X))
        assert bare.score(X, Y, sample_weight=WEIGHT) == fast.score(X, Y, sample_weight=WEIGHT)
        same_bits(
            *(
                cross_validate(one, X, Y, params={"sample_weight": WEIGHT}, cv=2)["test_score"]
                for one in (clone(whole), TensorizedEstimator(whole))
            )
        )


# --- refusals -------------------------------------------------------------------------------------------------------


class Replacing(Pipeline):
    def predict(self, X):
        return np.zeros(len(X))


REFUSED = {
    "SVC": (lambda: make_pipeline(StandardScaler(), SVC()), "SVC is not supported"),
    "no model": (lambda: make_pipeline(StandardScaler()), "StandardScaler is not supported"),
    "passthrough": (lambda: make_pipeline(StandardScaler(), "passthrough"), "ends in 'passthrough'"),
    "None": (lambda: make_pipeline(StandardScaler(), None), "ends in None"),
    "gblinear": (lambda: pipeline(XGBClassifier(booster="gblinear")), "gblinear"),
    "in a pipeline": (lambda: pipeline(make_pipeline(SVC())), "SVC is not supported"),
    "answers of its own": (lambda: Replacing(pipeline().steps), "replaces predict"),
}


@pytest.mark.parametrize("refused", REFUSED)
def test_refused_before_training(refused, monkeypatch):
    make, message = REFUSED[refused]
    monkeypatch.setattr(StandardScaler, "fit", lambda *args, **kwargs: pytest.fail("it was trained"))
    with pytest.raises(UnsupportedModelError, match=message):
        TensorizedEstimator(make()).fit(X, Y)


def test_refused_where_it_is_fitted():
    for make in (REFUSED["SVC"][0], REFUSED["answers of its own"][0]):
        with pytest.raises(UnsupportedModelError):
            TensorizedEstimator(make().fit(X, Y)).predict(X)


@pytest.mark.parametrize("damage", ["thresholds", "limits of bins"])
def test_verification_finds_wrong_folding(damage, monkeypatch):
    folded = folding.fold

    def wrong(*args):
        found = folded(*args)
        if damage == "thresholds":
            trees = found.forest.trees
            moved = np.nextafter(trees.threshold, np.inf)
            vars(found)["forest"] = found.forest.replace(threshold=moved)
        else:
            vars(found)["views"] = tuple(
                BinView(v.column, np.nextafter(v.breaks, np.inf), v.refused) if isinstance(v, BinView) else v
                for v in found.views
            )
        return found

    monkeypatch.setattr("sktensor.estimator.pipeline.fold", wrong)
    if damage == "thresholds":
        whole = pipeline().fit(X, Y)
    else:
        whole = make_pipeline(KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform"), xgboost()).fit(X, Y)
    with pytest.raises(VerificationError, match="The folded steps and Pipeline differ"):
        TensorizedEstimator(whole).predict(X)
    assert TensorizedEstimator(whole, verify=False).predict(X).shape == Y.shape


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "whole",
    [
        make_pipeline(StandardScaler(), RandomForestClassifier(2, random_state=0)),
        make_pipeline(SimpleImputer(), RandomForestRegressor(2, random_state=0)),
    ],
    ids=["classifier", "regressor"],
)
def test_the_wrapper_fails_no_check_that_the_bare_pipeline_passes(whole):
    def with_status(status, estimator):
        results = check_estimator(estimator, on_fail=None, on_skip=None)
        assert len(results) > 40
        return {r["check_name"]: r["exception"] for r in results if r["status"] == status}

    ours, bare = with_status("failed", TensorizedEstimator(whole)), with_status("failed", whole)
    assert {name: error for name, error in ours.items() if name not in bare} == {}
