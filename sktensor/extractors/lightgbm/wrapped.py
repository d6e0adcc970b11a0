"""What a wrapper around a LightGBM model asks beside its forest."""

from __future__ import annotations

from typing import Any

import lightgbm

from sktensor.errors import UnsupportedModelError
from sktensor.registry import Fingerprint

__all__ = ["check_class", "fingerprint"]


def check_class(model: Any) -> None:
    """Refuse an estimator, fitted or not, of a class that is not supported.

    Raises
    ------
    UnsupportedModelError
        If it is one of dask's.
    """
    if any(cls.__module__ == "lightgbm.dask" for cls in type(model).__mro__):
        raise UnsupportedModelError(
            f"{type(model).__name__} predicts on dask collections, which is not supported. Fit it by itself, and wrap "
            "its model: model.to_local()."
        )


def fingerprint(model: Any) -> Fingerprint:
    """What another fit replaces, and what each round of training and each loading of a booster does.

    ``Booster.update`` and ``rollback_one_iter`` make a new list of what they have predicted for [python basic.py].
    """
    booster = model if isinstance(model, lightgbm.Booster) else vars(model).get("_Booster")
    if booster is None:
        return (None,), ()
    state = vars(booster)
    return (
        (booster, state.get("_handle"), state.get("_Booster__is_predicted_cur_iter")),
        (state.get("best_iteration"),),
    )
