"""The neutral forest: what every library's trees become, and all that a strategy may know.

A :class:`Forest` is plain numpy. Every rule by which libraries differ (comparison, missing values, order
and dtype of the sum, links, labels) is a field, so that nothing to the right of it asks where it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Forest"]

Array = npt.NDArray[Any]

Link = Literal[
    "identity", "sigmoid", "clipped_sigmoid", "softmax", "row_softmax", "c_softmax", "table_softmax", "exp", "c_exp",
    "table_exp", "mean_variance", "log1p_exp", "sign_square", "hinge", "argmax", "isolation",
]  # fmt: skip
Decision = Literal[
    "none", "index", "half", "multilabel_half", "raw_positive", "multilabel_raw_positive", "raw_nonnegative",
    "argmax", "raw_argmax", "inlier",
]  # fmt: skip
Proba = Literal["none", "complement", "values", "softmax", "ada_softmax"]
LogProba = Literal["log", "sigmoid", "softmax", "log_add_exp"]


# LightGBM's kZeroThreshold, a float32 constant: |x| up to it is taken for 0.0 [include/LightGBM/meta.h].
TINY = float(np.float32(1e-35))

# What CatBoost mixes the parts of a key with [catboost/libs/helpers/hash.h, CalcHash].
KEY_FACTOR = 0x4906BA494954CB65

# What a part of a key is, by Forest.key_test.
HASH, EXCEEDS, IS_HASH = 0, 1, 2


def _array(dtype: str, ndim: int = 1, *, optional: bool = False) -> Any:
    """Declare an array field with the dtype and number of dimensions that the forest keeps it in."""
    metadata = {"dtype": dtype, "ndim": ndim}
    return field(default=None, metadata=metadata) if optional else field(metadata=metadata)


@dataclass(frozen=True, eq=False, kw_only=True)
class Forest:
    """A fitted tree ensemble as plain arrays, with every rule that its answers depend on.

    Sizes: ``T`` trees, ``M`` internal nodes, ``L`` leaves, ``K`` outputs, ``F`` input columns. Children are
    absolute node numbers; a negative child ``c`` is the leaf ``~c``. Array arguments may be given as
    anything :func:`numpy.asarray` takes; they are kept read-only in the dtypes below.

    Parameters
    ----------
    n_features : int
        Number of input columns ``F``.
    n_outputs : int
        Number of raw scores per row, ``K``.
    feature_dtype : {"float32", "float64"}
        The dtype every input value is cast to before anything else happens to it.
    acc_dtype : {"float32", "float64"}
        The dtype of leaf values, of the running sum and of the raw scores.
    cmp : {"lt", "le"}
        A row goes left iff ``x < threshold`` or ``x <= threshold``.
    missing_value : float, optional
        A value that counts as missing beside NaN, compared after the cast to `feature_dtype`.
    sparse_absent : {"zero", "missing", "refused"}
        What an absent entry of a sparse matrix means, or that the library takes no sparse rows.
    sparse_repeated : {"sum", "sum_if_cast", "last", "last_or_first", "refused"}
        What entries of a sparse matrix for the same cell mean: ``"sum"``, their sum; ``"sum_if_cast"``, that of their
        casts to `feature_dtype`, the last where they have it already, as in scikit-learn; ``"last"``, the last, as in
        XGBoost, which refuses more entries than cells except in a ``csr_matrix``; ``"last_or_first"``, the first
        in a ``csc_matrix``, the last in anything else, as in LightGBM; ``"refused"``, an error, as in CatBoost.
    csr_matrix_only : bool
        Whether these are the library's answers for sparse rows in a ``scipy.sparse.csr_matrix`` only: XGBoost's dart
        models take another way, which rounds differently, for every other kind of sparse rows, and for frames and
        other containers that the library does not know.
    flush_tiny : bool
        Whether ``abs(x) <= float32(1e-35)`` becomes exactly 0.0 first, as in LightGBM.
    ints_as_float32 : bool
        Whether an array that is neither float32 nor float64 passes through float32 before the cast to
        `feature_dtype`, as in LightGBM's Python package.
    accepts_nan, accepts_inf : bool
        Whether the library takes NaN and infinities at prediction time; where not, they are an error.
    sparse_accepts_nan : bool
        Whether a NaN is taken among the entries of a sparse matrix, too, as in an array.
    accepts_masked : bool
        Whether masked values of a ``numpy.ma.MaskedArray`` are taken as if nothing masked them; where not, they are an
        error: CatBoost takes them so in some dtypes, and for missing values in others.
    no_rows : {"answer", "flat", "error"}
        What rows of none give: answers of no rows; the same in arrays of one dimension, (0,), and probabilities of
        shape (0, 2), as in XGBoost; an error.
    array_kinds : str
        Kinds of numpy dtypes that the library reads as numbers; arrays and lists of others are an error.
    accepts_1d : bool
        Whether a 1-D array is taken for one column, where the model has no more.
    unused : ndarray of bool, shape (F,), optional
        Columns whose values nobody looks at, not even to refuse them: those that none of the trees of scikit-learn's
        bagging was given.
    leaves_accept_nan : bool
        Whether ``apply`` takes NaN even where predictions do not, as in scikit-learn's gradient boosting.
    cat_mode : {"xgb", "lgb"}
        How a category's number is read from a float. ``"xgb"``: a value below 0 or from 2**24 on is no
        category, the rest is truncated. ``"lgb"``: the value is truncated towards zero first, then a
        negative one, or one from 2**31 on, is no category.
    categories : tuple of (ndarray or None), optional
        Per column the table of values whose position is the category's number, or None for a column
        that is used as it is.
    categories_in_order : bool
        Whether the first of `categories` belongs to the first column of categories in a frame, whichever that is, and
        so on, as LightGBM has it: the others are None.
    unknown_category : {"nan", "error"}
        What a value missing from its table becomes.
    values_in_arrays : bool
        Whether arrays, too, hold the values of `categories`, as for scikit-learn; otherwise they hold the numbers.
    hashed : ndarray of bool, shape (F,), optional
        Columns of text and integers, of which nothing but a hash of the text is looked at, in the keys below; the
        trees see 0.0 there.
    key_off : ndarray of int32, shape (G + 1,), optional
        Keys of the derived columns: key ``g`` is made of the parts ``key_off[g]`` to ``key_off[g + 1]``, one after the
        other: ``key = m * (key + m * part)`` modulo ``2**64``, from 0 on, where ``m`` is ``forest.KEY_FACTOR``.
    key_column : ndarray of int32, optional
        The column of X that a part looks at.
    key_test : ndarray of int8, optional
        What the part is: 0, the low half of the CityHash64 of the text, sign-extended; 1, whether the number exceeds
        `key_value`; 2, whether that half, as a signed number, is `key_value`.
    key_value : ndarray of float64, optional
        What is compared with.
    key_nan : ndarray of bool, optional
        What a missing number answers to test 1.
    table_off : ndarray of int32, shape (G + 1,), optional
        Where the known values of each key stand in `table_key`.
    table_key : ndarray of uint64, optional
        Known values of the keys, ascending within each key.
    derived_key : ndarray of int32, shape (D,), optional
        Columns that the trees see behind those of X: the key that each is looked up by.
    derived_value : ndarray of `feature_dtype`, optional
        For each derived column in turn its value for each known value of its key, then for all others.
    feature : ndarray of int32, shape (M,)
        The column a node looks at: one of X, or from `n_features` on a derived one.
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
    tree_iter : ndarray of int32, shape (T,)
        The boosting round (or position) a tree belongs to.
    tree_weight : ndarray of float64, shape (T,), optional
        Weights of the ``"weighted_median"`` aggregate, not negative; never applied to a sum.
    ob_feature, ob_threshold : ndarray, shape (T, depth), optional
        The symmetric view of oblivious trees: leaf number = sum of ``(x > threshold_d) << d``.
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
    accepts_margin : bool
        Whether the sum of a row may start from numbers given with it in place of `base`, XGBoost's ``base_margin``.
    aggregate : {"sum", "weighted_median", "per_tree"}
        ``"sum"``: leaf values are added in the order of the trees, in `acc_dtype`. ``"weighted_median"``: a row's
        values are sorted, as :func:`numpy.argsort` does by default, and the raw score is the first at which the running
        sum of their trees' weights is at least half of the whole one; `base` is not part of it. ``"per_tree"``: there
        are no raw scores; the leaves themselves are the answer.
    output_slices : tuple of int
        Widths of the parts into which the `n_outputs` columns fall: one part, except for classifiers
        with several targets, which return a list.
    div : float
        The sum is divided by it (a mean over trees).
    raw_is_pre_div : bool
        Whether the library's raw score is the sum before that division.
    scale : float
        Then it is multiplied by it.
    bias : ndarray of float64, shape (K,), optional
        Then this is added.
    link : str
        From raw scores to values: ``"identity"``; ``"sigmoid"`` of ``link_param * raw``;
        ``"clipped_sigmoid"``, ``1 / (exp(min(-raw, 88.7)) + 1)``; ``"softmax"`` and ``"exp"``, of float64 by numpy's
        exponential and its sum of scores that lie class after class, in ``"row_softmax"`` row after row;
        ``"c_softmax"`` and ``"c_exp"`` by the C library's; ``"log1p_exp"``;
        ``"sign_square"``; ``"hinge"``, ``raw > 0``; ``"argmax"``, the column number as a float;
        ``"isolation"``, ``-(2 ** -(raw / link_param))``, or -0.5 if `link_param` is 0.
        With CatBoost's own ``exp`` from a table, which is hundreds of ulp off the true one for large arguments:
        ``"table_exp"``; ``"table_softmax"``; ``"mean_variance"``, the first raw score and the ``exp`` of twice the
        second.
    link_param : float
        The factor of ``"sigmoid"``, the divisor of ``"isolation"``.
    proba : {"none", "complement", "values", "softmax", "ada_softmax"}
        ``predict_proba``: not there; ``[1 - value, value]``; the values; the softmax of the raw scores; the softmax of
        the K raw scores divided by ``K - 1``, or of half of ``[-raw, raw]`` if there is one.
    proba_warning : str, optional
        What ``predict`` and ``predict_proba`` warn of, each time, as the library does.
    log_proba : {"log", "sigmoid", "softmax", "log_add_exp"}
        ``predict_log_proba``: the logarithm of the probabilities; straight from the raw scores
        ``-log(1 + exp(-raw))``, before it ``-log(1 + exp(raw))`` where `proba` is ``"complement"``; or the raw scores
        less their maximum and less the logarithm of the sum behind ``"table_softmax"``; or the logarithms of the leaf
        values, added by :func:`numpy.logaddexp` tree after tree, less the logarithm of `div`.
    decision : str
        ``predict``: ``"none"`` gives the values; ``"index"`` the value as a number of a class;
        ``"half"`` class 1 iff ``value > 0.5``; ``"multilabel_half"`` the same for each output, as float64;
        ``"raw_positive"`` class 1 iff ``raw > decision_threshold``; ``"multilabel_raw_positive"`` the same for each
        output, as int64; ``"raw_nonnegative"`` class 1 iff ``raw >= 0``;
        ``"argmax"`` and ``"raw_argmax"`` the first largest probability or raw score;
        ``"inlier"`` class 0 iff ``value - decision_threshold < 0``, otherwise class 1.
    decision_threshold : float
        What ``"raw_positive"`` and ``"multilabel_raw_positive"`` compare with, and ``"inlier"`` subtracts.
    embedding : {"none", "sparse", "dense"}
        ``transform``: not there; one column for each leaf, in the order of `leaf_id`, that holds 1.0 in the rows which
        reach it and 0.0 in the others, as a CSR matrix or as an array. A leaf whose `leaf_value` is NaN has no column,
        and a row that reaches it is an error.
    classes : tuple of ndarray
        The labels of each part of `output_slices`; empty for regression and ranking.
    label_dtype : str, optional
        The dtype of the labels where it is not that of `classes`.
    label_shape : tuple of int
        Shape of one row of the labels chosen from one slice: ``()``, or ``(1,)`` for CatBoost's multi-class models.
    raw_shape, value_shape : tuple of int
        Shape of one row of the library's raw scores and of its values: ``()``, ``(1,)`` or ``(K,)``.
    leaf_shape : tuple of int
        Shape of one row of the library's leaf numbers, for instance ``(T,)``.
    leaf_dtype : str
        Their dtype.

    Examples
    --------
    >>> from sktensor import Forest
    >>> forest = Forest.from_trees(
    ...     [{"feature": 0, "threshold": 0.5, "left": {"value": 1.0}, "right": {"value": 2.0}}],
    ...     n_features=1,
    ... )
    >>> forest.n_trees, forest.n_nodes, forest.n_leaves
    (1, 1, 2)
    """

    # columns
    n_features: int
    n_outputs: int = 1
    feature_dtype: Literal["float32", "float64"] = "float64"
    acc_dtype: Literal["float32", "float64"] = "float64"
    cmp: Literal["lt", "le"] = "le"
    missing_value: float | None = None
    sparse_absent: Literal["zero", "missing", "refused"] = "zero"
    sparse_repeated: Literal["sum", "sum_if_cast", "last", "last_or_first", "refused"] = "sum"
    csr_matrix_only: bool = False
    flush_tiny: bool = False
    ints_as_float32: bool = False
    accepts_nan: bool = True
    accepts_inf: bool = True
    sparse_accepts_nan: bool = True
    accepts_masked: bool = True
    no_rows: Literal["answer", "flat", "error"] = "answer"
    array_kinds: str = "biufOSUTmM"
    accepts_1d: bool = False
    unused: Array | None = _array("bool", optional=True)
    leaves_accept_nan: bool = False
    cat_mode: Literal["xgb", "lgb"] = "lgb"
    categories: tuple[Array | None, ...] | None = None
    categories_in_order: bool = False
    unknown_category: Literal["nan", "error"] = "nan"
    values_in_arrays: bool = False

    # derived columns
    hashed: Array | None = _array("bool", optional=True)
    key_off: Array | None = _array("int32", optional=True)
    key_column: Array | None = _array("int32", optional=True)
    key_test: Array | None = _array("int8", optional=True)
    key_value: Array | None = _array("float64", optional=True)
    key_nan: Array | None = _array("bool", optional=True)
    table_off: Array | None = _array("int32", optional=True)
    table_key: Array | None = _array("uint64", optional=True)
    derived_key: Array | None = _array("int32", optional=True)
    derived_value: Array | None = _array("feature", optional=True)

    # internal nodes
    feature: Array = _array("int32")
    threshold: Array = _array("floating")
    left: Array = _array("int32")
    right: Array = _array("int32")
    nan_left: Array = _array("bool")
    zero_dir: Array | None = _array("int8", optional=True)
    is_cat: Array | None = _array("bool", optional=True)
    cat_off: Array | None = _array("int32", optional=True)
    cat_words: Array | None = _array("int32", optional=True)
    cat_bits: Array | None = _array("uint32", optional=True)
    oov_left: Array | None = _array("bool", optional=True)
    cover: Array | None = _array("float64", optional=True)

    # trees
    root: Array = _array("int32")
    tree_target: Array = _array("int32")
    tree_iter: Array = _array("int32")
    tree_weight: Array | None = _array("float64", optional=True)
    ob_feature: Array | None = _array("int32", ndim=2, optional=True)
    ob_threshold: Array | None = _array("floating", ndim=2, optional=True)

    # leaves
    leaf_value: Array = _array("acc", ndim=2)
    leaf_id: Array = _array("int32")
    lin_off: Array | None = _array("int32", optional=True)
    lin_feature: Array | None = _array("int32", optional=True)
    lin_coef: Array | None = _array("float64", optional=True)
    lin_const: Array | None = _array("float64", optional=True)

    # the sum
    base: Array = _array("acc")
    accepts_margin: bool = False
    aggregate: Literal["sum", "weighted_median", "per_tree"] = "sum"
    output_slices: tuple[int, ...] = ()

    # from the sum to what predict* return
    div: float = 1.0
    raw_is_pre_div: bool = False
    scale: float = 1.0
    bias: Array | None = _array("float64", optional=True)
    link: Link = "identity"
    link_param: float = 1.0
    proba: Proba = "none"
    proba_warning: str | None = None
    log_proba: LogProba = "log"
    decision: Decision = "none"
    decision_threshold: float = 0.0
    embedding: Literal["none", "sparse", "dense"] = "none"
    classes: tuple[Array, ...] = ()
    label_dtype: str | None = None
    label_shape: tuple[int, ...] = ()
    raw_shape: tuple[int, ...] = ()
    value_shape: tuple[int, ...] = ()
    leaf_shape: tuple[int, ...] = ()
    leaf_dtype: str = "int64"

    def __post_init__(self) -> None:
        put = object.__setattr__  # the dataclass is frozen; this is the one moment its fields are set
        for spec in fields(self):
            value = getattr(self, spec.name)
            if "dtype" in spec.metadata and value is not None:
                put(self, spec.name, self._kept(spec.name, value, **spec.metadata))
        if not self.output_slices:
            put(self, "output_slices", (int(self.n_outputs),))

    def _kept(self, name: str, value: Any, dtype: str, ndim: int) -> Array:
        """`value` as a read-only contiguous copy of the field's dtype, or an error if that would change integers."""
        array = np.asarray(value)
        if array.dtype.kind not in "biuf" and array.size:
            raise ValueError(f"Forest.{name}: expected numbers, got dtype {array.dtype}.")
        if array.ndim != ndim:
            raise ValueError(f"Forest.{name}: expected {ndim} dimension(s), got shape {array.shape}.")
        if dtype == "acc":
            dtype = self.acc_dtype
            if dtype not in ("float32", "float64"):
                raise ValueError(f"Forest.acc_dtype: expected 'float32' or 'float64', got {dtype!r}.")
        elif dtype == "feature":
            dtype = "float32" if self.feature_dtype == "float32" else "float64"
        elif dtype == "floating":
            dtype = array.dtype.name if array.dtype.name in ("float32", "float64") else "float64"
        with np.errstate(invalid="ignore", over="ignore"):
            kept = np.array(array, dtype=dtype, order="C")
        if kept.dtype.kind != "f" and not np.array_equal(kept, array):
            raise ValueError(f"Forest.{name}: {array.dtype} values do not fit into {dtype}.")
        kept.flags.writeable = False
        return kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled or deeply copied forest, whose arrays would otherwise come back writeable."""
        self.__dict__.update(state)
        for value in state.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __getstate__(self) -> dict[str, Any]:
        return {spec.name: getattr(self, spec.name) for spec in fields(self)}  # not what has been derived from them

    @cached_property
    def place(self) -> Array:
        """Of each column its place in `used_columns`, int32; the length of that for those that no tree looks at."""
        found = np.full(self.n_columns, len(self.used_columns), dtype=np.int32)
        found[self.used_columns] = np.arange(len(self.used_columns))
        return found

    @property
    def n_columns(self) -> int:
        """Number of columns that the trees see: those of X, then the derived ones."""
        return self.n_features + (0 if self.derived_key is None else len(self.derived_key))

    @property
    def reads_values(self) -> bool:
        """Whether arrays hold values that are no numbers to the trees, and have to be looked up first."""
        return self.values_in_arrays or self.hashed is not None

    @cached_property
    def used_columns(self) -> npt.NDArray[np.intp]:
        """The columns that some node or linear leaf looks at, ascending; derived ones count from `n_features` on."""
        looked_at = self.feature if self.lin_feature is None else np.concatenate([self.feature, self.lin_feature])
        return np.unique(looked_at).astype(np.intp)

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

    def validate(self) -> Forest:
        """Check that the arrays describe a forest; return it.

        Returns
        -------
        Forest
            This forest.

        Raises
        ------
        ValueError
            Naming the field, and the tree and node where one is at fault.

        Examples
        --------
        >>> from sktensor import Forest
        >>> Forest.from_trees([{"value": 1.0}], n_features=1).validate().n_leaves
        1
        """
        from sktensor.forest.validation import check_forest

        check_forest(self)
        return self

    @classmethod
    def from_trees(cls, trees: Sequence[dict[str, Any]], *, n_features: int, **rules: Any) -> Forest:
        """Build a forest from nested dicts, for tests and plug-ins.

        Parameters
        ----------
        trees : sequence of dict
            A leaf is ``{"value": v}`` with a number or a sequence of `n_outputs` numbers, optionally
            ``"leaf_id"``, ``"cover"`` and ``"linear"`` (a dict of ``"const"``, ``"features"``, ``"coef"``).
            An internal node has ``"feature"``, ``"left"``, ``"right"`` and either ``"threshold"`` or
            ``"categories"`` (numbers that go left), optionally ``"nan_left"`` and ``"cover"``, beside a
            threshold ``"zero_left"``, beside categories ``"oov_left"`` and ``"cat_words"`` (where the set holds
            more words than its largest number needs). Thresholds are kept as float32 if all of them are.
        n_features : int
            Number of input columns.
        **rules
            Any other field of :class:`Forest`. `tree_target` defaults to the trees taking the outputs in turn,
            `base` to zero.

        Returns
        -------
        Forest
            The validated forest. Nodes are numbered depth first, leaves from left to right, tree after tree.

        Raises
        ------
        ValueError
            For a malformed dict, naming the tree and the way to it from the root.

        Examples
        --------
        >>> from sktensor import Forest
        >>> stump = {"feature": 0, "threshold": 0.5, "left": {"value": 1.0}, "right": {"value": 2.0}}
        >>> Forest.from_trees([stump, {"value": 0.5}], n_features=1).leaf_value.ravel().tolist()
        [1.0, 2.0, 0.5]
        """
        from sktensor.forest.nested import fields_from_trees

        return cls(**fields_from_trees(trees, n_features=n_features, **rules)).validate()

    def to_trees(self) -> list[dict[str, Any]]:
        """Give the trees as nested dicts, the inverse of :meth:`from_trees`.

        Returns
        -------
        list of dict
            One dict a tree.

        Examples
        --------
        >>> from sktensor import Forest
        >>> Forest.from_trees([{"value": 1.0}], n_features=1).to_trees()
        [{'value': 1.0, 'leaf_id': 0}]
        """
        from sktensor.forest.nested import trees_from_forest

        return trees_from_forest(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a node and leaf, for people who want to look at the trees.

        Returns
        -------
        pandas.DataFrame
            Columns ``tree, node, depth, feature, threshold, left, right, missing, value, leaf_id, cover``.
            Within a tree, rows stand in breadth-first order, and ``node``, ``left``, ``right`` and
            ``missing`` (the child that a missing value goes to) count them.

        Examples
        --------
        >>> from sktensor import Forest
        >>> stump = {"feature": 0, "threshold": 0.5, "left": {"value": 1.0}, "right": {"value": 2.0}}
        >>> Forest.from_trees([stump], n_features=1).to_frame()[["node", "left", "right"]].shape
        (3, 3)
        """
        from sktensor.forest.to_pandas import frame_from_forest

        return frame_from_forest(self)
