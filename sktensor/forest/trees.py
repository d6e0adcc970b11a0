"""The trees of a forest: all that strategies and backends may know."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sktensor.forest.fields import array, keep_arrays, restore

__all__ = ["Trees"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Trees:
    """Structure, thresholds, sides, categories and leaves of an ensemble's trees, and how its sum is made.

    Sizes: ``T`` trees, ``M`` internal nodes, ``L`` leaves, ``K`` outputs, ``C`` columns. Children are
    absolute node numbers; a negative child ``c`` is the leaf ``~c``. Array arguments may be given as
    anything :func:`numpy.asarray` takes; they are kept read-only in the dtypes below.

    Parameters
    ----------
    n_columns : int
        Number of columns ``C`` that the trees look at: those of X, then those derived from them.
    n_outputs : int
        Number of raw scores per row, ``K``.
    feature_dtype : {"float32", "float64"}
        The dtype every input value is cast to before anything else happens to it.
    acc_dtype : {"float32", "float64"}
        The dtype of leaf values, of the running sum and of the raw scores.
    cmp : {"lt", "le"}
        A row goes left iff ``x < threshold`` or ``x <= threshold``.
    zero_limit : float
        The rule of `zero_dir` is for values up to this size, instead of 0.0 alone: LightGBM's, which asks that of
        values that have not been flushed before [LightGBM include/LightGBM/tree.h IsZero].
    cat_mode : {"xgb", "lgb"}
        How a category's number is read from a float. ``"xgb"``: a value below 0 or from 2**24 on is no
        category, the rest is truncated. ``"lgb"``: the value is truncated towards zero first, then a
        negative one, or one from 2**31 on, is no category.
    aggregate : {"sum", "weighted_median", "per_tree"}
        ``"sum"``: leaf values are added in the order of the trees, in `acc_dtype`. ``"weighted_median"``: a row's
        values are sorted, as :func:`numpy.argsort` does by default, and the raw score is the first at which the running
        sum of their trees' weights is at least half of the whole one; `base` is not part of it. ``"per_tree"``: there
        are no raw scores; the leaves themselves are the answer.
    feature : ndarray of int32, shape (M,)
        The column a node looks at: one of X, or from the number of X's columns on a derived one.
    threshold : ndarray of float32 or float64, shape (M,)
        As the library stores it; ignored where `is_cat`. Infinite is legal, NaN is not.
    left, right : ndarray of int32, shape (M,)
        Children: an internal node, or ``~leaf``.
    nan_left : ndarray of bool, shape (M,)
        Whether a missing value goes left.
    zero_dir : ndarray of int8, shape (M,), optional
        Where exactly 0.0 goes regardless of the comparison: -1 as compared, 0 right, 1 left
        (LightGBM's ``zero_as_missing``).
    is_cat : ndarray of bool, shape (M,), optional
        Nodes that test membership in a set of categories.
    cat_off, cat_words : ndarray of int32, shape (M,), optional
        First word and number of words of the node's set in `cat_bits`.
    cat_bits : ndarray of uint32, shape (W,), optional
        Sets of categories, 32 to a word, lowest bit first; **1 means left**.
    oov_left : ndarray of bool, shape (M,), optional
        Where a value goes that is no category or lies beyond the node's words. Absent: right.
    cover : ndarray of float64, shape (M + L,), optional
        Training weight that reached each node, then each leaf.
    root : ndarray of int32, shape (T,)
        Each tree's root node, or ``~leaf`` for a tree that is a single leaf.
    tree_target : ndarray of int32, shape (T,)
        The output a tree adds to; -1 where its leaves hold all `n_outputs` values.
    tree_weight : ndarray of float64, shape (T,), optional
        Weights of the ``"weighted_median"`` aggregate, not negative; never applied to a sum.
    leaf_value : ndarray of `acc_dtype`, shape (L, 1) or (L, K)
        With learning rates, tree weights and DART weights folded in.
    leaf_id : ndarray of int32, shape (L,)
        The library's own number of the leaf, what ``apply`` returns.
    lin_off : ndarray of int32, shape (L + 1,), optional
        Linear leaves: leaf ``l`` adds ``lin_coef[j] * x[lin_feature[j]]`` for
        ``j in range(lin_off[l], lin_off[l + 1])``, in this order, to ``lin_const[l]``. If any of these
        features is NaN, or the range is empty, `leaf_value` is the answer (for an empty range the two agree).
    lin_feature : ndarray of int32, optional
        Columns of the linear terms.
    lin_coef, lin_const : ndarray of float64, optional
        Coefficients of the terms; constants, shape (L,).
    base : ndarray of `acc_dtype`, shape (K,)
        Where the running sum starts.
    """

    n_columns: int
    n_outputs: int = 1
    feature_dtype: Literal["float32", "float64"] = "float64"
    acc_dtype: Literal["float32", "float64"] = "float64"
    cmp: Literal["lt", "le"] = "le"
    zero_limit: float = 0.0
    cat_mode: Literal["xgb", "lgb"] = "lgb"
    aggregate: Literal["sum", "weighted_median", "per_tree"] = "sum"

    # internal nodes
    feature: Array = array("int32", axis="node")
    threshold: Array = array("floating", axis="node")
    left: Array = array("int32", axis="node", child=True)
    right: Array = array("int32", axis="node", child=True)
    nan_left: Array = array("bool", axis="node")
    zero_dir: Array | None = array("int8", axis="node", optional=True, absent=-1)
    is_cat: Array | None = array("bool", axis="node", optional=True, group="categories", absent=False)
    cat_off: Array | None = array("int32", axis="node", optional=True, group="categories", absent=0)
    cat_words: Array | None = array("int32", axis="node", optional=True, group="categories", absent=0)
    cat_bits: Array | None = array("uint32", axis="word", optional=True, group="categories")
    oov_left: Array | None = array("bool", axis="node", optional=True, absent=False)
    cover: Array | None = array("float64", axis="node, leaf", optional=True)

    # trees
    root: Array = array("int32", axis="tree", child=True)
    tree_target: Array = array("int32", axis="tree")
    tree_weight: Array | None = array("float64", axis="tree", optional=True)

    # leaves
    leaf_id: Array = array("int32", axis="leaf")
    leaf_value: Array = array("acc", axis="leaf", ndim=2)
    lin_off: Array | None = array("int32", axis="leaf end", optional=True, group="linear")
    lin_coef: Array | None = array("float64", axis="term", optional=True, group="linear")
    lin_feature: Array | None = array("int32", axis="term", optional=True, group="linear")
    lin_const: Array | None = array("float64", axis="leaf", optional=True, group="linear")

    # the sum
    base: Array = array("acc", axis="output")

    def __post_init__(self) -> None:
        keep_arrays(self)

    def __getstate__(self) -> dict[str, Any]:
        return {spec.name: getattr(self, spec.name) for spec in fields(self)}  # not what has been derived from them

    def __setstate__(self, state: dict[str, Any]) -> None:
        restore(self, state)

    @property
    def n_trees(self) -> int:
        """Number of trees, ``T``."""
        return len(self.root)

    @property
    def n_nodes(self) -> int:
        """Number of internal nodes, ``M``."""
        return len(self.feature)

    @property
    def n_leaves(self) -> int:
        """Number of leaves, ``L``."""
        return len(self.leaf_id)

    @cached_property
    def used_columns(self) -> npt.NDArray[np.intp]:
        """The columns that some node or linear leaf looks at, ascending."""
        looked_at = self.feature if self.lin_feature is None else np.concatenate([self.feature, self.lin_feature])
        return np.unique(looked_at).astype(np.intp)

    @cached_property
    def n_thresholds(self) -> int:
        """How many different thresholds there are, of all columns."""
        order = np.lexsort((self.threshold, self.feature))
        feature, threshold = self.feature[order], self.threshold[order]
        return min(1, len(order)) + int(np.sum((np.diff(feature) != 0) | (threshold[1:] != threshold[:-1])))

    @cached_property
    def place(self) -> Array:
        """Of each column its place in `used_columns`, int32; the length of that for those that no tree looks at."""
        found = np.full(self.n_columns, len(self.used_columns), dtype=np.int32)
        found[self.used_columns] = np.arange(len(self.used_columns))
        return found
