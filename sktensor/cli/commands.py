"""Commands and their arguments."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

from sktensor.cli.errors import CommandError
from sktensor.errors import UnsupportedModelError

__all__ = ["main"]

TRUST = (
    "A .joblib, .pkl or .pickle file executes code when it is read: load only what you trust. Files of the libraries "
    "(.json and .ubj of XGBoost, .txt of LightGBM, .cbm and .json of CatBoost) and sktensor's own (.safetensors) "
    "execute none."
)

# Exit statuses.
EQUAL, DIFFERENT, FAILED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        The exit status: 0; 1 where ``check`` finds a difference; 2 for what cannot be done.
    """
    options = parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of scikit-learn about names of columns, of other versions and so on
            status: int = options.run(options)
        sys.stdout.flush()
        return status
    except (CommandError, UnsupportedModelError) as error:
        print(f"sktensor {options.command}: error: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    whole = argparse.ArgumentParser(
        prog="python -m sktensor", description="Fitted tree models, looked at and held against sktensor.", epilog=TRUST
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    info = commands.add_parser("info", help="versions, kernels and devices")
    info.set_defaults(run=_info)

    inspect = commands.add_parser("inspect", help="a model's trees, plan and memory", epilog=TRUST)
    inspect.add_argument("model", metavar="MODEL", help="a file with a fitted model")
    inspect.add_argument("--rows", type=_count, default=1000, help="rows that the plan is for (default: 1000)")
    inspect.set_defaults(run=_inspect)

    check = commands.add_parser(
        "check",
        help="every method's answers for your rows, bit for bit",
        description="Compare what the model's library and sktensor answer for rows of a file, bit for bit. Exit status "
        "0: all are equal; 1: some differ; 2: it could not be found out.",
        epilog=TRUST,
    )
    _add_model_and_data(check)
    check.set_defaults(run=_check)

    bench = commands.add_parser(
        "bench",
        help="library and strategies side by side on your rows",
        description="Time a method of the library and of sktensor for several numbers of rows.",
        epilog=TRUST,
    )
    _add_model_and_data(bench)
    bench.add_argument("--method", help="by default predict_proba where the model has it, otherwise predict")
    bench.add_argument(
        "--batches", type=_counts, default=(1, 100, 10_000), help="rows a call, with commas (default: 1,100,10000)"
    )
    bench.add_argument(
        "--strategies",
        type=_names,
        default=("auto",),
        help="with commas: auto, gemm, tree_traversal, perfect_tree_traversal, bitsliced (default: auto)",
    )
    bench.add_argument("--threads", type=_count, default=1, help="of both, library and sktensor (default: 1)")
    bench.add_argument(
        "--seconds", type=_seconds, default=0.5, help="time for each cell of the table, at least (default: 0.5)"
    )
    bench.add_argument("--figure", metavar="OUT.png", help="draw the table, by matplotlib")
    bench.set_defaults(run=_bench)
    return whole


def _add_model_and_data(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="MODEL", help="a file with a fitted model")
    command.add_argument("data", metavar="DATA", help="rows: .parquet, .csv, .feather or .npy")
    command.add_argument("--rows", type=_count, help="take the first so many")
    command.add_argument("--drop", type=_names, default=(), help="columns that are no features, with commas")


def _info(options: argparse.Namespace) -> int:
    from sktensor.cli.info import info

    info()
    return EQUAL


def _inspect(options: argparse.Namespace) -> int:
    from sktensor.cli.inspection import inspect
    from sktensor.cli.model_files import read_model

    inspect(read_model(options.model), options.rows)
    return EQUAL


def _check(options: argparse.Namespace) -> int:
    from sktensor.cli.checking import check
    from sktensor.cli.model_files import read_model
    from sktensor.cli.row_files import read_rows

    model = read_model(options.model)
    return EQUAL if check(model, read_rows(model, options.data, options.rows, options.drop)) else DIFFERENT


def _bench(options: argparse.Namespace) -> int:
    from sktensor.cli.figure import check_figure, draw
    from sktensor.cli.model_files import read_model
    from sktensor.cli.row_files import read_rows
    from sktensor.cli.timing import bench

    if options.figure is not None:
        check_figure(options.figure)  # before time is spent
    model = read_model(options.model)
    rows = read_rows(model, options.data, options.rows, options.drop)
    times = bench(
        model,
        rows,
        method=options.method,
        batches=options.batches,
        strategies=options.strategies,
        n_threads=options.threads,
        seconds=options.seconds,
    )
    if options.figure is not None:
        draw(times, options.figure)
    return EQUAL


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def _counts(text: str) -> tuple[int, ...]:
    return tuple(sorted({_count(part.strip()) for part in text.split(",")}))


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds, got {text!r}")
    return found
