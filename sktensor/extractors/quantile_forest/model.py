"""Quantile regression forests as forests whose answer is the leaves that a row reaches.

The trees are scikit-learn's, and so is everything about rows. Quantiles, ranks and proximities are made of the training
samples in these leaves, by the library.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.guards import check_answers, reading
from sktensor.extractors.quantile_forest.methods import QuantileMethods
from sktensor.extractors.sklearn import trees
from sktensor.forest import Forest
from sktensor.registry import Fingerprint, Methods

__all__ = ["check_class", "extract", "fingerprint", "methods", "predict_leaves"]

Array = npt.NDArray[Any]

KNOWN = ("RandomForestQuantileRegressor", "ExtraTreesQuantileRegressor")

# What a subclass must not replace: the methods that the answers come from.
ANSWERING = (
    "apply",
    "predict",
    "proximity_counts",
    "quantile_ranks",
    "score",
    "_oob_samples",
    "_validate_X_predict",
)


def extract(model: Any) -> Forest:
    """Return the forest of a fitted ``RandomForestQuantileRegressor`` or ``ExtraTreesQuantileRegressor``.

    It has no raw scores, since no two rows of a leaf need have the same training samples added up in the same way: its
    answer is the leaves, of which :func:`methods` make the library's answers.

    Raises
    ------
    UnsupportedModelError
        If the class is another one, or replaces methods.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    """
    check_class(model)
    check_is_fitted(model, "forest_")
    with reading(f"fitted {type(model).__name__}"):
        return trees.extract_forest(model).replace(aggregate="per_tree")


def check_class(model: Any) -> None:
    """Refuse a model, fitted or not, of a class that is not supported."""
    for known in type(model).__mro__:
        if known.__name__ in KNOWN and known.__module__.partition(".")[0] == "quantile_forest":
            check_answers(model, known, ANSWERING)
            return
    raise UnsupportedModelError(
        f"{type(model).__module__}.{type(model).__qualname__} is not supported. Supported models of quantile-forest: "
        f"{' and '.join(KNOWN)}."
    )


def methods(model: Any) -> Methods:
    """What the library makes of leaves: ``predict``, ``quantile_ranks``, ``proximity_counts`` and ``score``."""
    return QuantileMethods().by_name()


def predict_leaves(model: Any, X: Array) -> Array:
    """The library's own leaf numbers, whatever names its columns have."""
    return np.stack([tree.apply(X) for tree in model.estimators_], axis=1)


def fingerprint(model: Any) -> Fingerprint:
    """What another fit replaces: the samples in the leaves."""
    return (vars(model).get("forest_"),), ()
