"""The promises of the C interface: damaged tables are refused, and calls need nothing but what they are given."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from agreement import same_bits
from forests import random_forest, random_rows
from layouts import LAYOUTS
from reference import reference_sum

from sktensor.backends.cpu import bitsliced as cpu_bitsliced
from sktensor.backends.cpu.kernels import BitslicedKernel, TraversalKernel
from sktensor.inputs.rows import Rows
from sktensor.native import abi, loader
from sktensor.strategies import bitsliced

pytestmark = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")

ISAS = () if loader.library() is None else range(loader.library().best + 1)
LARGEST = 2**63 - 1

# The numbers of kernels/check.h.
NO_ROWS, NO_MEMORY, NO_SUCH_ISA, NO_SUCH_TREE, NOT_FINITE, WIDTH, MISALIGNED = range(1, 8)
OUTPUTS, DTYPE, SEARCHES, COLUMN, CODES, PLANES, CATEGORIES, PIECES, MULTIPLEXERS, VALUES, DEMULTIPLEXERS = range(
    100, 111
)


def forest_of(**options):
    """A forest whose tables have something of everything, unless `options` say otherwise."""
    rules = {"n_trees": 30, "max_depth": 6, "n_features": 6, "n_outputs": 3, "categorical": True, "zero_dir": True}
    return random_forest(np.random.default_rng(4), single_leaf="none", **(rules | options))


FOREST = forest_of()
PLAIN = forest_of(categorical=False)


def tables_of(forest):
    return cpu_bitsliced.structure(forest.trees, *bitsliced.compile_circuits(forest.trees))


def check(tables):
    return loader.library().check_bitsliced(ctypes.addressof(tables))


def run(tables, rows, out, *, features=abi.FLOAT64, n_threads=1, isa=0):
    return loader.library().run_bitsliced(ctypes.addressof(tables), rows, features, loader.address(out), n_threads, isa)


def rows_for(forest, n, dtype="float64"):
    with np.errstate(over="ignore"):
        return random_rows(forest, np.random.default_rng(2), n).astype(dtype)


# ------------------------------------------------------------------------------------------------------------ damage


class Damage:
    """An element, a number or a pointer of the tables that is replaced; `value` may depend on the tables."""

    def __init__(self, field, value, place=None):
        self.field, self.value, self.place = field, value, place

    def __call__(self, tables):
        holder, field = (tables.sum, self.field[4:]) if self.field.startswith("sum.") else (tables, self.field)
        value = self.value(tables) if callable(self.value) else self.value
        if self.place is None:
            setattr(holder, field, value)
        else:
            place = self.place(tables) if callable(self.place) else self.place
            getattr(holder, field)[place] = value

    def __repr__(self):
        place = "" if self.place is None else f"[{'.' if callable(self.place) else self.place}]"
        return f"{self.field}{place}={'.' if callable(self.value) else self.value}"


def first_triple(tables):
    """The slot of a piece's first triple, which it must not refer to itself."""
    return 2 + tables.n_planes


def first_multiplexer(tables):
    """The slot of the first multiplexer of all that is not in a triple, which it must not refer to itself."""
    piece = next(p for p in range(tables.n_pieces) if tables.piece_muxes[p + 1])
    return first_triple(tables) + tables.piece_triples[piece + 1] - tables.piece_triples[piece]


def demultiplexer(tables):
    """The last demultiplexer of the first piece that has any."""
    return next(n for n in tables.piece_demuxes[3 : 3 * tables.n_pieces + 1 : 3] if n) - 1


def first_bit(tables):
    """The slot of the first bit of that piece."""
    piece = next(p for p in range(tables.n_pieces) if tables.piece_demuxes[3 * p + 3])
    own = [begins[piece + 1] - begins[piece] for begins in (tables.piece_triples, tables.piece_muxes)]
    return 2 + tables.n_planes + sum(own)


def first_own_side(tables):
    """A slot behind all sides of that piece."""
    piece = next(p for p in range(tables.n_pieces) if tables.piece_demuxes[3 * p + 3])
    return first_bit(tables) + 9 + 8 * tables.piece_demuxes[3 * piece + 2]


def short_piece(tables):
    """A piece whose code has not all eight bits."""
    return next(p for p in range(tables.n_pieces) if tables.piece_bits[p] < 8)


def small_search(tables):
    """The first code of a search with fewer than 8 levels."""
    return next(tables.search_codes[s] for s in range(tables.n_searches) if tables.search_levels[s] < 8)


