"""What a loaded estimator can do, and what it refuses for want of the model."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from agreement import same_bits
from saving import (
    MODELS,
    NAMES,
    SMALL,
    Brought,
    X,
    Y,
    changed,
    same_answers,
    same_array,
    same_fields,
    saved,
    without,
)
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted
from xgboost import XGBClassifier

import sktensor
from sktensor import TensorizedEstimator, tensorize
from sktensor.estimator.verification import probe
from sktensor.persistence.saved_model import SavedModel


@pytest.mark.parametrize("model", MODELS)
def test_a_loaded_estimator_is_the_saved_one_to_the_last_bit(model, path):
    fast, loaded = saved(MODELS[model](), path)
    assert type(loaded) is TensorizedEstimator
    same_fields(loaded.forest_, fast.forest_)
    rows = np.concatenate([probe(fast.forest_).astype(np.float64), X[:, : fast.n_features_in_]])
    if not fast.forest_.inputs.accepts_nan:
        rows = rows[~np.isnan(rows).any(1)]
    if hasattr(fast, "feature_names_in_"):
        rows = pd.DataFrame(rows, columns=fast.feature_names_in_)
    same_answers(loaded, fast, rows)
    for name in ("classes_", "n_features_in_", "feature_names_in_", "n_outputs_", "n_classes_", "feature_importances_"):
        assert hasattr(loaded, name) == hasattr(fast, name), name
        for ours, theirs in zip(*(as_list(getattr(e, name, ())) for e in (loaded, fast)), strict=True):
            assert type(ours) is np.ndarray or isinstance(theirs, (int, np.integer))
            same_array(np.asarray(ours), np.asarray(theirs))
    ours, theirs = get_tags(loaded), get_tags(fast)
    assert ours == theirs
    assert {**loaded.get_params(deep=False), "estimator": 0} == {**fast.get_params(deep=False), "estimator": 0}
    check_is_fitted(loaded)


def as_list(value):
    return value if isinstance(value, (list, tuple)) else [value]


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
def test_loading_and_predicting_needs_none_of_the_libraries_and_loading_no_torch(library, path, tmp_path):
    model = {"xgboost": "XGBClassifier", "lightgbm": "LGBMClassifier", "catboost": "CatBoost"}[library]
    fast, _ = saved(MODELS[model](), path)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "raw.npy", fast.predict_raw(X))
    code = """if True:
        import sys
        blocked = {"xgboost", "lightgbm", "catboost", "torch"}
        class Block:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in blocked:
                    raise ImportError(name + " is blocked")
        sys.meta_path.insert(0, Block())
        import numpy, sktensor, warnings
        path, X, raw = sys.argv[1:]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loaded = sktensor.load(path)
        dir(loaded), repr(loaded), loaded.classes_, loaded.feature_importances_
        blocked.remove("torch")
        assert loaded.predict_raw(numpy.load(X)).tobytes() == numpy.load(raw).tobytes()
        assert not {"xgboost", "lightgbm", "catboost"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code, path, tmp_path / "X.npy", tmp_path / "raw.npy"], check=True)


def test_a_loaded_estimator_is_still_a_scikit_learn_estimator(path):
    fast, loaded = saved(RandomForestClassifier(5, random_state=0).fit(X, Y > 0), path)
    assert is_classifier(loaded) and not is_regressor(loaded)
    assert loaded.score(X, Y > 0) == fast.score(X, Y > 0)
    assert loaded.get_params()["estimator__model"] == "sklearn.ensemble._forest.RandomForestClassifier"
    assert "RandomForestClassifier" in repr(loaded) and "RandomForestClassifier" in loaded._repr_html_()
    assert set(dir(fast)) == set(dir(loaded))
    for estimator in (FixedThresholdClassifier(loaded, threshold=0.3), make_pipeline(StandardScaler().fit(X), loaded)):
        assert estimator.predict(X).shape == Y.shape
    same_bits(SelectFromModel(loaded, prefit=True).transform(X), SelectFromModel(fast, prefit=True).transform(X))
    same_bits(tensorize(loaded)(torch.tensor(X)).numpy(), tensorize(fast)(torch.tensor(X)).numpy())
    same_answers(loaded.set_params(strategy="gemm"), fast, X)


def test_methods_are_there_iff_the_saved_model_had_them(path):
    for model in (
        HistGradientBoostingRegressor(max_iter=3),
        XGBClassifier(**SMALL),
        GradientBoostingClassifier(n_estimators=2),
    ):
        _, loaded = saved(model.fit(X, Y), path)
        for method in ("predict_proba", "predict_log_proba", "decision_function"):
            assert hasattr(loaded, method) == hasattr(model, method)
            assert hasattr(loaded.estimator_, method) == hasattr(model, method)


def test_what_was_not_saved_is_refused_with_what_to_do_instead(path):
    _, loaded = saved(XGBClassifier(**SMALL).fit(X, Y), path)
    for refused in (
        lambda: clone(loaded),
        lambda: loaded.fit(X, Y),
        lambda: loaded.estimator.fit(X, Y),
        lambda: loaded.estimator_.predict(X),
        lambda: cross_val_score(loaded, X, Y, error_score="raise"),
    ):
        with pytest.raises(
            TypeError, match=r"xgboost.sklearn.XGBClassifier.*set_params\(estimator=XGBClassifier\(\.\.\.\)\)"
        ):
            refused()
    with pytest.raises(AttributeError, match=r"no attribute 'get_booster'.*has kept the trees, not the model itself"):
        loaded.estimator_.get_booster()
    same_answers(loaded, TensorizedEstimator(XGBClassifier(**SMALL).fit(X, Y)), X)  # the failed fit left all as it was


@pytest.mark.parametrize("fit", [False, True])
def test_with_a_model_of_the_library_put_in_place_a_loaded_estimator_is_fitted_again(fit, path):
    fast = TensorizedEstimator(XGBClassifier(**SMALL).fit(X, Y))
    sktensor.save(fast.fit(X, Y) if fit else fast, path)
    again = sktensor.load(path).set_params(estimator=RandomForestClassifier(3, random_state=0)).fit(X[:, :4], NAMES)
    same_bits(again.predict(X[:, :4]), again.estimator_.predict(X[:, :4]))
    assert not isinstance(again.estimator_, SavedModel)


def test_a_loaded_estimator_is_copied_frozen_and_pickled(path):
    fast, loaded = saved(GradientBoostingClassifier(n_estimators=4).fit(X, Y), path)
    frozen = FrozenEstimator(loaded)
    for again in (clone(frozen), copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded)), sktensor.load(path)):
        same_bits(again.predict_proba(X), fast.predict_proba(X))


def test_the_class_named_in_a_file_is_that_of_the_library(path):
    for model in (FrozenEstimator(MODELS["XGBClassifier"]()), TensorizedEstimator(MODELS["XGBClassifier"]())):
        _, loaded = saved(model, path)
        assert loaded.estimator_.model == "xgboost.sklearn.XGBClassifier"


def test_tags_of_another_scikit_learn_version_are_ignored(path):
    fast, _ = saved(Brought(np.arange(3)), path)
    data = changed(path.read_bytes(), "tags", "input_tags", "smell", to=True)
    path.write_bytes(without(data, "tags", "input_tags", "string"))
    assert get_tags(sktensor.load(path)) == get_tags(fast)
