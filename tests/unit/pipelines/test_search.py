"""The search for folded thresholds: the same places whatever the steps are like, and few calls of linear ones."""

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import Binarizer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator
from sktensor.pipelines.domains import Domain, first_that

RNG = np.random.default_rng(0)
THRESHOLDS = np.unique(np.concatenate([RNG.normal(size=40), RNG.normal(size=40) * 1e-9, [-1e300, 0.0, 1.0, 1e300]]))

STEPS = {
    "scaled": lambda x: (x - 10.0) / 3.0,
    "shifted far": lambda x: (x - 1e9) * 1e-3,
    "steep": lambda x: x * 1e200,
    "flat": lambda x: np.zeros(x.shape),
    "cut": lambda x: np.clip(x * 0.1, -0.5, 0.5),
    "one step": lambda x: (x > 0.25).astype(float),
    "cubed": lambda x: np.sign(x) * np.abs(x) ** 3,
    "rounded": lambda x: x.astype(np.float32).astype(np.float64),
}


def searched(domain, step):
    """The places of all thresholds, and how often the step has been called."""
    calls = []

    def asked(tried, which):
        calls.append(len(tried))
        with np.errstate(all="ignore"):
            z = [np.asarray(step(x.astype(np.float64)), dtype=np.float64) for x in tried]
        return [(column >= THRESHOLDS[w, None], column) for column, w in zip(z, which, strict=True)]

    return first_that([domain], asked, [len(THRESHOLDS)], [THRESHOLDS])[0], len(calls)


def bisected(domain, step):
    low = np.full(len(THRESHOLDS), domain.first, dtype=np.uint64)
    high = np.full(len(THRESHOLDS), domain.last + 1, dtype=np.uint64)
    while (low < high).any():
        middle = low + (high - low) // np.uint64(2)
        with np.errstate(all="ignore"):
            holds = np.asarray(step(domain.value(middle).astype(np.float64))) >= THRESHOLDS
        is_open = low < high
        high = np.where(is_open & holds, middle, high)
        low = np.where(is_open & ~holds, middle + np.uint64(1), low)
    return high


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int16", "uint8", "bool"])
@pytest.mark.parametrize("step", STEPS)
def test_the_places_that_bisection_finds(step, dtype):
    domain = Domain(np.dtype(dtype))
    np.testing.assert_array_equal(searched(domain, STEPS[step])[0], bisected(domain, STEPS[step]))


def test_steps_that_are_about_linear_are_asked_a_few_times():
    domain = Domain(np.dtype("float64"))
    assert searched(domain, STEPS["scaled"])[1] <= 6
    assert searched(domain, STEPS["cubed"])[1] <= 14


@pytest.mark.parametrize(
    "step",
    [
        StandardScaler(copy=False),
        MinMaxScaler(copy=False),
        MaxAbsScaler(copy=False),
        RobustScaler(copy=False),
        Binarizer(threshold=9.0, copy=False),
    ],
    ids=lambda step: type(step).__name__,
)
def test_steps_that_write_into_the_array_they_are_given(step):
    X = RNG.normal(size=(200, 4)) * 10 + 3
    y = X[:, 0] * X[:, 1] > 9
    model = make_pipeline(SimpleImputer(copy=False), step, XGBClassifier(n_estimators=5, n_jobs=1)).fit(X.copy(), y)
    fast = TensorizedEstimator(model)
    given = X.copy()
    assert fast.predict_proba(given).tobytes() == model.predict_proba(X.copy()).tobytes()
    assert given.tobytes() == X.tobytes()
    assert fast._compiled().folded()


def test_zeros_of_both_signs_where_an_imputer_takes_zero_for_missing():
    X = np.where(RNG.random((200, 4)) < 0.2, 0.0, RNG.normal(size=(200, 4)) + 1)
    X[::7] *= -1.0
    y = X[:, 0] * X[:, 1] > 0.5
    model = make_pipeline(SimpleImputer(missing_values=0), StandardScaler(), XGBClassifier(n_estimators=5, n_jobs=1))
    model.fit(X, y)
    fast = TensorizedEstimator(model)
    assert np.signbit(X[X == 0]).any()
    assert fast.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()
    assert fast._compiled().folded()


@pytest.mark.parametrize("model", [XGBClassifier(n_estimators=3, n_jobs=1), GradientBoostingClassifier(n_estimators=3)])
@pytest.mark.parametrize("dtype", ["int8", "float64"])
def test_what_one_branch_takes_for_missing_is_a_number_to_another(dtype, model):
    X = RNG.integers(-9, 3, (300, 2)).astype(dtype)
    y = X[:, 0] >= 0  # which the imputed column does not tell of zeros
    steps = FeatureUnion([("imputed", SimpleImputer(missing_values=0)), ("scaled", MaxAbsScaler())])
    model = make_pipeline(steps, model).fit(X, y)
    fast = TensorizedEstimator(model)
    assert fast.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()
    assert fast._compiled().folded()
