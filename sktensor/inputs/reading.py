"""From X to rows: which kind of X it is, what is checked, and what becomes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from sktensor.forest import Forest
from sktensor.inputs.checks import (
    check_finite,
    check_in_place,
    check_kind,
    check_masked,
    check_some,
    check_sparse,
    check_tensor,
)
from sktensor.inputs.dataframe import check_record_batch, frame_columns, frame_names, is_frame, is_record_batch
from sktensor.inputs.names import check_names, knows_names
from sktensor.inputs.rows import (
    IN_PLACE,
    Rows,
    as_rows,
    exchanged,
    from_sequence,
    is_exchangeable,
    is_sparse,
    is_tensor,
)

__all__ = ["read"]


def read(X: Any, forest: Forest, fitted: Any, *, allow_nan: bool) -> Rows:
    """X as numeric rows of the right width, or scikit-learn's error.

    Parameters
    ----------
    X : array-like, data frame, sparse matrix or torch.Tensor of shape (n, F)
        What was given.
    forest : Forest
        Whose columns they are to be.
    fitted : TensorizedEstimator
        Whose number and names of columns scikit-learn compares with.
    allow_nan : bool
        Whether missing values are taken.

    Returns
    -------
    Rows
    """
    name = type(fitted.estimator_).__name__
    if _is_plain(X, fitted) and not forest.reads_values:
        if allow_nan and forest.accepts_inf:
            return Rows(X)
        return Rows(X, True, lambda: check_finite(X, forest, name, allow_nan=allow_nan))
    if is_tensor(X):
        check_tensor(X, forest, type(fitted).__name__, allow_nan=allow_nan)
        return as_rows(X, forest)
    if is_frame(X):
        if not knows_names(X, fitted):
            check_names(frame_names(X), fitted.__dict__.get("feature_names_in_"))
            validate_data(fitted, X, skip_check_array=True, reset=False)
        check_in_place(X, forest)
        check_some(X, forest)
        rows = frame_columns(X, forest)
    elif is_exchangeable(X):
        return read(exchanged(X), forest, fitted, allow_nan=allow_nan)
    else:
        check_kind(X)
        check_in_place(X, forest)
        check_masked(X, forest)
        if is_sparse(X):
            check_sparse(X, forest)
        elif not (hasattr(X, "dtype") or hasattr(X, "__dataframe__") or forest.reads_values):
            X = from_sequence(X, forest)  # what has names goes by scikit-learn, which may ask for them
        # Numbers keep their dtype, which is the library's to interpret; anything else has to become numbers here,
        # unless it may be a category.
        dtype: Any = None if getattr(getattr(X, "dtype", None), "kind", "O") in "biuf" else np.float64
        if is_record_batch(X):
            check_record_batch(X, forest)
            dtype = None
        if forest.reads_values:
            dtype = None if hasattr(X, "dtype") else object
        data = validate_data(
            fitted,
            X,
            reset=False,
            accept_sparse="csr",
            dtype=dtype,
            ensure_all_finite=False,
            ensure_min_samples=int(forest.no_rows == "error"),
        )
        if dtype is None and not forest.reads_values and data.dtype.kind not in "biuf":
            # Of a record batch's bools and nulls, or of its text, numpy makes objects.
            data = data.astype(np.float32 if forest.ints_as_float32 else np.float64)
        rows = as_rows(data, forest, flush=getattr(X, "format", "csc") == "csc")
    check_finite(rows.data, forest, name, allow_nan=allow_nan)
    return rows


def _is_plain(X: Any, fitted: Any) -> bool:
    """Whether X is an array about which nothing needs to be found out."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype in IN_PLACE
        and len(X) > 0
        and X.shape[1] == fitted.n_features_in_
        and "feature_names_in_" not in fitted.__dict__
    )
