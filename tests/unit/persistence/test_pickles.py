"""Pickles, joblib dumps and skops files of estimators; devices that are missing where they are loaded."""

from __future__ import annotations

import pickle

import joblib
import pytest
import torch
from agreement import same_bits
from saving import MODELS, X, Y, saved
from sklearn.ensemble import (
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sktensor
from sktensor import DeviceWarning, TensorizedEstimator


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("model", ["text labels", "XGBClassifier", "LGBMClassifier", "CatBoost"])
def test_a_pickle_of_any_protocol_gives_the_same_bits(protocol, model):
    fast = TensorizedEstimator(MODELS[model]())
    expected = fast.predict_proba(X)
    again = pickle.loads(pickle.dumps(fast, protocol))
    same_bits(again.predict_proba(X), expected)
    assert again._compiled().forest is again.forest_ and not again.forest_.trees.threshold.flags.writeable


def test_arrays_of_a_pickle_travel_out_of_band():
    fast, buffers = TensorizedEstimator(MODELS["text labels"]()), []
    expected = fast.predict(X)
    data = pickle.dumps(fast, 5, buffer_callback=buffers.append)
    assert sum(buffer.raw().nbytes for buffer in buffers) >= fast.forest_.trees.leaf_value.nbytes
    same_bits(pickle.loads(data, buffers=[bytes(buffer.raw()) for buffer in buffers]).predict(X), expected)


@pytest.mark.parametrize("options", [{}, {"compress": 3}], ids=str)
def test_a_joblib_dump_gives_the_same_bits_memory_mapped_or_not(options, tmp_path):
    fast = TensorizedEstimator(MODELS["XGBClassifier"]())
    expected = fast.predict_proba(X)
    joblib.dump(fast, tmp_path / "model", **options)
    same_bits(joblib.load(tmp_path / "model", mmap_mode=None if options else "r").predict_proba(X), expected)


def on_cuda(model):
    """A wrapper as a machine with a GPU leaves it."""
    return TensorizedEstimator(model).fit(X, Y).set_params(device="cuda")


@pytest.mark.parametrize("fitted", [on_cuda, lambda model: TensorizedEstimator(model.fit(X, Y), device="cuda:1")])
def test_an_estimator_of_a_device_that_is_not_there_is_loaded_for_the_cpu_with_a_warning(fitted, no_cuda, tmp_path):
    fast = fitted(RandomForestClassifier(3, random_state=0))
    joblib.dump(fast, tmp_path / "model")
    for load in (lambda: pickle.loads(pickle.dumps(fast)), lambda: joblib.load(tmp_path / "model")):
        with pytest.warns(
            DeviceWarning, match="device='cuda.*' is not there.* loaded with device='cpu' instead"
        ) as caught:
            loaded = load()
        assert len(caught) == 1
        assert loaded.device == "cpu" and loaded.explain_plan().device == "cpu"
        same_bits(loaded.predict_proba(X), RandomForestClassifier(3, random_state=0).fit(X, Y).predict_proba(X))
    assert fast.device.startswith("cuda")


def test_a_saved_estimator_of_a_device_that_is_not_there_is_loaded_for_the_cpu_with_a_warning(no_cuda, path):
    fast = on_cuda(RandomForestClassifier(3, random_state=0))
    sktensor.save(fast, path)
    with pytest.warns(DeviceWarning, match="device='cuda' is not there") as caught:
        loaded = sktensor.load(path)
    assert caught[0].filename == __file__
    same_bits(loaded.predict_proba(X), fast.set_params(device="cpu").predict_proba(X))


def test_loaded_estimator_keeps_an_available_device_and_an_unfitted_one_any(monkeypatch, path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    fast = on_cuda(RandomForestClassifier(3)).set_params(device=torch.device("cuda", 0))
    assert pickle.loads(pickle.dumps(fast)).device == torch.device("cuda", 0)
    sktensor.save(fast, path)
    assert sktensor.load(path).device == "cuda:0"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    unfitted = TensorizedEstimator(RandomForestClassifier(3), device="cuda")
    assert pickle.loads(pickle.dumps(unfitted)).device == "cuda"  # fit says that it is not there


OURS = [
    "sktensor.estimator.estimator.TensorizedEstimator",
    "sktensor.estimator.fitted.Fitted",
    "sktensor.forest.forest.Forest",
    "sktensor.forest.specs.InputSpec",
    "sktensor.forest.specs.OutputSpec",
    "sktensor.forest.trees.Trees",
    "sktensor.runtime.program.Program",
]
TRUSTED = {
    "text labels": ["sklearn.tree._tree.Tree"],
    "GradientBoosting": ["sklearn.tree._tree.Tree"],
    "HistGradientBoosting": ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"],
    "XGBClassifier": ["xgboost.core.Booster", "xgboost.sklearn.XGBClassifier"],
    "LGBMClassifier": ["collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier"],
    "CatBoost": ["catboost.core.CatBoostClassifier"],
}


@pytest.mark.parametrize("model", TRUSTED)
def test_skops_takes_a_wrapper_and_asks_to_trust_these_types_alone(model, tmp_path):
    sio = pytest.importorskip("skops.io")
    fast = TensorizedEstimator(MODELS[model]())
    expected = fast.predict(X)
    sio.dump(fast, tmp_path / "model.skops")
    assert sio.get_untrusted_types(file=tmp_path / "model.skops") == sorted(OURS + TRUSTED[model])
    loaded = sio.load(tmp_path / "model.skops", trusted=OURS + TRUSTED[model])
    same_bits(loaded.predict(X), expected)
    assert not loaded.forest_.trees.threshold.flags.writeable


def test_skops_takes_a_loaded_estimator_and_a_pipeline(path):
    sio = pytest.importorskip("skops.io")
    _, loaded = saved(MODELS["XGBClassifier"](), path)
    pipeline = make_pipeline(StandardScaler().fit(X), loaded)
    data = sio.dumps(pipeline)
    trusted = [*OURS, "sktensor.persistence.saved_model.SavedModel"]
    assert sio.get_untrusted_types(data=data) == sorted(trusted)
    same_bits(sio.loads(data, trusted=trusted).predict(X), pipeline.predict(X))


def test_an_estimator_of_a_device_that_is_not_there_comes_from_skops_for_the_cpu(no_cuda):
    sio = pytest.importorskip("skops.io")
    data = sio.dumps(on_cuda(RandomForestClassifier(3, random_state=0)))
    with pytest.warns(DeviceWarning, match="device='cuda' is not there"):
        loaded = sio.loads(data, trusted=OURS + TRUSTED["text labels"])
    assert loaded.device == "cpu"
