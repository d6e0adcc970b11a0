"""Arrays, sparse rows and tensors of every kind: the library's own answer, or an error where it has none to give."""

from __future__ import annotations

import tracemalloc
import warnings

import containers
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
import torch
from agreement import library_raw, same_bits
from kinds_of_rows import GAPS, MODELS, Interface, X, assert_answer, fitted, frame, quiet, table, wrapped
from layouts import misaligned

from sktensor import TensorizedEstimator
from sktensor.native import loader


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
def test_containers_of_arrays_give_catboosts_answer(kind):
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
