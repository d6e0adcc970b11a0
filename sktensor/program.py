"""A program: a forest, and its tables for each device and strategy that somebody has asked for.

Tables are compiled once, on first use, under a lock; rows pass through them a batch at a time. What is pickled
is the forest alone: tables and devices come back when they are needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import Forest
from sktensor.inputs import Rows, is_tensor
from sktensor.settings import Settings, check_dtypes, find_device
from sktensor.strategies import find_strategy, sums
from sktensor.strategies.auto import Option, option, options, rows_in_flight
from sktensor.strategies.costs import Shape
from sktensor.strategies.tables import map_arrays

if TYPE_CHECKING:
    import torch

__all__ = ["Plan", "Program", "compiled"]

# Planning takes longer than predicting a row, and servers ask for the same few numbers of rows again and again.
PLANS_KEPT = 256

# One lock for all programs: one in each would have to be left out of every copy and pickle.
_compiling = threading.Lock()


@dataclass(frozen=True)
class Plan:
    """How a prediction would run, and why; printed, a table.

    Attributes
    ----------
    n_rows : int
        Rows that the plan is for.
    strategy, backend, device : str
        Which algorithm, what runs it, where.
    rows_per_batch : int
        Rows in flight at once.
    table_bytes, batch_bytes : int
        Memory that the tables and a batch take, about.
    reason : str
        Why this strategy.
    options : tuple of Option
        What else was considered, the best one first.
    """

    n_rows: int
    strategy: str
    backend: str
    device: str
    rows_per_batch: int
    table_bytes: int
    batch_bytes: int
    reason: str
    options: tuple[Option, ...] = ()

    def __str__(self) -> str:
        lines = [
            ("rows", f"{self.n_rows:,}"),
            ("strategy", f"{self.strategy} ({self.reason})"),
            ("backend", self.backend),
            ("device", self.device),
            ("rows per batch", f"{self.rows_per_batch:,}"),
            ("tables", f"{self.table_bytes / 2**20:.3g} MiB"),
            ("a batch", f"{self.batch_bytes / 2**20:.3g} MiB"),
        ]
        for seen in self.options:
            if seen.refused:
                verdict = f"refused, {seen.cost.table_bytes / 2**20:,.0f} MiB of tables"
            elif seen.expected_ns is None:
                verdict = "fits"
            else:
                verdict = f"{seen.expected_ns / 1e6:.3g} ms expected"
            lines.append((f"  {seen.name}", verdict))
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def compiled(forest: Forest, strategy: str) -> tuple[Any, sums.SumTables]:
    """The numpy tables of a strategy and of the sum; raises ValueError before allocating ones that do not fit."""
    found = find_strategy(strategy)
    if refused := option(strategy, found, Shape.of(forest)).refused:
        raise ValueError(refused)
    return found.compile(forest), sums.compile(forest)


class Program:
    """A forest that runs.

    Parameters
    ----------
    forest : Forest
        What to run.
    """

    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        self._tables: dict[tuple[str, str], Any] = {}
        self._plans: dict[tuple[int, Settings], Plan] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"forest": self.forest}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Program.__init__(self, state["forest"])

    @cached_property
    def shape(self) -> Shape:
        """Depths and leaf counts of the trees."""
        return Shape.of(self.forest)

    @cached_property
    def width(self) -> int:
        """What a row holds beside the strategy's own memory: its columns, its outputs, its questions of categories."""
        n_questions = 0 if self.forest.is_cat is None else int(np.count_nonzero(self.forest.is_cat))
        return self.forest.n_features + self.forest.n_outputs + 3 * n_questions

    def plan(self, n_rows: int, settings: Settings) -> Plan:
        """How `n_rows` rows would be predicted."""
        try:
            return self._plans[n_rows, settings]
        except KeyError:  # not planned before
            plan = self._planned(n_rows, settings)
        except TypeError:  # an unhashable device, which is no device
            return self._planned(n_rows, settings)
        if len(self._plans) >= PLANS_KEPT:
            self._plans.clear()
        self._plans[n_rows, settings] = plan
        return plan

    def _planned(self, n_rows: int, settings: Settings) -> Plan:
        settings.check()
        device = find_device(settings.device)
        check_dtypes(device, self.forest)
        considered: list[Option] = []
        if settings.strategy == "auto":
            considered = options(self.shape, n_rows, device.type, self.width)
            chosen = considered[0]
            reason = (
                f"least expected time for trees of depth up to {self.shape.depth.max(initial=0)}"
                if chosen.expected_ns is not None
                else f"trees of depth up to {self.shape.depth.max(initial=0)} on an accelerator"
            )
        else:
            chosen = option(settings.strategy, find_strategy(settings.strategy), self.shape)
            reason = "as asked for"
        if chosen.refused:
            raise ValueError(chosen.refused)
        in_flight = rows_in_flight(chosen.cost, device.type, self.width)
        batch = min(in_flight, settings.batch_size or in_flight, max(n_rows, 1))
        return Plan(
            n_rows=n_rows,
            strategy=chosen.name,
            backend="torch",
            device=str(device),
            rows_per_batch=batch,
            table_bytes=int(chosen.cost.table_bytes),
            batch_bytes=int(batch * (chosen.cost.row_bytes + 16 * self.width)),
            reason=reason,
            options=tuple(considered),
        )

    def prepare(self, settings: Settings, n_rows: int = 1000) -> None:
        """Build the tables that predictions of `n_rows` rows will use, or raise the error that they would."""
        plan = self.plan(n_rows, settings)
        self._loaded(plan.device, plan.strategy)

    def total(self, rows: Rows, settings: Settings) -> Any:
        """The sum over trees, shape (n, K): a tensor where the rows are one, otherwise a numpy array."""

        def run(strategy: Any, tables: Any, X: torch.Tensor) -> torch.Tensor:
            return sums.run(tables[1], strategy.run(tables[0], X), X)

        return self._in_batches(rows, settings, run, self.forest.n_outputs, self.forest.acc_dtype)

    def leaves(self, rows: Rows, settings: Settings) -> Any:
        """The library's leaf numbers, int32, shape (n, T)."""

        def run(strategy: Any, tables: Any, X: torch.Tensor) -> torch.Tensor:
            found = strategy.run(tables[0], X)
            return tables[2].index_select(0, found.flatten()).view(found.shape).t()  # type: ignore[no-any-return]

        return self._in_batches(rows, settings, run, self.forest.n_trees, "int32")

    def _in_batches(self, rows: Rows, settings: Settings, run: Callable[..., Any], width: int, dtype: str) -> Any:
        import torch

        plan = self.plan(len(rows), settings)
        tables = self._loaded(plan.device, plan.strategy)
        strategy = find_strategy(plan.strategy)
        with torch.no_grad():
            # The answer stays on the device until the last batch: nothing in this loop waits for it.
            out = torch.empty((len(rows), width), dtype=getattr(torch, dtype), device=plan.device)
            for start in range(0, len(rows), plan.rows_per_batch):
                stop = min(start + plan.rows_per_batch, len(rows))
                out[start:stop] = run(strategy, tables, rows.batch(start, stop, self.forest, plan.device))
        return out.to(rows.data.device) if is_tensor(rows.data) else out.cpu().numpy()

    def _loaded(self, device: str, strategy: str) -> tuple[Any, sums.SumTables, torch.Tensor]:
        """Tables of the strategy, of the sum, and the library's leaf numbers, on the device."""
        key = device, strategy
        if key not in self._tables:
            with _compiling:
                if key not in self._tables:
                    host = (*compiled(self.forest, strategy), self.forest.leaf_id)
                    self._tables[key] = map_arrays(host, lambda array: _tensor(array, device))
        return self._tables[key]  # type: ignore[no-any-return]


def _tensor(array: npt.NDArray[Any], device: Any) -> torch.Tensor:
    import torch

    # torch.tensor copies: the forest's arrays are read-only, of which torch.from_numpy would warn.
    return torch.tensor(array, device=device)  # type: ignore[no-untyped-call]
