"""Estimators that come from a machine with other devices than this one."""

from __future__ import annotations

import warnings
from typing import Any

from sktensor.errors import DeviceWarning
from sktensor.runtime.settings import find_device

__all__ = ["device_here"]

ACCELERATORS = ("cuda", "mps")


def device_here(device: Any) -> Any:
    """The device that a loaded estimator is to use: its own, or the CPU where that is not there.

    Parameters
    ----------
    device : str or torch.device
        The parameter `device` of the estimator. Torch is loaded only for accelerators.

    Returns
    -------
    str or torch.device
        `device`, or ``"cpu"``, with a :class:`~sktensor.DeviceWarning` at the caller of the caller.
    """
    if str(device).partition(":")[0] not in ACCELERATORS:
        return device
    try:
        find_device(device)
    except ValueError as error:
        warnings.warn(f"{error} This estimator was loaded with device='cpu' instead.", DeviceWarning, stacklevel=3)
        return "cpu"
    return device
