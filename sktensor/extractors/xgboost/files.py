"""XGBoost's own files."""

from __future__ import annotations

import os
from typing import Any

import xgboost

__all__ = ["read"]


def read(path: str | os.PathLike[str]) -> Any:
    """The booster in a file that ``save_model`` has written, JSON or UBJSON.

    Raises
    ------
    ValueError
        If there is none, with what the library says.
    """
    try:
        return xgboost.Booster(model_file=os.fspath(path))
    except xgboost.core.XGBoostError as error:
        raise ValueError(str(error).strip().splitlines()[0]) from error
