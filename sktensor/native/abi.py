"""The structures of the native kernels' C interface, ``kernels/sktensor.h``, for ctypes.

Field for field what the header says; a structure keeps the arrays alive that it points into.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    Structure,
    c_double,
    c_float,
    c_int16,
    c_int32,
    c_int64,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = [
    "ABI", "AVX2", "AVX512", "BASELINE", "DTYPES", "FLOAT32", "FLOAT64", "FLOORS", "FLOOR_BITS", "LOOKUP_GROUP",
    "NODE", "NOT_FINITE", "NO_MEMORY", "SHAP_BATCH", "SHAP_NODE", "SHAP_RUN", "SIDES", "WIDTH", "BitslicedStructure",
    "CodesStructure", "ColumnStructure", "CsrStructure", "DenseStructure", "ExpfStructure", "KeysStructure",
    "LookupStructure", "RowsStructure", "ShapFlatStructure", "ShapStructure", "SumStructure", "TraversalStructure",
    "WalkStructure", "filled",
]  # fmt: skip

ABI = 17
FLOAT32, FLOAT64 = 0, 1
DTYPES = {"float32": FLOAT32, "float64": FLOAT64}
BASELINE, AVX2, AVX512 = 0, 1, 2
SIDES, FLOORS, FLOOR_BITS = 8, 3, 9  # of demultiplexers
NO_MEMORY, NOT_FINITE, WIDTH = 2, 5, 6  # the numbers of these errors

S = TypeVar("S", bound=Structure)


class ColumnStructure(Structure):
    """``skt_column``: one column of a frame."""

    _fields_ = (
        ("data", c_void_p),
        ("stride", c_int64),
        ("dtype", c_int32),
        ("reserved", c_int32),
    )


class RowsStructure(Structure):
    """``skt_rows``: rows of X, where they lie."""

    _fields_ = (
        ("data", c_void_p),
        ("columns", POINTER(ColumnStructure)),
        ("n_rows", c_int64),
        ("n_columns", c_int64),
        ("row_stride", c_int64),
        ("column_stride", c_int64),
        ("dtype", c_int32),
        ("has_missing", c_int32),
        ("missing", c_double),
        ("flush", c_double),
        ("must_be_finite", c_int32),
        ("below_exponent", c_int32),
    )


class CsrStructure(Structure):
    """``skt_csr``: a CSR matrix, where it lies."""

    _fields_ = (
        ("indptr", c_void_p),
        ("indices", c_void_p),
        ("values", c_void_p),
        ("n_rows", c_int64),
        ("n_columns", c_int64),
        ("n_entries", c_int64),
        ("index_bytes", c_int32),
        ("dtype", c_int32),
    )


class DenseStructure(Structure):
    """``skt_dense``: a dense block of some columns."""

    _fields_ = (
        ("place", c_void_p),
        ("values", c_void_p),
        ("n_rows", c_int64),
        ("n_places", c_int64),
        ("row_step", c_int64),
        ("place_step", c_int64),
        ("absent", c_double),
        ("dtype", c_int32),
        ("reserved", c_int32),
    )


class SumStructure(Structure):
    """``skt_sum``: where the sums over trees start, and where they go."""

    _fields_ = (
        ("base", c_void_p),
        ("acc_dtype", c_int32),
        ("n_outputs", c_int32),
        ("continues", c_int32),
        ("reserved", c_int32),
    )


class BitslicedStructure(Structure):
    """``skt_bitsliced``: trees as circuits over bit planes."""

    _fields_ = (
        ("n_columns", c_int64),
        ("n_searches", c_int32),
        ("right_if_equal", c_int32),
        ("search_column", POINTER(c_int32)),
        ("search_levels", POINTER(c_int32)),
        ("search_first", POINTER(c_int64)),
        ("thresholds32", POINTER(c_float)),
        ("thresholds64", POINTER(c_double)),
        ("n_thresholds", c_int64),
        ("search_codes", POINTER(c_int32)),
        ("n_codes", c_int32),
        ("code_nan", POINTER(c_uint8)),
        ("code_zero", POINTER(c_int16)),
        ("zero_limit", c_double),
        ("code_planes", POINTER(c_int32)),
        ("plane_rank", POINTER(c_uint8)),
        ("n_category_columns", c_int32),
        ("category_column", POINTER(c_int32)),
        ("category_count", POINTER(c_int32)),
        ("category_bytes", POINTER(c_int32)),
        ("category_first", POINTER(c_int64)),
        ("answers", POINTER(c_uint8)),
        ("n_answers", c_int64),
        ("category_planes", POINTER(c_int32)),
        ("truncate_first", c_int32),
        ("category_limit", c_double),
        ("n_planes", c_int32),
        ("n_pieces", c_int32),
        ("triples", POINTER(c_uint16)),
        ("piece_triples", POINTER(c_int32)),
        ("muxes", POINTER(c_uint16)),
        ("piece_muxes", POINTER(c_int32)),
        ("demuxes", POINTER(c_uint16)),
        ("piece_demuxes", POINTER(c_int32)),
        ("piece_bits", POINTER(c_int32)),
        ("piece_code", POINTER(c_uint16)),
        ("piece_first", POINTER(c_int64)),
        ("piece_output", POINTER(c_int32)),
        ("n_leaf_outputs", c_int32),
        ("values", c_void_p),
        ("n_values", c_int64),
        ("value_bytes", POINTER(c_uint8)),
        ("piece_bytes", POINTER(c_int64)),
        ("n_value_bytes", c_int64),
        ("sum", SumStructure),
    )


class CodesStructure(Structure):
    """``skt_codes``: how rows become codes."""

    _fields_ = (
        ("n_columns", c_int64),
        ("n_codes", c_int32),
        ("right_if_equal", c_int32),
        ("code_column", POINTER(c_int32)),
        ("code_slot", POINTER(c_int32)),
        ("code_nan", POINTER(c_uint32)),
        ("code_zero", POINTER(c_uint32)),
        ("code_has_zero", POINTER(c_uint8)),
        ("zero_limit", c_double),
        ("thresholds", POINTER(c_double)),
        ("code_first", POINTER(c_int64)),
        ("n_thresholds", c_int64),
        ("n_category_codes", c_int32),
        ("category_column", POINTER(c_int32)),
        ("category_slot", POINTER(c_int32)),
        ("category_count", POINTER(c_int32)),
        ("category_first", POINTER(c_int64)),
        ("answers", POINTER(c_uint8)),
        ("n_answers", c_int64),
        ("truncate_first", c_int32),
        ("category_limit", c_double),
        ("n_slots", c_int32),
        ("n_base_slots", c_int32),
    )


class TraversalStructure(Structure):
    """``skt_traversal``: trees as blocks of nodes to walk."""

    _anonymous_ = ("codes",)
    _fields_ = (
        ("codes", CodesStructure),
        ("n_trees", c_int32),
        ("blocks", c_void_p),  # of cpu_traversal.BLOCK
        ("wide_code", POINTER(c_uint16)),
        ("n_blocks", c_int64),
        ("tree_block", POINTER(c_int64)),
        ("tree_leaf", POINTER(c_int64)),
        ("tree_output", POINTER(c_int32)),
        ("leaf", POINTER(c_int32)),
        ("n_leaf_outputs", c_int32),
        ("value_number", POINTER(c_uint16)),
        ("values", c_void_p),
        ("n_values", c_int64),
        ("n_leaves", c_int64),
        ("linear_first", POINTER(c_int32)),
        ("linear_column", POINTER(c_int32)),
        ("linear_coef", POINTER(c_double)),
        ("linear_const", POINTER(c_double)),
        ("tops", POINTER(BitslicedStructure)),
        ("n_tops", c_int32),
        ("sum", SumStructure),
    )


# ``skt_shap_node``: a node as SHAP values are computed from it.
SHAP_NODE = np.dtype(
    [
        ("share", np.float64),
        ("constants", np.int64),
        ("key", np.uint32),
        ("slot", np.int32),
        ("player", np.int32),
        ("left", np.int32),
        ("right", np.int32),
        ("previous", np.int32),
        ("depth", np.int32),
        ("kind", np.uint8),
        ("is_right", np.uint8),
        ("previous_right", np.uint8),
        ("reserved", np.uint8),
    ]
)


# ``skt_shap_run`` and ``skt_shap_batch``: nodes in lanes, for a few rows.
SHAP_RUN = np.dtype(
    [
        ("first", np.int64),
        ("end", np.int64),
        ("constants", np.int64),
        ("repeated", np.int32),
        ("reserved", np.int32),
    ]
)
SHAP_BATCH = np.dtype(
    [
        ("first", np.int64),
        ("bottom", np.int64),
        ("end", np.int64),
        ("first_run", np.int64),
        ("end_run", np.int64),
        ("point", np.int64),
        ("n_points", np.int32),
        ("reserved", np.int32),
    ]
)


class ShapFlatStructure(Structure):
    """``skt_shap_flat``: trees for a few rows at a time, nodes in lanes."""

    _fields_ = (
        ("n_batches", c_int64),
        ("batches", c_void_p),  # of SHAP_BATCH
        ("n_runs", c_int64),
        ("runs", c_void_p),  # of SHAP_RUN
        ("n_places", c_int64),
        ("slot", POINTER(c_int32)),
        ("key", POINTER(c_uint32)),
        ("share", POINTER(c_double)),
        ("value_left", POINTER(c_double)),
        ("value_right", POINTER(c_double)),
        ("parent", POINTER(c_int32)),
        ("left", POINTER(c_int32)),
        ("right", POINTER(c_int32)),
        ("previous", POINTER(c_int32)),
        ("previous_right", POINTER(c_uint8)),
        ("n_terms", c_int64),
        ("term", POINTER(c_int32)),
        ("target", POINTER(c_int32)),
        ("constants", POINTER(c_double)),
        ("n_constants", c_int64),
    )


class ShapStructure(Structure):
    """``skt_shap``: trees as path-dependent SHAP values are computed from them."""

    _anonymous_ = ("codes",)
    _fields_ = (
        ("codes", CodesStructure),
        ("n_trees", c_int32),
        ("n_outputs", c_int32),
        ("n_leaf_outputs", c_int32),
        ("n_players", c_int32),
        ("n_used", c_int32),
        ("reserved", c_int32),
        ("used", POINTER(c_int32)),
        ("nodes", c_void_p),  # of SHAP_NODE
        ("tree_node", POINTER(c_int64)),
        ("tree_points", POINTER(c_int32)),
        ("tree_point", POINTER(c_int64)),
        ("tree_depth", POINTER(c_int32)),
        ("tree_output", POINTER(c_int32)),
        ("n_nodes", c_int64),
        ("points", POINTER(c_double)),
        ("n_points", c_int64),
        ("constants", POINTER(c_double)),
        ("n_constants", c_int64),
        ("values", POINTER(c_double)),
        ("n_leaves", c_int64),
        ("flat", ShapFlatStructure),
    )


# ``skt_lookup_group``: a tree, or a leaf with the way to it.
LOOKUP_GROUP = np.dtype(
    [
        ("first_bit", np.int64),
        ("first_value", np.int64),
        ("table", np.int64),
        ("n_bits", np.int32),
        ("n_values", np.int32),
    ]
)


class LookupStructure(Structure):
    """``skt_lookup``: SHAP values that are looked up."""

    _anonymous_ = ("codes",)
    _fields_ = (
        ("codes", CodesStructure),
        ("n_trees", c_int32),
        ("n_outputs", c_int32),
        ("n_players", c_int32),
        ("n_used", c_int32),
        ("used", POINTER(c_int32)),
        ("slot", POINTER(c_int32)),
        ("key", POINTER(c_uint32)),
        ("tree_question", POINTER(c_int64)),
        ("tree_group", POINTER(c_int64)),
        ("groups", c_void_p),  # of LOOKUP_GROUP
        ("bit_condition", POINTER(c_int64)),
        ("condition", POINTER(c_int32)),
        ("target", POINTER(c_int32)),
        ("table", POINTER(c_double)),
        ("n_questions", c_int64),
        ("n_groups", c_int64),
        ("n_bits", c_int64),
        ("n_conditions", c_int64),
        ("n_values", c_int64),
        ("n_table", c_int64),
    )


# ``skt_node``: a node that compares a value of X itself.
NODE = np.dtype([("threshold", np.float64), ("column", np.int32), ("child", np.int32, 2), ("missing_right", np.int32)])


class WalkStructure(Structure):
    """``skt_walk``: trees whose nodes compare values of X themselves."""

    _fields_ = (
        ("n_columns", c_int64),
        ("right_if_equal", c_int32),
        ("n_trees", c_int32),
        ("nodes", c_void_p),  # of NODE
        ("n_nodes", c_int64),
        ("root", POINTER(c_int32)),
        ("tree_output", POINTER(c_int32)),
        ("n_leaf_outputs", c_int32),
        ("values", c_void_p),
        ("n_leaves", c_int64),
        ("sum", SumStructure),
    )


class KeysStructure(Structure):
    """``skt_keys``: columns derived from keys."""

    _fields_ = (
        ("n_columns", c_int64),
        ("factor", c_uint64),
        ("n_keys", c_int32),
        ("n_parts", c_int32),
        ("key_parts", POINTER(c_int32)),
        ("part_column", POINTER(c_int32)),
        ("part_test", POINTER(c_int32)),
        ("part_hash", POINTER(c_uint64)),
        ("part_border", POINTER(c_float)),
        ("part_missing", POINTER(c_uint8)),
        ("places", c_void_p),  # of cpu_keys.PLACE
        ("n_places", c_int64),
        ("key_places", POINTER(c_int64)),
        ("key_bits", POINTER(c_int32)),
        ("n_derived", c_int64),
        ("key_columns", POINTER(c_int32)),
        ("column", POINTER(c_int32)),
        ("column_values", POINTER(c_int64)),
        ("values", POINTER(c_float)),
        ("n_values", c_int64),
    )


class ExpfStructure(Structure):
    """``skt_expf``: the C library's expf."""

    _fields_ = (
        ("power", c_double * 32),
        ("cubic", c_double * 3),
        ("scale", c_double),
    )


