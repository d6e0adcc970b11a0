"""X of every kind gives what the library gives for it."""

from __future__ import annotations

import functools
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from agreement import library_raw, same_bits
from containers import ARRAYS
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from xgboost import XGBRegressor

from sktensor import TensorizedEstimator

RNG = np.random.default_rng(0)
X = np.round(RNG.normal(size=(120, 4)) * 20) / 2
X[:, 3] = RNG.integers(0, 2, len(X))
Y = X[:, 0] + np.abs(X[:, 1]) + 3 * X[:, 3]

MODELS = {
    "xgboost": XGBRegressor(n_estimators=5, n_jobs=1),
    "xgboost, missing=0": XGBRegressor(n_estimators=5, n_jobs=1, missing=0.0),
    "lightgbm": LGBMRegressor(n_estimators=5, verbose=-1, min_child_samples=2, n_jobs=1),
    "lightgbm, zero_as_missing": LGBMRegressor(
        n_estimators=5, verbose=-1, min_child_samples=2, n_jobs=1, zero_as_missing=True
    ),
    "forest": RandomForestRegressor(n_estimators=5, random_state=0),
    "gradient boosting": GradientBoostingRegressor(n_estimators=5),
    "histograms": HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=2),
}


@functools.cache
def fitted(name):
    return MODELS[name].fit(X, Y)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_every_kind_give_the_librarys_answer(name, kind):
    model, rows = fitted(name), ARRAYS[kind](X)
    if kind in ("list", "objects", "longdouble"):  # which not every library takes; the numbers are the same
        expected = library_raw(model, X)
    elif kind == "big-endian":  # of which XGBoost reads the bytes in the wrong order
        expected = library_raw(model, rows.astype(float))
    else:
        expected = library_raw(model, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same_bits(TensorizedEstimator(model).predict_raw(rows), expected)


FRAMES = {
    "pandas": pd.DataFrame,
    "pandas, nullable": lambda X: pd.DataFrame(X).astype("Float64"),
    "pandas, mixed": lambda X: pd.DataFrame(
        {"a": X[:, 0].astype(np.float32), "b": X[:, 1], "c": X[:, 2].astype(np.int64), "d": X[:, 3] > 0}
    ),
    "polars": lambda X: pl.DataFrame(X, schema=list("abcd")),
    "pyarrow": lambda X: pa.table({name: X[:, j] for j, name in enumerate("abcd")}),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", FRAMES)
def test_frames_give_the_answer_of_their_numbers(name, kind):
    model, frame = fitted(name), FRAMES[kind](X)
    numbers = np.column_stack(
        [np.asarray(frame[c], dtype=float) for c in getattr(frame, "column_names", None) or frame.columns]
    )
    same_bits(TensorizedEstimator(model).predict_raw(frame), library_raw(model, numbers))


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "forest", "histograms"])
def test_nulls_of_frames_are_missing(name):
    model = fitted(name)
    numbers = X.copy()
    numbers[::3, 1] = np.nan
    frames = [
        pd.DataFrame(numbers).astype("Float64"),
        pl.DataFrame({str(j): [None if np.isnan(v) else v for v in numbers[:, j]] for j in range(4)}),
    ]
    for frame in frames:
        same_bits(TensorizedEstimator(model).predict_raw(frame), library_raw(model, numbers))


SPARSE = [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.coo_matrix, scipy.sparse.csr_array]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("make", SPARSE, ids=lambda make: make.__name__)
def test_absent_entries_are_zero_or_missing_as_in_the_library(name, make):
    model, library = fitted(name), make(X)
    rows = library
    if name == "histograms":
        with pytest.raises(TypeError, match="Sparse data was passed for X"):
            TensorizedEstimator(model).predict_raw(rows)
    else:
        if name == "gradient boosting":
            library = X.astype(np.float32)
        if make is scipy.sparse.csr_array and name.startswith("xgboost"):
            library = scipy.sparse.csr_matrix(X)
        same_bits(TensorizedEstimator(model, batch_size=50).predict_raw(rows), library_raw(model, library))


