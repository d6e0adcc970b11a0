"""Estimators of scikit-learn that answer through fitted models inside them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.frozen import FrozenEstimator
from sklearn.tree import BaseDecisionTree
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.guards import replaced_methods
from sktensor.extractors.sklearn.boosting import starts_from_a_constant
from sktensor.forest import Forest
from sktensor.forest.transform import map_columns
from sktensor.registry import Fingerprint, Submodels, find_extractor

__all__ = ["delegate_of", "fingerprint", "in_columns", "own_class", "submodels"]

Array = npt.NDArray[Any]


def _trees_alone(model: Any) -> Any:
    """Gradient boosting that starts from zero instead of another model's answers."""
    alone = copy.copy(model)
    alone.init_ = "zero"
    return alone


def _raw_scores_by(model: Any, total: Callable[[Any, Any], Any]) -> None:
    """Have raw scores be `total` from the other model's answers on [sklearn/ensemble/_gb.py, _raw_predict]."""
    model._raw_predict = lambda X: total(model._raw_predict_init(X), X)


# What answers in each, by the class that says so. The first group delegates to its one submodel: searches are
# BaseSearchCV, and hand X on as it is [sklearn/model_selection/_search.py]; RFE hands its selected columns on
# [sklearn/feature_selection/_rfe.py].
SUBMODELS = {
    "FrozenEstimator": Submodels(("estimator",), delegates=True),
    "BaseSearchCV": Submodels(("best_estimator_",), delegates=True),
    "RFE": Submodels(("estimator_",), delegates=True, rows=lambda model, X: model.transform(X)),
    "VotingClassifier": Submodels(("estimators_",)),
    "VotingRegressor": Submodels(("estimators_",)),
    "StackingClassifier": Submodels(("estimators_", "final_estimator_")),
    "StackingRegressor": Submodels(("estimators_", "final_estimator_")),
    "BaggingClassifier": Submodels(("estimators_",)),
    "BaggingRegressor": Submodels(("estimators_",)),
    "AdaBoostClassifier": Submodels(("estimators_",)),
    "AdaBoostRegressor": Submodels(("estimators_",)),
    "GradientBoostingClassifier": Submodels(("init_",), alone=_trees_alone, adds=_raw_scores_by),
    "GradientBoostingRegressor": Submodels(("init_",), alone=_trees_alone, adds=_raw_scores_by),
}


def _of_trees(model: Any) -> bool:
    """Whether all submodels are single trees."""
    return all(isinstance(inside, BaseDecisionTree) for inside in model.estimators_)


def _votes_of_trees(model: Any) -> bool:
    """Whether trees vote for one of several classes: of a single one, the scores are 0 in the dtype of X."""
    return _of_trees(model) and len(model.classes_) > 1


# Of which of them some are one forest.
IS_ONE_FOREST = {
    "BaggingClassifier": _of_trees,
    "BaggingRegressor": _of_trees,
    "AdaBoostClassifier": _votes_of_trees,
    "AdaBoostRegressor": _of_trees,
    "GradientBoostingClassifier": starts_from_a_constant,
    "GradientBoostingRegressor": starts_from_a_constant,
}

# What a subclass must not replace, if its submodel is to be asked in its place.
DELEGATED = ("predict", "predict_log_proba", "predict_proba", "decision_function", "transform", "_get_support_mask")


def submodels(model: Any) -> Submodels | None:
    """Where a fitted model keeps those that answer for it, or None for a model that is one forest.

    Raises
    ------
    UnsupportedModelError
        If it is a search that has kept no model.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    if (known := own_class(model, SUBMODELS)) is None:
        return None
    found = SUBMODELS[known.__name__]
    if found.delegates:
        inside = _delegate(model, found)
        if known.__name__ == "FrozenEstimator" and _submodels_of(inside) is None:
            return None
        # A subclass with answers of its own gives them itself, with a program inside it.
        return Submodels(found.attributes) if replaced_methods(model, known, DELEGATED) else found
    check_is_fitted(model)
    is_one_forest = IS_ONE_FOREST.get(known.__name__)
    return None if is_one_forest is not None and is_one_forest(model) else found


def delegate_of(model: Any) -> tuple[Any, Array | None] | None:
    """The one model whose predictions a model's are, and the columns that it is given (None: all); or None."""
    known = own_class(model, SUBMODELS)
    if known is None or not (found := SUBMODELS[known.__name__]).delegates:
        return None
    if replaced := replaced_methods(model, known, DELEGATED):
        raise UnsupportedModelError(
            f"{type(model).__module__}.{type(model).__qualname__} replaces {', '.join(replaced)} of "
            f"{known.__name__}, so that its answers may differ from those of the model inside it."
        )
    return _delegate(model, found), None if found.rows is None else np.flatnonzero(model.support_)


def own_class(model: Any, names: Iterable[str]) -> type | None:
    """The nearest class of scikit-learn with one of these names that a model is an instance of."""
    for cls in type(model).__mro__:
        if cls.__name__ in names and cls.__module__.startswith("sklearn."):
            return cls
    return None


def in_columns(forest: Forest, columns: Array, model: Any) -> Forest:
    """A forest of some columns as one of all that a model takes.

    Parameters
    ----------
    forest : Forest
        Of ``len(columns)`` columns.
    columns : ndarray of int
        Where these are among all.
    model : estimator
        That hands them on.

    Returns
    -------
    Forest
    """
    if forest.inputs.categories is not None or forest.inputs.hashed is not None:
        raise UnsupportedModelError(f"{type(model).__name__} of a model with tables of categories is not supported.")
    moved: dict[str, Any] = {}
    if get_tags(model).input_tags.allow_nan:
        unused = np.ones(model.n_features_in_, dtype=bool)
        unused[columns] = False if forest.inputs.unused is None else forest.inputs.unused
        moved["unused"] = unused
    else:  # all columns are looked at before some are selected
        moved |= {"accepts_nan": False, "accepts_inf": False, "unused": None}
    trees = map_columns(forest.trees, columns, model.n_features_in_)
    inputs = dataclasses.replace(forest.inputs, n_features=model.n_features_in_, **moved)
    return dataclasses.replace(forest, trees=trees, inputs=inputs)


def _delegate(model: Any, found: Submodels) -> Any:
    (name,) = found.attributes
    if not hasattr(model, name):
        check_is_fitted(model)
        raise UnsupportedModelError(
            f"{type(model).__name__}(refit=False) has compared models and kept none. Search with refit=True, or fit a "
            f"model with its best parameters."
        )
    return getattr(model, name)


def _submodels_of(model: Any) -> Submodels | None:
    """The submodels of a model of any library."""
    ask = getattr(find_extractor(model), "submodels", None)
    return None if ask is None else ask(model)


# What fits replace: trees, or the models that are asked in their place. Warm starts append to some of the lists.
REPLACED = ("tree_", "estimators_", "_predictors", "best_estimator_", "estimator_", "final_estimator_", "init_")
LISTS = ("estimators_", "_predictors")


def fingerprint(model: Any) -> Fingerprint:
    """What another fit of a model replaces."""
    state = vars(model)
    if isinstance(model, FrozenEstimator):
        inside = state["estimator"]
        ask = getattr(find_extractor(inside), "fingerprint", None)
        return ((inside,), ()) if ask is None else ask(inside)
    return tuple(map(state.get, REPLACED)), tuple(map(len, map(state.get, LISTS, ((), ()))))
