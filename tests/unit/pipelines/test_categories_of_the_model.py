"""Models with categories of their own behind encoders: what they make of a code is folded, too."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OrdinalEncoder, PowerTransformer, StandardScaler

from sktensor import TensorizedEstimator

RNG = np.random.default_rng(0)
N = 300
X = pd.DataFrame(
    {
        "a": RNG.normal(size=N),
        "t": RNG.choice(list("vwxyz"), N),
        "u": RNG.choice(list("pqr"), N),
        "i": RNG.integers(0, 6, N).astype(float),
    }
)
Y = (X["a"] > 0) ^ X["t"].isin(["v", "y"]) ^ (X["i"] > 3)
X.loc[::7, "t"] = np.nan
X.loc[::9, "a"] = np.nan

ENCODERS = {
    "of unknown ones -1": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    "of unknown ones NaN": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
    "of missing ones a code": OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=9, encoded_missing_value=7
    ),
    "of unknown ones an error": OrdinalEncoder(),
    "of few categories": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=3),
}
FRAMES = {
    "object": lambda frame: frame.astype({"t": object, "u": object}),
    "str": lambda frame: frame,
    "category": lambda frame: frame.astype({"t": "category", "u": "category"}),
    "polars": lambda frame: pl.from_pandas(frame),
}


def fitted(steps, categorical, rows):
    model = HistGradientBoostingClassifier(max_iter=12, categorical_features=categorical, min_samples_leaf=3)
    return make_pipeline(ColumnTransformer(steps, remainder="passthrough"), model).fit(rows, Y)


def outcome(model, rows):
    try:
        return model.predict_proba(rows).tobytes()
    except ValueError as error:
        return str(error)


def assert_same(fast, model, rows):
    for some in (rows, rows[:1], rows[1:2], rows[:0]):
        assert outcome(fast, some) == outcome(model, some)


@pytest.mark.parametrize("columns", [["t", "u"], ["u", "i", "t"]])
@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("name", ENCODERS)
def test_codes_of_an_encoder_are_categories(name, kind, columns):
    of = FRAMES[kind]
    model = fitted([("codes", ENCODERS[name], columns)], list(range(len(columns))), of(X))
    fast = TensorizedEstimator(model)
    assert_same(fast, model, of(X))
    assert fast._compiled().folded()
    other = X.copy()
    other.loc[::5, "t"], other.loc[::11, "i"], other.loc[3, "i"], other.loc[8, "i"] = "unknown", 7.5, -0.0, np.nan
    assert_same(fast, model, of(other))


RUN = {
    "numbers": (["a", "i"], [("scaled", StandardScaler(), ["a"])], [1], "takes the numbers in column 1 for categories"),
    "bins": (
        ["a", "i"],
        [("bins", make_pipeline(SimpleImputer(), KBinsDiscretizer(5, encode="ordinal")), ["a", "i"])],
        [0, 1],
        "takes the numbers in column 0 for categories",
    ),
    "beside a step that is run": (
        ["a", "t", "u", "i"],
        [("codes", ENCODERS["of unknown ones -1"], ["t", "u"]), ("run", PowerTransformer(), ["a", "i"])],
        [0, 1],
        "categories of its own beside columns of steps that are run",
    ),
}


@pytest.mark.parametrize("name", RUN)
def test_steps_in_front_of_other_categories_are_run(name):
    columns, steps, categorical, why = RUN[name]
    model = fitted(steps, categorical, X[columns])
    fast = TensorizedEstimator(model)
    assert_same(fast, model, X[columns])
    assert not fast._compiled().folded()
    assert why in fast._compiled().why_run