MISSING = {
    OUTPUTS: ("sum.base",),
    SEARCHES: ("search_codes", "search_column", "search_levels", "search_first", "thresholds32"),
    CODES: ("code_nan", "code_zero"),
    PLANES: ("code_planes", "plane_rank", "category_planes"),
    CATEGORIES: ("category_column", "category_count", "category_bytes", "category_first", "answers"),
    PIECES: (
        "piece_triples",
        "triples",
        "piece_muxes",
        "muxes",
        "piece_demuxes",
        "demuxes",
        "piece_bits",
        "piece_code",
        "piece_first",
        "piece_output",
        "values",
    ),
    VALUES: ("piece_bytes",),
}

BEYOND = {
    OUTPUTS: [
        Damage("sum.n_outputs", 0),
        Damage("sum.n_outputs", -1),
        Damage("sum.n_outputs", 2**20 + 1),
        Damage("n_leaf_outputs", 2),
        Damage("piece_output", -1, 0),
        Damage("piece_output", FOREST.n_outputs, lambda t: t.n_pieces - 1),
        Damage("piece_output", FOREST.n_outputs - 1, 0),  # not ascending
    ],
    DTYPE: [Damage("sum.acc_dtype", 2), Damage("sum.acc_dtype", -1)],
    SEARCHES: [
        Damage("n_searches", -1),
        Damage("n_thresholds", 0),
        Damage("search_levels", -1, 0),
        Damage("search_levels", 9, 0),
        Damage("search_first", -1, 0),
        Damage("search_first", lambda t: t.n_thresholds, 0),
        Damage("search_first", LARGEST, 0),
        Damage("search_codes", 1, 0),
        Damage("search_codes", 2**31 - 1, 1),
    ],
    COLUMN: [
        Damage("search_column", -1, 0),
        Damage("search_column", FOREST.n_features, lambda t: t.n_searches - 1),
        Damage("search_column", FOREST.n_features - 1, 0),  # not ascending
        Damage("category_column", -1, 0),
        Damage("category_column", FOREST.n_features, 0),
    ],
    CODES: [
        Damage("n_codes", -1),
        Damage("code_nan", 255, small_search),
        Damage("code_zero", 256, 0),
        Damage("code_zero", -2, 0),
    ],
    PLANES: [
        Damage("n_planes", -1),
        Damage("n_planes", 65536),
        Damage("n_planes", lambda t: t.n_planes + 1),
        Damage("code_planes", 1, 0),
        Damage("code_planes", -1, lambda t: t.n_codes),
        Damage("code_planes", 2**31 - 1, lambda t: t.n_codes),
        Damage("plane_rank", 255, 0),
        Damage("category_planes", 0, 0),
    ],
    CATEGORIES: [
        Damage("n_category_columns", -1),
        Damage("n_answers", -1),
        Damage("n_answers", lambda t: t.n_answers - 1),
        Damage("category_bytes", lambda t: t.category_bytes[0] + 1, 0),
        Damage("category_count", -1, 0),
        Damage("category_count", 2**31 - 1, 0),
        Damage("category_first", -1, 0),
        Damage("category_first", LARGEST, 0),
        Damage("category_limit", 0.0),
        Damage("category_limit", 2.0**32),
        Damage("category_limit", float("nan")),
    ],
    PIECES: [
        Damage("n_pieces", -1),
        Damage("n_values", -1),
        Damage("piece_triples", 1, 0),
        Damage("piece_triples", -1, 1),
        Damage("piece_triples", 2**31 - 1, lambda t: t.n_pieces),
        Damage("piece_muxes", 1, 0),
        Damage("piece_muxes", -1, 1),
        Damage("piece_muxes", 2**31 - 1, lambda t: t.n_pieces),
        Damage("piece_demuxes", 1, 0),
        Damage("piece_demuxes", -1, 1),
        Damage("piece_demuxes", 2**31 - 1, lambda t: 3 * t.n_pieces),
        Damage("piece_bits", -1, 0),
        Damage("piece_bits", 9, 0),
        Damage("piece_code", 65535, 0),
        Damage("piece_code", 2, lambda t: 8 * short_piece(t) + 7),
    ],
    MULTIPLEXERS: [
        *(Damage("triples", first_triple, operand) for operand in range(7)),
        *(Damage("muxes", first_multiplexer, operand) for operand in range(3)),
    ],
    DEMULTIPLEXERS: [
        *(Damage("demuxes", first_bit, lambda t, k=k: 8 * demultiplexer(t) + k) for k in range(8)),
        *(Damage("demuxes", lambda t: first_bit(t) + 8, lambda t, k=k: 8 * demultiplexer(t) + k) for k in range(8)),
        *(Damage("demuxes", first_own_side, lambda t, k=k: 8 * demultiplexer(t) + k) for k in range(8)),
        Damage("demuxes", 65535, 0),
    ],
    VALUES: [
        Damage("n_values", 0),
        Damage("piece_first", -1, 0),
        Damage("piece_first", lambda t: t.n_values, 0),
        Damage("piece_first", LARGEST, 0),
        Damage("n_value_bytes", -1),
        Damage("n_value_bytes", lambda t: t.n_value_bytes - 1),
        Damage("piece_bytes", -64, 0),
        Damage("piece_bytes", 1, 0),
        Damage("piece_bytes", LARGEST - 63, 0),
    ],
}

