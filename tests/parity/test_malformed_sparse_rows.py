"""Sparse rows as careless code builds them, with every library: its own answer, or an error."""

from __future__ import annotations

import copy
import functools
import itertools
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from agreement import same_bits
from catboost import CatBoostRegressor
from lightgbm import LGBMRegressor
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestRegressor,
)
from xgboost import XGBRegressor

from sktensor import TensorizedEstimator

RNG = np.random.default_rng(0)
N_ROWS, N_COLUMNS = 60, 5
X = np.round(RNG.normal(size=(N_ROWS, N_COLUMNS)) * 10) / 2
X[RNG.random(X.shape) < 0.5] = 0.0
Y = X[:, 0] + np.abs(X[:, 1]) + X[:, 2] + 3 * X[:, 3] + X[:, 4]

MODELS = {
    "xgboost": XGBRegressor(n_estimators=5, n_jobs=1),
    "xgboost, dart": XGBRegressor(n_estimators=5, n_jobs=1, booster="dart"),
    "lightgbm": LGBMRegressor(n_estimators=5, verbose=-1, min_child_samples=2, n_jobs=1),
    "catboost": CatBoostRegressor(iterations=5, depth=3, verbose=0, allow_writing_files=False, thread_count=1),
    "forest": RandomForestRegressor(n_estimators=5, random_state=0),
    "gradient boosting": GradientBoostingRegressor(n_estimators=5, random_state=0),
    "isolation forest": IsolationForest(n_estimators=5, random_state=0),
    "bagging": BaggingRegressor(n_estimators=3, random_state=0),
    "histograms": HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=2),
}
CONTAINERS = [f"{form}_{kind}" for form in ("csr", "csc", "coo") for kind in ("matrix", "array")]


@functools.cache
def wrapped(library):
    fast = TensorizedEstimator(MODELS[library].fit(X, Y))
    return fast, TensorizedEstimator(MODELS[library], strategy="gemm", backend="torch")


def entries(*, repeated):
    """Rows, columns and values of X, some of them twice, with another value the second time."""
    row, column = np.nonzero(X)
    again = np.arange(0, len(row), 3) if repeated else np.arange(0)
    value = np.concatenate([X[row, column], np.full(len(again), -7.0)])
    return np.concatenate([row, row[again]]), np.concatenate([column, column[again]]), value


def built(container, row, column, value, index=np.int32):
    """A matrix of these entries in their order."""
    make, form = getattr(sp, container), container[:3]
    if form == "coo":
        return make((value, (row.astype(index), column.astype(index))), shape=X.shape)
    major, minor = (row, column) if form == "csr" else (column, row)
    order = np.argsort(major, kind="stable")
    ends = np.searchsorted(major[order], np.arange(X.shape[form == "csc"] + 1))
    return make((value[order], minor[order].astype(index), ends.astype(index)), shape=X.shape)


def shuffled(container):
    row, column, value = entries(repeated=False)
    order = RNG.permutation(len(row))
    return built(container, row[order], column[order], value[order])


def long_indices(container):
    rows = built(container, *entries(repeated=False))
    if rows.format == "coo":
        for name in ("row", "col"):
            setattr(rows, name, getattr(rows, name).astype(np.int64))
    else:
        rows.indices, rows.indptr = rows.indices.astype(np.int64), rows.indptr.astype(np.int64)
    return rows


def room_to_spare(container):
    """Compressed rows whose last entries do not count."""
    rows = built(container, *entries(repeated=False))
    if rows.format != "coo":
        rows.indices, rows.data = np.append(rows.indices, rows.indices[:1]), np.append(rows.data, 1.0)
    return rows


LEGAL = {
    "well formed": lambda container: built(container, *entries(repeated=False)),
    "repeated entries": lambda container: built(container, *entries(repeated=True)),
    "repeated entries, float32": lambda container: built(container, *entries(repeated=True)).astype(np.float32),
    "repeated entries of float32": lambda container: repeated_as(container, np.float32),
    "repeated entries of integers": lambda container: repeated_as(container, np.int64),
    "everything twice": lambda container: built(container, *(np.tile(part, 2) for part in entries(repeated=False))),
    "unsorted": shuffled,
    "int64 indices": long_indices,
    "room to spare": room_to_spare,
}


def repeated_as(container, dtype):
    row, column, value = entries(repeated=True)
    return built(container, row, column, value.astype(dtype))


# Rows of which XGBoost makes a DMatrix, in which the sums of DART round differently.
REFUSED = [("xgboost, dart", container) for container in CONTAINERS if container != "csr_matrix"]


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("kind", LEGAL)
@pytest.mark.parametrize(("library", "container"), REFUSED)
def test_sparse_rows_that_dart_rounds_differently_are_refused(library, kind, container):
    fast, _ = wrapped(library)
    with pytest.raises(ValueError, match="for which the library rounds differently"):
        fast.predict(LEGAL[kind](container))


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("kind", LEGAL)
@pytest.mark.parametrize(
    ("library", "container"), [pair for pair in itertools.product(MODELS, CONTAINERS) if pair not in REFUSED]
)
def test_legal_sparse_rows_give_the_librarys_answer_or_an_error(library, kind, container):
    rows = LEGAL[kind](container)
    fast, by_tensors = wrapped(library)
    expected = answer_or_error(fast.estimator_, rows)
    if "more entries than cells" in str(answer_or_error(fast, rows)):
        assert library == "xgboost" and "num_nonzero_ <= num_col_ * num_row_" in str(expected)
    else:
        assert_answers_as_the_library(fast, by_tensors, rows, container, expected)


