"""The explanations of a forest by name: what each is made of, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sktensor.explain.attributions import Attribution
from sktensor.explain.base import Needed
from sktensor.explain.shap_objects import as_explanation
from sktensor.inputs.tensors import on_host

__all__ = ["EXPLANATIONS", "Explained"]


class Explained(NamedTuple):
    """One way of explaining rows.

    Attributes
    ----------
    needs : {"values", "contributions", "interactions"}
        What it is made of.
    finish : callable
        ``finish(attribution, X)`` makes it of that, and of the rows as they were given.
    """

    needs: Needed
    finish: Callable[[Attribution, Any], Any]


def shap_values(attribution: Attribution, X: Any) -> Any:
    """Values of raw scores.

    Parameters
    ----------
    attribution : Attribution
        Of the rows.
    X : object
        The rows as they were given.

    Returns
    -------
    ndarray or Tensor of float64, shape (n, F) or (n, F, K), with interactions (n, F, F) or (n, F, F, K)
    """
    values = attribution.values
    return values[..., 0] if values.shape[-1] == 1 else values


def contributions(attribution: Attribution, X: Any) -> npt.NDArray[Any]:
    """Values and base values as the library lays them out.

    Parameters
    ----------
    attribution : Attribution
        Of the rows.
    X : object
        The rows as they were given.

    Returns
    -------
    ndarray of contribution_dtype, shape (n, F + 1), (n, K, F + 1) or (n, K * (F + 1))
        Base values last.
    """
    outputs, found = attribution.outputs, attribution.room
    n, n_inputs, n_outputs = attribution.values.shape
    if found is None:
        found = np.empty((n, n_outputs, n_inputs + 1), dtype=outputs.contribution_dtype)
        found[:, :, :-1] = on_host(attribution.values).transpose(0, 2, 1)
    if attribution.flat:
        return found.reshape(0)
    found[:, :, -1] = attribution.base
    if n_outputs == 1:
        return found[:, 0]
    if outputs.link == "mean_variance":  # of which CatBoost explains the mean alone
        return found[:, :1]
    return found.reshape(n, -1) if outputs.contribution_layout == "flat" else found


EXPLANATIONS = {
    "shap_values": Explained("values", shap_values),
    "interactions": Explained("interactions", shap_values),
    "contributions": Explained("contributions", contributions),
    "explain": Explained("values", as_explanation),
}
