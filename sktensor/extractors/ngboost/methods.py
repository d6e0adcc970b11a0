"""What NGBoost makes of the parameters of a distribution [ngboost/ngboost.py, ngboost/api.py]."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.extractors.copies import copy_with
from sktensor.registry import Methods

__all__ = ["DISTRIBUTION_METHODS"]

Array = npt.NDArray[Any]
Ask = Callable[[str, Any], Any]


def pred_param(model: Any, ask: Ask, X: Any, max_iter: Any = None) -> Array:
    """Parameters, float64 of shape (n, n_params)."""
    if _is_cut(model, max_iter):
        return model.pred_param(X, max_iter)  # type: ignore[no-any-return]
    raw = ask("predict_raw", X)
    return raw if raw.shape[1] == model.Manifold.n_params else np.ascontiguousarray(raw[:, 1:])


def pred_dist(model: Any, ask: Ask, X: Any, max_iter: Any = None) -> Any:
    """The distribution of each row."""
    if _is_cut(model, max_iter):
        return model.pred_dist(X, max_iter)
    return model.Dist(pred_param(model, ask, X).T)


def predict(model: Any, ask: Ask, X: Any, max_iter: Any = None) -> Array:
    """What the library predicts of the distributions."""
    return pred_dist(model, ask, X, max_iter).predict()  # type: ignore[no-any-return]


def predict_proba(model: Any, ask: Ask, X: Any, max_iter: Any = None) -> Array:
    """Probabilities of the classes."""
    return pred_dist(model, ask, X, max_iter).class_probs()  # type: ignore[no-any-return]


def score(model: Any, ask: Ask, X: Any, *args: Any, **kwargs: Any) -> Any:
    """The mean of the scoring rule that the model was fitted by."""
    return copy_with(model, pred_dist=partial(pred_dist, model, ask)).score(X, *args, **kwargs)


def _is_cut(model: Any, max_iter: Any) -> bool:
    """Whether fewer rounds than all are asked for, which the library adds up itself."""
    return bool(max_iter) and max_iter < len(model.base_models)


DISTRIBUTION_METHODS: Methods = {
    "pred_param": pred_param,
    "pred_dist": pred_dist,
    "predict": predict,
    "predict_proba": predict_proba,
    "score": score,
}
