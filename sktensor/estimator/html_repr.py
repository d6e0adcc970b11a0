"""The diagram that notebooks show of an estimator: the wrapped model, and what its predictions run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sktensor.estimator.compiling import is_outdated

if TYPE_CHECKING:
    from sktensor.estimator.estimator import TensorizedEstimator

__all__ = ["diagram"]


def diagram(wrapper: TensorizedEstimator) -> Any:
    """What scikit-learn draws a wrapper as.

    Parameters
    ----------
    wrapper : TensorizedEstimator
        Fitted or not.

    Returns
    -------
    sklearn.utils._repr_html.estimator._VisualBlock
        The model alone before it is fitted, the model and its program afterwards.
    """
    try:
        from sklearn.utils._repr_html.estimator import _VisualBlock
    except ImportError:  # up to 1.6
        from sklearn.utils._estimator_html_repr import _VisualBlock
    state = vars(wrapper)
    model, fitted = state.get("estimator_", wrapper.estimator), state.get("_fitted")
    plan = None
    if fitted is not None and not is_outdated(wrapper, fitted):
        plan = fitted.program.planned(wrapper._settings())
    # What stands before the colon is where the model's parameters are; scikit-learn reads it from there.
    name = f"estimator: {type(model).__name__}"
    if not wrapper.__sklearn_is_fitted__():
        return _VisualBlock("parallel", [model], names=[name], name_details=[str(model)])
    if plan is None:
        program, details = f"Program on {wrapper.device}", "Compiled with the first prediction."
    else:
        program, details = f"Program: {plan.title}", str(plan)
    block = _VisualBlock("single", None, names=program, name_details=details)
    return _VisualBlock("serial", [model, block], names=[name, None], name_details=[str(model), None])
