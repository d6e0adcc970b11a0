"""Models of classes of one's own, derived from a library's, that give answers of their own."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from sktensor.errors import UnsupportedModelError

__all__ = ["check_answers", "replaced_methods"]


def replaced_methods(model: Any, known: type, names: Iterable[str]) -> list[str]:
    """Which of these methods are not those of the `known` class."""
    kind = type(model)
    return [
        name
        for name in names
        if name in vars(model)
        or inspect.getattr_static(kind, name, None) is not inspect.getattr_static(known, name, None)
    ]


def check_answers(model: Any, known: type, names: Iterable[str]) -> None:
    """Refuse a model that replaces methods of the `known` class, from which its answers come.

    Parameters
    ----------
    model : object
        Fitted.
    known : type
        The library's class that it is an instance of.
    names : iterable of str
        The methods.

    Raises
    ------
    UnsupportedModelError
        Naming the class and the methods.
    """
    if replaced := replaced_methods(model, known, names):
        kind = type(model)
        raise UnsupportedModelError(
            f"{kind.__module__}.{kind.__qualname__} replaces {', '.join(replaced)} of {known.__name__}, so that its "
            f"answers may differ. Supported: subclasses that keep these methods, and {known.__name__} itself."
        )
