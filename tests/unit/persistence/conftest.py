"""What tests of saved estimators share."""

from __future__ import annotations

import pytest


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"
