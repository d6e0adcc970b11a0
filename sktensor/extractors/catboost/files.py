"""CatBoost's own files."""

from __future__ import annotations

import os
from typing import Any

import catboost

__all__ = ["read"]


def read(path: str | os.PathLike[str]) -> Any:
    """The model in a file that ``save_model`` has written, of CatBoost's own format or JSON.

    Raises
    ------
    ValueError
        If there is none, with what the library says.
    """
    kind = "json" if os.fspath(path).endswith(".json") else "cbm"
    try:
        return catboost.CatBoost().load_model(os.fspath(path), format=kind)
    except catboost.CatBoostError as error:
        raise ValueError(str(error).strip().splitlines()[0]) from error
