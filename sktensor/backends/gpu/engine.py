"""The kernels of CUDA devices as an engine: what they could do for a forest, or why not, and what runs it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from sktensor.backends.gpu import tables
from sktensor.backends.gpu.driver import Device, Driver, DriverError
from sktensor.backends.gpu.memory import Memory
from sktensor.backends.gpu.nvrtc import CompilationError, Compiler, find_compiler
from sktensor.backends.gpu.runner import CudaForest, rows_in_a_piece
from sktensor.backends.workload import Workload
from sktensor.forest import Trees
from sktensor.strategies.auto import Option
from sktensor.strategies.costs import Cost
from sktensor.strategies.ranks import compile_ranks

__all__ = ["STRATEGIES", "build", "found", "options", "unavailable"]

STRATEGIES = ("tree_traversal",)

MOST_VARIANTS = 6  # columns of codes for one feature, see strategies.ranks
NODE_BYTES = 20.0  # of tables for each node and leaf: a node of 64 bits, a value and a leaf's number

# What forests with many nodes are refused for, since planning asks again for each number of rows.
_counted: weakref.WeakKeyDictionary[Trees, str] = weakref.WeakKeyDictionary()


def unavailable(device: str, strategy: str) -> str:
    """Why there is no kernel, whatever the forest; what a machine lacks is told by the options."""
    if not device.startswith("cuda"):
        return f"backend='native' has no kernels for device={device!r}. Use backend='torch' or 'auto'."
    if strategy not in ("auto", *STRATEGIES):
        known = ", ".join(map(repr, ("auto", *STRATEGIES)))
        return f"backend='native' has no kernel for strategy={strategy!r} on CUDA. Known: {known}."
    return ""


def options(work: Workload, n_rows: int, device: str) -> Iterator[Option]:
    """Traversal, or why not."""
    refused = _refusal(work.forest.trees)
    if not refused:
        there = found(device)
        refused = there if isinstance(there, str) else ""
    n_nodes = work.forest.n_nodes + work.forest.n_leaves
    row_bytes = float(8 * (work.forest.trees.n_columns + work.forest.n_outputs))
    yield Option(
        "tree_traversal",
        Cost(table_bytes=NODE_BYTES * n_nodes, row_bytes=row_bytes, kernels=1.0, row_ns=0.0),
        f"backend='native' has no kernel here: {refused}. Use backend='torch' or 'auto'." if refused else "",
        backend="native",
        rows_in_flight=3 * rows_in_a_piece(int(row_bytes)),
    )


def build(work: Workload, option: Option, device: str) -> CudaForest:
    """The tables on the device, and the kernels once they are needed."""
    there = found(device)
    if isinstance(there, str):
        raise ValueError(f"backend='native' has no kernel here: {there}. Use backend='torch' or 'auto'.")
    return CudaForest(work.forest, there.device, there.compiler, there.memory)


# ------------------------------------------------------------------------------------------------ what there is


@dataclass(frozen=True)
class Found:
    """A device, and what makes kernels for it."""

    device: Device
    compiler: Compiler
    memory: Memory


def found(device: str) -> Found | str:
    """What runs kernels on ``"cuda"`` or ``"cuda:1"``, or why nothing does."""
    import torch

    ordinal = device.partition(":")[2]
    return _found(int(ordinal) if ordinal else torch.cuda.current_device())


@lru_cache
def _found(ordinal: int) -> Found | str:
    import torch

    if torch.version.hip is not None:
        return "this torch is for AMD's devices"
    try:
        driver = Driver()
        device = driver.device(ordinal)
        compiler = find_compiler(driver.version)
        if isinstance(compiler, str):
            return compiler
        if not compiler.target(device.compute_capability):
            number = ".".join(map(str, divmod(device.compute_capability, 10)))
            version = ".".join(map(str, compiler.version))
            return f"NVRTC {version} does not compile for the device's compute capability {number}"
    except OSError as error:
        return f"CUDA's driver is not there ({error})"
    except (DriverError, CompilationError) as error:
        return str(error).rstrip(".")
    return Found(device, compiler, Memory(ordinal))


def _refusal(trees: Trees) -> str:
    """Why the kernels do not run a forest; or an empty text."""
    if trees.lin_off is not None:
        return "linear leaves look at values of X, which the kernels have only ranks of"
    if (known := _counted.get(trees)) is None:
        known = _counted[trees] = _count_refusal(trees)
    return known


def _count_refusal(trees: Trees) -> str:
    """The same of thresholds and codes, which are counted where there are many nodes only."""
    if trees.n_nodes < min(tables.MOST_THRESHOLDS, tables.MOST_COLUMNS // MOST_VARIANTS):
        return ""
    try:
        tables.check(compile_ranks(trees)[0])
    except ValueError as error:
        return str(error)
    return ""
