"""Arrays, sequences and tensors that hold no plain numbers: the library's answer, or an error that says what to do."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from agreement import same_bits
from catboost import CatBoostRegressor
from lightgbm import LGBMRegressor
from sklearn.ensemble import BaggingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBRegressor

from sktensor import TensorizedEstimator
from sktensor.forest import Forest
from sktensor.inputs.rows import Rows
from sktensor.inputs.tensors import on_host
from sktensor.native import loader
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

RNG = np.random.default_rng(0)
X = np.round(RNG.normal(size=(90, 4)) * 20)
X[::4, 2] = 0.0
Y = X[:, 0] + np.abs(X[:, 1]) + X[:, 2] * X[:, 3] / 10

MODELS = {
    "xgboost": XGBRegressor(n_estimators=5, n_jobs=1),
    "lightgbm": LGBMRegressor(n_estimators=5, verbose=-1, min_child_samples=2, n_jobs=1),
    "catboost": CatBoostRegressor(iterations=5, depth=3, verbose=0, allow_writing_files=False, thread_count=1),
    "forest": RandomForestRegressor(n_estimators=5, random_state=0),
    "histograms": HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=2),
}
for _model in MODELS.values():
    _model.fit(X, Y)

KINDS = {
    "datetime64": X.astype(int).astype("datetime64[s]"),
    "timedelta64": X.astype(int).astype("timedelta64[s]"),
    "text": X.astype(str),
    "bytes": X.astype("S"),
    "objects that are text": X.astype(str).astype(object),
    "list of text": X.astype(str).tolist(),
    "list of rows of datetime64": list(X.astype(int).astype("datetime64[s]")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("library", MODELS)
def test_arrays_of_dates_and_text_are_read_or_refused_as_by_the_library(library, kind):
    model, rows = MODELS[library], KINDS[kind]
    try:
        expected = model.predict(rows)
    except Exception:  # each library has errors of its own
        with pytest.raises(ValueError, match=r"X holds (dates|durations|text|bytes).*dtype=float"):
            TensorizedEstimator(model).predict(rows)
    else:
        same_bits(TensorizedEstimator(model).predict(rows), expected)


class Sequence:
    """Rows that have a length and nothing else of an array."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


@pytest.mark.parametrize("make", [lambda: memoryview(X), lambda: Sequence(X.tolist())], ids=["memoryview", "sequence"])
@pytest.mark.parametrize("library", MODELS)
def test_sequences_are_refused_where_the_library_takes_their_zeros_for_missing(library, make):
    model = MODELS[library]
    if library == "xgboost":
        with pytest.warns(UserWarning, match="Unknown data type"):
            assert not np.array_equal(model.predict(make()), model.predict(X))
        with pytest.raises(TypeError, match=r"zeros count as missing\. Give numpy\.asarray\(X\)"):
            TensorizedEstimator(model).predict(make())
    else:
        same_bits(TensorizedEstimator(model).predict(make()), model.predict(X))


LISTED = {
    "floats": [1.5, -2.0, 0.1, 3.0],
    "floats and an integer": [1.5, -2, 0.1, True],
    "text": [1.5, "-2", "1e-3", 3.0],
    "bytes": [1.5, b"-2", 0.1, 3.0],
    "none": [1.5, None, 0.1, 3.0],
    "a large integer": [1.5, 2**53 + 1, 0.1, 3.0],
    "a larger one": [1.5, 2**70, 0.1, 3.0],
    "beyond float32": [1.5, 1e300, 0.1, 3.0],
    "infinity": [1.5, -np.inf, 0.1, 3.0],
    "not a number": [1.5, np.nan, 0.1, 3.0],
    "a complex number": [1.5, 2j, 0.1, 3.0],
    "a list": [1.5, [2.0], 0.1, 3.0],
    "a date": [1.5, np.datetime64("2020-01-01"), 0.1, 3.0],
    "too few": [1.5, 2.0],
}


@pytest.mark.parametrize("library", [*MODELS, "bagging"])
@pytest.mark.parametrize("kind", LISTED)
@pytest.mark.parametrize("last", [False, True])
def test_lists_of_floats_and_something_else_are_read_or_refused_as_by_the_library(library, kind, last):
    model = MODELS.get(library) or BaggingRegressor(random_state=0).fit(X, Y)
    rows = [[0.5, 1.0, 2.0, -3.0]] * 3 * last + [LISTED[kind]]
    try:
        expected = model.predict(rows)
    except Exception:
        with pytest.raises((TypeError, ValueError)):
            TensorizedEstimator(model).predict(rows)
        return
    same_bits(TensorizedEstimator(model).predict(rows), expected)


@pytest.mark.parametrize("make", [np.asarray, list, lambda x: x.astype(int)], ids=["array", "list", "integers"])
@pytest.mark.parametrize("library", MODELS)
def test_a_1d_array_is_one_column_for_xgboost_and_refused_for_all_others(library, make):
    model = MODELS[library].__class__(**MODELS[library].get_params()).fit(X[:, :1], Y)
    column = make(X[:, 0])
    if library == "xgboost":
        same_bits(TensorizedEstimator(model).predict(column), model.predict(column))
    else:
        with pytest.raises(ValueError, match="Expected 2D array, got 1D array instead"):
            TensorizedEstimator(model).predict(column)


