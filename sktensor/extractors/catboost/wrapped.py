"""What a wrapper around a CatBoost model asks beside its forest."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import catboost
from sklearn.base import ClassifierMixin, RegressorMixin

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.catboost.model import ANSWERING, NOT_NUMBERS
from sktensor.extractors.guards import check_answers
from sktensor.registry import Fingerprint

__all__ = ["check_class", "fingerprint", "score", "unfitted"]


def check_class(model: Any) -> None:
    """Refuse an estimator, fitted or not, of a class that is not supported.

    Raises
    ------
    UnsupportedModelError
        If it is none of CatBoost's or replaces what that answers, or is to look at texts or embeddings.
    """
    if not isinstance(model, catboost.CatBoost):
        raise UnsupportedModelError(
            f"{type(model).__name__} is no CatBoost model. "
            "Supported: CatBoostClassifier, CatBoostRegressor, CatBoostRanker, CatBoost."
        )
    check_answers(model, next(cls for cls in type(model).__mro__ if cls.__module__.startswith("catboost")), ANSWERING)
    for name in ("text_features", "embedding_features"):
        if columns := model.get_params().get(name):
            raise UnsupportedModelError(f"{name}={columns} {NOT_NUMBERS}")


def unfitted(model: Any) -> Any:
    """A model with the same parameters, which :func:`sklearn.base.clone` refuses where one of them is a list.

    CatBoost copies parameters such as ``cat_features`` when it is made [python core.py CatBoost.__init__], and
    scikit-learn asks for the very objects.
    """
    params = copy.deepcopy(model.get_params(deep=False))
    return type(model)(params) if type(model) is catboost.CatBoost else type(model)(**params)


def fingerprint(model: Any) -> Fingerprint:
    """What training, loading and cutting a model set anew; its object stays the same [python core.py CatBoost._train].

    The learning rate is a new number each time, even if it has the same value.
    """
    state = vars(model)
    return (state.get("_learning_rate"),), (state.get("_random_seed"), state.get("_tree_count"))


class _Predicting:
    """A model whose predictions are given; all else is asked of itself."""

    def __init__(self, model: Any, predict: Callable[[Any], Any]) -> None:
        self._model, self._found = model, predict

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, X: Any) -> Any:
        return self._found(X)

    def _predict(self, X: Any, **_: Any) -> Any:
        return self._found(X)


def score(model: Any, X: Any, y: Any, predict: Callable[[Any], Any], sample_weight: Any = None) -> Any:
    """CatBoost's accuracy or R² [python core.py CatBoostClassifier.score, CatBoostRegressor.score] of predictions.

    It compares labels as numpy does, where scikit-learn's metrics refuse some kinds of them. Weights, which CatBoost
    does not take, count as in scikit-learn's.
    """
    own = type(model).score
    if own not in (catboost.CatBoostClassifier.score, catboost.CatBoostRegressor.score):
        return model.score(X, y) if sample_weight is None else model.score(X, y, sample_weight=sample_weight)
    if sample_weight is None:
        return own(_Predicting(model, predict), X, y)
    mixin = ClassifierMixin if own is catboost.CatBoostClassifier.score else RegressorMixin
    return mixin.score(_Predicting(model, predict), X, y, sample_weight)
