"""Traversal on the CPU: the tables, what the kernel makes of them, and that damaged ones are refused."""

from __future__ import annotations

import ctypes
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from agreement import same_bits
from forests import forests, random_forest, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import LAYOUTS
from reference import reference_leaves, reference_sum

from sktensor import Forest, UnsupportedModelError
from sktensor.backends.cpu import traversal as cpu_traversal
from sktensor.forest import TINY
from sktensor.native import abi, loader

needs_kernels = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")

HERE = () if loader.library() is None else loader.INSTRUCTION_SETS[: loader.library().best + 1]
EVERY = range(len(HERE))

HEADER = Path(__file__).parents[3] / "kernels" / "sktensor.h"
STRUCTURES = {
    "skt_column": abi.ColumnStructure,
    "skt_rows": abi.RowsStructure,
    "skt_sum": abi.SumStructure,
    "skt_bitsliced": abi.BitslicedStructure,
    "skt_traversal": abi.TraversalStructure,
    "skt_expf": abi.ExpfStructure,
}


# ------------------------------------------------------------------------------------------------------ the interface


def header_fields(name):
    """Names and C types of a structure's fields, pointers with a star, arrays with their length."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.DOTALL)
    (body,) = re.findall(r"typedef struct \{([^}]*)\} " + name + ";", text)
    for line in filter(None, map(str.strip, body.split(";"))):
        kind, star, field, length = re.fullmatch(r"(?:const )?(\w+) (\*?)(\w+)(\[\d+\])?", line).groups()
        yield field, kind + star + (length or "")


def fields(structure):
    """The same of a ctypes structure."""
    names = {f"c_{n}": f"{n}_t" for n in ("int16", "int32", "int64", "uint8", "uint16", "uint32")}
    names |= {"c_float": "float", "c_double": "double", "c_void_p": "void*"}
    names |= {s.__name__: n for n, s in STRUCTURES.items()}
    same = {c.__name__: f"c_{n}" for n in ("int16", "int32", "int64", "uint8", "uint16", "uint32")
            for c in [getattr(ctypes, f"c_{n}")]}  # fmt: skip

    def called(kind):
        return names[same.get(kind.__name__, kind.__name__)]

    for field, kind in structure._fields_:
        if isinstance(kind, type) and issubclass(kind, ctypes.Array):
            yield field, f"{called(kind._type_)}[{kind._length_}]"
        elif isinstance(kind, type) and issubclass(kind, ctypes._Pointer):
            yield field, called(kind._type_) + "*"
        else:
            yield field, called(kind)


@pytest.mark.skipif(not HEADER.exists(), reason="the sources of the kernels are not here")
@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_match_the_c_header(name):
    opaque = {"blocks": "void*"}  # cpu_traversal.BLOCK
    expected = [(field, opaque.get(field, kind)) for field, kind in header_fields(name)]
    assert list(fields(STRUCTURES[name])) == expected


@pytest.mark.skipif(not HEADER.exists(), reason="the sources of the kernels are not here")
def test_block_layout_matches_the_c_header():
    kinds = {"uint32_t": "u4", "uint16_t": "u2", "uint8_t": "u1"}
    expected = []
    for field, kind in header_fields("skt_block"):
        base, length = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", kind).groups()
        expected.append((field, np.dtype((kinds[base], int(length))) if length else np.dtype(kinds[base])))
    assert [(name, cpu_traversal.BLOCK[name]) for name in cpu_traversal.BLOCK.names] == expected
    assert cpu_traversal.BLOCK.itemsize == 128


def test_an_array_of_another_dtype_or_layout_is_refused():
    with pytest.raises(TypeError, match=r"tree_leaf.*int64.*int32"):
        abi.filled(abi.TraversalStructure, tree_leaf=np.zeros(3, np.int32))
    with pytest.raises(TypeError, match=r"values.*contiguous"):
        abi.filled(abi.TraversalStructure, values=np.zeros((3, 3)).T[::2])


# --------------------------------------------------------------------------------------------------------- the tables


@given(forest=forests(), rows_dtype=st.sampled_from(["float32", "float64"]))
@settings(max_examples=60)
def test_every_leaf_has_one_exit_and_blocks_lead_on(forest, rows_dtype):
    tables = cpu_traversal.compile(forest.trees, rows_dtype)
    assert sorted(tables.leaf) == list(range(forest.n_leaves))
    children = []
    for b, block in enumerate(tables.blocks):
        first = int(block["first"][0])
        children += range(first, first + block["n_blocks"]) if block["n_blocks"] else []
        assert not block["n_blocks"] or first > b
    roots = set(tables.tree_block[:-1].tolist())
    assert sorted([*children, *roots]) == list(range(len(tables.blocks)))
    nodes = np.count_nonzero(tables.blocks["key"] != cpu_traversal.HIGHEST)
    assert nodes <= forest.n_nodes  # a node whose threshold no value exceeds looks like none
    assert tables.blocks.ctypes.data % 64 == 0


def test_heavy_nodes_come_first():
    """A chain of 100 nodes that all rows walk to its end, beside bushes that none goes to."""
    rng = np.random.default_rng(0)
    forest = random_forest(rng, n_trees=1, max_depth=60, chain=True, single_leaf="none", shuffle=False, cover=True)
    cover = forest.trees.cover.copy()
    cover[: forest.n_nodes] = np.arange(forest.n_nodes, 0, -1)
    tables = cpu_traversal.compile(forest.replace(cover=cover).trees, "float64")
    assert len(tables.blocks) == forest.n_nodes / cpu_traversal.NODES


def test_leaves_of_few_values_share_them():
    rng = np.random.default_rng(1)
    forest = random_forest(rng, n_trees=20, max_depth=8, n_outputs=3, vector=True)
    pool = np.array([[0.0, 1.0, 0.5], [-0.0, 1.0, 0.5], [1.0, 0.0, 0.5]])  # the first two are not the same bits
    few = forest.replace(leaf_value=pool[rng.integers(0, 3, forest.n_leaves)])
    tables = cpu_traversal.compile(few.trees, "float64")
    assert len(tables.values) == 3
    same_bits(tables.values[tables.value_number], few.trees.leaf_value[tables.leaf])
    assert cpu_traversal.compile(forest.trees, "float64").value_number is None


def test_more_codes_than_can_be_numbered_are_refused_by_their_number():
    n = 2 * 33_000  # each feature once for missing values to the left and once to the right
    leaf = np.arange(2 * n, dtype=np.int32)
    forest = Forest.from_fields(
        n_features=n // 2, feature=np.arange(n) // 2, threshold=np.zeros(n), left=~leaf[::2], right=~leaf[1::2],
        nan_left=np.arange(n) % 2 == 0, root=np.arange(n), tree_target=np.zeros(n),
        leaf_value=np.zeros((2 * n, 1)), leaf_id=leaf, base=[0.0],
    )  # fmt: skip
    # one after the other, so that no rank suits both sides
    forest = forest.replace(threshold=np.where(forest.trees.nan_left, -1.0, 1.0))
    with pytest.raises(ValueError, match=r"66,016 codes.*65,536"):
        cpu_traversal.compile(forest.trees, "float64")


def test_aggregates_other_than_sums_are_refused():
    forest = random_forest(np.random.default_rng(2), aggregate="per_tree")
    with pytest.raises(UnsupportedModelError, match="per_tree"):
        cpu_traversal.compile(forest.trees, "float64")


# --------------------------------------------------------------------------------------------------------- the kernel


@dataclasses.dataclass
class Loaded:
    """A forest's tables as the kernel has them."""

    forest: Forest
    tables: cpu_traversal.TraversalTables
    structure: abi.TraversalStructure

    @classmethod
    def of(cls, forest, rows_dtype):
        tables = cpu_traversal.compile(forest.trees, rows_dtype)
        structure = cpu_traversal.structure(tables)
        error = error_of(structure)
        assert error == 0, loader.library().message(error)
        return cls(forest, tables, structure)

    def run(self, packed, n, isa, n_threads=1):
        """Sums and leaves, from rows as the kernel is told of them."""
        library, forest = loader.library(), self.forest
        sums = np.empty((n, forest.n_outputs), dtype=forest.trees.acc_dtype)
        leaves = np.empty((n, forest.n_trees), dtype=np.int32)
        here, features = ctypes.addressof(self.structure), abi.DTYPES[forest.trees.feature_dtype]
        number = self.tables.tree_number.ctypes.data
        assert library.run_traversal(here, packed, features, sums.ctypes.data, n_threads, isa) == 0
        assert library.run_leaves(here, packed, features, number, leaves.ctypes.data, n_threads, isa) == 0
        return sums, leaves

    def flush(self):
        return TINY if self.forest.inputs.flush_tiny else -1.0

    def of_array(self, X, isa, n_threads=1):
        packed = loader.packed_rows(X, self.forest.inputs.missing_value, self.flush())
        return self.run(packed, len(X), isa, n_threads)

    def of_columns(self, columns, isa):
        held = loader.packed_columns(columns)
        packed = loader.packed_frame(held, len(columns[0]), self.forest.inputs.missing_value, self.flush())
        return self.run(packed, len(columns[0]), isa)