ALL_DAMAGE = [
    pytest.param(Damage(field, None), n, id=f"no {field}") for n, fields in MISSING.items() for field in fields
]
ALL_DAMAGE += [pytest.param(damage, n, id=repr(damage)) for n, every in BEYOND.items() for damage in every]


def test_valid_tables_are_accepted():
    assert check(tables_of(FOREST)) == 0
    assert check(tables_of(PLAIN)) == 0


@pytest.mark.parametrize(("damage", "number"), ALL_DAMAGE)
def test_damaged_tables_are_refused_with_their_error_code(damage, number):
    tables = tables_of(FOREST)
    damage(tables)
    found = check(tables)
    assert found == number, loader.library().message(found)


def test_planes_without_a_condition_are_refused():
    tables = tables_of(PLAIN)
    tables.n_planes += 1
    assert check(tables) == PLANES


def test_value_bytes_must_be_aligned_to_cache_lines():
    tables = tables_of(FOREST)
    at = ctypes.cast(tables.value_bytes, ctypes.c_void_p).value
    tables.value_bytes = ctypes.cast(at + 8, ctypes.POINTER(ctypes.c_uint8))
    assert check(tables) == VALUES


def test_tables_for_more_columns_than_there_are_are_refused():
    tables = tables_of(FOREST)
    tables.n_columns = 2
    assert check(tables) == COLUMN


def test_a_kernel_is_not_made_of_damaged_tables(monkeypatch):
    def damaged(*arguments, **options):
        tables = intact(*arguments, **options)
        tables.piece_bits[0] = 9
        return tables

    intact = cpu_bitsliced.structure
    monkeypatch.setattr(cpu_bitsliced, "structure", damaged)
    with pytest.raises(RuntimeError, match="do not hold together: pieces of trees"):
        BitslicedKernel(FOREST)


def test_every_error_code_has_its_own_message():
    message = loader.library().message
    numbers = [*range(9), *range(50, 54), *range(OUTPUTS, DEMULTIPLEXERS + 1)]
    numbers += [n for n in range(200, 300) if message(n) != "unknown error"]  # traversal: see test_traversal_checks.py
    words = [message(n) for n in numbers]
    assert len(set(words)) == len(words) and "unknown error" not in words
    assert {message(n) for n in (-1, 9, 49, 54, 99, 111, 199, 300, 2**31 - 1, -(2**31))} == {"unknown error"}


# ------------------------------------------------------------------------------------------------------------- calls


def call_with(forest, X, **options):
    out = np.zeros((len(X), forest.n_outputs), dtype=forest.trees.acc_dtype)
    rows = loader.packed_rows(X, None, -1.0)
    return run(tables_of(forest), rows, out, features=abi.DTYPES[forest.trees.feature_dtype], **options), out


@pytest.mark.parametrize("isa", [-1, 3, 2**31 - 1])
def test_unavailable_instruction_set_is_refused_by_every_function(isa):
    library = loader.library()
    X, one = rows_for(FOREST, 3), np.zeros(8)
    at, expf = loader.address(one), ctypes.addressof(abi.ExpfStructure())
    rows = loader.packed_rows(X, None, -1.0)
    kernel = TraversalKernel(FOREST, "float64")
    number = np.arange(FOREST.n_trees, dtype=np.int32)
    tables, trees = kernel._few["float64"].tables.address, loader.address(number)
    out = np.zeros((3, FOREST.n_trees + FOREST.n_outputs))
    assert call_with(FOREST, X, isa=isa)[0] == NO_SUCH_ISA
    assert library.run_traversal(tables, rows, abi.FLOAT64, loader.address(out), 1, isa) == NO_SUCH_ISA
    assert library.run_leaves(tables, rows, abi.FLOAT64, trees, loader.address(out), 1, isa) == NO_SUCH_ISA
    assert library.sigmoid32(expf, at, 1, at, 1, isa) == NO_SUCH_ISA
    assert library.sigmoid64(at, 1, 1.0, at, 1, isa) == NO_SUCH_ISA
    assert library.softmax32(expf, at, 1, 2, at, 1, isa) == NO_SUCH_ISA
    assert library.softmax64(at, 1, 2, at, 1, isa) == NO_SUCH_ISA
    assert not out.any() and not one.any()


