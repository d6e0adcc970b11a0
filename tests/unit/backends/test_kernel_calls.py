"""Calls of the kernels: what is asked of their arguments, what becomes of their errors, and what they leave alone."""

from __future__ import annotations

import ctypes
import signal
from unittest import mock

import numpy as np
import pytest
import torch
from agreement import same_bits
from forests import random_forest, random_rows
from scipy import sparse

from sktensor import Forest
from sktensor.backends.cpu import bitsliced as cpu_bitsliced
from sktensor.backends.cpu import keys
from sktensor.backends.cpu import traversal as cpu_traversal
from sktensor.backends.cpu.kernels import BitslicedKernel, TraversalKernel
from sktensor.backends.cpu.walk import WalkKernel
from sktensor.explain import interventional
from sktensor.explain.native import NativeExplainer, path_structure
from sktensor.explain.tables import PathTables
from sktensor.inputs.rows import Columns, Rows
from sktensor.native import abi, finite, loader
from sktensor.native import ranges as native_ranges
from sktensor.native.gather import ColumnGatherer, Gatherer
from sktensor.outputs import link_kernels
from sktensor.strategies import bitsliced

pytestmark = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")

ISAS = () if loader.library() is None else range(loader.library().best + 1)
NO_ROWS, MISALIGNED = 1, 7  # the numbers of kernels/check.h

FOREST = random_forest(
    np.random.default_rng(4), n_trees=30, max_depth=6, n_features=6, n_outputs=3, categorical=True, zero_dir=True
)
KERNELS = {"bitsliced": BitslicedKernel, "traversal": lambda forest: TraversalKernel(forest, "float64")}


def total(name, X, n_threads=1, forest=FOREST):
    return KERNELS[name](forest).total(Rows(X), 0, n_threads)


def leaves(X, n_threads=1, forest=FOREST):
    return TraversalKernel(forest, "float64").leaves(Rows(X), 0, n_threads)


def rows_for(forest, n):
    return random_rows(forest, np.random.default_rng(2), n)


def keys_of_a_number():
    """One key, of whether column 1 exceeds the least denormal, and its two numbers 0.5 and 2.0 in a derived column."""
    factor = 2**63 + 1
    known = np.array([0, factor * factor % 2**64], dtype=np.uint64)  # of the answers 0 and 1
    places, first, bits = keys._places(known, np.array([2]))
    return abi.filled(
        abi.KeysStructure,
        n_columns=2, factor=factor, n_keys=1, n_parts=1, key_parts=np.array([0, 1], np.int32),
        part_column=np.ones(1, np.int32), part_test=np.ones(1, np.int32), part_hash=np.zeros(1, np.uint64),
        part_border=np.full(1, 1e-45, np.float32), part_missing=np.zeros(1, np.uint8), places=places,
        n_places=len(places), key_places=first, key_bits=bits, n_derived=1, key_columns=np.array([0, 1], np.int32),
        column=np.zeros(1, np.int32), column_values=np.zeros(1, np.int64),
        values=np.array([0.5, 2.0, -1.0], np.float32), n_values=3,
    )  # fmt: skip


def derive(tables, X, n_threads=1):
    """Error and answer of the kernel for keys, for rows of float32 numbers."""
    library = loader.library()
    out = np.empty((X.shape[1] + 1, len(X)), dtype=np.float32)
    packed, hashes = loader.packed_rows(X, None, -1.0), (ctypes.c_void_p * X.shape[1])()
    assert library.check_keys(ctypes.addressof(tables)) == 0
    error = library.derive(
        ctypes.addressof(tables), packed, hashes, 0, len(X), loader.address(out), n_threads, library.isa
    )
    return error, out


# ------------------------------------------------------------------------------------------------------------- width


@pytest.mark.parametrize("n_columns", [0, 1, FOREST.n_features - 1, FOREST.n_features + 1])
@pytest.mark.parametrize("kind", ["array", "columns"])
def test_rows_of_another_width_than_the_tables_are_refused(n_columns, kind):
    X = np.zeros((5, n_columns))
    X = Columns(tuple(X.T), 5) if kind == "columns" else X
    for call in (lambda: total("bitsliced", X), lambda: total("traversal", X), lambda: leaves(X)):
        with pytest.raises(ValueError, match="more or fewer columns than the tables were made for"):
            call()


