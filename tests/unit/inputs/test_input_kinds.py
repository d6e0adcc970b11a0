"""Every kind of X with every library: its own answer, or an error where it has none to give."""

from __future__ import annotations

import functools
import tracemalloc
import warnings
from decimal import Decimal

import containers
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
import torch
from agreement import library_raw, same_bits
from catboost import CatBoostRegressor
from layouts import misaligned
from lightgbm import LGBMRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from versions import is_older, since
from xgboost import XGBRegressor

from sktensor import TensorizedEstimator
from sktensor.native import loader

RNG = np.random.default_rng(0)
X = np.round(RNG.normal(size=(120, 4)) * 20) / 2
X[::4, 2] = 0.0
X[:, 3] = RNG.integers(0, 2, len(X))
Y = X[:, 0] + np.abs(X[:, 1]) + X[:, 2] + 3 * X[:, 3]
GAPS = X.copy()
GAPS[::3, 1] = np.nan
NAMES = ["a b", "b", "c", "d"]  # a blank, which LightGBM rewrites

MODELS = {
    "xgboost": XGBRegressor(n_estimators=5, n_jobs=1),
    "lightgbm": LGBMRegressor(n_estimators=5, verbose=-1, min_child_samples=2, n_jobs=1),
    "forest": RandomForestRegressor(n_estimators=5, random_state=0),
    "histograms": HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=2),
    "catboost": CatBoostRegressor(iterations=5, depth=3, verbose=0, allow_writing_files=False, thread_count=1),
}


def frame(rows=X, names=NAMES):
    return pd.DataFrame(rows, columns=names)


@functools.cache
def fitted(library, kind="array"):
    """A model of a library, fitted on an array, a wider one, a frame with names or one with numbers for names."""
    model = MODELS[library].__class__(**MODELS[library].get_params())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LightGBM says that it replaces the blank
        return model.fit({"array": X, "wide": np.tile(X, 4), "names": frame(), "numbers": pd.DataFrame(X)}[kind], Y)


@functools.cache
def wrapped(library, kind="array"):
    """Wrappers around such a model: one as users get it, and one that runs tensor code."""
    model = fitted(library, kind)
    return TensorizedEstimator(model), TensorizedEstimator(model, strategy="gemm", backend="torch")


def quiet(predict, rows):
    """The answer without the library's advice on columns, which other tests look at."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X (does not have valid|has) feature names")
        return predict(rows)


def assert_answer(library, rows, numbers, kind="array"):
    """The wrapper gives the library's answer for `rows`: where the library refuses them, that for their numbers."""
    model = fitted(library, kind)
    try:
        expected = quiet(model.predict, rows)
    except Exception:  # whatever it is: the wrapper takes more kinds than each library does
        expected = quiet(fitted(library).predict, numbers)
    for fast in wrapped(library, kind):
        found = quiet(fast.predict, rows)
        same_bits(found, expected)


# --- arrays -------------------------------------------------------------------------------------------------------


class Interface:
    """Something that numpy can make an array of."""

    def __init__(self, rows):
        self.rows = rows

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows, dtype=dtype)


class Exchange:
    """Something that speaks DLPack and nothing else."""

    def __init__(self, rows):
        self.rows = rows

    def __dlpack__(self, **how):
        return self.rows.__dlpack__(**how)

    def __dlpack_device__(self):
        return self.rows.__dlpack_device__()


ARRAYS = {
    **{dtype: X.astype(dtype) for dtype in ("int16", "int32", "longdouble")},
    **{dtype: np.abs(X).astype(dtype) for dtype in ("uint8", "uint32", "uint64")},
    "columns first, float32": np.asfortranarray(X, dtype=np.float32),
    "last row first": X[::-1],
    "one row again and again": np.broadcast_to(X[:1], X.shape),
    "misaligned float32": misaligned(X.astype(np.float32)),
    "missing values": GAPS,
    "objects that are integers": X.astype(int).astype(object),
    "masked": np.ma.MaskedArray(X),
    "masked in parts": np.ma.MaskedArray(X, mask=X > 5),
    "masked in parts, objects": np.ma.MaskedArray(X.astype(object), mask=X > 5),
    "objects with None": np.where(np.isnan(GAPS), None, GAPS.astype(object)),
    "text of numbers": X.astype(str),
    "objects that are text of numbers": X.astype(str).astype(object),
    "tuples": tuple(map(tuple, X)),
    "list of arrays": list(X),
    "list with None": [[None if np.isnan(v) else v for v in row] for row in GAPS],
    "list of integers": X.astype(int).tolist(),
    "list of bools": (X > 0).tolist(),
    "__array__": Interface(X),
    "__dlpack__": Exchange(X),
    "__dlpack__ of a tensor": Exchange(torch.tensor(X)),
}
NUMBERS = {
    "objects with None": GAPS,
    "list with None": GAPS,
    "text of numbers": X,
    "objects that are text of numbers": X,
    "objects that are integers": X.astype(int),
    "__array__": X,
    "__dlpack__": X,
    "__dlpack__ of a tensor": X,
}