@pytest.mark.parametrize(
    ("field", "value", "number"),
    [("data", None, NO_ROWS), ("n_rows", -1, NO_ROWS), ("dtype", 2, DTYPE), ("dtype", -1, DTYPE)],
)
def test_rows_that_cannot_be_read_are_refused(field, value, number):
    X = rows_for(FOREST, 3)
    rows = abi.RowsStructure.from_buffer_copy(loader.packed_rows(X, None, -1.0))
    setattr(rows, field, value)
    out = np.zeros((3, FOREST.n_outputs))
    assert run(tables_of(FOREST), bytes(rows), out) == number
    assert not out.any()


def test_a_column_of_an_unknown_dtype_is_refused():
    columns = (abi.ColumnStructure * FOREST.n_features)()
    columns[2].dtype = 7
    rows = abi.RowsStructure(columns=columns, n_rows=3, n_columns=FOREST.n_features)
    assert run(tables_of(FOREST), bytes(rows), np.zeros((3, FOREST.n_outputs))) == DTYPE


@pytest.mark.parametrize("features", [2, -1])
def test_features_of_an_unknown_dtype_are_refused(features):
    X = rows_for(FOREST, 3)
    assert run(tables_of(FOREST), loader.packed_rows(X, None, -1.0), np.zeros((3, 3)), features=features) == DTYPE


def test_float64_features_need_thresholds_of_float64():
    forest = forest_of(feature_dtype="float32")
    X = rows_for(forest, 3)
    assert run(tables_of(forest), loader.packed_rows(X, None, -1.0), np.zeros((3, 3)), features=abi.FLOAT64) == SEARCHES


@pytest.mark.parametrize("number", [-1, FOREST.n_trees, 2**31 - 1, None])
def test_leaves_are_written_to_trees_that_there_are(number):
    kernel = TraversalKernel(FOREST, "float64")
    X = rows_for(FOREST, 3)
    numbers = np.arange(FOREST.n_trees, dtype=np.int32)
    numbers[-1] = 0 if number is None else number
    out = np.full((3, FOREST.n_trees), -7, dtype=np.int32)
    call = loader.library().run_leaves
    trees = None if number is None else loader.address(numbers)
    rows = loader.packed_rows(X, None, -1.0)
    address = kernel._few["float64"].tables.address
    assert call(address, rows, abi.FLOAT64, trees, loader.address(out), 1, 0) == NO_SUCH_TREE
    assert (out == -7).all()


def test_a_softmax_over_no_classes_is_refused():
    one, expf = np.zeros(1, dtype=np.float32), abi.ExpfStructure()
    assert (
        loader.library().softmax32(ctypes.addressof(expf), loader.address(one), 1, 0, loader.address(one), 1, 0)
        == OUTPUTS
    )
    wide = np.zeros(1)
    assert loader.library().softmax64(loader.address(wide), 1, 0, loader.address(wide), 1, 0) == OUTPUTS


@pytest.mark.parametrize("options", [{}, {"n_outputs": 3, "vector": True}], ids=["scalar", "vector"])
@pytest.mark.parametrize("isa", ISAS)
def test_sums_are_the_same_without_value_bytes(isa, options):
    forest = forest_of(**options)
    X = rows_for(forest, 700)
    tables = tables_of(forest)
    tables.value_bytes = None
    assert check(tables) == 0
    out = np.zeros((len(X), forest.n_outputs))
    assert run(tables, loader.packed_rows(X, None, -1.0), out, n_threads=2, isa=isa) == 0
    same_bits(out, reference_sum(forest, X))


def test_library_of_another_abi_version_is_refused(monkeypatch):
    found = abi.ABI
    monkeypatch.setattr(abi, "ABI", found + 1)
    with pytest.raises(OSError, match=f"interface {found}, this package needs {found + 1}: install it again"):
        loader.Library(loader.library().path)


