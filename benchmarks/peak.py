"""The memory that a call needs at its peak."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path


def peak_of(call):
    """Result of the call, its seconds, and the bytes it needed at its peak beyond what was resident before."""
    start = time.perf_counter()
    try:
        before = status("VmRSS")
        forget_peak()
    except OSError:  # no such file: the peak of the whole process so far has to do, in bytes on macOS
        unit = 1 if sys.platform == "darwin" else 1024
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        result = call()
        return result, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before
    result = call()
    return result, time.perf_counter() - start, status("VmHWM") - before


def status(field):
    """Bytes that the kernel reports for this process: VmRSS is what is resident, VmHWM its peak."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def forget_peak():
    """Let the peak start again from what is resident now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
