"""How a fitted transformer finds the description of its structure."""

from __future__ import annotations

import importlib
from typing import Any

from sktensor.pipelines.structure import Description

__all__ = ["description_of", "register_transformer"]

BUILT_IN = {"sklearn": "sktensor.pipelines.transformers"}

_registered: dict[str, Description] = {}


def register_transformer(package: str, describe: Description) -> None:
    """Register what describes the structure of a package's transformers, so that they can be folded into forests.

    Parameters
    ----------
    package : str
        The top-level package of the transformers' classes, for instance ``"feature_engine"``.
    describe : callable
        ``describe(transformer, columns)`` returns the :class:`~sktensor.extending.Column` objects of what the fitted
        transformer gives, made of those that it is given by their methods ``monotone``, ``decreasing`` and ``pieces``,
        or None where the transformer has to be run. It is called with objects of the package's own classes only: what
        a subclass elsewhere may have changed is run. It takes precedence over a built-in one.

    Raises
    ------
    TypeError
        If `package` is no name or `describe` cannot be called.

    See Also
    --------
    sktensor.testing.check_transformer : Holds a description against the transformer.

    Examples
    --------
    >>> from sktensor import register_transformer
    >>> def describe(transformer, columns):
    ...     return [column.monotone() for column in columns] if type(transformer).__name__ == "Scaler" else None
    >>> register_transformer("some_package", describe)
    """
    if not isinstance(package, str) or not package or "." in package:
        raise TypeError(f"package must be the name of a top-level package, got {package!r}.")
    if not callable(describe):
        raise TypeError(f"describe must be a function of a transformer and its columns, got {describe!r}.")
    _registered[package] = describe


def description_of(transformer: Any) -> Description | None:
    """What describes a transformer, by the package of its own class; None where nobody does."""
    package = type(transformer).__module__.partition(".")[0]
    if package in _registered:
        return _registered[package]
    if package in BUILT_IN:
        found: Description = importlib.import_module(BUILT_IN[package]).describe
        return found
    return None
