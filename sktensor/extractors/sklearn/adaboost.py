"""AdaBoost of scikit-learn on trees: votes of classifiers, weighted medians of regressors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.sklearn.trees import tree_arrays
from sktensor.forest import Forest

__all__ = ["extract_classifier", "extract_regressor"]

Array = npt.NDArray[Any]


def extract_classifier(model: Any) -> Forest:
    """The forest of an ``AdaBoostClassifier`` of trees (SAMME), fitted on two classes or more."""
    check_is_fitted(model, "estimators_")
    name, n_classes, classes = type(model).__name__, model.n_classes_, model.classes_
    if getattr(model, "algorithm", "SAMME") == "SAMME.R":  # the default up to 1.5
        raise UnsupportedModelError(
            f"{name}(algorithm='SAMME.R') adds logarithms of probabilities, which is not supported; scikit-learn 1.6 "
            "dropped it. Supported: algorithm='SAMME'."
        )
    trees, weights = model.estimators_, model.estimator_weights_
    divisor = float(weights.sum())  # also of the weights of trees that were never grown, which are 0.0
    if not divisor:
        raise UnsupportedModelError(f"{name}: the weights of its trees are all 0, so that it answers nothing but NaN.")
    arrays, values = tree_arrays(trees)
    votes = [
        # For the class that the tree predicts and, each, for the others [sklearn/ensemble/_weight_boosting.py,
        # AdaBoostClassifier.decision_function].
        np.where(tree.classes_[value[:, 0, :].argmax(axis=1), None] == classes, w, -1 / (n_classes - 1) * w)
        for tree, w, value in zip(trees, weights, values, strict=False)
    ]
    vote = np.concatenate(votes)
    # Of two classes, the sums are each other's negatives, and the decision is the second less the first.
    binary = n_classes == 2
    n_outputs = 1 if binary else n_classes
    shape = () if binary else (n_classes,)
    return Forest.from_fields(
        n_features=model.n_features_in_,
        n_outputs=n_outputs,
        accepts_nan=False,  # whatever the trees take [sklearn/ensemble/_weight_boosting.py, _check_X]
        tree_target=np.full(len(trees), 0 if binary else -1),
        leaf_value=vote[:, 1:] if binary else vote,
        base=np.zeros(n_outputs),
        div=divisor,
        scale=2.0 if binary else 1.0,
        proba="ada_softmax",
        decision="raw_positive" if binary else "raw_argmax",
        classes=(classes,),
        raw_shape=shape,
        value_shape=shape,
        leaf_shape=(len(trees),),
        **arrays,
    )


def extract_regressor(model: Any) -> Forest:
    """The forest of a fitted ``AdaBoostRegressor`` of trees, of whose values the weighted median is taken."""
    check_is_fitted(model, "estimators_")
    trees = model.estimators_
    arrays, values = tree_arrays(trees)
    return Forest.from_fields(
        n_features=model.n_features_in_,
        accepts_nan=False,
        tree_target=np.zeros(len(trees)),
        tree_weight=model.estimator_weights_[: len(trees)],
        leaf_value=np.concatenate(values)[:, :, 0],
        base=np.zeros(1),
        aggregate="weighted_median",
        leaf_shape=(len(trees),),
        **arrays,
    )
