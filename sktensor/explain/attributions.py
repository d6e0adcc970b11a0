"""What a forest's raw scores are made of: values of its inputs, and the base value that they are added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.explain.base import Needed
from sktensor.explain.explainers import Background, Explainers
from sktensor.forest import Forest, OutputSpec
from sktensor.inputs.rows import Rows, is_tensor
from sktensor.runtime.settings import Settings, count_threads

__all__ = ["Attribution", "attribute"]

Array = npt.NDArray[Any]

# Rows whose values are laid out at once where they are written somewhere else.
ROWS_TOGETHER = 16_384


@dataclass(frozen=True, eq=False)
class Attribution:
    """Raw scores taken apart.

    Attributes
    ----------
    outputs : OutputSpec
        How raw scores become answers.
    values : ndarray or Tensor of float64, shape (n, F, K) or (n, F, F, K)
        What each input, or each pair of inputs, adds to each raw score.
    base : ndarray of float64, shape (K,) or (n, K)
        What they are added to; one row for each of X where rows start from a margin of their own.
    names : sequence, optional
        Of the inputs, of any type.
    data : object, optional
        The inputs, shape (n, F), where they are not X as it was given.
    of_steps : ndarray, shape (n, F'), optional
        Inputs that stand behind the columns of X: what steps give that are run.
    flat : bool
        Whether contributions of no rows have shape (0,), as in XGBoost.
    room : ndarray of contribution_dtype, shape (n, K, F + 1), optional
        An array with room for base values behind `values`, which are a view of it.
    """

    outputs: OutputSpec
    values: Any
    base: Array
    names: Sequence[Any] | None = None
    data: Any = None
    of_steps: Array | None = None
    flat: bool = False
    room: Array | None = None


def attribute(
    explainers: Explainers,
    rows: Rows,
    settings: Settings,
    needed: Needed,
    model: str,
    background: Background | None = None,
    margin: Array | None = None,
) -> Attribution:
    """Take the raw scores of rows apart.

    Parameters
    ----------
    explainers : Explainers
        Of the forest.
    rows : Rows
        The rows.
    settings : Settings
        On which device, and in how many threads.
    needed : {"values", "contributions", "interactions"}
        Whether of inputs or of pairs of them, and whether base values are to have room beside them.
    model : str
        The class of the model, for errors.
    background : Background, optional
        Rows that unknown columns are taken from.
    margin : ndarray, shape (n, K), optional
        Where the sum of each row starts in place of the forest's base.

    Returns
    -------
    Attribution

    Raises
    ------
    UnsupportedModelError
        If there are none, saying why.
    """
    forest, players = explainers.program.forest, explainers.players
    if why := explainers.refusals[background is not None]:
        raise UnsupportedModelError(f"There are no SHAP values of this {model}: {why}.")
    if needed == "interactions":
        _check_interactions(model, background, shared=players.shares)
    n_threads = 1 if len(rows) == 1 else count_threads(settings.n_jobs)
    if background is None:
        explain, base = explainers.path_dependent(settings, needed), explainers.base
    else:
        explain, base = explainers.interventional(settings, background)

    def values_of(some: Rows) -> Any:
        return _as_raw_scores(forest, players.by_input(explain(some, n_threads)))

    room = None
    if needed == "contributions" and not is_tensor(rows.data):
        shape = len(rows), forest.n_outputs, players.n_inputs + 1
        room = np.empty(shape, dtype=forest.outputs.contribution_dtype)
        values: Any = room[:, :, :-1].transpose(0, 2, 1)
        for start, batch in zip(range(0, max(len(rows), 1), ROWS_TOGETHER), rows.batches(ROWS_TOGETHER), strict=True):
            values[start : start + len(batch)] = values_of(batch)
    else:
        values = values_of(rows)
    if margin is not None:
        base = base - forest.trees.base.astype(np.float64) + margin.astype(np.float64)
    flat = not len(rows) and forest.inputs.no_rows == "flat"
    return Attribution(forest.outputs, values, _raw_base(forest, base), flat=flat, room=room)


def _check_interactions(model: str, background: Background | None, *, shared: bool) -> None:
    if background is not None:
        raise NotImplementedError(
            "interactions=True with a background: interaction values are path-dependent ones. Leave background out, or "
            "ask for values of single columns."
        )
    if shared:
        raise UnsupportedModelError(
            f"There are no interaction values of this {model}: it has statistics of several categorical columns "
            "together, whose parts cannot be told apart. Train with max_ctr_complexity=1, or ask for values of single "
            "columns."
        )


def _as_raw_scores(forest: Forest, values: Any) -> Any:
    """Divide and scale values of sums, in place, as the library does with the sums."""
    outputs = forest.outputs
    if outputs.raw_is_sum:
        return values
    if outputs.div != 1.0:
        values /= outputs.div
    if outputs.scale != 1.0:
        values *= outputs.scale
    return values


def _raw_base(forest: Forest, base: Array) -> Array:
    """Divide, scale and shift base values likewise."""
    outputs = forest.outputs
    if outputs.raw_is_sum:
        return base
    base = base / outputs.div * outputs.scale
    return base if outputs.bias is None else base + outputs.bias
