"""The CPU kernels in each instruction set: nanoseconds a row of 50,000, one thread, processes that take turns.

Usage: python -m benchmarks.instruction_sets --folder FOLDER [--models NAME ...] [--dtype float64] [--turns 3]

Exits with 1 where AVX2 takes more than 1.6 times as long as AVX-512.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.cpu.models import MODELS, Kept, keep
from sktensor.native import abi, loader

N_ROWS = 50_000
SECONDS = 0.5  # for each model in a turn
BOUND = 1.6
SETS = {"avx512": abi.AVX512, "avx2": abi.AVX2, "baseline": abi.BASELINE}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the trained models, as of benchmarks.cpu")
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="NAME", default=list(MODELS))
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="of the rows")
    parser.add_argument("--turns", type=int, default=3, help="of each instruction set (%(default)s)")
    parser.add_argument("--measure", action="store_true", help="measure in this process, and print JSON")
    return parser.parse_args()


def measure(args):
    """Processor time of a row in the fastest call, nanoseconds, by model: in this process's instruction set."""
    from sktensor import TensorizedEstimator

    found = {}
    for name in args.models:
        kept = Kept(MODELS[name], args.folder)
        predict = getattr(TensorizedEstimator(kept.load(), n_jobs=1), kept.model.method)
        X = kept.model.rows(N_ROWS).astype(args.dtype)
        predict(X)
        taken, end = [], time.monotonic() + SECONDS
        while time.monotonic() < end or len(taken) < 3:
            before = time.process_time_ns()
            predict(X)
            taken.append(time.process_time_ns() - before)
        found[name] = min(taken) / N_ROWS
    return found


def in_a_process(name):
    """What a process finds that has been told to use an instruction set."""
    environment = {**os.environ, "SKTENSOR_INSTRUCTION_SET": name, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.instruction_sets", *sys.argv[1:], "--measure"]
    run = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(run.stdout)


def main():
    args = parse()
    if args.measure:
        print(json.dumps(measure(args)))
        return 0
    for name in args.models:
        keep(name, args.folder)
    kernels = loader.library()
    if kernels is None:
        raise SystemExit("sktensor was installed without its kernels.")
    sets = [name for name, number in SETS.items() if number <= kernels.best]
    turns = [{name: in_a_process(name) for name in sets} for _ in range(args.turns)]
    print(machine.describe(), end="\n\n")
    print(f"{'nanoseconds a row of ' + args.dtype:<48}" + "".join(f"{name:>10}" for name in sets) + "   to the first")
    slow = False
    for model in args.models:
        best = {name: min(turn[name][model] for turn in turns) for name in sets}
        ratios = [best[name] / best[sets[0]] for name in sets[1:]]
        figures = "".join(f"{best[name]:>10.1f}" for name in sets)
        print(f"{MODELS[model].title:<48}{figures}   " + ", ".join(f"{ratio:.2f}x" for ratio in ratios))
        slow |= sets[0] == "avx512" and ratios[0] > BOUND
    return int(slow)


if __name__ == "__main__":
    raise SystemExit(main())
