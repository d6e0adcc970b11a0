"""A wrapped pipeline in the pipeline's place: whatever scikit-learn makes of the one, it makes of the other."""

from __future__ import annotations

import copy
import io
import pickle
import threading
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
import torch
from agreement import same_bits
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imbalanced_pipeline
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator, UnsupportedModelError, VerificationError, extract_forest
from sktensor.forest.views import BinView
from sktensor.pipelines import folding

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 5)) * [1, 10, 0.1, 100, 1] + [0, 5, 0, -10, 3]
Y = (X[:, 0] + X[:, 4] > 3).astype(int)
WEIGHT = RNG.random(len(X))
FRAME = pd.DataFrame(X, columns=list("abcde"))


def xgboost():
    return XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1)


def pipeline(model=None):
    """An unfitted pipeline."""
    return Pipeline([("scale", StandardScaler()), ("clf", xgboost() if model is None else model)])


def folded_kinds(fast):
    """The kinds of rows that the steps of a wrapped pipeline are folded for."""
    return [kind for kind, ready in fast._compiled()._ready.items() if ready is not None]


def told(model, method, rows):
    """What a method gives, or its error, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = getattr(model, method)(rows)
        except Exception as error:
            found = type(error), str(error)
    return found, [str(one.message) for one in caught]


MODELS = {
    "xgboost": xgboost,
    "forest": lambda: RandomForestClassifier(4, random_state=0),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=4, random_state=0),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=4),
    "regressor": lambda: RandomForestRegressor(4, random_state=0),
    "isolation forest": lambda: IsolationForest(n_estimators=4, random_state=0),
}
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform", "score")


# --- methods --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("fitted_before", [True, False])
def test_every_method_of_the_pipeline(model, fitted_before):
    whole = pipeline(MODELS[model]())
    fast = TensorizedEstimator(whole.fit(X, Y)) if fitted_before else TensorizedEstimator(whole).fit(X, Y)
    whole = fast.estimator_
    for method in METHODS:
        assert hasattr(fast, method) == hasattr(whole, method), method
        if hasattr(whole, method):
            given = (X, Y) if method == "score" else (X,)
            same_bits(np.asarray(getattr(whole, method)(*given)), np.asarray(getattr(fast, method)(*given)))
    alone = TensorizedEstimator(whole[-1])
    scaled = whole[0].transform(X)
    same_bits(alone.predict_raw(scaled), fast.predict_raw(X))
    same_bits(alone.apply(scaled), fast.apply(X))
    assert folded_kinds(fast) == ["d"]


def test_outliers_of_fit_predict():
    whole = pipeline(IsolationForest(n_estimators=5, random_state=0))
    same_bits(clone(whole).fit_predict(X), TensorizedEstimator(whole).fit_predict(X))


@pytest.mark.parametrize("container", ["default", "pandas", "polars"])
@pytest.mark.parametrize("rows", [X, FRAME], ids=["array", "frame"])
def test_embedding_in_the_container_of_set_output(container, rows):
    def made(wrap):
        embedding = RandomTreesEmbedding(n_estimators=3, random_state=0, sparse_output=container == "default")
        return wrap(pipeline(embedding)).set_output(transform=container)

    bare, fast = made(lambda whole: whole), made(TensorizedEstimator)
    for expected, found in [
        (bare.fit_transform(rows), fast.fit_transform(rows)),
        (bare.transform(rows), fast.transform(rows)),
    ]:
        assert type(found) is type(expected)
        if container == "pandas":
            pd.testing.assert_frame_equal(expected, found)
        elif container == "polars":
            assert expected.equals(found)
        else:
            same_bits(expected.toarray(), found.toarray())
    assert fast.get_feature_names_out().tolist() == bare.get_feature_names_out().tolist()
    assert not hasattr(fast, "predict")


def test_base_margin_of_folded_steps():
    whole, margin = pipeline().fit(X, Y), RNG.normal(size=len(X))
    fast = TensorizedEstimator(whole)
    for method in ("predict", "predict_proba"):
        same_bits(getattr(whole, method)(X, base_margin=margin), getattr(fast, method)(X, base_margin=margin))
    assert folded_kinds(fast) == ["d"]


def test_base_margin_of_a_model_without():
    whole = pipeline(RandomForestClassifier(2, random_state=0)).fit(X, Y)
    for model in (whole, TensorizedEstimator(whole)):
        with pytest.raises(TypeError, match="base_margin"):
            model.predict(X, base_margin=WEIGHT)


def test_the_bar_of_verbose(monkeypatch):
    from sktensor.estimator import progress

    monkeypatch.setattr(progress, "DELAY_S", 0)
    shown = []
    watched = progress.with_bar
    monkeypatch.setattr(progress, "with_bar", lambda run, rows: shown.append(len(rows)) or watched(run, rows))
    fast = TensorizedEstimator(pipeline(), verbose=True).fit(X, Y)
    same_bits(fast.predict(X), fast.estimator_.predict(X))
    assert shown == [len(X)]


# --- rows -----------------------------------------------------------------------------------------------------------


def test_tensors_and_lists():
    fast = TensorizedEstimator(pipeline()).fit(X, Y)
    raw = fast.predict_raw(torch.tensor(X))
    assert isinstance(raw, torch.Tensor)
    same_bits(raw.numpy(), fast.predict_raw(X))
    same_bits(fast.predict_proba(torch.tensor(X)), fast.predict_proba(X))
    same_bits(fast.predict_proba(X.tolist()), fast.predict_proba(X))


def test_sparse_rows():
    whole = make_pipeline(StandardScaler(with_mean=False), xgboost())
    rows = scipy.sparse.csr_matrix(np.where(X > 0, X, 0))
    fast = TensorizedEstimator(whole).fit(rows, Y)
    same_bits(fast.predict_proba(rows), fast.estimator_.predict_proba(rows))


@pytest.mark.parametrize("steps", [[], [TruncatedSVD(2, random_state=0)]], ids=["tf-idf", "tf-idf and SVD"])
@pytest.mark.parametrize("model", ["xgboost", "forest"])
def test_rows_of_text(steps, model):
    texts, labels = ["a b c", "b c d", "x y", "y z"] * 20, np.array([0, 0, 1, 1] * 20)
    whole = make_pipeline(TfidfVectorizer(token_pattern=r"\w"), *steps, MODELS[model]())
    fast = TensorizedEstimator(whole).fit(texts, labels)
    for rows in (texts, np.array(texts), np.array(texts, dtype=object), pd.Series(texts), texts[:1]):
        same_bits(fast.estimator_.predict_proba(rows), fast.predict_proba(rows))
    assert fast.score(texts, labels) == fast.estimator_.score(texts, labels)
    assert fast._compiled() is fast._compiled()  # transforming text is no other fit
    assert "TfidfVectorizer" in str(fast.explain_plan(10)) + fast._repr_html_()


@pytest.mark.parametrize(
    "rows",
    [X, FRAME[list("bacde")], FRAME[list("abcd")], FRAME.rename(columns={"a": "q"}), FRAME.assign(z=1), X[:, :3], X[0]],
    ids=["array", "other order", "a column less", "another name", "a column more", "narrow array", "one dimension"],
)
@pytest.mark.parametrize("fitted_on", [X, FRAME], ids=["array", "frame"])
def test_warnings_and_errors_about_columns(rows, fitted_on):
    fast = TensorizedEstimator(pipeline()).fit(fitted_on, Y)
    expected, found = told(fast.estimator_, "predict", rows), told(fast, "predict", rows)
    assert found[1] == expected[1]
    assert type(found[0]) is type(expected[0])
    assert np.array_equal(found[0], expected[0])


@pytest.mark.parametrize("rows", [X, FRAME], ids=["array", "frame"])
def test_no_rows(rows):
    whole = pipeline().fit(rows, Y)
    assert told(TensorizedEstimator(whole), "predict", rows[:0])[0] == told(whole, "predict", rows[:0])[0]


def test_several_targets():
    targets = np.stack([Y, X[:, 1] > 5], axis=1)
    fast = TensorizedEstimator(pipeline(RandomForestClassifier(3, random_state=0))).fit(X, targets)
    for found, expected in zip(fast.predict_proba(X), fast.estimator_.predict_proba(X), strict=True):
        same_bits(found, expected)
    assert folded_kinds(fast) == ["d"]


def test_trees_that_ask_nothing():
    whole = pipeline(RandomForestClassifier(3, random_state=0)).fit(X, np.zeros(len(X)))
    fast = TensorizedEstimator(whole)
    same_bits(fast.predict_proba(X), whole.predict_proba(X))
    same_bits(fast.predict(X), whole.predict(X))


@pytest.mark.parametrize("fitted_before", [True, False])
def test_fitted_attributes(fitted_before):
    fast = TensorizedEstimator(pipeline().fit(FRAME, Y)) if fitted_before else TensorizedEstimator(pipeline())
    if not fitted_before:
        fast.fit(FRAME, Y)
    for _ in range(2):
        assert fast.feature_names_in_.tolist() == list("abcde")
        assert fast.n_features_in_ == 5
        assert fast.classes_.tolist() == [0, 1]
        fast.predict(FRAME)
    assert "StandardScaler" in fast._repr_html_()
    assert "StandardScaler" in TensorizedEstimator(pipeline())._repr_html_()


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
