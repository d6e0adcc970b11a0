"""The direction of imports, read from the source, and what importing really loads, seen from a fresh process."""

from __future__ import annotations

import ast
import graphlib
import importlib.util
import itertools
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

LIBRARIES = {"xgboost", "lightgbm", "catboost", "imblearn", "ngboost", "quantile_forest", "sksurv"}

# The house: a stage may import what stands left of it; stages in braces do not know each other.
# "" is sktensor/__init__.py.
PICTURE = """
errors <- forest <- registry <- {extractors, pipelines, strategies, inputs, outputs} <- backends <- runtime
runtime <- {explain, torch_module}
explain <- estimator <- {persistence, testing, export}
native <- {inputs, outputs, backends, versions}
backends <- extending
{errors, forest, registry} <- ""
"" <- {runtime, persistence, testing, versions, export}
{estimator, persistence, versions} <- cli <- __main__
"""

# Third parties beside numpy, on import and inside functions. An extractor may import the library it is named after.
THIRD_PARTIES = {
    "extractors": {"sklearn"},
    "inputs.checks": {"sklearn"},
    "inputs.reading": {"sklearn"},
    "estimator": {"sklearn"},
    "persistence": {"sklearn"},
    "pipelines": {"sklearn"},
    "torch_module": {"torch"},
    "testing": {"sklearn"},
}
WITH_SCIKIT_LEARN = {
    name for name, packages in THIRD_PARTIES.items() if name.startswith("inputs.") and "sklearn" in packages
}
THIRD_PARTIES_WHEN_CALLED = {
    "forest": {"pandas"},
    "inputs": {"narwhals", "pyarrow", "scipy", "torch"},
    "outputs": {"scipy", "torch"},
    "strategies": {"torch"},
    "backends": {"torch"},
    "runtime": {"joblib", "torch"},
    "estimator": {"joblib", "torch", "tqdm"},
    "explain": {"shap", "torch"},
    "export": {"onnx", "treelite"},
    "cli": {"joblib", "matplotlib", "pandas", "threadpoolctl", "torch"},
    "persistence": {"safetensors"},
}


def stages(text):
    """The names in a column of the picture."""
    return [name.strip().strip('"') for name in text.strip().strip("{}").split(",")]


def read(picture):
    """What each stage may import: all that stands left of it, and left of that."""
    before = {}
    for line in picture.strip().splitlines():
        columns = [stages(column) for column in line.split("<-")]
        for left, right in itertools.pairwise(columns):
            for name in right:
                before.setdefault(name, set()).update(left)
            for name in left:
                before.setdefault(name, set())
    found = {}
    for name in graphlib.TopologicalSorter(before).static_order():
        found[name] = before[name].union(*(found[left] for left in before[name]))
    return found


MAY_IMPORT = read(PICTURE)


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
    ours = MAY_IMPORT[here] | {here}
    theirs = THIRD_PARTIES.get(here, set()) | THIRD_PARTIES.get(module, set()) | {"numpy"}
    if here == "extractors":
        theirs |= {library for library in LIBRARIES if module.partition(".")[2].startswith(library)}
    for names, line, called in imports(ast.parse(source)):
        for name in names:
            top = part(name)
            if top == "sktensor":
                wrong = part(inner(name)) not in ours
            else:
                legal = theirs | (THIRD_PARTIES_WHEN_CALLED.get(here, set()) if called else set())
                wrong = top not in legal and top not in sys.stdlib_module_names
            if wrong:
                yield f"line {line}: {module or '__init__'} imports {name}{' when called' if called else ''}"


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    assert part(module) in MAY_IMPORT, f"say in MAY_IMPORT what {part(module)} may import"
    assert list(offences(module, MODULES[module].read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("forest", "from sktensor.outputs.links import values"),
        ("forest", "import torch"),
        ("strategies.gemm", "def f():\n    import pandas"),
        ("strategies.gemm", "import torch"),
        ("strategies.gemm", "def f():\n    from sklearn.base import clone"),
        ("strategies.gemm", "from sktensor.runtime import program"),
        ("strategies.gemm", "from sktensor.extractors.xgboost import extract"),
        ("extractors.xgboost", "import lightgbm"),
        ("extractors.lightgbm.text", "def f():\n    import torch"),
        ("extractors.sklearn", "from sktensor.strategies import gemm"),
        ("inputs.dataframe", "try:\n    import narwhals\nexcept ImportError:\n    pass"),
        ("runtime.program", "class A:\n    import torch"),
        ("runtime.program", "from sklearn.base import clone"),
        ("registry", "if True:\n    from sktensor.extractors import xgboost"),
    ],
)
def test_an_import_against_the_direction_would_be_found(module, source):
    assert len(list(offences(module, source))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("forest", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas"),
        ("forest", "def f():\n    from sktensor.forest.validation import check_forest"),
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


def test_predictions_on_a_cpu_load_nothing_of_other_devices():
    code = """if True:
        import numpy as np, sys, warnings
        from sktensor import Forest
        from sktensor.inputs.rows import Rows
        from sktensor.runtime.program import Program
        from sktensor.runtime.settings import Settings
        tree = {"feature": 0, "threshold": 0.5, "left": {"value": 1.0}, "right": {"value": 2.0}}
        program = Program(Forest.from_trees([tree], n_features=1))
        plan = program.plan(3, Settings())
        if plan.backend == "native":
            assert program.total(Rows(np.zeros((3, 1))), Settings()).tolist() == [[1.0]] * 3
        assert not [name for name in sys.modules if name.startswith("sktensor.backends.gpu")]
    """
    assert loaded_by(code) & {"torch", "sklearn", "cuda", "cupy"} == set()


@pytest.mark.slow
@pytest.mark.parametrize("library", ["sklearn", "xgboost", "lightgbm", "catboost"])
def test_an_extractor_loads_its_library_and_no_torch(library):
    modules = [f"sktensor.{name}" for name in MODULES if name.startswith(f"extractors.{library}")]
    if not modules or importlib.util.find_spec(library) is None:
        pytest.skip(f"no extractor for {library}, or {library} is not installed")
    loaded = loaded_by(f"import {', '.join(modules)}")
    assert library in loaded
    assert loaded & ({"torch"} | LIBRARIES - {library}) == set()


def test_strategies_and_programs_load_neither_scikit_learn_nor_torch():
    parts = ("strategies", "backends", "native", "runtime", "inputs", "outputs", "forest", "registry")
    modules = [
        f"sktensor.{name}"
        for name in MODULES
        if part(name) in parts and name not in ("inputs.checks", "inputs.reading")
    ]
    assert loaded_by(f"import {', '.join(modules)}") & {"sklearn", "torch", "pandas", *LIBRARIES} == set()
