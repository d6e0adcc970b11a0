"""The kernels of the CPU as an engine: what they could do for a forest, and what runs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sktensor.backends.cpu import costs, traversal, walk
from sktensor.backends.cpu.kernels import BitslicedKernel, TraversalKernel
from sktensor.backends.cpu.walk import WalkKernel
from sktensor.backends.workload import Workload
from sktensor.native.loader import why_missing
from sktensor.strategies.auto import Option

__all__ = ["STRATEGIES", "build", "options", "unavailable"]

STRATEGIES = ("bitsliced", "tree_traversal")

# What a thread of a kernel keeps at hand, at most; it takes rows from where they lie, a block at a time.
KERNEL_BYTES = 2 * 2**20

# Why trees over derived columns are not walked on their values.
OF_X = "it compares values of X, and these trees look at columns derived from them"


def unavailable(device: str, strategy: str) -> str:
    """Why there is no kernel, whatever the forest."""
    if device != "cpu":
        return f"backend='native' has no kernels for device={device!r} yet. Use backend='torch' or 'auto'."
    if why := why_missing():
        return f"backend='native' has no kernels here: {why}. Use backend='torch' or 'auto'."
    if strategy not in ("auto", *STRATEGIES):
        known = ", ".join(map(repr, ("auto", *STRATEGIES)))
        return f"backend='native' has no kernel for strategy={strategy!r}. Known: {known}."
    return ""


def options(work: Workload, n_rows: int, device: str) -> Iterator[Option]:
    """Circuits, traversal and walking, with the times that their constants, fitted to measurements, tell."""
    for name in (*STRATEGIES, costs.DIRECT):
        found = costs.option(name, work.forest.trees, work.shape, n_rows)
        if name == costs.DIRECT and work.forest.inputs.derived_key is not None:
            found = replace(found, refused=OF_X)
        leaves_by = _walker(work) if name == "bitsliced" else ""
        yield replace(found, measured=True, batch_bytes=KERNEL_BYTES, leaves_by=leaves_by)


def _walker(work: Workload) -> str | None:
    """What finds leaves for circuits, which answer with sums."""
    if not traversal.refusal(work.forest.trees):
        return "tree_traversal"
    refused = walk.refusal(work.forest.trees) or work.forest.inputs.derived_key is not None
    return None if refused else costs.DIRECT


def build(work: Workload, option: Option, device: str) -> Any:
    """The kernel with its tables; circuits are not asked for leaves."""
    if option.name == "bitsliced":
        return BitslicedKernel(work.forest, work.shape)
    if option.name == costs.DIRECT:
        return WalkKernel(work.forest)
    return TraversalKernel(work.forest)
