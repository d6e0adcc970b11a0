"""What extractors, strategies, engines and outputs are made of, for plug-in authors.

``sktensor.extending`` loads neither torch nor scikit-learn nor any model library. It has:

* :func:`~sktensor.register_extractor`, and the protocol ``Extractor`` with all that an extractor may say;
* ``Submodels``, where a model keeps the models that answer for it; ``Combination`` and ``Term``, the weighted sum of
  their answers that its own is;
* ``ColumnNames``, the names of columns that a model knows, and what its library does about those of a frame;
* ``Steps``, those of a fitted pipeline;
* :func:`~sktensor.register_transformer`, and ``Column``, of which descriptions of transformers are made;
* ``Fingerprint``, what another fit of a model replaces;
* ``Methods``, what a library makes of leaves or sums itself;
* :func:`~sktensor.register_strategy`, and the protocol ``Strategy``;
* ``Shape``, the depths and leaf counts of a forest's trees, and ``Cost``, what a strategy would take for them;
* the protocols ``Backend`` of an engine and ``Runner`` of what it builds, and ``BACKENDS``, every engine by its name;
* ``Workload``, what an engine is asked about, and ``Option``, what it could do;
* ``Output``, an answer of a forest, and ``OUTPUTS``, every one by its name.
"""

from __future__ import annotations

from sktensor.backends.base import BACKENDS, Backend, Runner
from sktensor.backends.workload import Workload
from sktensor.outputs import OUTPUTS, Output
from sktensor.pipelines.registry import register_transformer
from sktensor.pipelines.structure import Column
from sktensor.registry import (
    ColumnNames,
    Extractor,
    Fingerprint,
    Methods,
    Steps,
    Submodels,
    register_extractor,
)
from sktensor.strategies import Strategy, register_strategy
from sktensor.strategies.auto import Option
from sktensor.strategies.costs import Cost, Shape

__all__ = [
    "BACKENDS",
    "OUTPUTS",
    "Backend",
    "Column",
    "ColumnNames",
    "Cost",
    "Extractor",
    "Fingerprint",
    "Methods",
    "Option",
    "Output",
    "Runner",
    "Shape",
    "Steps",
    "Strategy",
    "Submodels",
    "Workload",
    "register_extractor",
    "register_strategy",
    "register_transformer",
]
