"""Two commits of sktensor against each other: the same models, the same rows, in turn, and the ratios of their times.

Each commit is checked out and installed in a temporary folder, with the packages of the Python that runs this. Two
processes, one a commit, load the same fitted models and are asked in turn, one thread each and on the same core where
the system lets them choose. Their processor time is what counts, so that what else the machine does matters less;
answers are compared to the bit.

Usage: python -m benchmarks.compare_commits OLD NEW [--models NAME ...] [--sizes N ...] [--write FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
POOL = 50_000  # rows, of which smaller batches are cut one after the other
SLOWER = 1.03
MOST_CALLS = 2_000  # in a turn
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


# --- one commit's process ---------------------------------------------------------------------------------------------


def serve():
    """Answer the requests of the other side, one a line, until there are no more."""
    sys.path[0:1] = []  # this folder, whose names are not those of packages
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries that print
    served = _Served()
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            reply = {"value": getattr(served, name)(**arguments)}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers, flush=True)


class _Served:
    """What a commit can be asked for."""

    def pin(self, core):
        if core is not None:
            os.sched_setaffinity(0, {core})

    def where(self):
        import sktensor

        return sktensor.__file__

    def load(self, model, rows, method):
        import joblib

        from sktensor import TensorizedEstimator

        self.predict = getattr(TensorizedEstimator(joblib.load(model), n_jobs=1), method)
        X = np.load(rows)
        self.rows = {"float32": X, "float64": X.astype(np.float64)}

    def answer(self, size, dtype):
        """What is answered to the first rows, as a number that stands for dtype, shape and bits; warms up as well."""
        answers = [np.ascontiguousarray(self.predict(self.rows[dtype][:size])) for _ in range(3)]
        held = answers[-1]
        return hashlib.sha256(repr((held.dtype, held.shape)).encode() + held.tobytes()).hexdigest()

    def turn(self, size, dtype, calls, first):
        """Seconds of processor time a call."""
        X, predict = self.rows[dtype], self.predict
        batches = [X[at : at + size] for at in ((first + i) % (len(X) // size) * size for i in range(calls))]
        predict(batches[0])  # back from the pause
        gc.collect()
        gc.disable()
        start = time.process_time()
        for batch in batches:
            predict(batch)
        seconds = time.process_time() - start
        gc.enable()
        return seconds / calls


# --- both commits -----------------------------------------------------------------------------------------------------


class Version:
    """A commit, installed in a folder, with a process that answers for it."""

    def __init__(self, revision, folder):
        self.name = revision
        self.commit = _git("rev-parse", "--verify", f"{revision}^{{commit}}")
        self.environment = folder / self.commit
        self._process = None

    def install(self):
        """Install the commit, unless the folder has it."""
        done = self.environment / "is_installed"
        if done.exists():
            return
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(self.environment)], check=True)
        # Packages are those of the Python that runs this; its own sktensor stands behind the one installed here.
        here = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
        ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
        own = subprocess.run([self._python(), "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
        (Path(own) / "packages.pth").write_text("\n".join(here) + "\n", encoding="utf-8")
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed", "--disable-pip-version-check"]
        with tempfile.TemporaryDirectory() as folder:
            tree = str(Path(folder) / "tree")
            _git("worktree", "add", "--quiet", "--detach", tree, self.commit)
            try:
                subprocess.run([self._python(), "-m", "pip", "install", *options, tree], check=True)
            finally:
                _git("worktree", "remove", "--force", tree)
        done.touch()

    def start(self, core):
        environment = {**os.environ, **dict.fromkeys(VARIABLES, "1")}
        environment.pop("PYTHONPATH", None)
        self._process = subprocess.Popen(
            [self._python(), str(Path(__file__).resolve()), "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=self.environment,
        )
        self.ask("pin", core=core)
        found = Path(self.ask("where")).resolve()
        if self.environment.resolve() not in found.parents:
            raise RuntimeError(f"{self.name} would be measured from {found}, not from its own environment.")

    def ask(self, what, **arguments):
        print(json.dumps((what, arguments)), file=self._process.stdin, flush=True)
        reply = self._process.stdout.readline()
        if not reply:
            raise RuntimeError(f"The process of {self.name} has ended, with {self._process.wait()}.")
        said = json.loads(reply)
        if "error" in said:
            raise RuntimeError(f"{self.name}: {said['error']}")
        return said["value"]

    def end(self):
        if self._process is not None:
            self._process.communicate()

    def _python(self):
        folder, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
        return str(self.environment / folder / name)


def compare(old, new, size, dtype, settings):
    """The times of both commits in one cell, turn by turn, and whether they answer the same."""
    same = old.ask("answer", size=size, dtype=dtype) == new.ask("answer", size=size, dtype=dtype)
    expected = max(min(v.ask("turn", size=size, dtype=dtype, calls=1, first=0) for v in (old, new)), 1e-7)
    calls = int(min(max(settings.turn_seconds / expected, 1), MOST_CALLS))
    times = {old: [], new: []}
    for turn in range(settings.turns):
        for version in (old, new) if turn % 2 else (new, old):
            times[version].append(version.ask("turn", size=size, dtype=dtype, calls=calls, first=turn * calls))
    return same, np.array(times[old]), np.array(times[new])


def summary(old, new):
    """Ratio of medians, new by old, quartiles of the turns' ratios, and bounds of their median in 19 cases of 20."""
    ratios = np.sort(new / old)
    n = len(ratios)
    off = int(np.floor(n / 2 - 0.98 * np.sqrt(n)))  # binomial, by its normal approximation
    low, high = (ratios[off], ratios[n - 1 - off]) if off >= 0 else (ratios[0], ratios[-1])
    return {
        "old_microseconds": float(np.median(old) * 1e6),
        "new_microseconds": float(np.median(new) * 1e6),
        "ratio": float(np.median(new) / np.median(old)),
        "quartiles": [float(np.quantile(ratios, q)) for q in (0.25, 0.75)],
        "bounds": [float(low), float(high)],
        "turns": n,
    }


