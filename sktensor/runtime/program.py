"""A program: a forest, and its tables for each device, backend and strategy that has been asked for.

Tables are compiled once, on first use, under a lock; rows pass through them a batch at a time. What is pickled
is the forest, with the names of its columns: tables and devices come back when they are needed.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor import outputs
from sktensor.backends.base import BACKENDS, Runner
from sktensor.backends.workload import Workload
from sktensor.errors import PerformanceWarning
from sktensor.forest import Forest
from sktensor.inputs.rows import Rows, is_tensor
from sktensor.outputs import aggregates
from sktensor.registry import ColumnNames, find_extractor
from sktensor.runtime.locks import CompilationLock
from sktensor.runtime.pickled_state import stamp, take_stamp
from sktensor.runtime.plain_sums import FEW_ROWS, PlainSums
from sktensor.runtime.planner import Plan, Planner
from sktensor.runtime.settings import Settings, count_threads
from sktensor.strategies import strategies
from sktensor.strategies.auto import Option

__all__ = ["Program"]

# Planning takes longer than predicting a row, and servers predict the same few numbers of rows again and again.
PLANS_KEPT = 256

# Memory for the leaves of a batch and what is computed from them, and the bytes that each leaf takes of it.
AGGREGATE_BYTES = 16 * 2**20
LEAF_BYTES = 48

# For a forest without column names.
NAMELESS = ColumnNames()

_compiling = CompilationLock()


class Program:
    """A forest that runs.

    Parameters
    ----------
    forest : Forest
        What to run.
    names : ColumnNames, optional
        What the columns of frames given to it are held against.
    model : object, optional
        The fitted model that it was made of, to be asked where no kernel runs the forest.
    extractor : Extractor, optional
        What made it.
    """

    def __init__(self, forest: Forest, names: ColumnNames = NAMELESS, model: Any = None, extractor: Any = None) -> None:
        self.forest = forest
        self.names = names
        self._work = Workload(forest, model, extractor)
        self._planner = Planner(self._work)
        self._runners: dict[tuple[str, str, str], Runner] = {}
        self._plans: dict[tuple[int, Settings], Plan] = {}
        self._plain_sums = PlainSums()
        self._ready: dict[tuple[int, Settings], tuple[Any, int, int]] = {}

    @cached_property
    def _walk(self) -> Program:
        """The same trees, to find leaves by their numbers in this forest's arrays."""
        return Program(self.forest.replace(aggregate="sum", leaf_id=np.arange(self.forest.n_leaves)))

    def __getstate__(self) -> dict[str, Any]:
        # The names as a dict, so that there is no further type to trust for those who ask.
        return stamp({"forest": self.forest, "names": dict(vars(self.names)), "model": self._work.model})

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = take_stamp(state, "Program")
        model = state["model"]
        extractor = None if model is None else find_extractor(model)
        Program.__init__(self, state["forest"], ColumnNames(**state["names"]), model, extractor)

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
        """The plan for the most rows among those made for these settings; None if there is none."""
        plans = [plan for (_, given), plan in self._plans.copy().items() if given == settings]
        return max(plans, key=lambda plan: plan.n_rows, default=None)

    def options(self, n_rows: int, settings: Settings) -> list[Option]:
        """The options of all engines for `n_rows` rows that the settings allow."""
        return list(self._planner.options(n_rows, settings.check(), settings))

    def prepare(self, settings: Settings, n_rows: int = 1000) -> None:
        """Build the tables that predictions of `n_rows` rows will use, or raise the error that they would."""
        plan = self.plan(n_rows, settings)
        if self.forest.trees.aggregate == "sum" or plan.chosen.gives_raw:
            if find := getattr(self._runner(plan, plan.chosen), "tables_in_place", None):
                find(n_rows, self.forest.trees.feature_dtype)  # kernels may have others for so many rows
        else:
            self._walk.prepare(_as_planned(plan, settings), n_rows)

    def total(self, rows: Rows, settings: Settings, start: npt.NDArray[Any] | None = None) -> Any:
        """What the trees come to, shape (n, K): a tensor where the rows are one, otherwise a numpy array.

        A sum starts from the forest's base, or from `start`, shape (n, K), where the forest accepts that.
        """
        n_rows = len(rows)
        plan = self.plan(n_rows, settings)
        return self._total(rows, settings, plan, _threads(plan, settings), start)

    def raw_scores(self, rows: Rows, settings: Settings, start: npt.NDArray[Any] | None = None) -> tuple[Any, int]:
        """The library's raw scores, shape (n, K), and the threads that may go on with them."""
        n_rows = rows.data.shape[0]
        is_plain = rows.in_place and n_rows <= FEW_ROWS and start is None
        if is_plain and (total := self._plain_sums.of(self, rows, settings)) is not None:
            return outputs.raw_scores(self.forest, total), 1
        try:
            runner, rows_per_batch, n_threads = self._ready[n_rows, settings]
        except (KeyError, TypeError):  # not asked for before; an unhashable device, which is no device
            plan = self.plan(n_rows, settings)
            n_threads, rows_per_batch = _threads(plan, settings), plan.rows_per_batch
            if plan.chosen.gives_raw:
                asked: Any = self._runner(plan, plan.chosen)
                return asked.raw_scores(rows, rows_per_batch, n_threads, start), n_threads
            if self.forest.trees.aggregate != "sum":
                total = self._total(rows, settings, plan, n_threads, start)
                return outputs.raw_scores(self.forest, total), n_threads
            runner = self._runner(plan, plan.chosen)
            if _is_settled(plan, settings):
                self._ready[n_rows, settings] = runner, rows_per_batch, n_threads
        total = runner.total(rows, rows_per_batch, n_threads, start)
        return (total if self.forest.outputs.raw_is_sum else outputs.raw_scores(self.forest, total)), n_threads

    def raw_scores_once(self, rows: Rows, settings: Settings) -> Any:
        """The library's raw scores of rows that come once, shape (n, K): by what is built the soonest, and not kept."""
        plan = self.plan(len(rows), settings)
        build = getattr(BACKENDS[plan.backend], "build_quickly", None)
        by_choice = (plan.device, settings.strategy, self.forest.trees.aggregate) == ("cpu", "auto", "sum")
        if build is None or not by_choice or (runner := build(self._work)) is None:
            return self.raw_scores(rows, settings)[0]
        return outputs.raw_scores(self.forest, runner.total(rows, plan.rows_per_batch, 1))

    def tables_in_place(self, n_rows: int, dtype: str, settings: Settings) -> tuple[Sequence[Any], float] | None:
        """The kernels' tables that give sums over trees for so many rows in an array of a dtype, and the time expected.

        None where other code has a part in it, or several threads may have.
        """
        plan = self.plan(n_rows, settings)
        by_several = plan.worth_threads and settings.n_jobs != 1
        if by_several or plan.chosen.gives_raw or self.forest.trees.aggregate != "sum":
            return None
        find = getattr(self._runner(plan, plan.chosen), "tables_in_place", None)
        expected_ns = math.inf if plan.expected_ns is None else plan.expected_ns
        return None if find is None else (find(n_rows, dtype), expected_ns)

    def _total(self, rows: Rows, settings: Settings, plan: Plan, n_threads: int, start: npt.NDArray[Any] | None) -> Any:
        if self.forest.trees.aggregate == "weighted_median":
            return self._aggregated(rows, settings, aggregates.weighted_median)
        if self.forest.trees.aggregate == "per_tree":
            raise ValueError("This model has no raw scores: its answer is the leaves, which transform and apply give.")
        return self._runner(plan, plan.chosen).total(rows, plan.rows_per_batch, n_threads, start)

    def log_mean(self, rows: Rows, settings: Settings) -> Any:
        """Logarithms of probabilities, shape (n, K), where they are added rather than taken of the mean."""
        return self._aggregated(rows, settings, aggregates.log_mean)

    def reached(self, rows: Rows, settings: Settings) -> Any:
        """The leaves that the rows reach, by their numbers in the forest's arrays, int32, shape (n, T)."""
        return self._walk.leaves(rows, _as_planned(self.plan(len(rows), settings), settings))

    def _aggregated(self, rows: Rows, settings: Settings, aggregate: Callable[..., npt.NDArray[Any]]) -> Any:
        """What an aggregate makes of the leaves that rows reach, batch by batch."""
        n_rows = max(1, AGGREGATE_BYTES // (LEAF_BYTES * max(self.forest.n_trees, 1)))
        found = []
        for batch in rows.batches(n_rows):
            leaves = self.reached(batch, settings)
            found.append(aggregate(self.forest, leaves.cpu().numpy() if is_tensor(leaves) else leaves))
        together = np.concatenate(found)
        if not is_tensor(rows.data):
            return together
        import torch

        return torch.from_numpy(together).to(rows.data.device)

    def leaves(self, rows: Rows, settings: Settings) -> Any:
        """The library's leaf numbers, int32, shape (n, T)."""
        if self.forest.trees.aggregate != "sum":
            leaves = self.reached(rows, settings)
            if not is_tensor(leaves):
                return self.forest.trees.leaf_id[leaves]
            return leaves.new_tensor(self.forest.trees.leaf_id)[leaves]
        plan = self.plan(len(rows), settings)
        option = plan.chosen.finding_leaves
        if option is None:  # an error if kernels were asked for: none walks these trees. Otherwise tensor code
            asked = "torch" if settings.backend == "auto" else settings.backend
            plan = self.plan(len(rows), settings._replace(strategy="tree_traversal", backend=asked))
            option = plan.chosen
        runner = self._runner(plan, option)
        return runner.leaves(rows, plan.rows_per_batch, _threads(plan, settings))

    def _runner(self, plan: Plan, option: Option) -> Runner:
        """What runs an option, built the first time that it is asked for."""
        key = plan.backend, option.name, plan.device
        if (found := self._runners.get(key)) is None:
            with _compiling.held():
                if (found := self._runners.get(key)) is None:
                    found = self._runners[key] = self._built(plan, option)
        return found

    def _built(self, plan: Plan, option: Option) -> Runner:
        if plan.warning:
            warnings.warn(plan.warning, PerformanceWarning, stacklevel=_of_the_caller())
        return BACKENDS[plan.backend].build(self._work, option, plan.device)


def _of_the_caller() -> int:
    """The ``stacklevel`` of the line outside the package that a warning of the calling function is about."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "sktensor":
        frame, level = frame.f_back, level + 1
    return level


def _as_planned(plan: Plan, settings: Settings) -> Settings:
    """Settings by which the same trees find leaves as planned. What only "auto" knows has no name to ask for."""
    if plan.chosen.gives_raw:
        return settings
    named = plan.strategy if plan.strategy in strategies() else settings.strategy
    return settings._replace(strategy=named, backend=plan.backend)


def _is_settled(plan: Plan, settings: Settings) -> bool:
    """Whether the threads are the same for all calls with these settings, whatever joblib is told meanwhile."""
    return not plan.worth_threads or (settings.n_jobs is not None and settings.n_jobs > 0)


def _threads(plan: Plan, settings: Settings) -> int:
    """`n_jobs` threads where they are worth it."""
    return count_threads(settings.n_jobs) if plan.worth_threads else 1
