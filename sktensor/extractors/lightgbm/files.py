"""LightGBM's own files."""

from __future__ import annotations

import os
from typing import Any

import lightgbm

__all__ = ["read"]


def read(path: str | os.PathLike[str]) -> Any:
    """The booster in a file that ``save_model`` has written.

    Raises
    ------
    ValueError
        If there is none, with what the library says.
    """
    try:
        return lightgbm.Booster(model_file=os.fspath(path))
    except lightgbm.basic.LightGBMError as error:
        raise ValueError(str(error)) from error
