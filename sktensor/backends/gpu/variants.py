"""Variants of the kernels: what their source is compiled with for a forest, a dtype of X and a shape of blocks."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import numpy as np

from sktensor.backends.gpu import blocks
from sktensor.backends.gpu.blocks import FEW, Block, FewBlock, min_blocks, outputs_at_once
from sktensor.backends.gpu.tables import ForestTables
from sktensor.forest import Forest

__all__ = ["CTYPES", "DTYPES", "ITEMSIZE", "Variant", "compared_dtype", "definitions", "source"]

DTYPES = {
    "float32": "float",
    "float64": "double",
    "float16": "unsigned short",
    "bfloat16": "unsigned short",
    "bool": "unsigned char",
    "uint8": "unsigned char",
    "int8": "signed char",
    "uint16": "unsigned short",
    "int16": "short",
    "uint32": "unsigned int",
    "int32": "int",
    "uint64": "unsigned long long",
    "int64": "long long",
}
"""The dtypes of X that the kernels read, and what C++ calls them."""

ITEMSIZE = {name: 2 if name == "bfloat16" else np.dtype(name).itemsize for name in DTYPES}

CTYPES = {"float32": ctypes.c_float, "float64": ctypes.c_double}

# Whose bits are read as integers, and how forest.cu numbers them.
FORMATS = {"float16": 1, "bfloat16": 2}

# Dtypes whose numbers are all float32 numbers.
IN_FLOAT32 = ("float32", "float16", "bfloat16", "bool", "uint8", "int8", "uint16", "int16")

# Dtypes that LightGBM's Python package does not hand over as float32 first.
AS_THEY_ARE = ("float32", "float64")


@cache
def source() -> str:
    """The kernels' source."""
    return resources.files("sktensor.backends.gpu").joinpath("forest.cu").read_text(encoding="utf-8")


def compared_dtype(forest: Forest, dtype: str) -> Literal["float32", "float64"]:
    """The dtype in which numbers of a dtype may be compared, such that no comparison changes."""
    if forest.trees.feature_dtype == "float32" or dtype in IN_FLOAT32:
        return "float32"
    return "float32" if forest.inputs.ints_as_float32 and dtype not in AS_THEY_ARE else "float64"


@dataclass(frozen=True)
class Variant:
    """One of the kernels.

    Attributes
    ----------
    dtype : str
        Of X, one of `DTYPES`.
    leaves : bool
        Whether leaves are wanted in place of sums.
    block : Block or FewBlock
        The shape of its blocks.
    """

    dtype: str
    leaves: bool
    block: Block | FewBlock

    @property
    def name(self) -> str:
        """The kernel's name in the source."""
        return "forest_few" if isinstance(self.block, FewBlock) else "forest_many"

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return FEW if isinstance(self.block, FewBlock) else self.block.threads


def definitions(forest: Forest, tables: ForestTables, variant: Variant) -> list[str]:
    """What the source is compiled with, each as ``"NAME=value"``; nothing of a model but its dtypes and rules."""
    compared = compared_dtype(forest, variant.dtype)
    through_float32 = forest.inputs.ints_as_float32 and variant.dtype not in AS_THEY_ARE
    acc = DTYPES[tables.base.dtype.name]
    vector = 0 if variant.leaves else outputs_at_once(tables)
    block = Block(FEW, 1) if isinstance(variant.block, FewBlock) else variant.block
    feature_bytes = np.dtype(compared).itemsize
    values = {
        "X": DTYPES[variant.dtype],
        "X_FORMAT": FORMATS.get(variant.dtype, 0),
        "THROUGH": "float" if through_float32 else DTYPES[variant.dtype],
        "FEATURE": DTYPES[compared],
        "TRUNCATE": "truncf" if compared == "float32" else "trunc",
        "RIGHT": int(tables.right),
        "MISSING": int(forest.inputs.missing_value is not None),
        "FLUSH": int(forest.inputs.flush_tiny),
        "ZEROS": int(tables.has_zeros),
        "CATEGORIES": int(len(tables.answer) > 0),
        "TRUNCATE_FIRST": int(tables.truncate_first),
        "ACC": acc,
        "VECTOR": vector,
        "LEAVES": int(variant.leaves),
        "CODE": "unsigned char" if tables.code_bytes == 1 else "unsigned short",
        "CODE_BYTES": tables.code_bytes,
        "NODE64": int(tables.shift == 0),
        "SHIFT": tables.shift or 1,
        "THREADS": block.threads,
        "MIN_BLOCKS": min_blocks(block.threads, vector > 0),
        "R": block.rows_per_thread,
        "STAGED": int(tables.fits),
        "STAGE_BYTES": blocks.STAGE_BYTES,
        "CHUNK": block.chunk(feature_bytes),
        "FEW": int(isinstance(variant.block, FewBlock)),
    }
    return [f"{name}={value}" for name, value in values.items()]
