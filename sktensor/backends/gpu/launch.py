"""A forest's tables on a device, and the kernels that run on them, each compiled when it is first needed."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from sktensor.backends.gpu import blocks, cubins, tables
from sktensor.backends.gpu.blocks import FewBlock
from sktensor.backends.gpu.driver import Device, Function
from sktensor.backends.gpu.nvrtc import Compiler
from sktensor.backends.gpu.variants import CTYPES, ITEMSIZE, Variant, compared_dtype, definitions, source
from sktensor.forest import Forest

__all__ = ["DeviceForest", "Matrix", "Upload"]

Array = Any

# A launch takes no more rows than this, so that the numbers of rows have room in 32 bits.
MOST_ROWS = 2**26

# Numbers of rows for which the launch is kept at hand.
LAUNCHES_KEPT = 256

POINTERS = (
    "source", "column", "threshold", "batch", "answer", "node", "value", "leaf", "tree", "group_tree", "group_node",
    "output_group", "output_tree", "base",
)  # fmt: skip
LIMITS = ("missing", "flush_limit", "zero_limit", "category_limit")
COUNTS = ("n_sources", "n_columns", "n_batches", "n_trees", "n_outputs")

Upload = Callable[[Any], tuple[int, Any]]
"""Copies a numpy array to the device: gives its address, and what keeps it there."""


@dataclass(frozen=True)
class Matrix:
    """Rows in the device's memory."""

    address: int
    dtype: str  # one of variants.DTYPES
    n_rows: int
    stride_row: int  # in numbers
    stride_column: int


