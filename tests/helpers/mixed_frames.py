"""Frames of numbers and texts in several containers, a pipeline fitted on them, and other frames with the same rows."""

import numpy as np
import pandas as pd
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

RNG = np.random.default_rng(0)
N = 66
COLUMNS = {
    "a": RNG.normal(size=N),
    "b": RNG.normal(size=N).astype(np.float32),
    "i": RNG.integers(-3, 4, N),
    "t": RNG.choice(["x", "y", "z"], N).astype(object),
    "further": RNG.normal(size=N),
    "f": RNG.random(N) < 0.5,
    "u": RNG.choice(["p", "q"], N).astype(object),
}
COLUMNS["a"][::9] = np.nan
COLUMNS["t"][::11] = None
Y = (np.nan_to_num(COLUMNS["a"]) > 0) ^ (COLUMNS["t"] == "x") ^ COLUMNS["f"]
TEXTS = ["t", "u"]


class Text(str):
    """A text that is one of another class."""


def pandas_frame(dtype, missing=np.nan):
    frame = pd.DataFrame(COLUMNS)
    texts = [pd.Series([missing if v is None else v for v in COLUMNS[name]], dtype=dtype) for name in TEXTS]
    return frame.assign(**dict(zip(TEXTS, texts, strict=True)))


FRAMES = {
    "object, NaN": lambda: pandas_frame(object),
    "object, None": lambda: pandas_frame(object, None),
    "str": lambda: pandas_frame(pd.StringDtype(na_value=np.nan)),
    "string": lambda: pandas_frame(pd.StringDtype("python"), "z"),
    "category": lambda: pandas_frame("category"),
    "polars": lambda: pl.DataFrame({k: v.tolist() for k, v in COLUMNS.items()}),
    "polars, nulls": lambda: pl.DataFrame(
        {k: [None if x != x else x for x in v.tolist()] for k, v in COLUMNS.items()},
        schema_overrides={"b": pl.Float32, "i": pl.Int16, "t": pl.Categorical},
    ),
}


def fitted(frame):
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b", "i", "f"]),
            ("bins", KBinsDiscretizer(4, encode="ordinal", strategy="uniform"), ["b", "i"]),
            ("whole", OneHotEncoder(handle_unknown="ignore"), ["i"]),
            (
                "texts",
                make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
                TEXTS,
            ),
        ]
    )
    return make_pipeline(columns, XGBClassifier(n_estimators=8, max_depth=4, n_jobs=1)).fit(frame, Y)


def consolidated(row):
    return row.copy() if isinstance(row, pd.DataFrame) else row.clone()


def made_anew(row):
    if isinstance(row, pl.DataFrame):
        return pl.DataFrame({name: row[name].to_list() for name in row.columns}, schema=row.schema)
    return pd.DataFrame({name: pd.Series(row[name].tolist(), dtype=row[name].dtype) for name in row})


def turned(row):
    return row[["u", "further", "f", "t", "i", "b", "a"]]


def outcome(model, rows):
    try:
        with np.errstate(all="ignore"):
            return model.predict_proba(rows).tobytes()
    except Exception as error:
        return type(error), str(error)
