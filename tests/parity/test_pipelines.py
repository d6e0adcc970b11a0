"""Pipelines hold their own answers, bit for bit, whether their steps are folded into the forest or run."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator

N_ROWS = 400

MODELS = {
    "XGBoost": lambda: XGBClassifier(n_estimators=6, max_depth=4, n_jobs=1),
    "XGBoost, missing=0": lambda: XGBClassifier(n_estimators=6, max_depth=4, n_jobs=1, missing=0.0),
    "LightGBM": lambda: LGBMClassifier(n_estimators=6, n_jobs=1, verbose=-1),
    "LightGBM, zero_as_missing": lambda: LGBMClassifier(n_estimators=6, n_jobs=1, verbose=-1, zero_as_missing=True),
    "HistGradientBoosting": lambda: HistGradientBoostingClassifier(max_iter=6),
    "forest": lambda: RandomForestClassifier(n_estimators=6, random_state=0),
    "GradientBoosting": lambda: GradientBoostingClassifier(n_estimators=6),
}
try:
    from catboost import CatBoostClassifier

    MODELS["CatBoost"] = lambda: CatBoostClassifier(
        iterations=6, depth=4, verbose=0, thread_count=1, allow_writing_files=False
    )
except ImportError:
    pass


def bins(encode):
    return KBinsDiscretizer(5, encode=encode, strategy="uniform")


STEPS = {
    "StandardScaler": StandardScaler,
    "MinMaxScaler": lambda: MinMaxScaler(clip=True),
    "MaxAbsScaler": MaxAbsScaler,
    "RobustScaler": RobustScaler,
    "Binarizer": lambda: make_pipeline(SimpleImputer(), Binarizer(threshold=0.3)),
    "KBinsDiscretizer, ordinal": lambda: make_pipeline(SimpleImputer(), bins("ordinal")),
    "KBinsDiscretizer, onehot": lambda: make_pipeline(SimpleImputer(), bins("onehot")),
    "KBinsDiscretizer, onehot-dense": lambda: make_pipeline(SimpleImputer(), bins("onehot-dense")),
    "SimpleImputer, mean": SimpleImputer,
    "SimpleImputer, median, add_indicator": lambda: SimpleImputer(strategy="median", add_indicator=True),
    "SimpleImputer, most_frequent": lambda: SimpleImputer(strategy="most_frequent"),
    "SimpleImputer, constant": lambda: SimpleImputer(strategy="constant", fill_value=-7.5),
    "SimpleImputer, of a sentinel": lambda: make_pipeline(FunctionTransformer(), SimpleImputer(missing_values=1.0)),
    "SimpleImputer, then StandardScaler": lambda: make_pipeline(SimpleImputer(), StandardScaler()),
    "selection": lambda: make_pipeline(SimpleImputer(), SelectKBest(k=3), StandardScaler()),
    "VarianceThreshold": lambda: VarianceThreshold(0.5),
    "passthrough": lambda: "passthrough",
    "FeatureUnion": lambda: make_pipeline(
        SimpleImputer(), FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler()), ("c", "passthrough")])
    ),
    "ColumnTransformer": lambda: ColumnTransformer(
        [("a", StandardScaler(), [0, 2]), ("b", SimpleImputer(), [1]), ("c", "drop", [3])], remainder="passthrough"
    ),
    "ColumnTransformer, sparse": lambda: ColumnTransformer(
        [("a", StandardScaler(), [0, 2]), ("b", make_pipeline(SimpleImputer(), bins("onehot")), [1, 3])],
        sparse_threshold=1.0,
    ),
    "ColumnTransformer, partly run": lambda: ColumnTransformer(
        [("p", make_pipeline(SimpleImputer(), PCA(2)), [0, 1, 2]), ("s", StandardScaler(), [3, 4])]
    ),
    "run": PowerTransformer,
    "run, then folded": lambda: make_pipeline(SimpleImputer(), PCA(3), StandardScaler()),
}
RUN = ("run", "run, then folded", "passthrough")  # or no steps at all

DTYPES = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "int64": lambda X: np.nan_to_num(np.round(X)).astype(np.int64),
    "without missing": np.nan_to_num,
}


def numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, 5)) * [1, 10, 0.1, 1000, 1] + [0, 5, 0, -100, 3]
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


def rows_that_hurt(X):
    """Values and one ulp beside them, zeros of both signs, denormals, numbers at the end of their range."""
    if X.dtype.kind != "f":
        return X
    X = X[:200].copy()
    X[:40], X[40:80] = np.nextafter(X[:40], np.inf), np.nextafter(X[40:80], -np.inf)
    X[80:90], X[90:100], X[100:110], X[110:115], X[115:118] = 0.0, -0.0, 1e-40, 1e30, -1e38
    return X


def answer(model, method, X):
    """What a method gives, or the error that it raises, and the warnings but for those of numpy's arithmetic."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = getattr(model, method)(X)
        except Exception as error:
            found = error
    return found, sorted({str(w.message) for w in caught if not issubclass(w.category, RuntimeWarning)})


