"""Errors and warnings that sktensor raises on its own account."""

from __future__ import annotations

__all__ = ["DeviceWarning", "PerformanceWarning", "UnsupportedModelError", "VerificationError"]


class UnsupportedModelError(ValueError):
    """The model, or one of its settings, cannot be reproduced bit for bit.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from sktensor import UnsupportedModelError, extract_forest
    >>> try:
    ...     extract_forest(LinearRegression())
    ... except UnsupportedModelError as error:
    ...     print("refused by name:", "LinearRegression" in str(error))
    refused by name: True
    """


class VerificationError(RuntimeError):
    """The compiled program and the wrapped model disagree on the probe set.

    Examples
    --------
    >>> from sktensor import VerificationError
    >>> issubclass(VerificationError, RuntimeError)
    True
    """


class DeviceWarning(UserWarning):
    """The requested device is not there and another one is used instead.

    Examples
    --------
    >>> from sktensor import DeviceWarning
    >>> issubclass(DeviceWarning, UserWarning)
    True
    """


class PerformanceWarning(UserWarning):
    """The answer is right, but a faster way exists that this installation lacks.

    Examples
    --------
    >>> from sktensor import PerformanceWarning
    >>> issubclass(PerformanceWarning, UserWarning)
    True
    """
