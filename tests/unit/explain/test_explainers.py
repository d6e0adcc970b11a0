"""What an estimator keeps of explanations, whom it asks, and what it refuses."""

from __future__ import annotations

import copy
import pickle
import threading

import lightgbm
import numpy as np
import pytest
import torch
from explained_models import MISSING, TEXTS, WEIGHTS, Y_FRAME, X, Y, cat, lgb, xgb
from forests import random_forest

import sktensor
from sktensor import Forest, TensorizedEstimator, UnsupportedModelError
from sktensor.explain import attributions, explainers, native, tensors
from sktensor.explain.players import players_of_columns
from sktensor.native import loader

KERNELS = not loader.why_missing()


class Fixed:
    """A model of a given forest."""

    def __init__(self, forest):
        self.forest = forest

    def predict(self, X):
        raise NotImplementedError

    def __sktensor_forest__(self):
        return self.forest


def stump(**more):
    return {"feature": 0, "threshold": 0.0, "left": {"value": 1.0}, "right": {"value": 3.0}, **more}


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_tables_are_built_once_for_many_threads(monkeypatch):
    built = []

    class Counted(tensors.TensorExplainer):
        def __init__(self, *args, **kwargs):
            built.append(self)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(explainers, "TensorExplainer", Counted)
    wrapped = TensorizedEstimator(xgb(), backend="torch")
    wrapped.predict(MISSING[:1])
    found = []
    threads = [threading.Thread(target=lambda: found.append(wrapped.shap_values(MISSING))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1 and len(found) == 8
    assert all(one.tobytes() == found[0].tobytes() for one in found)


def test_tables_of_a_background_are_kept_by_its_content(monkeypatch):
    built = []
    build = explainers._interventional
    monkeypatch.setattr(explainers, "_interventional", lambda *args: built.append(1) or build(*args))
    wrapped = TensorizedEstimator(xgb())
    background = MISSING[:10].copy()
    first = wrapped.shap_values(MISSING[:5], background=background)
    wrapped.shap_values(MISSING[:5], background=background.copy())
    assert len(built) == 1
    background[:, 0] += 1.0
    moved = wrapped.shap_values(MISSING[:5], background=background)
    assert len(built) == 2 and moved.tobytes() != first.tobytes()
    for i in range(explainers.BACKGROUNDS_KEPT + 3):
        wrapped.shap_values(MISSING[:1], background=MISSING[i : i + 1])
    assert len(wrapped._current().explainers._of_background) == explainers.BACKGROUNDS_KEPT
    again = wrapped.shap_values(MISSING[:5], background=MISSING[:10])
    assert again.tobytes() == first.tobytes()


def test_another_fit_is_explained_anew():
    model = lgb()
    wrapped = TensorizedEstimator(model)
    before = wrapped.shap_values(MISSING)
    model.fit(MISSING, -Y)
    after = wrapped.shap_values(MISSING)
    assert after.tobytes() != before.tobytes()
    np.testing.assert_allclose(wrapped.contributions(MISSING).sum(1), model.predict(MISSING), rtol=1e-12)


def test_copies_and_pickles_explain():
    wrapped = TensorizedEstimator(xgb())
    expected = wrapped.shap_values(MISSING)
    wrapped.shap_values(MISSING, background=MISSING[:5])
    for again in (pickle.loads(pickle.dumps(wrapped)), copy.deepcopy(wrapped), copy.copy(wrapped)):
        assert again.shap_values(MISSING).tobytes() == expected.tobytes()
    program = wrapped._current().explainers
    assert pickle.loads(pickle.dumps(program)).players.n_players == 4


@pytest.mark.parametrize(
    "model",
    [lambda: xgb(weights=WEIGHTS), lambda: lgb(weights=WEIGHTS), lambda: cat(weights=WEIGHTS)],
    ids=["xgboost", "lightgbm", "catboost"],
)
def test_saved_models_keep_covers_and_the_librarys_layout(model, tmp_path):
    pytest.importorskip("safetensors")
    wrapped = TensorizedEstimator(model())
    sktensor.save(wrapped, tmp_path / "model.safetensors")
    loaded = sktensor.load(tmp_path / "model.safetensors")
    assert loaded.shap_values(MISSING).tobytes() == wrapped.shap_values(MISSING).tobytes()
    found, expected = loaded.contributions(MISSING), wrapped.contributions(MISSING)
    assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
    background = MISSING[:7]
    interventional = loaded.shap_values(MISSING[:5], background=background)
    assert interventional.tobytes() == wrapped.shap_values(MISSING[:5], background=background).tobytes()


def test_a_loaded_model_is_named_in_errors(tmp_path):
    pytest.importorskip("safetensors")
    wrapped = TensorizedEstimator(lgb(X=X, linear_tree=True))
    sktensor.save(wrapped, tmp_path / "model.safetensors")
    with pytest.raises(UnsupportedModelError, match="of this LGBMRegressor: its leaves are linear"):
        sktensor.load(tmp_path / "model.safetensors").shap_values(X)


# --- who is asked ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not KERNELS, reason="there are no kernels here")
def test_kernels_and_tensor_code_agree():
    for model in (xgb(), lgb(), cat()):
        kernel = TensorizedEstimator(model, backend="native").shap_values(MISSING)
        tensor = TensorizedEstimator(model, backend="torch").shap_values(MISSING)
        np.testing.assert_allclose(kernel, tensor, rtol=0, atol=1e-14 * np.abs(tensor).max() * 10)


@pytest.mark.skipif(not KERNELS, reason="there are no kernels here")
def test_kernels_are_asked_where_there_are_some(monkeypatch):
    asked = []
    values = native.NativeExplainer.values
    monkeypatch.setattr(native.NativeExplainer, "values", lambda *args: asked.append(1) or values(*args))
    wrapped = TensorizedEstimator(xgb())
    wrapped.shap_values(MISSING)
    assert asked
    asked.clear()
    wrapped.set_params(backend="torch").shap_values(MISSING)
    assert not asked


def test_a_kernel_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(native, "refusal", lambda forest: "there are no kernels")
    wrapped = TensorizedEstimator(xgb(), backend="native")
    with pytest.raises(ValueError, match="backend='native' has no kernel for these SHAP values: there are no kernels"):
        wrapped.shap_values(MISSING)
    assert TensorizedEstimator(xgb()).shap_values(MISSING).shape == MISSING.shape


def test_a_device_without_float64_is_refused():
    with pytest.raises(UnsupportedModelError, match="device='mps' has no float64"):
        explainers._takes_kernel("mps", "auto", "")


def test_explanations_on_each_device(device):
    wrapped = TensorizedEstimator(lgb(), device=device)
    expected = TensorizedEstimator(lgb(), backend="torch").shap_values(MISSING)
    assert np.abs(wrapped.shap_values(MISSING) - expected).max() <= 1e-13 * np.abs(expected).max()


def test_tensors_stay_tensors_under_array_api_dispatch(dispatch):
    wrapped = TensorizedEstimator(xgb())
    rows = torch.from_numpy(MISSING)
    for found, expected in (
        (wrapped.shap_values(rows), wrapped.shap_values(MISSING)),
        (wrapped.contributions(rows), wrapped.contributions(MISSING)),
    ):
        assert isinstance(found, torch.Tensor) and found.numpy().tobytes() == expected.tobytes()


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_models_without_covers_need_a_background():
    wrapped = TensorizedEstimator(Fixed(Forest.from_trees([stump()], n_features=2)))
    with pytest.raises(UnsupportedModelError, match=r"keeps no covers.*give a background set instead"):
        wrapped.shap_values(X[:, :2])
    background = np.array([[-1.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    found = wrapped.shap_values(np.array([[-1.0, 5.0], [1.0, 5.0]]), background=background)
    assert found.tolist() == [[-1.5, 0.0], [0.5, 0.0]]


def test_texts_of_lightgbm_without_counts_need_a_background():
    """LightGBM itself gives NaN."""
    lines = lgb().booster_.model_to_string().split("\n")
    kept = [line for line in lines if not line.startswith(("internal_count", "leaf_count", "tree_sizes"))]
    booster = lightgbm.Booster(model_str="\n".join(kept))
    assert np.isnan(booster.predict(MISSING, pred_contrib=True)).any()
    wrapped = TensorizedEstimator(booster)
    with pytest.raises(UnsupportedModelError, match="keeps no covers"):
        wrapped.shap_values(MISSING)
    assert wrapped.shap_values(MISSING, background=MISSING[:9]).shape == MISSING.shape


def test_covers_that_are_no_weights_are_refused():
    for cover in (-1.0, np.nan, np.inf):
        forest = Forest.from_trees([stump()], n_features=2).replace(cover=[2.0, cover, 1.0])
        with pytest.raises(UnsupportedModelError, match="negative or not finite; give a background set instead"):
            TensorizedEstimator(Fixed(forest)).shap_values(X[:, :2])


def test_an_unfitted_estimator_is_refused():
    from sklearn.exceptions import NotFittedError
    from xgboost import XGBRegressor

    for ask in ("shap_values", "contributions", "explain"):
        with pytest.raises(NotFittedError):
            getattr(TensorizedEstimator(XGBRegressor()), ask)(X)


def test_missing_values_are_refused_where_the_model_refuses_them():
    from sklearn.ensemble import GradientBoostingRegressor

    wrapped = TensorizedEstimator(GradientBoostingRegressor(n_estimators=2).fit(X, Y))
    with pytest.raises(ValueError, match="NaN"):
        wrapped.shap_values(MISSING)
    with pytest.raises(ValueError, match="NaN"):
        wrapped.shap_values(X, background=MISSING)


# --- players ----------------------------------------------------------------------------------------------------------


def test_columns_that_no_tree_looks_at_have_no_value():
    rng = np.random.default_rng(0)
    forest = random_forest(rng, cover=True, n_features=3, categorical=False)
    wider = Forest.from_fields(**(forest.fields() | {"n_features": 6, "n_columns": 6}))
    found = TensorizedEstimator(Fixed(wider)).shap_values(rng.normal(size=(10, 6)))
    assert found.shape == (10, 6) and not found[:, 3:].any()


def test_statistics_of_several_columns_are_a_player_of_their_own():
    model = cat(
        X=TEXTS,
        y=Y_FRAME,
        cat_features=["a", "b", "c"],
        iterations=8,
        depth=4,
        random_seed=1,
        one_hot_max_size=2,
        max_ctr_complexity=3,
    )
    players = players_of_columns(sktensor.extract_forest(model))
    assert players.inputs[:4] == ((0,), (1,), (2,), (3,)) and (0, 2) in players.inputs
    assert players.n_inputs == 4 and players.shares and not players.are_inputs
    values = np.arange(2.0 * players.n_players).reshape(2, players.n_players, 1)
    found = players.by_input(values)
    assert found.shape == (2, 4, 1) and np.allclose(found.sum(1), values.sum(1))


def test_contributions_of_many_rows_are_laid_out_part_by_part(monkeypatch):
    for model in (lgb(), xgb()):
        wrapped = TensorizedEstimator(model)
        expected = wrapped.contributions(MISSING)
        monkeypatch.setattr(attributions, "ROWS_TOGETHER", 33)
        assert wrapped.contributions(MISSING).tobytes() == expected.tobytes()
        values = wrapped.shap_values(MISSING).astype(expected.dtype)
        assert values.tobytes() == np.ascontiguousarray(expected[:, :-1]).tobytes()
        monkeypatch.undo()
