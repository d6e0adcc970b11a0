"""The direction of imports, read from the source, and what importing really loads, seen from a fresh process."""

from __future__ import annotations

import ast
import graphlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import sktensor

PACKAGE = Path(sktensor.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

LIBRARIES = {"xgboost", "lightgbm", "catboost"}

# Which parts of sktensor a part may import. A sub-package is one part: its modules may import each other.
# "" is sktensor/__init__.py.
MAY_IMPORT = {
    "errors": set(),
    "structure": set(),
    "tree_dicts": set(),
    "nested": {"tree_dicts"},
    "frame": {"structure"},
    "forest": set(),
    "validation": {"forest", "structure"},
    "registry": {"errors", "forest"},
    "": {"errors", "forest", "registry"},
    "extractors": {"errors", "forest", "structure", "selection", "categories", "registry"},
    "cityhash": set(),
    "categories": {"forest"},
    "keyed_columns": {"categories", "cityhash", "forest"},
    "plain_frames": set(),
    "inputs": {"errors", "forest", "categories", "keyed_columns"},
    "frames": {"forest", "categories", "plain_frames", "inputs"},
    "exponentials": set(),
    "outputs": {"errors", "forest", "exponentials", "backends"},
    "strategies": {"errors", "forest", "structure"},
    "selection": {"forest", "structure"},
    "backends": {
        "errors",
        "forest",
        "structure",
        "selection",
        "keyed_columns",
        "inputs",
        "strategies",
        "exponentials",
    },
    "settings": {"forest", "strategies", "backends"},
    "plans": {"forest", "settings", "strategies", "backends"},
    "aggregates": {"forest"},
    "program": {"errors", "forest", "inputs", "settings", "plans", "backends", "aggregates"},
    "module": {
        "errors",
        "forest",
        "registry",
        "categories",
        "inputs",
        "outputs",
        "settings",
        "plans",
        "strategies",
        "backends",
    },
    "verification": {"", "errors", "forest", "registry", "inputs", "outputs", "settings", "program"},
    "door": {"errors", "forest", "frames", "inputs", "backends"},
    "devices": {"errors", "settings"},
    "composite": {"errors", "forest", "registry", "inputs", "plans", "settings"},
    "progress": {"forest", "inputs"},
    "diagram": set(),
    "estimator": {
        "",
        "composite",
        "devices",
        "errors",
        "forest",
        "registry",
        "frames",
        "inputs",
        "door",
        "outputs",
        "plans",
        "settings",
        "program",
        "verification",
        "progress",
        "diagram",
    },
    "archive": set(),
    "plain": {"forest"},
    "saved_model": {"forest", "structure"},
    "persistence": {"", "archive", "devices", "errors", "estimator", "forest", "plain", "program", "saved_model"},
    "testing": {
        "",
        "forest",
        "registry",
        "inputs",
        "outputs",
        "settings",
        "strategies",
        "program",
        "verification",
        "estimator",
    },
    "versions": {"", "backends"},
}

# Beyond that, inside functions only: a forest's methods stand behind its fields.
MAY_IMPORT_WHEN_CALLED = {"forest": {"validation", "nested", "frame"}}

# Third parties beside numpy, on import and inside functions. An extractor may import the library it is named after.
THIRD_PARTIES = {
    "extractors": {"sklearn"},
    "door": {"sklearn"},
    "estimator": {"sklearn"},
    "saved_model": {"sklearn"},
    "persistence": {"sklearn"},
    "module": {"torch"},
    "testing": {"sklearn"},
}
THIRD_PARTIES_WHEN_CALLED = {
    "frame": {"pandas"},
    "categories": {"torch"},
    "frames": {"narwhals"},
    "inputs": {"scipy", "torch"},
    "door": {"scipy"},
    "exponentials": {"scipy"},
    "outputs": {"scipy", "torch"},
    "strategies": {"torch"},
    "backends": {"torch"},
    "settings": {"torch"},
    "program": {"joblib", "torch"},
    "composite": {"joblib", "torch"},
    "estimator": {"torch"},
    "archive": {"safetensors"},
    "progress": {"tqdm"},
    "diagram": {"sklearn"},
}


def imports(tree):
    """Every import below `tree` that can run: its dotted names, line, and whether only a call runs it."""
    stack = [(tree, False)]
    while stack:
        node, called = stack.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            stack += [(child, called) for child in node.orelse]
            continue
        if isinstance(node, ast.Import):
            yield [alias.name for alias in node.names], node.lineno, called
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            # of "from a import b", b may be a module, too
            yield [f"{node.module}.{alias.name}" for alias in node.names], node.lineno, called
        called = called or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        stack += [(child, called) for child in ast.iter_child_nodes(node)]


def part(module):
    return module.partition(".")[0]


def inner(name):
    """The module of sktensor, without the package's name, that a dotted name leads to."""
    name = name.removeprefix("sktensor").removeprefix(".")
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def offences(module, source):
    """What `source` imports as a module of sktensor although the tables above do not let it."""
    here = part(module)
    ours, theirs = MAY_IMPORT[here] | {here}, THIRD_PARTIES.get(here, set()) | {"numpy"}
    if here == "extractors":
        theirs |= {library for library in LIBRARIES if module.partition(".")[2].startswith(library)}
    for names, line, called in imports(ast.parse(source)):
        for name in names:
            top = part(name)
            if top == "sktensor":
                legal = ours | (MAY_IMPORT_WHEN_CALLED.get(here, set()) if called else set())
                wrong = part(inner(name)) not in legal
            else:
                legal = theirs | (THIRD_PARTIES_WHEN_CALLED.get(here, set()) if called else set())
                wrong = top not in legal and top not in sys.stdlib_module_names
            if wrong:
                yield f"line {line}: {module or '__init__'} imports {name}{' when called' if called else ''}"


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    assert part(module) in MAY_IMPORT, f"say in MAY_IMPORT what {part(module)} may import"
    assert list(offences(module, MODULES[module].read_text(encoding="utf-8"))) == []


def test_the_table_has_no_circles():
    assert len(list(graphlib.TopologicalSorter(MAY_IMPORT).static_order())) == len(MAY_IMPORT)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("forest", "from sktensor.validation import check_forest"),
        ("forest", "import torch"),
        ("forest", "def f():\n    import pandas"),
        ("strategies.gemm", "import torch"),
        ("strategies.gemm", "def f():\n    from sklearn.base import clone"),
        ("strategies.gemm", "from sktensor import program"),
        ("strategies.gemm", "from sktensor.extractors.xgboost import extract"),
        ("extractors.xgboost", "import lightgbm"),
        ("extractors.lightgbm_text", "def f():\n    import torch"),
        ("extractors.sklearn", "from sktensor.strategies import gemm"),
        ("inputs", "try:\n    import narwhals\nexcept ImportError:\n    pass"),
        ("program", "class A:\n    import torch"),
        ("program", "from sklearn.base import clone"),
        ("registry", "if True:\n    from sktensor.extractors import xgboost"),
    ],
)
def test_an_import_against_the_direction_would_be_found(module, source):
    assert len(list(offences(module, source))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("forest", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas"),
        ("forest", "def f():\n    from sktensor.validation import check_forest"),
        ("strategies.gemm", "def f():\n    import torch"),
        ("strategies.gemm", "from sktensor.strategies import tree_traversal"),
        ("extractors.xgboost", "import xgboost, numpy.typing, json"),
        ("estimator", "from sktensor import outputs"),
    ],
)
def test_an_import_in_the_direction_is_let_through(module, source):
    assert list(offences(module, source)) == []