@pytest.mark.filterwarnings("ignore:Unknown data type")  # XGBoost, of what it makes a sparse matrix of
@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("kind", ARRAYS)
def test_an_array_gives_the_librarys_answer(library, kind):
    rows = ARRAYS[kind]
    if library == "catboost" and np.ma.is_masked(rows):
        pytest.skip("refused, see below")
    if library in ("xgboost", "lightgbm") and kind == "text of numbers":
        pytest.skip("refused, see test_arrays_of_dates_and_text_are_read_or_refused_as_by_the_library")
    assert_answer(library, rows, NUMBERS[kind] if kind in NUMBERS else np.asarray(rows))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.longdouble, np.int64, object])
def test_masked_values_are_refused_where_catboost_reads_them_in_two_ways(dtype):
    rows, model = X.astype(dtype), fitted("catboost")
    masked = np.ma.MaskedArray(rows, mask=X > 5)
    ways = model.predict(rows), model.predict(masked.astype(float).filled(np.nan))
    assert not np.array_equal(*ways)
    assert any(np.array_equal(quiet(model.predict, masked), way) for way in ways)
    for fast in wrapped("catboost"):
        with pytest.raises(ValueError, match=r"X is a masked array.*X\.astype\(float\)\.filled\(numpy\.nan\)"):
            fast.predict(masked)
        same_bits(fast.predict(masked.data), ways[0])
        same_bits(fast.predict(masked.astype(float).filled(np.nan)), ways[1])


@pytest.mark.parametrize("kind", containers.ARRAYS)
def test_arrays_that_other_libraries_are_given_elsewhere_give_catboosts_answer(kind):
    rows = containers.ARRAYS[kind](X)
    assert_answer("catboost", rows, np.asarray(rows, dtype=float))


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_read_only_memory_map_gives_the_librarys_answer_and_no_warning(library, dtype, order, tmp_path):
    np.save(tmp_path / "X.npy", np.asarray(GAPS, dtype=dtype, order=order))
    rows = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert isinstance(rows, np.memmap) and not rows.flags.writeable
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_answer(library, rows, np.array(rows))


# --- frames -------------------------------------------------------------------------------------------------------


def table(rows, make):
    return make({name: rows[:, j] for j, name in enumerate(NAMES)})


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
def test_names_that_the_library_finds_in_a_frame_are_known_whatever_scikit_learn_finds(library):
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


# --- sparse rows --------------------------------------------------------------------------------------------------


def with_zeros():
    """Entries that are there and zero, which XGBoost tells from those that are not."""
    rows = sp.csr_matrix(np.where(X == 0, 99.0, X))
    rows.data[rows.data == 99.0] = 0.0
    return rows


def unsorted():
    rows = sp.csr_matrix(X)
    for start, stop in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
        for part in (rows.indices, rows.data):
            part[start:stop] = part[start:stop][::-1].copy()
    rows.has_sorted_indices = False
    return rows


def long_indices():
    rows = sp.csr_matrix(X)
    rows.indices, rows.indptr = rows.indices.astype(np.int64), rows.indptr.astype(np.int64)
    return rows


SPARSE = {
    **{
        f"{f}_{k}": getattr(sp, f"{f}_{k}")(X) for f in ("csr", "csc", "coo", "bsr", "lil") for k in ("matrix", "array")
    },
    "float32": sp.csr_matrix(X.astype(np.float32)),
    "int32": sp.csr_matrix(X.astype(np.int32)),
    "bool": sp.csr_matrix(X > 0),
    "longdouble": sp.csr_matrix(X.astype(np.longdouble)),
    "zeros that are there, csr": with_zeros(),
    "zeros that are there, csc": with_zeros().tocsc(),
    "zeros that are there, coo": with_zeros().tocoo(),
    "unsorted": unsorted(),
    "64-bit indices": long_indices(),
    "missing values, csr": sp.csr_matrix(GAPS),
    "missing values, csc": sp.csc_matrix(GAPS),
}


