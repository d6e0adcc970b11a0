"""What a figure depends on beside the code: the processor and the versions."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = ("numpy", "torch", "scikit-learn", "xgboost", "lightgbm")


def describe():
    """Processor, cores, Python and the packages that matter, one per line."""
    found = versions(PACKAGES)
    packages = ", ".join(f"{package} {found.get(package, '-')}" for package in PACKAGES)
    return "\n".join(
        [
            f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
            f"Python {platform.python_version()}, sktensor {_own_version()}, {packages}",
        ]
    )


def facts():
    """The machine as a dictionary, without its name."""
    return {
        "processor": processor(),
        "cpus": os.cpu_count(),
        "threads_per_core": _threads_per_core(),
        "memory_gib": round(memory() / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions(packages):
    """Installed versions by package; one that is not installed is left out."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def processor():
    """The processor's name where the system tells it; virtual machines may hide the model, not the family."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    said = {}
    for line in lines:
        name, _, value = line.partition(":")
        said.setdefault(name.strip(), value.strip())
    if "model name" not in said:
        return platform.machine()
    return f"{said['model name']} (family {said.get('cpu family', '?')}, model {said.get('model', '?')})"


def memory():
    """Bytes of physical memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _threads_per_core():
    try:
        siblings = Path("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list").read_text(encoding="ascii")
    except OSError:
        return None
    ranges = (part.split("-") for part in siblings.strip().split(","))
    return sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges)


def _own_version():
    import sktensor

    return sktensor.__version__
