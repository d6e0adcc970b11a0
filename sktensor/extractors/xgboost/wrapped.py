"""What a wrapper around an XGBoost model asks beside its forest."""

from __future__ import annotations

from typing import Any

import xgboost

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.guards import check_answers
from sktensor.extractors.xgboost.model import ANSWERING
from sktensor.registry import Fingerprint

__all__ = ["check_class", "fingerprint"]


def check_class(model: Any) -> None:
    """Refuse an estimator, fitted or not, that trains no trees or answers by methods of its own.

    Raises
    ------
    UnsupportedModelError
        If it is one of dask's or replaces what its library answers, or its parameter `booster` names none of trees.
    """
    if any(cls.__module__.startswith("xgboost.dask") for cls in type(model).__mro__):
        raise UnsupportedModelError(
            f"{type(model).__name__} predicts on dask collections, which is not supported. Fit it by itself, and wrap "
            "its booster: model.get_booster()."
        )
    known = next((cls for cls in type(model).__mro__ if cls.__module__.startswith("xgboost.")), None)
    if known is not None:
        check_answers(model, known, ANSWERING)
    booster = getattr(model, "booster", None)
    if booster not in (None, "gbtree", "dart"):
        raise UnsupportedModelError(
            f"{type(model).__name__}(booster={booster!r}) has no trees to compile. Supported: booster='gbtree', "
            "booster='dart'."
        )


def fingerprint(model: Any) -> Fingerprint:
    """The booster, which each fit replaces. That a booster was changed in place, only calls of its library can tell."""
    return ((), ()) if isinstance(model, xgboost.Booster) else ((vars(model).get("_Booster"),), ())
