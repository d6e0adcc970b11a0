"""``bench``: library and strategies side by side on the user's own rows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from statistics import median
from typing import Any

import numpy as np

from sktensor.cli.errors import CommandError
from sktensor.cli.model_files import library_model
from sktensor.errors import UnsupportedModelError
from sktensor.estimator import TensorizedEstimator

__all__ = ["Times", "bench"]

LIBRARY = "library"

# What libraries call their number of threads.
THREADS = ("n_jobs", "thread_count")

FEWEST = 3  # measurements of a cell


@dataclass(frozen=True)
class Times:
    """What was measured.

    Attributes
    ----------
    method : str
        What was called.
    batches : tuple of int
        Rows a call.
    microseconds : dict
        By who answers, the median time of a call a row for each of `batches`.
    """

    method: str
    batches: tuple[int, ...]
    microseconds: dict[str, list[float]]


def bench(
    model: Any,
    X: Any,
    *,
    method: str | None,
    batches: Sequence[int],
    strategies: Sequence[str],
    n_threads: int,
    seconds: float,
) -> Times:
    """Time a method for several numbers of rows, and print a table.

    Parameters
    ----------
    model : object
        Fitted.
    X : DataFrame or ndarray
        Rows; of more than there are, they are repeated.
    method : str, optional
        Which; by default ``predict_proba`` or ``predict``.
    batches : sequence of int
        Rows a call.
    strategies : sequence of str
        Of sktensor.
    n_threads : int
        Of both.
    seconds : float
        For each cell, at least.

    Returns
    -------
    Times

    Raises
    ------
    CommandError
        If the library does not answer.
    """
    library = library_model(model)
    name = method or ("predict_proba" if hasattr(library, "predict_proba") else "predict")
    if not hasattr(library, name):
        raise CommandError(f"--method: {type(library).__name__} has no {name}")
    rows = {n: _taken(X, n) for n in batches}
    found: dict[str, list[float]] = {}
    with _threads(library, n_threads):
        ask = _asker(library, name, rows[batches[0]], n_threads)
        found[LIBRARY] = [_time(ask, rows[n], seconds) / n * 1e6 for n in batches]
    refused = {}
    for strategy in strategies:
        try:
            fast = TensorizedEstimator(library, strategy=strategy, n_jobs=n_threads)
            fast.warmup(list(batches))
            if not hasattr(fast, name):
                raise CommandError(f"--method: sktensor has no {name} for {type(library).__name__}")
            found[strategy] = [_time(getattr(fast, name), rows[n], seconds) / n * 1e6 for n in batches]
        except (UnsupportedModelError, ValueError) as error:
            refused[strategy] = str(error)
    if len(found) == 1:
        raise CommandError("; ".join(f"{strategy}: {why}" for strategy, why in refused.items()))
    times = Times(name, tuple(batches), found)
    print_times(type(library).__name__, times, n_threads)
    for strategy, why in refused.items():
        print(f"{strategy}: refused, {why}")
    return times


def print_times(model: str, times: Times, n_threads: int) -> None:
    """A table: a line for each number of rows, a column for everyone who answers."""
    print(f"{model}.{times.method}, {n_threads} thread{'s' * (n_threads > 1)}, microseconds a row (times faster)")
    names = list(times.microseconds)
    widths = [max(len(name), 18) for name in names]
    print(f"{'rows a call':>12}  " + "  ".join(f"{n:>{w}}" for n, w in zip(names, widths, strict=True)))
    for i, n in enumerate(times.batches):
        base = times.microseconds[LIBRARY][i]
        cells = []
        for name, width in zip(names, widths, strict=True):
            own = times.microseconds[name][i]
            cells.append(f"{f'{own:.4g}' if name == LIBRARY else f'{own:.4g} ({base / own:.1f}x)':>{width}}")
        print(f"{n:>12,}  " + "  ".join(cells))


def _taken(X: Any, n: int) -> Any:
    """The first `n` rows, from the beginning again where there are fewer."""
    if n <= len(X):
        return X[:n].copy() if isinstance(X, np.ndarray) else X.iloc[:n].copy()
    at = np.arange(n) % len(X)
    return X[at] if isinstance(X, np.ndarray) else X.iloc[at].reset_index(drop=True)


def _asker(library: Any, name: str, X: Any, n_threads: int) -> Callable[[Any], Any]:
    """The library's method, where it takes tables, and is told of threads, where it takes their number."""
    ask: Callable[[Any], Any] = getattr(library, name)
    for key in THREADS:
        if key in signature(ask).parameters:
            ask = partial(ask, **{key: n_threads})
    try:
        ask(X)
        return ask
    except Exception as error:  # of any library
        if hasattr(library, "inplace_predict"):  # a booster that takes no arrays elsewhere
            return library.inplace_predict  # type: ignore[no-any-return]
        why = " ".join(str(error).split())[:300]
        raise CommandError(
            f"{type(library).__name__}.{name} refuses these rows: {type(error).__name__}: {why}"
        ) from error


@contextlib.contextmanager
def _threads(library: Any, n: int) -> Iterator[None]:
    """Have the library use so many threads, as far as it can be told."""
    from threadpoolctl import threadpool_limits

    changed = {}
    if hasattr(library, "get_params") and hasattr(library, "set_params"):
        params = library.get_params()
        changed = {key: value for key, value in params.items() if key.rpartition("__")[2] in THREADS}
        with contextlib.suppress(Exception):  # fitted models of CatBoost take no parameters
            library.set_params(**dict.fromkeys(changed, n))
    try:
        with threadpool_limits(n):
            yield
    finally:
        if changed:
            with contextlib.suppress(Exception):
                library.set_params(**changed)


def _time(ask: Callable[[Any], Any], X: Any, seconds: float) -> float:
    """The median time of a call, in seconds."""
    ask(X)  # what is made once
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < FEWEST or time.perf_counter() < end:
        start = time.perf_counter()
        ask(X)
        found.append(time.perf_counter() - start)
    return median(found)
