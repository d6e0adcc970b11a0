"""Categorical columns of HistGradientBoosting: values that an encoder numbers, held against the library bit for bit."""

from __future__ import annotations

import functools
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from agreement import STRATEGIES, same_bits
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

import sktensor
from sktensor import TensorizedEstimator, extract_forest, tensorize
from sktensor.backends.cpu.engine import STRATEGIES as NATIVE_STRATEGIES
from sktensor.native import loader
from sktensor.testing import check_extractor

RNG = np.random.default_rng(5)
N = 400
R, C = HistGradientBoostingRegressor, HistGradientBoostingClassifier
QUICK = {"max_iter": 12, "min_samples_leaf": 2, "max_leaf_nodes": 9, "random_state": 0}

# Columns: numbers, categories, numbers, categories: the library moves the second and the fourth to the front.
NUMBERS = np.column_stack(
    [RNG.normal(size=N), RNG.integers(-3, 9, N) * 10.5, RNG.normal(size=N), RNG.integers(0, 3, N)]
)
TARGET = NUMBERS[:, 0] + 3 * np.isin(NUMBERS[:, 1], [-10.5, 21.0, 84.0]) - NUMBERS[:, 3] * NUMBERS[:, 2]
THREE = np.digitize(TARGET, [0.0, 2.0])
HOLES = np.where(RNG.random(NUMBERS.shape) < 0.15, np.nan, NUMBERS)
COLOURS = np.array(["red", "größe", "", "blue", "1"])[RNG.integers(0, 5, N)]
SIZES = np.array(["S", "M", "L"])[NUMBERS[:, 3].astype(int)]
FRAME = pd.DataFrame(
    {
        "x": NUMBERS[:, 0],
        "colour": pd.Categorical(COLOURS),
        "z": NUMBERS[:, 2].astype(np.float32),
        "code": pd.Categorical(NUMBERS[:, 3].astype(int) * 100 - 100),
    }
)
OBJECTS = np.column_stack([NUMBERS[:, 0].astype(object), COLOURS.astype(object), NUMBERS[:, 2], SIZES.astype(object)])


def awkward(X, columns=(1, 3)):
    """Rows with values that the model has not seen, missing ones, and infinities where the library takes them."""
    X, rng = X.copy(), np.random.default_rng(1)
    for column in columns:
        other = X[1, column] if isinstance(X[1, column], str) else 0.0
        strange = (
            ["no such", other, None, np.nan] if isinstance(other, str) else [1e9, -0.0, 0.5, -1e9, np.nan, 255.0, 256.0]
        )
        at = rng.random(len(X)) < 0.4
        X[at, column] = [strange[i] for i in rng.integers(0, len(strange), at.sum())]
    if 0 not in columns:
        X[::9, 0], X[1::9, 0], X[2::9, 2] = np.inf, -np.inf, np.nan
    return X


def awkward_rows(name):
    """Rows that hurt the model of this name."""
    model, X = fitted(name)
    return awkward(X, np.flatnonzero(model.is_categorical_))


def with_holes(hole):
    """Text, of which some is missing; None is a category to the library, and NaN is not."""
    X = OBJECTS.copy()
    X[::7, 1] = hole
    return X


def many(n):
    """As many categories as there may be, with holes or without."""
    return np.column_stack([np.arange(8 * N) % n * 3.0 - 30, np.arange(8 * N) % 7])


