"""The pages about engines: what they say of versions, tests and recipes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {"scaling": ROOT / "docs/scaling_out.rst", "serving": ROOT / "docs/deployment.rst"}
NAMES = {"FastAPI": "fastapi", "LitServe": "litserve", "Ray Serve": "ray", "BentoML": "bentoml", "MLflow": "mlflow"}


def pins(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


PINS = pins("constraints-mlflow.txt") | pins("constraints-engines.txt") | pins("constraints.txt")


@pytest.mark.parametrize("engine", NAMES)
def test_versions_are_those_that_are_installed_for_the_tests(engine):
    text = PAGES["serving"].read_text(encoding="utf-8")
    assert re.findall(rf"     - {engine} ([\d.]+)", text) == [PINS[NAMES[engine]]]


@pytest.mark.parametrize(("engine", "package"), [("Dask", "dask"), ("Ray Data", "ray"), ("Spark", "pyspark")])
def test_versions_of_batch_engines_are_those_that_are_installed_for_the_tests(engine, package):
    text = PAGES["scaling"].read_text(encoding="utf-8")
    assert re.search(rf"   \* - {engine}\n     - ([\d.]+)", text).group(1) == PINS[package]


def test_the_tests_that_the_page_names_exist():
    named = re.findall(r"``(test_\w+)`` in ``(tests/[\w/]+\.py)``", PAGES["serving"].read_text(encoding="utf-8"))
    assert len(named) >= 12
    for name, path in named:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), (name, path)


@pytest.mark.parametrize("folder", PAGES)
def test_every_recipe_is_shown_and_short(folder):
    text = PAGES[folder].read_text(encoding="utf-8")
    for recipe in sorted((ROOT / "examples" / folder).glob("*.py")):
        assert f"literalinclude:: ../examples/{folder}/{recipe.name}" in text, recipe.name
        assert len(recipe.read_text(encoding="utf-8").splitlines()) < 40, recipe.name
