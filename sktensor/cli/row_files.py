"""Files with rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sktensor.cli.errors import CommandError

__all__ = ["read_rows"]

FRAMES = {".parquet": "read_parquet", ".pq": "read_parquet", ".csv": "read_csv", ".feather": "read_feather"}
ARRAY = ".npy"


def read_rows(model: Any, path: str, n_rows: int | None, drop: Sequence[str]) -> Any:
    """The rows of a file, with the columns that a model asks for.

    Parameters
    ----------
    model : object
        Fitted. Where it knows names of columns, those are taken in its order; otherwise all are, in the file's, and a
        table of numbers becomes an array.
    path : str
        A table.
    n_rows : int, optional
        How many of the first rows are taken.
    drop : sequence of str
        Columns that are left out.

    Returns
    -------
    pandas.DataFrame or ndarray

    Raises
    ------
    CommandError
        If there is no such file or no such column.
    """
    X = _read(path)
    if len(X) == 0:
        raise CommandError(f"{path} has no rows")
    X = X[:n_rows]
    if isinstance(X, np.ndarray):
        if drop:
            raise CommandError(f"--drop: {path} is an array, whose columns have no names")
        return _of_width(model, X, path)
    if unknown := [name for name in drop if name not in X.columns]:
        raise CommandError(f"--drop: {path} has no columns {', '.join(map(repr, unknown))}{_columns_of(X)}")
    X = X.drop(columns=list(drop))
    names = _names(model)
    if names is None:
        if all(dtype.kind in "biuf" for dtype in map(_numpy_dtype, X.dtypes)):
            X = X.to_numpy()
        return _of_width(model, X, path)
    if missing := [name for name in names if name not in X.columns]:
        raise CommandError(f"{path} lacks the columns {', '.join(map(repr, missing))} of the model{_columns_of(X)}")
    return X[list(names)]


def _read(path: str) -> Any:
    file = Path(path)
    if not file.exists():
        raise CommandError(f"there is no file {path}")
    suffix = file.suffix.lower()
    if suffix == ARRAY:
        try:
            found = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise CommandError(f"{path} cannot be read: {error}") from error
        if found.ndim != 2:
            raise CommandError(f"{path} holds an array of shape {found.shape}. Give one with rows and columns.")
        return found
    if suffix not in FRAMES:
        known = ", ".join([*FRAMES, ARRAY])
        raise CommandError(f"{path}: no kind of table is known by the suffix {suffix!r}. Known: {known}.")
    try:
        import pandas
    except ImportError as error:
        raise CommandError("tables are read by pandas, which is not installed: pip install pandas pyarrow") from error
    try:
        return getattr(pandas, FRAMES[suffix])(path)
    except ImportError as error:
        raise CommandError(f"{path} needs a package that is not installed: {error}") from error
    except (ValueError, OSError) as error:  # those of pandas and pyarrow are ValueErrors
        raise CommandError(f"{path} cannot be read: {error}") from error


def _names(model: Any) -> list[str] | None:
    """The names of a model's columns, as far as it knows any that a table could have."""
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _of_width(model: Any, X: Any, path: str) -> Any:
    width = getattr(model, "n_features_in_", None)
    if isinstance(width, int) and 0 < width != X.shape[1]:
        names = "" if isinstance(X, np.ndarray) else _columns_of(X)
        raise CommandError(
            f"{path} has {X.shape[1]} columns, and the model was fitted on {width}{names}. Leave out what is no "
            "feature with --drop."
        )
    return X


def _numpy_dtype(dtype: Any) -> Any:
    return dtype if isinstance(dtype, np.dtype) else np.dtype(object)


def _columns_of(X: Any) -> str:
    shown = ", ".join(map(str, X.columns[:20]))
    return f"; it has {shown}{' ...' if len(X.columns) > 20 else ''}"
