"""What becomes of the errors that Python raises on the way through a damaged model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.exceptions import NotFittedError

from sktensor.errors import UnsupportedModelError

__all__ = ["reading"]


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
