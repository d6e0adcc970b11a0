"""What the user asked for: device, strategy, backend, batches; and refusals of what cannot be asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sktensor.forest import Forest
from sktensor.strategies import find_strategy

if TYPE_CHECKING:
    import torch

__all__ = ["Settings", "check_dtypes", "find_device"]

BACKENDS = ("auto", "torch", "native")


@dataclass(frozen=True)
class Settings:
    """What the user asked for; the parameters of :class:`~sktensor.TensorizedEstimator` of the same names."""

    device: Any = "cpu"
    strategy: str = "auto"
    backend: str = "auto"
    batch_size: int | None = None
    n_jobs: int | None = None

    def check(self) -> None:
        """Refuse what cannot be asked for, by name."""
        if self.strategy != "auto":
            find_strategy(self.strategy)
        if self.backend not in BACKENDS:
            raise ValueError(f"Unknown backend {self.backend!r}. Known: {', '.join(map(repr, BACKENDS))}.")
        if self.backend == "native":
            raise ValueError("backend='native' is not part of this version. Use backend='torch' or 'auto'.")
        if self.batch_size is not None and not (_is_integer(self.batch_size) and self.batch_size >= 1):
            raise ValueError(f"batch_size must be a positive integer or None, got {self.batch_size!r}.")
        if self.n_jobs is not None and not (_is_integer(self.n_jobs) and self.n_jobs != 0):
            raise ValueError(f"n_jobs must be an integer other than 0, or None, got {self.n_jobs!r}.")
        find_device(self.device)


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def find_device(device: Any) -> torch.device:
    """The torch device of that name, if it is there."""
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            f"Unknown device {device!r}. Known: 'cpu', 'cuda', 'cuda:1', 'mps', 'auto', or a torch.device."
        ) from None
    there: dict[str, Callable[[], bool]] = {
        "cpu": lambda: True,
        "cuda": lambda: torch.cuda.is_available() and (found.index or 0) < torch.cuda.device_count(),
        "mps": lambda: torch.backends.mps.is_available(),
    }
    if found.type not in there:
        raise ValueError(f"device={device!r} is not supported. Known: 'cpu', 'cuda', 'cuda:1', 'mps', 'auto'.")
    if not there[found.type]():
        raise ValueError(f"device={device!r} is not there: torch finds no such device. Use 'cpu' or 'auto'.")
    return found


def check_dtypes(device: torch.device, forest: Forest) -> None:
    """Refuse a device that cannot compute in the forest's dtypes."""
    if device.type == "mps" and "float64" in (forest.feature_dtype, forest.acc_dtype):
        raise ValueError("device='mps' has no float64, which this model computes in. Use 'cpu' or 'cuda'.")
