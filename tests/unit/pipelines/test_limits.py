"""Numbers that steps refuse: too large for them, or for what a step before makes of them, be it clipped behind it."""

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import Binarizer, KBinsDiscretizer, MaxAbsScaler, MinMaxScaler, StandardScaler
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3)) * [1e-3, 1.0, 300.0]
Y = X[:, 0] * X[:, 1] > 0

STEPS = {
    "scaled": lambda: [StandardScaler()],
    "clipped": lambda: [MinMaxScaler(clip=True)],
    "scaled and clipped": lambda: [StandardScaler(), MinMaxScaler(clip=True)],
    "scaled twice and clipped": lambda: [StandardScaler(), MaxAbsScaler(), MinMaxScaler(clip=True)],
    "scaled and cut in two": lambda: [StandardScaler(), Binarizer()],
    "scaled and in bins": lambda: [StandardScaler(), KBinsDiscretizer(3, encode="onehot-dense")],
    "beside each other": lambda: [
        FeatureUnion([("scaled", make_pipeline(StandardScaler(), MinMaxScaler(clip=True))), ("cut", Binarizer())])
    ],
}
MODELS = {
    "xgboost": lambda: XGBClassifier(n_estimators=4, n_jobs=1),
    "lightgbm": lambda: LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1),
    "forest": lambda: RandomForestClassifier(n_estimators=4, n_jobs=1, random_state=0),
}
LARGE = {"float64": (3e35, 3.4e38, 3.41e38, 1e304, 3e305, 1.7e308), "float32": (3e34, 3e35, 1e38, 3.4e38)}


def told(model, rows):
    try:
        return model.predict_proba(rows).tobytes()
    except ValueError as error:
        return str(error).partition("\n")[0]


@pytest.mark.parametrize("dtype", LARGE)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.filterwarnings("ignore")
def test_large_numbers_are_taken_or_refused_as_the_pipeline_does(steps, model, dtype):
    whole = make_pipeline(*STEPS[steps](), MODELS[model]()).fit(X, Y)
    fast = TensorizedEstimator(whole)
    for value in LARGE[dtype]:
        for column in range(3):
            rows = X[:3].astype(dtype)
            rows[1, column] = value if column else -value
            assert told(fast, rows) == told(whole, rows), (value, column)
    assert fast._compiled().folded()


@pytest.mark.parametrize("n_rows", [1, 7, 600, 20_000])
@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.filterwarnings("ignore")
def test_a_large_number_is_found_in_any_row(n_rows, layout):
    whole = make_pipeline(StandardScaler(), MODELS["forest"]()).fit(X, Y)
    fast = TensorizedEstimator(whole)
    many = np.resize(X, (n_rows, 3)).copy(order=layout)
    assert fast.predict_proba(many).tobytes() == whole.predict_proba(many).tobytes()
    limit = fast._compiled().folded()["d"].folded.highest[0]
    assert limit < 3.4e38
    for row in {0, n_rows // 2, n_rows - 1}:
        for value in (limit, np.nextafter(limit, np.inf), np.inf, np.nan):
            rows = many.copy(order=layout)
            rows[row, 0] = value
            assert told(fast, rows) == told(whole, rows), (row, value)
