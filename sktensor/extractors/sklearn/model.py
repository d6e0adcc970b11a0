"""Which module of the scikit-learn extractor reads which estimator."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.frozen import FrozenEstimator

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.guards import check_answers, reading
from sktensor.extractors.sklearn import adaboost, bagging, boosting, hist_gradient_boosting, trees
from sktensor.extractors.sklearn.pipelines import check_pipeline, is_pipeline, steps, watched
from sktensor.extractors.sklearn.submodels import (
    SUBMODELS,
    delegate_of,
    fingerprint,
    in_columns,
    is_fitted,
    own_class,
    submodels,
    unfitted_submodels,
)
from sktensor.forest import Forest
from sktensor.registry import Methods, find_extractor, forest_of

__all__ = [
    "check_class",
    "extract",
    "fingerprint",
    "is_fitted",
    "methods",
    "predict_leaves",
    "predict_raw",
    "steps",
    "submodels",
    "watched",
]

Array = npt.NDArray[Any]

READERS: dict[str, Callable[[Any], Forest]] = {
    "DecisionTreeClassifier": trees.extract_tree,
    "DecisionTreeRegressor": trees.extract_tree,
    "ExtraTreeClassifier": trees.extract_tree,
    "ExtraTreeRegressor": trees.extract_tree,
    "RandomForestClassifier": trees.extract_forest,
    "RandomForestRegressor": trees.extract_forest,
    "ExtraTreesClassifier": trees.extract_forest,
    "ExtraTreesRegressor": trees.extract_forest,
    "GradientBoostingClassifier": boosting.extract,
    "GradientBoostingRegressor": boosting.extract,
    "HistGradientBoostingClassifier": hist_gradient_boosting.extract,
    "HistGradientBoostingRegressor": hist_gradient_boosting.extract,
    "BaggingClassifier": bagging.extract_bagging,
    "BaggingRegressor": bagging.extract_bagging,
    "AdaBoostClassifier": adaboost.extract_classifier,
    "AdaBoostRegressor": adaboost.extract_regressor,
    "IsolationForest": bagging.extract_isolation,
    "RandomTreesEmbedding": trees.extract_embedding,
}

# What these may be made of: models of any other kind answer in other ways, a regressor's number is no class.
BASES = {
    "BaggingClassifier": ("DecisionTreeClassifier", "ExtraTreeClassifier"),
    "BaggingRegressor": ("DecisionTreeRegressor", "ExtraTreeRegressor"),
    "AdaBoostClassifier": ("DecisionTreeClassifier", "ExtraTreeClassifier"),
    "AdaBoostRegressor": ("DecisionTreeRegressor", "ExtraTreeRegressor"),
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
    "score_samples",
    "transform",
    "_check_X",
    "_compute_chunked_score_samples",
    "_compute_proba_from_decision",
    "_compute_score_samples",
    "_get_median_predict",
    "_predict_iterations",
    "_preprocess_X",
    "_raw_predict",
    "_raw_predict_init",
    "_score_samples",
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
    if (one := delegate_of(model)) is not None:
        inside, columns = one
        forest = forest_of(inside, find_extractor(inside))  # which may be another library's
        return forest if columns is None else in_columns(forest, columns, model)
    if (where := submodels(model)) is not None:
        raise UnsupportedModelError(
            f"{type(model).__module__}.{type(model).__qualname__} is not one forest: it answers through other models, "
            f"in its {' and '.join(where.attributes)}. A TensorizedEstimator around it runs those that are supported; "
            "extract_forest takes them one by one."
        )
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < OLDEST:
        raise UnsupportedModelError(f"scikit-learn {sklearn.__version__} is too old. Supported: 1.4 and newer.")
    known = _known_class(model)
    trees = getattr(model, "estimators_", ())
    for tree in {type(tree): tree for tree in (trees.ravel() if isinstance(trees, np.ndarray) else trees)}.values():
        _check_base(known, tree)  # a forest's answers come from its trees' methods
    with reading(f"fitted {known.__name__}"):
        return READERS[known.__name__](model)


def check_class(model: Any) -> None:
    """Refuse a model, fitted or not, of a class that is not supported, or one of which no submodel is.

    Raises
    ------
    UnsupportedModelError
        Naming those that are.
    """
    if is_pipeline(model):
        check_pipeline(model)
        return
    if own_class(model, SUBMODELS) is None:
        _known_class(model)
        return
    refused = []
    for name, inside in unfitted_submodels(model).items():
        if isinstance(inside, str):
            refused.append(f"{name}, by default {inside}, is no model of trees.")
            continue
        try:
            if (check := getattr(find_extractor(inside), "check_class", None)) is not None:
                check(inside)
            return  # that one is, or will be known when it is fitted
        except UnsupportedModelError as error:
            refused.append(f"{name}: {error}")
    if refused:
        of_them = "its model is not" if len(refused) == 1 else f"none of its {len(refused)} models is"
        raise UnsupportedModelError(
            f"Nothing in this {type(model).__name__} would be any faster: {of_them} supported. {refused[0]}"
        )


def methods(model: Any) -> Methods:
    """Methods that the library of a frozen model makes of leaves or sums; scikit-learn's own models have none."""
    if not isinstance(model, FrozenEstimator):
        return {}
    offered = getattr(find_extractor(model.estimator), "methods", None)
    return {} if offered is None else {name: partial(_of_frozen, f) for name, f in offered(model.estimator).items()}