@pytest.mark.parametrize("name", MODELS)
def test_tensors_give_tensors_with_the_same_bits(name, device):
    model = fitted(name)
    fast = TensorizedEstimator(model, device=device)
    for dtype in (torch.float64, torch.float32, torch.int64):
        rows = torch.tensor(X).to(device=device, dtype=dtype)
        found = fast.predict_raw(rows)
        assert isinstance(found, torch.Tensor) and found.device == rows.device
        same_bits(found.cpu().numpy(), fast.predict_raw(rows.cpu().numpy()))


def test_a_tensor_that_asks_for_gradients_is_only_read():
    rows = torch.tensor(X, requires_grad=True)
    assert not TensorizedEstimator(fitted("xgboost")).predict_raw(rows).requires_grad


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (torch.zeros(3), "Expected 2D array, got 1D tensor instead. Reshape your data"),
        (torch.zeros(2, 5), "X has 5 features, but TensorizedEstimator is expecting 4 features as input"),
        (torch.zeros(2, 4, dtype=torch.complex64), "Complex data not supported"),
        (torch.full((2, 4), torch.nan), "Input X contains NaN"),
        (torch.full((2, 4), torch.inf), "Input X contains infinity or a value too large"),
        (torch.full((2, 4), 1e300, dtype=torch.float64), "Input X contains infinity or a value too large"),
    ],
)
def test_bad_tensors_are_refused_as_bad_arrays_are(rows, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        TensorizedEstimator(fitted("gradient boosting")).predict(rows)


def test_labels_that_no_tensor_can_hold_come_back_as_numpy():
    labels = np.array(["no", "yes"])[(Y > 0).astype(int)]
    model = LGBMClassifier(n_estimators=3, verbose=-1).fit(X, labels)
    found = TensorizedEstimator(model).predict(torch.tensor(X))
    same_bits(found, model.predict(X))


@pytest.mark.parametrize("name", ["forest", "gradient boosting", "lightgbm"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.longdouble])
@pytest.mark.parametrize("n", [1, 20])  # in few values Python looks for infinities, in many a kernel
def test_rows_are_refused_for_their_values_iff_the_library_refuses_them(name, dtype, n):
    largest = float(np.finfo(np.float32).max)
    for value in (
        np.nan,
        np.inf,
        -np.inf,
        largest,
        -largest,
        np.nextafter(largest, np.inf),
        3.5e38,
        1e300,
        -1e300,
        5e-324,
    ):
        with np.errstate(over="ignore"):
            rows = X[:n].astype(dtype)
            rows[-1, 2] = dtype(value)
        try:
            expected = fitted(name).predict(rows)
        except ValueError as refusal:
            with pytest.raises(ValueError, match=str(refusal).split("\n")[0].split(" or a value")[0]):
                TensorizedEstimator(fitted(name)).predict(rows)
        else:
            same_bits(TensorizedEstimator(fitted(name)).predict(rows), expected)


# --- names --------------------------------------------------------------------------------------------------------


def frame(columns="abcd"):
    return pd.DataFrame(X, columns=list(columns))


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "forest"])
@pytest.mark.parametrize("prefit", [False, True])
def test_columns_in_another_order_are_refused(name, prefit):
    model = MODELS[name].__class__(**MODELS[name].get_params())
    fast = TensorizedEstimator(model.fit(frame(), Y)) if prefit else TensorizedEstimator(model).fit(frame(), Y)
    assert fast.feature_names_in_.tolist() == list("abcd")
    same_bits(fast.predict(frame()), fast.estimator_.predict(frame()))
    with pytest.raises(ValueError, match="Feature names must be in the same order as they were in fit"):
        fast.predict(frame()[list("badc")])
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        fast.predict(frame()[list("abc")])


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "forest"])
@pytest.mark.parametrize("prefit", [False, True])
def test_names_that_a_library_rewrites_are_recognised(name, prefit):
    named = pd.DataFrame(X, columns=["mean radius", "b", "c", "d"])
    model = MODELS[name].__class__(**MODELS[name].get_params())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LightGBM says that it replaces the blank
        fast = TensorizedEstimator(model.fit(named, Y)) if prefit else TensorizedEstimator(model).fit(named, Y)
    same_bits(fast.predict(named), fast.estimator_.predict(named))


