"""Validation of X, and its conversion to rows: which checks each kind of X passes, and in which order."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from sktensor.forest import NO_FLUSH, Forest
from sktensor.inputs.checks import (
    FiniteCheck,
    SparseCheck,
    check_container,
    check_finite,
    check_kind,
    check_masked,
    check_numbers,
    check_objects,
    check_sequence,
    check_some,
    check_sparse,
    check_tensor,
    check_width,
)
from sktensor.inputs.dataframe import check_record_batch, frame_columns, is_frame, is_record_batch
from sktensor.inputs.names import known_columns, take_columns
from sktensor.inputs.rows import IN_PLACE, Rows, as_rows, exchanged, from_sequence, is_exchangeable
from sktensor.inputs.sparse import as_csr_or_csc, few_cells, is_csc_matrix, is_sparse
from sktensor.inputs.tensors import is_tensor
from sktensor.registry import ColumnNames

__all__ = ["read"]


def read(X: Any, forest: Forest, names: ColumnNames, fitted: Any, *, allow_nan: bool) -> Rows:
    """Validate X and return it as numeric rows; errors as scikit-learn's.

    Parameters
    ----------
    X : array-like, data frame, sparse matrix or torch.Tensor of shape (n, F)
        What was given; rows that have been read stay what they are.
    forest : Forest
        Whose columns they are to be.
    names : ColumnNames
        The names of its columns, and the library's rule about names in frames.
    fitted : TensorizedEstimator
        Whose ``n_features_in_`` and ``feature_names_in_`` scikit-learn's validation compares with X, unless X is a
        frame.
    allow_nan : bool
        Whether missing values are taken.

    Returns
    -------
    Rows
    """
    if type(X) is Rows:
        return X
    if (plain := _plain_rows(X, forest, fitted, allow_nan)) is not None:
        return plain
    name = type(fitted.estimator_).__name__
    if is_tensor(X):
        check_tensor(X, forest, type(fitted).__name__, allow_nan=allow_nan)
        return as_rows(X, forest)
    if is_sparse(X):
        return _sparse_rows(X, forest, fitted, name, allow_nan=allow_nan)
    if not isinstance(X, (list, tuple)) and is_frame(X):
        places = known_columns(X, names, forest.n_features, type(fitted).__name__)
        check_container(X, forest)
        if places is not None:
            X = take_columns(X, places)
        check_some(X, forest)
        rows = frame_columns(X, forest)
    elif is_exchangeable(X):
        return read(exchanged(X), forest, names, fitted, allow_nan=allow_nan)
    else:
        check_kind(X)
        check_sequence(X, forest)
        check_container(X, forest)
        check_masked(X, forest)
        if not (hasattr(X, "dtype") or hasattr(X, "__dataframe__") or forest.inputs.reads_values):
            X = from_sequence(X, forest)  # not frames, whose names scikit-learn compares
        if (dtype := getattr(X, "dtype", None)) is not None and getattr(dtype, "kind", "O") not in "biufcOV":
            check_numbers(X, dtype.kind, forest)
        if not forest.inputs.reads_values:
            check_objects(X, forest)
        if forest.inputs.accepts_1d and forest.n_features == 1 and np.ndim(X) == 1:
            X = np.asarray(X)[:, None]
        if (plain := _plain_rows(X, forest, fitted, allow_nan)) is not None:
            return plain
        # Numbers keep their dtype, which is the library's to interpret; anything else has to become numbers here,
        # unless it may be a category.
        as_dtype: Any = None if getattr(dtype, "kind", "O") in "biuf" else np.float64
        if is_record_batch(X):
            check_record_batch(X, forest)
            as_dtype = None
        if forest.inputs.reads_values:
            as_dtype = None if hasattr(X, "dtype") else object
        least = int(forest.inputs.no_rows == "error")
        data = validate_data(fitted, X, reset=False, dtype=as_dtype, ensure_all_finite=False, ensure_min_samples=least)
        if as_dtype is None and not forest.inputs.reads_values and data.dtype.kind not in "biuf":
            # Of a record batch's bools and nulls, or of its text, numpy makes objects.
            data = data.astype(np.float32 if forest.inputs.ints_as_float32 else np.float64)
        check_width(data.shape[1], forest, name)
        rows = as_rows(data, forest)
    check_finite(rows.data, forest, name, allow_nan=allow_nan)
    return rows


def _plain_rows(X: Any, forest: Forest, fitted: Any, allow_nan: bool) -> Rows | None:
    """Rows of a numpy array of numbers, the common case, in few steps; None for X that needs further checks."""
    inputs = forest.inputs
    if (
        type(X) is not np.ndarray
        or X.ndim != 2
        or X.dtype.kind not in "fiub"
        or len(X) == 0
        or X.shape[1] != inputs.n_features
        or "feature_names_in_" in fitted.__dict__
        or inputs.reads_values
    ):
        return None
    in_place, check = X.dtype in IN_PLACE, None
    if X.dtype.kind == "f" and not (allow_nan and inputs.accepts_inf):
        check = FiniteCheck(forest, type(fitted.estimator_).__name__, allow_nan)
        if not in_place:  # what the kernels read where it lies is checked there
            check(X)
            check = None
    return Rows(X, inputs.flush_limit, inputs.missing_value, check, in_place)


def _sparse_rows(X: Any, forest: Forest, fitted: Any, name: str, *, allow_nan: bool) -> Rows:
    """Rows of a sparse matrix or array."""
    check_container(X, forest)
    check_sparse(X, forest)
    if X.dtype.kind not in "biuf":
        raise ValueError(
            "Complex data not supported"
            if X.dtype.kind == "c"
            else f"X is a {type(X).__name__} of {X.dtype}. Give one of numbers instead."
        )
    if X.ndim != 2:
        raise ValueError(f"Expected a 2-dimensional sparse matrix, got {X.ndim} dimensions. Give X.reshape(1, -1).")
    if "feature_names_in_" in fitted.__dict__ or X.shape[1] != forest.n_features:
        validate_data(fitted, X, skip_check_array=True, reset=False)  # its words for another width, and for names
        check_width(X.shape[1], forest, type(fitted).__name__)
    check_some(X, forest)
    if (dense := few_cells(X, forest)) is not None:
        return Rows(dense, NO_FLUSH, forest.inputs.missing_value, None, True)
    data = as_csr_or_csc(X, forest)
    check = None
    if data.dtype.kind == "f" and not (allow_nan and forest.inputs.accepts_inf and forest.inputs.sparse_accepts_nan):
        check = SparseCheck(forest, name, allow_nan)
    # LightGBM makes CSR rows of all but a csc_matrix [python-package/lightgbm/basic.py, _InnerPredictor.predict].
    flush_limit = forest.inputs.flush_limit if is_csc_matrix(X) else NO_FLUSH
    return Rows(data, flush_limit, forest.inputs.missing_value, check)
