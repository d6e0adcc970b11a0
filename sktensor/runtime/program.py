"""A program: a forest, and its tables for each device, backend and strategy that somebody has asked for.

Tables are compiled once, on first use, under a lock; rows pass through them a batch at a time. What is pickled
is the forest, with the names of its columns: tables and devices come back when they are needed.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.backends.cpu import traversal
from sktensor.backends.cpu.kernels import BitslicedKernel, TraversalKernel
from sktensor.backends.torch import TensorBackend
from sktensor.errors import PerformanceWarning
from sktensor.forest import Forest
from sktensor.inputs.rows import Rows, is_tensor
from sktensor.native.loader import library, why_missing
from sktensor.outputs import aggregates
from sktensor.registry import ColumnNames
from sktensor.runtime.pickled_state import stamp, take_stamp
from sktensor.runtime.planner import Plan, Planner
from sktensor.runtime.settings import Settings

__all__ = ["Program"]

# Planning takes longer than predicting a row, and servers ask for the same few numbers of rows again and again.
PLANS_KEPT = 256

# Memory for the leaves of some rows and what is made of them, and of it what one leaf takes.
AGGREGATE_BYTES = 16 * 2**20
LEAF_BYTES = 48

# Of a forest of which nothing is known but its trees.
NAMELESS = ColumnNames()

# One lock for all programs: one in each would have to be left out of every copy and pickle.
_compiling = threading.Lock()


def _renew_lock() -> None:
    """A forked process has no use for a lock that may be held by a thread which it does not have."""
    global _compiling
    _compiling = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class Program:
    """A forest that runs.

    Parameters
    ----------
    forest : Forest
        What to run.
    names : ColumnNames, optional
        What the columns of frames given to it are held against.
    """

    def __init__(self, forest: Forest, names: ColumnNames = NAMELESS) -> None:
        self.forest = forest
        self.names = names
        self._planner = Planner(forest)
        self._backends: dict[tuple[str, ...], Any] = {}
        self._plans: dict[tuple[int, Settings], Plan] = {}
        self._ready: dict[tuple[int, Settings], tuple[Any, int, int]] = {}

    @cached_property
    def _walk(self) -> Program:
        """The same trees, to find leaves by their numbers in this forest's arrays."""
        return Program(replace(self.forest, aggregate="sum", leaf_id=np.arange(self.forest.n_leaves)))

    def __getstate__(self) -> dict[str, Any]:
        # The names as a dict, so that there is no further type to trust for those who ask.
        return stamp({"forest": self.forest, "names": dict(vars(self.names))})

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = take_stamp(state, "Program")
        Program.__init__(self, state["forest"], ColumnNames(**state["names"]))

    def plan(self, n_rows: int, settings: Settings) -> Plan:
        """How `n_rows` rows would be predicted."""
        try:
            return self._plans[n_rows, settings]
        except KeyError:  # not planned before
            plan = self._planner.plan(n_rows, settings)
        except TypeError:  # an unhashable device, which is no device
            return self._planner.plan(n_rows, settings)
        if len(self._plans) >= PLANS_KEPT:
            self._plans.clear()
            self._ready.clear()
        self._plans[n_rows, settings] = plan
        return plan

    def planned(self, settings: Settings) -> Plan | None:
        """Of the plans that there are for these settings that for the most rows."""
        plans = [plan for (_, given), plan in self._plans.copy().items() if given == settings]
        return max(plans, key=lambda plan: plan.n_rows, default=None)

    def prepare(self, settings: Settings, n_rows: int = 1000) -> None:
        """Build the tables that predictions of `n_rows` rows will use, or raise the error that they would."""
        plan = self.plan(n_rows, settings)
        if self.forest.aggregate == "sum":
            self._backend(plan.backend, plan.strategy, plan.device)
        else:
            self._walk.prepare(_as_planned(plan, settings), n_rows)

    def total(self, rows: Rows, settings: Settings, start: npt.NDArray[Any] | None = None) -> Any:
        """What the trees come to, shape (n, K): a tensor where the rows are one, otherwise a numpy array.

        A sum starts from the forest's base, or from `start`, shape (n, K), where the forest accepts that.
        """
        return self.total_and_threads(rows, settings, start)[0]

    def total_and_threads(
        self, rows: Rows, settings: Settings, start: npt.NDArray[Any] | None = None
    ) -> tuple[Any, int]:
        """What :meth:`total` gives, and the threads that may go on with it."""
        n_rows = len(rows)
        try:
            backend, rows_per_batch, n_threads = self._ready[n_rows, settings]
        except (KeyError, TypeError):  # not asked for before; an unhashable device, which is no device
            if self.forest.aggregate == "weighted_median":
                return self._aggregated(rows, settings, aggregates.weighted_median), self.threads(n_rows, settings)
            if self.forest.aggregate == "per_tree":
                raise ValueError(
                    "This model has no raw scores: its answer is the leaves, which transform and apply give."
                ) from None
            plan = self.plan(n_rows, settings)
            backend = self._backend(plan.backend, plan.strategy, plan.device, rows)
            rows_per_batch, n_threads = plan.rows_per_batch, _threads(plan, settings)
            if _is_settled(plan, settings, self.forest):
                self._ready[n_rows, settings] = backend, rows_per_batch, n_threads
        return backend.total(rows, rows_per_batch, n_threads, start), n_threads

    def log_mean(self, rows: Rows, settings: Settings) -> Any:
        """Logarithms of probabilities, shape (n, K), where they are added rather than taken of the mean."""
        return self._aggregated(rows, settings, aggregates.log_mean)

    def reached(self, rows: Rows, settings: Settings) -> Any:
        """The leaves that the rows reach, by their numbers in the forest's arrays, int32, shape (n, T)."""
        return self._walk.leaves(rows, _as_planned(self.plan(len(rows), settings), settings))

    def _aggregated(self, rows: Rows, settings: Settings, aggregate: Callable[..., npt.NDArray[Any]]) -> Any:
        """What an aggregate makes of the leaves that rows reach, some rows at a time."""
        n_rows = max(1, AGGREGATE_BYTES // (LEAF_BYTES * max(self.forest.n_trees, 1)))
        found = []
        for part in rows.parts(n_rows):
            leaves = self.reached(part, settings)
            found.append(aggregate(self.forest, leaves.cpu().numpy() if is_tensor(leaves) else leaves))
        together = np.concatenate(found)
        if not is_tensor(rows.data):
            return together
        import torch

        return torch.from_numpy(together).to(rows.data.device)

    def leaves(self, rows: Rows, settings: Settings) -> Any:
        """The library's leaf numbers, int32, shape (n, T)."""
        if self.forest.aggregate != "sum":
            leaves = self.reached(rows, settings)
            if not is_tensor(leaves):
                return self.forest.leaf_id[leaves]
            return leaves.new_tensor(self.forest.leaf_id)[leaves]
        plan = self.plan(len(rows), settings)
        if plan.backend == "native":
            # Circuits answer with sums; whoever wants leaves walks to them, with tensor code where no kernel does.
            walker = "torch" if settings.backend == "auto" and traversal.refusal(self.forest) else "native"
            plan = self.plan(len(rows), settings._replace(strategy="tree_traversal", backend=walker))
        backend = self._backend(plan.backend, plan.strategy, plan.device, rows)
        return backend.leaves(rows, plan.rows_per_batch, _threads(plan, settings))

    def threads(self, n_rows: int, settings: Settings) -> int:
        """Threads for a prediction of `n_rows` rows."""
        return _threads(self.plan(n_rows, settings), settings)

    def _backend(self, backend: str, strategy: str, device: str, rows: Rows | None = None) -> Any:
        """What runs a strategy on a device; where features are float64, traversal kernels are for one dtype of rows."""
        key: tuple[str, ...] = backend, strategy, device
        if backend == "native" and strategy == "tree_traversal" and self.forest.feature_dtype == "float64":
            key = *key, "float64" if rows is None else rows.dtype
        if (found := self._backends.get(key)) is None:
            with _compiling:
                if (found := self._backends.get(key)) is None:
                    found = self._backends[key] = self._built(*key)
        return found

    def _built(self, backend: str, strategy: str, device: str, rows_dtype: str = "float32") -> Any:
        if backend == "native":
            return BitslicedKernel(self.forest) if strategy == "bitsliced" else TraversalKernel(self.forest, rows_dtype)
        if device == "cpu" and library() is None:
            warnings.warn(
                f"Predictions on the CPU go through torch, which is many times slower than sktensor's kernels: "
                f"{why_missing()}.",
                PerformanceWarning,
                stacklevel=2,
            )
        return TensorBackend(self.forest, strategy, device)


def _as_planned(plan: Plan, settings: Settings) -> Settings:
    return settings._replace(strategy=plan.strategy, backend=plan.backend)


def _is_settled(plan: Plan, settings: Settings, forest: Forest) -> bool:
    """Whether the backend and its threads are the same for all rows of a plan, and whatever joblib is told."""
    n_jobs = settings.n_jobs
    one_for_all_dtypes = forest.feature_dtype != "float64" or (plan.backend, plan.strategy) != (
        "native",
        "tree_traversal",
    )
    return one_for_all_dtypes and (not plan.worth_threads or (n_jobs is not None and n_jobs > 0))


def _threads(plan: Plan, settings: Settings) -> int:
    """`n_jobs` threads, which joblib counts unless it is a count, where they are worth it."""
    n_jobs = settings.n_jobs
    if n_jobs == 1 or not plan.worth_threads:
        return 1
    if n_jobs is not None and n_jobs > 0:
        return n_jobs
    import joblib

    return int(joblib.effective_n_jobs(n_jobs))
