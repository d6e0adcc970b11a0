"""The fused kernels of a device as one engine: those of the CPU, or those of CUDA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sktensor.backends.cpu import engine as cpu
from sktensor.backends.cpu.engine import build_quickly
from sktensor.backends.workload import Workload
from sktensor.strategies.auto import Option

__all__ = ["build", "build_quickly", "options", "unavailable"]


def _engine(device: str) -> Any:
    if not device.startswith("cuda"):
        return cpu
    from sktensor.backends.gpu import engine as gpu  # of which predictions on a CPU load nothing

    return gpu


def unavailable(device: str, strategy: str) -> str:
    """Why there is no kernel, whatever the forest."""
    return str(_engine(device).unavailable(device, strategy))


def options(work: Workload, n_rows: int, device: str) -> Iterator[Option]:
    """What the kernels of the device could do."""
    yield from _engine(device).options(work, n_rows, device)


def build(work: Workload, option: Option, device: str) -> Any:
    """What runs one of these options."""
    return _engine(device).build(work, option, device)
