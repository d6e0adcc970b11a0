"""Histogram-based gradient boosting of scikit-learn: the node records of its predictors."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn
from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.sklearn_boosting import boosting_answers
from sktensor.extractors.sklearn_nodes import numbering
from sktensor.forest import Forest

__all__ = ["extract"]


def extract(model: Any) -> Forest:
    """The forest of a fitted ``HistGradientBoostingClassifier`` or ``HistGradientBoostingRegressor``."""
    check_is_fitted(model, "_predictors")
    # With categorical columns, an encoder replaces values by numbers and moves the columns to the front
    # [sklearn/ensemble/_hist_gradient_boosting/gradient_boosting.py, _preprocess_X].
    if model._preprocessor is not None:
        raise UnsupportedModelError(
            f"{type(model).__name__}(categorical_features={model.categorical_features!r}) was fitted with categorical "
            f"columns {np.flatnonzero(model.is_categorical_).tolist()}, which are not supported yet. Supported: "
            f"numerical columns, also with missing values. Encode categories before, for instance one-hot."
        )
    n_rounds, n_outputs = len(model._predictors), model.n_trees_per_iteration_
    predictors = [predictor for stage in model._predictors for predictor in stage]
    nodes = np.concatenate([predictor.nodes for predictor in predictors])
    sizes = np.array([len(predictor.nodes) for predictor in predictors])
    at = numbering(nodes["is_leaf"] != 0, nodes["left"], nodes["right"], sizes)
    return Forest(
        n_features=model.n_features_in_,
        n_outputs=n_outputs,
        feature_dtype="float64",
        cmp="le",
        feature=nodes["feature_idx"][at.inner],
        threshold=nodes["num_threshold"][at.inner],
        left=at.left,
        right=at.right,
        nan_left=nodes["missing_go_to_left"][at.inner],
        cover=nodes["count"][np.concatenate([at.inner, at.leaf])],
        root=at.root,
        tree_target=np.tile(np.arange(n_outputs), n_rounds),
        tree_iter=np.repeat(np.arange(n_rounds), n_outputs),
        leaf_value=nodes["value"][at.leaf, np.newaxis],
        leaf_id=at.leaf_id,
        # The library adds the baseline to zeros, which turns a baseline of -0.0 into 0.0
        # [sklearn/ensemble/_hist_gradient_boosting/gradient_boosting.py, _raw_predict].
        base=0.0 + np.ravel(model._baseline_prediction),
        leaf_shape=(len(predictors),),
        **boosting_answers(model, n_outputs, _decision(n_outputs)),
    )


def _decision(n_outputs: int) -> str:
    """Class 1 iff raw > 0, so that a tie is class 0; scikit-learn 1.4 took the larger probability instead."""
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 5):
        return "half" if n_outputs == 1 else "argmax"
    return "raw_positive" if n_outputs == 1 else "raw_argmax"
