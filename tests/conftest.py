"""What all tests share: the devices they run on, the choice of ``-m fast``, and property tests that never vary."""

from __future__ import annotations

import importlib.util
import os

# Where tests run side by side, OpenMP's threads of one library wait in turns for processors that those of another hold.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import sklearn
from hypothesis import HealthCheck, settings

# A failure must be the code's and not the day's: examples derive from the test, and a slow machine is no failure.
settings.register_profile(
    "sktensor",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("sktensor")

DEVICES = ("cpu", "cuda")


@pytest.hookimpl(tryfirst=True)  # before pytest looks at -m
def pytest_collection_modifyitems(items):
    """Mark the first and the last case of every test as fast, unless it is slow; note what tests are evidence of."""
    of_test = {}
    for item in items:
        of_test.setdefault((item.path, getattr(item, "originalname", item.name)), []).append(item)
        if (mark := item.get_closest_marker("evidence")) is not None:
            item.user_properties.append(("evidence", *mark.args))  # a property in the file of --junit-xml
    for cases in of_test.values():
        for item in {cases[0], cases[-1]}:
            if item.get_closest_marker("slow") is None:
                item.add_marker("fast")


@pytest.fixture(params=DEVICES)
def device(request):
    """Each device in turn; one that this machine lacks is skipped."""
    if request.param == "cuda":
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")
    return request.param


@pytest.fixture
def dispatch(monkeypatch):
    """array_api_dispatch of scikit-learn, under which tensors are answered by tensors."""
    if sklearn.__version__.startswith("1.6.") and importlib.util.find_spec("array_api_compat") is None:
        pytest.skip("scikit-learn 1.6 needs array_api_compat for it, which later versions bring with them")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with sklearn.config_context(array_api_dispatch=True):
        yield


@pytest.fixture
def at_once(monkeypatch):
    """Whether each few rows of a frame were answered by one call of the extension, in the order they were asked for."""
    from sktensor.estimator.frame_answers import FrameAnswers

    calls, ordinary = [], FrameAnswers.__call__

    def noted(self, *args):
        found = ordinary(self, *args)
        calls.append(found is not None)
        return found

    monkeypatch.setattr(FrameAnswers, "__call__", noted)
    return calls