@pytest.mark.parametrize("n_columns", [1, 3])
def test_keys_refuse_rows_of_another_width(n_columns):
    assert derive(keys_of_a_number(), np.zeros((4, n_columns), dtype=np.float32))[0] == abi.WIDTH


# ------------------------------------------------------------------------------------------------- numbers of errors


NUMERIC = random_forest(np.random.default_rng(0), n_trees=3)


def float_scores(n_classes, dtype, n=50):
    return np.random.default_rng(0).normal(size=(n, n_classes)).astype(dtype)


PROBABILITIES = {
    "sigmoid32": {"proba": "complement", "link": "clipped_sigmoid"},
    "sigmoid64": {"proba": "complement", "link": "sigmoid"},
    "softmax32": {"proba": "values", "link": "softmax"},
    "softmax64": {"proba": "values", "link": "c_softmax"},
}


def probabilities(name, raw, n_threads=1, factor=1.0):
    rules = {"n_outputs": raw.shape[1], "acc_dtype": raw.dtype.name, "link_param": factor, **PROBABILITIES[name]}
    return link_kernels.probabilities(random_forest(np.random.default_rng(0), n_trees=1, **rules), raw, n_threads)


COVERED = random_forest(np.random.default_rng(5), n_trees=4, max_depth=3, n_features=4, cover=True)
PLAYERS = np.arange(COVERED.n_features, dtype=np.int32)


def explained(method):
    return getattr(NativeExplainer(COVERED, PLAYERS, 4), method)(Rows(np.zeros((9, 4))), 1)


def against_a_background(table_bytes):
    rows = Rows(np.zeros((9, 4)))
    with mock.patch.object(interventional, "TABLE_BYTES", table_bytes):
        return interventional.InterventionalExplainer(COVERED, PLAYERS, 4, rows).values(rows, 1)


CALLERS = {
    "check_shap": lambda: explained("values"),
    "run_shap": lambda: explained("values"),
    "shap_pairs": lambda: explained("interactions"),
    "shap_decisions": lambda: against_a_background(2**20),
    "check_lookup": lambda: against_a_background(2**20),
    "run_lookup": lambda: against_a_background(2**20),
    "shap_codes": lambda: against_a_background(-1),
    "shap_direct": lambda: against_a_background(-1),
    "run_bitsliced": lambda: total("bitsliced", rows_for(FOREST, 9)),
    "run_traversal": lambda: total("traversal", rows_for(FOREST, 9)),
    "run_leaves": lambda: leaves(rows_for(FOREST, 9)),
    "check_bitsliced": lambda: BitslicedKernel(FOREST),
    "check_traversal": lambda: TraversalKernel(FOREST),
    "check_walk": lambda: WalkKernel(NUMERIC),
    "run_walk": lambda: WalkKernel(NUMERIC).total(Rows(np.zeros((9, NUMERIC.n_features))), 0, 1),
    "walk_leaves": lambda: WalkKernel(NUMERIC).leaves(Rows(np.zeros((9, NUMERIC.n_features))), 0, 1),
    "sigmoid32": lambda: probabilities("sigmoid32", float_scores(1, "float32")),
    "sigmoid64": lambda: probabilities("sigmoid64", float_scores(1, "float64")),
    "softmax32": lambda: probabilities("softmax32", float_scores(3, "float32")),
    "softmax64": lambda: probabilities("softmax64", float_scores(3, "float64")),
    "cityhash64": lambda: keys.cityhash64([b"a"], loader.library()),
    "gather": lambda: Gatherer(sparse.csr_matrix(np.eye(2)), None, np.zeros((2, 2)), 0.0).write(0, 2),
    "gather_columns": lambda: ColumnGatherer(sparse.csc_matrix(np.eye(2)), None, np.zeros((2, 2)), 0.0).write(0, 2),
}


@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize(
    ("number", "error"), [(abi.NO_MEMORY, MemoryError), (abi.WIDTH, ValueError), (99, RuntimeError)]
)
def test_the_number_of_an_error_is_never_taken_for_an_answer(name, number, error, monkeypatch):
    monkeypatch.setattr(loader.library(), name, lambda *arguments: number)
    with pytest.raises(error):
        CALLERS[name]()


