"""Optional packages."""

from __future__ import annotations

import importlib

__all__ = ["require"]


def require(package: str, function: str) -> None:
    """Import an optional package.

    Raises
    ------
    ImportError
        Saying how to get it.
    """
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{function} needs the package {package!r}, which is not installed: pip install {package}"
        ) from error
