"""Gradient boosting of scikit-survival: regression trees, some of them scaled down by dropout."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.copies import copy_with
from sktensor.extractors.sklearn.boosting import starts_from_a_constant
from sktensor.extractors.sklearn.trees import accepts_nan, tree_arrays
from sktensor.forest import Forest
from sktensor.registry import Methods

__all__ = ["METHODS", "extract"]

Array = npt.NDArray[Any]

# What is made of raw scores by the class of the loss [sksurv/ensemble/survival_loss.py, _scale_raw_prediction].
LINKS = {"CoxPH": "identity", "CensoredSquaredLoss": "exp", "IPCWLeastSquaresError": "exp"}


def extract(model: Any) -> Forest:
    """The forest of a fitted ``GradientBoostingSurvivalAnalysis``."""
    check_is_fitted(model, "estimators_")
    loss = type(model._loss).__name__
    if loss not in LINKS:
        raise UnsupportedModelError(f"The loss {loss} is not supported. Supported: {', '.join(LINKS)}.")
    if not starts_from_a_constant(model):
        raise UnsupportedModelError(
            f"init={model.init!r} is not supported. Supported: one that is the same for all rows."
        )
    n_trees = len(model.estimators_)
    arrays, values = tree_arrays(model.estimators_[:, 0])
    # The factor is multiplied first [sksurv/ensemble/boosting.py, _dropout_predict_stage], and the product rounded
    # before it is added, as without dropout [sklearn/ensemble/_gradient_boosting.pyx, predict_stages].
    factor = np.full(n_trees, float(model.learning_rate)) * getattr(model, "_scale", 1.0)
    leaf_value = np.repeat(factor, [len(value) for value in values]) * np.concatenate(values)[:, 0, 0]
    row = np.zeros((1, model.n_features_in_), dtype=np.float32)
    return Forest.from_fields(
        n_features=model.n_features_in_,
        accepts_nan=False,
        leaves_accept_nan=accepts_nan(model.estimators_[0, 0]),  # `apply` asks the first tree alone
        tree_target=np.zeros(n_trees),
        leaf_value=leaf_value[:, None],
        base=model._raw_predict_init(row)[0],
        link=LINKS[loss],
        raw_shape=(1,),
        leaf_shape=(n_trees, 1),
        leaf_dtype="float64",  # it fills an array made by np.zeros
        **arrays,
    )


def _by_library(name: str) -> Callable[..., Any]:
    """A method that the library makes of risk scores."""

    def method(model: Any, ask: Callable[[str, Any], Any], X: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(copy_with(model, predict=partial(ask, "predict")), name)(X, *args, **kwargs)

    return method


METHODS: Methods = {
    name: _by_library(name) for name in ("predict_cumulative_hazard_function", "predict_survival_function", "score")
}