def _of_frozen(function: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
    return function(model.estimator, *args, **kwargs)


def predict_raw(model: Any, X: Array) -> Array:
    """The library's own raw scores, as they are compared when a model is compiled."""
    if (one := delegate_of(model)) is not None:
        inside, columns = one
        X = X if columns is None else np.ascontiguousarray(X[:, columns])
        return find_extractor(inside).predict_raw(inside, X)  # type: ignore[attr-defined, no-any-return]
    model = _bare(model)
    if hasattr(model, "_raw_predict"):
        return np.asarray(model._raw_predict(X))
    if hasattr(model, "score_samples"):
        return _path_lengths(model, X)
    if hasattr(model, "decision_function"):  # AdaBoost's
        return np.asarray(model.decision_function(X))
    if not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(X))
    proba = model.predict_proba(X)
    return np.concatenate(proba, axis=1) if isinstance(proba, list) else np.asarray(proba)


def predict_leaves(model: Any, X: Array) -> Array | None:
    """The library's own leaf numbers, where it has them."""
    if (one := delegate_of(model)) is not None:
        inside, columns = one
        X = X if columns is None else np.ascontiguousarray(X[:, columns])
        return find_extractor(inside).predict_leaves(inside, X)  # type: ignore[attr-defined, no-any-return]
    return np.asarray(_bare(model).apply(X)) if hasattr(model, "apply") else None


def _path_lengths(model: Any, X: Array) -> Array:
    """What an isolation forest makes its scores of, by its own trees [sklearn/ensemble/_iforest.py]."""
    X = np.ascontiguousarray(X, dtype=np.float32)
    total = np.zeros(len(X))
    whole = model._max_features == X.shape[1]
    for tree, features, length, average in zip(
        model.estimators_,
        model.estimators_features_,
        model._decision_path_lengths,
        model._average_path_length_per_tree,
        strict=True,
    ):
        leaf = tree.apply(X if whole else X[:, features], check_input=False)
        total += length[leaf] + average[leaf] - 1.0
    return total


def _bare(model: Any) -> Any:
    """The model without the names of its columns, which rows of an array lack, summing in the order of its trees."""
    bare = copy.copy(model)
    vars(bare).pop("feature_names_in_", None)
    if getattr(bare, "_preprocessor", None) is not None:
        bare._preprocessor = hist_gradient_boosting.without_names(bare._preprocessor)
    if hasattr(bare, "n_jobs"):
        bare.n_jobs = 1
    return bare


def _check_base(known: type, tree: Any) -> None:
    """Refuse a member of an ensemble whose answers are not those of a tree as they are read here."""
    kind, legal = type(tree), BASES.get(known.__name__)
    if legal is not None and not any(
        base.__name__ in legal and base.__module__.startswith("sklearn.") for base in kind.__mro__
    ):
        raise UnsupportedModelError(
            f"{known.__name__} of {kind.__module__}.{kind.__qualname__} models is not supported yet. Supported: of "
            f"{' and '.join(legal)}."
        )
    _known_class(tree)


def _known_class(model: Any) -> type:
    """The class of scikit-learn that a model behaves as, or a refusal."""
    kind = type(model)
    if own_class(model, ("SequentialFeatureSelector",)) is not None:
        raise UnsupportedModelError(
            f"{kind.__name__} keeps no model: it selects columns, and asks no trees when it transforms. Put a "
            "TensorizedEstimator around the model inside it, which its fit asks many times."
        )
    if (known := own_class(model, READERS)) is None:
        raise UnsupportedModelError(
            f"{kind.__module__}.{kind.__qualname__} is not supported. Supported scikit-learn models: "
            f"{', '.join(READERS)}, also at the end of a Pipeline, and in a FrozenEstimator, a search or an RFE. If a "
            "supported fitted model is inside, take it out."
        )
    check_answers(model, known, ANSWERING)
    return known
