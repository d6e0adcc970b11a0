"""Columns derived from hashes of text: the kernel makes what numpy makes, and refuses damaged tables."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from agreement import same_bits
from forests import random_forest

from sktensor import Forest
from sktensor.backends.cpu.kernels import BitslicedKernel, TraversalKernel
from sktensor.backends.cpu.keys import Keys, cityhash64
from sktensor.forest import EXCEEDS, HASH, IS_HASH, KEY_FACTOR
from sktensor.inputs.categories import Factorized, category_numbers, category_texts, factorized
from sktensor.inputs.cityhash import cityhash64 as by_python
from sktensor.inputs.ctr_features import CtrColumns, sign_extended
from sktensor.inputs.rows import Columns, Rows
from sktensor.native import loader

needs_kernels = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")

N_FEATURES = 5
HASHED = np.array([True, False, True, False, True])
TEXTS = [b"", b"a", b"b", b"-3", "é".encode(), b"a text of more than sixteen bytes", b"x" * 200]
BORDERS = np.array([0.0, -0.0, 1.0, 1e-45, -1e-45, np.inf, -np.inf, 0.1], dtype=np.float32)


def low_half(text):
    return int(sign_extended(np.array([by_python(text)], dtype=np.uint64))[0])


def joined(parts):
    key = 0
    for part in parts:
        key = KEY_FACTOR * (key + KEY_FACTOR * part) % 2**64
    return key


def keyed_forest(rng, n_keys=7, most_known=40):
    """A forest whose trees look at columns derived from keys of up to four parts."""
    off, parts, known = [0], [], []
    for _ in range(n_keys):
        own = [random_part(rng) for _ in range(rng.integers(5))]
        of_texts = [joined([random_answer(rng, part) for part in own]) for _ in range(rng.integers(most_known + 1))]
        known.append(np.unique(np.array(of_texts, dtype=np.uint64)))
        parts += own
        off.append(len(parts))
    column, test, value, nan = zip(*parts, strict=True)
    derived_key = rng.integers(n_keys, size=2 * n_keys).astype(np.int32)
    n_values = sum(len(known[key]) + 1 for key in derived_key)
    base = random_forest(rng, n_features=N_FEATURES + len(derived_key), feature_dtype="float32", missing=False)
    fields = base.fields()
    return Forest.from_fields(**fields | {
        "n_features": N_FEATURES,
        "feature": np.where(np.isin(base.trees.feature, np.flatnonzero(HASHED)), 1, base.trees.feature),
        "hashed": HASHED,
        "key_off": off,
        "key_column": column,
        "key_test": test,
        "key_value": value,
        "key_nan": nan,
        "table_off": np.cumsum([0, *map(len, known)]),
        "table_key": np.concatenate(known),
        "derived_key": derived_key,
        "derived_value": rng.choice([*BORDERS, np.nan, 0.5, 2.0], size=n_values),
    }).validate()  # fmt: skip


def random_part(rng):
    column = int(rng.integers(N_FEATURES))
    if not HASHED[column]:
        return column, EXCEEDS, float(rng.choice(BORDERS)), bool(rng.integers(2))
    if rng.random() < 0.5:
        return column, HASH, 0.0, False
    return column, IS_HASH, float(np.uint64(low_half(TEXTS[rng.integers(len(TEXTS))])).astype(np.int64)), False


def random_answer(rng, part):
    return low_half(TEXTS[rng.integers(len(TEXTS))]) if part[1] == HASH else int(rng.integers(2))


def random_columns(rng, forest, n):
    around = np.concatenate([np.nextafter(BORDERS, np.float32(side)) for side in (-np.inf, np.inf)])
    pool = np.concatenate([BORDERS, around, [np.nan, 1e300, -1e300, 0.1]])
    with np.errstate(over="ignore"):
        narrow = np.repeat(rng.choice(pool, n), 2).astype(np.float32)
    numbers = {
        1: rng.choice(pool, n).astype(np.float64),
        3: narrow[::2],  # with gaps
    }
    texts = {
        int(column): Factorized([*TEXTS, b"never seen"], rng.integers(len(TEXTS) + 1, size=n))
        for column in np.flatnonzero(HASHED)
    }
    return CtrColumns(numbers, texts, n, forest)


def by_kernel(forest, columns, n_threads):
    arrays = [(first, part.copy()) for first, part in Keys(forest, loader.library()).arrays(columns, n_threads)]
    assert [first for first, _ in arrays] == np.cumsum([0, *(len(part) for _, part in arrays)])[:-1].tolist()
    return np.concatenate([np.empty((0, forest.trees.n_columns), np.float32), *(part for _, part in arrays)])


@needs_kernels
@pytest.mark.parametrize("isa", loader.INSTRUCTION_SETS)
@pytest.mark.parametrize("seed", range(8))
def test_the_kernel_makes_the_columns_that_numpy_makes(seed, isa, monkeypatch):
    library = loader.library()
    if loader.INSTRUCTION_SETS.index(isa) > library.best:
        pytest.skip("not an instruction set of this processor or build")
    monkeypatch.setattr(library, "isa", loader.INSTRUCTION_SETS.index(isa))
    rng = np.random.default_rng(seed)
    forest = keyed_forest(rng, most_known=[0, 1, 40, 3000][seed % 4])
    for n, n_threads in [(0, 1), (1, 2), (7, 1), (700, 1), (9001, 3)]:
        columns = random_columns(rng, forest, n)
        same_bits(by_kernel(forest, columns, n_threads), columns[:])


@needs_kernels
def test_the_kernel_gives_an_answer_for_known_keys_and_for_unknown_ones():
    rng = np.random.default_rng(3)
    forest = keyed_forest(rng)
    derived = random_columns(rng, forest, 500)[:][:, N_FEATURES:]
    assert (np.array([len(np.unique(column)) for column in derived.T]) > 2).sum() >= 4  # or nothing was compared


@needs_kernels
@pytest.mark.parametrize("seed", range(4))
def test_trees_on_derived_columns_find_the_same_in_every_kernel_and_in_arrays(seed):
    rng = np.random.default_rng(seed)
    forest = keyed_forest(rng)
    columns = random_columns(rng, forest, 5000)
    for kernel in (BitslicedKernel(forest), TraversalKernel(forest)):
        expected = kernel.total(Rows(columns[:]), 0, 1)
        for n_threads in (1, 3):
            same_bits(kernel.total(Rows(columns), 0, n_threads), expected)


def test_keys_of_float64_features_are_made_by_numpy():
    rng = np.random.default_rng(0)
    forest = keyed_forest(rng)
    fields = forest.fields()
    names = ("threshold", "derived_value")
    wide = Forest.from_fields(
        **fields | {"feature_dtype": "float64"} | {n: fields[n].astype(np.float64) for n in names}
    ).validate()
    columns = random_columns(rng, wide, 300)
    assert columns[:].dtype == np.float64
    if loader.library() is not None:
        same_bits(TraversalKernel(wide, "float64").total(Rows(columns), 0, 1),
                  TraversalKernel(wide, "float64").total(Rows(columns[:]), 0, 1))  # fmt: skip


@needs_kernels
def test_hashes_are_those_of_the_slow_formula_for_texts_of_every_length():
    rng = np.random.default_rng(0)
    texts = [rng.bytes(n) for n in [*range(300), 1000, 4096, 4097]] + [b"\0" * n for n in range(70)]
    assert cityhash64(texts, loader.library()).tolist() == [by_python(text) for text in texts]
    assert cityhash64([], loader.library()).tolist() == []


# --- tables that do not hold together -------------------------------------------------------------------------------

PARTS, PART_COLUMN, PLACES, DERIVED = range(50, 54)


def set_to(field, value, index=None):
    def damage(tables):
        if index is None:
            setattr(tables, field, value)
        else:
            getattr(tables, field)[index(tables) if callable(index) else index] = value

    damage.__name__ = f"{field}={value}"
    return damage


def no_empty_place(tables):
    places = np.ctypeslib.as_array((ctypes.c_uint32 * (4 * tables.n_places)).from_address(tables.places))
    places[3::4] = 1


def number_too_large(tables):
    places = np.ctypeslib.as_array((ctypes.c_uint32 * (4 * tables.n_places)).from_address(tables.places))
    places[2::4] = 2**32 - 1


@needs_kernels
@pytest.mark.parametrize(
    ("damage", "number"),
    [
        (set_to("n_keys", -1), PARTS),
        (set_to("n_parts", -1), PARTS),
        (set_to("n_parts", 0), PARTS),
        (set_to("key_parts", None), PARTS),
        (set_to("key_parts", 1, 0), PARTS),
        (set_to("key_parts", -1, 1), PARTS),
        (set_to("part_column", None), PARTS),
        (set_to("part_test", None), PARTS),
        (set_to("part_hash", None), PARTS),
        (set_to("part_border", None), PARTS),
        (set_to("part_missing", None), PARTS),
        (set_to("part_test", 3, 0), PARTS),
        (set_to("part_test", -1, 0), PARTS),
        (set_to("part_column", -1, 0), PART_COLUMN),
        (set_to("part_column", N_FEATURES, 0), PART_COLUMN),
        (set_to("places", None), PLACES),
        (set_to("key_places", None), PLACES),
        (set_to("key_bits", None), PLACES),
        (set_to("n_places", 0), PLACES),
        (set_to("n_places", -1), PLACES),
        (set_to("key_bits", 0, 0), PLACES),
        (set_to("key_bits", 33, 0), PLACES),
        (set_to("key_places", -1, 0), PLACES),
        (set_to("key_places", 2**63 - 1, 0), PLACES),
        (no_empty_place, PLACES),
        (set_to("key_columns", None), DERIVED),
        (set_to("key_columns", 1, 0), DERIVED),
        (set_to("key_columns", -1, 1), DERIVED),
        (set_to("n_derived", 0), DERIVED),
        (set_to("n_derived", -1), DERIVED),
        (set_to("column", None), DERIVED),
        (set_to("column_values", None), DERIVED),
        (set_to("values", None), DERIVED),
        (set_to("column", -1, 0), DERIVED),
        (set_to("column", 2**31 - 1, 0), DERIVED),
        (set_to("column_values", -1, 0), DERIVED),
        (set_to("column_values", 2**63 - 1, 0), DERIVED),
        (set_to("n_values", -1), DERIVED),
        (set_to("n_values", 0), DERIVED),
        (number_too_large, DERIVED),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_damaged_tables_are_refused_with_their_error_code(damage, number):
    library = loader.library()
    tables = Keys(keyed_forest(np.random.default_rng(5)), library)._tables
    assert library.check_keys(ctypes.addressof(tables)) == 0
    damage(tables)
    found = library.check_keys(ctypes.addressof(tables))
    assert found == number, library.message(found)


@needs_kernels
def test_hashes_where_numbers_belong_are_refused_when_called():
    forest = keyed_forest(np.random.default_rng(5))
    columns = random_columns(np.random.default_rng(0), forest, 3)
    everything_hashed = CtrColumns({}, dict.fromkeys(range(N_FEATURES), columns.texts[0]), 3, forest)
    with pytest.raises(RuntimeError, match="takes hashes for numbers"):
        list(Keys(forest, loader.library()).arrays(everything_hashed, 1))


# --- columns as distinct values -------------------------------------------------------------------------------------


def test_equal_values_of_different_types_are_told_apart():
    column = np.array([1, 1.0, True, "1", b"1", 1, True], dtype=object)
    found = factorized(column)
    assert [(type(v), v) for v in found.values] == [(int, 1), (float, 1.0), (bool, True), (str, "1"), (bytes, b"1")]
    assert found.codes.tolist() == [0, 1, 2, 3, 4, 0, 2]
    assert list(map(type, found.column())) == list(map(type, column))


@pytest.mark.parametrize("column", [np.array(["b", "a", "b"]), np.array([b"b", b"a", b"b"]), np.array([2, 1, 2], "u1")])
def test_arrays_of_text_and_integers_are_coded_as_their_values(column):
    found = factorized(column)
    assert found.values == [column[0].item(), column[1].item()]
    assert found.codes.tolist() == [0, 1, 0]
    assert factorized(column[:0]).values == []


def test_columns_of_distinct_values_have_the_numbers_and_texts_of_their_rows():
    column = Factorized(["x", 7, "y"], np.array([2, 2, 0, 1]))
    np.testing.assert_array_equal(category_numbers("c", column, np.array(["y", "x"], dtype=object)), [0, 0, 1, np.nan])
    assert category_texts("c", column).values == [b"x", b"7", b"y"]


def test_rows_of_derived_columns_are_what_their_parts_are():
    rng = np.random.default_rng(1)
    columns = random_columns(rng, keyed_forest(rng), 50)
    assert not isinstance(columns, Columns)
    same_bits(np.concatenate([columns[:20], columns[20:20], columns[20:]]), columns[:])
