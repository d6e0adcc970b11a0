"""Columns of frames of pandas, polars and pyarrow, asked directly: what narwhals says of them, however it is found."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sktensor.inputs.categories import Factorized
from sktensor.inputs.frames import adapter
from sktensor.inputs.frames.base import ROWS_CODED

TEXTS = ["b", "a", "", "é", "a", "b", "b"]

KINDS = {
    "pandas text": lambda values: pd.Series(values, dtype="str"),
    "pandas text, python": lambda values: pd.Series(values, dtype=pd.StringDtype("python")),
    "pandas categories": lambda values: pd.Series(pd.Categorical(values, categories=["unused", "é", "", "b", "a"])),
    "polars text": lambda values: pl.Series("x", values, dtype=pl.String),
    "polars categories": lambda values: pl.Series("x", values, dtype=pl.Categorical),
    "polars enum": lambda values: pl.Series("x", values, dtype=pl.Enum(["unused", "é", "", "b", "a"])),
}


def frame_of(column):
    """A frame with one column."""
    if isinstance(column, pa.Array):
        return pa.table({"x": column})
    return column.to_frame("x")


def of_narwhals(column):
    return [None if pd.isna(value) else value for value in nw.from_native(column, series_only=True)]


@pytest.mark.parametrize("missing", [False, True], ids=["", "missing"])
@pytest.mark.parametrize("n_rows", [0, 7, ROWS_CODED - 1, ROWS_CODED, 1000])
@pytest.mark.parametrize("kind", KINDS)
def test_distinct_and_listed_values_are_those_of_the_rows(kind, n_rows, missing):
    values = ([*TEXTS, None] if missing else TEXTS) * (1 + n_rows // len(TEXTS))
    column = KINDS[kind](values[:n_rows])
    frame = adapter(frame_of(column))
    found = frame.distinct(0)
    if found is None:
        found = frame.listed(0), np.arange(n_rows)
    else:
        assert len(set(found[0])) == len(found[0]) <= n_rows and "unused" not in found[0]
    rows = [None if pd.isna(value) else value for value in Factorized(*found).column()]
    assert rows == of_narwhals(column) == values[:n_rows]


LIBRARIES = {
    "pandas": pd.Series,
    "pandas, arrow": lambda values: pd.Series(values).astype(pd.ArrowDtype(pa.array(values).type)),
    "polars": pl.Series,
    "pyarrow": pa.array,
}


@pytest.mark.parametrize("n_rows", [0, 3, 1000])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "int64", "uint64", "float32", "float64"])
def test_numbers_are_those_of_the_column(library, dtype, n_rows):
    values = (np.arange(n_rows) % 2).astype(dtype)
    frame = adapter(frame_of(LIBRARIES[library](values)))
    found = frame.numbers(0)
    assert found.dtype == dtype and list(frame.others()) == []
    np.testing.assert_array_equal(found, values)


STRANGE = [
    pd.Series([1.5, 2.5], dtype=">f8"),
    pd.Series([1, 2], dtype=">i4"),
    pd.Series(["a"]),
    pd.Series([1.5], dtype=object),
    pd.Series(np.array([1.5], dtype=np.float16)),
    pd.Series(np.array([1.5], dtype=np.longdouble)),
    pd.Series(np.array([1 + 2j])),
    pd.Series(np.array([1], dtype="M8[s]")),
    pd.Series(np.array([1], dtype="m8[s]")),
    pd.Series([1], dtype="category"),
    pd.Series(["a"]).astype("string[pyarrow]"),
    pd.Series([1]).astype(pd.ArrowDtype(pa.timestamp("s"))),
    pd.Series([1]).astype(pd.ArrowDtype(pa.decimal128(30, 2))),
    pl.Series(["a"]),
    pl.Series([1], dtype=pl.Decimal(10, 2)),
    pl.Series([1], dtype=pl.Int64).cast(pl.Date),
    pl.Series([1], dtype=pl.Int64).cast(pl.Duration),
    pl.Series(["a"], dtype=pl.Categorical),
    pa.array(["a"]),
    pa.array([1]).cast(pa.timestamp("s")),
    pa.array([1]).cast(pa.decimal128(30, 2)),
    pa.array([1]).dictionary_encode(),
    pa.nulls(1),
]


def named(column):
    return f"{type(column).__module__.partition('.')[0]} {getattr(column, 'dtype', None) or column.type}"


@pytest.mark.parametrize("column", STRANGE, ids=named)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_of_other_dtypes_are_left_to_narwhals(column, dtype):
    frame = adapter(frame_of(column))
    assert frame.numbers(0) is None and frame.numbers_or_nan(0) is None
    assert frame.in_place() is None and frame.matrix(np.dtype(dtype)) is None
    assert list(frame.others()) == [0]


WITH_NULLS = {
    "pandas Int64": pd.Series([1, None, 3], dtype="Int64"),
    "pandas UInt8": pd.Series([1, None, 3], dtype="UInt8"),
    "pandas Float32": pd.Series([1, None, 3], dtype="Float32"),
    "pandas boolean": pd.Series([True, None, False], dtype="boolean"),
    "pandas, arrow int64": pd.Series([1, None, 3], dtype="int64[pyarrow]"),
    "pandas, arrow bool": pd.Series([True, None, False], dtype="bool[pyarrow]"),
    "polars Int64": pl.Series([1, None, 3]),
    "polars Boolean": pl.Series([True, None, False]),
    "pyarrow int64": pa.array([1, None, 3]),
    "pyarrow bool": pa.array([True, None, False]),
    "pyarrow float": pa.array([1.5, None, 3.5], pa.float32()),
}


@pytest.mark.parametrize("kind", WITH_NULLS)
def test_nulls_are_nan(kind):
    column = WITH_NULLS[kind]
    values = (
        [np.nan if value is None or pd.isna(value) else value for value in column.to_pylist()]
        if isinstance(column, pa.Array)
        else [np.nan if pd.isna(value) else value for value in column]
    )
    frame = adapter(frame_of(column))
    found = frame.numbers(0)
    assert found is None or found.dtype.kind == "f"
    np.testing.assert_array_equal(frame.numbers_or_nan(0) if found is None else found, np.array(values, dtype=float))
    if (at_once := frame.matrix(np.dtype(np.float64))) is not None:
        np.testing.assert_array_equal(at_once[:, 0], np.array(values, dtype=float))


@pytest.mark.parametrize("kind", ["pandas Int64", "pandas, arrow int64", "polars Int64", "pyarrow int64"])
def test_integers_with_nulls_that_float64_rounds_are_left_to_narwhals(kind):
    values = [2**53 + 1, None]
    column = {
        "pandas Int64": lambda: pd.Series(values, dtype="Int64"),
        "pandas, arrow int64": lambda: pd.Series(values, dtype="int64[pyarrow]"),
        "polars Int64": lambda: pl.Series(values),
        "pyarrow int64": lambda: pa.array(values),
    }[kind]()
    frame = adapter(frame_of(column))
    assert frame.numbers(0) is None and frame.numbers_or_nan(0) is None


def test_nulls_of_floats_are_nan():
    np.testing.assert_array_equal(adapter(pl.DataFrame({"x": [1.5, None]})).numbers(0), [1.5, np.nan])


def test_columns_with_the_same_name_are_all_there():
    frame = adapter(pd.DataFrame([[1.0, 2.0, 3.0]], columns=["a", "b", "a"]))
    assert [frame.numbers(j).tolist() for j in range(3)] == [[1.0], [2.0], [3.0]]


# Up to 2**60 + 2**37 in float32, but down to 2**60 by way of float64.
TWO_WAYS = 2**60 + 2**36 + 1
MIXED = {
    "pandas": pd.DataFrame({"a": [TWO_WAYS], "b": [1.5]}),
    "pandas, nullable": pd.DataFrame({"a": pd.Series([TWO_WAYS], dtype="Int64"), "b": [1.5]}),
    "pandas, arrow": pd.DataFrame({"a": pd.Series([TWO_WAYS], dtype="int64[pyarrow]"), "b": [1.5]}),
    "polars": pl.DataFrame({"a": [TWO_WAYS], "b": [1.5]}),
    "polars, float32": pl.DataFrame({"a": [TWO_WAYS], "b": pl.Series([1.5], dtype=pl.Float32)}),
    "pyarrow": pa.table({"a": [TWO_WAYS], "b": [1.5]}),
    "pyarrow, float32": pa.table({"a": [TWO_WAYS], "b": pa.array([1.5], pa.float32())}),
}


@pytest.mark.parametrize("kind", MIXED)
def test_a_matrix_of_mixed_columns_is_none_where_float64_comes_in_between(kind):
    frame = adapter(MIXED[kind])
    assert frame.matrix(np.dtype(np.float32)) is None
    np.testing.assert_array_equal(frame.matrix(np.dtype(np.float64)), [[float(TWO_WAYS), 1.5]])


@pytest.mark.parametrize("n_rows", [1, 10])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_integers_alone_are_rounded_at_once(library, n_rows):
    frame = adapter({"pandas": pd, "polars": pl}[library].DataFrame({"a": [TWO_WAYS] * n_rows, "b": [1] * n_rows}))
    found = frame.matrix(np.dtype(np.float32))
    assert found is None or found[0].tolist() == [2.0**60 + 2.0**37, 1.0]
    assert frame.numbers(0)[0] == TWO_WAYS


@pytest.mark.parametrize("n_rows", [0, 1, 70])
def test_a_matrix_holds_the_numbers_of_all_chunks(n_rows):
    values = np.arange(2.0 * n_rows).reshape(n_rows, 2)
    table = pa.concat_tables([pa.table({"a": part[:, 0], "b": part[:, 1]}) for part in np.array_split(values, 3)])
    np.testing.assert_array_equal(adapter(table).matrix(np.dtype(np.float64)), values)


def test_a_frame_of_one_array_is_not_copied():
    values = np.zeros((3, 2))
    X = pd.DataFrame(values, copy=False)
    assert np.shares_memory(adapter(X).in_place(), values)
    assert adapter(X.assign(c=1.0)).in_place() is None


def test_a_pandas_without_private_names_gives_the_same():
    class Public:
        """A frame that has what pandas documents."""

        def __init__(self, X):
            self._X = X

        def __getattr__(self, name):
            if name.startswith("_"):
                raise AttributeError(name)
            return getattr(self._X, name)

    from sktensor.inputs.frames.pandas import PandasFrame

    X = pd.DataFrame({"a": [1.5], "b": [2], "c": pd.Series([3], dtype="Int64"), "d": ["x"], "e": pd.Categorical(["y"])})
    known, found = PandasFrame(X), PandasFrame(Public(X))
    assert found.in_place() is None
    for j in range(3):
        np.testing.assert_array_equal(found.numbers(j), known.numbers(j))
    assert found.others() == known.others() == [3, 4]
    assert found.listed(3) == known.listed(3) == ["x"]
    assert found.is_categorical(4) and found.distinct(4)[0] == known.distinct(4)[0] == ["y"]
