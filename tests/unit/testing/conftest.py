"""A library that knows nothing of sktensor, importable for one test."""

from __future__ import annotations

import importlib
import importlib.util
import sys

import pytest
from other_library import MODELS, PLUGIN

from sktensor import registry


@pytest.fixture
def otherlib(tmp_path, monkeypatch):
    """The package, importable, with metadata that announce nothing yet, and a registry of this test's own."""
    package = tmp_path / "otherlib"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(MODELS)
    (package / "plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_registered", {})
    registry._entry_points.cache_clear()
    yield importlib.import_module("otherlib.models")
    registry._entry_points.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "otherlib"]:
        del sys.modules[name]


@pytest.fixture
def plugin(otherlib):
    return importlib.import_module("otherlib.plugin")
