"""A forest on a CUDA device: rows that are there already, in one launch; others in pieces, copied while kernels run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sktensor.backends.gpu.driver import Device
from sktensor.backends.gpu.launch import DeviceForest, Matrix
from sktensor.backends.gpu.memory import Lane, Memory
from sktensor.backends.gpu.nvrtc import Compiler
from sktensor.backends.gpu.variants import DTYPES, ITEMSIZE, compared_dtype
from sktensor.forest import Forest
from sktensor.inputs.rows import Rows, as_columns, is_tensor

if TYPE_CHECKING:
    import torch

__all__ = ["PIECE_BYTES", "CudaForest", "rows_in_a_piece"]

Array = npt.NDArray[Any]

# Rows that travel together: enough that a copy runs at full speed, and several of them that copies and kernels overlap.
PIECE_BYTES = 8 * 2**20
LANES = 3


def rows_in_a_piece(row_bytes: int) -> int:
    """Rows that are copied to the device together."""
    return max(1, PIECE_BYTES // max(row_bytes, 1))


class CudaForest:
    """Sums and leaves of a forest.

    Parameters
    ----------
    forest : Forest
        What to run.
    device : Device
        Where.
    compiler : Compiler
        What makes the kernels.
    memory : Memory
        Of the device.
    """

    def __init__(self, forest: Forest, device: Device, compiler: Compiler, memory: Memory) -> None:
        self._forest = forest
        self._memory = memory
        self._on_device = DeviceForest(forest, device, compiler, memory.uploaded)

    def total(self, rows: Rows, rows_per_batch: int, n_threads: int, start: Array | None = None) -> Any:
        """The sum over trees, shape (n, K): a tensor where the rows are one, otherwise a numpy array."""
        return self._answer(rows, rows_per_batch, start, leaves=False)

    def leaves(self, rows: Rows, rows_per_batch: int, n_threads: int) -> Any:
        """The library's leaf numbers, int32, shape (n, T)."""
        return self._answer(rows, rows_per_batch, None, leaves=True)

    def _answer(self, rows: Rows, rows_per_batch: int, start: Array | None, *, leaves: bool) -> Any:
        rows = rows.checked()
        if is_tensor(rows.data) and rows.data.device == self._memory.device:
            return self._of_device_rows(rows, start, leaves)
        found = self._of_host_rows(rows, rows_per_batch, start, leaves)
        if not is_tensor(rows.data):
            return found
        import torch

        return torch.from_numpy(found).to(rows.data.device)

    def _shape(self, n_rows: int, leaves: bool) -> tuple[tuple[int, int], str]:
        if leaves:
            return (n_rows, self._forest.n_trees), "int32"
        return (n_rows, self._forest.n_outputs), self._forest.trees.acc_dtype

    def _of_device_rows(self, rows: Rows, start: Array | None, leaves: bool) -> torch.Tensor:
        """Answers on the device, on the current stream; the host waits for nothing."""
        X = rows.data.detach().resolve_neg()
        if _name(X) not in DTYPES:
            X = as_columns(X, self._forest, rows.flush_limit)
        out = self._memory.empty(*self._shape(len(X), leaves))
        begin = None if start is None else self._copied(start)
        self._launch(X, out, begin, rows.flush_limit, leaves)
        return out

    def _copied(self, array: Array) -> torch.Tensor:
        import torch

        return torch.from_numpy(np.array(array, dtype=self._forest.trees.acc_dtype, order="C")).to(self._memory.device)

    def _launch(
        self, X: torch.Tensor, out: torch.Tensor, start: torch.Tensor | None, flush_limit: float, leaves: bool
    ) -> None:
        matrix = Matrix(X.data_ptr(), _name(X), len(X), X.stride(0), X.stride(1))
        stream = self._memory.stream()
        if leaves:
            self._on_device.leaves(matrix, out.data_ptr(), stream, flush_limit)
        else:
            begin = 0 if start is None else start.data_ptr()
            self._on_device.sums(matrix, out.data_ptr(), stream, flush_limit, begin)

    def _of_host_rows(self, rows: Rows, rows_per_batch: int, start: Array | None, leaves: bool) -> Array:
        """Answers on the host."""
        shape, dtype = self._shape(len(rows), leaves)
        out = np.empty(shape, dtype=dtype)
        reader = _Reader(rows, self._forest)
        at_once = max(1, min(rows_per_batch, rows_in_a_piece(reader.row_bytes + out.itemsize * shape[1]), len(rows)))
        pieces = [
            _Piece(self._memory, reader, (at_once, shape[1]), dtype)
            for _ in range(min(LANES, -(-len(rows) // at_once)))
        ]
        for i, first in enumerate(range(0, len(rows), at_once)):
            piece, stop = pieces[i % len(pieces)], min(first + at_once, len(rows))
            piece.collect(out)
            reader.read(first, stop, piece.host_rows)
            with piece.lane.working():
                n = stop - first
                piece.device_rows[:n].copy_(piece.host_rows[:n], non_blocking=True)
                begin = None if start is None else self._copied(start[first:stop])
                self._launch(piece.device_rows[:n], piece.device_out[:n], begin, rows.flush_limit, leaves)
                piece.host_out[:n].copy_(piece.device_out[:n], non_blocking=True)
            piece.pending = first, stop
        for piece in pieces:
            piece.collect(out)
        return out


@dataclass
class _Reader:
    """Rows on the host, cut into pieces: in their own dtype, or in that of the comparison where that is smaller."""

    rows: Rows
    forest: Forest

    def __post_init__(self) -> None:
        data = self.rows.data
        name = _name(data) if is_tensor(data) else getattr(data, "dtype", np.dtype(object)).name
        is_native = is_tensor(data) or (isinstance(data, np.ndarray) and data.dtype.isnative)
        self._as_they_lie = is_native and name in DTYPES
        self.dtype: str = self.forest.trees.feature_dtype
        if self._as_they_lie:
            compared = compared_dtype(self.forest, name)
            self.dtype = compared if ITEMSIZE[compared] < ITEMSIZE[name] else name

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return int(self.rows.data.shape[1]) * ITEMSIZE[self.dtype]

    def read(self, start: int, stop: int, out: torch.Tensor) -> None:
        """Write some rows to a tensor on the host."""
        import torch

        if not self._as_they_lie:
            out[: stop - start].copy_(torch.from_numpy(self.rows.array(start, stop, self.forest)))
            return
        part = self.rows.data[start:stop]
        if is_tensor(part):
            out[: stop - start].copy_(part.detach())
            return
        with np.errstate(over="ignore"):  # 1e300 becomes inf, as in the libraries
            np.copyto(out[: stop - start].numpy(), part, casting="unsafe")


class _Piece:
    """Room for rows and their answers on both sides, and a stream between them."""

    def __init__(self, memory: Memory, reader: _Reader, shape: tuple[int, int], dtype: str) -> None:
        rows_shape = shape[0], int(reader.rows.data.shape[1])
        self.host_rows = memory.pinned(rows_shape, reader.dtype)
        self.host_out = memory.pinned(shape, dtype)
        self.lane: Lane = memory.lane()
        with self.lane.working():  # the allocator knows which stream uses the memory
            self.device_rows = memory.empty(rows_shape, reader.dtype)
            self.device_out = memory.empty(shape, dtype)
        self.pending: tuple[int, int] | None = None

    def collect(self, out: Array) -> None:
        """Wait for what is pending, and put it where it belongs."""
        if self.pending is None:
            return
        self.lane.wait()
        first, stop = self.pending
        out[first:stop] = self.host_out[: stop - first].numpy()
        self.pending = None


def _name(X: torch.Tensor) -> str:
    return str(X.dtype).removeprefix("torch.")
