"""Fitting the wrapped model: what is refused before, the fitted copy, and the columns that it was fitted on."""

from __future__ import annotations

import copy
import os
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import validate_data

from sktensor.errors import UnsupportedModelError
from sktensor.estimator.fitted import is_trained_booster
from sktensor.inputs.dataframe import frame_names, is_frame
from sktensor.inputs.names import are_text, check_names_to_fit, fitted_attribute
from sktensor.inputs.tensors import on_host
from sktensor.registry import find_extractor

__all__ = ["check_model", "check_trainable", "fitted_clone", "unfitted"]


def check_model(model: Any) -> None:
    """Refuse objects that are no model: a class, a path, None.

    Raises
    ------
    TypeError
        Saying what to give instead.
    """
    if isinstance(model, type):
        raise TypeError(f"estimator is the class {model.__name__}; expected a model. Give {model.__name__}(...).")
    if isinstance(model, (str, bytes, os.PathLike)):
        raise TypeError(
            f"estimator is {model!r}; expected a model, fitted or not. Load it first: with sktensor.load what "
            "sktensor.save has written, with its own library any other file."
        )
    if model is None or isinstance(model, (bool, int, float, list, tuple, dict, np.ndarray)):
        raise TypeError(
            f"estimator is of type {type(model).__name__}; expected a model of XGBoost, LightGBM, CatBoost or "
            "scikit-learn, fitted or not."
        )


def check_trainable(model: Any) -> None:
    """Refuse before it is trained what cannot be trained, or could not be compiled afterwards.

    Raises
    ------
    TypeError
        If it is no model, or a booster, which comes trained.
    UnsupportedModelError
        If its class or one of its parameters says already that it is not supported.
    """
    check_model(model)
    if is_trained_booster(model):
        kind = type(model)
        raise TypeError(
            f"This {kind.__module__.partition('.')[0]}.{kind.__name__} comes trained and has no fit: predict works at "
            "once. To train one here, wrap an estimator of its library instead."
        )
    if (check := getattr(find_extractor(model), "check_class", None)) is not None:
        check(model)


def unfitted(model: Any) -> Any:
    """A copy of a model with its parameters and no fit; a booster, which has no parameters, stays what it is.

    Parameters
    ----------
    model : object
        What a wrapper wraps.

    Returns
    -------
    object
    """
    if is_trained_booster(model):
        return model
    try:
        own = getattr(find_extractor(model), "unfitted", None)
    except UnsupportedModelError:
        own = None
    return clone(model) if own is None else own(model)


def fitted_clone(
    model: Any, X: Any, y: Any, fit_params: dict[str, Any]
) -> tuple[Any, list[Any] | None, dict[str, Any]]:
    """Fit a copy of a model.

    Parameters
    ----------
    model : estimator
        Unfitted or not; it stays as it is.
    X : array-like of shape (n_samples, n_features)
        Whatever the model takes, or a tensor.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets; likewise.
    fit_params : dict
        What else its ``fit`` is given; likewise.

    Returns
    -------
    fitted : estimator
        The copy.
    names : list, optional
        Names of the frame's columns, if X is one.
    columns : dict
        Its ``n_features_in_`` and, if there were names, ``feature_names_in_``, as given.
    """
    X = on_host(X)
    given = {name: on_host(value) for name, value in fit_params.items()}
    names = frame_names(X) if is_frame(X) else None
    if names is not None:
        check_names_to_fit(names, model)
    fitted = unfitted(model).fit(X, on_host(y), **given)
    columns = BaseEstimator()
    if names is None or not any(isinstance(name, str) for name in names) or are_text(names):
        validate_data(columns, X, skip_check_array=True)  # the names as given; the libraries rewrite some
    if names is not None and are_text(names) and fitted_attribute(fitted, "feature_names_in_") is not None:
        # scikit-learn before 1.9 asks frames for them by a protocol that polars has given up, and finds none.
        columns.__dict__.setdefault("feature_names_in_", np.asarray(names, dtype=object))
    return fitted, names, copy.copy(vars(columns))
