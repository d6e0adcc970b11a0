"""What a report of a fault should say about the environment."""

from __future__ import annotations

from importlib import metadata

import sktensor


def test_show_versions_names_every_library_with_its_version(capsys):
    sktensor.show_versions()
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for package in ("numpy", "torch", "scikit-learn", "xgboost", "lightgbm", "catboost"):
        assert f"{package}: {metadata.version(package)}" in lines
