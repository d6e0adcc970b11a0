"""From X to rows: which kind of X it is, what is checked, and what becomes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from sktensor.forest import Forest
from sktensor.inputs.checks import check_finite, check_in_place, check_kind, check_masked, check_sparse, check_tensor
from sktensor.inputs.dataframe import frame_columns, is_frame
from sktensor.inputs.names import known_columns, take_columns
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
from sktensor.registry import ColumnNames

__all__ = ["read"]


def read(X: Any, forest: Forest, names: ColumnNames, fitted: Any, *, allow_nan: bool) -> Rows:
    """X as numeric rows of the right width, or scikit-learn's error.

    Parameters
    ----------
    X : array-like, data frame, sparse matrix or torch.Tensor of shape (n, F)
        What was given.
    forest : Forest
        Whose columns they are to be.
    names : ColumnNames
        What its columns are called, and what that means for those of frames.
    fitted : TensorizedEstimator
        Whose number and names of columns scikit-learn compares with those of anything but frames.
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
        places = known_columns(X, names, forest.n_features, type(fitted).__name__)
        check_in_place(X, forest)
        if places is not None:
            X = take_columns(X, places)
        rows = frame_columns(X, forest)
    elif is_exchangeable(X):
        return read(exchanged(X), forest, names, fitted, allow_nan=allow_nan)
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
        if forest.reads_values:
            dtype = None if hasattr(X, "dtype") else object
        data = validate_data(
            fitted, X, reset=False, accept_sparse="csr", dtype=dtype, ensure_all_finite=False, ensure_min_samples=0
        )
        rows = as_rows(data, forest, flush=getattr(X, "format", "csc") == "csc")
    check_finite(rows.data, forest, name, allow_nan=allow_nan)
    return rows


def _is_plain(X: Any, fitted: Any) -> bool:
    """Whether X is an array about which nothing needs to be found out."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype in IN_PLACE
        and X.shape[1] == fitted.n_features_in_
        and "feature_names_in_" not in fitted.__dict__
    )
