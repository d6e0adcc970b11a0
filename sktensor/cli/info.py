"""``info``: versions, kernels and devices."""

from __future__ import annotations

__all__ = ["info"]


def info() -> None:
    """Print what a bug report needs, and the devices that torch finds."""
    from sktensor.versions import show_versions

    show_versions()
    print("Devices")
    print("  cpu")
    for line in _accelerators():
        print(f"  {line}")


def _accelerators() -> list[str]:
    """One line for each device beside the CPU."""
    try:
        import torch
    except ImportError:
        return ["no others can be looked for: torch is not installed"]
    found = []
    for i in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(i)
        found.append(f"cuda:{i} ({properties.name}, {properties.total_memory / 2**30:.0f} GiB)")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found
