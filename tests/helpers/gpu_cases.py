"""Small cases that go through every line of the GPU's kernels; in a process of its own, for sanitizers and mutants.

``python tests/helpers/gpu_cases.py [forest.cu]``, with the compiler's flags in ``STAND_IN_FLAGS``, loads neither torch
nor scikit-learn.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import stand_in_gpu as gpu
from forests import random_forest, random_rows
from reference import reference_leaves, reference_sum

from sktensor.backends.gpu import blocks, launch, tables
from sktensor.backends.gpu.blocks import Block

BLOCK = Block(64, 4)  # tiles of 256 rows
N_ROWS = 2 * BLOCK.n_rows + 65

# What makes the forest, then: which kernel, what is asked, room for nodes, most thresholds of codes of 8 bits, the
# dtype of the rows.
NARROW, WIDE = tables.MOST_NARROW, 0
FLOAT32 = {"feature_dtype": "float32", "threshold_dtype": "float32", "acc_dtype": "float32"}
CASES = {
    "u8 staged": (FLOAT32 | {"cmp": "lt", "n_outputs": 2, "n_trees": 12}, "many", "sums", 512, NARROW, "float32"),
    "u16 staged": (FLOAT32 | {"n_trees": 12, "max_depth": 5}, "many", "sums", 1024, WIDE, "float32"),
    "u16 not staged": (
        {"zero_dir": True, "categorical": True, "missing_value": -999.0, "flush_tiny": True, "max_depth": 9},
        *("many", "sums", 16, WIDE, "float64"),
    ),
    "u8 not staged": ({"n_trees": 4, "max_depth": 14}, "many", "sums", 16, NARROW, "float64"),
    "categories": (FLOAT32 | {"categorical": True, "cat_mode": "xgb"}, "many", "sums", 4096, NARROW, "float64"),
    # The last tree is the last leaf, so that every row reaches the end of the values.
    "vectors": (
        {"n_outputs": 5, "vector": True, "single_leaf": "last", "shuffle": False},
        "many",
        "sums",
        4096,
        NARROW,
        "float32",
    ),
    "leaves": ({"n_trees": 9, "n_outputs": 2}, "many", "leaves", 512, NARROW, "float32"),
    "leaves not staged": ({"n_trees": 9, "n_outputs": 2}, "many", "leaves", 16, NARROW, "float32"),
    "few": (FLOAT32 | {"cmp": "lt", "n_trees": 30, "n_outputs": 2}, "few", "sums", 512, NARROW, "float32"),
    "few, u16": ({"categorical": True, "n_trees": 20, "max_depth": 8}, "few", "sums", 512, WIDE, "float64"),
    "few, vectors": ({"n_outputs": 40, "vector": True, "n_trees": 20}, "few", "sums", 512, NARROW, "float32"),
    "few, leaves": ({"n_trees": 20, "n_outputs": 2}, "few", "leaves", 512, NARROW, "float32"),
    "many features": (
        {"n_features": 45, "n_trees": 80, "max_depth": 5},
        *("many", "sums", 4096, NARROW, "float32"),
    ),
}


def check(name):
    """Run a case; AssertionError where an answer has other bits than the reference."""
    rules, kernel, wanted, room, narrow, dtype = CASES[name]
    rng = np.random.default_rng(list(CASES).index(name))
    forest = random_forest(rng, **({"n_features": 3} | rules))
    if name == "many features":  # one of which has more thresholds than fit into shared memory
        forest = forest.replace(feature=np.where(rng.random(forest.n_nodes) < 0.4, 7, forest.trees.feature))
    with np.errstate(over="ignore"):
        X = random_rows(forest, rng, N_ROWS).astype(dtype)
    real = blocks.staging
    with (
        mock.patch.object(blocks, "BLOCKS", (BLOCK,)),
        mock.patch.object(blocks, "FEW_PER_PROCESSOR", 10**9 if kernel == "few" else -1),
        mock.patch.object(tables, "MOST_NARROW", narrow),
        mock.patch.object(blocks, "staging", lambda n: replace(real(n), n_bytes=room)),
        mock.patch.object(blocks, "STAGE_BYTES", 32 * 33 * 8 + 1024 if name == "many features" else blocks.STAGE_BYTES),
        mock.patch.object(blocks, "CHUNK", {4: 32, 8: 32} if name == "many features" else blocks.CHUNK),
        gpu.numbers(processors=1, shared_per_processor=1),
    ):
        there = gpu.on_device(forest)
        sizes = (1, 70) if kernel == "few" else (1, N_ROWS)
        for n in sizes:
            for rows in (X[:n], np.asfortranarray(X[:n])):
                if wanted == "leaves":
                    numbers = forest.trees.leaf_id[reference_leaves(forest, rows)]
                    assert (gpu.leaves(there, forest, rows) == numbers).all(), name
                    continue
                assert gpu.sums(there, forest, rows).tobytes() == reference_sum(forest, rows).tobytes(), name
                other = forest.replace(base=rng.normal(size=forest.n_outputs))
                start = np.repeat(other.trees.base[None], n, axis=0)
                found = gpu.sums(there, forest, rows, start=start)
                assert found.tobytes() == reference_sum(other, rows).tobytes(), name


def main():
    with tempfile.TemporaryDirectory() as cache, mock.patch.dict("os.environ", SKTENSOR_CACHE_DIR=cache):
        if len(sys.argv) > 1:
            text = Path(sys.argv[1]).read_text()
            mock.patch.object(launch, "source", lambda: text).start()
        for name in CASES:
            check(name)
            print(name, flush=True)
    print("all passed", flush=True)


if __name__ == "__main__":
    main()
