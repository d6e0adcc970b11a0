"""Models of imbalanced-learn without their samplers, which do nothing when rows are predicted.

Its ensembles derive from scikit-learn's and replace none of the methods that answer. Some keep pipelines of a sampler
and a model where those keep models [imblearn/ensemble/_bagging.py, _easy_ensemble.py].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sktensor.extractors import sklearn as of_sklearn
from sktensor.extractors.copies import copy_with
from sktensor.extractors.guards import check_answers
from sktensor.extractors.sklearn.pipelines import fingerprint_of, with_last
from sktensor.forest import Forest
from sktensor.registry import ColumnNames, Fingerprint, Methods, Steps, Submodels, find_extractor

__all__ = [
    "check_class",
    "columns",
    "extract",
    "fingerprint",
    "methods",
    "predict_leaves",
    "predict_raw",
    "steps",
    "submodels",
]

Array = npt.NDArray[Any]

# What a pipeline that derives from imbalanced-learn's must not replace.
ANSWERING = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "transform",
    "_iter",
)


def extract(model: Any) -> Forest:
    """Return the forest of a fitted ensemble of imbalanced-learn, or of a pipeline of samplers and a supported model.

    Raises
    ------
    UnsupportedModelError
        If the class, or what is inside, is not supported.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    """
    extractor, inside = _answering(model)
    return extractor.extract(inside)  # type: ignore[no-any-return]


def check_class(model: Any) -> None:
    """Refuse a model, fitted or not, that is not supported as its class or its steps say already."""
    extractor, inside = _answering(model)
    if (check := getattr(extractor, "check_class", None)) is not None:
        check(inside)


def steps(model: Any) -> Steps | None:
    """The steps of a fitted pipeline that do something when rows are predicted; None if the last one alone does."""
    if not _is_pipeline(model):
        return None
    check_is_fitted(model)
    acting = without_samplers(model)
    if acting is model.steps[-1][1] or (found := of_sklearn.steps(acting)) is None:
        return None
    return Steps(found.before, found.last, with_last)


def submodels(model: Any) -> Submodels | None:
    """Where an ensemble keeps the models that answer for it, or None for one that is one forest."""
    return None if _is_pipeline(model) else of_sklearn.submodels(_of_scikit_learn(model))


def methods(model: Any) -> Methods:
    """Methods of the library of the model at the end of a pipeline."""
    extractor, inside = _answering(model)
    offered = getattr(extractor, "methods", None)
    return {} if offered is None else {name: partial(_of_inside, found) for name, found in offered(inside).items()}


def _of_inside(function: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
    return function(_answering(model)[1], *args, **kwargs)


def columns(model: Any) -> ColumnNames | None:
    """The rules of the library of the model at the end of a pipeline, to which frames are handed as they are."""
    extractor, inside = _answering(model)
    ask = getattr(extractor, "columns", None)
    return None if ask is None else ask(inside)


def predict_raw(model: Any, X: Array) -> Array:
    """The library's own raw scores."""
    extractor, inside = _answering(model)
    return np.asarray(extractor.predict_raw(inside, X))


def predict_leaves(model: Any, X: Array) -> Array | None:
    """The library's own leaf numbers, where it has them."""
    extractor, inside = _answering(model)
    return extractor.predict_leaves(inside, X)  # type: ignore[no-any-return]


def fingerprint(model: Any) -> Fingerprint:
    """What another fit replaces."""
    return fingerprint_of(model) if _is_pipeline(model) else of_sklearn.fingerprint(model)


def without_samplers(pipeline: Any) -> Any:
    """The model that answers as a pipeline of imbalanced-learn does.

    Parameters
    ----------
    pipeline : imblearn.pipeline.Pipeline
        Fitted or not.

    Returns
    -------
    estimator
        The last step itself where nothing but samplers stands in front of it; otherwise scikit-learn's pipeline of the
        steps that do something when rows are predicted.
    """
    known = next(cls for cls in type(pipeline).__mro__ if _is_imblearn_pipeline(cls))
    check_answers(pipeline, known, ANSWERING)
    # Also a step that has a `transform` besides is passed over [imblearn/pipeline.py, _iter].
    acting = [
        (name, step)
        for name, step in pipeline.steps[:-1]
        if step is not None and step != "passthrough" and not hasattr(step, "fit_resample")
    ]
    return Pipeline([*acting, pipeline.steps[-1]]) if acting else pipeline.steps[-1][1]


def _answering(model: Any) -> tuple[Any, Any]:
    """The model that answers as `model` does, without samplers, and its extractor."""
    if _is_pipeline(model):
        inside = without_samplers(model)
        return find_extractor(inside), inside
    return of_sklearn, _of_scikit_learn(model)


def _of_scikit_learn(model: Any) -> Any:
    """An ensemble with models in the place of pipelines that hand rows to them as they are."""
    changed: dict[str, Any] = {}
    if (
        vars(model).get("algorithm") == "SAMME.R"
    ):  # of fits alone: scikit-learn predicts by votes [1.6, AdaBoostClassifier]
        changed["algorithm"] = "SAMME"
    inside = vars(model).get("estimators_")
    if isinstance(inside, list) and any(map(_is_pipeline, inside)):
        changed["estimators_"] = [without_samplers(one) if _is_pipeline(one) else one for one in inside]
    return copy_with(model, **changed) if changed else model


def _is_pipeline(model: Any) -> bool:
    return any(map(_is_imblearn_pipeline, type(model).__mro__))


def _is_imblearn_pipeline(cls: type) -> bool:
    return cls.__name__ == "Pipeline" and cls.__module__.partition(".")[0] == "imblearn"
