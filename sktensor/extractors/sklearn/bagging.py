"""Bags of trees in scikit-learn: Bagging, whose trees are averaged, and isolation forests, whose depths are added."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.ensemble._iforest import _average_path_length
from sklearn.utils.validation import check_is_fitted

from sktensor.extractors.sklearn.trees import accepts_nan, leaf_rows, tree_arrays
from sktensor.forest import Forest

__all__ = ["extract_bagging", "extract_isolation"]

Array = npt.NDArray[Any]


def extract_bagging(model: Any) -> Forest:
    """The forest of a fitted ``BaggingClassifier`` or ``BaggingRegressor`` of trees."""
    check_is_fitted(model, "estimators_")
    # What is added up are the first `n_estimators`, what it is divided by is the parameter, both as they are at
    # prediction time [sklearn/ensemble/_bagging.py, predict_proba and predict].
    n_estimators = int(model.n_estimators)
    trees = model.estimators_[:n_estimators]
    columns = model.estimators_features_[:n_estimators]
    arrays, values = tree_arrays(trees, columns)
    if is_classifier(model):
        value = np.concatenate([_probabilities(model, *of_tree) for of_tree in zip(trees, values, strict=True)])
        shape: tuple[int, ...] = (model.n_classes_,)
        answer: dict[str, Any] = {
            "proba": "values",
            "log_proba": "log_add_exp",
            "decision": "argmax",
            "classes": (model.classes_,),
        }
    else:
        value = np.concatenate(values)[:, :, 0]
        shape = (value.shape[1],) if value.shape[1] > 1 else ()
        answer = {}
    n_outputs = value.shape[1]
    # Each tree checks what it is given; the other columns nobody looks at.
    given = np.zeros(model.n_features_in_, dtype=bool)
    given[np.concatenate(columns)] = True
    return Forest.from_fields(
        n_features=model.n_features_in_,
        n_outputs=n_outputs,
        accepts_nan=all(map(accepts_nan, trees)),
        unused=None if given.all() else ~given,
        tree_target=np.full(len(trees), -1 if n_outputs > 1 else 0),
        leaf_value=value,
        base=np.zeros(n_outputs),
        div=float(n_estimators),
        raw_shape=shape,
        value_shape=shape,
        leaf_shape=(len(trees),),
        **arrays,
        **answer,
    )


def _probabilities(model: Any, tree: Any, value: Array) -> Array:
    """Leaf values of a tree in the columns of all classes, of which it may have seen some.

    Its labels are the numbers of classes [sklearn/ensemble/_bagging.py, _parallel_predict_proba].
    """
    proba = np.zeros((len(value), model.n_classes_))
    proba[:, tree.classes_] = value[:, 0, :]
    return proba


def extract_isolation(model: Any) -> Forest:
    """The forest of a fitted ``IsolationForest``: how deep a row lies in each tree, added up."""
    check_is_fitted(model, "estimators_")
    trees = model.estimators_
    # With all features, the trees are given X as it is, whatever order was drawn [sklearn/ensemble/_iforest.py].
    columns = None if model._max_features == model.n_features_in_ else model.estimators_features_
    arrays, _ = tree_arrays(trees, columns)
    # [sklearn/ensemble/_iforest.py, _parallel_compute_tree_depths], in this order
    depth = [
        length[leaf] + average[leaf] - 1.0
        for leaf, length, average in zip(
            map(leaf_rows, trees), model._decision_path_lengths, model._average_path_length_per_tree, strict=True
        )
    ]
    n_features = model.n_features_in_
    return Forest.from_fields(
        n_features=n_features,
        tree_target=np.zeros(len(trees)),
        leaf_value=np.concatenate(depth)[:, None],
        base=np.zeros(1),
        link="isolation",
        link_param=float(len(trees) * _average_path_length(np.array([model._max_samples]))[0]),
        decision="inlier",
        decision_threshold=float(model.offset_),
        classes=(np.array([-1, 1]),),
        leaf_shape=(len(trees),),
        **{**arrays, "accepts_inf": True},  # nothing is refused [sklearn/ensemble/_iforest.py, score_samples]
    )
