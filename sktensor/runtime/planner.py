"""The choice of a strategy and a backend for a forest, a number of rows and a user's settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

from sktensor.backends.base import BACKENDS
from sktensor.backends.workload import Workload
from sktensor.native.loader import why_missing
from sktensor.runtime.settings import Settings
from sktensor.strategies.auto import Option

__all__ = ["Plan", "Planner"]

# Expected time from which a second thread pays: several times what starting one takes.
WORTH_A_THREAD_NS = 200_000.0


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
    chosen : Option
        What the engine builds.
    options : tuple of Option
        What else was considered, the best one first.
    warning : str
        What to warn of when the tables are built: that they are no faster than the wrapped model; empty otherwise.
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
    chosen: Option
    options: tuple[Option, ...] = ()
    warning: str = ""

    @property
    def worth_threads(self) -> bool:
        """Whether several threads would be faster than one."""
        return self.expected_ns is None or self.expected_ns > WORTH_A_THREAD_NS

    @property
    def title(self) -> str:
        """A short description, for diagrams."""
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
    work : Workload
        What is to run.
    """

    def __init__(self, work: Workload) -> None:
        self.work = work
        self._devices: dict[Settings, str] = {}

    def plan(self, n_rows: int, settings: Settings) -> Plan:
        """How `n_rows` rows would be predicted; raises the ValueError that their prediction would."""
        device = self._device(settings)
        considered = sorted(self.options(n_rows, device, settings), key=_rank)
        fitting = [seen for seen in considered if not seen.refused]
        if not considered:
            raise ValueError(
                f"backend={settings.backend!r} has nothing for strategy={settings.strategy!r}. "
                "Use 'auto' for one of the two."
            )
        if not fitting:
            raise ValueError(considered[0].refused)
        chosen = fitting[0]
        in_flight = chosen.rows_in_flight or n_rows
        batch = max(1, min(in_flight, settings.batch_size or in_flight, n_rows))
        batch_bytes = chosen.batch_bytes
        if batch_bytes is None:
            batch_bytes = int(batch * (chosen.cost.row_bytes + 16 * self.work.width))
        return Plan(
            n_rows=n_rows,
            strategy=chosen.name,
            backend=chosen.backend,
            device=device,
            rows_per_batch=batch,
            table_bytes=int(chosen.cost.table_bytes),
            batch_bytes=batch_bytes,
            expected_ns=chosen.expected_ns,
            reason=self._reason(chosen, considered, device, settings),
            options=tuple(considered) if len(considered) > 1 else (),
            chosen=chosen,
            warning=self._warning(chosen, considered, device, settings),
        )

    def options(self, n_rows: int, device: str, settings: Settings) -> Iterator[Option]:
        """The options of all engines that the settings allow."""
        for name, backend in BACKENDS.items():
            if settings.backend not in ("auto", name) or backend.unavailable(device, settings.strategy):
                continue
            for seen in backend.options(self.work, n_rows, device):
                if seen.name == settings.strategy or (settings.strategy == "auto" and not seen.by_name_only):
                    yield seen

    def _device(self, settings: Settings) -> str:
        """The name of the device that is asked for; found out once for each settings."""
        try:
            return self._devices[settings]
        except TypeError:  # an unhashable device, which is no device
            return settings.check()
        except KeyError:
            found = self._devices[settings] = settings.check()
            return found

    def _reason(self, chosen: Option, considered: list[Option], device: str, settings: Settings) -> str:
        if settings.strategy != "auto":
            return "as asked for"
        if device == "cpu" and settings.backend == "auto" and chosen.slow:
            return f"{chosen.slow}, since {no_kernel(considered)}"
        deepest = self.work.shape.depth.max(initial=0)
        if chosen.expected_ns is None:
            return f"trees of depth up to {deepest} on an accelerator"
        return f"least expected time for trees of depth up to {deepest}"

    def _warning(self, chosen: Option, considered: list[Option], device: str, settings: Settings) -> str:
        """That this is no faster than the wrapped model; empty if the user asked for it where there are kernels."""
        asked_for = settings.strategy != "auto" or settings.backend != "auto"
        if device != "cpu" or not chosen.slow or (asked_for and not why_missing()):
            return ""
        return f"{chosen.slow[0].upper()}{chosen.slow[1:]}, since {no_kernel(considered)}."


def no_kernel(considered: Iterable[Option]) -> str:
    """Why no kernel runs a forest: there are none, or what they refuse."""
    if why := why_missing():
        return f"there are no kernels: {why}"
    refused = [seen.refused.partition(". Use ")[0] for seen in considered if seen.measured and seen.refused]
    return "; ".join(refused) or "there are no kernels for it"


def _rank(seen: Option) -> tuple[bool, bool, float]:
    """Sort key of options: those that fit first, of these the ones with a measured time first, the fastest first."""
    return bool(seen.refused), not seen.measured, seen.expected_ns or 0.0
