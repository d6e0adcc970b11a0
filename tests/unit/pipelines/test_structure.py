"""Descriptions of transformers: those of scikit-learn hold, wrong ones are found, and others are registered."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from sktensor import TensorizedEstimator, register_transformer
from sktensor.pipelines import registry
from sktensor.testing import check_transformer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = (X[:, 0] > 0).astype(int)
WITH_MISSING = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
ROUNDED = np.round(X)

OF_NUMBERS = {
    "StandardScaler": StandardScaler(),
    "MinMaxScaler": MinMaxScaler((-2, 5), clip=True),
    "MaxAbsScaler": MaxAbsScaler(),
    "RobustScaler": RobustScaler(quantile_range=(10, 90)),
    "Binarizer": Binarizer(threshold=0.1),
    "KBinsDiscretizer, ordinal": KBinsDiscretizer(4, encode="ordinal", strategy="uniform"),
    "KBinsDiscretizer, onehot": KBinsDiscretizer(4, encode="onehot", strategy="uniform"),
    "SelectKBest": SelectKBest(k=2),
}


@pytest.mark.parametrize("transformer", OF_NUMBERS.values(), ids=OF_NUMBERS)
def test_descriptions_of_scikit_learns_transformers_of_numbers_hold(transformer):
    check_transformer(transformer.fit(X, Y), X)


@pytest.mark.parametrize("transformer", [SimpleImputer(add_indicator=True), MissingIndicator(features="all")])
def test_descriptions_of_imputers_hold(transformer):
    check_transformer(transformer.fit(WITH_MISSING), WITH_MISSING)


@pytest.mark.parametrize(
    "transformer",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        TargetEncoder(),
    ],
)
def test_descriptions_of_encoders_hold(transformer):
    check_transformer(transformer.fit(ROUNDED, Y), ROUNDED)


def test_descriptions_of_encoders_of_text_hold():
    texts = pd.DataFrame({"a": RNG.choice(list("xyz"), 60), "b": RNG.choice(list("uv"), 60)})
    check_transformer(OneHotEncoder(min_frequency=25).fit(texts), texts)


class Squared(TransformerMixin, BaseEstimator):
    """Not monotone."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.asarray(X) ** 2


class Negated(Squared):
    """Never increasing."""

    def transform(self, X):
        return -np.asarray(X)


class Mixed(Squared):
    """Each column depends on all."""

    def transform(self, X):
        return np.asarray(X) + np.asarray(X).sum(axis=1, keepdims=True)


def monotone(transformer, columns):
    return [column.monotone() for column in columns]


@pytest.mark.parametrize(
    ("transformer", "describe", "error"),
    [
        (Squared(), monotone, "is said to be monotone, and is not"),
        (Negated(), monotone, "is said to be monotone, and is not"),
        (Mixed(), monotone, "alone, and others change it"),
        (Squared(), lambda transformer, columns: columns[:1], "1 columns are described, and the transformer gives 3"),
        (Squared(), lambda transformer, columns: [c.pieces([0.0]) for c in columns], "changes between"),
    ],
)
def test_a_wrong_description_is_found(transformer, describe, error):
    with pytest.raises(AssertionError, match=error):
        check_transformer(transformer.fit(X), X, describe=describe)


def test_what_nobody_describes_is_said_so():
    with pytest.raises(ValueError, match="Nobody describes Squared"):
        check_transformer(Squared().fit(X), X)


def test_a_registered_description_folds_the_step(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    register_transformer(
        Negated.__module__.partition(".")[0], lambda transformer, columns: [c.decreasing() for c in columns]
    )
    check_transformer(Negated().fit(X), X)
    pipeline = make_pipeline(Negated(), RandomForestClassifier(n_estimators=5, random_state=0)).fit(X, Y)
    fast = TensorizedEstimator(pipeline)
    assert fast.predict_proba(X).tobytes() == pipeline.predict_proba(X).tobytes()
    assert "negated (Negated): folded" in str(fast.explain_plan())
    monkeypatch.setattr(registry, "_registered", {})
    again = TensorizedEstimator(pipeline)
    assert again.predict_proba(X).tobytes() == pipeline.predict_proba(X).tobytes()
    assert "negated (Negated): run" in str(again.explain_plan())


@pytest.mark.parametrize(
    ("package", "describe"), [("a.b", monotone), ("", monotone), (3, monotone), ("package", "no function")]
)
def test_what_is_no_description_is_refused(package, describe):
    with pytest.raises(TypeError, match=r"package must be|describe must be"):
        register_transformer(package, describe)