class DeviceForest:
    """A forest on a device.

    Parameters
    ----------
    forest : Forest
        What to run; its trees are added up.
    device : Device
        Where.
    compiler : Compiler
        What makes the kernels.
    upload : callable
        An :data:`Upload`.
    """

    def __init__(self, forest: Forest, device: Device, compiler: Compiler, upload: Upload) -> None:
        self._forest = forest
        self._device = device
        self._compiler = compiler
        self._upload = upload
        self._lock = threading.RLock()
        self._tables: dict[str, _DeviceTables] = {}
        self._functions: dict[Variant, Function] = {}
        self._launches: dict[tuple[str, bool, int, float], _Launch] = {}

    def sums(self, X: Matrix, out: int, stream: int, flush_limit: float, start: int = 0) -> None:
        """Start writing the sums over trees, shape (n, K) in C order, to an address.

        Parameters
        ----------
        X : Matrix
            The rows, with all columns that the trees know.
        out : int
            Where the sums go, of the forest's acc_dtype.
        stream : int
            The handle of the stream that does it.
        flush_limit : float
            The absolute value up to which a number is 0.0; negative for none.
        start : int, optional
            The address of what the sums start from, shape (n, K), in place of the base.
        """
        row_bytes = np.dtype(self._forest.trees.acc_dtype).itemsize * self._forest.n_outputs
        self._run(X, out, row_bytes, stream, flush_limit, start, leaves=False)

    def leaves(self, X: Matrix, out: int, stream: int, flush_limit: float) -> None:
        """Start writing the library's leaf numbers, int32, shape (n, T) in C order, to an address."""
        self._run(X, out, np.dtype(np.int32).itemsize * self._forest.n_trees, stream, flush_limit, 0, leaves=True)

    def _run(
        self, X: Matrix, out: int, row_bytes: int, stream: int, flush_limit: float, start: int, *, leaves: bool
    ) -> None:
        for first in range(0, X.n_rows, MOST_ROWS):
            n_rows = min(MOST_ROWS, X.n_rows - first)
            launch = self._launch(X.dtype, leaves, n_rows, flush_limit)
            launch.function.launch(
                launch.n_blocks,
                stream,
                (
                    launch.tables,
                    ctypes.c_void_p(X.address + first * X.stride_row * ITEMSIZE[X.dtype]),
                    ctypes.c_longlong(X.stride_row),
                    ctypes.c_longlong(X.stride_column),
                    ctypes.c_int(n_rows),
                    ctypes.c_void_p(start + first * row_bytes if start else None),
                    ctypes.c_void_p(out + first * row_bytes),
                    *launch.more,
                ),
            )

    def _launch(self, dtype: str, leaves: bool, n_rows: int, flush_limit: float) -> _Launch:
        """What rows of a dtype start, kept for the next ones."""
        key = dtype, leaves, n_rows, flush_limit
        if (found := self._launches.get(key)) is None:
            found = self._prepared(*key)
            if len(self._launches) >= LAUNCHES_KEPT:
                self._launches.clear()
            self._launches[key] = found
        return found

    def _prepared(self, dtype: str, leaves: bool, n_rows: int, flush_limit: float) -> _Launch:
        found = self._tables_for(compared_dtype(self._forest, dtype))
        block = blocks.best_block(found.host, self._device.shared_bytes, self._device.n_processors, n_rows)
        if block is None:
            raise ValueError(
                f"A row has {found.host.n_columns:,} codes, for which a block of the device has not enough shared "
                f"memory ({self._device.shared_bytes:,} bytes). Use backend='torch'."
            )
        function = self._function(found.host, Variant(dtype, leaves, block))
        n_blocks = min(-(-n_rows // block.n_rows), function.blocks_at_once)
        more = (ctypes.c_int(block.log_rows),) if isinstance(block, FewBlock) else ()
        return _Launch(function, n_blocks, found.structure(leaves, flush_limit), more)

    def _tables_for(self, compared: Literal["float32", "float64"]) -> _DeviceTables:
        with self._lock:
            if (found := self._tables.get(compared)) is None:
                found = self._tables[compared] = _DeviceTables(self._forest, compared, self._upload)
            return found

    def _function(self, host: tables.ForestTables, variant: Variant) -> Function:
        with self._lock:
            if (found := self._functions.get(variant)) is None:
                target = self._compiler.target(self._device.compute_capability)
                image = cubins.compiled(self._compiler, source(), definitions(self._forest, host, variant), target)
                shared_bytes = variant.block.shared_bytes(host)
                found = self._device.load(image, variant.name, variant.threads, shared_bytes)
                self._functions[variant] = found
            return found


@dataclass(frozen=True)
class _Launch:
    """A kernel, its blocks, its tables, and what it is told behind the rows."""

    function: Function
    n_blocks: int
    tables: ctypes.Structure
    more: tuple[Any, ...]


class _DeviceTables:
    """Tables for comparisons in one dtype; what only leaf numbers need is uploaded when they are asked for."""

    def __init__(self, forest: Forest, compared: Literal["float32", "float64"], upload: Upload) -> None:
        self._forest = forest
        self._compared = compared
        self._upload = upload
        self._kept: list[Any] = []
        self.host = tables.compile(forest.trees, compared, blocks.staging(np.dtype(compared).itemsize))
        host = self.host
        arrays = {name: getattr(host, name) for name in POINTERS}
        if not host.is_vector:
            del arrays["leaf"]
        self._addresses = {name: self._placed(array) for name, array in arrays.items()}
        self._for_leaves: dict[str, int] = {}

    def _placed(self, array: Any) -> int:
        address, keeper = self._upload(np.ascontiguousarray(array))
        self._kept.append(keeper)
        return address

    def structure(self, leaves: bool, flush_limit: float) -> ctypes.Structure:
        """The tables as a kernel is told."""
        host = self.host
        if leaves and not self._for_leaves:
            self._for_leaves = {
                "leaf": self._placed(self._forest.trees.leaf_id[host.leaf]),
                "output_group": self._placed(np.array([0, len(host.group_tree) - 1], dtype=np.int32)),
                "output_tree": self._placed(np.array([0, len(host.tree)], dtype=np.int32)),
            }
        missing = self._forest.inputs.missing_value
        return _structure(self._compared)(
            **(self._addresses | self._for_leaves if leaves else self._addresses),
            missing=np.nan if missing is None else _equal_number(missing, self._forest, self._compared),
            flush_limit=_at_most(flush_limit, self._compared),
            zero_limit=_at_most(host.zero_limit, self._compared),
            category_limit=host.category_limit,
            n_sources=len(host.source) - 1,
            n_columns=host.n_columns,
            n_batches=len(host.batch) - 1,
            n_trees=len(host.tree),
            n_outputs=host.n_outputs,
        )


@cache
def _structure(compared: str) -> type[ctypes.Structure]:
    """``Tables`` of forest.cu."""
    layout: list[tuple[str, Any]] = [(name, ctypes.c_void_p) for name in POINTERS]
    layout += [(name, CTYPES[compared]) for name in LIMITS]
    layout += [(name, ctypes.c_int) for name in COUNTS]
    return type("TablesStructure", (ctypes.Structure,), {"_fields_": layout})


def _equal_number(value: float, forest: Forest, compared: str) -> float:
    """What numbers of the dtype of the comparison equal iff they equal a value in the dtype of the features."""
    with np.errstate(over="ignore"):
        seen = float(np.dtype(forest.trees.feature_dtype).type(value))
        return seen if float(np.dtype(compared).type(seen)) == seen else np.nan


def _at_most(limit: float, compared: str) -> float:
    """The greatest number of a dtype that is not greater than a limit."""
    with np.errstate(over="ignore"):
        rounded = np.dtype(compared).type(limit)
    return float(np.nextafter(rounded, rounded.dtype.type(-np.inf)) if float(rounded) > limit else rounded)
