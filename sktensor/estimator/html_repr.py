"""The diagram that notebooks show of an estimator: the wrapped model, and what its predictions run."""

from __future__ import annotations

from typing import Any

__all__ = ["diagram"]


def diagram(model: Any, device: Any, *, is_fitted: bool, plan: Any) -> Any:
    """What scikit-learn draws a wrapper as.

    Parameters
    ----------
    model : estimator
        The wrapped model, fitted or not.
    device : str or torch.device
        The parameter of the wrapper.
    is_fitted : bool
        Whether there is anything to predict with.
    plan : Plan, CompositePlan or None
        How predictions run, if that is known already.

    Returns
    -------
    sklearn.utils._repr_html.estimator._VisualBlock
        The model alone before it is fitted, the model and its program afterwards.
    """
    try:
        from sklearn.utils._repr_html.estimator import _VisualBlock
    except ImportError:  # up to 1.6
        from sklearn.utils._estimator_html_repr import _VisualBlock
    # What stands before the colon is where the model's parameters are; scikit-learn reads it from there.
    name = f"estimator: {type(model).__name__}"
    if not is_fitted:
        return _VisualBlock("parallel", [model], names=[name], name_details=[str(model)])
    if plan is None:
        program, details = f"Program on {device}", "Compiled with the first prediction."
    else:
        program, details = f"Program: {plan.title}", str(plan)
    block = _VisualBlock("single", None, names=program, name_details=details)
    return _VisualBlock("serial", [model, block], names=[name, None], name_details=[str(model), None])