def test_every_function_with_an_error_code_is_tested():
    functions = {name for name, value in vars(loader.library()).items() if hasattr(value, "argtypes")}
    # That of keys is held in test_ctr_features.py; the last ones answer, and have no errors.
    assert functions - CALLERS.keys() == {"check_keys", "derive", "all_finite", "indices_ascend"}


# --------------------------------------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize("isa", ISAS)
def test_no_rows_need_no_memory(isa):
    library, nowhere = loader.library(), bytes(abi.RowsStructure(n_columns=FOREST.n_features, column_stride=8))
    bits = cpu_bitsliced.structure(FOREST.trees, *bitsliced.compile_circuits(FOREST.trees))
    walk = cpu_traversal.structure(cpu_traversal.compile(FOREST.trees, "float64"))
    number = np.arange(FOREST.n_trees, dtype=np.int32)
    assert library.run_bitsliced(ctypes.addressof(bits), nowhere, abi.FLOAT64, None, 2, isa) == 0
    assert library.run_traversal(ctypes.addressof(walk), nowhere, abi.FLOAT64, None, 2, isa) == 0
    assert library.run_leaves(ctypes.addressof(walk), nowhere, abi.FLOAT64, loader.address(number), None, 2, isa) == 0
    assert library.all_finite(nowhere, abi.FLOAT64, isa) == 1
    assert library.sigmoid32(None, None, 0, None, 2, isa) == 0
    assert library.sigmoid64(None, 0, 1.0, None, 2, isa) == 0
    assert library.softmax32(None, None, 0, 3, None, 2, isa) == 0
    assert library.softmax64(None, 0, 3, None, 2, isa) == 0
    assert library.cityhash64(None, None, 0, None) == 0


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n_rows", [0, 1, 1000])
def test_rows_without_columns_get_the_values_of_single_leaves(isa, n_rows):
    library = loader.library()
    forest = Forest.from_trees([{"value": 1.5}, {"value": 2.0}], n_features=1)
    nowhere = bytes(abi.RowsStructure(n_rows=n_rows, dtype=abi.FLOAT64))
    bits = cpu_bitsliced.structure(forest.trees, *bitsliced.compile_circuits(forest.trees))
    walk = cpu_traversal.structure(cpu_traversal.compile(forest.trees, "float64"))
    for tables, check, run in (
        (bits, library.check_bitsliced, library.run_bitsliced),
        (walk, library.check_traversal, library.run_traversal),
    ):
        tables.n_columns = 0
        out = np.zeros((n_rows, 1))
        assert check(ctypes.addressof(tables)) == 0
        assert run(ctypes.addressof(tables), nowhere, abi.FLOAT64, loader.address(out), 2, isa) == 0
        same_bits(out, np.full((n_rows, 1), 3.5))


def test_links_refuse_null_pointers():
    library, one, expf = loader.library(), np.zeros(4), abi.ExpfStructure()
    at, table = loader.address(one), ctypes.addressof(expf)
    for raw, out in ((None, at), (at, None)):
        assert library.sigmoid32(table, raw, 1, out, 1, 0) == NO_ROWS
        assert library.sigmoid64(raw, 1, 1.0, out, 1, 0) == NO_ROWS
        assert library.softmax32(table, raw, 1, 2, out, 1, 0) == NO_ROWS
        assert library.softmax64(raw, 1, 2, out, 1, 0) == NO_ROWS
    assert library.sigmoid32(None, at, 1, at, 1, 0) == NO_ROWS
    assert library.sigmoid64(at, -1, 1.0, at, 1, 0) == NO_ROWS


