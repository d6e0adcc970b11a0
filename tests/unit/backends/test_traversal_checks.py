"""The traversal kernel refuses tables that are out of range or damaged."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from forests import random_forest
from hypothesis import given, settings
from hypothesis import strategies as st
from traversal_kernel import EVERY, Loaded, error_of, needs_kernels, rows_for

from sktensor.backends.cpu import traversal as cpu_traversal
from sktensor.native import abi, loader

HEADER = Path(__file__).parents[3] / "kernels" / "sktensor.h"
STRUCTURES = {
    "skt_column": abi.ColumnStructure,
    "skt_rows": abi.RowsStructure,
    "skt_sum": abi.SumStructure,
    "skt_bitsliced": abi.BitslicedStructure,
    "skt_codes": abi.CodesStructure,
    "skt_shap_flat": abi.ShapFlatStructure,
    "skt_shap": abi.ShapStructure,
    "skt_lookup": abi.LookupStructure,
    "skt_traversal": abi.TraversalStructure,
    "skt_expf": abi.ExpfStructure,
}


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
    opaque = dict.fromkeys(("blocks", "nodes", "runs", "batches", "groups"), "void*")  # described by dtypes of numpy
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
    "more blocks and leaves than 32 bits number": ("n_blocks", 2**32 - 1, 212),
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
    words = [loader.library().message(number) for number in range(200, 229)]
    assert len(set(words)) == len(words)
    assert "unknown error" not in words
    assert loader.library().message(229) == "unknown error"


@pytest.mark.slow
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
