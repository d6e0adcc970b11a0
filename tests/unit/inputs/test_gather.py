"""Sparse rows as dense blocks of the columns that trees look at, by the kernel and by numpy, and who is handed them."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from layouts import misaligned
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from sktensor import TensorizedEstimator
from sktensor.inputs.sparse import few_cells
from sktensor.native import gather, loader

ISAS = [] if loader.library() is None else range(loader.library().best + 1)
needs_kernels = pytest.mark.skipif(loader.library() is None, reason="no kernels in this build")


def sparse_rows(n_rows=50, width=40, dtype=np.float64, index=np.int32):
    X = scipy.sparse.random(n_rows, width, 0.2, format="csr", random_state=0, dtype=np.float64).astype(dtype)
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    return X


def sparse_columns(n_rows=50, width=40, dtype=np.float64, index=np.int32):
    X = sparse_rows(n_rows, width, dtype).tocsc()
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    return X


def block_of(X, columns, absent, dtype, order, n_rows):
    place = np.full(X.shape[1], len(columns), dtype=np.int32)
    place[columns] = np.arange(len(columns))
    block = np.full((n_rows, len(columns)), absent, dtype=dtype, order=order)
    return block, gather.Gatherer(X, place, block, absent)


@needs_kernels
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("absent", [0.0, np.nan])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("into", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gathered_rows_are_the_columns_of_the_dense_matrix(dtype, index, into, order, absent, isa, monkeypatch):
    monkeypatch.setattr(loader.library(), "isa", isa)
    X, columns = sparse_rows(dtype=dtype, index=index), np.array([0, 3, 7, 20, 39])
    assert gather.gathers(X)
    expected = np.full(X.shape, absent, dtype=into)
    for row in range(X.shape[0]):
        there = X.indices[X.indptr[row] : X.indptr[row + 1]]
        expected[row, there] = X.data[X.indptr[row] : X.indptr[row + 1]]
    block, gatherer = block_of(X, columns, absent, into, order, 20)
    for first in (0, 20, 30):
        gatherer.write(first, 20)
        np.testing.assert_array_equal(block, expected[first : first + 20][:, columns])
        gatherer.clear(first, 20)
        np.testing.assert_array_equal(block, np.full_like(block, absent))


@needs_kernels
def test_last_of_repeated_entries_is_gathered():
    X = scipy.sparse.csr_matrix((np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0]), np.array([0, 3])), shape=(1, 2))
    block, gatherer = block_of(X, np.array([0, 1]), 0.0, np.float32, "F", 1)
    gatherer.write(0, 1)
    assert block.tolist() == [[3.0, 2.0]]


@needs_kernels
def test_values_beyond_float32_are_gathered_as_infinities():
    X = scipy.sparse.csr_matrix(np.array([[1e300, -1e300]]))
    block, gatherer = block_of(X, np.array([0, 1]), 0.0, np.float32, "F", 1)
    gatherer.write(0, 1)
    assert block.tolist() == [[np.inf, -np.inf]]


@needs_kernels
@pytest.mark.parametrize(
    ("field", "wrong"), [("indices", [0, 5]), ("indices", [0, -1]), ("indptr", [0, 9]), ("indptr", [1, 0])]
)
def test_gathering_reads_nothing_beyond_a_malformed_matrix(field, wrong):
    X = scipy.sparse.csr_matrix((np.array([1.0, 2.0]), np.array([0, 1]), np.array([0, 2])), shape=(1, 2))
    setattr(X, field, np.array(wrong, dtype=np.int32))
    _, gatherer = block_of(X, np.array([0, 1]), 0.0, np.float32, "F", 1)
    with pytest.raises((ValueError, RuntimeError), match="The CPU kernels refuse this call"):
        gatherer.write(0, 1)


@needs_kernels
@pytest.mark.parametrize(("first", "n"), [(-1, 1), (0, -1), (45, 6), (0, 21)])
def test_gathering_refuses_rows_that_are_not_there(first, n):
    X = sparse_rows()
    _, gatherer = block_of(X, np.array([0, 1]), 0.0, np.float32, "C", 20)
    with pytest.raises(RuntimeError, match="there are no rows"):
        gatherer.write(first, n)


@needs_kernels
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("absent", [0.0, np.nan])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("into", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gathered_columns_are_those_of_the_dense_matrix(dtype, index, into, order, absent, isa, monkeypatch):
    monkeypatch.setattr(loader.library(), "isa", isa)
    X = sparse_columns(dtype=dtype, index=index)
    there = scipy.sparse.csc_matrix((np.ones(X.nnz), X.indices, X.indptr), shape=X.shape).toarray() > 0
    expected = np.where(there, X.toarray(), absent).astype(into)
    for columns in (np.array([39, 0, 3, 3, 20]), None):
        of = expected if columns is None else expected[:, columns]
        block = np.full((20, of.shape[1]), 7.0, dtype=into, order=order)
        gatherer = gather.ColumnGatherer(X, columns, block, absent)
        for first, n in ((0, 20), (20, 5), (25, 0), (25, 20), (45, 5)):
            gatherer.write(first, n)
            np.testing.assert_array_equal(block[:n], of[first : first + n])


@needs_kernels
def test_last_of_repeated_entries_of_a_column_is_gathered():
    X = scipy.sparse.csc_matrix((np.array([1.0, 2.0, 3.0]), np.array([0, 0, 1]), np.array([0, 3])), shape=(2, 1))
    block = np.zeros((1, 1))
    gatherer = gather.ColumnGatherer(X, None, block, 0.0)
    gatherer.write(0, 1)
    assert block.tolist() == [[2.0]]
    gatherer.write(1, 1)
    assert block.tolist() == [[3.0]]


@needs_kernels
@pytest.mark.parametrize(
    ("field", "wrong"), [("indices", [1, 0]), ("indices", [0, -1]), ("indptr", [0, 9]), ("indptr", [1, 0])]
)
def test_gathering_columns_reads_nothing_beyond_a_malformed_matrix(field, wrong):
    X = scipy.sparse.csc_matrix((np.array([1.0, 2.0]), np.array([0, 1]), np.array([0, 2])), shape=(3, 1))
    setattr(X, field, np.array(wrong, dtype=np.int32))
    gatherer = gather.ColumnGatherer(X, None, np.zeros((3, 1)), 0.0)
    with pytest.raises(RuntimeError, match="there are no rows"):  # at the latest where the rows should begin
        for row in range(3):
            gatherer.write(row, 1)


@needs_kernels
@pytest.mark.parametrize(("first", "n"), [(-1, 1), (0, -1), (45, 6), (0, 21)])
def test_gathering_columns_refuses_rows_that_are_not_there(first, n):
    gatherer = gather.ColumnGatherer(sparse_columns(), np.array([0, 1]), np.zeros((20, 2)), 0.0)
    with pytest.raises(RuntimeError, match="there are no rows"):
        gatherer.write(first, n)


@needs_kernels
@pytest.mark.parametrize("column", [-1, 40])
def test_gathering_refuses_columns_that_are_not_there(column):
    gatherer = gather.ColumnGatherer(sparse_columns(), np.array([0, 1]), np.zeros((20, 2)), 0.0)
    gatherer._columns[1] = column
    with pytest.raises(ValueError, match="more or fewer columns"):
        gatherer.write(0, 1)


@needs_kernels
def test_csc_rows_are_read_where_they_lie(monkeypatch):
    model, X = wide_model()
    fast, Z = TensorizedEstimator(model), X.tocsc()
    expected = model.predict_proba(Z)
    monkeypatch.setattr(type(Z), "tocsr", lambda *given, **more: pytest.fail("converted"))
    assert fast.predict_proba(Z).tobytes() == expected.tobytes()


@needs_kernels
@pytest.mark.parametrize("kind", [scipy.sparse.coo_matrix, scipy.sparse.coo_array])
def test_coo_entries_in_the_order_of_rows_are_read_where_they_lie(kind, monkeypatch):
    model, X = wide_model()
    fast, Z = TensorizedEstimator(model), kind(X)
    expected = model.predict_proba(Z)
    monkeypatch.setattr(type(Z), "tocsr", lambda *given, **more: pytest.fail("converted"))
    assert fast.predict_proba(Z).tobytes() == expected.tobytes()


@pytest.mark.parametrize("columns", [[1, 0, 2], [1, 1, 2], [0, 1, 2]])
@pytest.mark.parametrize("rows", [[0, 0, 1], [1, 0, 0], [0, 0, 4], [-1, 0, 0]])
def test_coo_entries_in_any_order_give_the_librarys_answer(rows, columns):
    model = RandomForestClassifier(5, random_state=0).fit(np.eye(3)[[0, 1, 2] * 4], [0, 1, 2] * 4)
    Z = scipy.sparse.coo_matrix((3, 3))
    Z.row, Z.col, Z.data = np.array(rows, np.int32), np.array(columns, np.int32), np.array([0.4, 0.4, 0.9])
    if not 0 <= min(rows) <= max(rows) < 3:
        with pytest.raises(ValueError, match="malformed coo_matrix"):
            TensorizedEstimator(model).predict_proba(Z)
        return
    assert TensorizedEstimator(model).predict_proba(Z).tobytes() == model.predict_proba(Z).tobytes()


@pytest.mark.parametrize("settings", [{"backend": "torch", "batch_size": 100}, {"batch_size": 7}], ids=str)
@pytest.mark.parametrize("method", ["predict_proba", "apply"])
def test_csc_rows_give_the_librarys_answer_in_batches(settings, method):
    model, X = wide_model()
    fast = TensorizedEstimator(model, **settings)
    assert getattr(fast, method)(X.tocsc()).tobytes() == getattr(model, method)(X).tobytes()


@needs_kernels
def test_gathering_refuses_a_block_that_lies_where_its_items_may_not():
    X, block = sparse_rows(), misaligned(np.zeros((20, 40), dtype=np.float32))
    gatherer = gather.Gatherer(X, None, block, 0.0)
    with pytest.raises(RuntimeError, match="does not begin at a multiple of its items' size"):
        gatherer.write(0, 20)
    assert not block.any()


def csr(indices, indptr, shape, index=np.int32, kind=scipy.sparse.csr_matrix):
    X = kind(shape)
    X.indices, X.indptr = np.array(indices, dtype=index), np.array(indptr, dtype=index)
    X.data = np.ones(len(indices))
    return X


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize(
    ("indices", "indptr", "ascend"),
    [
        ([0, 2, 1, 2, 0], [0, 2, 4, 5], True),
        ([0, 2, 0], [0, 0, 2, 2, 3, 3], True),  # rows without entries, the first and the last among them
        ([], [0, 0], True),
        ([2, 0], [0, 1, 2], True),
        ([0, 2, 1], [0, 3], False),
        ([0, 1, 1], [0, 1, 3], False),
        ([0, 1, 2, 2], [0, 3, 3, 4], True),
        ([0, 3], [0, 1, 2], False),
        ([3, 0], [0, 1, 2], False),
        ([-1, 0], [0, 1, 2], False),
        ([0, 1], [1, 1, 2], False),
        ([0, 1], [0, 2, 1], False),
        ([0, 1], [0, 1, 3], False),
    ],
)
def test_indices_ascend_within_rows_and_are_in_range(indices, indptr, ascend, index, isa, monkeypatch):
    monkeypatch.setattr(loader.library(), "isa", isa)
    X = csr(indices, indptr, (len(indptr) - 1, 3), index)
    assert gather.indices_ascend(X) == ascend
    columns = csr(indices, indptr, (3, len(indptr) - 1), index, scipy.sparse.csc_matrix)  # of the same arrays
    assert gather.indices_ascend(columns) == ascend


@pytest.mark.parametrize("isa", ISAS)
def test_one_fall_in_many_indices_is_found(isa, monkeypatch):
    monkeypatch.setattr(loader.library(), "isa", isa)
    X = sparse_rows(3000, 200)
    assert gather.indices_ascend(X)
    row = int(np.flatnonzero(np.diff(X.indptr) > 1)[-1])
    first = X.indptr[row]
    X.indices[[first, first + 1]] = X.indices[[first + 1, first]]
    assert not gather.indices_ascend(X)


def test_indices_are_not_known_to_ascend_where_lengths_differ():
    X = csr([0, 1], [0, 1, 2], (2, 3))
    X.data = np.ones(1)
    assert not gather.indices_ascend(X)


def test_kernel_does_not_gather_integers():
    assert not gather.gathers(sparse_rows(dtype=np.int32))


def wide_model():
    rng = np.random.default_rng(0)
    X = scipy.sparse.random(600, 400, 0.05, format="csr", random_state=0)
    return RandomForestClassifier(10, random_state=0).fit(X, rng.integers(0, 3, 600)), X


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8])
@pytest.mark.parametrize("n_rows", [1, 30, 600])
@pytest.mark.parametrize("method", ["predict_proba", "apply"])
def test_wide_sparse_rows_give_the_librarys_answer(kind, dtype, n_rows, method):
    model, X = wide_model()
    Z = (100 * X).astype(dtype)[:n_rows].asformat(kind)
    found, expected = getattr(TensorizedEstimator(model), method)(Z), getattr(model, method)(Z)
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, lambda X: X.toarray().astype(np.int8)], ids=["csr", "int8"])
def test_library_is_asked_with_all_columns_where_there_are_no_kernels(kind, monkeypatch):
    model, X = wide_model()
    Z = kind((100 * X).astype(np.int8))
    expected = model.predict_proba(Z)
    monkeypatch.setattr(loader, "_loaded", lambda: (None, "taken away"))
    with pytest.warns(match="The wrapped model itself is asked"):
        found = TensorizedEstimator(model).predict_proba(Z)
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("without_kernels", [False, True])
def test_absent_entries_are_missing_for_xgboost_with_and_without_kernels(without_kernels, monkeypatch):
    xgboost = pytest.importorskip("xgboost")
    X = scipy.sparse.random(300, 20, 0.4, format="csr", random_state=1)
    y = (X.toarray()[:, 0] > 0.2).astype(int) + (X.toarray()[:, 1] > 0.5)
    model = xgboost.XGBClassifier(n_estimators=10).fit(X, y)
    expected = model.predict_proba(X)
    if without_kernels:
        monkeypatch.setattr(loader, "_loaded", lambda: (None, "taken away"))
    assert TensorizedEstimator(model).predict_proba(X).tobytes() == expected.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("kind", ["csr_matrix", "csc_matrix", "coo_matrix"])
@pytest.mark.parametrize("n_rows", [1, 3000])
def test_one_value_that_is_refused_is_found_in_the_last_entry_of_a_column_that_no_tree_looks_at(value, kind, n_rows):
    rng = np.random.default_rng(0)
    X = np.where(rng.random((n_rows, 30)) < 0.3, 1.0, 0.0)
    tree = DecisionTreeClassifier(max_depth=1).fit(np.eye(30), np.eye(30)[0])
    X[-1, -1] = value
    Z = getattr(scipy.sparse, kind)(X)
    word = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(ValueError, match=word):
        tree.predict(Z)
    with pytest.raises(ValueError, match=word):
        TensorizedEstimator(tree).predict(Z)


def forest_of_float32(absent="zero"):
    trees, inputs = SimpleNamespace(feature_dtype="float32"), SimpleNamespace(sparse_absent=absent)
    return SimpleNamespace(trees=trees, inputs=inputs)


@pytest.mark.parametrize("absent", ["zero", "missing"])
def test_a_small_coo_matrix_is_one_array_of_the_forests_dtype(absent):
    X = scipy.sparse.coo_matrix(([1.5, -2.5], ([0, 1], [2, 0])), shape=(2, 3))
    found = few_cells(X, forest_of_float32(absent))
    assert found.dtype == np.float32
    empty = np.nan if absent == "missing" else 0.0
    np.testing.assert_array_equal(found, [[empty, empty, 1.5], [-2.5, empty, empty]])


@pytest.mark.parametrize(
    "values, row, column",
    [
        ([1.0, 2.0], [0, 0], [1, 1]),  # repeated
        ([1.0, 2.0], [1, 0], [0, 1]),  # in another order
        ([1.0, np.nan], [0, 1], [0, 1]),
        ([1.0, 1e300], [0, 1], [0, 1]),  # infinite in float32
        ([1.0, 2.0], [0, 5], [0, 1]),
        ([1.0, 2.0], [-1, 0], [0, 1]),
        ([1.0, 2.0], [0, 1], [0, 7]),
        ([1.0, 2.0], [0, 1], [-3, 1]),
    ],
)
def test_a_small_coo_matrix_of_which_libraries_have_rules_is_left_to_them(values, row, column):
    X = scipy.sparse.coo_matrix(([1.0, 2.0], ([0, 1], [0, 1])), shape=(2, 3))
    X.data = np.array(values)
    X.coords = np.array(row, dtype=np.int32), np.array(column, dtype=np.int32)
    assert few_cells(X, forest_of_float32()) is None
