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


def run(seeds):
    """Check all seeds; what was found, as a dictionary."""
    outcomes, kinds, refusals, declined = {}, {}, Counter(), Counter()
    differences, compared, start = [], 0, time.monotonic()
    for number, seed in enumerate(seeds, 1):
        configuration, found = check(seed)
        library = configuration.library
        outcomes.setdefault(library, Counter())[found.outcome] += 1
        kinds.setdefault(library, Counter())[configuration.kind] += 1
        declined.update(found.declined)
        compared += found.compared
        if found.outcome == "refused":
            refusals[f"{library}: {_without_particulars(found.why)}"] += 1
        if found.outcome == "different":
            differences.append({"seed": seed, "configuration": str(configuration), "what": found.why.splitlines()[-1]})
            print(f"\nSeed {seed}: {configuration}\n{found.why}\n", flush=True)
        if number % 100 == 0:
            print(
                f"{number} configurations, {len(differences)} different, {time.monotonic() - start:.0f} s", flush=True
            )
    return {
        "first_seed": seeds[0],
        "configurations": len(seeds),
        "differences": differences,
        "outcomes": outcomes,
        "kinds": {library: dict(sorted(counts.items())) for library, counts in kinds.items()},
        "answers_compared": compared,
        "refusals": dict(refusals.most_common()),
        "programs_that_declined": dict(declined.most_common()),
        "seconds": round(time.monotonic() - start),
        "machine": machine.facts(),
        "versions": machine.versions(PACKAGES),
    }


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
    found = run(range(arguments.seed, arguments.seed + arguments.count))
    arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: found[name] for name in ("outcomes", "answers_compared", "refusals", "seconds")}, indent=1))
    print(f"{len(found['differences'])} of {arguments.count} configurations different; saved in {arguments.output}")
    return bool(found["differences"])


if __name__ == "__main__":
    sys.exit(main())
