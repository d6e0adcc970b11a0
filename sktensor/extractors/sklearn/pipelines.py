"""Pipelines of scikit-learn, as steps."""

from __future__ import annotations

import copy
from typing import Any

from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.guards import replaced_methods
from sktensor.extractors.sklearn.submodels import own_class
from sktensor.registry import Steps, find_extractor

__all__ = ["check_pipeline", "is_pipeline", "steps"]

# What a subclass must not replace, if its steps are to be asked in its place.
ANSWERING = (
    "predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform", "_iter",
)  # fmt: skip


def is_pipeline(model: Any) -> bool:
    """Whether a model is a pipeline of scikit-learn, or behaves as one."""
    return own_class(model, ("Pipeline",)) is not None


def steps(model: Any) -> Steps | None:
    """The steps of a fitted pipeline; None for any other model.

    Raises
    ------
    UnsupportedModelError
        If its class has answers of its own, or its last step is no model.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    if (known := own_class(model, ("Pipeline",))) is None:
        return None
    if replaced := replaced_methods(model, known, ANSWERING):
        raise UnsupportedModelError(
            f"{type(model).__module__}.{type(model).__qualname__} replaces {', '.join(replaced)} of Pipeline, so that "
            "its answers may differ from those of its steps."
        )
    last = _last(model)
    check_is_fitted(model)
    return Steps(tuple(model.steps[:-1]), last, with_last)


def check_pipeline(model: Any) -> None:
    """Refuse a pipeline, fitted or not, whose last step is not supported."""
    last = _last(model)
    if (check := getattr(find_extractor(last), "check_class", None)) is not None:
        check(last)


def _last(model: Any) -> Any:
    last = model.steps[-1][1]
    if last is None or isinstance(last, str):
        raise UnsupportedModelError(
            f"This {type(model).__name__} ends in {last!r}. Its last step has to be a model that is made of trees."
        )
    return last


def with_last(model: Any, last: Any) -> Any:
    """A copy of a pipeline with another last step."""
    twin = copy.copy(model)
    twin.steps = [*model.steps[:-1], (model.steps[-1][0], last)]
    return twin
