"""The kernels of CUDA devices, compiled for the CPU and launched as they are on a device: every bit of every answer."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest
import stand_in_gpu as gpu
from agreement import same_bits
from forests import random_forest, random_rows
from layouts import column_major, row_major, strided
from reference import reference_apply, reference_leaves, reference_sum

from sktensor import Forest
from sktensor.backends.gpu import blocks, tables
from sktensor.backends.gpu.blocks import Block
from sktensor.backends.gpu.tables import Staging

pytestmark = gpu.needs_compiler

TILE = 256
SIZES = (0, 1, 31, 33, TILE - 1, TILE + 1, 5 * TILE + 3)
LAYOUTS = (row_major, column_major, strided)

# Of each combination, 304 in all, each in one layout; or as many as are wanted, each in all of them.
WANTED = os.environ.get("SKTENSOR_GPU_FORESTS")
FORESTS = int(WANTED or 19)

COMBINATIONS = list(itertools.product(("lt", "le"), ("float32", "float64"), ("u8", "u16"), ("staged", "not staged")))


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of 256 rows, and a device that runs one block at a time."""
    monkeypatch.setattr(blocks, "BLOCKS", (Block(64, 4),))
    with gpu.numbers(processors=1, shared_per_processor=1):
        yield


def only(monkeypatch, kernel):
    """Have one of the two kernels take any number of rows."""
    monkeypatch.setattr(blocks, "FEW_PER_PROCESSOR", 10**9 if kernel == "few" else -1)


def room_for_nodes(monkeypatch, n_bytes):
    """Room for nodes in shared memory, as groups of trees are made for it."""
    real = blocks.staging
    monkeypatch.setattr(blocks, "staging", lambda feature_bytes: Staging(n_bytes, real(feature_bytes).n_thresholds))


@pytest.mark.parametrize(("cmp", "dtype", "codes", "staged"), COMBINATIONS)
def test_sums_of_random_forests_have_the_bits_of_the_reference(cmp, dtype, codes, staged, small_tiles, monkeypatch):
    if codes == "u16":
        monkeypatch.setattr(tables, "MOST_NARROW", 0)
    if staged == "not staged":
        room_for_nodes(monkeypatch, 16)
    for i in range(FORESTS):
        rng = np.random.default_rng([i, COMBINATIONS.index((cmp, dtype, codes, staged))])
        acc_dtype = ("float32", "float64")[i % 2]
        forest = random_forest(
            rng, n_trees=1 + i % 7, max_depth=1 + i % 9, n_features=1 + i % 5, cmp=cmp, feature_dtype=dtype,
            threshold_dtype=dtype, acc_dtype=acc_dtype, chain=i % 5 == 4, n_outputs=1 + i % 3,
        )  # fmt: skip
        if staged == "staged" and i % 3 == 0:
            room_for_nodes(monkeypatch, 4096)
        with np.errstate(over="ignore"):
            X = random_rows(forest, rng, SIZES[-1]).astype(dtype)
        expected = reference_sum(forest, X)
        for kernel in ("many", "few"):
            only(monkeypatch, kernel)
            there = gpu.on_device(forest)
            for n in SIZES:
                for layout in LAYOUTS if WANTED else LAYOUTS[i % 3 : i % 3 + 1]:
                    same_bits(gpu.sums(there, forest, layout(X[:n])), expected[:n])


