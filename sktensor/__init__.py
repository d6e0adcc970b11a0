"""Tree ensembles as tensor programs: the same bits, faster, and still a scikit-learn estimator."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sktensor.errors import (
    DeviceWarning,
    InconsistentVersionWarning,
    PerformanceWarning,
    UnsupportedModelError,
    VerificationError,
)
from sktensor.forest import Forest
from sktensor.registry import extract_forest, register_extractor

if TYPE_CHECKING:
    from sktensor.estimator import TensorizedEstimator
    from sktensor.persistence import load, save
    from sktensor.pipelines import register_transformer
    from sktensor.strategies import register_strategy
    from sktensor.torch_module import tensorize
    from sktensor.versions import show_versions

__version__ = "0.1.0.dev0"

__all__ = [
    "DeviceWarning",
    "Forest",
    "InconsistentVersionWarning",
    "PerformanceWarning",
    "TensorizedEstimator",
    "UnsupportedModelError",
    "VerificationError",
    "extract_forest",
    "load",
    "register_extractor",
    "register_strategy",
    "register_transformer",
    "save",
    "show_versions",
    "tensorize",
]

# Loaded when first asked for: they bring scikit-learn or torch along.
_LAZY = {
    "TensorizedEstimator": "sktensor.estimator",
    "load": "sktensor.persistence",
    "register_strategy": "sktensor.strategies",
    "register_transformer": "sktensor.pipelines",
    "save": "sktensor.persistence",
    "show_versions": "sktensor.versions",
    "tensorize": "sktensor.torch_module",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