def assert_answers_as_the_library(fast, by_tensors, rows, container, expected):
    """Both give the library's answer for these rows, or for the class of rows that it reads, or raise an error too."""
    # The wrapper takes more kinds of numbers, indices and classes than each library does.
    for container_that_may_do in (container, container.replace("array", "matrix")):
        if isinstance(expected, Exception):
            expected = answer_or_error(fast.estimator_, converted(rows, container_that_may_do))
    kept = copy.deepcopy(rows)
    for model in (fast, by_tensors):
        if isinstance(expected, Exception):
            with pytest.raises((TypeError, ValueError)):
                model.predict(rows)
        else:
            same_bits(model.predict(rows), expected)
    for name in ("data", "indices", "indptr", "row", "col"):  # X is only read
        assert np.array_equal(getattr(rows, name, None), getattr(kept, name, None))


def converted(rows, container):
    """The same entries as float64 numbers with int32 indices."""
    value = rows.data.astype(np.float64)
    if rows.format == "coo":
        return getattr(sp, container)((value, (rows.row, rows.col)), shape=rows.shape)
    indices = rows.indices.astype(np.int32), rows.indptr.astype(np.int32)
    return getattr(sp, container)((value, *indices), shape=rows.shape)


def answer_or_error(model, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return model.predict(copy.deepcopy(rows))
        except Exception as error:  # each library has its own
            return error


def test_lightgbm_reads_tiny_values_of_a_csc_array_as_those_of_csr_rows():
    tiny = np.where(X == 0, 5e-36, X)
    model = LGBMRegressor(n_estimators=5, verbose=-1, min_child_samples=2, n_jobs=1, zero_as_missing=True)
    model.fit(np.where(RNG.random(X.shape) < 0.3, 0.0, tiny), Y)
    for container in ("csc_array", "csc_matrix", "csr_matrix"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = model.predict(getattr(sp, container)(tiny))
        same_bits(TensorizedEstimator(model).predict(getattr(sp, container)(tiny)), expected)


# --- what a library may read other memory for, for which it is not called ------------------------------------------


def damaged(container, **changed):
    """A matrix with some of its arrays replaced, which no constructor would do."""
    rows = built(container, *entries(repeated=False))
    for name, change in changed.items():
        values = getattr(rows, name).copy()
        setattr(rows, name, change(values))
    return rows


def put(at, value):
    def change(values):
        values[at] = value
        return values

    return change


COMPRESSED = {
    "negative index": ({"indices": put(3, -1)}, "has an entry in (row|column) -1"),
    "index just outside": (
        {"indices": lambda i: put(3, N_ROWS if len(i) else 0)(i)},
        "has an entry in (row|column) 60",
    ),
    "index far outside": ({"indices": put(3, 10**6)}, "has an entry in (row|column) 1000000"),
    "indptr that descends": ({"indptr": lambda p: put(3, p[-1])(p)}, "indptr has to ascend"),
    "indptr that begins later": ({"indptr": put(0, 1)}, "indptr has to ascend from 0"),
    "indptr beyond the entries": ({"indptr": lambda p: put(-1, p[-1] + 3)(p)}, "at most the number of entries"),
    "negative indptr": ({"indptr": put(2, -2)}, "indptr has to ascend"),
    "short indptr": ({"indptr": lambda p: p[:-1]}, "indptr has (5|60) elements and needs"),
    "too few values": ({"data": lambda d: d[:-1]}, "indices and .* values"),
    "too many values": ({"data": lambda d: np.append(d, 1.0)}, "indices and .* values"),
}
COORDINATES = {
    "negative column": ({"col": put(3, -1)}, "has an entry in column -1, and 5 columns"),
    "column just outside": ({"col": put(3, N_COLUMNS)}, "has an entry in column 5, and 5 columns"),
    "column far outside": ({"col": put(3, 10**6)}, "has an entry in column 1000000"),
    "negative row": ({"row": put(3, -1)}, "has an entry in row -1, and 60 rows"),
    "row outside": ({"row": put(3, N_ROWS)}, "has an entry in row 60, and 60 rows"),
    "too few values": ({"data": lambda d: d[:-1]}, "do not make entries"),
}
DAMAGED = [(c, kind) for c in CONTAINERS for kind in (COORDINATES if c.startswith("coo") else COMPRESSED)]


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(("container", "kind"), DAMAGED)
@pytest.mark.parametrize("library", MODELS)
def test_sparse_rows_with_invalid_indices_are_refused(library, container, kind):
    changed, said = (COORDINATES if container.startswith("coo") else COMPRESSED)[kind]
    if library == "histograms":
        said = "Sparse data was passed for X"
    elif library == "xgboost, dart" and container != "csr_matrix":
        said = "for which the library rounds differently"
    for fast in wrapped(library):
        with pytest.raises((TypeError, ValueError), match=said):
            fast.predict(damaged(container, **changed))
