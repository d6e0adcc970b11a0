"""Data frames of every kind with every library: its own answer, by the names of their columns."""

from __future__ import annotations

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from agreement import same_bits
from kinds_of_rows import GAPS, MODELS, NAMES, Interface, X, Y, assert_answer, fitted, frame, quiet, table, wrapped
from versions import is_older, since
from xgboost import XGBRegressor

from sktensor import TensorizedEstimator

FRAMES = {
    "pandas": (frame(), X),
    "float32": (frame().astype("float32"), X),
    "float16": (frame().astype("float16"), X),
    "longdouble": (frame().astype("longdouble"), X),
    "int64": (frame().astype("int64"), X.astype("int64")),
    "uint8": (frame().abs().astype("uint8"), np.abs(X).astype("uint8")),
    "bool": (frame() > 0, X > 0),
    "mixed": (frame().astype({"b": "float32", "d": bool}), X),
    "missing values": (frame(GAPS), GAPS),
    "nullable Float64 with nulls": (frame(GAPS).astype("Float64"), GAPS),
    "nullable Int64": (frame().round().astype("Int64"), X.round()),
    "nullable Int64 with nulls": (frame(GAPS).round().astype("Int64"), GAPS.round()),
    "nullable boolean": ((frame() > 0).astype("boolean"), (X > 0).astype(float)),
    "nullable boolean with nulls": (
        (frame() > 0).astype("boolean").mask(frame() > 5),
        np.where(X > 5, np.nan, X > 0),
    ),
    "arrow columns": (frame().astype("double[pyarrow]"), X),
    "arrow columns with nulls": (frame(GAPS).astype("double[pyarrow]"), GAPS),
    "arrow integers": (frame().round().astype("int64[pyarrow]"), X.round()),
    "sparse columns": (frame().astype(pd.SparseDtype("float64", 0.0)), X),
    "sparse columns of missing values": (frame(GAPS).astype(pd.SparseDtype("float64", np.nan)), GAPS),
    "objects": (frame().astype(object), X),
    "decimals": (frame().map(Decimal), X),
    "text of numbers": (frame().astype(str), X),
    "another index": (frame().set_index(pd.Index(np.arange(len(X))[::-1])), X),
    "polars": (table(X, pl.DataFrame), X),
    "polars, float32": (table(X.astype(np.float32), pl.DataFrame), X),
    "polars, int64": (table(X.astype(np.int64), pl.DataFrame), X.astype(np.int64)),
    "polars, bool": (table(X > 0, pl.DataFrame), X > 0),
    "polars with nulls": (table(GAPS, pl.DataFrame).fill_nan(None), GAPS),
    "polars, decimals": (table(X, pl.DataFrame).cast(pl.Decimal(10, 2)), X),
    "pyarrow": (table(X, pa.table), X),
    "pyarrow, float32": (table(X.astype(np.float32), pa.table), X),
    "pyarrow, float16": (table(X.astype(np.float16), pa.table), X),
    "pyarrow, int64": (table(X.astype(np.int64), pa.table), X.astype(np.int64)),
    "pyarrow, bool": (table(X > 0, pa.table), X > 0),
    "pyarrow with nulls": (pa.table({n: pa.array(GAPS[:, j], from_pandas=True) for j, n in enumerate(NAMES)}), GAPS),
    "pyarrow in chunks": (pa.concat_tables([table(X[k : k + 50], pa.table) for k in (0, 50, 100)]), X),
    "record batch": (table(X, pa.record_batch), X),
}


@pytest.mark.filterwarnings("ignore:Sparse arrays from pandas")  # XGBoost, of what it converts
@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("trained_on", ["array", "names"])
def test_a_frame_gives_the_librarys_answer(library, kind, trained_on):
    rows, numbers = FRAMES[kind]
    if library == "catboost" and kind.startswith("polars"):
        rows_of_library = frame(np.asarray(numbers, dtype=float))  # CatBoost 1.2.10 crashes on some polars frames
        same_bits(
            quiet(wrapped(library, trained_on)[0].predict, rows),
            fitted(library, trained_on).predict(rows_of_library),
        )
    elif (library, kind, trained_on) == ("lightgbm", "record batch", "names") and is_older("scikit-learn", "1.9"):
        # scikit-learn asked a record batch for its names, which LightGBM has rewritten: that refuses it as we do.
        for model in (fitted(library, trained_on), *wrapped(library, trained_on)):
            with pytest.raises(ValueError, match="feature names should match"):
                model.predict(rows)
    else:
        assert_answer(library, rows, numbers, trained_on)


