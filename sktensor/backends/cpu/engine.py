"""The kernels of the CPU as an engine: what they could do for a forest, and what runs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy.typing as npt

from sktensor.backends.cpu import costs, traversal, walk
from sktensor.backends.cpu.kernels import BitslicedKernel, Tables, TraversalKernel
from sktensor.backends.cpu.walk import WalkKernel
from sktensor.backends.workload import Workload
from sktensor.inputs.rows import Rows
from sktensor.native.loader import why_missing
from sktensor.strategies.auto import Option

__all__ = ["STRATEGIES", "build", "build_quickly", "options", "unavailable"]

Array = npt.NDArray[Any]

STRATEGIES = ("bitsliced", "tree_traversal")

# What may be faster than walking for some rows, and it.
SUMMING = (*STRATEGIES, costs.DIRECT)
FINDING_LEAVES = ("tree_traversal", costs.DIRECT)

# What a thread of a kernel keeps at hand, at most; it takes rows from where they lie, a block at a time.
KERNEL_BYTES = 2 * 2**20

# Numbers of rows for which the choice of a kernel is kept at hand.
CHOICES_KEPT = 256

# Why trees over derived columns are not walked on their values.
OF_X = "it compares values of X, and these trees look at columns derived from them"


def unavailable(device: str, strategy: str) -> str:
    """Why there is no kernel, whatever the forest."""
    if device != "cpu":
        return f"backend='native' has no kernels for device={device!r}. Use backend='torch' or 'auto'."
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
    """What finds leaves for circuits, which answer with sums.

    Over so many columns that traversal has no registers for their codes, walking may be faster, which goes by the rows.
    """
    trees, can_traverse = work.forest.trees, not traversal.refusal(work.forest.trees)
    if _can_walk(work) and not (can_traverse and len(trees.used_columns) <= costs.REGISTER_CODES):
        return costs.DIRECT
    return "tree_traversal" if can_traverse else None


def build(work: Workload, option: Option, device: str) -> Any:
    """The kernel with its tables; circuits are not asked for leaves."""
    if option.name == "bitsliced":
        return BitslicedKernel(work.forest, work.shape)
    if option.name == costs.DIRECT:
        return ByRows(work)
    return TraversalKernel(work.forest, shape=work.shape)


def build_quickly(work: Workload) -> WalkKernel | None:
    """What is built in a small part of the time that the fastest kernel takes; None where it cannot run the forest."""
    return WalkKernel(work.forest) if _can_walk(work) else None


def _can_walk(work: Workload) -> bool:
    return not walk.refusal(work.forest.trees) and work.forest.inputs.derived_key is None


def _fastest(work: Workload, n_rows: int, names: tuple[str, ...], compact: bool) -> Option:
    """Of some kernels that which is expected to be fastest on so many rows; walking is never refused."""
    seen = [costs.option(name, work.forest.trees, work.shape, n_rows, compact=compact) for name in names]
    return min((option for option in seen if not option.refused), key=lambda option: option.expected_ns or 0.0)


def _are_near(rows: Rows) -> bool:
    """Whether the values of neighbouring rows in a column lie near each other: in a block made of them, or in X."""
    return not rows.lie() or rows.lie_by_columns()


class ByRows:
    """Walking, or what is faster for the rows at hand: they may be read where they lie, or be cast first.

    Sparse rows, integers and the like are handed over a block at a time, in which columns do not lie as far apart as in
    X. Where rows lie by columns, what is read of one row brings its neighbours' values into the cache.

    Parameters
    ----------
    work : Workload
        What to run, that can be walked.
    """

    def __init__(self, work: Workload) -> None:
        self._work = work
        self._kernels: dict[str, Any] = {costs.DIRECT: WalkKernel(work.forest)}
        self._choice = lru_cache(CHOICES_KEPT)(partial(_fastest, work))

    def _for(self, n_rows: int, names: tuple[str, ...], compact: bool) -> Any:
        """The kernel for so many rows; threads may build one twice, and one of the two stays."""
        best = self._choice(n_rows, names, compact)
        if (found := self._kernels.get(best.name)) is None:
            found = self._kernels.setdefault(best.name, build(self._work, best, "cpu"))
        return found

    def total(self, rows: Rows, rows_per_batch: int, n_threads: int, start: Array | None = None) -> Any:
        """The sum over trees, shape (n, K): a tensor where the rows are one, otherwise a numpy array."""
        found = self._for(len(rows), SUMMING, _are_near(rows))
        return found.total(rows, rows_per_batch, n_threads, start)

    def tables_in_place(self, n_rows: int, dtype: str) -> Sequence[Tables]:
        """The tables for rows that are read where they lie, which continue each other's sums."""
        return self._for(n_rows, SUMMING, False).tables_in_place(n_rows, dtype)  # type: ignore[no-any-return]

    def leaves(self, rows: Rows, rows_per_batch: int, n_threads: int) -> Any:
        """The library's leaf numbers, int32, shape (n, T)."""
        found = self._for(len(rows), FINDING_LEAVES, _are_near(rows))
        return found.leaves(rows, rows_per_batch, n_threads)
