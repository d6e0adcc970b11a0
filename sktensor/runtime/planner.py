"""The choice of a strategy and a backend for a forest, a number of rows and a user's settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from sktensor.backends.cpu import costs
from sktensor.forest import Forest
from sktensor.native.loader import library
from sktensor.runtime.settings import NATIVE_STRATEGIES, Settings, check_dtypes, find_device
from sktensor.strategies import find_strategy
from sktensor.strategies.auto import Option, option, options, rows_in_flight
from sktensor.strategies.costs import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Plan", "Planner"]

# Rows for which a second thread pays: what it does is worth some times its start.
WORTH_A_THREAD_NS = 200_000.0


# What a thread of a kernel keeps at hand, at most; it takes rows from where they lie, a block at a time.
KERNEL_BYTES = 2 * 2**20


@dataclass(frozen=True, repr=False)
class Plan:
    """How a prediction would run, and why; printed or shown in a notebook, a table.

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
    expected_ns : float or None
        Time that one thread is expected to take; None on accelerators.
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
    expected_ns: float | None
    reason: str
    options: tuple[Option, ...] = ()

    @property
    def worth_threads(self) -> bool:
        """Whether several threads would be faster than one."""
        return self.expected_ns is None or self.expected_ns > WORTH_A_THREAD_NS

    @property
    def title(self) -> str:
        """In a few words."""
        return f"{self.strategy} ({self.backend}) on {self.device}"

    def _lines(self) -> list[tuple[str, str]]:
        """Names and values of the table, what was considered beside the choice at the end."""
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
                verdict = f"refused, {seen.refused}"
            elif seen.expected_ns is None:
                verdict = "fits"
            else:
                verdict = f"{seen.expected_ns / 1e6:.3g} ms expected"
            lines.append((f"  {seen.name} ({seen.backend})", verdict))
        return lines

    def __repr__(self) -> str:
        lines = self._lines()
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)

    def _repr_html_(self) -> str:
        """The table for notebooks."""
        cells = '<tr><th style="text-align:left">{}</th><td style="text-align:left">{}</td></tr>'
        rows = (cells.format(escape(name).replace("  ", "&emsp;"), escape(value)) for name, value in self._lines())
        return f"<table>{''.join(rows)}</table>"


class Planner:
    """Plans for one forest.

    Parameters
    ----------
    forest : Forest
        What is to run.
    """

    def __init__(self, forest: Forest) -> None:
        self.forest = forest

    @cached_property
    def shape(self) -> Shape:
        """Depths and leaf counts of the trees."""
        return Shape.of(self.forest)

    @cached_property
    def width(self) -> int:
        """What a row holds beside the strategy's own memory: its columns, its outputs, its questions of categories."""
        n_questions = 0 if self.forest.is_cat is None else int(np.count_nonzero(self.forest.is_cat))
        return self.forest.n_columns + self.forest.n_outputs + 3 * n_questions

    def plan(self, n_rows: int, settings: Settings) -> Plan:
        """How `n_rows` rows would be predicted; raises the ValueError that their prediction would."""
        settings.check()
        device = find_device(settings.device)
        check_dtypes(device, self.forest)
        considered = sorted(self._options(n_rows, device, settings), key=_rank)
        fitting = [seen for seen in considered if not seen.refused]
        if not fitting:
            raise ValueError(considered[0].refused)
        chosen = fitting[0]
        in_flight = n_rows if chosen.backend == "native" else rows_in_flight(chosen.cost, device, self.width)
        batch = max(1, min(in_flight, settings.batch_size or in_flight, n_rows))
        row_bytes = chosen.cost.row_bytes + 16 * self.width
        return Plan(
            n_rows=n_rows,
            strategy=chosen.name,
            backend=chosen.backend,
            device=device,
            rows_per_batch=batch,
            table_bytes=int(chosen.cost.table_bytes),
            batch_bytes=KERNEL_BYTES if chosen.backend == "native" else int(batch * row_bytes),
            expected_ns=chosen.expected_ns,
            reason=self._reason(chosen, settings),
            options=tuple(considered) if len(considered) > 1 else (),
        )

    def _options(self, n_rows: int, device: str, settings: Settings) -> Iterable[Option]:
        """What the settings leave to choose from."""
        names = NATIVE_STRATEGIES if settings.strategy == "auto" else (settings.strategy,)
        if device == "cpu" and settings.backend != "torch" and library() is not None:
            for name in names:
                if name in NATIVE_STRATEGIES:
                    yield costs.option(name, self.forest, self.shape, n_rows)
        if settings.backend == "native":
            return
        if settings.strategy == "auto":
            yield from options(self.shape, n_rows, device, self.width)
        else:
            yield option(settings.strategy, find_strategy(settings.strategy), self.shape)

    def _reason(self, chosen: Option, settings: Settings) -> str:
        if settings.strategy != "auto":
            return "as asked for"
        deepest = self.shape.depth.max(initial=0)
        if chosen.expected_ns is None:
            return f"trees of depth up to {deepest} on an accelerator"
        return f"least expected time for trees of depth up to {deepest}"


def _rank(seen: Option) -> tuple[bool, bool, float]:
    """Those that fit come first, kernels before tensor code that has nothing to say on its time, then the fastest."""
    return bool(seen.refused), seen.expected_ns is None, seen.expected_ns or 0.0
