"""The neutral forest: what every library's trees become, and all that a strategy may know."""

from sktensor.forest.forest import EXCEEDS, HASH, IS_HASH, KEY_FACTOR, Forest
from sktensor.forest.specs import NO_FLUSH, TINY, Decision, InputSpec, Link, LogProba, OutputSpec, Proba
from sktensor.forest.trees import Trees

__all__ = [
    "EXCEEDS",
    "HASH",
    "IS_HASH",
    "KEY_FACTOR",
    "NO_FLUSH",
    "TINY",
    "Decision",
    "Forest",
    "InputSpec",
    "Link",
    "LogProba",
    "OutputSpec",
    "Proba",
    "Trees",
]
