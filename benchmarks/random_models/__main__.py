"""Random configurations of XGBoost, LightGBM, scikit-learn and CatBoost, held against the libraries themselves.

Each is fitted on random data and asked for random rows that hurt it, through every strategy and backend. Raw scores,
leaf numbers and labels are to be equal, bit for bit, values and probabilities within what the documentation allows; or
the model is to be refused.

Usage: python -m benchmarks.random_models [--count 2000] [--seed 0] [--output FILE]
       python -m benchmarks.random_models --only SEED
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks import machine
from benchmarks.random_models.run import check

OUTPUT = Path(__file__).resolve().parents[1] / "results" / "random_models.json"
PACKAGES = ("sktensor", "numpy", "scipy", "torch", "scikit-learn", "xgboost", "lightgbm", "catboost")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="how many configurations (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed; the others follow (%(default)s)")
    parser.add_argument("--only", type=int, metavar="SEED", help="a single configuration, in full")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where to save what was found (%(default)s)")
    return parser.parse_args()


def run(seeds, output):
    """Check all seeds; save what was found, every now and then and at the end, and return it."""
    outcomes, kinds, refusals, declined = {}, {}, Counter(), Counter()
    differences, compared, start = [], 0, time.monotonic()
    found = {}
    for number, seed in enumerate(seeds, 1):
        configuration, result = check(seed)
        library = configuration.library
        outcomes.setdefault(library, Counter())[result.outcome] += 1
        kinds.setdefault(library, Counter())[configuration.kind] += 1
        declined.update(result.declined)
        compared += result.compared
        if result.outcome == "refused":
            refusals[f"{library}: {_without_particulars(result.why)}"] += 1
        if result.outcome == "different":
            differences.append({"seed": seed, "configuration": str(configuration), "what": result.why.splitlines()[-1]})
            print(f"\nSeed {seed}: {configuration}\n{result.why}\n", flush=True)
        if number % 100 and number < len(seeds):
            continue
        seconds = time.monotonic() - start
        print(f"{number} configurations, {len(differences)} different, {seconds:.0f} s", flush=True)
        found = {
            "first_seed": seeds[0],
            "configurations": number,
            "differences": differences,
            "outcomes": outcomes,
            "kinds": {name: dict(sorted(counts.items())) for name, counts in kinds.items()},
            "answers_compared": compared,
            "refusals": dict(refusals.most_common()),
            "programs_that_declined": dict(declined.most_common()),
            "seconds": round(seconds),
            "machine": machine.facts(),
            "versions": machine.versions(PACKAGES),
        }
        output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def _without_particulars(message):
    """A refusal's first sentence without what differs from model to model."""
    return re.sub(r"\[[^]]*\]|\d+", "...", message.partition(". ")[0])


def main():
    arguments = parse()
    if arguments.only is not None:
        configuration, found = check(arguments.only)
        print(configuration)
        print(f"{found.outcome}: {found.compared} answers compared. {found.why}")
        return found.outcome == "different"
    found = run(range(arguments.seed, arguments.seed + arguments.count), arguments.output)
    print(json.dumps({name: found[name] for name in ("outcomes", "answers_compared", "refusals", "seconds")}, indent=1))
    print(f"{len(found['differences'])} of {arguments.count} configurations different; saved in {arguments.output}")
    return bool(found["differences"])


if __name__ == "__main__":
    sys.exit(main())
