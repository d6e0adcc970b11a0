"""Copies of fitted models in which some of their methods are others, for a library's own arithmetic to call."""

from __future__ import annotations

from typing import Any

__all__ = ["copy_with"]


def copy_with(model: Any, **attributes: Any) -> Any:
    """A shallow copy of a model with other attributes, functions in the place of its methods among them.

    Parameters
    ----------
    model : object
        Fitted. It stays as it is.
    **attributes
        What the copy has instead.

    Returns
    -------
    object
        Of the model's class. Nothing of the model's own that copies or pickles it is called.
    """
    copied = object.__new__(type(model))
    copied.__dict__.update(vars(model), **attributes)
    return copied
