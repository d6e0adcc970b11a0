"""Memory and streams of a device: torch's, so that its allocator, stream and graphs are what they always are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

__all__ = ["Lane", "Memory"]


class Memory:
    """Memory and streams of a CUDA device.

    Parameters
    ----------
    ordinal : int
        The device's number.
    """

    def __init__(self, ordinal: int) -> None:
        import torch

        self.device = torch.device("cuda", ordinal)

    def uploaded(self, array: npt.NDArray[Any]) -> tuple[int, Any]:
        """A copy of an array on the device: its address, and what keeps it there."""
        import torch

        # As bytes, since torch has not all dtypes of numpy; and copied before, since the forest's arrays are read-only.
        host = np.array(array, order="C").reshape(-1).view(np.uint8)
        there = torch.from_numpy(host).to(self.device)
        return there.data_ptr(), there

    def empty(self, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
        """A tensor on the device, in C order."""
        import torch

        return torch.empty(shape, dtype=getattr(torch, dtype), device=self.device)

    def pinned(self, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
        """A tensor on the host that the device reads and writes while the host does something else."""
        import torch

        return torch.empty(shape, dtype=getattr(torch, dtype), pin_memory=True)

    def stream(self) -> int:
        """The handle of the stream that torch's operations of this thread go to."""
        import torch

        return int(torch.cuda.current_stream(self.device).cuda_stream)

    def lane(self) -> Lane:
        """A stream of its own."""
        return Lane(self.device)


class Lane:
    """A stream, whose work may run beside that of others.

    Parameters
    ----------
    device : torch.device
        Where.
    """

    def __init__(self, device: torch.device) -> None:
        import torch

        self._stream = torch.cuda.Stream(device)
        self._done = torch.cuda.Event()
        # What the caller's stream has been given so far may be what this one reads.
        self._stream.wait_stream(torch.cuda.current_stream(device))

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Have torch's operations go to the stream, and remember where they end."""
        import torch

        with torch.cuda.stream(self._stream):
            yield
            self._done.record(self._stream)

    def wait(self) -> None:
        """Wait until the work that was remembered is done."""
        self._done.synchronize()
