"""The engines: what turns a forest's tables into sums and leaves, behind one protocol, in one table.

An engine says what it could do for a forest, at which expected cost, or why not; the planner compares, and what it
chooses is built. Adding an engine takes a module with the three functions of :class:`Backend` and a line in
:data:`BACKENDS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy.typing as npt

from sktensor.backends import library, native, torch
from sktensor.backends.workload import Workload
from sktensor.inputs.rows import Rows
from sktensor.strategies.auto import Option

__all__ = ["BACKENDS", "Backend", "Runner", "backends_by_name"]


class Runner(Protocol):
    """A forest, ready to run.

    One that does nothing for rows in an array but call kernels on their tables may have ``tables_in_place(n_rows,
    dtype)``, which gives these, each with the address of its tables and its ``kernel``: few rows then reach them by a
    shorter way [sktensor.native.plain_calls].
    """

    def total(self, rows: Rows, rows_per_batch: int, n_threads: int, start: npt.NDArray[Any] | None = None) -> Any:
        """The sum over trees, shape (n, K), from `start` on, shape (n, K), if there is one.

        A tensor where the rows are one, otherwise a numpy array.
        """
        ...

    def leaves(self, rows: Rows, rows_per_batch: int, n_threads: int) -> Any:
        """The library's leaf numbers, int32, shape (n, T).

        Not asked for where the option names another one of the same engine that finds them, :attr:`Option.leaves_by`.
        """
        ...


class Backend(Protocol):
    """An engine; a module will do.

    With one more function, ``build_quickly(work)``, which gives a :class:`Runner`, or None, in much less time than
    :meth:`build`, rows that come once are run by that.
    """

    def unavailable(self, device: str, strategy: str) -> str:
        """Why the engine cannot run here, whatever the forest; an empty text where it can.

        Parameters
        ----------
        device : str
            ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        strategy : str
            What the user asked for, ``"auto"`` or the name of a strategy.
        """
        ...

    def options(self, work: Workload, n_rows: int, device: str) -> Iterable[Option]:
        """What the engine could do for `n_rows` rows on a device, each with its expected cost or why it cannot."""
        ...

    def build(self, work: Workload, option: Option, device: str) -> Runner:
        """What runs one of these options."""
        ...


BACKENDS: dict[str, Backend] = {
    "native": native,
    "torch": torch,
    "library": library,
}
"""Every engine, by its name. Where no times are known, the first one that can is taken."""


def backends_by_name() -> tuple[str, ...]:
    """The engines that a user may name; the others are chosen by ``backend="auto"`` only."""
    return tuple(name for name, backend in BACKENDS.items() if not getattr(backend, "AUTO_ONLY", False))