CASES = {
    "mask": lambda: (R(categorical_features=[False, True, False, True], **QUICK), NUMBERS, TARGET),
    "indices, missing": lambda: (R(categorical_features=[3, 1], **QUICK), HOLES, TARGET),
    "one column, last": lambda: (R(categorical_features=[3], **QUICK), HOLES, TARGET),
    "all columns": lambda: (C(categorical_features=[0, 1], **QUICK), np.round(HOLES[:, [1, 3]]), THREE),
    "binary": lambda: (C(categorical_features=[1], **QUICK), NUMBERS, TARGET > 0),
    "three classes": lambda: (C(categorical_features=[1, 3], **QUICK), HOLES, THREE),
    "255 categories": lambda: (R(categorical_features=[0], **QUICK), many(255), np.sin(many(255)[:, 0])),
    "254 categories, missing": lambda: (
        R(categorical_features=[0], **QUICK),
        np.where(many(254) == -30, np.nan, many(254)),
        np.sin(many(254)[:, 0]),
    ),
    "one category": lambda: (R(categorical_features=[1], **QUICK), np.where([0, 1, 0, 0], 5.0, NUMBERS), TARGET),
    "early stopping": lambda: (
        R(categorical_features=[1, 3], **{**QUICK, "early_stopping": True, "max_iter": 60}),
        HOLES,
        TARGET,
    ),
    "poisson": lambda: (R(loss="poisson", categorical_features=[1], **QUICK), HOLES, np.abs(TARGET)),
    "text": lambda: (R(categorical_features=[1, 3], **QUICK), OBJECTS, TARGET),
    "text, None": lambda: (R(categorical_features=[1, 3], **QUICK), with_holes(None), TARGET),
    "text, missing": lambda: (R(categorical_features=[1, 3], **QUICK), with_holes(np.nan), TARGET),
    "float32": lambda: (R(categorical_features=[1], **QUICK), (NUMBERS / 3).astype(np.float32), TARGET),
    "integers": lambda: (R(categorical_features=[1], **QUICK), (NUMBERS * 2).astype(np.int64), TARGET),
    "integers beyond float64": lambda: (
        R(categorical_features=[1], **QUICK),
        np.column_stack([np.arange(N) % 50, 2**60 + NUMBERS[:, 3].astype(np.int64), np.arange(N) % 7]),
        TARGET,
    ),
    "truth values": lambda: (R(categorical_features=[1], **QUICK), NUMBERS > 1, TARGET),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """The library's threads wait for each other where others work on the same cores."""
    with threadpool_limits(1):
        yield


@functools.cache
def fitted(name):
    model, X, y = CASES[name]()
    return model.fit(X, y), X


def agrees(model, X, **parameters):
    fast = TensorizedEstimator(model, **parameters)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names", category=UserWarning)
        expected = model._raw_predict(X)
        same_bits(fast.predict_raw(X), expected)
        if hasattr(model, "classes_"):
            same_bits(fast.predict(X), model.predict(X))
    return expected


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", CASES)
def test_values_of_arrays_are_those_that_the_encoder_knows(name):
    model, X = fitted(name)
    assert extract_forest(model).trees.is_cat.any() or name == "one category"
    agrees(model, X)
    if X.dtype.kind in ("f", "O"):
        rows = awkward_rows(name)
        for given in (rows, rows[:1], rows.tolist(), rows.astype(object)):
            agrees(model, given)


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", ["indices, missing", "three classes", "text, None", "254 categories, missing"])
def test_every_strategy_and_every_kernel_agree(name, strategy):
    model, rows = fitted(name)[0], awkward_rows(name)
    agrees(model, rows, strategy=strategy, backend="torch", batch_size=70)
    if strategy in NATIVE_STRATEGIES and loader.library() is not None:
        agrees(model, rows, strategy=strategy, backend="native")


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", ["mask", "indices, missing", "three classes", "one column, last"])
def test_the_conformance_kit_finds_nothing(name):
    check_extractor(*fitted(name))


@pytest.mark.parametrize("name", ["mask", "255 categories", "integers"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.int8, ">f8"])
def test_numbers_are_matched_whatever_their_dtype(name, dtype):
    model, X = fitted(name)
    with np.errstate(invalid="ignore"):
        agrees(model, X.astype(dtype))
    agrees(model, np.asfortranarray(X)[::-1])


def test_numbers_that_float32_rounds_are_other_categories():
    X = np.column_stack([NUMBERS[:, 0], NUMBERS[:, 3] / 10])
    model = R(categorical_features=[1], **QUICK).fit(X, TARGET)
    rounded = agrees(model, X.astype(np.float32))
    assert (rounded != model._raw_predict(X)).any()


def test_text_arrays_of_numpy_are_read_as_the_library_reads_them():
    model = R(categorical_features=[1, 3], **QUICK).fit(OBJECTS.astype(str), TARGET)
    agrees(model, OBJECTS.astype(str))
    agrees(model, OBJECTS)
    agrees(fitted("text")[0], OBJECTS.astype(str))


def changed(frame):
    """Other categories in another order, unknown ones, and missing ones."""
    frame, rng = frame.copy(), np.random.default_rng(2)
    colours = [["grey", "größe", None, "1"][i] for i in rng.integers(0, 4, N)]
    frame["colour"] = pd.Categorical(colours, categories=["1", "grey", "größe"])
    frame["code"] = pd.Categorical([[0, 100, 7, None][i] for i in rng.integers(0, 4, N)], categories=[100, 7, 0])
    return frame


@pytest.mark.parametrize("features", ["from_dtype", ["colour", "code"], [1, 3], ["code"]])
def test_frames_are_read_by_value(features):
    frame = FRAME
    if features == ["code"]:
        frame = FRAME.assign(colour=np.arange(N) % 5)
    model = R(categorical_features=features, **QUICK).fit(frame, TARGET)
    agrees(model, frame)
    if features != ["code"]:
        agrees(model, changed(FRAME))
        agrees(model, FRAME.assign(colour=COLOURS.astype(object), code=FRAME["code"].astype(float)))
        agrees(model, FRAME.to_numpy(dtype=object))
    fast = TensorizedEstimator(R(categorical_features=features, **QUICK)).fit(frame, TARGET)
    same_bits(fast.predict(frame), model.predict(frame))
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        fast.predict(frame.drop(columns="x"))


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "pyarrow"])
def test_frames_of_other_libraries_hold_the_same_values(make):
    frame = FRAME.assign(code=FRAME["code"].astype(int))
    model = R(categorical_features=[1, 3], **QUICK).fit(frame, TARGET)
    holes = frame.assign(colour=changed(FRAME)["colour"], x=frame["x"].where(frame["x"] > -1))
    same_bits(TensorizedEstimator(model).predict_raw(make(frame)), model._raw_predict(frame))
    same_bits(TensorizedEstimator(model).predict_raw(make(holes)), model._raw_predict(holes))


