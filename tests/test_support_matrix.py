"""The support matrix in the documentation names what the tests hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "docs" / "support_matrix.py"


@pytest.mark.skipif(not SCRIPT.exists(), reason="an installation without the documentation")
def test_the_support_matrix_names_the_cases_that_the_tests_have():
    found = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
