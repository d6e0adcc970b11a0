"""What authors of extractors, strategies, engines and outputs need, in one place.

Importing it loads neither torch nor scikit-learn nor any model library.
"""

from __future__ import annotations

from sktensor.backends.base import BACKENDS, Backend, Runner
from sktensor.backends.workload import Workload
from sktensor.outputs import OUTPUTS, Output
from sktensor.registry import ColumnNames, Extractor, Fingerprint, Submodels, register_extractor
from sktensor.strategies import Strategy, register_strategy
from sktensor.strategies.auto import Option
from sktensor.strategies.costs import Cost, Shape

__all__ = [
    "BACKENDS",
    "OUTPUTS",
    "Backend",
    "ColumnNames",
    "Cost",
    "Extractor",
    "Fingerprint",
    "Option",
    "Output",
    "Runner",
    "Shape",
    "Strategy",
    "Submodels",
    "Workload",
    "register_extractor",
    "register_strategy",
]