@pytest.mark.filterwarnings("ignore:Unknown data type", "ignore:Converting data to scipy sparse")  # what is converted
@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("kind", SPARSE)
def test_absent_entries_are_zero_or_missing_as_in_the_library(library, kind):
    rows = SPARSE[kind]
    if library == "histograms":
        for model in (fitted(library), *wrapped(library)):
            with pytest.raises(TypeError, match="Sparse data was passed for X"):
                model.predict(rows)
    elif library == "forest" and kind.startswith("missing values"):  # which its trees take in dense rows only
        for model in (fitted(library), *wrapped(library)):
            with pytest.raises(ValueError, match="Input X contains NaN"):
                model.predict(rows)
    else:  # No kind falls back to these numbers in XGBoost, to which absent entries are no zeros.
        assert_answer(library, rows, None if library == "xgboost" else rows.toarray().astype(float))


# --- tensors ------------------------------------------------------------------------------------------------------


def negated():
    """A tensor whose negation is only noted, which numpy cannot read."""
    return torch._neg_view(torch.tensor(-X))


TENSORS = {
    "float16": (torch.tensor(X).half(), X.astype(np.float16)),
    "bfloat16": (torch.tensor(X).bfloat16(), torch.tensor(X).bfloat16().float().numpy()),
    "uint8": (torch.tensor(np.abs(X)).to(torch.uint8), np.abs(X).astype(np.uint8)),
    "int32": (torch.tensor(X).int(), X.astype(np.int32)),
    "bool": (torch.tensor(X) > 0, X > 0),
    "missing values": (torch.tensor(GAPS), GAPS),
    "columns first": (torch.tensor(X).t().contiguous().t(), X),
    "strided": (torch.tensor(np.repeat(X, 2, 1))[:, ::2], X),
    "one row again and again": (torch.tensor(X[:1]).expand(50, -1), np.repeat(X[:1], 50, 0)),
    "parameter": (torch.nn.Parameter(torch.tensor(X)), X),
    "negated": (negated(), X),
}


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("kind", TENSORS)
def test_a_tensor_gives_the_answer_for_its_numbers(library, kind):
    rows, numbers = TENSORS[kind]
    for fast in wrapped(library):
        found = fast.predict_raw(rows)
        assert isinstance(found, torch.Tensor) and not found.requires_grad
        same_bits(found.numpy(), library_raw(fitted(library), numbers))
        same_bits(fast.predict(rows), fitted(library).predict(numbers))


@pytest.mark.parametrize("library", MODELS)
def test_dlpack_array_is_read_on_its_own_device(library, device):
    rows = torch.tensor(X, device=device)
    found = TensorizedEstimator(fitted(library), device=device).predict_raw(Exchange(rows))
    if device == "cpu":
        assert isinstance(found, np.ndarray)
    else:
        assert found.device == rows.device
        found = found.cpu().numpy()
    same_bits(found, TensorizedEstimator(fitted(library)).predict_raw(X))


# --- errors -------------------------------------------------------------------------------------------------------

REFUSED = {
    "text": np.full((2, 4), "x"),
    "objects": np.full((2, 4), object()),
    "structured": np.zeros(5, "f8,f8,f8,f8"),
    "3-D": X[None],
    "None": None,
    "dict": {"a": 1},
    "string": "rows",
    "too few columns": X[:, :2],
    "too few sparse columns": sp.csr_matrix(X[:, :2]),
    "too many sparse columns": sp.csr_matrix(np.c_[X, X]),
    "a column of text": frame().assign(b="text"),
    "a column of dates": frame().assign(b=pd.Timestamp("2020-01-01")),
    "a polars column of text": table(X, pl.DataFrame).with_columns(b=pl.lit("text")),
}
# Rows of another width, which some libraries fill up or cut off, and scikit-learn does not.
ANOTHER_WIDTH = ("too few columns", "too few sparse columns", "too many sparse columns")


@pytest.mark.filterwarnings("ignore:Unknown data type", "ignore:.*Text file input")  # from XGBoost
@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_library_refuses_is_refused(library, kind):
    rows = REFUSED[kind]
    model = fitted(library, "names" if isinstance(rows, (pd.DataFrame, pl.DataFrame)) else "array")
    if kind not in ANOTHER_WIDTH and not (library == "catboost" and isinstance(rows, pl.DataFrame)):  # which may crash
        with pytest.raises(Exception):  # noqa: B017 - each has errors of its own
            model.predict(rows)
    with pytest.raises((ValueError, TypeError)):
        TensorizedEstimator(model).predict(rows)


