"""Checks of X, with scikit-learn's messages where it has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.utils import assert_all_finite

from sktensor.forest import Forest
from sktensor.inputs.dataframe import is_lazy
from sktensor.inputs.rows import BYTES_CAST_TOGETHER, Columns, as_columns
from sktensor.inputs.sparse import is_sparse
from sktensor.inputs.tensors import on_host
from sktensor.native import finite

__all__ = [
    "FiniteCheck",
    "SparseCheck",
    "check_container",
    "check_finite",
    "check_kind",
    "check_masked",
    "check_numbers",
    "check_objects",
    "check_sequence",
    "check_some",
    "check_sparse",
    "check_tensor",
    "check_width",
    "margins",
]

# Containers of the libraries for training, from which rows cannot be read back.
TRAINING_CONTAINERS = {
    ("catboost", "Pool"),
    ("xgboost", "DMatrix"),
    ("xgboost", "QuantileDMatrix"),
    ("xgboost", "ExtMemQuantileDMatrix"),
    ("lightgbm", "Dataset"),
}

# Arrays, frames and sparse matrices have at least one of these attributes, other sequences none.
ARRAY_PROTOCOLS = ("__array__", "__dlpack__", "__dataframe__", "__arrow_c_stream__", "dtype", "columns")

# Rows whose finiteness is checked at a time, at most, so that no cast copy of all of X is made.
ROWS_CHECKED_TOGETHER = 65_536


def check_kind(X: Any) -> None:
    """Refuse objects that are no table of numbers, where numpy's own error would not say what to give instead."""
    package, name = type(X).__module__.partition(".")[0], type(X).__name__
    if (package, name) in TRAINING_CONTAINERS:
        raise TypeError(
            f"X is a {package}.{name}, a container of that library, whose rows cannot be read from it. Give the array "
            "or data frame that it was made of."
        )
    first = X[0] if isinstance(X, (list, tuple)) and X else X
    if isinstance(first, Mapping) and not is_sparse(first):  # scipy's DOK matrices are dicts
        raise TypeError(
            f"X is a {type(X).__name__}{'' if first is X else f' of {type(first).__name__}'}, whose keys have no order "
            "that columns have. Give pandas.DataFrame(X), or rows of numbers."
        )
    if getattr(getattr(X, "dtype", None), "names", None):
        raise TypeError(
            "X is a structured array, whose records are no rows of numbers. Give "
            "numpy.lib.recfunctions.structured_to_unstructured(X) or a data frame instead."
        )
    if not isinstance(X, (list, tuple, np.ndarray)) and is_lazy(X):
        raise TypeError(
            f"X is a {type(X).__name__}, which holds no rows until it is collected. Give X.collect() instead."
        )


def check_width(width: int, forest: Forest, estimator_name: str) -> None:
    """Refuse another number of columns than the forest's, in scikit-learn's words."""
    if width != forest.n_features:
        raise ValueError(
            f"X has {width} features, but {estimator_name} is expecting {forest.n_features} features as input."
        )


def check_numbers(X: Any, kind: str, forest: Forest) -> None:
    """Refuse arrays of a kind of dtype that the library does not read as numbers."""
    if kind not in forest.inputs.array_kinds:
        what = {"M": "dates", "m": "durations", "U": "text", "S": "bytes"}.get(kind, "something else")
        raise ValueError(
            f"X holds {what}, an array of {X.dtype}, which the library does not read as numbers. Give numbers, for "
            "instance numpy.asarray(X, dtype=float)."
        )


def check_objects(X: Any, forest: Forest) -> None:
    """Refuse dates and durations of numpy among objects where the library reads each by ``float``, as it does text.

    numpy makes numbers of them [catboost/python-package/catboost/_catboost.pyx, get_float_feature].
    """
    kinds = forest.inputs.array_kinds
    if "U" not in kinds or "M" in kinds or getattr(getattr(X, "dtype", None), "kind", "O") != "O":
        return
    try:
        values = np.asarray(X, dtype=object).ravel().tolist()
    except ValueError:  # rows of several lengths, for which scikit-learn has words
        return
    if {np.datetime64, np.timedelta64} & {*map(type, values)}:
        raise ValueError(
            "X holds dates or durations, which the library does not read as numbers. Give numbers instead."
        )


