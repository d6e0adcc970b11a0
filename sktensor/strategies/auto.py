"""What each strategy would cost as tensor code, for a forest, a number of rows and a device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sktensor.strategies import Strategy, strategies, tells_cost
from sktensor.strategies.costs import Cost, Shape

__all__ = ["TABLE_LIMIT", "Option", "options", "rows_in_flight"]

# Larger tables are refused rather than allocated.
TABLE_LIMIT = 256 * 2**20

# What rows in flight may take: on a CPU about what the caches hold, on an accelerator enough to fill it.
FLIGHT_BYTES_CPU = 8 * 2**20
FLIGHT_BYTES_ACCELERATOR = 512 * 2**20

# A torch operation's own cost on a CPU, measured on one core as the strategies' constants are.
KERNEL_NS = 3_000.0

# On accelerators the depths up to which Hummingbird's authors found GEMM and perfect trees to be ahead (OSDI 2020).
GEMM_DEPTH = 3
PERFECT_DEPTH = 10


@dataclass(frozen=True)
class Option:
    """What an engine could do for a forest: what it costs, and what speaks for or against it.

    Attributes
    ----------
    name : str
        The strategy, or whatever else the engine calls it.
    cost : Cost
        Memory and work.
    refused : str
        Why it cannot be done; empty where it can.
    expected_ns : float or None
        Time that one thread is expected to take; None where nothing is known.
    backend : str
        The engine, as its table names it.
    measured : bool
        Whether `expected_ns` comes from constants fitted to measurements: such times are compared with each other, and
        come before anything that is estimated.
    by_name_only : bool
        Whether it is only done when the user names it.
    rows_in_flight : int or None
        Rows that it takes at once; None where the engine takes them from where they lie.
    batch_bytes : int or None
        Memory that a batch takes; None where that follows from its rows.
    gives_raw : bool
        Whether what it builds has ``raw_scores``, with the arguments of ``total``, to be asked in its place.
    leaves_by : str or None
        Another option of the same engine that finds leaves in its place; empty where it does so itself, None where the
        engine has none.
    slow : str
        Why it would be no faster than the wrapped model, for a warning; empty where there is nothing to say.
    """

    name: str
    cost: Cost
    refused: str = ""
    expected_ns: float | None = None
    backend: str = "torch"
    measured: bool = False
    by_name_only: bool = False
    rows_in_flight: int | None = None
    batch_bytes: int | None = None
    gives_raw: bool = False
    leaves_by: str | None = ""
    slow: str = ""

    @property
    def finding_leaves(self) -> Option | None:
        """The option that finds leaves where this one was chosen."""
        if self.leaves_by is None:
            return None
        return replace(self, name=self.leaves_by) if self.leaves_by else self


def rows_in_flight(cost: Cost, device: str, width: int) -> int:
    """Rows that go through a strategy at once, so that memory does not grow with the number of rows."""
    budget = FLIGHT_BYTES_CPU if device == "cpu" else FLIGHT_BYTES_ACCELERATOR
    return max(16, int(budget / (cost.row_bytes + 16 * width + 1)))


def option(name: str, strategy: Strategy, shape: Shape) -> Option:
    """What a strategy would cost, and whether its tables are too large."""
    if not tells_cost(strategy):
        return Option(name, Cost(table_bytes=0.0, row_bytes=16.0 * len(shape.depth), kernels=0.0, row_ns=0.0))
    cost = strategy.cost(shape)
    if cost.table_bytes <= TABLE_LIMIT:
        return Option(name, cost)
    if np.isinf(cost.table_bytes):
        reason = f"strategy={name!r} does not take trees as large as this forest's"
    else:
        needed, limit = _bytes(cost.table_bytes), _bytes(TABLE_LIMIT)
        reason = f"strategy={name!r} would need {needed} of tables for this forest (at most {limit})"
    return Option(
        name,
        cost,
        f"{reason}: its trees have up to {shape.n_leaves.max()} leaves and depth {shape.depth.max()}. "
        "Use 'tree_traversal', or 'auto'.",
    )


def options(shape: Shape, n_rows: int, device: str, width: int, sum_steps: int) -> list[Option]:
    """All strategies as tensor code, the best one first.

    Parameters
    ----------
    shape : Shape
        Of the forest.
    n_rows : int
        Rows to predict.
    device : str
        ``"cpu"``, ``"cuda:1"`` and so on.
    width : int
        What a row holds beside the strategy's own memory, in numbers: columns of X, outputs and so on.
    sum_steps : int
        Additions that follow each other, an operation each.

    Returns
    -------
    list of Option
        On a CPU by expected time, which follows from constants measured on one core; on accelerators by the
        depth of the deepest tree. Those that are refused stand last.
    """
    found = []
    for name, strategy in strategies().items():
        seen = option(name, strategy, shape)
        in_flight = rows_in_flight(seen.cost, device, width)
        expected = None
        if tells_cost(strategy) and device == "cpu":
            batches = -(-n_rows // in_flight)
            expected = batches * (seen.cost.kernels + sum_steps) * KERNEL_NS + n_rows * seen.cost.row_ns
        found.append(
            replace(seen, expected_ns=expected, by_name_only=not tells_cost(strategy), rows_in_flight=in_flight)
        )
    deepest = int(shape.depth.max(initial=0))
    by_depth = ["gemm"] * (deepest <= GEMM_DEPTH) + ["perfect_tree_traversal"] * (deepest <= PERFECT_DEPTH)

    def rank(seen: Option) -> tuple[bool, bool, float]:
        if seen.expected_ns is not None:
            return bool(seen.refused), seen.by_name_only, seen.expected_ns
        order = [*by_depth, "tree_traversal"]
        place = order.index(seen.name) if seen.name in order else len(order)
        return bool(seen.refused), seen.by_name_only, place

    return sorted(found, key=rank)


def _bytes(n: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n < 1024:
            return f"{n:.3g} {unit}"
        n /= 1024
    return f"{n:.3g} TiB"
