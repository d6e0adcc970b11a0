"""Attributions as objects of the package shap, for its plots."""

from __future__ import annotations

from typing import Any

import numpy as np

from sktensor.explain.attributions import Attribution
from sktensor.inputs.sparse import is_sparse
from sktensor.inputs.tensors import on_host

__all__ = ["as_explanation"]


def as_explanation(attribution: Attribution, X: Any) -> Any:
    """Give an attribution as a ``shap.Explanation``.

    Parameters
    ----------
    attribution : Attribution
        Of values.
    X : array-like, data frame, sparse matrix or torch.Tensor of shape (n, F)
        The rows that they are of.

    Returns
    -------
    shap.Explanation
        Its values have shape (n, F), base values (n,); of several outputs (n, F, K) and (n, K).

    Raises
    ------
    ImportError
        If shap is not installed.
    """
    try:
        import shap
    except ImportError as error:
        raise ImportError(
            "explain gives objects of the package shap, which is not installed: pip install shap. "
            "Or call shap_values, which needs no other package."
        ) from error
    values = on_host(attribution.values)
    names = None if attribution.names is None else [str(name) for name in attribution.names]
    n, _, n_outputs = values.shape
    base = np.broadcast_to(attribution.base, (n, n_outputs)).copy()
    single = n_outputs == 1
    return shap.Explanation(
        values=values[..., 0] if single else values,
        base_values=base[:, 0] if single else base,
        data=_data(X, attribution, names),
        feature_names=names,
        output_names=_output_names(attribution),
    )


def _data(X: Any, attribution: Attribution, names: list[str] | None) -> Any:
    """The inputs as an array, as plots show them; None where it is not known which they are."""
    given = X if attribution.data is None else attribution.data
    found = given.toarray() if is_sparse(given) else np.asarray(on_host(given))
    if attribution.of_steps is None:
        found = _in_order(given, found, names)
    else:
        n_own = attribution.values.shape[1] - attribution.of_steps.shape[1]
        own = _in_order(given, found, (names or [])[:n_own])
        found = np.concatenate([own, attribution.of_steps], axis=1)
    return found if found.ndim == 2 and found.shape[1] == attribution.values.shape[1] else None


def _in_order(given: Any, found: Any, names: list[str] | None) -> Any:
    """The columns of a frame as the model knows them, where it finds them by their names."""
    columns = getattr(given, "column_names", None)
    if columns is None:
        columns = getattr(given, "columns", None)
    if columns is None or not names:
        return found
    place = {str(name): i for i, name in enumerate(columns)}
    return found[:, [place[name] for name in names]] if set(names) <= place.keys() else found


def _output_names(attribution: Attribution) -> list[str] | None:
    """The labels, where there is a raw score for each of them."""
    classes = [str(label) for labels in attribution.outputs.classes for label in labels]
    return classes if len(classes) == attribution.values.shape[-1] > 1 else None