def check_tensor(X: Any, forest: Forest, estimator_name: str, *, allow_nan: bool) -> None:
    """Refuse a tensor that holds no rows of numbers, of another shape, or with values that the library refuses."""
    if problem := _unreadable(X):
        raise TypeError(
            f"X is a {problem}, of which no rows can be read. Give a dense tensor instead: {_INSTEAD[problem]}."
        )
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D tensor instead. Reshape your data either using "
            "X.reshape(-1, 1) if your data has a single feature or X.reshape(1, -1) if it contains a single sample."
        )
    check_width(X.shape[1], forest, estimator_name)
    check_some(X, forest)
    if X.is_complex():
        raise ValueError("Complex data not supported")
    X = _used(X, forest)
    if not allow_nan and X.isnan().any():
        raise ValueError("Input X contains NaN.")
    if not forest.inputs.accepts_inf and as_columns(X, forest, forest.inputs.flush_limit).isinf().any():
        raise ValueError(f"Input X contains infinity or a value too large for dtype('{forest.trees.feature_dtype}').")


# Kinds of tensors whose rows cannot be read, and how to convert them.
_INSTEAD = {
    "sparse tensor": "X.to_dense()",
    "quantized tensor": "X.dequantize()",
    "nested tensor": "torch.nested.to_padded_tensor(X, padding)",
    "tensor on the meta device, which has no values": "one with values",
}


def _unreadable(X: Any) -> str:
    """Which of the kinds of `_INSTEAD` a tensor is; empty for one that can be read."""
    sparse, quantized, nested, meta = _INSTEAD
    if X.is_nested:
        return nested
    if X.is_quantized:
        return quantized
    if X.is_meta:
        return meta
    return "" if str(X.layout) == "torch.strided" else sparse


def check_masked(X: Any, forest: Forest) -> None:
    """Refuse masked values where the library reads them in more than one way."""
    if not forest.inputs.accepts_masked and isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            "X is a masked array, and the library takes masked values for missing in some dtypes and not in others. "
            "Give X.astype(float).filled(numpy.nan) if they are missing, X.data if they are not."
        )


def check_some(X: Any, forest: Forest) -> None:
    """Refuse a frame or tensor without rows where the library does, with scikit-learn's message for arrays."""
    if not X.shape[0] and forest.inputs.no_rows == "error":
        raise ValueError(f"Found array with 0 sample(s) (shape={tuple(X.shape)}) while a minimum of 1 is required.")


def check_sparse(X: Any, forest: Forest) -> None:
    """Refuse sparse rows where the library takes none, or cannot look up categories in them."""
    if forest.inputs.reads_values:
        raise ValueError(
            f"{type(X).__name__}: the model was fitted with categories, and its library looks up no values in sparse "
            "rows. Give an array or a data frame instead."
        )
    if forest.inputs.sparse_absent == "refused":
        raise TypeError(
            f"Sparse data was passed for X, a {type(X).__name__}, but the library takes dense data only. Give "
            "X.toarray() instead."
        )


def _check_sparse_missing(X: Any, forest: Forest) -> None:
    """Refuse missing values of a CSR matrix where they go other ways than in an array."""
    if not forest.inputs.sparse_accepts_nan and X.dtype.kind == "f" and np.isnan(_used(X, forest).data).any():
        raise ValueError(
            f"Input X contains NaN. {type(X).__name__}: in sparse rows, missing values go other ways in the library's "
            "trees than in dense ones, so that they are refused. Give X.toarray() instead."
        )


def check_container(X: Any, forest: Forest) -> None:
    """Refuse X of a class that the library predicts in another way, with other answers than this forest's."""
    types = forest.inputs.container_types
    if types is None or _is_array(X) or _is_of(type(X), types):
        return
    if is_sparse(X):
        instead = " or ".join(f"scipy.sparse.{name.split('.')[-1]}(X)" for name in _public(types) if _is_scipy(name))
    else:
        instead = ", ".join(["numpy.asarray(X)", *(f"a {name}" for name in _public(types) if not _is_scipy(name))])
    raise ValueError(
        f"X is a {type(X).__module__}.{type(X).__name__}, for which the library rounds differently than for rows of "
        f"other kinds. Give one of these instead: {instead}."
    )


def check_sequence(X: Any, forest: Forest) -> None:
    """Refuse what is neither array nor list, and of which the library makes sparse rows whose zeros are missing."""
    if (
        forest.inputs.sparse_absent == "missing"
        and not _is_array(X)
        and not any(hasattr(X, name) for name in ARRAY_PROTOCOLS)
    ):
        raise TypeError(
            f"X is a {type(X).__module__}.{type(X).__name__}, of which the library makes a sparse matrix, so that "
            "zeros count as missing. Give numpy.asarray(X) if they are numbers."
        )


