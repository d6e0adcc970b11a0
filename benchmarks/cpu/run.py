"""Starts the processes that measure, one environment after the other, and gathers what they find."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.cpu.candidates import CANDIDATES, OWN
from benchmarks.cpu.models import ANSWERS_SEED, ROWS_SEED, TIES_SEED, Kept
from benchmarks.cpu.peers import ENVIRONMENTS, packages_of, python_of
from benchmarks.machine import memory

ROOT = Path(__file__).resolve().parents[2]
OWN_PACKAGES = ("sktensor", "numpy", "torch", "scikit-learn", "xgboost", "lightgbm", "catboost")
YARDSTICK = "library"  # measured in every environment, so that figures of different processes can be compared
SEEDS = {"rows": ROWS_SEED, "answers": ANSWERS_SEED, "ties": TIES_SEED}

# By which the common thread pools are limited when a process starts; candidates have settings of their own beside.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Settings:
    """How much is measured, and for how long."""

    sizes: tuple[int, ...] = (1, 8, 100, 1_000, 50_000, 1_000_000)
    threads: tuple[int, ...] = (1, 2)
    dtypes: tuple[str, ...] = ("float32", "float64")
    cell_seconds: float = 2.0
    longest_seconds: float = 20.0
    train_seconds: float = 1800.0
    build_seconds: float = 600.0
    memory_rows: int = 100_000
    yardstick_rows: int = 50_000
    most_others: float = 0.3  # cores that other processes may use meanwhile, or it is measured again
    tries: int = 5


class Worker:
    """A process that measures; iterating gives its findings, the last one a failure if it did not end well."""

    def __init__(self, python: Path, task: dict[str, Any], patience: float) -> None:
        self.patience = patience
        self.at: dict[str, Any] = {}
        self._task = task
        self._python = python

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with tempfile.TemporaryFile("w+", errors="replace") as errors:
            process = self._start(errors)
            try:
                yield from self._findings(process, errors)
            finally:
                with contextlib.suppress(ProcessLookupError):  # compilers that it started may still be at work
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                process.stdout.close()

    def _start(self, errors):
        threads = str(self._task["threads"])
        process = subprocess.Popen(
            [str(self._python), "-m", "benchmarks.cpu.worker"],
            cwd=ROOT,
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, threads), "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        with contextlib.suppress(BrokenPipeError):  # it ended at once; what it said tells why
            process.stdin.write(json.dumps(self._task))
            process.stdin.close()
        return process

    def _findings(self, process, errors):
        lines: queue.Queue[str | None] = queue.Queue()

        def listen():
            for line in process.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=listen, daemon=True).start()
        while True:
            try:
                line = lines.get(timeout=self.patience)
            except queue.Empty:
                yield self._failure(f"no answer within {self.patience:.0f} s")
                return
            if line is None:
                break
            finding = json.loads(line)
            if finding["kind"] == "stage":
                self.at = finding
            else:
                yield finding
        if process.wait():
            errors.seek(0)
            yield self._failure(reason(process.returncode, errors.read()))

    def _failure(self, message):
        return {"kind": "died", **{key: self.at.get(key) for key in ("candidate", "stage")}, "message": message}


def reason(returncode: int, errors: str) -> str:
    """What a process that failed has to say for itself."""
    if returncode < 0:
        return f"ended by {signal.Signals(-returncode).name}"
    said = [line.strip() for line in errors.splitlines() if line.strip()]
    last = said[-1] if said else f"ended with {returncode}"
    return last if len(last) <= 300 else f"{last[:200]} ... {last[-90:]}"


def environments_of(names: list[str]) -> dict[str, list[str]]:
    """Candidates by the environment they live in, our own first."""
    grouped: dict[str, list[str]] = {}
    for environment in (OWN, *ENVIRONMENTS):
        if living := [name for name in names if CANDIDATES[name].environment == environment]:
            grouped[environment] = living
    return grouped


def train(kept: Kept, settings: Settings) -> Iterator[dict[str, Any]]:
    """Train the model unless the folder has it; nothing is found but a failure."""
    task = {**_common(kept, OWN, settings), "kind": "train", "threads": os.cpu_count()}
    for finding in Worker(Path(sys.executable), task, settings.train_seconds):
        yield {"model": kept.model.name, "environment": OWN, **_as_failure(finding)}


def measure(
    kept: Kept, environment: str, candidates: list[str], settings: Settings, peers: Path
) -> Iterator[dict[str, Any]]:
    """All findings about a model in one environment, each with the model's and the environment's name."""
    python = Path(sys.executable) if environment == OWN else python_of(environment, peers)
    about = {"model": kept.model.name, "environment": environment}
    candidates = [name for name in candidates if CANDIDATES[name].takes(kept.model)]
    if not candidates:
        return
    if not python.exists():
        message = "not installed: python -m benchmarks.cpu.peers"
        for name in candidates:
            yield {**about, "kind": "failed", "candidate": name, "stage": "start", "message": message}
        return
    common = _common(kept, environment, settings)
    works = []
    for name in candidates:
        task = {**common, "kind": "build", "candidates": [name], "threads": 1}
        for finding in Worker(python, task, settings.build_seconds):
            yield {**about, "candidate": name, **_as_failure(finding)}
            if finding["kind"] == "build":
                works.append(name)
    for threads in settings.threads:
        yield from _speed(python, {**common, "kind": "speed", "threads": threads}, works, settings, about)


def _common(kept, environment, settings):
    """What every task about a model in an environment says."""
    return {
        **asdict(settings),
        "model": kept.model.name,
        "folder": str(kept.folder.resolve()),
        "packages": OWN_PACKAGES if environment == OWN else packages_of(environment),
        "answers_seed": ANSWERS_SEED,
        "memory_bytes": int(memory() * 0.85),
        "yardstick": YARDSTICK if environment != OWN and ENVIRONMENTS[environment].same_libraries else None,
    }


def _speed(python, task, works, settings, about):
    """The cells of a number of threads; whoever ends the process is left out, and the others start again."""
    left = list(works)
    while left:
        running = left if task["yardstick"] is None else [YARDSTICK, *left]
        culprit, found = None, []
        patience = settings.build_seconds + 5 * settings.longest_seconds
        for finding in Worker(python, {**task, "candidates": running}, patience):
            if finding["kind"] == "died":
                culprit = finding["candidate"]
            found.append({**about, "threads": task["threads"], **_as_failure(finding)})
        if culprit not in left:  # nobody, or the process did not even start
            yield from found
            return
        yield from (finding for finding in found if finding.get("candidate") == culprit)
        left.remove(culprit)


def _as_failure(finding):
    """A death is a failure of whoever was at it; messages keep the last part of a path, for the file is published."""
    if finding["kind"] == "died":
        finding = {**{key: value for key, value in finding.items() if value is not None}, "kind": "failed"}
    if "message" in finding:
        finding = {**finding, "message": re.sub(r"(/[\w.+-]+)+/(?=[\w.+-])", "", finding["message"])}
    return finding