def parse():
    from benchmarks.cpu.models import MODELS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", help="a commit, branch or tag")
    parser.add_argument("new", help="another one; what is not committed is not measured")
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="NAME", default=list(MODELS),
                        help=f"default: all of {', '.join(MODELS)}")  # fmt: skip
    parser.add_argument("--sizes", nargs="+", type=int, default=[1, 8, 100, 1_000, 50_000], help="rows in a batch")
    parser.add_argument("--dtypes", nargs="+", choices=["float32", "float64"], default=["float32", "float64"])
    parser.add_argument("--turns", type=int, default=31, help="of each commit in a cell (%(default)s)")
    parser.add_argument("--turn-seconds", type=float, default=0.01, help="one call or more of a commit (%(default)s)")
    parser.add_argument("--core", type=int, help="the processor for both; the last one that there is, by default")
    parser.add_argument(
        "--folder", type=Path, help="keeps trained models, as that of benchmarks.cpu, and installed commits"
    )
    parser.add_argument("--write", type=Path, help="a file for the figures, as JSON")
    return parser.parse_args()


def main():
    from benchmarks import machine
    from benchmarks.cpu.models import keep

    settings = parse()
    core = settings.core
    if core is None and hasattr(os, "sched_getaffinity"):
        core = max(os.sched_getaffinity(0))
    cells = []
    with contextlib.ExitStack() as leaving:
        temporary = Path(leaving.enter_context(tempfile.TemporaryDirectory()))
        folder = (settings.folder or temporary).resolve()
        versions = []
        for revision in (settings.old, settings.new):
            version = Version(revision, folder / "commits")
            version.install()
            leaving.callback(version.end)
            version.start(core)
            versions.append(version)
        old, new = versions
        print(
            machine.describe(), f"\nold {old.name} ({old.commit[:10]}), new {new.name} ({new.commit[:10]})", flush=True
        )
        for name in settings.models:
            kept = keep(name, folder)
            rows = temporary / "rows.npy"
            np.save(rows, kept.model.rows(max(POOL, *settings.sizes)))
            for version in versions:
                version.ask("load", model=str(kept.path(".joblib")), rows=str(rows), method=kept.model.method)
            for size in settings.sizes:
                for dtype in settings.dtypes:
                    same, *times = compare(old, new, size, dtype, settings)
                    cells.append({"model": name, "rows": size, "dtype": dtype, "same": same, **summary(*times)})
                    print(_line(cells[-1]), flush=True)
    if settings.write:
        found = {"old": old.commit, "new": new.commit, "machine": machine.facts(), "cells": cells}
        settings.write.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    slower = [cell for cell in cells if cell["bounds"][0] > SLOWER]
    different = [cell for cell in cells if not cell["same"]]
    ratio = np.exp(np.mean([np.log(cell["ratio"]) for cell in cells]))
    print(
        f"\n{len(cells)} cells, ratio {ratio:.3f} on average; {len(slower)} slower by more than {SLOWER - 1:.0%}, ",
        end="",
    )
    print(f"{len(different)} with different answers")
    for cell in slower + different:
        print(_line(cell))
    sys.exit(bool(slower or different))


def _line(cell):
    low, high = cell["quartiles"]
    bounds = "{:.3f}-{:.3f}".format(*cell["bounds"])
    marks = ("" if cell["same"] else "  DIFFERENT ANSWERS") + ("  SLOWER" if cell["bounds"][0] > SLOWER else "")
    return (
        f"{cell['model']:18} {cell['rows']:6} rows {cell['dtype']}"
        f"  {cell['old_microseconds']:11.1f} us -> {cell['new_microseconds']:11.1f} us"
        f"  ratio {cell['ratio']:.3f}  quartiles {low:.3f}-{high:.3f}  median within {bounds}{marks}"
    )


def _git(*arguments):
    run = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return run.stdout.strip()


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["--serve"] else main()