def assert_same(pipeline, fast, X, methods=("predict", "predict_proba")):
    for method in methods:
        (expected, told), (found, told_here) = answer(pipeline, method, X), answer(fast, method, X)
        if isinstance(expected, Exception):
            assert type(found) is type(expected)
            own_name = type(pipeline[-1]).__name__  # that of the wrapper around the last step stands there instead
            said = str(found).replace("TensorizedEstimator", own_name)
            of_missing = (
                "Input X contains NaN"  # in sparse rows, of which the wrapped last step goes on in its own words
            )
            assert said == str(expected) or (said.startswith(of_missing) and str(expected).startswith(of_missing))
            continue
        assert not isinstance(found, Exception), found
        assert found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes()
        assert told_here == told


def assert_same_again_and_again(pipeline, fast, rows):
    """As those are asked that have a frame for each row: after two of a layout the others are read at once."""
    for i in [0, 0, *range(len(rows))]:
        assert_same(pipeline, fast, rows[i : i + 1], ("predict_proba",))


def is_folded(fast):
    return [ready is not None for ready in fast._compiled()._ready.values()]


# Every step with every model for one dtype, and for every dtype with two models, one that casts and one that does not.
CASES = [
    (step, model, dtype)
    for step in STEPS
    for model in MODELS
    for dtype in DTYPES
    if dtype == "float64" or model in ("XGBoost", "LightGBM")
]


@pytest.mark.parametrize(("step", "model", "dtype"), CASES)
def test_steps_of_numbers(step, model, dtype):
    X = DTYPES[dtype](numbers())
    y = (np.nan_to_num(X[:, 0].astype(float)) > 0).astype(int)
    pipeline = make_pipeline(STEPS[step](), MODELS[model]())
    try:
        pipeline.fit(X, y)
    except (ValueError, TypeError):
        pytest.skip("the library refuses to train")
    fast = TensorizedEstimator(pipeline)
    for rows in (X, rows_that_hurt(X), X[:1], X[:0]):
        assert_same(pipeline, fast, rows)
    assert any(is_folded(fast)) == (step not in RUN)


WORDS = np.array(["red", "green", "blue", "violet", "black", ""], dtype=object)
NUMBERS, TEXTS = ["n0", "n1", "n2", "i", "f"], ["t0", "t1", "t2"]


def imputed(*steps):
    return make_pipeline(SimpleImputer(), *steps)


MIXED = {
    "scaled and one-hot": lambda: ColumnTransformer(
        [("n", imputed(StandardScaler()), NUMBERS), ("t", OneHotEncoder(handle_unknown="ignore"), TEXTS)]
    ),
    "sparse": lambda: ColumnTransformer(
        [("n", imputed(StandardScaler()), NUMBERS), ("t", OneHotEncoder(handle_unknown="ignore"), TEXTS)],
        sparse_threshold=1.0,
    ),
    "unknown categories refused": lambda: ColumnTransformer(
        [("n", StandardScaler(), NUMBERS), ("t", OneHotEncoder(), TEXTS)]
    ),
    "infrequent": lambda: ColumnTransformer(
        [
            ("n", StandardScaler(), NUMBERS),
            ("t", OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=90), TEXTS),
        ]
    ),
    "ordinal": lambda: ColumnTransformer(
        [
            ("n", SimpleImputer(add_indicator=True), NUMBERS),
            (
                "t",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
                TEXTS,
            ),
        ]
    ),
    "target": lambda: ColumnTransformer([("n", "passthrough", NUMBERS), ("t", TargetEncoder(), TEXTS)]),
    "drop, which warns": lambda: ColumnTransformer(
        [("n", "passthrough", NUMBERS), ("t", OneHotEncoder(drop="first", handle_unknown="ignore"), TEXTS)]
    ),
    "a selector and the remainder": lambda: ColumnTransformer(
        [("n", RobustScaler(), make_column_selector(dtype_include=np.number))],
        remainder=OneHotEncoder(handle_unknown="ignore"),
    ),
    "numbers as categories": lambda: ColumnTransformer(
        [("n", StandardScaler(), ["n0", "n2"]), ("i", OneHotEncoder(), ["i", "b"])]
    ),
    "a column in two branches": lambda: ColumnTransformer(
        [
            ("n", StandardScaler(), ["n0", "i"]),
            ("i", OneHotEncoder(handle_unknown="ignore"), ["i", "t0"]),
            ("o", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["t0"]),
        ]
    ),
    "frames between": lambda: ColumnTransformer(
        [
            ("n", StandardScaler(), NUMBERS),
            ("t", OneHotEncoder(handle_unknown="ignore", sparse_output=False), TEXTS),
        ]
    ).set_output(transform="pandas"),
}