def rows_for(forest, rng, n, dtype, nan=True):
    with np.errstate(over="ignore"):
        return random_rows(forest, rng, n, nan=nan).astype(dtype)


def assert_as_reference(forest, X, n_threads=1, layout=lambda X: X):
    with np.errstate(over="ignore"):
        seen = X.astype(forest.trees.feature_dtype)
    loaded = Loaded.of(forest, X.dtype.name)
    sums, leaves = reference_sum(forest, seen), reference_leaves(forest, seen)
    for isa in EVERY:
        found_sums, found_leaves = loaded.of_array(layout(X), isa, n_threads)
        np.testing.assert_array_equal(found_leaves, leaves)
        same_bits(found_sums, sums)


@needs_kernels
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(forest=forests(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=120)
def test_leaves_and_sums_are_those_of_the_reference(dtype, forest, seed):
    rng = np.random.default_rng(seed)
    assert_as_reference(forest, rows_for(forest, rng, 40, dtype, nan=bool(seed % 2)))


@needs_kernels
@pytest.mark.parametrize("n_features", [1, 16, 17, 33, 65, 129, 300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_codes_of_every_number_find_room(n_features, dtype):
    """Codes in one, two and four registers, in memory, and too many for 8 bits."""
    rng = np.random.default_rng(n_features)
    for zero_dir in (False, True):  # up to six codes a feature
        forest = random_forest(
            rng, n_trees=60, max_depth=7, n_features=n_features, feature_dtype="float64", zero_dir=zero_dir,
            categorical=n_features > 1, n_outputs=2,
        )  # fmt: skip
        for nan in (False, True):
            assert_as_reference(forest, rows_for(forest, rng, 90, dtype, nan=nan))


@needs_kernels
def test_missing_value_in_deep_nodes_follows_each_nodes_default_side():
    """Blocks of rows without missing values pass on fewer codes than those with some."""
    rng = np.random.default_rng(4)
    forest = random_forest(rng, n_trees=30, max_depth=6, n_features=20, feature_dtype="float32")
    assert cpu_traversal.compile(forest.trees, "float32").codes.n_slots == 64
    X = rng.normal(size=(9000, 20)).astype(np.float32)
    X[[2500, 2501, 8999], 3] = np.nan
    assert_as_reference(forest, X)


@needs_kernels
@pytest.mark.parametrize("n_rows", [0, 1, 2, 7, 9, 23, 24, 25, 64, 100, 192, 193, 1000, 2049])
@pytest.mark.parametrize("vector", [False, True])
def test_any_number_of_rows_is_accepted(n_rows, vector):
    rng = np.random.default_rng(n_rows)
    for n_outputs in (1, 2, 3, 4, 5):
        forest = random_forest(rng, n_trees=11, n_outputs=n_outputs, vector=vector, feature_dtype="float32")
        assert_as_reference(forest, rows_for(forest, rng, n_rows, "float32"))


@needs_kernels
@pytest.mark.parametrize("n_rows", [1, 100, 700])
def test_tables_larger_than_the_cache_give_the_same(n_rows):
    rng = np.random.default_rng(7)
    forest = random_forest(rng, n_trees=450, max_depth=9, n_features=6, single_leaf="none", missing=False)
    assert cpu_traversal.compile(forest.trees, "float64").blocks.nbytes > 2**19
    assert_as_reference(forest, rows_for(forest, rng, n_rows, "float64"), n_threads=2)


@needs_kernels
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("feature_dtype", ["float32", "float64"])
def test_rows_of_every_memory_layout_are_read(layout, dtype, feature_dtype):
    rng = np.random.default_rng(3)
    forest = random_forest(rng, n_trees=20, max_depth=6, n_features=9, feature_dtype=feature_dtype, n_outputs=3)
    assert_as_reference(forest, rows_for(forest, rng, 300, dtype), layout=layout)


@needs_kernels
@pytest.mark.parametrize("linear", [False, True])
def test_columns_of_a_frame_are_read_each_in_its_dtype(linear):
    rng = np.random.default_rng(5)
    forest = random_forest(rng, n_trees=20, max_depth=6, n_features=4, feature_dtype="float64", linear=linear)
    X = rows_for(forest, rng, 500, "float64")
    columns = [X[:, 0].copy(), X[::-1, 1].copy()[::-1], np.repeat(X[:, 2], 3)[::3]]
    with np.errstate(over="ignore"):
        columns.append(X[:, 3].astype(np.float32))
    X[:, 3] = columns[3]
    for isa in EVERY:
        sums, leaves = Loaded.of(forest, "float64").of_columns(columns, isa)
        np.testing.assert_array_equal(leaves, reference_leaves(forest, X))
        same_bits(sums, reference_sum(forest, X))


@needs_kernels
def test_a_missing_value_that_float32_cannot_hold_is_none_of_its_neighbours():
    """Rows of float32 have codes of their own for features of float64, but are compared with 0.1 in float64."""
    rng = np.random.default_rng(6)
    forest = random_forest(rng, n_trees=20, n_features=3, feature_dtype="float64", missing_value=0.1)
    X = rng.choice(np.array([0.1, -0.5, 0.9], dtype=np.float32), size=(200, 3))
    assert_as_reference(forest, X)
    assert_as_reference(forest, X.astype(np.float64))


@needs_kernels
def test_sums_of_a_deep_forest_are_added_in_the_order_of_trees():
    rng = np.random.default_rng(8)
    forest = random_forest(rng, n_trees=200, max_depth=12, n_features=5, n_outputs=2, chain=True, acc_dtype="float32")
    assert_as_reference(forest, rows_for(forest, rng, 50, "float64"))


@needs_kernels
def test_a_forest_without_trees_gives_its_base():
    none = np.empty(0, dtype=np.int32)
    forest = Forest.from_fields(
        n_features=2, n_outputs=2, feature=none, threshold=none.astype(float), left=none, right=none, nan_left=none,
        root=none, tree_target=none, leaf_value=np.empty((0, 1)), leaf_id=none, base=[1.5, -0.0],
    )  # fmt: skip
    assert_as_reference(forest, np.zeros((3, 2)))


# --------------------------------------------------------------------------------------------------- what is refused


def sound(n_features=6, **options):
    """Tables without fault, with everything in them that can be damaged."""
    rng = np.random.default_rng(11)
    options = {"categorical": True, "zero_dir": True, "linear": True, **options}
    forest = random_forest(
        rng, n_trees=12, max_depth=6, n_features=n_features, n_outputs=2, single_leaf="none", **options
    )
    return forest, cpu_traversal.compile(forest.trees, "float64")


FIELDS = {  # a field of the structure, what it is made, the error
    "no base": ("sum.base", None, 200),
    "no outputs": ("sum.n_outputs", 0, 200),
    "a dtype that does not exist": ("sum.acc_dtype", 2, 201),
    "codes without columns": ("code_column", None, 202),
    "codes without slots": ("code_slot", None, 202),
    "codes without a code of missing values": ("code_nan", None, 202),
    "zeros without a code": ("code_zero", None, 202),
    "a negative number of codes": ("n_codes", -1, 202),
    "a limit of zeros that is no number": ("zero_limit", float("nan"), 202),
    "slots that are no multiple of 16": ("n_base_slots", 8, 204),
    "fewer slots than base slots": ("n_slots", 0, 204),
    "more slots than 16 bits number": ("n_slots", 2**17, 204),
    "thresholds that begin nowhere": ("code_first", None, 207),
    "fewer thresholds than said": ("n_thresholds", 1, 207),
    "a negative number of questions": ("n_category_codes", -1, 208),
    "no answers": ("answers", None, 208),
    "a limit of categories beyond int32": ("category_limit", 1e300, 208),
    "answers beyond the last": ("n_answers", 3, 211),
    "no blocks": ("blocks", None, 212),
    "a negative number of blocks": ("n_blocks", -1, 212),
    "trees that begin nowhere": ("tree_block", None, 214),
    "fewer blocks than said": ("n_blocks", 5, 214),
    "leaves that begin nowhere": ("tree_leaf", None, 215),
    "fewer leaves than said": ("n_leaves", 5, 215),
    "no outputs of trees": ("tree_output", None, 216),
    "no values": ("values", None, 221),
    "no numbers of leaves": ("leaf", None, 221),
    "fewer values than leaves": ("n_values", 3, 222),
    "leaves of three values": ("n_leaf_outputs", 3, 223),
    "linear leaves without constants": ("linear_const", None, 224),
    "linear leaves without coefficients": ("linear_coef", None, 224),
}

NUMBERS = {  # an array, where, what is written there, the error
    "a column of codes out of range": ("codes.code_column", 0, 6, 203),
    "a negative column of codes": ("codes.code_column", 0, -1, 203),
    "slots out of order": ("codes.code_slot", 1, 0, 205),
    "a slot out of range": ("codes.code_slot", -1, 4096, 205),
    "a variant of another column": ("codes.code_column", -1, 0, 206),
    "thresholds out of order": ("codes.thresholds", 0, np.inf, 207),
    "a threshold that is no number": ("codes.thresholds", 1, np.nan, 207),
    "thresholds that begin late": ("codes.code_first", 0, 1, 207),
    "a column of categories out of range": ("structure.category_column", 0, 6, 209),
    "a slot of categories among those of thresholds": ("codes.category_slot", 0, 0, 210),
    "answers that begin before the first": ("structure.category_first", 0, -1, 211),
    "answers beyond any number": ("structure.category_first", 0, 2**62, 211),
    "an answer that is neither 0 nor 1": ("categories.answers", 0, 2, 211),
    "trees out of order": ("tree_block", 1, 0, 214),
    "leaves out of order": ("tree_leaf", 1, 0, 215),
    "outputs out of order": ("tree_output", 0, 1, 216),
    "an output out of range": ("tree_output", -1, 2, 216),
    "linear leaves out of order": ("linear.first", 1, 2**31 - 1, 224),
    "a column of linear leaves out of range": ("linear.column", 0, 6, 225),
}

BLOCKS = {  # a block with exits to blocks or without, a field of it, where, what is written there, the error
    "a slot of a node out of range": (True, "code", 0, 255, 217),
    "a question that no exit answers": (False, "care", 0, 0, 218),
    "an exit beyond the last": (False, "want", 12, 0, 218),
    "an answer of a node that is not there": (False, "care", 0, 0xFFFF, 218),
    "more blocks than exits": (True, "n_blocks", (), 14, 218),
    "a block that leads to itself": (True, "first", 0, None, 219),
    "a block beyond the last": (True, "first", 0, 2**32 - 1, 219),
    "a leaf beyond the last": (False, "first", 1, 2**32 - 1, 220),
    "a leaf of another tree": (False, "first", 1, 0, 220),
}


def error_of(structure):
    return loader.library().check_traversal(ctypes.addressof(structure))


@needs_kernels
def test_valid_tables_are_accepted():
    _, tables = sound()
    assert error_of(cpu_traversal.structure(tables)) == 0


@needs_kernels
@pytest.mark.parametrize("fault", FIELDS)
def test_field_out_of_range_is_refused_with_its_error_code(fault):
    name, value, number = FIELDS[fault]
    _, tables = sound()
    structure = cpu_traversal.structure(tables)
    inner, _, field = name.rpartition(".")
    setattr(structure.sum if inner else structure, field, value)
    assert error_of(structure) == number
    assert loader.library().message(number) != "unknown error"


@needs_kernels
@pytest.mark.parametrize("fault", NUMBERS)
def test_number_out_of_range_is_refused_with_its_error_code(fault):
    name, index, value, number = NUMBERS[fault]
    _, tables = sound()
    structure = cpu_traversal.structure(tables)
    part, _, field = name.rpartition(".")
    if part == "structure":
        getattr(structure, field)[index] = value
    else:
        owner = {"codes": tables.codes, "categories": tables.codes.categories, "linear": tables.linear, "": tables}
        array = getattr(owner[part], field)
        array[index] = value
    assert error_of(structure) == number


@needs_kernels
@pytest.mark.parametrize("fault", BLOCKS)
def test_damaged_block_is_refused_with_its_error_code(fault):
    to_blocks, field, index, value, number = BLOCKS[fault]
    _, tables = sound(categorical=False, zero_dir=False)
    structure = cpu_traversal.structure(tables)
    has = tables.blocks["n_blocks"] > 0
    at = int(np.flatnonzero(has if to_blocks else ~has)[-1])
    tables.blocks[field][(at, *np.atleast_1d(index).astype(int))] = at if value is None else value
    assert error_of(structure) == number


@needs_kernels
def test_blocks_must_be_aligned_to_cache_lines():
    _, tables = sound()
    structure = cpu_traversal.structure(tables)
    structure.blocks += 4
    assert error_of(structure) == 213


@needs_kernels
def test_a_wide_slot_out_of_range_is_refused():
    _, tables = sound(n_features=300)
    tables.wide_code[-1, -1] = tables.codes.n_slots
    assert error_of(cpu_traversal.structure(tables)) == 217


@needs_kernels
def test_a_number_of_a_value_out_of_range_is_refused():
    rng = np.random.default_rng(12)
    forest = random_forest(rng, n_trees=12, max_depth=6)
    forest = forest.replace(leaf_value=np.ones((forest.n_leaves, 1)))
    tables = cpu_traversal.compile(forest.trees, "float64")
    tables.value_number[-1] = 1
    assert error_of(cpu_traversal.structure(tables)) == 222


@needs_kernels
def test_every_error_code_has_its_own_message():
    words = [loader.library().message(number) for number in range(200, 226)]
    assert len(set(words)) == len(words)
    assert "unknown error" not in words
    assert loader.library().message(226) == "unknown error"


@needs_kernels
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=300)
def test_random_blocks_are_refused_or_traversal_terminates(seed):
    """What passes the check cannot lead the kernel astray: it returns leaves of the forest."""
    rng = np.random.default_rng(seed)
    forest = random_forest(rng, n_trees=4, max_depth=6, n_features=5, feature_dtype="float32")
    tables = cpu_traversal.compile(forest.trees, "float32")
    as_bytes = tables.blocks.view(np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        as_bytes[rng.integers(len(as_bytes))] ^= 1 << rng.integers(8)
    loaded = Loaded(forest, tables, cpu_traversal.structure(tables))
    if error_of(loaded.structure) == 0:
        for isa in EVERY:
            _, leaves = loaded.of_array(rows_for(forest, rng, 30, "float32"), isa)
            assert np.all((leaves >= 0) & (leaves < forest.n_leaves))
