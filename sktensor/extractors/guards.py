"""Guards of the extractors: damaged models, and classes that replace a library's answers."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.exceptions import NotFittedError

from sktensor.errors import UnsupportedModelError

__all__ = ["check_answers", "reading", "replaced_methods"]


@contextmanager
def reading(model: str) -> Iterator[None]:
    """Say that a model cannot be read where something in it is missing, or is not what it has to be.

    Parameters
    ----------
    model : str
        What is read, for instance ``"saved XGBoost model"``.

    Raises
    ------
    ValueError
        In place of any error that is none, with what that one says.
    """
    try:
        yield
    except (UnsupportedModelError, NotFittedError):
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        if type(error) is ValueError:  # which says what is wrong, be it with an argument
            error.add_note(f"This came up in the {model}.")
            raise
        raise ValueError(f"The {model} cannot be read: {type(error).__name__}: {error}") from error


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