def frame(kind):
    rng = np.random.default_rng(1)
    columns = {f"n{i}": rng.normal(size=N_ROWS) * 10**i for i in range(3)}
    columns["n1"][rng.random(N_ROWS) < 0.1] = np.nan
    columns["i"] = rng.integers(0, 9, N_ROWS)
    columns["f"] = columns["n0"].astype(np.float32)
    columns["b"] = rng.random(N_ROWS) < 0.5
    for i, name in enumerate(TEXTS):
        values = WORDS[rng.integers(0, 6 - i, N_ROWS)]
        if name == "t1":
            values[rng.random(N_ROWS) < 0.1] = np.nan if kind == "object" else None
        columns[name] = pd.Series(values, dtype=object)
    found = pd.DataFrame(columns)
    if kind == "polars":
        return pl.from_pandas(found)
    return found if kind.startswith("object") else found.astype(dict.fromkeys(TEXTS, kind))


def other_frames(kind, X):
    """Rows of other values, orders and dtypes than those of training."""
    yield X[:1]
    yield X[:0]
    if kind == "polars":
        yield X[:100].with_columns(t0=pl.lit("unknown"))
        yield X[:100].with_columns(n0=pl.lit(None, dtype=pl.Float64))
        yield X.select(X.columns[::-1])
        return
    some = X[:100]
    yield X[X.columns[::-1]]
    yield X.assign(further="x")
    yield X.drop(columns="n0")
    yield some.assign(n0=np.inf)
    yield some.assign(n2=np.nan)
    yield some.assign(n0=np.nextafter(some["n0"], np.inf), n2=-0.0)
    yield some.astype({"n0": np.float32})
    as_objects = some.astype({"t0": object, "t2": object})
    yield as_objects.assign(t0="unknown")
    yield as_objects.assign(t2=np.nan)
    mixed = np.array(some["t0"], dtype=object)
    mixed[3], mixed[4] = None, np.nan
    yield some.assign(t0=pd.Series(mixed, dtype=object))
    yield some.assign(t0=pd.Series([7, *mixed[1:]], dtype=object))


FRAMES = [
    (steps, model, kind)
    for steps in MIXED
    for kind in ("object", "object with None", "str", "category", "polars")
    for model in ("XGBoost", *(("forest", "LightGBM", "HistGradientBoosting") if kind == "str" else ()))
]


@pytest.mark.parametrize(("steps", "model", "kind"), FRAMES)
def test_steps_of_frames(steps, model, kind):
    X = frame("object " if kind == "object with None" else kind)
    y = (np.asarray(X["n0"]) > 0).astype(int)
    pipeline = make_pipeline(MIXED[steps](), MODELS[model]())
    try:
        pipeline.fit(X, y)
    except (ValueError, TypeError):
        pytest.skip("the library refuses to train")
    fast = TensorizedEstimator(pipeline)
    assert_same(pipeline, fast, X)
    if steps != "frames between":
        assert is_folded(fast) == [True]
    for rows in other_frames(kind, X):
        assert_same(pipeline, fast, rows)
        if model == "XGBoost":
            assert_same_again_and_again(pipeline, fast, rows[3:5])
    assert_same_again_and_again(pipeline, fast, X[:10])
