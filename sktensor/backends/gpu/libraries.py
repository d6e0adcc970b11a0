"""Where NVIDIA's libraries are: beside torch, in NVIDIA's wheels, in the CUDA toolkit, or where the system looks."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["driver_library", "nvrtc_candidates", "nvrtc_library"]

ON_WINDOWS = sys.platform == "win32"

DRIVER = "nvcuda.dll" if ON_WINDOWS else "libcuda.so.1"

# The newest first. Within a major version, which is the driver's, any minor version will do.
NVRTC = ("nvrtc64_130_0.dll", "nvrtc64_120_0.dll") if ON_WINDOWS else ("libnvrtc.so.13", "libnvrtc.so.12")

# Below site-packages/nvidia: wheels of CUDA 13 share a folder.
NVRTC_FOLDERS = ("cu13/bin/x86_64", "cu13/bin", "cuda_nvrtc/bin") if ON_WINDOWS else ("cu13/lib", "cuda_nvrtc/lib")


def driver_library() -> ctypes.CDLL:
    """The driver's library; OSError where there is none."""
    return ctypes.CDLL(DRIVER)


def nvrtc_candidates() -> Iterator[str]:
    """Paths or names under which NVRTC may be found, the likeliest first."""
    for folder in _folders():
        for name in NVRTC:
            if (path := folder / name).is_file():
                yield str(path)
    yield from NVRTC


def nvrtc_library(name: str) -> ctypes.CDLL:
    """NVRTC under a name or path; OSError where it is not."""
    folder = Path(name).parent
    if Path(name).is_absolute():
        # NVRTC loads its built-in functions by name, and the wheels do not tell it where they are.
        if ON_WINDOWS:
            os.add_dll_directory(str(folder))  # type: ignore[attr-defined,unused-ignore]
        for builtins in folder.glob("libnvrtc-builtins.so.*"):
            ctypes.CDLL(str(builtins))
    return ctypes.CDLL(name)


def _folders() -> Iterator[Path]:
    for place in _places("nvidia"):
        yield from (place / folder for folder in NVRTC_FOLDERS)
    yield from (place / "lib" for place in _places("torch"))
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if toolkit := os.environ.get(variable):
            yield from (Path(toolkit) / folder for folder in ("bin/x64", "bin", "lib64", "lib"))
    if not ON_WINDOWS:
        yield Path("/usr/local/cuda/lib64")


def _places(package: str) -> list[Path]:
    """The folders of a package, which need not be imported."""
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    return [] if found is None else [Path(place) for place in found.submodule_search_locations or ()]
