"""The support matrix in the documentation names what the tests hold."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "support_matrix.py"
PAGE = SCRIPT.with_suffix(".rst")
LIBRARIES = ("xgboost", "lightgbm", "scikit-learn", "catboost")


def is_of_these_versions():
    """Whether the page was written with the installed libraries: with others, some cases are not there."""
    tried = PAGE.read_text(encoding="utf-8").split("\nTried with", 1)[1].split("\n", 1)[0]
    found = dict(re.findall(r"([\w-]+) (\d[\w.+]*\w)", tried))
    return all(found[name] == metadata.version(name) for name in LIBRARIES)


@pytest.mark.slow
@pytest.mark.skipif(not PAGE.exists(), reason="an installation without the documentation")
@pytest.mark.skipif(PAGE.exists() and not is_of_these_versions(), reason="the page is of other versions")
def test_the_support_matrix_names_the_cases_that_the_tests_have():
    found = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
