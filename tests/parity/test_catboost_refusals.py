"""Models of CatBoost that are refused, by name."""

import json

import catboost as cb
import numpy as np
import pandas as pd
import pytest
from catboost_models import CONSTANT, HOLES, QUIET, REAL, THREE, YES, B, C, K, N, R, X, fit, fitted, leaves_set, shrunk
from sklearn.exceptions import NotFittedError

from sktensor import UnsupportedModelError, extract_forest
from sktensor.extractors.catboost import model as extractor
from sktensor.extractors.catboost.model import extract

pytestmark = [
    pytest.mark.filterwarnings("ignore:Failed to import numba"),
    pytest.mark.filterwarnings("ignore:Can't optimize method"),
]


@pytest.mark.evidence("refused")
def test_borders_that_json_cannot_hold_are_refused():
    """Of a model that is read none is infinite, which no missing value would exceed."""
    model = fitted(R, np.where(X > 1.5, np.inf, HOLES), REAL, nan_mode="Max", iterations=60, depth=6)
    with pytest.raises(UnsupportedModelError, match=r"cannot write this model as JSON: .*invalid float value: inf"):
        extract(model)


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    ("field", "value"), [("label_shape", (2,)), ("decision_threshold", np.nan), ("link", "mean_variance")]
)
def test_a_forest_with_an_impossible_answer_is_refused_by_field(field, value):
    forest = extract(fitted(C, X, THREE, iterations=1))
    with pytest.raises(ValueError, match=field):
        forest.replace(**{field: value}).validate()


@pytest.mark.parametrize("model", [C(**QUIET), R(**QUIET), K(**QUIET), B(QUIET)], ids=lambda m: type(m).__name__)
def test_an_unfitted_model_is_named(model):
    with pytest.raises(NotFittedError, match=type(model).__name__):
        extract(model)


class DoublingRegressor(R):
    """Answers of its own."""

    def predict(self, *args, **kwargs):
        return 2 * super().predict(*args, **kwargs)


@pytest.mark.evidence("refused")
def test_answers_of_a_subclass_or_an_object_of_their_own_are_refused_by_name():
    patched = fitted(R, X, REAL)
    patched.predict = lambda X: X[:, 0]
    for own, named in (
        (fitted(DoublingRegressor, X, REAL), "DoublingRegressor replaces predict of CatBoostRegressor"),
        (patched, "CatBoostRegressor replaces predict"),
    ):
        with pytest.raises(UnsupportedModelError, match=named):
            extract_forest(own)


def frame(column):
    return pd.DataFrame({"special": column, "number": X[:, 0]})


REFUSED = {
    "text": (fit(C, frame(np.where(YES, "good one", "bad two")), YES, text_features=["special"]), "text_features"),
    "embeddings": (fit(C, frame([list(row) for row in X]), YES, embedding_features=["special"]), "embedding_features"),
    "classes that are not there": (fit(C, X, np.where(THREE == 2, 3, THREE), classes_count=5), "classes_count"),
    "one class": (fit(C, X, np.ones(N, dtype=int), **CONSTANT), "1 classes"),
    "no trees": (lambda: shrunk(fitted(R, X, REAL), 0, 0), "no trees"),
    "infinite leaves": (lambda: leaves_set(fitted(R, X, REAL), [np.inf]), "JSON"),
    "a tool, not a model": (lambda: cb.Pool(X, REAL), "Pool"),
}


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("name", REFUSED)
def test_unsupported_models_are_refused_by_name(name):
    make, words = REFUSED[name]
    model = make()
    with pytest.raises(UnsupportedModelError, match=words):
        extract(model)


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda saved: saved.update(new_part=1), "new_part"),
        (lambda saved: saved["oblivious_trees"][0]["splits"][0].update(split_type="OnlineCtr"), "OnlineCtr"),
        (lambda saved: saved["oblivious_trees"][0]["splits"][0].update(mirrored=True), "mirrored"),
        (lambda saved: saved["oblivious_trees"][0]["leaf_values"].pop(), "leaf values"),
        (lambda saved: saved["oblivious_trees"][0]["leaf_values"].reverse(), "numbered"),
        (lambda saved: saved["features_info"]["float_features"][0].update(nan_value_treatment="AsZero"), "AsZero"),
        (lambda saved: saved["model_info"]["params"]["loss_function"].update(type="Novel"), "Novel"),
        (lambda saved: saved["model_info"]["params"].pop("loss_function"), "None"),
    ],
)
def test_unknown_fields_of_a_saved_model_are_refused_by_name(monkeypatch, change, words):
    model = fitted(R, X, REAL)
    saved = json.loads(json.dumps(extractor._saved(model)))
    change(saved)
    monkeypatch.setattr(extractor, "_saved", lambda _: saved)
    with pytest.raises(UnsupportedModelError, match=words):
        extract(model)


@pytest.mark.evidence("refused")
def test_a_classifier_with_a_loss_that_gives_no_classes_is_refused(monkeypatch):
    model = fitted(C, X, YES)
    saved = extractor._saved(model)
    saved["model_info"]["params"]["loss_function"]["type"] = "RMSE"
    monkeypatch.setattr(extractor, "_saved", lambda _: saved)
    with pytest.raises(UnsupportedModelError, match="RMSE"):
        extract(model)
