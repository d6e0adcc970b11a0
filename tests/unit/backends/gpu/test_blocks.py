"""Which kernel and which shape of blocks is taken for how many rows."""

from __future__ import annotations

import numpy as np
import pytest
from forests import random_forest

from sktensor.backends.gpu import blocks, tables
from sktensor.backends.gpu.blocks import Block, FewBlock, best_block

# Shared memory of a block and processors of an H100 and of a smaller device.
LARGE, SMALL = (232_448, 132), (101_376, 46)


def made(n_features, narrow=True):
    """Tables with a code of one or two bytes for each feature."""
    rules = {"feature_dtype": "float32", "threshold_dtype": "float32", "missing": False, "max_depth": 4}
    forest = random_forest(np.random.default_rng(0), n_features=n_features, n_trees=20 + 2 * n_features, **rules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "MOST_NARROW", 255 if narrow else 0)
        found = tables.compile(forest.trees, "float32", blocks.staging(4))
    assert found.n_columns == n_features and found.code_bytes == 2 - narrow
    return found


@pytest.mark.parametrize(
    ("n_rows", "expected"),
    [
        (1, FewBlock(0)),
        (132, FewBlock(0)),
        (133, FewBlock(1)),
        (1000, FewBlock(3)),
        (128 * 132, FewBlock(5)),
        (128 * 132 + 1, Block(256, 4)),
        (132 * 1024, Block(256, 4)),
        (132 * 2048, Block(512, 4)),
        (10**9, Block(512, 4)),
    ],
)
def test_every_processor_has_a_block_and_blocks_are_as_large_as_that_allows(n_rows, expected):
    assert best_block(made(28), *LARGE, n_rows) == expected


@pytest.mark.parametrize("limits", [LARGE, SMALL])
@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("n_features", [1, 28, 100, 400])
def test_a_block_fits_into_shared_memory_whatever_the_columns(n_features, narrow, limits):
    found = made(n_features, narrow)
    for n_rows in (1, 100, 10**4, 10**6):
        block = best_block(found, *limits, n_rows)
        assert block is not None and block.shared_bytes(found) <= limits[0]


def test_columns_that_fit_into_no_tile_are_left_to_the_kernel_for_few_rows():
    found = made(700, narrow=False)
    assert isinstance(best_block(found, *SMALL, 10**6), FewBlock)
    assert best_block(found, 2000, 46, 10**6) is None


def test_outputs_of_leaves_are_summed_together_up_to_four():
    for n_outputs, expected in ((1, 0), (2, 2), (3, 4), (4, 4), (11, 4)):
        forest = random_forest(np.random.default_rng(0), n_outputs=n_outputs, vector=True)
        assert blocks.outputs_at_once(tables.compile(forest.trees, "float32", blocks.staging(4))) == expected
