"""Columns of pandas and polars frames, asked directly: what narwhals says of them, in whatever way it is found out."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest

from sktensor.inputs import pandas_polars as plain_frames
from sktensor.inputs.categories import Coded

TEXTS = ["b", "a", "", "é", "a", "b", "b"]

KINDS = {
    "pandas text": lambda values: pd.Series(values, dtype="str"),
    "pandas text, python": lambda values: pd.Series(values, dtype=pd.StringDtype("python")),
    "pandas categories": lambda values: pd.Series(pd.Categorical(values, categories=["unused", "é", "", "b", "a"])),
    "polars text": lambda values: pl.Series("x", values, dtype=pl.String),
    "polars categories": lambda values: pl.Series("x", values, dtype=pl.Categorical),
    "polars enum": lambda values: pl.Series("x", values, dtype=pl.Enum(["unused", "é", "", "b", "a"])),
}


def of_narwhals(column):
    return [None if pd.isna(value) else value for value in nw.from_native(column, series_only=True)]


@pytest.mark.parametrize("missing", [False, True], ids=["", "missing"])
@pytest.mark.parametrize("n_rows", [0, 7, plain_frames.ROWS_CODED - 1, plain_frames.ROWS_CODED, 1000])
@pytest.mark.parametrize("kind", KINDS)
def test_distinct_and_listed_values_are_those_of_the_rows(kind, n_rows, missing):
    values = ([*TEXTS, None] if missing else TEXTS) * (1 + n_rows // len(TEXTS))
    column = KINDS[kind](values[:n_rows])
    found = plain_frames.distinct(column)
    if found is None:
        found = plain_frames.listed(column), np.arange(n_rows)
    else:
        assert len(set(found[0])) == len(found[0]) <= n_rows and "unused" not in found[0]
    rows = [None if pd.isna(value) else value for value in Coded(*found).column()]
    assert rows == of_narwhals(column) == values[:n_rows]


@pytest.mark.parametrize("n_rows", [0, 3, 1000])
@pytest.mark.parametrize("library", [pd.Series, pl.Series], ids=["pandas", "polars"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "int64", "uint64", "float32", "float64"])
def test_numbers_are_those_of_the_column(library, dtype, n_rows):
    values = (np.arange(n_rows) % 2).astype(dtype)
    found = plain_frames.numbers(library(values))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1.5, 2.5], dtype=">f8"),
        pd.Series([1, 2], dtype=">i4"),
        pd.Series(["a"]),
        pd.Series(np.array([1.5], dtype=np.float16)),
        pd.Series(np.array([1 + 2j])),
        pl.Series([1, None]),
        pl.Series([True, None]),
        pl.Series(["a"]),
        pl.Series([1], dtype=pl.Decimal(10, 2)),
        nw.from_native(pd.Series([1.5]), series_only=True),
        np.array([1.5]),
    ],
    ids=lambda column: f"{type(column).__module__.partition('.')[0]} {column.dtype}",
)
def test_columns_that_need_more_than_a_look_are_left_to_narwhals(column):
    assert plain_frames.numbers(column) is None


def test_nulls_of_floats_are_nan():
    np.testing.assert_array_equal(plain_frames.numbers(pl.Series([1.5, None])), [1.5, np.nan])


def test_columns_with_the_same_name_are_all_there():
    frame = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["a", "b", "a"])
    assert [column.tolist() for column in plain_frames.columns(frame)] == [[1.0], [2.0], [3.0]]
