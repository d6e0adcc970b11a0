"""Decision trees and averaging forests of scikit-learn: the arrays of ``tree_``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.tree._tree import Tree
from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.sklearn.nodes import numbering
from sktensor.forest import Forest

__all__ = [
    "accepts_nan",
    "extract_embedding",
    "extract_forest",
    "extract_tree",
    "leaf_rows",
    "node_arrays",
    "tree_arrays",
]

Array = npt.NDArray[Any]

TREE_LEAF = -1  # in place of a child [sklearn/tree/_tree.pyx]


def extract_tree(model: Any) -> Forest:
    """The forest of a single fitted decision tree or extra tree."""
    check_is_fitted(model, "tree_")
    # Nothing is added to anything: the answer is the leaf itself. x + -0.0 is x for every x, while 0.0 would turn
    # a leaf of -0.0 into 0.0.
    return _averaged(model, [model], start=-0.0, leaf_shape=())


def extract_forest(model: Any) -> Forest:
    """The forest of a fitted random forest or extra trees, the sum of whose trees is divided by their number."""
    check_is_fitted(model, "estimators_")
    trees = model.estimators_
    return _averaged(model, trees, start=0.0, leaf_shape=(len(trees),))


def extract_embedding(model: Any) -> Forest:
    """The forest of a fitted ``RandomTreesEmbedding``, whose answer is the leaves themselves."""
    check_is_fitted(model, "one_hot_encoder_")
    trees = model.estimators_
    arrays, _ = tree_arrays(trees)
    # The encoder numbers, tree after tree, the leaves that training rows reached, in the order of their numbers, and
    # raises an error for any other [sklearn/preprocessing/_encoders.py, OneHotEncoder.transform]. There are others
    # where training went on with other rows (warm_start=True).
    has_column = np.concatenate(
        [
            np.isin(leaf_rows(tree), reached)
            for tree, reached in zip(trees, model.one_hot_encoder_.categories_, strict=True)
        ]
    )
    return Forest.from_fields(
        n_features=model.n_features_in_,
        accepts_nan=accepts_nan(trees[0]),
        tree_target=np.zeros(len(trees)),
        leaf_value=np.where(has_column, 1.0, np.nan)[:, None],
        base=np.zeros(1),
        aggregate="per_tree",
        embedding="sparse" if model.one_hot_encoder_.sparse_output else "dense",
        leaf_shape=(len(trees),),
        **arrays,
    )


def _averaged(model: Any, trees: Sequence[Any], *, start: float, leaf_shape: tuple[int, ...]) -> Forest:
    arrays, values = tree_arrays(trees)
    value = np.concatenate(values)
    if is_classifier(model):
        # `value` is as wide as the target with most classes; the columns beyond a target's own are padding. From 1.4
        # on it holds fractions, which predict_proba returns as they are [sklearn/tree/_classes.py, predict_proba].
        widths = tuple(int(width) for width in np.atleast_1d(model.n_classes_))
        value = np.concatenate([value[:, k, :width] for k, width in enumerate(widths)], axis=1)
        classes = tuple(model.classes_) if len(widths) > 1 else (model.classes_,)
        shape: tuple[int, ...] = (sum(widths),)
        answer: dict[str, Any] = {"output_slices": widths, "proba": "values", "decision": "argmax", "classes": classes}
    else:
        value = value[:, :, 0]
        shape = (model.n_outputs_,) if model.n_outputs_ > 1 else ()
        answer = {}
    n_outputs = value.shape[1]
    return Forest.from_fields(
        n_features=model.n_features_in_,
        n_outputs=n_outputs,
        accepts_nan=accepts_nan(trees[0]),
        tree_target=np.full(len(trees), -1 if n_outputs > 1 else 0),
        leaf_value=value,
        base=np.full(n_outputs, start),
        div=float(len(trees)),
        raw_shape=shape,
        value_shape=shape,
        leaf_shape=leaf_shape,
        **arrays,
        **answer,
    )


def accepts_nan(tree: Any) -> bool:
    """Whether the library takes NaN at prediction time, also in trees that were grown without.

    It depends on class, splitter, criterion and version. The first tree's own test decides for a forest, too
    [sklearn/ensemble/_forest.py, _validate_X_predict].
    """
    dense = np.empty((0, 0))
    return bool(tree._support_missing_values(dense))


def leaf_rows(tree: Any) -> Array:
    """Rows of a tree's arrays that are leaves, which are their numbers."""
    return np.flatnonzero(tree.tree_.children_left == TREE_LEAF)


def tree_arrays(trees: Sequence[Any], columns: Sequence[Array] | None = None) -> tuple[dict[str, Any], list[Array]]:
    """Nodes and leaf values of fitted trees, one tree after the other.

    Parameters
    ----------
    trees : sequence of BaseDecisionTree
        Fitted.
    columns : sequence of ndarray of int, optional
        For each tree the columns of X that it was given, in its order; by default it was given X.

    Returns
    -------
    fields : dict
        The fields of :class:`~sktensor.Forest` that ``tree_`` determines: columns, nodes, roots and leaf numbers.
    values : list of ndarray of float64, shape (leaves, n_outputs, max_n_classes)
        ``tree_.value`` at the leaves of each tree.

    Raises
    ------
    UnsupportedModelError
        If a tree is not scikit-learn's own kind, with other rules for its splits.
    """
    for kind in {type(tree.tree_) for tree in trees} - {Tree}:
        raise UnsupportedModelError(
            f"The trees are {kind.__module__}.{kind.__qualname__} objects, whose split rule is not known. "
            f"Supported: sklearn.tree._tree.Tree."
        )
    states = [tree.tree_.__getstate__() for tree in trees]
    fields = node_arrays(states, columns)
    return fields, [state["values"][state["nodes"]["left_child"] == TREE_LEAF] for state in states]


def node_arrays(states: Sequence[Any], columns: Sequence[Array] | None = None) -> dict[str, Any]:
    """What nodes determine, without values; as :func:`tree_arrays`, but of the state of each tree's ``tree_``."""

    def joined(field: str) -> Array:
        return np.concatenate([state["nodes"][field] for state in states])  # whole records would be mostly ballast

    left = joined("left_child")
    sizes = np.array([len(state["nodes"]) for state in states])
    at = numbering(left == TREE_LEAF, left, joined("right_child"), sizes)
    feature = joined("feature")[at.inner]
    if columns is not None:
        widths = np.array([len(given) for given in columns])
        tree = np.repeat(np.arange(len(states)), sizes)[at.inner]
        feature = np.concatenate(columns)[(np.cumsum(widths) - widths)[tree] + feature]
    return {
        # X is cast to float32, thresholds stay float64 [sklearn/tree/_tree.pyx, _apply_dense].
        "feature_dtype": "float32",
        "cmp": "le",
        "accepts_inf": False,
        "no_rows": "error",
        # NaN in sparse rows goes where the comparison sends it [sklearn/tree/_tree.pyx, _apply_sparse_csr], which is
        # why most models refuse it [sklearn/tree/_classes.py, _support_missing_values].
        "sparse_accepts_nan": False,
        "sparse_absent": "zero",
        "sparse_repeated": "sum_if_cast",  # sklearn/utils/validation.py, _ensure_sparse_format
        "feature": feature,
        "threshold": joined("threshold")[at.inner],
        "left": at.left,
        "right": at.right,
        "nan_left": joined("missing_go_to_left")[at.inner],
        "cover": joined("weighted_n_node_samples")[np.concatenate([at.inner, at.leaf])],
        "root": at.root,
        "leaf_id": at.leaf_id,
    }
