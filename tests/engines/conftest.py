"""What the tests of engines share. Each is skipped where its engine is not installed (CONTRIBUTING.md)."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 600  # seconds
IMPORTABLE = [str(ROOT), str(ROOT / "tests/helpers"), str(ROOT / "examples/scaling"), str(ROOT / "examples/serving")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol():
    """A test that hangs, in its fixtures or itself, fails instead."""

    def hung(*_):
        raise TimeoutError(f"the engine has not answered for {LONGEST} s")

    if not hasattr(signal, "SIGALRM"):
        return (yield)
    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(LONGEST)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True, scope="module")
def importable_in_workers():
    """Processes that engines start find the recipes and the helpers, as this one does, and this Python."""
    with pytest.MonkeyPatch.context() as patch:
        path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [*IMPORTABLE, *path])))
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        for folder in IMPORTABLE:
            patch.syspath_prepend(folder)
        yield


@pytest.fixture(scope="session")
def pipeline():
    """The library's own pipeline, fitted."""
    from engine_cases import fitted_pipeline

    return fitted_pipeline()


@pytest.fixture(scope="session")
def model_path(pipeline, tmp_path_factory):
    """The saved file of the wrapped pipeline."""
    from engine_cases import saved

    return saved(pipeline, tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.fixture(scope="session")
def other_pipeline():
    """Another one with the same columns, for two models behind one server."""
    from engine_cases import fitted_pipeline

    return fitted_pipeline(n_estimators=7)


@pytest.fixture(scope="session")
def other_path(other_pipeline, tmp_path_factory):
    """The saved file of the other pipeline."""
    from engine_cases import saved

    return saved(other_pipeline, tmp_path_factory.mktemp("model") / "other.safetensors")


@pytest.fixture(scope="session")
def numbers_path(tmp_path_factory):
    """The saved file of a model that is worth a second thread."""
    from engine_cases import fitted_numbers

    import sktensor

    path = tmp_path_factory.mktemp("model") / "numbers.safetensors"
    sktensor.save(sktensor.TensorizedEstimator(fitted_numbers()), path)
    return path
