"""Errors and warnings that sktensor raises on its own account."""

from __future__ import annotations

__all__ = [
    "DeviceWarning",
    "InconsistentVersionWarning",
    "PerformanceWarning",
    "UnsupportedModelError",
    "VerificationError",
]


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


class InconsistentVersionWarning(UserWarning):
    """A pickle was written by another version of sktensor than the one that reads it.

    scikit-learn has a warning of the same name for its own estimators, of which a pickle may give one more.

    Parameters
    ----------
    estimator_name : str
        The class of the object that was read.
    current_sktensor_version : str
        The version that reads.
    original_sktensor_version : str
        The version that wrote.

    Examples
    --------
    >>> from sktensor import InconsistentVersionWarning
    >>> print(InconsistentVersionWarning("TensorizedEstimator", "1.2.0", "1.1.0"))
    This pickle was written by sktensor 1.1.0 and is read by sktensor 1.2.0. ...
    """

    def __init__(self, estimator_name: str, current_sktensor_version: str, original_sktensor_version: str) -> None:
        # All of it, so that the warning itself can be copied and pickled.
        super().__init__(estimator_name, current_sktensor_version, original_sktensor_version)
        self.estimator_name = estimator_name
        self.current_sktensor_version = current_sktensor_version
        self.original_sktensor_version = original_sktensor_version

    def __str__(self) -> str:
        return (
            f"This pickle was written by sktensor {self.original_sktensor_version} and is read by sktensor "
            f"{self.current_sktensor_version}. Its answers may differ from those of before: wrap the original model "
            "again, or keep estimators with sktensor.save, whose files are read by all later versions."
        )


class PerformanceWarning(UserWarning):
    """The answer is right, but a faster way exists that this installation lacks.

    Examples
    --------
    >>> from sktensor import PerformanceWarning
    >>> issubclass(PerformanceWarning, UserWarning)
    True
    """