@pytest.mark.parametrize("isa", ISAS)
def test_answers_go_to_arrays_of_their_dtype(isa):
    library, room = loader.library(), np.zeros(4000)
    at, beside = loader.address(room), loader.address(room) + 1
    X = np.zeros((3, FOREST.n_features))
    packed, expf = loader.packed_rows(X, None, -1.0), abi.ExpfStructure()
    bits = cpu_bitsliced.structure(FOREST.trees, *bitsliced.compile_circuits(FOREST.trees))
    walk = cpu_traversal.structure(cpu_traversal.compile(FOREST.trees, "float64"))
    number = np.arange(FOREST.n_trees, dtype=np.int32)
    leaves = ctypes.addressof(walk), packed, abi.FLOAT64
    assert library.run_bitsliced(ctypes.addressof(bits), packed, abi.FLOAT64, beside, 1, isa) == MISALIGNED
    assert library.run_traversal(*leaves, beside, 1, isa) == MISALIGNED
    assert library.run_leaves(*leaves, loader.address(number), beside, 1, isa) == MISALIGNED
    assert library.run_leaves(*leaves, loader.address(number) + 1, at, 1, isa) in (MISALIGNED, 4)
    for raw, out in ((at, beside), (beside, at)):
        assert library.sigmoid32(ctypes.addressof(expf), raw, 1, out, 1, isa) == MISALIGNED
        assert library.sigmoid64(raw, 1, 1.0, out, 1, isa) == MISALIGNED
        assert library.softmax32(ctypes.addressof(expf), raw, 1, 2, out, 1, isa) == MISALIGNED
        assert library.softmax64(raw, 1, 2, out, 1, isa) == MISALIGNED
    assert not room.any()


def types_of(kind):
    """Types of a structure's fields, with those of its codes."""
    found = dict(kind._fields_)
    return found | dict(abi.CodesStructure._fields_) if "codes" in found else found


def pointers(kind):
    """Fields of a structure that point at items of more than a byte."""
    for name, type_ in types_of(kind).items():
        is_pointer = isinstance(type_, type(ctypes.POINTER(ctypes.c_int32)))
        if (is_pointer and ctypes.sizeof(type_._type_) > 1) or (name, type_) == ("values", ctypes.c_void_p):
            yield name


def shap_tables():
    return path_structure(COVERED.trees, PathTables.of(COVERED.trees, PLAYERS), 4, "float64")


def lookup_tables():
    made = interventional.InterventionalExplainer(COVERED, PLAYERS, 4, Rows(np.zeros((3, 4))))
    return made._lookup.structure(COVERED.trees, "float64")


TABLES = {
    "bitsliced": lambda: cpu_bitsliced.structure(FOREST.trees, *bitsliced.compile_circuits(FOREST.trees)),
    "traversal": lambda: cpu_traversal.structure(cpu_traversal.compile(FOREST.trees, "float64")),
    "keys": keys_of_a_number,
    "shap": shap_tables,
    "lookup": lookup_tables,
}
KINDS = {
    "bitsliced": abi.BitslicedStructure,
    "traversal": abi.TraversalStructure,
    "keys": abi.KeysStructure,
    "shap": abi.ShapStructure,
    "lookup": abi.LookupStructure,
}


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind in TABLES for field in pointers(KINDS[kind])])
def test_misaligned_array_is_refused(kind, field):
    tables = TABLES[kind]()
    check = getattr(loader.library(), f"check_{kind}")
    assert check(ctypes.addressof(tables)) == 0
    at = ctypes.cast(getattr(tables, field), ctypes.c_void_p).value
    setattr(tables, field, ctypes.cast((at or 0) + 1, types_of(type(tables))[field]))
    assert check(ctypes.addressof(tables)) == MISALIGNED


def test_misaligned_arrays_are_copied_for_the_kernels():
    room = np.zeros(25, dtype=np.uint8)
    base = room[1:].view(np.float64)
    base[:] = 1.5, 2.5, 3.5
    assert not base.flags.aligned
    sums = abi.filled(abi.SumStructure, base=base, acc_dtype=abi.FLOAT64, n_outputs=3)
    assert sums.base % 8 == 0
    assert list((ctypes.c_double * 3).from_address(sums.base)) == [1.5, 2.5, 3.5]


# ------------------------------------------------------------------------------------------------ floating-point mode


@pytest.fixture
def flushing():
    """A switch of this thread to flush denormals to zero, off again afterwards."""
    assert np.float64(5e-324) * 1 > 0
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor does not flush denormals")
    torch.set_flush_denormal(False)
    yield torch.set_flush_denormal
    torch.set_flush_denormal(False)


def flushes():
    return np.multiply(np.array([5e-324]), 1.0)[0] == 0