# ---------------------------------------------------------------------------- what is really loaded


def loaded_by(code):
    """Top-level packages in memory after `code` ran in a process of its own."""
    ending = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ending}"], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_sktensor_is_light():
    heavy = {"torch", "sklearn", "pandas", "scipy", "narwhals", *LIBRARIES}
    code = "import sktensor; dir(sktensor); sktensor.Forest.from_trees([{'value': 1.0}], n_features=1)"
    assert loaded_by(code) & heavy == set()


@pytest.mark.parametrize("library", ["sklearn", "xgboost", "lightgbm", "catboost"])
def test_an_extractor_loads_its_library_and_no_torch(library):
    modules = [f"sktensor.{name}" for name in MODULES if name.startswith(f"extractors.{library}")]
    if not modules or importlib.util.find_spec(library) is None:
        pytest.skip(f"no extractor for {library}, or {library} is not installed")
    loaded = loaded_by(f"import {', '.join(modules)}")
    assert library in loaded
    assert loaded & ({"torch"} | LIBRARIES - {library}) == set()


def test_strategies_and_programs_load_neither_scikit_learn_nor_torch():
    parts = ("strategies", "backends", "program", "inputs", "outputs", "validation", "nested", "frame", "registry")
    modules = [f"sktensor.{name}" for name in MODULES if part(name) in parts]
    assert loaded_by(f"import {', '.join(modules)}") & {"sklearn", "torch", "pandas", *LIBRARIES} == set()
