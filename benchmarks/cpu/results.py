"""What was found, in the file that tables and figures are made from."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.cpu.candidates import CANDIDATES
from benchmarks.machine import facts

FORMAT = 2

# Where a finding belongs; its other keys say what it is about.
LISTS = {"build": "builds", "cell": "cells", "failed": "failures", "skipped": "skipped"}


@dataclass
class Results:
    """Findings of one machine, saved as they come."""

    path: Path
    settings: dict[str, Any]
    machine: dict[str, Any] = field(default_factory=facts)
    environments: dict[str, Any] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    finished: list[list[str]] = field(default_factory=list)  # models and environments of which nothing is missing
    findings: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in LISTS.values()})

    @classmethod
    def open(cls, path: Path, settings: dict[str, Any], add: bool) -> Results:
        """New results, with those of the file where they are to be added to."""
        results = cls(path, settings)
        if add and path.exists():
            held = load(path)
            if held["machine"] != results.machine:
                raise SystemExit(f"{path} was measured on another machine: {held['machine']}. Leave --add out.")
            results.environments, results.models = held["environments"], held["models"]
            results.finished = held["finished"]
            results.findings = {name: held[name] for name in LISTS.values()}
        return results

    def forget(self, model: str, environment: str, candidates: list[str]) -> None:
        """Drop what was found of these before, and the yardstick beside them."""
        self.finished = [pair for pair in self.finished if pair != [model, environment]]
        gone = {None, *candidates}
        gone.update(name for name, candidate in CANDIDATES.items() if candidate.environment != environment)

        def kept(finding):
            about = finding["model"], finding["environment"]
            return about != (model, environment) or finding.get("candidate") not in gone

        self.findings = {name: [f for f in found if kept(f)] for name, found in self.findings.items()}

    def take(self, finding: dict[str, Any]) -> None:
        """Add a finding; versions describe its environment."""
        finding = dict(finding)
        kind = finding.pop("kind")
        if kind == "versions":
            self.environments[finding["environment"]] = {key: finding[key] for key in ("python", "versions")}
        else:
            self.findings[LISTS[kind]].append(finding)

    def data(self) -> dict[str, Any]:
        """As it is saved."""
        return {
            "format": FORMAT,
            "measured": datetime.date.today().isoformat(),
            "machine": self.machine,
            "settings": self.settings,
            "environments": self.environments,
            "models": self.models,
            "finished": self.finished,
            **self.findings,
        }

    def save(self) -> None:
        """Write the file, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_text(_written(self.data()), encoding="utf-8")
        unfinished.replace(self.path)


def load(path: Path) -> dict[str, Any]:
    """The contents of a file of results."""
    if not path.exists():
        raise SystemExit(f"{path} is not there. Measure first: python -m benchmarks.cpu")
    data = json.loads(path.read_text(encoding="utf-8"))
    if data["format"] != FORMAT:
        raise SystemExit(f"{path} has format {data['format']}, this version reads {FORMAT}. Measure again.")
    return data


def _written(data):
    """JSON with one finding a line, so that a diff shows which of them changed."""
    parts = []
    for key, value in data.items():
        if isinstance(value, list) and value:
            lines = ",\n".join("  " + json.dumps(item) for item in value)
            parts.append(f"{json.dumps(key)}: [\n{lines}\n ]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value, indent=1)}")
    return "{\n " + ",\n ".join(parts) + "\n}\n"
