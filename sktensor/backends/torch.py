"""The portable backend: a strategy's tables as torch tensors, on any device that torch has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from sktensor.backends.workload import Workload
from sktensor.forest import Forest
from sktensor.inputs.rows import Rows, is_tensor
from sktensor.strategies import auto, find_strategy, sums
from sktensor.strategies.auto import Option
from sktensor.strategies.tables import map_arrays

if TYPE_CHECKING:
    import torch

__all__ = ["TensorBackend", "build", "compiled", "options", "unavailable"]


def unavailable(device: str, strategy: str) -> str:
    """Why there is no tensor code, whatever the forest: nothing, it is there for every strategy and device."""
    return ""


def options(work: Workload, n_rows: int, device: str) -> Iterator[Option]:
    """Every strategy as tensor code."""
    forest, slow = work.forest, ""
    without_float64 = device.startswith("mps") and "float64" in (forest.trees.feature_dtype, forest.trees.acc_dtype)
    if device == "cpu":
        slow = "predictions on the CPU go through torch, which is many times slower than sktensor's kernels"
    for seen in auto.options(work.shape, n_rows, device, work.width, work.sum_steps):
        refused = "device='mps' has no float64, which this model computes in. Use 'cpu' or 'cuda'."
        yield replace(seen, slow=slow, refused=refused if without_float64 else seen.refused)


def build(work: Workload, option: Option, device: str) -> TensorBackend:
    """The tables on the device."""
    return TensorBackend(work.forest, option.name, device)


def compiled(forest: Forest, strategy: str) -> tuple[Any, sums.SumTables]:
    """The numpy tables of a strategy and of the sum."""
    return find_strategy(strategy).compile(forest.trees), sums.compile(forest.trees)


class TensorBackend:
    """A forest's tables on a device.

    Parameters
    ----------
    forest : Forest
        What to run.
    strategy : str
        A registered strategy.
    device : str
        A torch device.
    """

    def __init__(self, forest: Forest, strategy: str, device: str) -> None:
        self.forest = forest
        self.device = device
        self.strategy = find_strategy(strategy)
        host: Any = (*compiled(forest, strategy), forest.trees.leaf_id)
        self._tables, self._sums, self._leaf_id = map_arrays(host, lambda array: _tensor(array, device))

    def total(self, rows: Rows, rows_per_batch: int, n_threads: int, start: npt.NDArray[Any] | None = None) -> Any:
        """The sum over trees, shape (n, K): a tensor where the rows are one, otherwise a numpy array."""

        def run(X: torch.Tensor, first: int) -> torch.Tensor:
            begin = None if start is None else _tensor(start[first : first + len(X)], self.device)
            return sums.run(self._sums, self.strategy.run(self._tables, X), X, begin)

        return self._in_batches(rows, rows_per_batch, run, self.forest.n_outputs, self.forest.trees.acc_dtype)

    def leaves(self, rows: Rows, rows_per_batch: int, n_threads: int) -> Any:
        """The library's leaf numbers, int32, shape (n, T)."""

        def run(X: torch.Tensor, first: int) -> torch.Tensor:
            found = self.strategy.run(self._tables, X)
            numbers: torch.Tensor = self._leaf_id.index_select(0, found.flatten())
            return numbers.view(found.shape).t()

        return self._in_batches(rows, rows_per_batch, run, self.forest.n_trees, "int32")

    def _in_batches(self, rows: Rows, rows_per_batch: int, run: Callable[..., Any], width: int, dtype: str) -> Any:
        import torch

        rows = rows.checked()
        with torch.no_grad():
            # The answer stays on the device until the last batch: nothing in this loop waits for it.
            out = torch.empty((len(rows), width), dtype=getattr(torch, dtype), device=self.device)
            for start in range(0, len(rows), rows_per_batch):
                stop = min(start + rows_per_batch, len(rows))
                out[start:stop] = run(rows.batch(start, stop, self.forest, self.device), start)
        return out.to(rows.data.device) if is_tensor(rows.data) else out.cpu().numpy()


def _tensor(array: npt.NDArray[Any], device: Any) -> torch.Tensor:
    import torch

    # torch.tensor copies: the forest's arrays are read-only, of which torch.from_numpy would warn.
    return torch.tensor(array, device=device)  # type: ignore[no-untyped-call]
