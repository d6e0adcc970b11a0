"""Methods that a library makes of leaves or sums itself: its own arithmetic, behind what the program finds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sktensor.estimator.answers import ANSWERS
from sktensor.estimator.fitted import Fitted, library_methods
from sktensor.estimator.refusals import why_missing
from sktensor.estimator.tensors import as_scikit_learn_answers, like_tensor
from sktensor.inputs.rows import exchanged, is_exchangeable
from sktensor.inputs.tensors import is_tensor, on_host
from sktensor.registry import Methods
from sktensor.runtime.settings import Settings

if TYPE_CHECKING:
    from sktensor.estimator.estimator import TensorizedEstimator

__all__ = ["LibraryMethods", "answer_of_library", "further_method", "given_beside_X"]


class LibraryMethods:
    """Mix-in of :class:`~sktensor.TensorizedEstimator`: what a wrapper around it is to ask it for."""

    def __sktensor_methods__(self: TensorizedEstimator) -> Methods:  # type: ignore[misc]
        model = self.__dict__.get("estimator_", self.estimator)
        return {name: functools.partial(_ask_wrapper, name) for name in library_methods(model)}


def _ask_wrapper(name: str, wrapper: Any, ask: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
    return getattr(wrapper, name)(X, *args, **kwargs)


def answer_of_library(fitted: Fitted, method: str, settings: Settings, X: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a method that the extractor of the wrapped model offers.

    Parameters
    ----------
    fitted : Fitted
        With `method` among its `methods`.
    method : str
        Its name.
    settings : Settings
        How the program runs.
    X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
        The rows.
    *args, **kwargs
        The method's other arguments.

    Returns
    -------
    object
        The library's answer; where X is a tensor, arrays of numbers as tensors on its device.
    """
    if is_exchangeable(X):
        X = exchanged(X)

    def ask(name: str, rows: Any) -> Any:
        return ANSWERS[name](fitted, fitted.program, settings, rows, None)

    found = fitted.methods[method](fitted.model, ask, on_host(X), *args, **kwargs)
    return as_scikit_learn_answers(like_tensor(X, found)) if is_tensor(X) else found


def given_beside_X(base_margin: Any, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a method is given beside X, by name."""
    return {**(params or {}), **({} if base_margin is None else {"base_margin": base_margin})}


def further_method(est: TensorizedEstimator, name: str) -> Callable[..., Any]:
    """A method of the wrapped model that :class:`~sktensor.TensorizedEstimator` does not know.

    Raises
    ------
    AttributeError
        If the extractor of the model offers none of that name.
    """
    model = est.__dict__.get("estimator_", est.__dict__.get("estimator"))
    if model is None or name.startswith("_") or name not in library_methods(model):
        why = why_missing(est.__dict__.get("estimator"), name)
        raise AttributeError(f"{type(est).__name__!r} object has no attribute {name!r}{why}")

    @functools.wraps(getattr(model, name))
    def method(X: Any, *args: Any, **kwargs: Any) -> Any:
        return answer_of_library(est._current(), name, est._settings(), X, *args, **kwargs)

    return method
