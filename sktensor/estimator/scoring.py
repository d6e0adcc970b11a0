"""The wrapped model's own ``score``, of the wrapper's predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier

from sktensor.registry import find_extractor

__all__ = ["score"]

# Those that need nothing of a model but its predictions [sklearn/base.py].
OF_PREDICTIONS = (ClassifierMixin.score, RegressorMixin.score)


class _Predicting:
    """Stands for the model in the score methods of scikit-learn's mix-ins, which call nothing but ``predict``."""

    def __init__(self, predict: Callable[[Any], Any]) -> None:
        self.predict = predict


def score(model: Any, X: Any, y: Any, predict: Callable[[Any], Any], **given: Any) -> Any:
    """Score predictions as a model's library does.

    Parameters
    ----------
    model : estimator
        The fitted model.
    X : array-like of shape (n_samples, n_features)
        The rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The truth.
    predict : callable
        ``predict(X)``, the labels or values, bit for bit the model's.
    **given
        What else ``score`` was given.

    Returns
    -------
    float
        What ``model.score(X, y, **given)`` would return.
    """
    bound: Any = getattr(model, "score", None)
    if bound is None:  # what stands in for a model that was not saved, for instance
        own: Any = ClassifierMixin.score if is_classifier(model) else RegressorMixin.score
    else:
        own, model = getattr(bound, "__func__", bound), getattr(bound, "__self__", model)  # a frozen one's is another's
    if own in OF_PREDICTIONS:
        return own(_Predicting(predict), X, y, **given)
    if (ask := getattr(find_extractor(model), "score", None)) is not None:
        return ask(model, X, y, predict, **given)
    return bound(X, y, **given)  # which predicts by itself
