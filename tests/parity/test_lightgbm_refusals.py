"""Models of LightGBM that are refused, by name."""

import lightgbm as lgb
import numpy as np
import pytest
from lightgbm_models import FOREST, QUIET, REAL, TRAIN, YES, C, K, R, X
from sklearn.exceptions import NotFittedError

from sktensor import UnsupportedModelError, extract_forest
from sktensor.extractors.lightgbm import extract

pytestmark = [
    pytest.mark.filterwarnings("ignore:The argument 'eval_set'"),
    pytest.mark.filterwarnings("ignore:Cannot compute class probabilities"),
]


@pytest.mark.evidence("refused")
def test_a_factor_with_digits_that_no_prediction_shows_is_refused_by_name():
    booster = lgb.Booster({**TRAIN, "objective": "binary", "sigmoid": 0.123456789}, lgb.Dataset(X, YES))
    with pytest.raises(UnsupportedModelError, match=r"sigmoid=0\.123456789 has more digits"):
        extract(booster)


@pytest.mark.parametrize("cls", [R, C, K])
def test_unfitted_model_raises_the_error_of_predict(cls):
    with pytest.raises(NotFittedError) as theirs:
        cls().predict(X)
    with pytest.raises(NotFittedError) as ours:
        extract_forest(cls())
    assert str(ours.value) == str(theirs.value)


@pytest.mark.evidence("refused")
def test_prediction_early_stopping_is_refused_by_name():
    model = lgb.LGBMClassifier(**QUIET, pred_early_stop=True).fit(X, YES)
    with pytest.raises(UnsupportedModelError, match="pred_early_stop=True"):
        extract(model)
    later = lgb.LGBMClassifier(**QUIET).fit(X, YES).set_params(pred_early_stop="true")
    with pytest.raises(UnsupportedModelError, match="pred_early_stop='true'"):
        extract(later)
    assert extract(model.set_params(pred_early_stop=False)).n_trees == 12


@pytest.mark.evidence("refused")
def test_a_set_of_boosters_is_refused():
    models = lgb.cv({**TRAIN, "objective": "binary"}, lgb.Dataset(X, YES), 2, return_cvbooster=True)["cvbooster"]
    with pytest.raises(UnsupportedModelError, match="CVBooster"):
        extract(models)


class Doubling:
    """Answers of its own."""

    def predict(self, *args, **kwargs):
        return 2 * super().predict(*args, **kwargs)


class DoublingRegressor(Doubling, R):
    pass


class DoublingBooster(Doubling, lgb.Booster):
    pass


@pytest.mark.evidence("refused")
def test_answers_of_a_subclass_or_an_object_of_their_own_are_refused_by_name():
    model = R(**QUIET).fit(X, REAL)
    patched = R(**QUIET).fit(X, REAL)
    patched.predict = lambda X: X[:, 0]
    for own, named in (
        (DoublingRegressor(**QUIET).fit(X, REAL), "DoublingRegressor replaces predict of LGBMRegressor"),
        (DoublingBooster(model_str=model.booster_.model_to_string()), "DoublingBooster replaces predict of Booster"),
        (patched, "LGBMRegressor replaces predict"),
    ):
        with pytest.raises(UnsupportedModelError, match=named):
            extract_forest(own)


@pytest.mark.evidence("refused")
def test_estimators_for_dask_are_refused_and_told_what_to_do():
    model = type("DaskLGBMRegressor", (R,), {"__module__": "lightgbm.dask"})(**QUIET).fit(X, REAL)
    with pytest.raises(UnsupportedModelError, match=r"DaskLGBMRegressor predicts on dask .* model\.to_local\(\)"):
        extract_forest(model)


@pytest.mark.evidence("refused")
def test_more_outputs_than_labels_are_refused_by_name():
    model = lgb.LGBMClassifier(**QUIET, objective="multiclass", num_class=4).fit(X, YES)
    with pytest.raises(UnsupportedModelError, match="num_class=4"):
        extract(model)


@pytest.mark.evidence("refused")
def test_a_random_forest_without_trees_is_refused():
    booster = lgb.Booster({**TRAIN, **FOREST, "objective": "binary"}, lgb.Dataset(X, YES))
    assert np.isnan(booster.predict(X)).all()
    with pytest.raises(UnsupportedModelError, match="boosting='rf' without trees"):
        extract(booster)
