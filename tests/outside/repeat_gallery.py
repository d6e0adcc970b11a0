"""Run scripts of scikit-learn's gallery as they are and with their trees wrapped, and compare what they print and draw.

    python -m tests.outside.repeat_gallery EXAMPLES [--scripts NAME ...] [--seconds 600]

EXAMPLES is the folder `examples` of scikit-learn's source distribution. Scripts are run that make a tree model and
something around it: a pipeline, a search, a meta-estimator, an inspection. Each is run three times, in a process of its
own: as it is, once more as it is, since not every script gives the same answers twice, and with ``TensorizedEstimator``
around each tree model that it makes; nothing else of it is changed. Printed lines are compared without those that tell
times, pictures by their pixels. Scripts that download get made-up data where that is known here, and are left out
elsewhere. Exits with 1 if a script differs or fails.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from tests.outside.made_up_data import OPENML, california_housing, openml

TREES = frozenset(
    f"{name}{kind}"
    for name in ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees", "GradientBoosting", "HistGradientBoosting")
    for kind in ("Classifier", "Regressor")
) | {"IsolationForest"}

AROUND = re.compile(
    r"make_pipeline|Pipeline\(|CalibratedClassifierCV|ThresholdClassifier|MultiOutput|Chain|OneVs|OutputCode|"
    r"TransformedTarget|SelfTraining|SelectFromModel|SequentialFeature|Voting|Stacking|Bagging|AdaBoost|RFE|SearchCV|"
    r"cross_val|FrozenEstimator|learning_curve|permutation_importance|PartialDependence|DecisionBoundary"
)
TIMES = re.compile(r"\btime|\bsec|\d ?s\b|\d ?ms\b|duration|elapsed", re.IGNORECASE)


class _Wrapped(ast.NodeTransformer):
    """Puts the wrapper around every call that makes a tree model."""

    def visit_Call(self, node):
        self.generic_visit(node)
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        if called not in TREES:
            return node
        wrapper = ast.Name("_TensorizedEstimator", ast.Load())
        return ast.copy_location(ast.Call(wrapper, [node], []), node)


def run(script, wrapped):
    """Run a script, and give what it printed and drew."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import sklearn.datasets

    sklearn.datasets.fetch_california_housing, sklearn.datasets.fetch_openml = california_housing, openml
    tree = ast.parse(script.read_text(encoding="utf-8"))
    names = {"__name__": "__main__", "__file__": str(script)}
    if wrapped:
        from sktensor import TensorizedEstimator

        tree = ast.fix_missing_locations(_Wrapped().visit(tree))
        names["_TensorizedEstimator"] = TensorizedEstimator
    warnings.simplefilter("ignore")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, str(script), "exec"), names)
    lines = [line for line in printed.getvalue().splitlines() if not TIMES.search(line)]
    drawn = []
    for number in plt.get_fignums():
        figure = plt.figure(number)
        figure.canvas.draw()
        drawn.append(hashlib.sha256(bytes(figure.canvas.buffer_rgba())).hexdigest())
    return {"lines": lines, "drawn": drawn}


def chosen(folder, names):
    """The scripts that make tree models and something around them."""
    for script in sorted(folder.rglob("plot_*.py")):
        text = script.read_text(encoding="utf-8")
        makes_trees = any(re.search(rf"\b{tree}\(", text) for tree in TREES)
        if (script.stem in names) if names else (makes_trees and AROUND.search(text) and not _downloads(text)):
            yield script


def _downloads(text):
    """Whether a script needs data that are not made up here."""
    if set(re.findall(r"\bfetch_\w+", text)) - {"fetch_california_housing", "fetch_openml"}:
        return True
    asked = re.findall(r"\bfetch_openml\(\s*(?:name=|data_id=)?([\w\"]+)", text)
    return any(one.strip('"') not in map(str, OPENML) for one in asked)


def outcome(script, wrapped, seconds):
    """What a script gave in a process of its own, or the last line of its error."""
    command = [sys.executable, "-m", "tests.outside.repeat_gallery", str(script.resolve()), "--one"]
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
        try:
            done = subprocess.run(
                [*command, *(["--wrapped"] if wrapped else [])],
                capture_output=True, text=True, timeout=seconds, cwd=folder, env=environment,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"took more than {seconds} seconds"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no message"])[-1]
    return json.loads(done.stdout.splitlines()[-1])


def verdict(once, again, wrapped):
    """What is to be said of a script."""
    for what, found in (("the script itself fails", once), ("fails with the wrapper", wrapped)):
        if isinstance(found, str):
            return f"{what}: {found}"
    if once == wrapped:
        return "the same"
    if once != again:
        return "runs; does not give the same twice by itself"
    parts = [part for part in ("lines", "drawn") if once[part] != wrapped[part]]
    return f"runs; DIFFERENT {' and '.join(parts)}"


def main():
    """Run the scripts and print what is found of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", type=Path)
    parser.add_argument("--scripts", nargs="+", default=[], help="names without .py, also of such as download")
    parser.add_argument("--seconds", type=float, default=600, help="time for one run of a script")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--wrapped", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(run(given.examples, given.wrapped)))
        return 0
    same = failed = 0
    for script in chosen(given.examples, given.scripts):
        once = outcome(script, False, given.seconds)
        wrapped = "" if isinstance(once, str) else outcome(script, True, given.seconds)
        again = once if isinstance(wrapped, str) or once == wrapped else outcome(script, False, given.seconds)
        said = verdict(once, again, wrapped)
        same += said == "the same"
        failed += "fails with" in said or "DIFFERENT" in said
        print(f"{script.relative_to(given.examples)!s:66} {said}", flush=True)
    print(f"\n{same} scripts the same, {failed} different or failing")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