TINY = {"float32": [1e-45, 2e-45, 1e-40, -1e-45, 0.0], "float64": [5e-324, 1e-323, 1e-310, -5e-324, 0.0]}


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("dtype", TINY)
@pytest.mark.parametrize("isa", ISAS)
def test_denormals_are_kept_in_threads_that_flush_them(isa, dtype, n_threads, flushing, monkeypatch):
    """Denormal thresholds, values and sums; XGBoost itself flushes those rows that the calling thread computes."""
    monkeypatch.setattr(loader.library(), "isa", isa)
    rng = np.random.default_rng(7)
    trees = [
        {
            "feature": int(rng.integers(3)),
            "threshold": float(rng.choice(TINY[dtype])),
            "left": {"value": float(rng.choice(TINY[dtype]))},
            "right": {"value": float(rng.choice(TINY[dtype]))},
        }
        for _ in range(40)
    ]
    forest = Forest.from_trees(trees, n_features=3, feature_dtype=dtype, acc_dtype=dtype)
    X = rng.choice(TINY[dtype], size=(3000, 3)).astype(dtype)
    bits, walk = BitslicedKernel(forest), TraversalKernel(forest, dtype)
    calls = [
        lambda: bits.total(Rows(X), 0, n_threads),
        lambda: walk.total(Rows(X), 0, n_threads),
        lambda: walk.leaves(Rows(X), 0, n_threads),
    ]
    expected = [call() for call in calls]
    flushing(True)
    found = [call() for call in calls]
    still = flushes()
    flushing(False)
    assert still
    for ours, usual in zip(found, expected, strict=True):
        same_bits(ours, usual)


@pytest.mark.parametrize("isa", ISAS)
def test_denormal_probabilities_are_kept_in_threads_that_flush_them(isa, flushing, monkeypatch):
    monkeypatch.setattr(loader.library(), "isa", isa)
    narrow = np.array([[0.0, -88.0, -95.0, -103.0]] * 3000, dtype=np.float32)
    wide = narrow.astype(np.float64) * 7.2
    calls = [
        lambda: probabilities("sigmoid64", wide[:, 1:2] * 1.11, 2),
        lambda: probabilities("softmax32", narrow, 2),
        lambda: probabilities("softmax64", wide, 2),
    ]
    expected = [call() for call in calls]
    assert all((e[e > 0] < np.finfo(e.dtype).tiny).any() for e in expected[1:])
    flushing(True)
    found = [call() for call in calls[1:]]
    flushing(False)
    for ours, usual in zip(found, expected[1:], strict=True):
        same_bits(ours, usual)


def test_keys_and_tables_of_denormals_are_read_in_threads_that_flush_them(flushing):
    X = np.array([[0.0, 1e-45], [0.0, 3e-45], [0.0, 0.0]] * 400, dtype=np.float32)
    tables = keys_of_a_number()
    _, expected = derive(tables, X)
    stands = np.array([5e-324, 1e-323])  # two thresholds that are the same where denormals are flushed
    two = Forest.from_trees(
        [{"feature": 0, "threshold": float(t), "left": {"value": 0.0}, "right": {"value": 1.0}} for t in stands],
        n_features=1,
    )
    structure = cpu_traversal.structure(cpu_traversal.compile(two.trees, "float64"))
    flushing(True)
    error, found = derive(tables, X, 2)
    refused = loader.library().check_traversal(ctypes.addressof(structure))
    flushing(False)
    assert (error, refused) == (0, 0)
    same_bits(found, expected)
    assert len(np.unique(found[2])) == 2


# ------------------------------------------------------------------------------------------------------------ signals


@pytest.fixture
def short_ranges(monkeypatch):
    """Ranges of eight rows for each thread."""
    monkeypatch.setattr(native_ranges, "LEAST_ROWS", 8)
    monkeypatch.setattr(native_ranges, "SECONDS", 0.0)


@pytest.mark.parametrize("n_rows", [0, 1, 8, 9, 100])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_ranges_of_rows_are_all_rows_in_their_order(n_rows, n_threads, short_ranges):
    found = list(native_ranges.ranges(n_rows, 10, n_threads))
    assert [row for first, last in found for row in range(first, last)] == list(range(n_rows))
    assert all(last - first <= 16 * n_threads for first, last in found)


