"""What surrounds the trees of a forest: how X becomes features, and how sums become answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sktensor.forest.fields import array, keep_arrays, restore

__all__ = ["NO_FLUSH", "TINY", "Decision", "InputSpec", "Link", "LogProba", "OutputSpec", "Proba"]

Array = npt.NDArray[Any]

# LightGBM's kZeroThreshold, a float32 constant: |x| up to it is taken for 0.0 [include/LightGBM/meta.h].
TINY = float(np.float32(1e-35))

NO_FLUSH = -1.0  # no absolute value is at most that

Link = Literal[
    "identity", "sigmoid", "clipped_sigmoid", "softmax", "row_softmax", "c_softmax", "table_softmax", "exp", "c_exp",
    "table_exp", "mean_variance", "log1p_exp", "sign_square", "hinge", "argmax", "isolation",
    "location", "none",
]  # fmt: skip
Decision = Literal[
    "none", "index", "half", "multilabel_half", "raw_positive", "multilabel_raw_positive", "raw_nonnegative",
    "argmax", "raw_argmax", "inlier",
]  # fmt: skip
Proba = Literal["none", "complement", "values", "softmax", "ada_softmax"]
LogProba = Literal["log", "sigmoid", "softmax", "log_add_exp"]


@dataclass(frozen=True, eq=False, kw_only=True)
class InputSpec:
    """How X becomes the columns that the trees look at, and what of X is refused.

    Sizes: ``F`` columns of X, ``G`` keys, ``D`` derived columns.

    Parameters
    ----------
    n_features : int
        Number of input columns ``F``.
    missing_value : float, optional
        A value that counts as missing beside NaN, compared after the cast to `feature_dtype`.
    sparse_absent : {"zero", "missing", "refused"}
        What an absent entry of a sparse matrix means, or that the library takes no sparse rows.
    sparse_repeated : {"sum", "sum_if_cast", "last", "last_or_first", "refused"}
        What entries of a sparse matrix for the same cell mean: ``"sum"``, their sum; ``"sum_if_cast"``, that of their
        casts to `feature_dtype`, the last where they have it already, as in scikit-learn; ``"last"``, the last, as in
        XGBoost, which refuses more entries than cells except in a ``csr_matrix``; ``"last_or_first"``, the first
        in a ``csc_matrix``, the last in anything else, as in LightGBM; ``"refused"``, an error, as in CatBoost.
    container_types : tuple of str, optional
        Classes of sparse rows, frames and other containers for which the library gives these answers, each as its
        module and name, ``"polars.dataframe.frame.DataFrame"``; a ``"+"`` behind it includes the classes derived from
        it. X of any other class is an error, except what numpy reads as an array, and lists and tuples. None: X of
        every class is taken.
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
        What X without rows gives: ``"answer"``, empty arrays in the shape of all answers; ``"flat"``, arrays of shape
        (0,), and probabilities of shape (0, 2), as in XGBoost; ``"error"``, an error.
    array_kinds : str
        Kinds of numpy dtypes that the library reads as numbers; arrays and lists of others are an error.
    accepts_1d : bool
        Whether a 1-D array is taken for one column, where the model has no more.
    unused : ndarray of bool, shape (F,), optional
        Columns whose values are neither read nor checked: those that none of the trees of scikit-learn's bagging was
        given.
    leaves_accept_nan : bool
        Whether ``apply`` takes NaN even where predictions do not, as in scikit-learn's gradient boosting.
    accepts_margin : bool
        Whether the sum of a row may start from numbers given with it in place of `base`, XGBoost's ``base_margin``.
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
    derived_value : ndarray of the trees' `feature_dtype`, optional
        For each derived column in turn its value for each known value of its key, then for all others.
    """

    n_features: int
    missing_value: float | None = None
    sparse_absent: Literal["zero", "missing", "refused"] = "zero"
    sparse_repeated: Literal["sum", "sum_if_cast", "last", "last_or_first", "refused"] = "sum"
    container_types: tuple[str, ...] | None = None
    flush_tiny: bool = False
    ints_as_float32: bool = False
    accepts_nan: bool = True
    accepts_inf: bool = True
    sparse_accepts_nan: bool = True
    accepts_masked: bool = True
    no_rows: Literal["answer", "flat", "error"] = "answer"
    array_kinds: str = "biufOSUTmM"
    accepts_1d: bool = False
    unused: Array | None = array("bool", axis="column", optional=True)
    leaves_accept_nan: bool = False
    accepts_margin: bool = False
    categories: tuple[Array | None, ...] | None = None
    categories_in_order: bool = False
    unknown_category: Literal["nan", "error"] = "nan"
    values_in_arrays: bool = False

    # derived columns
    hashed: Array | None = array("bool", axis="column", optional=True)
    key_off: Array | None = array("int32", axis="key end", optional=True, group="derived")
    key_column: Array | None = array("int32", axis="part", optional=True, group="derived")
    key_test: Array | None = array("int8", axis="part", optional=True, group="derived")
    key_value: Array | None = array("float64", axis="part", optional=True, group="derived")
    key_nan: Array | None = array("bool", axis="part", optional=True, group="derived")
    table_off: Array | None = array("int32", axis="key end", optional=True, group="derived")
    table_key: Array | None = array("uint64", axis="known key", optional=True, group="derived")
    derived_key: Array | None = array("int32", axis="derived", optional=True, group="derived")
    derived_value: Array | None = array("floating", axis="value", optional=True, group="derived")

    def __post_init__(self) -> None:
        keep_arrays(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        restore(self, state)

    @property
    def n_columns(self) -> int:
        """Number of columns that the trees see: those of X, then the derived ones."""
        return self.n_features + (0 if self.derived_key is None else len(self.derived_key))

    @cached_property
    def flush_limit(self) -> float:
        """The absolute value up to which a value is 0.0; negative where none is."""
        return TINY if self.flush_tiny else NO_FLUSH

    @cached_property
    def reads_values(self) -> bool:
        """Whether arrays hold values that are no numbers to the trees, and have to be looked up first."""
        return self.values_in_arrays or self.hashed is not None


@dataclass(frozen=True, eq=False, kw_only=True)
class OutputSpec:
    """How sums over trees become what the methods of an estimator return.

    Parameters
    ----------
    output_slices : tuple of int
        Widths of the slices into which the `n_outputs` columns are cut: one, except for classifiers with several
        targets, which return a list.
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
        ``"isolation"``, ``-(2 ** -(raw / link_param))``, or -0.5 if `link_param` is 0; ``"location"``, the first of
        two raw scores, NaN where the ``exp`` of the second is not positive and finite; ``"none"``, there are no values
        but those that the library makes of raw scores itself.
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
        reach it and 0.0 in the others, as a CSR matrix or as an array.
    classes : tuple of ndarray
        The labels of each of the `output_slices`; empty for regression and ranking.
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
    contribution_dtype : {"float64", "float32"}
        The dtype of the library's contributions of features to raw scores.
    contribution_layout : {"by_output", "flat"}
        How they lie: the columns of X and then the base value, shape (n, F + 1); of several outputs ``"by_output"``,
        (n, K, F + 1), or ``"flat"``, (n, K * (F + 1)), output after output.
    """

    output_slices: tuple[int, ...] = (1,)
    div: float = 1.0
    raw_is_pre_div: bool = False
    scale: float = 1.0
    bias: Array | None = array("float64", axis="output", optional=True)
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
    contribution_dtype: Literal["float64", "float32"] = "float64"
    contribution_layout: Literal["by_output", "flat"] = "by_output"

    def __post_init__(self) -> None:
        keep_arrays(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        restore(self, state)

    @cached_property
    def raw_is_sum(self) -> bool:
        """Whether raw scores are the sums over trees."""
        return self.raw_is_pre_div or (self.div == 1.0 and self.scale == 1.0 and self.bias is None)
