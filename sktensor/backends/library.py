"""The wrapped library itself, for forests that no kernel runs: it is far faster on a CPU than tensor code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor import outputs
from sktensor.backends import torch as tensor_code
from sktensor.backends.torch import TensorBackend
from sktensor.backends.workload import Workload
from sktensor.forest import NO_FLUSH
from sktensor.inputs.ctr_features import CtrColumns
from sktensor.inputs.rows import Rows, is_sparse, is_tensor
from sktensor.strategies.auto import Option, rows_in_flight
from sktensor.strategies.costs import Cost

__all__ = ["AUTO_ONLY", "LibraryBackend", "build", "options", "unavailable"]

Array = npt.NDArray[Any]

AUTO_ONLY = True  # whoever wants the library's own predictions needs no wrapper


def unavailable(device: str, strategy: str) -> str:
    """Why the library is not asked, whatever the forest."""
    if device != "cpu":
        return f"the wrapped model predicts on the CPU, not on device={device!r}"
    return "" if strategy == "auto" else f"strategy={strategy!r} is not for the wrapped model to follow"


def options(work: Workload, n_rows: int, device: str) -> Iterator[Option]:
    """The wrapped model's own answers, where it is at hand and gives raw scores."""
    if work.model is None or not hasattr(work.extractor, "predict_raw"):
        return
    refused = "the wrapped model has no raw scores" if work.forest.trees.aggregate == "per_tree" else ""
    row_bytes = float(work.forest.n_features * np.dtype(work.forest.trees.feature_dtype).itemsize)
    cost = Cost(table_bytes=0.0, row_bytes=row_bytes, kernels=0.0, row_ns=0.0)
    yield Option(
        "library",
        cost,
        refused,
        backend="library",
        gives_raw=True,
        slow="the wrapped model itself is asked, at its own speed",
        rows_in_flight=rows_in_flight(cost, device, work.width),
    )


def build(work: Workload, option: Option, device: str) -> LibraryBackend:
    """What asks the wrapped model."""
    return LibraryBackend(work)


class LibraryBackend:
    """Raw scores and leaves of the wrapped model.

    Rows that only sktensor can read (texts of CatBoost's categories, tiny values of LightGBM that are not flushed) and
    sums as such, which the library does not tell, go through tensor code.

    Parameters
    ----------
    work : Workload
        With the model and its extractor.
    """

    def __init__(self, work: Workload) -> None:
        self._work = work

    @cached_property
    def _tensor_code(self) -> TensorBackend:
        best = next(seen for seen in tensor_code.options(self._work, 1000, "cpu") if not seen.refused)
        return tensor_code.build(self._work, best, "cpu")

    def total(self, rows: Rows, rows_per_batch: int, n_threads: int, start: Array | None = None) -> Any:
        """The sum over trees, shape (n, K): a tensor where the rows are one, otherwise a numpy array."""
        return self._tensor_code.total(rows, rows_per_batch, n_threads, start)

    def raw_scores(self, rows: Rows, rows_per_batch: int, n_threads: int, start: Array | None = None) -> Any:
        """The library's raw scores, shape (n, K): a tensor where the rows are one, otherwise a numpy array."""
        forest = self._work.forest
        if forest.trees.aggregate == "sum" and (start is not None or not self._reads(rows)):
            return outputs.raw_scores(forest, self.total(rows, rows_per_batch, n_threads, start))
        return self._in_batches(
            rows, rows_per_batch, self._work.extractor.predict_raw, forest.n_outputs, forest.trees.acc_dtype
        )

    def leaves(self, rows: Rows, rows_per_batch: int, n_threads: int) -> Any:
        """The library's leaf numbers, int32, shape (n, T)."""
        ask = getattr(self._work.extractor, "predict_leaves", None)
        if ask is None or not self._reads(rows):
            return self._tensor_code.leaves(rows, rows_per_batch, n_threads)
        found = self._in_batches(rows, rows_per_batch, ask, self._work.forest.n_trees, "int32")
        return self._tensor_code.leaves(rows, rows_per_batch, n_threads) if found is None else found

    def _reads(self, rows: Rows) -> bool:
        """Whether the library gets the same values from an array of these rows as the forest's trees do."""
        forest = self._work.forest
        if isinstance(rows.data, CtrColumns) or forest.inputs.reads_values:
            return False
        return rows.flush_limit == forest.inputs.flush_limit or is_sparse(rows.data)

    def _in_batches(
        self, rows: Rows, rows_per_batch: int, ask: Callable[[Any, Any], Any], width: int, dtype: str
    ) -> Any:
        rows = rows.checked()
        out = np.empty((len(rows), width), dtype=dtype)
        for first in range(0, len(rows), rows_per_batch):
            stop = min(first + rows_per_batch, len(rows))
            found = ask(self._work.model, self._some(rows, first, stop))
            if found is None:  # the library has no such answer
                return None
            out[first:stop] = np.reshape(found, (stop - first, width))
        if not is_tensor(rows.data):
            return out
        import torch

        return torch.from_numpy(out).to(rows.data.device)

    def _some(self, rows: Rows, first: int, stop: int) -> Any:
        """Rows as an array in the dtype of the features, C order, which every library takes.

        Sparse rows whose tiny values are not flushed as those of arrays are stay sparse, and so do others if they may.
        """
        if is_sparse(rows.data) and (
            rows.flush_limit != self._work.forest.inputs.flush_limit
            or (rows.flush_limit == NO_FLUSH and getattr(self._work.extractor, "reads_sparse", False))
        ):
            return rows.data if stop - first == len(rows) else rows.data[first:stop]
        return np.ascontiguousarray(rows.array(first, stop, self._work.forest))
