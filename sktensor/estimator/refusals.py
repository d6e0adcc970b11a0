"""Errors for arguments, parameters and methods that an estimator does not have, with what to use instead."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from sktensor.estimator.wrapped import METHODS

__all__ = ["check_arguments", "check_n_rows", "check_parameters", "why_missing"]

ROUNDS = (
    "A program is compiled of the rounds that predict uses by default: extract_forest(model, iterations=(first, end)) "
    "or tensorize(model, iterations=(first, end)) takes others."
)
RAW = "Raw scores are predict_raw(X)."
LEAVES = "Leaf numbers are apply(X)."
CONTRIBUTIONS = "Contributions of features are contributions(X); shap_values(X) are the same without base values."
INTERACTIONS = "Interactions of features are shap_values(X, interactions=True)."
LIBRARY = "The wrapped model, estimator_, takes it."

# What there is instead of the arguments that the libraries' predict and predict_proba take.
INSTEAD = {
    "iteration_range": ROUNDS,
    "num_iteration": ROUNDS,
    "start_iteration": ROUNDS,
    "ntree_start": ROUNDS,
    "ntree_end": ROUNDS,
    "ntree_limit": ROUNDS,
    "output_margin": RAW,
    "raw_score": RAW,
    "prediction_type": f"{RAW} Probabilities are predict_proba(X), their logarithms predict_log_proba(X).",
    "pred_leaf": LEAVES,
    "pred_contrib": CONTRIBUTIONS,
    "pred_contribs": CONTRIBUTIONS,
    "pred_interactions": INTERACTIONS,
    "thread_count": "The number of threads is the parameter n_jobs: set_params(n_jobs=...).",
    "n_jobs": "The number of threads is a parameter of the estimator: set_params(n_jobs=...).",
    "num_threads": "The number of threads is the parameter n_jobs: set_params(n_jobs=...).",
    "task_type": "The device is the parameter device: set_params(device=...).",
    "check_input": "Rows are always checked.",
}


def check_arguments(model: Any, method: str, given: Mapping[str, Any]) -> None:
    """Refuse arguments of the library's own predictions, unless they say what is so anyway.

    Parameters
    ----------
    model : estimator
        The fitted model.
    method : str
        Which method was asked.
    given : mapping
        Arguments beside X and `base_margin`, by name.

    Raises
    ------
    TypeError
        Naming the first that is unknown or would change the answer, and what to use instead.
    """
    known = _parameters(getattr(model, method, None))
    for name, value in given.items():
        if name in known and (value is known[name].default or _equal(value, known[name].default)):
            continue
        takes = "X and base_margin" if method in ("predict", "predict_proba", "predict_raw") else "X alone"
        instead = INSTEAD.get(name, LIBRARY if name in known else "")
        raise TypeError(f"{method}() got an unexpected keyword argument {name!r}; it takes {takes}. {instead}".rstrip())


def _parameters(method: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return {} if method is None else inspect.signature(method).parameters
    except ValueError:  # a method without a signature
        return {}


def _equal(value: Any, default: Any) -> bool:
    """Whether two values of a simple type are the same; True is not 1."""
    return type(value) is type(default) and isinstance(value, (bool, int, str, tuple)) and value == default


def check_parameters(estimator: Any, params: Mapping[str, Any]) -> None:
    """Refuse parameters of the wrapped model that were named without ``estimator__``.

    Parameters
    ----------
    estimator : TensorizedEstimator
        The wrapper.
    params : mapping
        What ``set_params`` was given.

    Raises
    ------
    ValueError
        Saying what to write.
    """
    own = estimator.get_params(deep=False)
    unknown = [name for name in params if name.partition("__")[0] not in own]
    if not unknown or not hasattr(estimator.estimator, "get_params"):
        return  # scikit-learn refuses unknown names itself
    inner = type(estimator.estimator).__name__
    if (name := unknown[0]).partition("__")[0] in _parameters_of(estimator.estimator):
        raise ValueError(
            f"{name!r} is a parameter of the {inner} inside, not of the {type(estimator).__name__} around it: write "
            f"estimator__{name}. Its own are {', '.join(own)}."
        )


def _parameters_of(model: Any) -> set[str]:
    """Names of the parameters of a model, also of those that it has not been given."""
    return {*model.get_params(), *_parameters(type(model).__init__)} - {"self"}


def why_missing(model: Any, method: str) -> str:
    """Why a wrapper around a model has no such method, for the end of an error.

    Parameters
    ----------
    model : object
        What is wrapped, of any kind.
    method : str
        A method of :class:`~sktensor.TensorizedEstimator`, or any other name.

    Returns
    -------
    str
        A colon and a sentence; empty for a name of which nothing is known.
    """
    if method in METHODS:
        return f": {_why_missing(model, method)}."
    if method.startswith("set_") and method.endswith("_request"):
        return f": metadata goes where the model inside asks for it. Call {method} of that, before it is wrapped."
    if not method.startswith("_") and callable(getattr(type(model), method, None)):
        return f": it is a method of {type(model).__name__} that nothing here makes faster. Call estimator_.{method}."
    return ""


def _why_missing(model: Any, method: str) -> str:
    name = model.__name__ if isinstance(model, type) else type(model).__name__
    if isinstance(model, type) or not hasattr(type(model), "predict"):
        return f"what it wraps is no model with predictions but {_shown(model)}"
    if method.startswith("predict_") and hasattr(model, "get_params") and is_regressor(model):
        return f"{name} is a regressor, and has no classes. Use predict"
    if method.startswith("predict_") and hasattr(model, "get_params") and is_classifier(model):
        return f"the wrapped {name} has no {method} with these parameters. Use predict or decision_function"
    return f"the wrapped {name} has none"


def _shown(model: Any) -> str:
    return f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}"


def check_n_rows(n_rows: Any) -> int:
    """A number of rows, or the error that says how to get one.

    Raises
    ------
    TypeError
        If it is none, for instance the rows themselves.
    ValueError
        If it is negative.
    """
    if isinstance(n_rows, bool) or not isinstance(n_rows, (int, np.integer)):
        shape = getattr(n_rows, "shape", ())
        of_rows = f" Give len(X), {shape[0]}." if shape else ""
        raise TypeError(f"n_rows must be a number of rows, an integer, got {type(n_rows).__name__}.{of_rows}")
    if n_rows < 0:
        raise ValueError(f"n_rows must be a number of rows, at least 0, got {n_rows}.")
    return int(n_rows)