@pytest.mark.parametrize("n_rows, lengths", [(16, [16]), (17, [8, 9]), (26, [8, 8, 10]), (27, [8, 8, 8, 3])])
def test_few_rows_that_are_left_are_no_range_of_their_own(n_rows, lengths, short_ranges):
    assert [last - first for first, last in native_ranges.ranges(n_rows, 10, 1)] == lengths


def test_ranges_grow_while_calls_are_short_and_shrink_when_they_are_long(monkeypatch):
    times = iter(np.cumsum([0, 0.001, 0, 0.02, 0, 1.0, 0, 0.05]))
    monkeypatch.setattr(native_ranges.time, "perf_counter", lambda: next(times))
    taken = native_ranges.ranges(10**6, 1000, 2)
    sizes = [last - first for first, last in (next(taken) for _ in range(4))]
    assert sizes == [1024, 4096, 8192, 4096]


@pytest.mark.parametrize("kernel", ["bitsliced", "traversal"])
def test_as_many_rows_as_take_a_twentieth_of_a_second_are_one_call(kernel, monkeypatch):
    forest = random_forest(np.random.default_rng(5), n_trees=100, max_depth=6, n_features=6, single_leaf="none")
    call, n_calls = getattr(loader.library(), f"run_{kernel}"), []
    monkeypatch.setattr(loader.library(), f"run_{kernel}", lambda *arguments: n_calls.append(1) or call(*arguments))
    X = np.zeros((50_000, 6))
    total(kernel, X[:8192], forest=forest)
    assert len(n_calls) == 1
    total(kernel, X, forest=forest)
    # Circuits take a microsecond a row at most. To walk these trees may take ten, until a call has taken less.
    assert (len(n_calls) == 2) == (kernel == "bitsliced")


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_answers_of_many_ranges_are_those_of_one(columns, n_threads, short_ranges, monkeypatch):
    X = rows_for(FOREST, 101)
    data = Columns(tuple(X.T.copy()), len(X)) if columns else X
    scores = {k: float_scores(k, np.float64, 101) for k in (1, 3)}
    start = np.random.default_rng(1).normal(size=(101, FOREST.n_outputs))

    def answers():
        yield total("bitsliced", data, n_threads)
        yield total("traversal", data, n_threads)
        yield leaves(data, n_threads)
        yield TraversalKernel(FOREST, "float64").total(Rows(data), 0, n_threads, start)
        yield probabilities("sigmoid32", scores[1].astype(np.float32), n_threads)
        yield probabilities("sigmoid64", scores[1], n_threads, 1.5)
        yield probabilities("softmax32", scores[3].astype(np.float32), n_threads)
        yield probabilities("softmax64", scores[3], n_threads)
        yield np.array([finite.all_finite(np.where(np.isfinite(X), X, 0), "float64"), finite.all_finite(X, "float64")])

    many = list(answers())
    monkeypatch.undo()
    for found, expected in zip(many, answers(), strict=True):
        same_bits(found, expected)


INTERRUPTED = {
    "run_bitsliced": lambda: total("bitsliced", rows_for(FOREST, 200)),
    "run_traversal": lambda: total("traversal", rows_for(FOREST, 200)),
    "run_leaves": lambda: leaves(rows_for(FOREST, 200)),
    "softmax64": lambda: probabilities("softmax64", float_scores(3, "float64", 200)),
    "all_finite": lambda: finite.all_finite(np.zeros((200, 4)), "float64"),
}


@pytest.fixture
def interruptible():
    """Python's own handler of SIGINT, which a process started in the background lacks."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("name", INTERRUPTED)
def test_an_interrupt_is_seen_between_ranges_of_rows(name, short_ranges, interruptible, monkeypatch):
    call, calls = getattr(loader.library(), name), []

    def interrupted(*arguments):
        calls.append(arguments)
        signal.raise_signal(signal.SIGINT)
        return call(*arguments)

    monkeypatch.setattr(loader.library(), name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        INTERRUPTED[name]()
    assert len(calls) == 1
    calls.clear()
    monkeypatch.setattr(signal, "raise_signal", lambda number: None)
    INTERRUPTED[name]()
    assert len(calls) == 25
