from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory):
    """Compiled kernels are kept for these tests only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKTENSOR_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
        yield
