"""Which part of the scikit-learn extractor reads which estimator."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn

from sktensor.errors import UnsupportedModelError
from sktensor.extractors import sklearn_boosting, sklearn_hist, sklearn_trees
from sktensor.extractors.sklearn_parts import in_columns, own_class, part_of, parts, replaced_methods
from sktensor.forest import Forest
from sktensor.registry import find_extractor

__all__ = ["extract", "parts", "predict_leaves", "predict_raw"]

Array = npt.NDArray[Any]

READERS: dict[str, Callable[[Any], Forest]] = {
    "DecisionTreeClassifier": sklearn_trees.extract_tree,
    "DecisionTreeRegressor": sklearn_trees.extract_tree,
    "ExtraTreeClassifier": sklearn_trees.extract_tree,
    "ExtraTreeRegressor": sklearn_trees.extract_tree,
    "RandomForestClassifier": sklearn_trees.extract_forest,
    "RandomForestRegressor": sklearn_trees.extract_forest,
    "ExtraTreesClassifier": sklearn_trees.extract_forest,
    "ExtraTreesRegressor": sklearn_trees.extract_forest,
    "GradientBoostingClassifier": sklearn_boosting.extract,
    "GradientBoostingRegressor": sklearn_boosting.extract,
    "HistGradientBoostingClassifier": sklearn_hist.extract,
    "HistGradientBoostingRegressor": sklearn_hist.extract,
}

# Before it, leaves of classifiers held weighted counts, and gradient boosting had other losses and another tie rule.
OLDEST = (1, 4)

# What a subclass must not replace: the methods that the answers come from.
ANSWERING = (
    "apply",
    "decision_function",
    "predict",
    "predict_log_proba",
    "predict_proba",
    "_predict_iterations",
    "_preprocess_X",
    "_raw_predict",
    "_raw_predict_init",
    "_validate_X_predict",
)


def extract(model: Any) -> Forest:
    """Return the forest of a fitted scikit-learn model.

    Parameters
    ----------
    model : estimator
        A fitted decision tree, extra tree, random forest, extra trees, gradient boosting or histogram-based gradient
        boosting model, classifier or regressor, or a ``FrozenEstimator``, search, ``RFE`` or ``RFECV`` around any
        supported model.

    Returns
    -------
    Forest
        Not yet validated.

    Raises
    ------
    UnsupportedModelError
        If the class, or one of its parameters, is not supported.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    """
    if (one := part_of(model)) is not None:
        inside, columns = one
        forest = find_extractor(inside).extract(inside)  # which may be another library's
        return forest if columns is None else in_columns(forest, columns, model)
    if (where := parts(model)) is not None:
        raise UnsupportedModelError(
            f"{type(model).__module__}.{type(model).__qualname__} is not one forest: it answers through other models, "
            f"in its {' and '.join(where.attributes)}. A TensorizedEstimator around it runs those that are supported; "
            "extract_forest takes them one by one."
        )
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < OLDEST:
        raise UnsupportedModelError(f"scikit-learn {sklearn.__version__} is too old. Supported: 1.4 and newer.")
    known = _known_class(model)
    trees = np.ravel(getattr(model, "estimators_", ()))
    for tree in {type(tree): tree for tree in trees}.values():
        _known_class(tree)  # a forest's answers come from its trees' methods
    return READERS[known.__name__](model)


def predict_raw(model: Any, X: Array) -> Array:
    """The library's own raw scores, as they are compared when a model is compiled."""
    if (one := part_of(model)) is not None:
        inside, columns = one
        X = X if columns is None else np.ascontiguousarray(X[:, columns])
        return find_extractor(inside).predict_raw(inside, X)  # type: ignore[attr-defined, no-any-return]
    model = _bare(model)
    if hasattr(model, "_raw_predict"):
        return np.asarray(model._raw_predict(X))
    if not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(X))
    proba = model.predict_proba(X)
    return np.concatenate(proba, axis=1) if isinstance(proba, list) else np.asarray(proba)


def predict_leaves(model: Any, X: Array) -> Array | None:
    """The library's own leaf numbers, where it has them."""
    if (one := part_of(model)) is not None:
        inside, columns = one
        X = X if columns is None else np.ascontiguousarray(X[:, columns])
        return find_extractor(inside).predict_leaves(inside, X)  # type: ignore[attr-defined, no-any-return]
    return np.asarray(_bare(model).apply(X)) if hasattr(model, "apply") else None


def _bare(model: Any) -> Any:
    """The model without the names of its columns, which rows of an array lack, summing in the order of its trees."""
    bare = copy.copy(model)
    vars(bare).pop("feature_names_in_", None)
    if getattr(bare, "_preprocessor", None) is not None:
        bare._preprocessor = sklearn_hist.without_names(bare._preprocessor)
    if hasattr(bare, "n_jobs"):
        bare.n_jobs = 1
    return bare


def _known_class(model: Any) -> type:
    """The class of scikit-learn that a model behaves as, or a refusal."""
    kind = type(model)
    if (known := own_class(model, READERS)) is None:
        raise UnsupportedModelError(
            f"{kind.__module__}.{kind.__qualname__} is not supported. Supported scikit-learn models: "
            f"{', '.join(READERS)}, also in a FrozenEstimator, a search or an RFE. If a supported fitted model is "
            "inside, take it out; in a pipeline, put a TensorizedEstimator around the last step."
        )
    replaced = replaced_methods(model, known, ANSWERING)
    if replaced:
        raise UnsupportedModelError(
            f"{kind.__module__}.{kind.__qualname__} replaces {', '.join(replaced)} of {known.__name__}, so that its "
            f"answers may differ. Supported: subclasses that keep these methods, and {known.__name__} itself."
        )
    return known
