"""Frames through the wrapper: record batches, wide frames of which nodes look at little, columns of no numbers."""

from __future__ import annotations

import functools
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from agreement import same_bits
from catboost import CatBoostRegressor
from lightgbm import LGBMRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from xgboost import XGBRegressor

from sktensor import TensorizedEstimator
from sktensor.inputs import dataframe, rows
from sktensor.inputs.frames import pandas
from sktensor.native import finite

RNG = np.random.default_rng(3)
N_COLUMNS = 200
X = np.round(RNG.normal(size=(150, N_COLUMNS)) * 40) / 4
Y = X[:, 3] - 2 * X[:, 117] + (X[:, 199] > 1)
NAMES = [f"c{j}" for j in range(N_COLUMNS)]

MODELS = {
    "xgboost": XGBRegressor(n_estimators=5, max_depth=2, n_jobs=1),
    "lightgbm": LGBMRegressor(n_estimators=5, num_leaves=4, verbose=-1, n_jobs=1),
    "forest": RandomForestRegressor(n_estimators=3, max_depth=2, random_state=0),
    "histograms": HistGradientBoostingRegressor(max_iter=3, max_leaf_nodes=4),
    "catboost": CatBoostRegressor(iterations=4, depth=2, verbose=0, allow_writing_files=False, thread_count=1),
}
TAKES_ANY_NUMBER = ("xgboost", "lightgbm", "catboost")


@functools.cache
def fitted(library):
    model = MODELS[library].fit(pd.DataFrame(X, columns=NAMES), Y)
    return model, TensorizedEstimator(model)


def in_turns(rows, dtypes):
    """A frame of pandas whose columns have these dtypes, one after the other."""
    columns = {name: pd.Series(rows[:, j]) for j, name in enumerate(NAMES)}
    return pd.DataFrame({name: columns[name].astype(dtypes[j % len(dtypes)]) for j, name in enumerate(NAMES)})


FRAMES = {
    "float64": lambda rows: pd.DataFrame(rows, columns=NAMES),
    "one int64": lambda rows: pd.DataFrame(rows, columns=NAMES).astype({"c3": "int64"}),
    "int64": lambda rows: pd.DataFrame(rows, columns=NAMES).astype("int64"),
    "bool": lambda rows: pd.DataFrame(rows > 0, columns=NAMES),
    "mixed": lambda rows: in_turns(rows, ["float64", "int64", "float32", "bool", "int8"]),
    "nullable": lambda rows: in_turns(rows.round(), ["Float64", "Int64", "float32"]),
    "nullable with nulls": lambda rows: in_turns(rows.round(), ["Float64", "Int64"]).mask(rows > 9),
    "polars": lambda rows: pl.DataFrame(rows, schema=NAMES),
    "polars, mixed": lambda rows: pl.from_pandas(in_turns(rows, ["float64", "int64", "float32", "bool"])),
    "polars with nulls": lambda rows: pl.from_pandas(in_turns(rows.round(), ["Float64", "Int64"]).mask(rows > 9)),
    "pyarrow": lambda rows: pa.table(dict(zip(NAMES, rows.T.copy(), strict=True))),
    "pyarrow, mixed": lambda rows: pa.Table.from_pandas(
        in_turns(rows, ["float64", "int64", "float32", "bool"]), preserve_index=False
    ),
    "pyarrow with nulls": lambda rows: pa.Table.from_pandas(
        in_turns(rows.round(), ["Float64", "Int64"]).mask(rows > 9), preserve_index=False
    ),
}


def of_library(library, rows):
    """Rows that the library takes: pandas where it does not know, or crashes on, others."""
    if library == "catboost" and not isinstance(rows, pd.DataFrame):
        rows = rows.to_pandas()
    if library == "catboost":
        return rows.astype(float)
    return rows


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("n_rows", [1, 5, 150, dataframe.ROWS_COPIED + 1])
def test_a_wide_frame_of_which_nodes_look_at_little_gives_the_librarys_answer(library, kind, n_rows):
    model, fast = fitted(library)
    rows = FRAMES[kind](np.resize(X, (n_rows, N_COLUMNS)))
    if library in TAKES_ANY_NUMBER:
        assert len(fast.forest_.trees.used_columns) <= N_COLUMNS * pandas.FEW_COLUMNS
    try:
        expected = model.predict(of_library(library, rows))
    except ValueError:  # of nulls, before scikit-learn 1.4
        pytest.skip("the library refuses such a frame")
    same_bits(fast.predict(rows), expected)


NO_NUMBERS = {
    "text": lambda n: ["x"] * n,
    "dates": lambda n: np.zeros(n, "M8[ms]"),
    "durations": lambda n: np.zeros(n, "m8[ms]"),
}


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize(
    ("kind", "backend"),
    [("int64", "auto"), ("mixed", "auto"), ("mixed", "torch"), ("nullable", "auto"), ("nullable with nulls", "auto")],
)
def test_columns_that_have_to_be_cast_give_the_librarys_answer_in_blocks(library, kind, backend, monkeypatch):
    monkeypatch.setattr(dataframe, "ROWS_COPIED", 0)
    monkeypatch.setattr(rows, "BYTES_OF_COLUMNS", 2000)
    Z = FRAMES[kind](np.where(np.abs(X) > 30, 0.0, X))
    model, fast = fitted(library)
    fast = fast if backend == "auto" else TensorizedEstimator(model, backend=backend, batch_size=40)
    same_bits(fast.predict(Z), model.predict(Z))


