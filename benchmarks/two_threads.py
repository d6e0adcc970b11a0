"""Two threads against one: microseconds a row of 50,000, calls with ``n_jobs`` 1 and 2 in turn in one process.

Usage: python -m benchmarks.two_threads --folder FOLDER [--models NAME ...] [--dtype float64] [--threads 2]

Two processors of a virtual machine may share a core, or wait for its neighbours. So before and after each turn two
processes count, and a turn is a quiet one where they came to at least 1.95 times as much as one of them alone. What
sktensor's threads come to is the median of the quiet turns. Exits with 1 where that is less than 1.85 times as fast
for a model, of ten quiet turns or more; with fewer there is no answer.
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
BOUND, QUIET = 1.85, 1.95  # of two
LEAST_TURNS = 10
LEAST_SECONDS = 0.01  # for each side of a turn
COUNTED = 300_000


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the trained models, as of benchmarks.cpu")
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="NAME", default=list(MODELS))
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="of the rows")
    parser.add_argument("--threads", type=int, default=2, help="compared with one (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each model (%(default)s)")
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


def seconds_of(call, X, n_calls):
    """Of one call, the mean of some."""
    began = time.perf_counter()
    for _ in range(n_calls):
        call(X)
    return (time.perf_counter() - began) / n_calls


def compare(name, args, pool):
    """Seconds of a call with one thread and with several, turn by turn, and what the machine came to meanwhile."""
    from sktensor import TensorizedEstimator

    kept = Kept(MODELS[name], args.folder)
    X = kept.model.rows(N_ROWS).astype(args.dtype)
    predict = {n: getattr(TensorizedEstimator(kept.load(), n_jobs=n), kept.model.method) for n in (1, args.threads)}
    n_calls = {n: int(LEAST_SECONDS / min(seconds_of(call, X, 1) for _ in range(3))) + 1 for n, call in predict.items()}
    turns, end = [], time.monotonic() + args.seconds
    possible = by_the_machine(pool, args.threads)
    while time.monotonic() < end:
        one, several = (seconds_of(call, X, n_calls[n]) for n, call in predict.items())
        before, possible = possible, by_the_machine(pool, args.threads)
        turns.append((one, several, min(before, possible)))
    return turns


def main():
    args = parse()
    for name in args.models:
        keep(name, args.folder)
    print(machine.describe(), end="\n\n")
    print(
        f"{'microseconds a row of ' + args.dtype:<44}{'one':>9}{args.threads:>9}  times as fast  quartiles    counting"
        f"  quiet turns  times as fast"
    )
    slow, scale = False, args.threads / 2
    with multiprocessing.get_context("spawn").Pool(args.threads) as pool:
        pool.map(count, range(args.threads), chunksize=1)
        for name in args.models:
            turns = compare(name, args, pool)
            one, several, possible = (statistics.median(each) for each in zip(*turns, strict=True))
            quartiles = statistics.quantiles([turn[0] / turn[1] for turn in turns], n=4)
            quiet = [turn[0] / turn[1] for turn in turns if turn[2] >= QUIET * scale]
            judged = statistics.median(quiet) if len(quiet) >= LEAST_TURNS else None
            figures = f"{one / N_ROWS * 1e6:>9.3f}{several / N_ROWS * 1e6:>9.3f}{one / several:>15.2f}"
            print(
                f"{MODELS[name].title:<44}{figures}  {quartiles[0]:.2f} to {quartiles[2]:.2f}{possible:>10.2f}"
                f"{len(quiet):>6} of {len(turns):<4}{'-' if judged is None else f'{judged:.2f}':>13}",
                flush=True,
            )
            slow |= judged is not None and judged < BOUND * scale
    return int(slow)


if __name__ == "__main__":
    raise SystemExit(main())
