"""Histogram-based gradient boosting of scikit-learn: the node records of its predictors."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.utils.validation import check_is_fitted

from sktensor.extractors.sklearn.boosting import boosting_answers
from sktensor.extractors.sklearn.nodes import Numbering, numbering
from sktensor.forest import Forest

__all__ = ["extract", "without_names"]

Array = npt.NDArray[Any]

# 32-bit words of a set of categories, which are numbered from 0 to 254 [_hist_gradient_boosting/common.pxd].
WORDS = 8


def extract(model: Any) -> Forest:
    """The forest of a fitted ``HistGradientBoostingClassifier`` or ``HistGradientBoostingRegressor``."""
    check_is_fitted(model, "_predictors")
    n_rounds, n_outputs = len(model._predictors), model.n_trees_per_iteration_
    predictors = [predictor for stage in model._predictors for predictor in stage]
    nodes = np.concatenate([predictor.nodes for predictor in predictors])
    sizes = np.array([len(predictor.nodes) for predictor in predictors])
    at = numbering(nodes["is_leaf"] != 0, nodes["left"], nodes["right"], sizes)
    inner = nodes[at.inner]
    feature = inner["feature_idx"].astype(np.int64)
    categorical: dict[str, Any] = {}
    if model._preprocessor is not None:
        feature = _given_columns(model)[feature]
        categorical = {"categories": _tables(model), "values_in_arrays": True, **_splits(predictors, at, nodes)}
    return Forest.from_fields(
        n_features=model.n_features_in_,
        n_outputs=n_outputs,
        feature_dtype="float64",
        no_rows="error",
        cmp="le",
        sparse_absent="refused",  # _hist_gradient_boosting/gradient_boosting.py, _preprocess_X: no accept_sparse
        feature=feature,
        # The threshold of a categorical node is whatever memory held.
        threshold=np.where(inner["is_categorical"] != 0, 0.0, inner["num_threshold"]),
        left=at.left,
        right=at.right,
        nan_left=inner["missing_go_to_left"],
        **categorical,
        cover=nodes["count"][np.concatenate([at.inner, at.leaf])],
        root=at.root,
        tree_target=np.tile(np.arange(n_outputs), n_rounds),
        leaf_value=nodes["value"][at.leaf, np.newaxis],
        leaf_id=at.leaf_id,
        # The library adds the baseline to zeros, which turns a baseline of -0.0 into 0.0
        # [sklearn/ensemble/_hist_gradient_boosting/gradient_boosting.py, _raw_predict].
        base=0.0 + np.ravel(model._baseline_prediction),
        leaf_shape=(len(predictors),),
        **boosting_answers(model, n_outputs, _decision(n_outputs)),
    )


def _given_columns(model: Any) -> Array:
    """The column of X that each column of the predictors is.

    An encoder replaces categories by their numbers and moves their columns to the front
    [_hist_gradient_boosting/gradient_boosting.py, _preprocess_X].
    """
    return np.concatenate([np.flatnonzero(model.is_categorical_), np.flatnonzero(~model.is_categorical_)])


def _tables(model: Any) -> tuple[Array | None, ...]:
    """The encoder's categories by column; a NaN, which stands last, is none, but None is one like all others."""
    found: list[Array | None] = [None] * model.n_features_in_
    encoder = model._preprocessor.named_transformers_["encoder"]
    for column, values in zip(np.flatnonzero(model.is_categorical_), encoder.categories_, strict=True):
        has_nan = len(values) > 0 and values[-1] != values[-1]
        found[column] = values[:-1] if has_nan else values
    return tuple(found)


def _splits(predictors: list[Any], at: Numbering, nodes: Array) -> dict[str, Array]:
    """The sets of categories that go left; what nobody knows is missing by then, as the encoder has it.

    [_hist_gradient_boosting/_predictor.pyx, _predict_one_from_raw_data]
    """
    first_set = np.cumsum([0, *[len(predictor.raw_left_cat_bitsets) for predictor in predictors]])
    sets = np.concatenate([predictor.raw_left_cat_bitsets for predictor in predictors]).reshape(-1, WORDS)
    predictor_of_node = np.repeat(np.arange(len(predictors)), [len(predictor.nodes) for predictor in predictors])
    inner = nodes[at.inner]
    is_cat = inner["is_categorical"] != 0
    left = sets[first_set[predictor_of_node[at.inner][is_cat]] + inner["bitset_idx"][is_cat]]
    offset, words = np.zeros((2, len(inner)), dtype=np.int64)
    offset[is_cat], words[is_cat] = WORDS * np.arange(len(left)), WORDS
    return {"is_cat": is_cat, "cat_off": offset, "cat_words": words, "cat_bits": left.ravel()}


def without_names(preprocessor: Any) -> Any:
    """The encoder of categorical columns, as if it had been fitted on an array."""
    bare = copy.copy(preprocessor)
    vars(bare).pop("feature_names_in_", None)
    steps = [(name, copy.copy(step), columns) for name, step, columns in bare.transformers_]
    for _, step, _ in steps:
        getattr(step, "__dict__", {}).pop("feature_names_in_", None)  # the remainder is the word "drop"
    bare.transformers_ = steps
    return bare


def _decision(n_outputs: int) -> str:
    """Class 1 iff raw > 0, so that a tie is class 0; scikit-learn 1.4 took the larger probability instead."""
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 5):
        return "half" if n_outputs == 1 else "argmax"
    return "raw_positive" if n_outputs == 1 else "raw_argmax"