def _is_array(X: Any) -> bool:
    """Whether every library takes X for an array of numbers: lists, tuples, and what numpy reads in its place."""
    return isinstance(X, (list, tuple)) or hasattr(X, "__array_interface__")


def _is_of(cls: type, types: tuple[str, ...]) -> bool:
    """Whether a class is one of these, named as `container_types` names them."""
    if f"{cls.__module__}.{cls.__name__}" in types:
        return True
    return any(f"{base.__module__}.{base.__name__}+" in types for base in cls.__mro__)


def _public(types: tuple[str, ...]) -> list[str]:
    """Package and name of classes, as users import them: ``"polars.DataFrame"``, ``"scipy.csr_matrix"``."""
    return list(dict.fromkeys(f"{name.split('.')[0]}.{name.removesuffix('+').split('.')[-1]}" for name in types))


def _is_scipy(name: str) -> bool:
    return name.startswith("scipy.")


def check_finite(X: Any, forest: Forest, estimator_name: str, *, allow_nan: bool) -> None:
    """Refuse the NaNs and infinities of an array or CSR matrix that the library refuses, in its dtype."""
    if allow_nan and forest.inputs.accepts_inf:
        return
    if type(X) is np.ndarray and finite.all_finite(X, forest.trees.feature_dtype):
        return  # the columns that are used were copied otherwise
    X = _used(X, forest)
    if isinstance(X, Columns):
        X = X.floats()
        if X.are_finite(forest.trees.feature_dtype):
            return
    values = X.data[:, None] if is_sparse(X) else X
    if type(values) is np.ndarray and finite.all_finite(values, forest.trees.feature_dtype):
        return  # what follows words the error, and takes ten times as long as predicting a row
    together = min(ROWS_CHECKED_TOGETHER, max(1, BYTES_CAST_TOGETHER // (8 * max(values.shape[1], 1))))
    for start in range(0, len(values), together):
        with np.errstate(over="ignore"):
            block = values[start : start + together].astype(forest.trees.feature_dtype, copy=False)
        if forest.inputs.accepts_inf:
            block = np.where(np.isinf(block), 0.0, block)
        assert_all_finite(block, allow_nan=allow_nan, estimator_name=estimator_name, input_name="X")


class FiniteCheck(NamedTuple):
    """:func:`check_finite` and its arguments, for a kernel that reads the rows first and calls this if need be.

    Attributes
    ----------
    forest : Forest
        Whose rows they are.
    estimator_name : str
        That an error names.
    allow_nan : bool
        Whether missing values are taken.
    """

    forest: Forest
    estimator_name: str
    allow_nan: bool

    def __call__(self, X: Any) -> None:
        """Raise for values that the library refuses."""
        check_finite(X, self.forest, self.estimator_name, allow_nan=self.allow_nan)


class SparseCheck(FiniteCheck):
    """The same for a CSR matrix, and whether it holds missing values where it must not."""

    __slots__ = ()

    def __call__(self, X: Any) -> None:
        """Raise for values that the library refuses."""
        _check_sparse_missing(X, self.forest)
        super().__call__(X)


def margins(base_margin: Any, n_rows: int, forest: Forest, model: Any) -> npt.NDArray[Any]:
    """Validate XGBoost's ``base_margin``; the start of the sum of each row and output, shape (n_rows, K)."""
    if not forest.inputs.accepts_margin:
        raise TypeError(
            f"{type(model).__name__} takes no base_margin. Models of XGBoost do, except estimators with booster='dart' "
            "up to xgboost 3.2, which subtract their base score from it."
        )
    with np.errstate(over="ignore"):
        start = np.asarray(on_host(base_margin), dtype=forest.trees.acc_dtype)
    legal = [(n_rows, forest.n_outputs)] + [(n_rows,)] * (forest.n_outputs == 1)
    if start.shape not in legal:
        raise ValueError(f"base_margin: expected shape {' or '.join(map(str, legal))}, got {start.shape}.")
    return start.reshape(n_rows, forest.n_outputs)


def _used(X: Any, forest: Forest) -> Any:
    """X without its unused columns."""
    if forest.inputs.unused is None:
        return X
    used = np.flatnonzero(~forest.inputs.unused)
    if isinstance(X, Columns):
        return X.take(used)
    return X[:, used]
