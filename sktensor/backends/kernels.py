"""The native backend of the CPU: a forest's tables for the kernels, and the calls that run them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.backends import abi, cpu, cpu_bitsliced, cpu_traversal
from sktensor.backends.parts import parts_by_questions
from sktensor.forest import TINY, Forest
from sktensor.inputs import Columns, Rows, is_tensor
from sktensor.selection import take_trees
from sktensor.strategies import bitsliced
from sktensor.strategies.ranks import compile_ranks

__all__ = ["BitslicedKernel", "TraversalKernel"]

Array = npt.NDArray[Any]

# Planes that a block of rows keeps at hand: one bit a row and plane, so half of a usual second-level cache.
MOST_PLANES = 8192

NOTHING = -1.0  # no absolute value is at most that, so nothing is flushed


class BitslicedKernel:
    """Sums of a forest's trees through circuits.

    Parameters
    ----------
    forest : Forest
        What to run.
    """

    def __init__(self, forest: Forest) -> None:
        if forest.lin_off is not None:
            raise ValueError("strategy='bitsliced' has no kernel for linear leaves. Use 'tree_traversal', or 'auto'.")
        _, column, rank = compile_ranks(forest)
        trees = parts_by_questions(forest, column.astype(np.int64) << 32 | rank, MOST_PLANES)
        parts = [forest] if len(trees) == 1 else [take_trees(forest, part) for part in trees]
        last = len(parts) - 1
        self._calls = Calls(forest)
        self._tables = [
            cpu_bitsliced.structure(part, bitsliced.compile(part), is_first=i == 0, is_last=i == last)
            for i, part in enumerate(parts)
        ]
        self._addresses = [_checked(tables, _kernels().check_bitsliced, forest) for tables in self._tables]

    def total(self, rows: Rows, rows_per_batch: int, n_threads: int) -> Any:
        """The sum over trees, shape (n, K): a tensor where the rows are one, otherwise a numpy array."""
        return self._calls.sums(_kernels().run_bitsliced, self._addresses, rows, n_threads)


class TraversalKernel:
    """Sums and leaves of a forest's trees by walking them.

    Parameters
    ----------
    forest : Forest
        What to run.
    rows_dtype : {"float32", "float64"}
        Dtype of the rows that it is for; where the forest compares float32 numbers, one does for both.
    """

    def __init__(self, forest: Forest, rows_dtype: str = "float32") -> None:
        tables = cpu_traversal.compile(forest, rows_dtype)
        self._calls = Calls(forest)
        self._tables = cpu_traversal.structure(tables)
        self._tree_number = tables.tree_number
        self._leaf_id = forest.leaf_id
        self._address = _checked(self._tables, _kernels().check_traversal, forest)

    def total(self, rows: Rows, rows_per_batch: int, n_threads: int) -> Any:
        """The sum over trees, shape (n, K): a tensor where the rows are one, otherwise a numpy array."""
        return self._calls.sums(_kernels().run_traversal, [self._address], rows, n_threads)

    def leaves(self, rows: Rows, rows_per_batch: int, n_threads: int) -> Any:
        """The library's leaf numbers, int32, shape (n, T)."""
        out = np.empty((len(rows), len(self._tree_number)), dtype=np.int32)
        kernels, numbers = _kernels(), cpu.address(self._tree_number)

        def run(tables: int, X: bytes, features: int, target: int, threads: int, isa: int) -> int:
            return kernels.run_leaves(tables, X, features, numbers, target, threads, isa)  # type: ignore[no-any-return]

        self._calls.run(run, [self._address], rows, out, n_threads)
        return _like(rows, self._leaf_id[out])


class Calls:
    """What calls for a forest have in common.

    Parameters
    ----------
    forest : Forest
        Whose rows and sums.
    """

    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        self.features = abi.DTYPES[forest.feature_dtype]
        self.acc_dtype = np.dtype(forest.acc_dtype)

    def sums(self, call: Callable[..., int], tables: Sequence[int], rows: Rows, n_threads: int) -> Any:
        """Sums over trees, of tables that continue each other's, shape (n, K)."""
        out = np.empty((len(rows), self.forest.n_outputs), dtype=self.acc_dtype)
        self.run(call, tables, rows, out, n_threads)
        return _like(rows, out)

    def run(self, call: Callable[..., int], tables: Sequence[int], rows: Rows, out: Array, n_threads: int) -> None:
        """Call a kernel for all rows, tables after tables."""
        isa, forest = _kernels().isa, self.forest
        flush = TINY if forest.flush_tiny and rows.flush else NOTHING
        for first, X in rows.arrays(forest):
            if isinstance(X, Columns):
                columns = cpu.packed_columns(X.arrays)  # which has to stay until the call is over
                packed = cpu.packed_frame(columns, len(X), forest.missing_value, flush)
            else:
                packed = cpu.packed_rows(X, forest.missing_value, flush)
            target = cpu.address(out[first:])
            for address in tables:
                if error := call(address, packed, self.features, target, n_threads, isa):
                    raise MemoryError if error == abi.NO_MEMORY else RuntimeError(_kernels().message(error))


def _kernels() -> cpu.Library:
    found = cpu.library()
    if found is None:  # a pickle from another machine is the one way here
        raise ValueError(f"backend='native' has no kernels here: {cpu.why_missing()}. Use backend='torch' or 'auto'.")
    return found


def _checked(tables: ctypes.Structure, check: Callable[..., int], forest: Forest) -> int:
    """The address of tables that hold together."""
    address = ctypes.addressof(tables)
    if error := check(address, forest.n_features):
        raise RuntimeError(f"Tables for the CPU kernels do not hold together: {_kernels().message(error)}.")
    return address


def _like(rows: Rows, out: Array) -> Any:
    """The answer as the rows came: a tensor on their device, or an array."""
    if not is_tensor(rows.data):
        return out
    import torch

    return torch.from_numpy(out).to(rows.data.device)
