"""Between which numbers of X all that steps make of them is finite: none of the steps behind takes others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.pipelines.domains import Answered, first_that
from sktensor.pipelines.oracle import Oracle, padded
from sktensor.pipelines.structure import Stage, column_of

__all__ = ["finite_limits"]

Array = npt.NDArray[Any]


def finite_limits(oracle: Oracle, n_columns: int) -> tuple[Array, Array]:
    """Find these limits.

    Parameters
    ----------
    oracle : Oracle
        The steps.
    n_columns : int
        Columns of X.

    Returns
    -------
    lowest, highest : ndarray of float64, shape (n_columns,)
        Numbers between which, these included, steps and model take those of each column of X.
    """
    lowest, highest = np.full(n_columns, -np.inf), np.full(n_columns, np.inf)
    growing = {c: dict.fromkeys(at for column in oracle.looked_at[c] for at in column.finite) for c in oracle.numeric}
    last = {c: [at for at in stages if id(at[0]) in oracle.stages] for c, stages in growing.items()}
    found = _ends(oracle, last)
    # What grows and is finite at both ends is finite between them: other stages are searched only where it is not.
    inner = {c: [at for at in stages if at not in last[c]] for c, stages in growing.items()}
    rows = oracle.rows(found, 2)
    if not all(_finite(oracle, rows, stages, []).all() for stages in inner.values()):
        found = _ends(oracle, growing)
    for c, ends in found.items():
        lowest[c], highest[c] = ends.astype(np.float64)
    return lowest, highest


def _ends(oracle: Oracle, stages: dict[int, Any]) -> dict[int, Array]:
    """The lowest and highest number of each column for which some stages, and what the trees see, are finite."""
    numeric = oracle.numeric
    is_asked = not oracle.forest.inputs.accepts_inf
    features = {c: [j for j in oracle.by_source[c] if is_asked and oracle.column(j).kind != "pieces"] for c in numeric}
    sources = [c for c in numeric if stages[c] or features[c]]
    domains = [numeric[c] for c in sources]
    # What the last of them gives tells about where it is no longer finite.
    guides = [oracle.column(features[c][0]) if features[c] else oracle.last_at(c, stages[c]) for c in sources]
    dtype = np.dtype(oracle.forest.trees.feature_dtype if is_asked else "float64")
    largest = float(np.finfo(dtype).max) * (1 + np.finfo(dtype).eps / 4) if dtype == np.float32 else np.finfo(dtype).max
    levels = [np.array([-largest, largest]) * (-1 if guide.kind == "decreasing" else 1) for guide in guides]

    def asked(tried: list[Array], which: list[Array]) -> list[Answered]:
        n = max(x.size for x in tried)
        rows = oracle.rows({c: padded(x.ravel(), n) for c, x in zip(sources, tried, strict=True)}, n)
        found: list[Answered] = []
        for c, x, w, guide in zip(sources, tried, which, guides, strict=True):
            finite = _finite(oracle, rows, stages[c], features[c])[: x.size].reshape(x.shape)
            of_highest = (w == 1)[:, None]
            holds = np.where(of_highest, ~finite & (x >= 0), finite | (x >= 0))
            found.append((holds, oracle.dense(guide.stage, rows)[: x.size].reshape(x.shape)))
        return found

    ends = {c: domain.value(np.array([domain.first, domain.last], dtype=np.uint64)) for c, domain in numeric.items()}
    found = first_that(domains, asked, [2] * len(sources), levels)
    for c, domain, (first, beyond) in zip(sources, domains, found, strict=True):
        ends[c] = domain.value(np.array([first, beyond - np.uint64(1)], dtype=np.uint64))
    return ends


def _finite(oracle: Oracle, rows: Any, stages: Iterable[Stage], features: list[int]) -> Array:
    """In which rows all columns of some stages, and some of those that the trees see, are finite."""
    finite: Array = np.ones(len(rows), dtype=bool)
    for run, number in stages:
        values = column_of(oracle.transformed(run, rows), number)
        try:
            finite &= np.isfinite(values.astype(np.float64))
        except (TypeError, ValueError) as error:
            raise UnsupportedModelError("the steps give other things than numbers") from error
    for run, number in (oracle.column(j).stage for j in features):
        finite &= np.isfinite(oracle.seen(run, rows).numbers[:, number])
    return finite