def test_memory_for_columns_that_have_to_be_cast_does_not_grow_with_the_rows(monkeypatch):
    monkeypatch.setattr(rows, "BYTES_OF_COLUMNS", 2**14)
    model = LGBMRegressor(n_estimators=20, verbose=-1, n_jobs=1).fit(X.astype(int), Y)
    fast = TensorizedEstimator(model)
    Z = pd.DataFrame(np.tile(X.astype(np.int32), (100, 1)), columns=model.feature_name_)
    expected = model.predict(Z)
    fast.predict(Z)
    tracemalloc.start()
    found = fast.predict(Z)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    same_bits(found, expected)
    assert most < 2**19 < len(Z) * len(fast.forest_.trees.used_columns) * 4


@pytest.mark.parametrize("wrong", [np.inf, 1e300])
@pytest.mark.parametrize("column", [0, 99, 198])
def test_one_value_that_is_refused_is_found_among_columns_that_lie_apart(wrong, column, monkeypatch):
    monkeypatch.setattr(finite, "VALUES_TOGETHER", 20_000)
    model = RandomForestRegressor(3, max_depth=2, random_state=0).fit(X, Y)
    Z = in_turns(np.resize(X, (dataframe.ROWS_COPIED + 1, N_COLUMNS)), ["float64", "int64", "int8"])
    Z.iloc[-1, column] = wrong
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names
        for asked in (model, TensorizedEstimator(model)):
            with pytest.raises(ValueError, match="infinity"):
                asked.predict(Z)


def test_categories_that_no_node_looks_at_are_not_kept():
    values = pd.Categorical.from_codes(np.arange(2000) % 3, ["x", "y", "z"])
    Z = pd.DataFrame({"a": np.arange(2000.0), "b": values, "c": values})
    model = LGBMRegressor(n_estimators=2, verbose=-1, n_jobs=1).fit(Z, np.arange(2000.0))
    fast = TensorizedEstimator(model)
    assert fast.forest_.trees.used_columns.tolist() == [0]
    unread = dataframe.frame_columns(Z, fast.forest_).data.arrays[1:]
    assert [column.strides for column in unread] == [(0,), (0,)]
    same_bits(fast.predict(Z), model.predict(Z))


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("n_rows", [1, 50])
@pytest.mark.parametrize("kind", NO_NUMBERS)
@pytest.mark.parametrize("make", ["pandas", "polars", "pyarrow"])
def test_a_column_of_no_numbers_is_refused_even_if_no_node_looks_at_it(library, n_rows, kind, make):
    _, fast = fitted(library)
    assert 50 not in model_columns(fast)
    columns = dict(zip(NAMES, X[:n_rows].T.copy(), strict=True)) | {"c50": NO_NUMBERS[kind](n_rows)}
    rows = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}[make](columns)
    with pytest.raises(ValueError, match="Column 'c50' holds no numbers"):
        fast.predict(rows)


def model_columns(fast):
    return fast.forest_.trees.used_columns.tolist()


@pytest.mark.parametrize("make", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("n_rows", [1, 50, 2000])
def test_an_infinity_is_refused_in_a_column_that_no_node_looks_at_where_the_library_refuses_it(make, n_rows):
    model, fast = fitted("forest")
    assert 50 not in model_columns(fast)
    values = np.resize(X, (n_rows, N_COLUMNS))
    values[-1, 50] = np.inf
    columns = dict(zip(NAMES, values.T.copy(), strict=True))
    rows = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}[make](columns)
    for each in (model, fast):
        with pytest.raises(ValueError, match="Input X contains infinity"):
            each.predict(rows)


# --- record batches -----------------------------------------------------------------------------------------------

LARGE = 2**24 + np.arange(64)
WHOLE = np.column_stack([LARGE, np.arange(64) % 5])
BATCHES = {
    "integers": lambda a, b: {"a": a, "b": b},
    "an integer beside floats": lambda a, b: {"a": a, "b": b.astype(float)},
    "an integer beside float32": lambda a, b: {"a": a, "b": b.astype(np.float32)},
    "int32": lambda a, b: {"a": a.astype(np.int32), "b": b.astype(np.int32)},
    "integers with nulls": lambda a, b: {"a": pa.array(a, mask=b == 1), "b": b},
    "an integer beside bools": lambda a, b: {"a": a, "b": b > 2},
    "bools with nulls": lambda a, b: {"a": a, "b": pa.array(b > 2, mask=b == 1)},
}


@pytest.mark.parametrize("library", [name for name in MODELS if name != "catboost"])
@pytest.mark.parametrize("kind", BATCHES)
def test_integers_of_a_record_batch_are_rounded_as_by_the_library(library, kind):
    model = MODELS[library].__class__(**MODELS[library].get_params())
    more = {"xgboost": {"tree_method": "exact"}, "lightgbm": {"min_child_samples": 1, "min_data_in_bin": 1}}
    model.set_params(**more.get(library, {}), **{"max_depth": 6})
    if library == "lightgbm":
        model.set_params(num_leaves=31)
    model.fit(WHOLE, np.arange(64) % 2 + WHOLE[:, 1])
    rows = pa.record_batch(BATCHES[kind](*WHOLE.T.copy()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LightGBM and XGBoost, of what they convert
        expected = model.predict(rows)
        same_bits(TensorizedEstimator(model).predict(rows), expected)
    if (library, kind) == ("lightgbm", "integers"):  # through float32, as those of a table are not
        assert not np.array_equal(expected, model.predict(pa.Table.from_batches([rows])))


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("dtype", ["M8[s]", "m8[s]"])
def test_a_record_batch_with_times_is_refused(library, dtype):
    _, fast = fitted(library)
    columns = dict(zip(NAMES, X.T.copy(), strict=True)) | {"c50": X[:, 50].astype(dtype)}
    with pytest.raises(ValueError, match=r"Column 'c50' holds no numbers but (timestamp|duration)\[s\]. Encode it"):
        fast.predict(pa.record_batch(columns))
