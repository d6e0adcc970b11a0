"""What a wrapper around a LightGBM model asks beside its forest."""

from __future__ import annotations

from typing import Any

import lightgbm

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.guards import check_answers
from sktensor.extractors.lightgbm.model import ANSWERING, check_prediction_parameters
from sktensor.registry import Fingerprint

__all__ = ["check_class", "fingerprint"]


def check_class(model: Any) -> None:
    """Refuse an estimator, fitted or not, of a class that is not supported.

    Raises
    ------
    UnsupportedModelError
        If it is one of dask's or replaces what its library answers, or a parameter says that trees are skipped.
    """
    if any(cls.__module__ == "lightgbm.dask" for cls in type(model).__mro__):
        raise UnsupportedModelError(
            f"{type(model).__name__} predicts on dask collections, which is not supported. Fit it by itself, and wrap "
            "its model: model.to_local()."
        )
    known = next((cls for cls in type(model).__mro__ if cls.__module__.startswith("lightgbm.")), None)
    if known is not None:
        check_answers(model, known, ANSWERING)
    if isinstance(model, lightgbm.LGBMModel):
        check_prediction_parameters(model.get_params())


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