@pytest.mark.parametrize("missing", [None, 0.0, -999.0, float("inf")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_packed_rows_are_the_bytes_of_the_structure(layout, dtype, missing):
    X = layout(np.arange(35, dtype=dtype).reshape(7, 5))
    expected = abi.RowsStructure(
        data=X.ctypes.data,
        columns=None,
        n_rows=7,
        n_columns=5,
        row_stride=X.strides[0],
        column_stride=X.strides[1],
        dtype=abi.DTYPES[dtype],
        has_missing=missing is not None,
        missing=0.0 if missing is None else missing,
        flush=1e-35,
    )
    assert loader.packed_rows(X, missing, 1e-35) == bytes(expected)


def test_packed_columns_are_the_bytes_of_the_structures():
    X = np.arange(12.0).reshape(4, 3)
    columns = [X[:, 0], X[::-1, 1].astype(np.float32), X[::-1, 2]]
    expected = (abi.ColumnStructure * 3)(*((c.ctypes.data, c.strides[0], abi.DTYPES[c.dtype.name], 0) for c in columns))
    packed = loader.packed_columns(columns)
    assert packed == bytes(expected)
    frame = abi.RowsStructure.from_buffer_copy(loader.packed_frame(packed, 4, -1.0, 0.5))
    assert ctypes.string_at(frame.columns, len(packed)) == packed
    assert (frame.data, frame.n_rows, frame.n_columns) == (None, 4, 3)
    assert (frame.has_missing, frame.missing, frame.flush) == (1, -1.0, 0.5)


# ---------------------------------------------------------------------------------------------- threads and processes


KERNELS = {"bitsliced": BitslicedKernel, "traversal": lambda forest: TraversalKernel(forest, "float64")}


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("isa", ISAS)
def test_eight_threads_at_once_find_what_one_finds(name, isa, monkeypatch):
    monkeypatch.setattr(loader.library(), "isa", isa)
    kernel = KERNELS[name](FOREST)
    X = [rows_for(FOREST, 2000 + 100 * i) for i in range(8)]
    serial = [kernel.total(Rows(x), 0, 1) for x in X]
    together = threading.Barrier(8)

    def total(x):
        together.wait()
        return [kernel.total(Rows(x), 0, 3) for _ in range(4)]

    with ThreadPoolExecutor(8) as pool:
        for expected, found in zip(serial, pool.map(total, X), strict=True):
            for each in found:
                same_bits(each, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 warns of the helpers that sleep
@pytest.mark.parametrize("name", KERNELS)
def test_a_forked_process_finds_the_same(name):
    kernel = KERNELS[name](FOREST)
    X = rows_for(FOREST, 3000)
    expected = kernel.total(Rows(X), 0, 3).tobytes()
    if (child := os.fork()) == 0:
        try:
            os._exit(0 if kernel.total(Rows(X), 0, 3).tobytes() == expected else 3)
        finally:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert kernel.total(Rows(X), 0, 3).tobytes() == expected


def n_threads_of_process():
    return len(os.listdir("/proc/self/task"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="no list of threads here")
def test_idle_threads_are_at_most_as_many_as_processors():
    kernel, X = TraversalKernel(FOREST, "float64"), rows_for(FOREST, 20_000)
    kernel.total(Rows(X), 0, 4)
    before = n_threads_of_process()
    together = threading.Barrier(6)

    def total(_):
        together.wait()
        return kernel.total(Rows(X), 0, 5)

    with ThreadPoolExecutor(6) as pool:
        assert len(list(pool.map(total, range(6)))) == 6
    for _ in range(60_000):  # those that are sent away go in their own time, here within ten minutes
        if n_threads_of_process() <= before + os.cpu_count():
            break
        time.sleep(0.01)
    kept = n_threads_of_process()
    assert kept <= before + os.cpu_count()
    for _ in range(20):
        kernel.total(Rows(X), 0, 2)
    assert n_threads_of_process() <= kept


@pytest.fixture
def patient_threads():
    """No thread takes the GIL from another that does not release it of its own accord."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(60.0)
    yield
    sys.setswitchinterval(before)


def test_kernel_calls_release_the_gil(patient_threads):
    tables, X = tables_of(FOREST), np.tile(rows_for(FOREST, 1000), (100, 1))
    rows, out = loader.packed_rows(X, None, -1.0), np.empty((len(X), FOREST.n_outputs))
    begun, progress, seen = threading.Event(), [], []

    def call():
        begun.set()
        run(tables, rows, out)
        seen.append(len(progress))

    for _ in range(20):  # in case the other thread is not scheduled during a whole call
        begun.clear()
        progress.clear()
        caller = threading.Thread(target=call)
        caller.start()
        begun.wait()
        progress.append("here")
        caller.join()
        if seen[-1]:
            break
    assert seen[-1], "the GIL is held during calls"