def test_generated_feature_names_are_ignored():
    class Older(LGBMRegressor):
        """As LightGBM 4.5 names the columns of an array."""

        @property
        def feature_names_in_(self):
            return np.array([f"Column_{i}" for i in range(4)])

        @feature_names_in_.deleter
        def feature_names_in_(self):
            """As scikit-learn asks of it where there are no names."""

    model = Older(n_estimators=3, verbose=-1).fit(X, Y)
    fast = TensorizedEstimator(model)
    same_bits(fast.predict(frame()), fast.predict(X))
    assert "feature_names_in_" not in vars(fast)


def test_columns_numbered_by_pandas_have_no_names():
    fast = TensorizedEstimator(XGBRegressor(n_estimators=3, n_jobs=1)).fit(pd.DataFrame(X), Y)
    assert not hasattr(fast, "feature_names_in_")
    same_bits(fast.predict(pd.DataFrame(X)), fast.predict(X))


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "forest"])
@pytest.mark.parametrize("make", [pd.DataFrame, pl.from_pandas], ids=["pandas", "polars"])
@pytest.mark.parametrize("n", [1, 5_000])
def test_frames_of_floats_are_read_without_help(name, make, n, monkeypatch):
    rows = pd.DataFrame(np.tile(X, (50, 1))[:n], columns=list("abcd")).astype({"b": np.float32, "c": np.float32})
    fast = TensorizedEstimator(clone(MODELS[name])).fit(frame(), Y)
    given, expected = make(rows), fast.estimator_.predict(rows)
    if n > 1:
        given = make(rows)[1:]  # a part of something larger
        same_bits(fast.predict(given), expected[1:])
    else:
        monkeypatch.setitem(sys.modules, "narwhals", None)
        same_bits(fast.predict(given), expected)


def test_subclass_of_a_frame_is_read_as_a_frame():
    class Own(pd.DataFrame):
        pass

    fast = TensorizedEstimator(clone(MODELS["forest"]).fit(frame(), Y))
    same_bits(fast.predict(Own(frame())), fast.estimator_.predict(frame()))


# --- categories ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [lambda f: f, pl.from_pandas, pa.Table.from_pandas], ids=["pandas", "polars", "pyarrow"]
)
def test_categories_are_matched_by_value(make):
    rng = np.random.default_rng(1)
    values = np.array(["red", "green", "blue", "grey"])[rng.integers(0, 4, 400)]
    x = rng.normal(size=400)
    named = pd.DataFrame({"colour": pd.Categorical(values), "x": x})
    target = (values == "red") * 5.0 + (values == "blue") * 2.0 + x
    model = LGBMRegressor(n_estimators=10, verbose=-1, min_child_samples=2, min_data_per_group=2, cat_smooth=1).fit(
        named, target
    )
    assert TensorizedEstimator(model).forest_.trees.is_cat.any()
    other = named.copy()
    other["colour"] = pd.Categorical(values, categories=["mauve", "grey", "red", "blue", "green"])
    other.loc[::5, "colour"] = np.nan
    other.loc[1::5, "colour"] = "mauve"
    same_bits(TensorizedEstimator(model).predict_raw(make(other)), model.predict(other, raw_score=True))
    with pytest.raises(ValueError, match="Column 'colour' is String, but the model was fitted with categories"):
        TensorizedEstimator(model).predict(other.assign(colour=values))


def test_text_is_refused_by_the_name_of_its_column():
    fast = TensorizedEstimator(fitted("xgboost"))
    with pytest.raises(ValueError, match="Column 'b' holds no numbers but String"):
        fast.predict(frame().assign(b="text"))
