"""Estimators of scikit-learn that answer through fitted models inside them."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Hashable, Iterable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.tree import BaseDecisionTree
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.guards import replaced_methods
from sktensor.extractors.sklearn import combinations
from sktensor.extractors.sklearn.boosting import starts_from_a_constant
from sktensor.extractors.sklearn.checked_once import check_once
from sktensor.forest import Forest
from sktensor.forest.transform import map_columns
from sktensor.registry import Fingerprint, Submodels, find_extractor

__all__ = ["delegate_of", "fingerprint", "in_columns", "is_fitted", "own_class", "submodels", "unfitted_submodels"]

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
    "VotingClassifier": Submodels(("estimators_",), combination=combinations.vote),
    "VotingRegressor": Submodels(("estimators_",), combination=combinations.vote),
    "StackingClassifier": Submodels(("estimators_", "final_estimator_")),
    "StackingRegressor": Submodels(("estimators_", "final_estimator_")),
    "BaggingClassifier": Submodels(("estimators_",), combination=combinations.mean_of_probabilities),
    "BaggingRegressor": Submodels(("estimators_",), combination=combinations.mean_of_values),
    "AdaBoostClassifier": Submodels(("estimators_",)),
    "AdaBoostRegressor": Submodels(("estimators_",)),
    "CalibratedClassifierCV": Submodels(("calibrated_classifiers_.estimator",)),
    "ClassifierChain": Submodels(("estimators_",)),
    "RegressorChain": Submodels(("estimators_",)),
    "MultiOutputClassifier": Submodels(("estimators_",)),
    "MultiOutputRegressor": Submodels(("estimators_",), combination=combinations.side_by_side),
    "OneVsRestClassifier": Submodels(("estimators_",), combination=combinations.side_by_side),
    "OneVsOneClassifier": Submodels(("estimators_",)),
    "OutputCodeClassifier": Submodels(("estimators_",)),
    "TransformedTargetRegressor": Submodels(("regressor_",)),
    "TunedThresholdClassifierCV": Submodels(("estimator_",), combination=combinations.one_alone),
    "FixedThresholdClassifier": Submodels(("estimator_",), combination=combinations.one_alone),
    "SelfTrainingClassifier": Submodels(("estimator_",), combination=combinations.one_alone),
    "SelectFromModel": Submodels(("estimator_",)),
    "RANSACRegressor": Submodels(("estimator_",), combination=combinations.one_value_alone),
    "GradientBoostingClassifier": Submodels(("init_",), alone=_trees_alone, adds=_raw_scores_by),
    "GradientBoostingRegressor": Submodels(
        ("init_",), alone=_trees_alone, adds=_raw_scores_by, combination=combinations.from_another_model_on
    ),
}
SUBMODELS = {name: dataclasses.replace(found, quicken=check_once) for name, found in SUBMODELS.items()}


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

# Which have constants where they saw one label only [sklearn/multiclass.py, _fit_binary].
OF_CONSTANTS = ("OneVsRestClassifier", "OneVsOneClassifier", "OutputCodeClassifier")

# What answers in these when they have been given a fitted model, and are not fitted themselves
# [sklearn/model_selection/_classification_threshold.py, sklearn/feature_selection/_from_model.py].
GIVEN = {"FixedThresholdClassifier": "estimator", "SelectFromModel": "estimator"}

# Which parameters submodels are made of, of all others `estimator`, and what they are where these are None: trees,
# or models that are not supported. Gradient boosting has trees of its own, whatever it starts from.
MADE_OF: dict[str, tuple[tuple[str, str], ...]] = {
    "VotingClassifier": (("estimators", ""),),
    "VotingRegressor": (("estimators", ""),),
    "StackingClassifier": (("estimators", ""), ("final_estimator", "LogisticRegression")),
    "StackingRegressor": (("estimators", ""), ("final_estimator", "RidgeCV")),
    "CalibratedClassifierCV": (("estimator", "LinearSVC"),),
    "TransformedTargetRegressor": (("regressor", "LinearRegression"),),
    "RANSACRegressor": (("estimator", "LinearRegression"),),
    "GradientBoostingClassifier": (),
    "GradientBoostingRegressor": (),
}

# What a subclass must not replace, if its answer is to be the sum of its submodels' that it is known for.
COMBINED = ("predict", "predict_proba", "decision_function")

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
        if known.__name__ == "FrozenEstimator" and not _has_steps(inside) and _submodels_of(inside) is None:
            return None
        # A subclass with answers of its own gives them itself, with a program inside it.
        return Submodels(found.attributes, quicken=check_once) if replaced_methods(model, known, DELEGATED) else found
    if (given := GIVEN.get(known.__name__)) is not None and not hasattr(model, found.attributes[0]):
        check_is_fitted(model.estimator)
        return dataclasses.replace(found, attributes=(given,))
    check_is_fitted(model)
    if found.combination is not None and replaced_methods(model, known, COMBINED):
        found = dataclasses.replace(found, combination=None)
    if known.__name__ in OF_CONSTANTS and all(type(one).__name__ == "_ConstantPredictor" for one in model.estimators_):
        return dataclasses.replace(found, constant=True)
    is_one_forest = IS_ONE_FOREST.get(known.__name__)
    return None if is_one_forest is not None and is_one_forest(model) else found


def unfitted_submodels(model: Any) -> dict[str, Any]:
    """What the submodels of a model will be copies of, or the name of their class, by where that stands.

    Nothing for a model that has trees in any case, and where nobody can tell.
    """
    known = own_class(model, SUBMODELS)
    if known is None or (known.__name__ == "BaseSearchCV" and _searches_models(model)):
        return {}
    found: dict[str, Any] = {}
    for name, default in MADE_OF.get(known.__name__, (("estimator", ""),)):
        given = getattr(model, name, None)
        if given is None and name == "estimator":  # of chains before scikit-learn 1.7
            given = getattr(model, "base_estimator", None)
        if isinstance(given, (list, tuple)):
            found |= {f"{name} {pair[0]!r}": pair[1] for pair in given if pair[1] != "drop"}
        elif given is not None or default:
            found[name] = default if given is None else given
    return found


def _searches_models(search: Any) -> bool:
    """Whether a search tries other models in the place of those that it is given."""
    for name in ("param_grid", "param_distributions"):
        spaces = getattr(search, name, ())
        for space in [spaces] if isinstance(spaces, dict) else spaces:
            for values in space.values():
                if isinstance(values, Iterable) and any(hasattr(value, "fit") for value in values):
                    return True
    return False


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


def _has_steps(model: Any) -> bool:
    """Whether a model of any library is a pipeline."""
    ask = getattr(find_extractor(model), "steps", None)
    return ask is not None and ask(model) is not None


def is_fitted(model: Any) -> bool:
    """Whether a model that is not fitted itself answers through a fitted one that it has been given."""
    known = own_class(model, GIVEN)
    if known is None or (known.__name__ == "SelectFromModel" and not model.prefit):
        return False
    try:
        check_is_fitted(model.estimator)
    except (NotFittedError, TypeError):
        return False
    return True


# What fits replace: trees, or the models that are asked in their place. Warm starts append to some of the lists.
REPLACED = (
    "tree_", "estimators_", "_predictors", "best_estimator_", "estimator_", "final_estimator_", "init_", "regressor_",
    "calibrated_classifiers_",
)  # fmt: skip
LISTS = ("estimators_", "_predictors")

# And parameters that the library looks at whenever it predicts.
LOOKED_AT = ("threshold", "pos_label", "response_method", "voting", "weights", "flatten_transform", "max_features")


def fingerprint(model: Any) -> Fingerprint:
    """What another fit of a model replaces."""
    state = vars(model)
    if "steps" in state and _is_pipeline(cast(Hashable, type(model))):
        from sktensor.extractors.sklearn.pipelines import fingerprint_of  # which knows this module

        return fingerprint_of(model)
    if isinstance(model, FrozenEstimator):
        inside = state["estimator"]
        ask = getattr(find_extractor(inside), "fingerprint", None)
        return ((inside,), ()) if ask is None else ask(inside)
    return tuple(map(state.get, _looked_at(cast(Hashable, type(model))))), tuple(
        map(len, map(state.get, LISTS, ((), ())))
    )


@functools.cache
def _is_pipeline(kind: Hashable) -> bool:
    """Whether models of a class are pipelines of scikit-learn."""
    names = [(cls.__name__, cls.__module__.partition(".")[0]) for cls in kind.__mro__]  # type: ignore[attr-defined]
    return ("Pipeline", "sklearn") in names


@functools.cache
def _looked_at(kind: Hashable) -> tuple[str, ...]:
    """The attributes of models of a class that another fit replaces, and parameters that count afterwards."""
    names = {cls.__name__ for cls in kind.__mro__}  # type: ignore[attr-defined]
    combined = names & SUBMODELS.keys() and not names & IS_ONE_FOREST.keys()
    return (*REPLACED, "estimator", *LOOKED_AT) if combined else REPLACED
