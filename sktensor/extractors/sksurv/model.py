"""Which part of the scikit-survival extractor reads which estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.copies import copy_with
from sktensor.extractors.guards import check_answers, reading
from sktensor.extractors.sksurv import boosting, forests
from sktensor.forest import Forest
from sktensor.registry import Fingerprint, Methods

__all__ = ["check_class", "extract", "fingerprint", "methods", "predict_leaves", "predict_raw"]

Array = npt.NDArray[Any]


class Reader(NamedTuple):
    """How models of a class become forests, and the methods that the library makes of these."""

    extract: Callable[[Any], Forest]
    methods: Callable[[], Methods]


READERS = {
    "SurvivalTree": Reader(forests.extract_tree, lambda: forests.SurvivalMethods().by_name()),
    "ExtraSurvivalTree": Reader(forests.extract_tree, lambda: forests.SurvivalMethods().by_name()),
    "RandomSurvivalForest": Reader(forests.extract_forest, lambda: forests.SurvivalMethods().by_name()),
    "ExtraSurvivalTrees": Reader(forests.extract_forest, lambda: forests.SurvivalMethods().by_name()),
    "GradientBoostingSurvivalAnalysis": Reader(boosting.extract, lambda: boosting.METHODS),
}

OF_SURVIVAL_TREES = ("RandomSurvivalForest", "ExtraSurvivalTrees")

# What a subclass must not replace: the methods that the answers come from.
ANSWERING = (
    "apply",
    "predict",
    "predict_cumulative_hazard_function",
    "predict_survival_function",
    "score",
    "_dropout_predict_stage",
    "_dropout_raw_predict",
    "_predict",
    "_predict_cumulative_hazard_function",
    "_predict_survival_function",
    "_raw_predict",
    "_raw_predict_init",
    "_support_missing_values",
    "_validate_X_predict",
)


def extract(model: Any) -> Forest:
    """Return the forest of a fitted survival tree, survival forest or gradient boosting model.

    Raises
    ------
    UnsupportedModelError
        If the class, or one of its parameters, is not supported.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    """
    known = _known_class(model)
    if known.__name__ in OF_SURVIVAL_TREES:
        for tree in {type(tree): tree for tree in getattr(model, "estimators_", ())}.values():
            _known_class(tree)  # a forest's answers come from its trees' methods
    with reading(f"fitted {known.__name__}"):
        return READERS[known.__name__].extract(model)


def check_class(model: Any) -> None:
    """Refuse a model, fitted or not, of a class that is not supported, naming those that are."""
    _known_class(model)


def methods(model: Any) -> Methods:
    """What the library makes of leaves and risk scores: functions of time, and the concordance index."""
    return READERS[_known_class(model).__name__].methods()


def predict_raw(model: Any, X: Array) -> Array:
    """The library's own raw scores: of boosting before the loss has scaled them, of others the risk scores."""
    bare = _bare(model)
    if hasattr(bare, "_raw_predict"):
        return np.asarray(bare._raw_predict(np.ascontiguousarray(X, dtype=np.float32)))
    return np.asarray(bare.predict(X))


def predict_leaves(model: Any, X: Array) -> Array:
    """The library's own leaf numbers."""
    return np.asarray(_bare(model).apply(np.ascontiguousarray(X, dtype=np.float32)))  # a tree casts nothing by itself


def fingerprint(model: Any) -> Fingerprint:
    """What another fit of a model replaces."""
    state = vars(model)
    trees = state.get("estimators_", ())
    return (state.get("tree_"), trees, state.get("_baseline_model")), (len(trees),)


def _bare(model: Any) -> Any:
    """The model without the names of its columns, which rows of an array lack, adding in the order of its trees."""
    bare = copy_with(model)
    vars(bare).pop("feature_names_in_", None)
    if hasattr(bare, "n_jobs"):
        bare.n_jobs = 1
    return bare


def _known_class(model: Any) -> type:
    """The class of scikit-survival that a model behaves as, or a refusal."""
    for known in type(model).__mro__:
        if known.__name__ in READERS and known.__module__.partition(".")[0] == "sksurv":
            check_answers(model, known, ANSWERING)
            return known
    raise UnsupportedModelError(
        f"{type(model).__module__}.{type(model).__qualname__} is not supported. Supported models of scikit-survival: "
        f"{', '.join(READERS)}."
    )