NEITHER = {
    "matrix": (np.matrix(X), TypeError, "np.matrix is not supported. Please convert to a numpy array"),
    "polars, lazy": (table(X, pl.DataFrame).lazy(), TypeError, "X is a LazyFrame, which holds no rows .* X.collect()"),
    "structured": (np.zeros(5, "f8,f8,f8,f8"), TypeError, "X is a structured array.*structured_to_unstructured"),
    "complex": (X + 0j, ValueError, "Complex data not supported"),
    "list of complex numbers": ((X + 0j).tolist(), TypeError, "must be a string or a real number, not 'complex'"),
    "a complex column": (frame().assign(b=1j), ValueError, "Complex data not supported: column 'b'"),
    "1-D": (X[0], ValueError, "Expected 2D array, got 1D array instead(.|\n)*Reshape your data"),
    "1-D list": (X[0].tolist(), ValueError, "Expected 2D array, got 1D array instead(.|\n)*Reshape your data"),
    "series": (frame()["b"], ValueError, "Expected a 2-dimensional container but got"),
    "3-D": (X[None], ValueError, "Found array with dim 3"),
    "no columns": (X[:, :0], ValueError, r"Found array with 0 feature\(s\)"),
    "a frame without columns": (pd.DataFrame(index=range(3)), ValueError, "X has 0 features, but .* is expecting 4"),
    "text in a list": ([["a", "b", "c", "d"]], ValueError, "could not convert string to float|X holds text"),
    "a column of categories": (
        frame().assign(d=pd.Categorical(X[:, 3].astype(int))),
        ValueError,
        "Column 'd' holds no numbers but Categorical, and the model was not fitted with categories there. Encode it",
    ),
    "a polars column of categories": (
        table(X, pl.DataFrame).with_columns(d=pl.Series(X[:, 3].astype(str)).cast(pl.Categorical)),
        ValueError,
        "Column 'd' holds no numbers but Categorical, and the model was not fitted with categories there. Encode it",
    ),
}


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("kind", NEITHER)
def test_what_is_no_table_of_numbers_is_refused_with_what_to_do(library, kind):
    # Libraries differ in these: XGBoost takes codes of categories that it was never fitted with, CatBoost np.matrix.
    rows, error, said = NEITHER[kind]
    for fast in wrapped(library, "names" if isinstance(rows, (pd.DataFrame, pl.DataFrame)) else "array"):
        with pytest.raises(error, match=said):
            quiet(fast.predict, rows)


# --- copies -------------------------------------------------------------------------------------------------------

MANY = np.random.default_rng(2).normal(size=(500_000, 16))
LETTERS = list("abcdefghijklmnop")


def mapped(rows, folder):
    np.save(folder / "rows.npy", rows)
    return np.load(folder / "rows.npy", mmap_mode="r")


UNCOPIED = {
    "float64": lambda rows, folder: rows,
    "float32": lambda rows, folder: rows.astype(np.float32),
    "columns first": lambda rows, folder: np.asfortranarray(rows),
    "backwards": lambda rows, folder: rows[::-1, ::-1],
    "read-only memory map": mapped,
    "pandas": lambda rows, folder: frame(rows, LETTERS),
    "polars": lambda rows, folder: pl.DataFrame(rows, schema=LETTERS),
    "pyarrow": lambda rows, folder: pa.table(dict(zip(LETTERS, rows.T.copy(), strict=True))),
    "tensor": lambda rows, folder: torch.tensor(rows),
    "__dlpack__": lambda rows, folder: Exchange(rows),
    # What is cast is cast a part at a time.
    "float16": lambda rows, folder: rows.astype(np.float16),
    "int64": lambda rows, folder: rows.astype(np.int64),
    "int8": lambda rows, folder: rows.astype(np.int8),
}


@pytest.mark.skipif(loader.library() is None, reason="kernels read rows where they lie, tensor code copies batches")
@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("kind", UNCOPIED)
def test_rows_are_read_without_a_copy(library, kind, tmp_path):
    fast, rows = wrapped(library, "wide")[0], UNCOPIED[kind](MANY, tmp_path)
    quiet(fast.predict, rows)  # compiled, and whatever is imported on the way
    tracemalloc.start()
    try:
        found = quiet(fast.predict, rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Room for sums and what is made of them, and for two copies of 16 thousand rows; none of all rows in float32.
    assert found.shape == (len(MANY),)
    assert peak < 0.9 * MANY.size * 4
