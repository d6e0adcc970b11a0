"""The GPU's kernels under sanitizers: memory and arithmetic with fibers for threads, races with real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import stand_in_gpu as gpu

SCRIPT = gpu.FOLDER / "sanitize"


def has(runtime):
    """Whether the compiler has the runtime of a sanitizer."""
    if sys.platform != "linux" or shutil.which(gpu.CXX) is None:
        return False
    found = subprocess.run([gpu.CXX, f"-print-file-name=lib{runtime}.so"], capture_output=True, text=True, check=False)
    return os.path.isabs(found.stdout.strip())


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "runtime"), [("address", "asan"), ("thread", "tsan")])
def test_no_sanitizer_has_anything_to_say(kind, runtime):
    if not has(runtime):
        pytest.skip(f"needs GCC's {runtime}")
    done = subprocess.run(
        [SCRIPT, kind], env=os.environ | {"PYTHON": sys.executable}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout.endswith("all passed\n"), done.stdout + done.stderr[-5000:]
