"""Random pipelines, held against themselves with their steps folded.

Each is drawn (steps, how they are nested, columns, parameters, data, model), fitted by its library, and asked for rows
that hurt it: on folded thresholds and one ulp beside them, sentinels, unknown and missing categories, infinities, zeros
of both signs, other dtypes, other orders of columns. Answers are to have the same bits, errors and warnings the same
words.

Usage: python -m benchmarks.random_pipelines [--count 1000] [--seed 0] [--output FILE]
       python -m benchmarks.random_pipelines --only SEED
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from sklearn import set_config

from benchmarks import machine
from benchmarks.random_pipelines.check import check

OUTPUT = Path(__file__).resolve().parents[1] / "results" / "random_pipelines.json"
PACKAGES = ("sktensor", "numpy", "scipy", "pandas", "polars", "scikit-learn", "xgboost", "lightgbm", "catboost")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="how many pipelines (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed; the others follow (%(default)s)")
    parser.add_argument("--only", type=int, metavar="SEED", help="a single pipeline, in full")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where to save what was found (%(default)s)")
    return parser.parse_args()


def run(seeds, output):
    """Check all seeds; save what was found, every now and then and at the end, and return it."""
    outcomes, containers, steps = {}, Counter(), Counter()
    differences, compared, raised, start = [], 0, 0, time.monotonic()
    found = {}
    for number, seed in enumerate(seeds, 1):
        configuration, result = check(seed)
        outcomes.setdefault(configuration.library, Counter())[result.outcome] += 1
        containers[configuration.table.container] += 1
        steps.update({type(part).__name__ for part in configuration.pipeline.get_params().values() if _is_step(part)})
        compared, raised = compared + result.compared, raised + result.raised
        if result.outcome == "different":
            differences.append({"seed": seed, "pipeline": str(configuration), "what": result.why.splitlines()[-1]})
            print(f"\nSeed {seed}: {configuration}\n{result.why}\n", flush=True)
        if number % 50 and number < len(seeds):
            continue
        seconds = time.monotonic() - start
        print(f"{number} pipelines, {len(differences)} different, {seconds:.0f} s", flush=True)
        found = {
            "first_seed": seeds[0],
            "pipelines": number,
            "differences": differences,
            "outcomes": outcomes,
            "containers": dict(containers.most_common()),
            "steps": dict(steps.most_common()),
            "answers_compared": compared,
            "errors_compared": raised,
            "seconds": round(seconds),
            "machine": machine.facts(),
            "versions": machine.versions(PACKAGES),
        }
        output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def _is_step(part):
    return hasattr(part, "transform")


def main():
    arguments = parse()
    set_config(print_changed_only=True)
    if arguments.only is not None:
        configuration, found = check(arguments.only)
        print(configuration)
        print(f"{found.outcome}: {found.compared} answers and {found.raised} errors compared. {found.why}")
        return found.outcome == "different"
    found = run(range(arguments.seed, arguments.seed + arguments.count), arguments.output)
    print(json.dumps({name: found[name] for name in ("outcomes", "answers_compared", "errors_compared")}, indent=1))
    print(f"{len(found['differences'])} of {arguments.count} pipelines different; saved in {arguments.output}")
    return bool(found["differences"])


if __name__ == "__main__":
    sys.exit(main())
