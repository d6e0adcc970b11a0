"""sktensor against its peers on a CPU: trains the models, measures everyone, prints and saves what was found.

Usage: python -m benchmarks.cpu [--models NAME ...] [--candidates NAME ...] [--sizes N ...] [--threads N ...]

Peers are measured where `python -m benchmarks.cpu.peers` has installed them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from benchmarks.cpu.candidates import CANDIDATES, OWN
from benchmarks.cpu.models import MODELS, Kept
from benchmarks.cpu.peers import default_folder
from benchmarks.cpu.report import progress, tables
from benchmarks.cpu.results import Results
from benchmarks.cpu.run import ROOT, SEEDS, Settings, environments_of, measure, train


def parse():
    usual = Settings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models",
        nargs="+",
        choices=MODELS,
        metavar="NAME",
        default=list(MODELS),
        help=f"default: all of {', '.join(MODELS)}",
    )
    parser.add_argument(
        "--candidates",
        nargs="+",
        choices=CANDIDATES,
        metavar="NAME",
        default=list(CANDIDATES),
        help=f"default: all of {', '.join(CANDIDATES)}",
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=list(usual.sizes), help="rows in a batch")
    parser.add_argument("--threads", nargs="+", type=int, default=list(usual.threads))
    parser.add_argument("--dtypes", nargs="+", choices=usual.dtypes, default=list(usual.dtypes), help="of the rows")
    parser.add_argument(
        "--cell-seconds",
        type=float,
        default=usual.cell_seconds,
        help="time for the calls of one candidate, size and number of threads (%(default)s)",
    )
    parser.add_argument(
        "--longest-seconds",
        type=float,
        default=usual.longest_seconds,
        help="who needs longer for a single call is not measured with so many rows (%(default)s)",
    )
    parser.add_argument(
        "--build-seconds",
        type=float,
        default=usual.build_seconds,
        help="who needs longer to compile has failed (%(default)s)",
    )
    parser.add_argument(
        "--memory-rows",
        type=int,
        default=usual.memory_rows,
        help="rows with which peak memory is measured (%(default)s)",
    )
    parser.add_argument("--peers", type=Path, default=default_folder(), help="their environments (%(default)s)")
    parser.add_argument("--folder", type=Path, help="keeps the trained models; default: a temporary one")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "cpu.json")
    parser.add_argument(
        "--add",
        action="store_true",
        help="keep what the output has of other models and environments, if measured on this machine",
    )
    parser.add_argument(
        "--resume", action="store_true", help="like --add, and leave out what an interrupted run has finished"
    )
    return parser.parse_args()


def main():
    args = parse()
    settings = Settings(
        sizes=tuple(sorted(args.sizes)),
        threads=tuple(args.threads),
        dtypes=tuple(args.dtypes),
        cell_seconds=args.cell_seconds,
        longest_seconds=args.longest_seconds,
        build_seconds=args.build_seconds,
        memory_rows=args.memory_rows,
    )
    results = Results.open(args.output, {**asdict(settings), "seeds": SEEDS}, add=args.add or args.resume)
    with nullcontext(args.folder) if args.folder else tempfile.TemporaryDirectory() as folder:
        for name in args.models:
            print(f"{name}: {MODELS[name].title}", file=sys.stderr, flush=True)
            kept = Kept(MODELS[name], Path(folder))
            if not args.resume:
                results.forget(name, OWN, [])
            for finding in train(kept, settings):
                results.take(finding)
                progress(finding)
            if not kept.path(".json").exists():  # its failure has been recorded
                results.models[name] = {"title": kept.model.title}
                results.save()
                continue
            results.models[name] = kept.facts()
            for environment, candidates in environments_of(args.candidates).items():
                if args.resume and [name, environment] in results.finished:
                    continue
                results.forget(name, environment, candidates)
                for finding in measure(kept, environment, candidates, settings, args.peers):
                    results.take(finding)
                    progress(finding)
                results.finished.append([name, environment])
                results.save()
    print(tables(results.data()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
