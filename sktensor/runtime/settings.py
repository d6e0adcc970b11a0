"""What the user asked for: device, strategy, backend, batches; and refusals of what cannot be asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sktensor.backends.base import BACKENDS, backends_by_name
from sktensor.strategies import find_strategy

__all__ = ["Settings", "count_threads", "find_device"]


class Settings(NamedTuple):
    """What the user asked for; the parameters of :class:`~sktensor.TensorizedEstimator` of the same names."""

    device: Any = "cpu"
    strategy: str = "auto"
    backend: str = "auto"
    batch_size: int | None = None
    n_jobs: int | None = None

    def check(self) -> str:
        """Refuse what cannot be asked for, by name; the name of the device."""
        if self.strategy != "auto":
            find_strategy(self.strategy)
        if self.backend not in (known := ("auto", *backends_by_name())):
            raise ValueError(f"Unknown backend {self.backend!r}. Known: {', '.join(map(repr, known))}.")
        if self.batch_size is not None and not (_is_integer(self.batch_size) and self.batch_size >= 1):
            raise ValueError(f"batch_size must be a positive integer or None, got {self.batch_size!r}.")
        if self.n_jobs is not None and not (_is_integer(self.n_jobs) and self.n_jobs != 0):
            raise ValueError(f"n_jobs must be an integer other than 0, or None, got {self.n_jobs!r}.")
        device = find_device(self.device)
        if self.backend != "auto" and (why := BACKENDS[self.backend].unavailable(device, self.strategy)):
            raise ValueError(why)
        return device


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def find_device(device: Any) -> str:
    """The name of the device, if it is there: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``."""
    if device == "cpu":
        return "cpu"  # without torch, which predictions on a CPU need not load
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
    return "cpu" if found.type == "cpu" else str(found)


def count_threads(n_jobs: int | None) -> int:
    """Threads for a parameter `n_jobs`: joblib counts them, unless it is a count."""
    if n_jobs is not None and n_jobs > 0:
        return n_jobs
    import joblib

    return int(joblib.effective_n_jobs(n_jobs))
