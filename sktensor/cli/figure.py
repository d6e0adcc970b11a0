"""A figure of what was measured."""

from __future__ import annotations

from pathlib import Path

from sktensor.cli.errors import CommandError
from sktensor.cli.timing import Times

__all__ = ["check_figure", "draw"]


def check_figure(path: str) -> None:
    """Refuse a figure that could not be written.

    Raises
    ------
    CommandError
        If there is no such folder, or no matplotlib.
    """
    if not Path(path).absolute().parent.is_dir():
        raise CommandError(f"--figure: there is no folder {Path(path).absolute().parent}")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError as error:
        raise CommandError("--figure: matplotlib is not installed: pip install matplotlib") from error
    known = FigureCanvasAgg.get_supported_filetypes()
    if Path(path).suffix.lower().removeprefix(".") not in known:
        raise CommandError(f"--figure: {path} is of no kind that matplotlib writes. Known: {', '.join(sorted(known))}.")


def draw(times: Times, path: str) -> None:
    """Draw the times of a row against the rows of a call.

    Parameters
    ----------
    times : Times
        What was measured.
    path : str
        A file of a kind that matplotlib writes.
    """
    from matplotlib.figure import Figure  # which no display is needed for, and nothing global altered

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, values in times.microseconds.items():
        axes.plot(times.batches, values, marker="o", label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("rows a call")
    axes.set_ylabel("microseconds a row")
    axes.set_title(times.method)
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    try:
        figure.savefig(path)
    except OSError as error:
        raise CommandError(f"--figure: {path} cannot be written: {error}") from error
    print(f"figure: {path}")