UNREADABLE = {
    "sparse CSR": (lambda: torch.tensor(X).to_sparse_csr(), r"X is a sparse tensor.*X\.to_dense\(\)"),
    "sparse COO": (lambda: torch.tensor(X).to_sparse(), r"X is a sparse tensor.*X\.to_dense\(\)"),
    "quantized": (
        lambda: torch.quantize_per_tensor(torch.tensor(X).float(), 0.5, 0, torch.qint8),
        r"X is a quantized tensor.*X\.dequantize\(\)",
    ),
    "nested": (lambda: torch.nested.nested_tensor([torch.zeros(4), torch.ones(4)]), "X is a nested tensor"),
    "meta": (lambda: torch.zeros(3, 4, device="meta"), "X is a tensor on the meta device, which has no values"),
}


@pytest.mark.filterwarnings("ignore")  # of torch, of what is a prototype
@pytest.mark.parametrize("kind", UNREADABLE)
def test_tensors_without_rows_of_numbers_are_refused_with_what_to_do(kind):
    make, said = UNREADABLE[kind]
    with pytest.raises(TypeError, match=said):
        TensorizedEstimator(MODELS["forest"]).predict(make())


def test_bfloat16_tensors_work_in_fit_score_and_margins_as_in_predict():
    rows, truth = torch.tensor(X).bfloat16(), torch.tensor(Y).bfloat16()
    numbers, true = rows.float().numpy(), truth.float().numpy()
    fast = TensorizedEstimator(XGBRegressor(n_estimators=5, n_jobs=1)).fit(rows, truth)
    model = XGBRegressor(n_estimators=5, n_jobs=1).fit(numbers, true)
    same_bits(fast.predict(rows), model.predict(numbers))
    assert fast.score(rows, truth) == model.score(numbers, true)
    same_bits(fast.predict(rows, base_margin=truth), model.predict(numbers, base_margin=true))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int8, torch.bool])
def test_a_tensors_numbers_are_unchanged_on_the_host(dtype):
    tensor = torch.tensor([0.0, 1.0, 1.5, -3.0]).to(dtype)
    assert on_host(tensor).tolist() == tensor.tolist()
    assert on_host("anything else") == "anything else"


# --- columns that nobody looks at ----------------------------------------------------------------------------------

WIDE = 300_000


def stumps(columns, n_features, **rules):
    split = {"threshold": 0.5, "left": {"value": 1.0}, "right": {"value": 2.0}, "nan_left": True}
    return Forest.from_trees([{"feature": j, **split} for j in columns], n_features=n_features, **rules)


@pytest.mark.skipif(loader.library() is None, reason="tensor code reads all columns")
@pytest.mark.parametrize("strategy", ["bitsliced", "tree_traversal"])
@pytest.mark.parametrize("kind", ["csr", "int8", "float16", ">f8"])
def test_memory_for_wide_rows_is_that_of_the_columns_that_trees_look_at(strategy, kind):
    columns = [3, 17, WIDE - 1]
    forest = stumps(columns, WIDE)
    dense = np.zeros((40, len(columns)))
    dense[::3, 0] = dense[::2, 2] = 1.0
    if kind == "csr":
        rows = sp.csr_matrix((40, WIDE))
        row, column = np.nonzero(dense)
        rows = sp.csr_matrix((dense[row, column], (row, np.array(columns)[column])), shape=(40, WIDE))
    else:
        rows = np.zeros((40, WIDE), dtype=kind)
        rows[:, columns] = dense
    program, settings = Program(forest), Settings(strategy=strategy, backend="native")
    program.total(Rows(rows[:1]), settings)
    tracemalloc.start()
    try:
        found = program.total(Rows(rows), settings)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    same_bits(found, Program(stumps(range(3), 3)).total(Rows(dense), Settings()))
    assert peak < 2**18 < 40 * WIDE


@pytest.mark.parametrize("dtype", [np.int64, np.float16])
def test_leaves_and_sums_of_trees_over_some_columns_are_those_of_the_numbers(dtype):
    rows = X.astype(dtype)
    model = DecisionTreeRegressor(max_leaf_nodes=4, random_state=0).fit(np.c_[X * 0, X], Y)
    wide = np.c_[rows * 0, rows]
    for given in (wide, torch.tensor(wide), sp.csr_matrix(wide.astype(np.float32)), sp.csc_matrix(wide.astype(float))):
        fast = TensorizedEstimator(model)
        assert len(fast.apply(given)) == len(X) and len(fast.forest_.trees.used_columns) < wide.shape[1]
        same_bits(np.asarray(fast.apply(given)), model.apply(wide.astype(np.float32))[:, None].reshape(-1))
        same_bits(fast.predict(given), model.predict(wide.astype(np.float32)))


def test_a_tree_that_is_a_single_leaf_reads_no_column():
    forest = Forest.from_trees([{"value": 1.5}], n_features=7)
    for rows in (sp.csr_matrix(np.eye(7)), np.eye(7, dtype=np.int8)):
        assert Program(forest).total(Rows(rows), Settings()).tolist() == [[1.5]] * 7