# Integers that floating-point numbers round. The last is up to 2**60 + 2**37 in float32, but down to 2**60 by way of
# float64, which libraries do or do not, depending on what stands beside it.
LARGE = np.array([2**24, 2**24 + 1, -(2**24) - 1, 2**53 + 1, 2**60, 2**60 + 2**37, 2**60 + 2**36 + 1])
OF_LARGE = {
    "pandas, integers": lambda large, x: pd.DataFrame({"large": large, "x": x}),
    "pandas, float32": lambda large, x: pd.DataFrame({"large": large, "x": x.astype(np.float32)}),
    "pandas, float64": lambda large, x: pd.DataFrame({"large": large, "x": x.astype(float)}),
    "pandas, nullable": lambda large, x: pd.DataFrame({"large": pd.Series(large).astype("Int64"), "x": x}),
    "pandas, nulls": lambda large, x: pd.DataFrame({"large": pd.Series(large).astype("Int64").where(x > 0), "x": x}),
    "pandas, arrow nulls": lambda large, x: pd.DataFrame(
        {"large": pd.Series(large).astype("int64[pyarrow]").where(x > 0), "x": x}
    ),
    "polars": lambda large, x: pl.DataFrame({"large": large, "x": x.astype(float)}),
    "polars, nulls": lambda large, x: pl.DataFrame({"large": pl.Series(large).set(pl.Series(x == 0), None), "x": x}),
    "pyarrow": lambda large, x: pa.table({"large": large, "x": x.astype(float)}),
    "pyarrow, nulls": lambda large, x: pa.table({"large": pa.array(large, mask=x == 0), "x": x}),
    "list": lambda large, x: np.column_stack([large, x]).tolist(),
    "list of lists and floats": lambda large, x: [[a, float(b)] for a, b in zip(large.tolist(), x, strict=True)],
    "__array__": lambda large, x: Interface(np.column_stack([large, x])),
    "objects": lambda large, x: np.column_stack([large.astype(object), x]),
}


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("kind", OF_LARGE)
def test_large_integers_are_rounded_as_by_the_library_or_refused(library, kind):
    place, x = np.arange(140) % len(LARGE), np.arange(140) % 5
    model = MODELS[library].__class__(**MODELS[library].get_params())
    if library == "xgboost":
        model.set_params(tree_method="exact")
    model.fit(np.column_stack([LARGE[place], x]), 10.0 * place + x)
    fast = TensorizedEstimator(model)
    for last in (len(LARGE) - 1, len(LARGE)):
        rows = OF_LARGE[kind](LARGE[place[place < last]], x[place < last])
        if library == "catboost" and kind.startswith("polars"):
            rows = rows.to_pandas()  # CatBoost 1.2.10 crashes on some polars frames
        try:
            expected = quiet(model.predict, rows)
        except Exception:  # whatever it is: the wrapper takes more kinds than each library does
            continue
        try:
            same_bits(quiet(fast.predict, rows), expected)
        except ValueError as refusal:
            assert f"holds {LARGE[-1]}, which float32 rounds in two ways" in str(refusal)
            assert last == len(LARGE) and kind != "pandas, integers"
    assert len(np.unique(fast.predict(np.column_stack([LARGE[place], x])))) > 10


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("make", [frame, lambda rows: table(rows, pl.DataFrame), lambda rows: table(rows, pa.table)])
@pytest.mark.parametrize("prefit", [False, True])
def test_the_columns_of_a_frame_are_those_of_the_fit(library, make, prefit):
    model = fitted(library, "names")
    if prefit:
        fast = TensorizedEstimator(model)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # LightGBM, see above
            fast = TensorizedEstimator(model).fit(frame(), Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same_bits(fast.predict(make(X)), model.predict(frame()))
    named = make(X)
    take = named.select if isinstance(named, (pa.Table, pl.DataFrame)) else named.__getitem__
    if library == "catboost":  # which finds columns by their names
        same_bits(fast.predict(take(["b", "a b", "c", "d"])), model.predict(frame()))
        same_bits(fast.predict(frame().assign(e=1.0)), model.predict(frame()))
    else:
        with pytest.raises(ValueError, match="feature names should match"):
            fast.predict(take(["b", "a b", "c", "d"]))
        with pytest.raises(ValueError, match="feature names should match"):
            fast.predict(frame().assign(e=1.0))
    with pytest.raises(ValueError, match="feature names should match"):
        fast.predict(take(NAMES[:3]))
    with pytest.raises(ValueError, match="feature names should match"):
        fast.predict(frame().rename(columns={"c": "z"}))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        fast.predict(X)
    of_scikit_learn = library in ("forest", "histograms")
    kind, words = (TypeError, "if all input features have string names") if of_scikit_learn else (ValueError, "- 1\n")
    with pytest.raises(kind, match=words):
        fast.predict(frame(names=["a b", 1, "c", "d"]))


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("prefit", [False, True])
def test_columns_named_by_numbers_are_nameless_columns(library, prefit):
    model = fitted(library, "numbers")
    fast = TensorizedEstimator(model) if prefit else TensorizedEstimator(model).fit(pd.DataFrame(X), Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same_bits(fast.predict(pd.DataFrame(X)), model.predict(pd.DataFrame(X)))


@pytest.mark.parametrize("library", MODELS)
def test_a_model_that_has_seen_no_names_warns_of_those_it_is_given(library):
    fast = TensorizedEstimator(fitted(library))
    assert not hasattr(fast, "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names, but TensorizedEstimator was fitted without"):
        found = fast.predict(frame())
    same_bits(found, fast.predict(X))
    assert not hasattr(fast, "feature_names_in_")


@pytest.mark.parametrize(
    "library",
    [
        "xgboost",
        pytest.param("lightgbm", marks=since("lightgbm", "4.7", "fits on polars frames")),
        pytest.param("catboost", marks=since("catboost", "1.2.10", "fits on polars frames")),
    ],
)
def test_names_in_a_frame_are_known_where_scikit_learn_finds_none(library):
    rows = table(X, pl.DataFrame).rename({"a b": "a"})
    fast = TensorizedEstimator(MODELS[library]).fit(rows, Y)
    assert fast.feature_names_in_.tolist() == rows.columns
    same_bits(fast.predict(rows), fast.predict(rows.to_pandas()))
    for other in (rows, rows.to_pandas()):
        if library == "catboost":
            same_bits(fast.predict(other[rows.columns[::-1]]), fast.predict(rows))
        else:
            with pytest.raises(ValueError, match=r"(?s)feature names should match.*must be in the same order"):
                fast.predict(other[rows.columns[::-1]])


@pytest.mark.parametrize("library", MODELS)
def test_names_are_known_before_anything_is_compiled(library):
    fast = TensorizedEstimator(fitted(library, "names"))
    before = fast.feature_names_in_
    assert "_fitted" not in vars(fast)
    fast.predict(frame())
    np.testing.assert_array_equal(fast.feature_names_in_, before)
    assert [name.replace("_", " ") for name in before] == NAMES


@since("xgboost", "3.1", "categories in its models")
@pytest.mark.parametrize("make", [lambda f: f, pl.from_pandas], ids=["pandas", "polars"])
def test_xgboosts_categories_are_matched_by_value(make):
    rng = np.random.default_rng(1)
    values = np.array(["red", "green", "blue", "grey"])[rng.integers(0, 4, 400)]
    rows = pd.DataFrame({"colour": pd.Categorical(values), "x": rng.normal(size=400)})
    model = XGBRegressor(n_estimators=10, n_jobs=1, enable_categorical=True)
    model.fit(rows, (values == "red") * 5.0 + (values == "blue") * 2.0 + rows["x"])
    assert TensorizedEstimator(model).forest_.trees.is_cat.any()
    other = rows.copy()
    other["colour"] = pd.Categorical(values, categories=["grey", "red", "blue", "green"])
    other.loc[::5, "colour"] = np.nan
    same_bits(TensorizedEstimator(model).predict(make(other)), model.predict(other))
    # The library takes a name that sorts between two known ones for the second of them; here, it is an error, too.
    for name in ("yellow", "mauve"):
        unseen = rows.assign(colour=pd.Categorical(np.where(values == "red", name, values)))
        if name == "yellow":
            with pytest.raises(ValueError, match="Found a category not in the training set"):
                model.predict(unseen)
        with pytest.raises(ValueError, match=f"'colour' has categories that the model was not fitted with: .*{name}"):
            TensorizedEstimator(model).predict(make(unseen))
