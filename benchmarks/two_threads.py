"""Two threads against one: microseconds a row of 50,000, calls with ``n_jobs`` 1 and 2 in turn in one process.

Usage: python -m benchmarks.two_threads --folder FOLDER [--models NAME ...] [--dtype float64] [--threads 2]

Two processors of a virtual machine may share a core: beside each model stands what two processes come to that do
nothing but count. Exits with 1 where a model is less than 1.85 times as fast, on processors that are their own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.cpu.models import MODELS, Kept, keep

N_ROWS = 50_000
BOUND = 1.85
COUNTED = 3_000_000


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the trained models, as of benchmarks.cpu")
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="NAME", default=list(MODELS))
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="of the rows")
    parser.add_argument("--threads", type=int, default=2, help="compared with one (%(default)s)")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each model (%(default)s)")
    return parser.parse_args()


def count(_=None):
    """Seconds that counting takes."""
    began, n = time.perf_counter(), 0
    while n < COUNTED:
        n += 1
    return time.perf_counter() - began


def by_the_machine(pool, n):
    """How many times as much `n` processes count as one of them alone, at this moment."""
    alone = count()
    return n * alone / max(pool.map(count, range(n), chunksize=1))


def compare(name, args):
    """Median seconds of a call with one thread and with several, and quartiles of the ratios of the turns."""
    from sktensor import TensorizedEstimator

    kept = Kept(MODELS[name], args.folder)
    X = kept.model.rows(N_ROWS).astype(args.dtype)
    predict = {n: getattr(TensorizedEstimator(kept.load(), n_jobs=n), kept.model.method) for n in (1, args.threads)}
    for call in predict.values():
        call(X)
    taken, end = {n: [] for n in predict}, time.monotonic() + args.seconds
    while time.monotonic() < end or len(taken[1]) < 5:
        for n, call in predict.items():
            before = time.perf_counter()
            call(X)
            taken[n].append(time.perf_counter() - before)
    turns = [one / several for one, several in zip(taken[1], taken[args.threads], strict=True)]
    return statistics.median(taken[1]), statistics.median(taken[args.threads]), statistics.quantiles(turns, n=4)


def main():
    args = parse()
    for name in args.models:
        keep(name, args.folder)
    print(machine.describe(), end="\n\n")
    print(
        f"{'microseconds a row of ' + args.dtype:<44}{'one':>9}{args.threads:>9}  times as fast  quartiles    counting"
    )
    slow = False
    with multiprocessing.get_context("spawn").Pool(args.threads) as pool:
        pool.map(count, range(args.threads), chunksize=1)
        for name in args.models:
            one, several, quartiles = compare(name, args)
            possible = by_the_machine(pool, args.threads)
            figures = f"{one / N_ROWS * 1e6:>9.3f}{several / N_ROWS * 1e6:>9.3f}{one / several:>15.2f}"
            print(
                f"{MODELS[name].title:<44}{figures}  {quartiles[0]:.2f} to {quartiles[2]:.2f}{possible:>10.2f}",
                flush=True,
            )
            slow |= one / several < BOUND * args.threads / 2 and possible > 0.95 * args.threads
    return int(slow)


if __name__ == "__main__":
    raise SystemExit(main())
