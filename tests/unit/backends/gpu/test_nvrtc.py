"""The kernels compiled by NVRTC, which needs no device: registers, spills and shared memory are what they are to be."""

from __future__ import annotations

import re

import numpy as np
import pytest
from forests import random_forest

from sktensor.backends.gpu import blocks, libraries, tables
from sktensor.backends.gpu.blocks import BLOCKS, Block, FewBlock
from sktensor.backends.gpu.nvrtc import Compiler, find_compiler
from sktensor.backends.gpu.variants import DTYPES, Variant, compared_dtype, definitions, source

ANY_DRIVER = (99, 0)
COMPILER = find_compiler(ANY_DRIVER)

pytestmark = pytest.mark.skipif(not isinstance(COMPILER, Compiler), reason="NVRTC is not installed")

ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "sm_120")

FLOAT32 = {"feature_dtype": "float32", "threshold_dtype": "float32", "acc_dtype": "float32", "cmp": "lt"}
EVERY_RULE = {"categorical": True, "zero_dir": True, "flush_tiny": True, "missing_value": -1.0}
MANY, SMALL, FEW = Block(512, 4), Block(256, 4), FewBlock(0)

# The forest, the variant of the kernel, and the registers that a thread may take.
CASES = {
    "float32": (FLOAT32, Variant("float32", False, MANY), 64),
    "float64": ({}, Variant("float64", False, MANY), 64),
    "every rule": (EVERY_RULE, Variant("float64", False, SMALL), 64),
    "large trees": (FLOAT32 | {"max_depth": 16, "n_trees": 1, "n_features": 2}, Variant("float32", False, MANY), 64),
    "leaves": (FLOAT32, Variant("float32", True, MANY), 64),
    "vectors of float32": (FLOAT32 | {"n_outputs": 9, "vector": True}, Variant("float32", False, SMALL), 128),
    "vectors of float64": ({"n_outputs": 9, "vector": True}, Variant("float32", False, SMALL), 128),
    "few": (FLOAT32, Variant("float32", False, FEW), 64),
    "few, vectors": ({"n_outputs": 9, "vector": True}, Variant("float64", False, FEW), 64),
    "few, leaves": (EVERY_RULE, Variant("float16", True, FEW), 64),
}


def compiled(rules, variant, architecture):
    """The code, and what the compiler says of it."""
    forest = random_forest(np.random.default_rng(0), **rules)
    compared = compared_dtype(forest, variant.dtype)
    made = tables.compile(forest.trees, compared, blocks.staging(np.dtype(compared).itemsize))
    return COMPILER.compile(source(), definitions(forest, made, variant), architecture)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("case", CASES)
def test_kernels_spill_nothing_and_stay_within_their_registers(case, architecture):
    rules, variant, most = CASES[case]
    image, log = compiled(rules, variant, architecture)
    assert image.startswith(b"\x7fELF") and variant.name.encode() in image
    (registers,) = re.findall(r"Used (\d+) registers", log)
    assert int(registers) <= most
    assert set(re.findall(r"(\d+) bytes (?:stack frame|spill stores|spill loads)", log)) == {"0"}
    assert "smem" not in log  # all shared memory is that of the launch, whose size is the block's


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_of_x_is_compiled(dtype):
    image, _ = compiled({"ints_as_float32": True}, Variant(dtype, False, FEW), "sm_90")
    assert image.startswith(b"\x7fELF")


def test_for_a_newer_device_there_is_code_that_the_driver_finishes():
    target = COMPILER.target(990)
    assert target == f"compute_{COMPILER.architectures[-1]}"
    image, _ = compiled(FLOAT32, Variant("float32", False, FEW), target)
    assert image.startswith(b"//") and b".entry forest_few" in image


def test_shared_memory_is_within_what_a_block_may_have():
    """28 columns of codes of one byte: two blocks of the largest shape on processors of 164 KiB and more."""
    forest = random_forest(np.random.default_rng(0), n_features=28, n_trees=100, max_depth=6, missing=False, **FLOAT32)
    made = tables.compile(forest.trees, "float32", blocks.staging(4))
    assert made.n_columns == 28 and made.code_bytes == 1
    sizes = [block.shared_bytes(made) for block in BLOCKS]
    assert sizes == [blocks.STAGE_BYTES + 28 * block.n_rows for block in BLOCKS]
    assert 2 * (sizes[0] + 1024) <= 164 * 1024
    assert FewBlock(5).shared_bytes(made) <= 48 * 1024


def test_the_wheels_nvrtc_finds_its_own_functions():
    assert COMPILER.version >= (12, 0)
    assert any(libraries.nvrtc_candidates())
