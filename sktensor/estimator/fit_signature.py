"""A ``fit`` with the signature that the wrapped model's has, as far as meta-estimators look at it."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

from sklearn.utils.validation import has_fit_parameter

__all__ = ["WeightsAsWrapped"]


class WeightsAsWrapped:
    """A method ``fit`` that takes `sample_weight` where the wrapped model's does.

    Bagging, boosting and calibration ask the signature whether they may hand weights on, or have to draw rows instead
    [sklearn/ensemble/_bagging.py]; the ``fit`` of a pipeline takes none.

    Parameters
    ----------
    fit : callable
        ``fit(self, X, y=None, sample_weight=None, **fit_params)``.
    """

    def __init__(self, fit: Callable[..., Any]) -> None:
        self._fit = fit

    def __get__(self, est: Any, owner: type | None = None) -> Any:
        if est is None:
            return self._fit
        if not hasattr(est.estimator, "fit") or has_fit_parameter(est.estimator, "sample_weight"):
            return MethodType(self._fit, est)
        fit = self._fit

        def fit_without_weights(X: Any, y: Any = None, **fit_params: Any) -> Any:
            return fit(est, X, y, **fit_params)

        fit_without_weights.__doc__ = fit.__doc__
        return fit_without_weights
