"""The architecture page names files and folders that there are, and its picture is the one that its script draws."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import sktensor

ROOT = Path(__file__).parents[2]
PACKAGE = Path(sktensor.__file__).parent
DOCS = ROOT / "docs"
PAGE = (DOCS / "architecture.rst").read_text(encoding="utf-8")
ENDINGS = (".py", ".cpp", ".h", ".json", "/")
NAMED = sorted({name for name in re.findall(r"``([\w./<>]+)``", PAGE) if name.endswith(ENDINGS)} - {"columns.py"})


def drawing():
    spec = importlib.util.spec_from_file_location("draw_architecture", DOCS / "draw_architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMED)
def test_files_and_folders_named_on_the_page_are_there(name):
    name = name.replace("<library>", "sklearn")
    assert (ROOT / name).exists() or (PACKAGE / name).exists()


def test_the_page_names_every_folder_and_module_of_the_package():
    parts = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    named = {name.partition("/")[0] for name in NAMED}
    assert parts <= named, f"no line for {sorted(parts - named)}"


def test_the_picture_is_the_one_that_its_script_draws():
    assert (DOCS / "architecture.svg").read_text(encoding="utf-8") == drawing().picture()


def test_folders_in_the_picture_are_there():
    found = re.findall(r">(\w+)/<", drawing().picture())
    assert found
    assert all((PACKAGE / name).is_dir() for name in found)