def filled(kind: type[S], **values: Any) -> S:
    """Fill a structure, with pointers at arrays.

    Parameters
    ----------
    kind : type
        A structure of this module.
    **values
        Its fields: numbers, structures, and for pointers numpy arrays, or None for NULL. Fields that are not named
        are 0 or NULL.

    Returns
    -------
    Structure
        Which keeps the arrays alive as long as it lives itself.

    Raises
    ------
    TypeError
        If an array has another dtype than the header says, or is not contiguous in C order.

    Examples
    --------
    >>> import numpy as np
    >>> base = np.array([0.5])
    >>> filled(SumStructure, base=base, acc_dtype=FLOAT64, n_outputs=1).n_outputs
    1
    """
    structure = kind()
    types = {name: type_ for name, type_, *_ in kind._fields_}
    kept = []
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            value = np.require(value, requirements=["ALIGNED"])  # which an array in the middle of a file may not be
            setattr(structure, name, _pointer(name, value, types[name]))
        else:
            setattr(structure, name, value)
        kept.append(value)
    structure.kept = tuple(kept)  # type: ignore[attr-defined]
    return structure


def _pointer(name: str, array: npt.NDArray[Any], kind: Any) -> Any:
    if kind is not c_void_p and array.dtype != np.dtype(kind._type_):
        raise TypeError(f"{name}: expected an array of {np.dtype(kind._type_)}, got {array.dtype}.")
    if not array.flags.c_contiguous:
        raise TypeError(f"{name}: expected an array that is contiguous in C order.")
    return ctypes.cast(array.ctypes.data, kind)
