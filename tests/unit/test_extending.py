"""The module for plug-in authors: what it holds, and what importing it loads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sktensor import extending

HEAVY = {"torch", "sklearn", "pandas", "scipy", "narwhals", "xgboost", "lightgbm", "catboost", "sksurv", "imblearn"}


def test_everything_for_plug_in_authors_is_there():
    promised = {
        *("Extractor", "Submodels", "ColumnNames", "Fingerprint", "Methods", "Steps", "register_extractor"),
        *("Column", "register_transformer"),
        *("Strategy", "Cost", "Shape", "register_strategy"),
        *("Backend", "Runner", "Workload", "Option", "BACKENDS"),
        *("Output", "OUTPUTS"),
    }
    assert promised == set(extending.__all__)
    assert all(hasattr(extending, name) for name in promised)


@pytest.mark.parametrize("package", sorted(HEAVY))
def test_importing_it_loads_no_heavy_package(package, loaded):
    assert package not in loaded


@pytest.fixture(scope="module")
def loaded():
    """Top-level packages in memory of a fresh process that has imported it."""
    found = "json.dumps(sorted({name.partition('.')[0] for name in sys.modules}))"
    code = f"import json, sys, sktensor.extending\nprint({found})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_its_names_are_the_packages_own():
    import sktensor
    from sktensor import backends, outputs, registry, strategies
    from sktensor.backends import base

    assert extending.register_extractor is sktensor.register_extractor is registry.register_extractor
    assert extending.register_strategy is sktensor.register_strategy is strategies.register_strategy
    assert extending.BACKENDS is base.BACKENDS
    assert extending.OUTPUTS is outputs.OUTPUTS
    assert extending.Workload is backends.workload.Workload
