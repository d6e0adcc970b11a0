"""One row of a plain array: microseconds of the estimator's method, and of the library's own estimator.

Usage: python -m benchmarks.one_row --folder FOLDER [--models NAME ...] [--calls 3000] [--without-library]

The same row again and again, and another row with each call, of float32 and of float64. Exits with 1 where the same row
takes longer than the model's bound, on processors like those for which the bounds are meant: servers of today with
AVX-512.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.cpu.models import MODELS, Kept, keep

N_ROWS = 2_000  # others in turn
LIBRARY_CALLS = 300

# Microseconds for the same row.
BOUNDS = {
    "xgb-100-d6": 6.0,
    "gb-100-d3": 6.0,
    "hgb-100-l31": 6.0,
    "xgb-500-d8": 8.0,
    "xgb-7-classes": 8.0,
    "lgbm-500-l31": 8.0,
    "lgbm-100-l255": 8.0,
    "rf-100": 8.0,
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the trained models, as of benchmarks.cpu")
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="NAME", default=list(BOUNDS))
    parser.add_argument("--calls", type=int, default=3_000, help="with the same row (%(default)s)")
    parser.add_argument("--without-library", action="store_true", help="whose calls take most of the time")
    return parser.parse_args()


def microseconds(call, rows):
    """Median time of calls, one with each of these rows."""
    taken = []
    for row in rows:
        begin = time.perf_counter_ns()
        call(row)
        taken.append(time.perf_counter_ns() - begin)
    return statistics.median(taken) / 1e3


def measured(call, X, n_calls):
    """Of the same row, and of another one each time."""
    microseconds(call, [X[:1]] * 50)
    return microseconds(call, [X[:1]] * n_calls), microseconds(call, [X[i : i + 1] for i in range(len(X))])


def main():
    from sktensor import TensorizedEstimator

    args = parse()
    for name in args.models:
        keep(name, args.folder)
    print(machine.describe(), end="\n\n")
    print(f"{'microseconds':<46}{'float32':>8}{'others':>8}{'float64':>9}{'others':>8}{'library':>10}")
    broken = []
    gc.disable()
    for name in args.models:
        kept = Kept(MODELS[name], args.folder)
        model = kept.load()
        call = getattr(TensorizedEstimator(model, n_jobs=1), kept.model.method)
        X = kept.model.rows(N_ROWS)
        found = [measured(call, X.astype(dtype), args.calls) for dtype in ("float32", "float64")]
        (narrow, narrow_others), (wide, wide_others) = found
        own = "-"
        if not args.without_library:
            if hasattr(model, "n_jobs"):
                model.set_params(n_jobs=1)
            own = f"{microseconds(getattr(model, kept.model.method), [X[:1]] * LIBRARY_CALLS):,.0f}"
        print(
            f"{kept.model.title:<46}{narrow:8.1f}{narrow_others:8.1f}{wide:9.1f}{wide_others:8.1f}{own:>10}", flush=True
        )
        if max(narrow, wide) > BOUNDS.get(name, float("inf")):
            broken.append(f"{name}: {max(narrow, wide):.1f}, not {BOUNDS[name]:.0f} microseconds")
    if broken:
        sys.exit("\n".join(["", *broken]))


if __name__ == "__main__":
    main()
