"""The SHAP kernels refuse tables that are out of range or damaged, and rows that they were not made for."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from forests import random_forest, random_rows

from sktensor.explain import tables
from sktensor.explain.interventional import InterventionalExplainer
from sktensor.explain.native import NativeExplainer, path_structure
from sktensor.explain.tables import PathTables
from sktensor.inputs.rows import Rows
from sktensor.native import abi, loader

HEADER = Path(__file__).parents[3] / "kernels" / "sktensor.h"
LAYOUTS = {
    "skt_shap_node": abi.SHAP_NODE,
    "skt_shap_run": abi.SHAP_RUN,
    "skt_shap_batch": abi.SHAP_BATCH,
    "skt_lookup_group": abi.LOOKUP_GROUP,
}
needs_kernels = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")


@pytest.mark.skipif(not HEADER.exists(), reason="the sources of the kernels are not here")
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_match_the_c_header(name):
    kinds = {"double": "f8", "int64_t": "i8", "uint32_t": "u4", "int32_t": "i4", "uint8_t": "u1"}
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.DOTALL)
    (body,) = re.findall(r"typedef struct \{([^}]*)\} " + name + ";", text)
    fields = [line.split() for line in map(str.strip, body.split(";")) if line]
    assert [(field, np.dtype(kinds[kind])) for kind, field in fields] == [
        (field, LAYOUTS[name][field]) for field in LAYOUTS[name].names
    ]


def forest_and_paths():
    rng = np.random.default_rng(21)
    forest = random_forest(rng, n_trees=6, max_depth=6, n_features=3, n_outputs=2, single_leaf="none", cover=True)
    return forest, PathTables.of(forest.trees, tables.identity_players(forest.trees))


def path_tables():
    forest, paths = forest_and_paths()
    return path_structure(forest.trees, paths, 3, "float64")


def lookup_tables():
    forest, _ = forest_and_paths()
    rows = Rows(random_rows(forest, np.random.default_rng(1), 5))
    made = InterventionalExplainer(forest, tables.identity_players(forest.trees), 3, rows)
    return made._lookup.structure(forest.trees, "float64")


def array(structure, field, dtype, length):
    """An array that a structure points at, to write into."""
    at = getattr(structure, field)
    at = at if isinstance(at, int) else ctypes.cast(at, ctypes.c_void_p).value
    held = (ctypes.c_byte * (np.dtype(dtype).itemsize * length)).from_address(at)
    return np.frombuffer(held, dtype=dtype)


FIELDS = {  # a field of the structure, what it is made, the error
    "no outputs": ("n_outputs", 0, 500),
    "leaves of three values": ("n_leaf_outputs", 3, 500),
    "more players in use than there are": ("n_used", 4, 501),
    "no players": ("used", None, 501),
    "trees that begin nowhere": ("tree_node", None, 502),
    "no depths": ("tree_depth", None, 502),
    "fewer nodes than said": ("n_nodes", 5, 502),
    "fewer outputs than trees add to": ("n_outputs", 1, 503),
    "no points": ("points", None, 504),
    "fewer points than said": ("n_points", 2, 504),
    "no nodes": ("nodes", None, 505),
    "fewer constants than said": ("n_constants", 0, 509),
    "fewer leaves than said": ("n_leaves", 2, 511),
    "codes without columns": ("code_column", None, 202),
}
NODES = {  # a field of the last node that is a repeated split, what it is made, the error
    "a share that is none": ("share", 1.5, 505),
    "a share that is no number": ("share", np.nan, 505),
    "a player out of range": ("player", 3, 501),
    "a slot out of range": ("slot", 2**16, 510),
    "a child before its node": ("left", 0, 506),
    "a leaf out of range": ("right", -(2**30), 511),
    "a previous split behind the node": ("previous", 2**20, 508),
    "constants out of range": ("constants", 2**40, 509),
    "a kind of other children": ("kind", 255, 507),
    "another depth": ("depth", 3000, 502),
    "another side": ("is_right", 7, 506),
}


@needs_kernels
def test_valid_tables_are_accepted():
    kernels = loader.library()
    assert kernels.check_shap(ctypes.addressof(structure := path_tables())) == 0, structure
    assert kernels.check_lookup(ctypes.addressof(structure := lookup_tables())) == 0, structure


@needs_kernels
@pytest.mark.parametrize("fault", FIELDS)
def test_field_out_of_range_is_refused_with_its_error_code(fault):
    field, value, number = FIELDS[fault]
    structure = path_tables()
    setattr(structure, field, value)
    assert loader.library().check_shap(ctypes.addressof(structure)) == number
    assert loader.library().message(number) != "unknown error"


@needs_kernels
@pytest.mark.parametrize("fault", NODES)
def test_damaged_node_is_refused_with_its_error_code(fault):
    field, value, number = NODES[fault]
    structure = path_tables()
    nodes = array(structure, "nodes", abi.SHAP_NODE, structure.n_nodes)
    nodes[field][np.flatnonzero(nodes["previous"] >= 0)[-1]] = value
    assert loader.library().check_shap(ctypes.addressof(structure)) == number


@needs_kernels
@pytest.mark.parametrize(
    ("field", "dtype", "length", "value", "number"),
    [
        ("term", np.int32, "n_terms", -1, 513),
        ("target", np.int32, "n_terms", 2**30, 513),
        ("parent", np.int32, "n_places", 2**30, 513),
        ("left", np.int32, "n_places", 0, 513),
        ("slot", np.int32, "n_places", -1, 510),
    ],
)
def test_damaged_tables_of_a_few_rows_are_refused_with_their_error_code(field, dtype, length, value, number):
    structure = path_tables()
    array(structure.flat, field, dtype, getattr(structure.flat, length))[0] = value
    assert loader.library().check_shap(ctypes.addressof(structure)) == number


@needs_kernels
@pytest.mark.parametrize(
    ("field", "value", "number"),
    [
        ("table", None, 514),
        ("n_groups", 3, 515),
        ("n_table", 8, 517),
        ("n_bits", 1, 518),
        ("n_values", 2, 517),
        ("n_conditions", 2, 518),
    ],
)
def test_damaged_tables_to_look_up_are_refused_with_their_error_code(field, value, number):
    structure = lookup_tables()
    setattr(structure, field, value)
    assert loader.library().check_lookup(ctypes.addressof(structure)) == number
    assert loader.library().message(number) != "unknown error"


@needs_kernels
@pytest.mark.parametrize("width", [1, 2, 4])
def test_rows_of_another_width_are_refused(width):
    forest, _ = forest_and_paths()
    made = NativeExplainer(forest, tables.identity_players(forest.trees), 3)
    for call in (made.values, made.interactions):
        with pytest.raises(ValueError, match="more or fewer columns"):
            call(Rows(np.zeros((4, width))), 1)
