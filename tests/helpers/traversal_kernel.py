"""The structures of the traversal kernel, made by hand or from a forest."""

from __future__ import annotations

import ctypes
import dataclasses

import numpy as np
import pytest
from agreement import same_bits
from forests import random_rows
from reference import reference_leaves, reference_sum

from sktensor import Forest
from sktensor.backends.cpu import tops as cpu_tops
from sktensor.backends.cpu import traversal as cpu_traversal
from sktensor.forest import TINY
from sktensor.native import abi, loader

needs_kernels = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")
HERE = () if loader.library() is None else loader.INSTRUCTION_SETS[: loader.library().best + 1]
EVERY = range(len(HERE))


@dataclasses.dataclass
class Loaded:
    """A forest's tables as the kernel has them."""

    forest: Forest
    tables: cpu_traversal.TraversalTables
    structure: abi.TraversalStructure
    tops: object = None  # which the structure points into

    @classmethod
    def of(cls, forest, rows_dtype):
        tables = cpu_traversal.compile(forest.trees, rows_dtype)
        structure = cpu_traversal.structure(tables)
        tops = cpu_tops.attach(structure, cpu_tops.structures(forest.trees, tables)) if forest.n_trees else None
        error = error_of(structure)
        assert error == 0, loader.library().message(error)
        return cls(forest, tables, structure, tops)

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


def assert_as_reference(forest, X, n_threads=1, layout=lambda X: X):
    """Hold sums and leaves against the reference, in every instruction set."""
    with np.errstate(over="ignore"):
        seen = X.astype(forest.trees.feature_dtype)
    loaded = Loaded.of(forest, X.dtype.name)
    sums, leaves = reference_sum(forest, seen), reference_leaves(forest, seen)
    for isa in EVERY:
        found_sums, found_leaves = loaded.of_array(layout(X), isa, n_threads)
        np.testing.assert_array_equal(found_leaves, leaves)
        same_bits(found_sums, sums)


def rows_for(forest, rng, n, dtype, nan=True):
    with np.errstate(over="ignore"):
        return random_rows(forest, rng, n, nan=nan).astype(dtype)


def error_of(structure):
    return loader.library().check_traversal(ctypes.addressof(structure))
