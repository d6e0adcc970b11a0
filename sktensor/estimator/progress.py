"""A progress bar for predictions of many rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sktensor.forest import Forest
from sktensor.inputs.rows import ROWS_CAST_TOGETHER, Columns, Rows

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

__all__ = ["Watched", "with_bar"]

# A prediction that takes less shows nothing.
DELAY_S = 0.5

# Steps of a bar, where rows lie such that they could be read in one.
STEPS = 100


# Of a program, what goes through rows.
RUNS = ("raw_scores", "leaves", "reached", "log_mean")


class Watched:
    """A program that shows a bar while it runs.

    Parameters
    ----------
    program : Program
        What runs.
    """

    def __init__(self, program: Any) -> None:
        self._program = program

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._program, name)
        if name not in RUNS:
            return found
        return lambda rows, *given: with_bar(lambda watched: found(watched, *given), rows)


def with_bar(run: Callable[[Rows], Any], rows: Rows) -> Any:
    """What `run` makes of the rows, while a bar shows how far it is.

    Parameters
    ----------
    run : callable
        Takes :class:`~sktensor.inputs.rows.Rows`.
    rows : Rows
        The rows.

    Returns
    -------
    object
        ``run(rows)``.

    Raises
    ------
    ImportError
        If tqdm is not installed.
    """
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("verbose=1 shows a bar by tqdm, which is not installed: pip install tqdm") from error
    with tqdm(total=len(rows), desc="predict", unit=" rows", unit_scale=True, delay=DELAY_S) as bar:
        rows = rows.checked()  # kernels that find something to check begin again, and would count twice
        return run(WatchedRows(rows.data, rows.flush_limit, rows.missing_value, passed=bar.update))


@dataclass(slots=True)
class WatchedRows(Rows):
    """Rows that tell how many of them have been asked for.

    Parameters
    ----------
    passed : callable
        Takes a number of rows.
    """

    passed: Callable[[int], Any] = field(kw_only=True)

    def arrays(self, forest: Forest) -> Iterator[tuple[int, npt.NDArray[Any] | Columns]]:
        """Those of :meth:`Rows.arrays`, in smaller blocks; each counts when the next one is asked for."""
        step = max(ROWS_CAST_TOGETHER, -(-len(self) // STEPS))
        for first, block in Rows.arrays(self, forest):
            for start in range(0, len(block), step):
                some = block[start : start + step]
                yield first + start, some
                self.passed(len(some))

    def batch(self, start: int, stop: int, forest: Forest, device: Any) -> torch.Tensor:
        """Those of :meth:`Rows.batch`."""
        found = Rows.batch(self, start, stop, forest, device)
        self.passed(stop - start)
        return found
