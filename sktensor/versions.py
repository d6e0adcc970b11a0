"""What a bug report needs to say about the installation."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata

import sktensor
from sktensor.native.loader import INSTRUCTION_SETS, library, why_missing

__all__ = ["show_versions"]

PACKAGES = (
    "numpy",
    "scipy",
    "narwhals",
    "scikit-learn",
    "torch",
    "xgboost",
    "lightgbm",
    "catboost",
    "pandas",
    "polars",
    "pyarrow",
    "joblib",
    "threadpoolctl",
)


def show_versions() -> None:
    """Print the versions of Python, of sktensor and of the packages whose answers it reproduces.

    Nothing is imported for it: versions are read from the packages' metadata. One that is not installed is
    shown as ``-``.

    Examples
    --------
    >>> import sktensor
    >>> sktensor.show_versions()
    System
        python: 3...
      platform: ...
       machine: ...
          cpus: ...
    Kernels
      cpu: ...
    Packages
          sktensor: 0...
             numpy: ...
    """
    _print_block(
        "System",
        {
            "python": f"{platform.python_version()} ({platform.python_implementation()})",
            "platform": platform.platform(),
            "machine": f"{platform.machine()}, {sys.byteorder}-endian",
            "cpus": str(os.cpu_count()),
        },
    )
    _print_block("Kernels", {"cpu": _kernels()})
    _print_block("Packages", {"sktensor": sktensor.__version__, **{name: _version(name) for name in PACKAGES}})


def _kernels() -> str:
    """The instruction set that the CPU kernels use, or why there are none."""
    found = library()
    return why_missing() if found is None else INSTRUCTION_SETS[found.isa]


def _version(distribution: str) -> str:
    """The installed version of a distribution, or ``-``."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "-"


def _print_block(title: str, lines: dict[str, str]) -> None:
    width = max(map(len, lines)) + 2
    print(title)
    for name, value in lines.items():
        print(f"{name:>{width}}: {value}")