def test_a_model_fitted_on_polars_is_read_by_value():
    frame = pl.from_pandas(FRAME.assign(code=FRAME["code"].astype(str))).cast({"colour": pl.Categorical})
    model = R(categorical_features=["colour", "code"], **QUICK).fit(frame, TARGET)
    agrees(model, frame)
    agrees(model, frame.with_columns(colour=pl.lit("größe", dtype=pl.Categorical)))


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("column", [1, 3])
def test_infinities_among_categories_are_refused_as_in_the_library(column):
    model, X = fitted("mask")
    X = X.copy()
    X[7, column] = np.inf
    for rows in (X, pd.DataFrame(X), torch.tensor(X)):
        with pytest.raises(ValueError, match=r"Input (X )?contains infinity"):
            TensorizedEstimator(model).predict(rows)
    with pytest.raises(ValueError, match=r"Input (X )?contains infinity"):
        model.predict(X)


@pytest.mark.evidence("refused")
def test_numbers_for_text_are_refused_as_in_the_library():
    model, X = fitted("text")
    numbers = np.zeros((3, 4))
    with pytest.raises((TypeError, ValueError)):
        model.predict(numbers)
    with pytest.raises(ValueError, match="Column 1 holds float64 numbers, but the model was fitted with text there"):
        TensorizedEstimator(model).predict(numbers)
    with pytest.raises(ValueError, match=r"Column 0 holds something else than numbers: could not convert.*'x'"):
        TensorizedEstimator(model).predict(np.where([[True, False, False, False]], "x", X))


@pytest.mark.evidence("refused")
def test_sparse_rows_are_refused_as_in_the_library():
    model, X = fitted("mask")
    with pytest.raises((TypeError, ValueError)):
        model.predict(scipy.sparse.csr_matrix(X))
    with pytest.raises(ValueError, match="its library looks up no values in sparse rows"):
        TensorizedEstimator(model).predict(scipy.sparse.csr_matrix(X))


@pytest.mark.slow
@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", ["indices, missing", "three classes", "integers"])
def test_tensors_and_modules_hold_values_too(name):
    model, X = fitted(name)
    expected = model._raw_predict(X)
    rows = torch.tensor(X)
    found = TensorizedEstimator(model).predict_raw(rows)
    assert isinstance(found, torch.Tensor)
    same_bits(found.numpy(), expected)
    module = tensorize(model, output="raw")
    same_bits(module(rows).numpy(), expected)
    exported = torch.export.export(module, (rows,), dynamic_shapes=({0: torch.export.Dim("rows", min=2)},))
    same_bits(exported.module()(rows[:30]).numpy(), expected[:30])


def test_no_tensor_holds_text():
    with pytest.raises(ValueError, match="categories of column 1 are text or integers from"):
        tensorize(fitted("text")[0])


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", ["indices, missing", "text, None", "text, missing", "255 categories"])
def test_saved_and_pickled_estimators_look_up_the_same_values(name, tmp_path):
    model, rows = fitted(name)[0], awkward_rows(name)
    fast = TensorizedEstimator(model)
    expected = agrees(model, rows)
    sktensor.save(fast, tmp_path / "file")
    same_bits(sktensor.load(tmp_path / "file").predict_raw(rows), expected)
    same_bits(pickle.loads(pickle.dumps(fast)).predict_raw(rows), expected)


@pytest.mark.evidence("refused")
def test_no_rows_are_refused():
    model, X = fitted("indices, missing")
    for est in (model, TensorizedEstimator(model)):
        with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
            est.predict(X[:0])
