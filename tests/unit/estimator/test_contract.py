"""The wrapper in the bare model's place: whatever scikit-learn makes of the one, it makes of the other."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from agreement import STRATEGIES, same_bits
from lightgbm import LGBMClassifier, early_stopping
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, RFECV, SelectFromModel, SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.tree import DecisionTreeClassifier
from versions import since
from xgboost import XGBClassifier

import sktensor
from sktensor import TensorizedEstimator
from sktensor.runtime.program import Program

X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:200, :8], Y[:200]
BOTH = np.c_[Y, X[:, 0] > np.median(X[:, 0])].astype(int)
WEIGHT = np.where(Y == 0, 5.0, 0.1)

MODELS = {
    "forest": RandomForestClassifier(n_estimators=4, max_depth=4, random_state=0),
    "xgboost": XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1),
}


@pytest.fixture(params=MODELS)
def bare(request):
    """An unfitted model."""
    return clone(MODELS[request.param])


@pytest.fixture
def compilations(monkeypatch):
    """Programs compiled since the start of the test, each with its strategy."""
    seen = []
    built = Program._built
    monkeypatch.setattr(Program, "_built", lambda self, *key: seen.append((id(self), key)) or built(self, *key))
    return seen


def params(est, **given):
    """Parameters of the model by its own names, wherever it is."""
    return {f"estimator__{k}" if isinstance(est, TensorizedEstimator) else k: v for k, v in given.items()}


# --- meta-estimators ----------------------------------------------------------------------------------------------

TAKEN_BY = {
    "calibration": lambda est: CalibratedClassifierCV(est, cv=2).fit(X, Y).predict_proba(X),
    "calibration of a frozen one": lambda est: (
        CalibratedClassifierCV(FrozenEstimator(est.fit(X, Y))).fit(X, Y).predict_proba(X)
    ),
    "a tuned threshold": lambda est: TunedThresholdClassifierCV(est, cv=2).fit(X, Y).best_threshold_,
    "a tuned threshold, prefit": lambda est: (
        TunedThresholdClassifierCV(est.fit(X, Y), cv="prefit", refit=False).fit(X, Y).predict(X)
    ),
    "a fixed threshold": lambda est: FixedThresholdClassifier(est, threshold=0.9).fit(X, Y).predict(X),
    "stacking": lambda est: StackingClassifier([("a", est)], DecisionTreeClassifier(), cv=2).fit(X, Y).transform(X),
    "stacking, prefit": lambda est: (
        StackingClassifier([("a", est.fit(X, Y))], DecisionTreeClassifier(), cv="prefit").fit(X, Y).transform(X)
    ),
    "voting": lambda est: VotingClassifier([("a", est), ("b", clone(est))], voting="soft").fit(X, Y).predict_proba(X),
    "bagging": lambda est: BaggingClassifier(est, 3, max_features=5, random_state=0).fit(X, Y).predict_proba(X),
    "boosting": lambda est: AdaBoostClassifier(est, n_estimators=3, random_state=0).fit(X, Y).predict_proba(X),
    "several outputs": lambda est: np.stack(MultiOutputClassifier(est).fit(X, BOTH).predict_proba(X)),
    "a chain": lambda est: ClassifierChain(est, random_state=0).fit(X, BOTH).predict_proba(X),
    "one against the rest": lambda est: OneVsRestClassifier(est).fit(X, Y + BOTH[:, 1]).predict_proba(X),
    "self-training": lambda est: (
        SelfTrainingClassifier(est, threshold=0.7).fit(X, np.where(np.arange(len(Y)) % 3, Y, -1)).transduction_
    ),
    "RFE": lambda est: RFE(est, n_features_to_select=3).fit(X, Y).ranking_,
    "RFECV": lambda est: RFECV(est, cv=2).fit(X, Y).ranking_,
    "selection": lambda est: SelectFromModel(est).fit(X, Y).transform(X),
    "selection, prefit": lambda est: SelectFromModel(est.fit(X, Y), prefit=True).transform(X),
    "sequential selection": lambda est: (
        SequentialFeatureSelector(est, n_features_to_select=2, cv=2).fit(X[:, :4], Y).get_support()
    ),
    "permutation importance": lambda est: permutation_importance(est.fit(X, Y), X, Y, random_state=0).importances,
    "partial dependence": lambda est: partial_dependence(est.fit(X, Y), X, [0], method="brute")["average"],
    "a learning curve": lambda est: np.stack(learning_curve(est, X, Y, cv=2, train_sizes=[0.3, 1.0])[1:3]),
    "a validation curve": lambda est: np.stack(
        validation_curve(est, X, Y, param_name=next(iter(params(est, max_depth=0))), param_range=[1, 3], cv=2)
    ),
    "predictions across folds": lambda est: cross_val_predict(est, X, Y, cv=3, method="predict_proba"),
    "a search": lambda est: (
        GridSearchCV(est, params(est, max_depth=[1, 3]), cv=2).fit(X, Y).cv_results_["mean_test_score"]
    ),
    "a halving search": lambda est: (
        HalvingGridSearchCV(est, params(est, max_depth=[1, 2, 3, 4]), cv=2, random_state=0)
        .fit(X, Y)
        .cv_results_["mean_test_score"]
    ),
}


@pytest.mark.parametrize("meta", TAKEN_BY)
def test_a_meta_estimator_makes_the_same_of_the_wrapper_as_of_the_bare_model(bare, meta):
    expected = np.asarray(TAKEN_BY[meta](clone(bare)))
    same_bits(np.asarray(TAKEN_BY[meta](TensorizedEstimator(bare))), expected)


def test_calibration_of_a_frozen_wrapper_compiles_once(bare, compilations):
    frozen = FrozenEstimator(TensorizedEstimator(bare.fit(X, Y)))
    calibrated = CalibratedClassifierCV(frozen).fit(X, Y)
    calibrated.predict_proba(X)
    assert len({program for program, _ in compilations}) == 1


def test_what_meta_estimators_ask_before_they_predict_compiles_nothing(bare, compilations):
    fast = TensorizedEstimator(bare.fit(X, Y))
    assert SelectFromModel(fast, prefit=True).fit(X, Y).get_support().any()
    sklearn.utils.get_tags(fast), sklearn.base.is_classifier(fast), clone(fast), fast.get_params()
    assert compilations == []


# --- the life of an estimator -------------------------------------------------------------------------------------


def test_parameters_of_the_wrapped_model_hold_from_the_next_fit_on(bare):
    fast = TensorizedEstimator(bare).fit(X, Y)
    before = fast.predict_proba(X)
    fast.set_params(estimator__max_depth=1)
    same_bits(fast.predict_proba(X), before)
    assert clone(fast).get_params()["estimator__max_depth"] == 1
    same_bits(fast.fit(X, Y).predict_proba(X), clone(bare).set_params(max_depth=1).fit(X, Y).predict_proba(X))


def test_refit_around_a_fitted_model_survives_changes_of_the_parameter(bare):
    fast = TensorizedEstimator(bare.fit(X, Y))
    fast.predict(X)
    fast.fit(X[:, :4], Y)
    before = fast.predict_proba(X[:, :4])
    fast.set_params(estimator=clone(bare))
    same_bits(fast.predict_proba(X[:, :4]), before)
    assert fast.n_features_in_ == 4


def test_a_wrapper_that_was_never_fitted_is_unfitted_around_an_unfitted_model(bare):
    fast = TensorizedEstimator(bare.fit(X, Y))
    fast.predict(X)
    fast.set_params(estimator=clone(bare))
    with pytest.raises(NotFittedError):
        fast.predict(X)
    assert not hasattr(fast, "classes_")


def test_a_refit_forgets_the_classes_and_columns_of_the_last(bare):
    fast = TensorizedEstimator(bare).fit(X, Y + BOTH[:, 1])
    assert fast.predict_proba(X).shape == (len(X), 3)
    fast.fit(X[:, :5], Y)
    assert fast.classes_.tolist() == [0, 1] and fast.n_features_in_ == 5
    same_bits(fast.predict_proba(X[:, :5]), fast.estimator_.predict_proba(X[:, :5]))


def test_the_device_may_be_changed_at_any_time(bare, device):
    import torch

    fast = TensorizedEstimator(bare).fit(X, Y)
    before = fast.predict_raw(X)
    for given in (device, torch.device(device), "auto"):
        fast.set_params(device=given)
        assert fast.explain_plan().device.startswith("cuda" if torch.cuda.is_available() and given != "cpu" else "cpu")
        same_bits(fast.predict_raw(X), before)


def test_copies_are_fitted_and_live_on_their_own(bare):
    fast = TensorizedEstimator(bare).fit(X, Y)
    before = fast.predict_proba(X)
    other = copy.deepcopy(fast)
    other.fit(X[:, :4], Y)
    same_bits(fast.predict_proba(X), before)
    same_bits(copy.copy(fast).predict_proba(X), before)


def test_a_clone_has_the_parameters_and_nothing_else(bare):
    fast = TensorizedEstimator(bare, strategy="gemm", batch_size=3, verify=False).fit(X, Y)
    again = clone(fast)
    assert set(vars(again)) == set(again.get_params(deep=False))
    assert again.get_params(deep=False) | {"estimator": 0} == fast.get_params(deep=False) | {"estimator": 0}
    assert again.estimator is not fast.estimator


# --- predictions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_answer_of_a_row_is_independent_of_the_batch(bare, strategy):
    rng = np.random.default_rng(0)
    fast = TensorizedEstimator(bare.fit(X, Y), strategy=strategy)
    for method in ("predict", "predict_proba", "predict_raw", "apply"):
        predict, every = getattr(fast, method), getattr(fast, method)(X)
        order = rng.permutation(len(X))
        same_bits(predict(X[order]), every[order])
        for some in (order[:1], order[:7], order[3:140]):
            same_bits(predict(X[some]), every[some])


@pytest.mark.parametrize("parameters", [{}, {"backend": "torch"}, {"strategy": "tree_traversal"}], ids=str)
def test_after_a_fit_or_a_first_row_requests_of_any_size_compile_next_to_nothing(bare, compilations, parameters):
    rng = np.random.default_rng(0)
    fitted = TensorizedEstimator(bare, **parameters).fit(X, Y)
    warm = TensorizedEstimator(bare.fit(X, Y), **parameters)
    warm.predict(X[:1])
    for fast in (fitted, warm):
        for n in rng.integers(1, len(X), size=60):  # of none, some libraries answer nothing
            fast.predict(X[:n])
    # At most one for each program, strategy and backend, of which there are few, whatever the numbers of rows.
    assert len(compilations) == len(set(compilations)) <= 2 * 6


@pytest.mark.parametrize("parameters", [{}, {"backend": "torch"}, {"strategy": "tree_traversal"}], ids=str)
def test_after_a_warmup_requests_of_these_sizes_compile_nothing(bare, compilations, parameters):
    fast = pickle.loads(pickle.dumps(TensorizedEstimator(bare.fit(X, Y), **parameters).warmup()))
    assert fast.warmup([0, 1, 7, len(X)]) is fast
    warmed = len(compilations)
    for n in (1, 7, len(X)):
        fast.predict(X[:n])
    assert len(compilations) == warmed > 0


def test_warmup_of_a_meta_estimator_compiles_its_submodels(compilations):
    parts = [(name, clone(model)) for name, model in MODELS.items()]
    fast = TensorizedEstimator(VotingClassifier(parts, voting="soft").fit(X, Y)).warmup([1, len(X)])
    warmed = len(compilations)
    fast.predict(X[:1]), fast.predict(X)
    assert len(compilations) == warmed >= 2


@pytest.mark.parametrize("size", [-1, 1.5, "all", None])
def test_a_warmup_for_no_number_of_rows_is_refused(size):
    with pytest.raises((TypeError, ValueError), match="batch_sizes"):
        TensorizedEstimator(clone(MODELS["xgboost"]).fit(X, Y)).warmup([size])


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
@pytest.mark.parametrize(
    "argument", ["output_margin", "iteration_range", "raw_score", "pred_leaf", "pred_contrib", "prediction_type"]
)
def test_arguments_that_would_change_the_answer_are_refused_by_name(bare, method, argument):
    with pytest.raises(TypeError, match=argument):
        getattr(TensorizedEstimator(bare.fit(X, Y)), method)(X, **{argument: True})


@pytest.mark.slow
def test_a_pickle_says_which_library_it_needs_and_a_saved_estimator_needs_none(tmp_path):
    fast = TensorizedEstimator(clone(MODELS["xgboost"])).fit(X, Y)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(fast))
    sktensor.save(fast, tmp_path / "model.safetensors")
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "expected.npy", fast.predict_proba(X))
    code = """if True:
        import pickle, sys
        import numpy as np
        sys.modules["xgboost"] = None
        import sktensor
        try:
            pickle.load(open("model.pickle", "rb"))
        except ModuleNotFoundError as error:
            assert error.name.partition(".")[0] == "xgboost", error
        else:
            raise AssertionError("was loaded all the same")
        found = sktensor.load("model.safetensors").predict_proba(np.load("X.npy"))
        assert found.tobytes() == np.load("expected.npy").tobytes()
    """
    path = os.pathsep.join([str(Path(sktensor.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, check=True)


# --- metadata -----------------------------------------------------------------------------------------------------


def weighted(est):
    """The model with requests for weights in fit and score, bare or wrapped."""
    (est.estimator if isinstance(est, TensorizedEstimator) else est).set_fit_request(
        sample_weight=True
    ).set_score_request(sample_weight=True)
    return est


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@since("scikit-learn", "1.8", "searches that route weights to the score of a pipeline")
def test_weights_are_routed_through_a_pipeline_in_a_search_in_cross_validation(bare, routing):
    def scores(est):
        pipeline = Pipeline([("scale", StandardScaler().set_fit_request(sample_weight=False)), ("clf", weighted(est))])
        grid = {f"clf__{name}": values for name, values in params(est, max_depth=[1, 3]).items()}
        found = cross_validate(GridSearchCV(pipeline, grid, cv=2), X, Y, cv=2, params={"sample_weight": WEIGHT})
        return found["test_score"]

    same_bits(scores(TensorizedEstimator(clone(bare))), scores(clone(bare)))


def test_weights_that_nobody_asked_for_are_refused_as_for_the_bare_model(bare, routing):
    for est in (bare, TensorizedEstimator(bare)):
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            make_pipeline(est).fit(X, Y, sample_weight=WEIGHT)


def test_the_wrapper_is_a_pure_router(bare, routing):
    fast = TensorizedEstimator(weighted(bare))
    for request in ("set_fit_request", "set_score_request", "set_predict_request"):
        assert not hasattr(fast, request)
    with pytest.raises(AttributeError, match="metadata goes where the model inside asks"):
        _ = fast.set_fit_request
    routes = fast.get_metadata_routing()
    assert routes.consumes("fit", ["sample_weight", "other"]) == {"sample_weight"}
    assert routes.consumes("score", ["sample_weight", "other"]) == {"sample_weight"}
    assert TensorizedEstimator(fast).get_metadata_routing().consumes("fit", ["sample_weight"]) == {"sample_weight"}
    same_bits(
        TensorizedEstimator(fast).fit(X, Y, sample_weight=WEIGHT).predict_proba(X),
        clone(bare).fit(X, Y, sample_weight=WEIGHT).predict_proba(X),
    )


def test_without_routing_fit_parameters_pass_through_a_pipeline():
    settings = {"n_estimators": 40, "early_stopping_rounds": 2, "learning_rate": 0.9, "n_jobs": 1}

    def fitted(est):
        given = {"clf__eval_set": [(X[150:], Y[150:])], "clf__sample_weight": WEIGHT[:150], "clf__verbose": False}
        return Pipeline([("clf", est)]).fit(X[:150], Y[:150], **given)

    bare, fast = fitted(XGBClassifier(**settings)), fitted(TensorizedEstimator(XGBClassifier(**settings)))
    assert bare[-1].best_iteration < 39
    same_bits(fast.predict_proba(X), bare.predict_proba(X))


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")  # what older versions know alone
@pytest.mark.parametrize("is_routed", [False, True])
def test_callbacks_stop_lightgbm_early(is_routed):
    def fitted(est, model):
        if is_routed:
            model.set_fit_request(eval_set=True, callbacks=True)
        return est.fit(X[:150], Y[:150], eval_set=[(X[150:], Y[150:])], callbacks=[early_stopping(2, verbose=False)])

    settings = {"n_estimators": 60, "learning_rate": 0.9, "verbose": -1, "n_jobs": 1}
    inner = LGBMClassifier(**settings)
    with sklearn.config_context(enable_metadata_routing=is_routed):
        fast = fitted(TensorizedEstimator(inner), inner)
        bare = fitted(clone(inner), inner)
    assert bare.best_iteration_ < 60
    same_bits(fast.predict_raw(X), bare.predict(X, raw_score=True))


def test_a_pipeline_transforms_the_validation_set_on_its_way_to_the_wrapped_model(routing):
    seen = []

    class Watched(RandomForestClassifier):
        def fit(self, X, y, sample_weight=None, X_val=None):
            seen.append(X_val)
            return super().fit(X, y, sample_weight)

    inner = Watched(n_estimators=3, random_state=0).set_fit_request(X_val=True)
    scale = StandardScaler()
    Pipeline([("scale", scale), ("clf", TensorizedEstimator(inner))], transform_input=["X_val"]).fit(X, Y, X_val=X[:9])
    same_bits(seen[0], scale.transform(X[:9]))


def test_feature_names_go_through_a_pipeline_that_passes_frames_on(bare):
    frame = pd.DataFrame(X, columns=[f"column {j}" for j in range(X.shape[1])])
    pipeline = make_pipeline(StandardScaler(), TensorizedEstimator(bare)).set_output(transform="pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pipeline.fit(frame, Y).predict(frame)
    assert pipeline[-1].feature_names_in_.tolist() == frame.columns.tolist()
    same_bits(found, clone(bare).fit(pipeline[0].transform(frame), Y).predict(pipeline[0].transform(frame)))