RULES = {
    "categories of LightGBM": {"categorical": True},
    "categories of XGBoost": {"categorical": True, "cat_mode": "xgb", "cmp": "lt", "feature_dtype": "float32"},
    "zeros": {"zero_dir": True},
    "zeros and tiny values": {"zero_dir": True, "flush_tiny": True},
    "a missing value": {"missing_value": -999.0},
    "a missing value that float32 lacks": {"missing_value": 0.1, "categorical": True},
    "no missing values": {"missing": False},
    "vectors": {"n_outputs": 3, "vector": True, "n_trees": 9},
    "vectors of float32": {"n_outputs": 11, "vector": True, "acc_dtype": "float32"},
    "vectors of float64": {"n_outputs": 6, "vector": True, "categorical": True},
    "outputs": {"n_outputs": 5, "n_trees": 23},
    "leaves only": {"single_leaf": "all"},
    "chains": {"chain": True, "max_depth": 40},
    "many columns": {"n_features": 70, "n_trees": 60, "max_depth": 5},
    "large trees": {"n_trees": 2, "max_depth": 13, "n_features": 2},
    "many groups": {"n_trees": 200, "max_depth": 6, "n_outputs": 2},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_of_a_forest_is_followed(rule, dtype, small_tiles, monkeypatch):
    rng = np.random.default_rng(sorted(RULES).index(rule))
    forest = random_forest(rng, **RULES[rule])
    with np.errstate(over="ignore"):
        X = random_rows(forest, rng, TILE + 40).astype(dtype)
    expected, numbers = reference_sum(forest, X), forest.trees.leaf_id[reference_leaves(forest, X)]
    for kernel in ("many", "few"):
        only(monkeypatch, kernel)
        there = gpu.on_device(forest)
        same_bits(gpu.sums(there, forest, X), expected)
        np.testing.assert_array_equal(gpu.leaves(there, forest, X), numbers)


def as_dtype(X, dtype):
    """Numbers of X, and the array of them as it lies on a device, bit patterns where numpy lacks the dtype."""
    if dtype == "bfloat16":
        bits = X.astype(np.float32).view(np.uint32) >> 16
        return (bits << 16).astype(np.uint32).view(np.float32), bits.astype(np.uint16)
    if dtype not in ("float16", "float32", "float64"):
        info = np.iinfo(dtype if dtype != "bool" else np.uint8)
        X = np.clip(np.nan_to_num(X), float(max(info.min, -(2**62))), float(min(info.max, 2**62)))
    found = X.astype(dtype)
    return found, found


@pytest.mark.parametrize("kernel", ["many", "few"])
@pytest.mark.parametrize(
    "dtype",
    ["float16", "bfloat16", "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"],
)
def test_rows_of_every_dtype_are_cast_as_the_library_does(dtype, kernel, small_tiles, monkeypatch):
    only(monkeypatch, kernel)
    rules = (
        {"feature_dtype": "float32", "threshold_dtype": "float32"},
        {"feature_dtype": "float64"},
        {"feature_dtype": "float64", "ints_as_float32": True, "flush_tiny": True},
    )
    for seed, rule in enumerate(rules):
        rng = np.random.default_rng([seed, 7])
        forest = random_forest(rng, max_depth=5, n_features=3, **rule)
        with np.errstate(over="ignore"):
            X = np.concatenate([random_rows(forest, rng, 100), 1e3 * rng.normal(size=(100, 3))])
            if dtype.endswith("64"):
                X = np.concatenate([X, rng.integers(-(2**62), 2**62, (60, 3)).astype(float)])
            if dtype == "float16":
                X = np.concatenate([X, 1e-7 * rng.normal(size=(60, 3))])  # denormals
            values, lying = as_dtype(X, dtype)
        expected = reference_sum(forest, values)
        same_bits(gpu.sums(gpu.on_device(forest), forest, np.ascontiguousarray(lying), dtype), expected)


def test_every_float16_number_is_cast_exactly(small_tiles):
    """A chain of trees that tells of each number whether it exceeds one of 200 thresholds."""
    numbers = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = np.sort(numbers[np.isfinite(numbers)].astype(np.float32))
    thresholds = np.random.default_rng(0).choice(finite, 200)
    thresholds = np.concatenate([thresholds, [5.9604645e-08, 6.097555e-05, 65504.0, 0.0, np.inf, -np.inf]])
    nodes = [
        {"feature": 0, "threshold": float(t), "left": {"value": 2.0**-i}, "right": {"value": -1.0}, "nan_left": True}
        for i, t in enumerate(thresholds)
    ]
    forest = Forest.from_trees(nodes, n_features=1, feature_dtype="float32", acc_dtype="float64")
    X = numbers[:, None]
    same_bits(gpu.sums(gpu.on_device(forest), forest, X), reference_sum(forest, X))


@pytest.mark.parametrize("kernel", ["many", "few"])
@pytest.mark.parametrize("vector", [False, True])
def test_sums_start_from_margins_in_place_of_the_base(vector, kernel, small_tiles, monkeypatch):
    only(monkeypatch, kernel)
    rng = np.random.default_rng(3)
    forest = random_forest(rng, n_outputs=3, n_trees=40, max_depth=3, vector=vector, acc_dtype="float32")
    X = random_rows(forest, rng, 70)
    start = rng.normal(size=(70, 3)).astype(np.float32)
    expected = np.concatenate([reference_sum(forest.replace(base=b), x[None]) for b, x in zip(start, X, strict=True)])
    same_bits(gpu.sums(gpu.on_device(forest), forest, X, start=start), expected)


@pytest.mark.parametrize("block", blocks.BLOCKS, ids=str)
def test_every_shape_of_a_block_gives_the_same_bits(block, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCKS", (block,))
    only(monkeypatch, "many")
    rng = np.random.default_rng(5)
    for narrow in (tables.MOST_NARROW, 0):
        monkeypatch.setattr(tables, "MOST_NARROW", narrow)
        forest = random_forest(rng, n_trees=30, max_depth=6, n_features=20, acc_dtype="float32")
        X = random_rows(forest, rng, block.n_rows + 70)
        same_bits(gpu.sums(gpu.on_device(forest), forest, X), reference_sum(forest, X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_thresholds_beyond_shared_memory_are_searched_where_they_are(dtype, small_tiles, monkeypatch):
    """Features with more thresholds than fit, among others; and more features than pass through the buffer."""
    feature_bytes = np.dtype(dtype).itemsize
    monkeypatch.setattr(blocks, "STAGE_BYTES", (32 * 33 + 150) * feature_bytes)
    monkeypatch.setattr(blocks, "CHUNK", {4: 32, 8: 32})
    only(monkeypatch, "many")
    rng = np.random.default_rng(11)
    forest = random_forest(rng, n_trees=120, max_depth=5, n_features=40, feature_dtype="float64", cmp="lt")
    few = forest.trees.feature.copy()
    few[rng.random(len(few)) < 0.3] = 7
    few[rng.random(len(few)) < 0.3] = 39
    forest = forest.replace(feature=few)
    with np.errstate(over="ignore"):
        X = random_rows(forest, rng, 300).astype(dtype)
    there = gpu.on_device(forest)
    same_bits(gpu.sums(there, forest, X), reference_sum(forest, X))
    staged = blocks.staging(feature_bytes)
    made = tables.compile(forest.trees, dtype, staged)
    sizes = np.diff(made.source["first"][made.batch])
    assert (sizes > staged.n_thresholds).any() and (sizes <= staged.n_thresholds).any()


def test_a_row_with_too_many_codes_for_a_tile_goes_through_the_other_kernel(monkeypatch):
    monkeypatch.setattr(blocks, "FEW_PER_PROCESSOR", -1)
    rng = np.random.default_rng(8)
    forest = random_forest(rng, n_trees=60, max_depth=5, n_features=300)
    X = random_rows(forest, rng, 70)
    with gpu.numbers(shared_per_block=blocks.STAGE_BYTES + 4096):
        same_bits(gpu.sums(gpu.on_device(forest), forest, X), reference_sum(forest, X))
    with (
        gpu.numbers(shared_per_block=1024),
        pytest.raises(ValueError, match=r"codes, for which a block of the device has not enough.*backend='torch'"),
    ):
        gpu.sums(gpu.on_device(forest), forest, X)


def test_leaf_numbers_are_the_librarys(small_tiles):
    rng = np.random.default_rng(4)
    forest = random_forest(rng, n_trees=40, n_outputs=4, max_depth=6)
    X = random_rows(forest, rng, 400)
    expected = reference_apply(forest, X)
    np.testing.assert_array_equal(gpu.leaves(gpu.on_device(forest), forest, X), expected)
