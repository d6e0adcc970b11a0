"""From X to what each method returns: the rows, the sums or leaves that the program finds, and their last step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from sktensor import outputs
from sktensor.estimator.fitted import Fitted
from sktensor.estimator.tensors import as_scikit_learn_answers
from sktensor.forest import Forest
from sktensor.inputs.checks import margins
from sktensor.inputs.reading import read
from sktensor.inputs.rows import Rows
from sktensor.runtime.settings import Settings

__all__ = ["ANSWERS", "Answer"]

Answer: TypeAlias = Callable[[Fitted, Any, Settings, Any, Any], Any]
"""``answer(fitted, program, settings, X, base_margin)``."""


def _values(fitted: Fitted, program: Any, settings: Settings, X: Any, base_margin: Any) -> Any:
    return outputs.labels(*_raw(fitted, program, settings, X, base_margin))


def _probabilities(fitted: Fitted, program: Any, settings: Settings, X: Any, base_margin: Any) -> Any:
    return outputs.probabilities(*_raw(fitted, program, settings, X, base_margin))


def _log_probabilities(fitted: Fitted, program: Any, settings: Settings, X: Any, base_margin: Any) -> Any:
    forest: Forest = program.forest
    if forest.outputs.log_proba == "log_add_exp":
        rows = read(X, forest, program.names, fitted.columns, allow_nan=forest.inputs.accepts_nan)
        return as_scikit_learn_answers(program.log_mean(rows, settings))
    return outputs.log_probabilities(*_raw(fitted, program, settings, X, base_margin)[:2])


def _decision_scores(fitted: Fitted, program: Any, settings: Settings, X: Any, base_margin: Any) -> Any:
    return outputs.decision_scores(*_raw(fitted, program, settings, X, base_margin)[:2])


def _sample_scores(fitted: Fitted, program: Any, settings: Settings, X: Any, base_margin: Any) -> Any:
    return outputs.sample_scores(*_raw(fitted, program, settings, X, base_margin)[:2])


def _raw_scores(fitted: Fitted, program: Any, settings: Settings, X: Any, base_margin: Any) -> Any:
    return outputs.shaped_raw(*_raw(fitted, program, settings, X, base_margin, keeps_tensors=True)[:2])


def _leaf_numbers(fitted: Fitted, program: Any, settings: Settings, X: Any, base_margin: Any) -> Any:
    forest: Forest = program.forest
    allow_nan = forest.inputs.accepts_nan or forest.inputs.leaves_accept_nan
    rows = read(X, forest, program.names, fitted.columns, allow_nan=allow_nan)
    return outputs.leaf_numbers(forest, as_scikit_learn_answers(program.leaves(rows, settings)))


def _leaf_columns(fitted: Fitted, program: Any, settings: Settings, X: Any, base_margin: Any) -> Any:
    forest: Forest = program.forest
    rows = read(X, forest, program.names, fitted.columns, allow_nan=forest.inputs.accepts_nan)
    return outputs.leaf_columns(forest, as_scikit_learn_answers(program.reached(rows, settings)))


ANSWERS: dict[str, Answer] = {
    "predict": _values,
    "predict_proba": _probabilities,
    "predict_log_proba": _log_probabilities,
    "decision_function": _decision_scores,
    "score_samples": _sample_scores,
    "predict_raw": _raw_scores,
    "apply": _leaf_numbers,
    "transform": _leaf_columns,
}


def _raw(
    fitted: Fitted, program: Any, settings: Settings, X: Any, base_margin: Any, keeps_tensors: bool = False
) -> tuple[Forest, Any, int]:
    """The forest, raw scores of X, and the threads that may go on with them."""
    forest: Forest = program.forest
    rows = X  # which a pipeline has read
    if type(X) is not Rows:
        rows = read(X, forest, program.names, fitted.columns, allow_nan=forest.inputs.accepts_nan)
    start = None if base_margin is None else margins(base_margin, len(rows), forest, fitted.model)
    raw, n_threads = program.raw_scores(rows, settings, start)
    if type(raw) is not np.ndarray and not keeps_tensors:
        raw = as_scikit_learn_answers(raw)
    return forest, raw, n_threads
