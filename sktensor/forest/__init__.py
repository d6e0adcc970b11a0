"""The neutral forest: what every library's trees become, and all that a strategy may know."""

from sktensor.forest.forest import EXCEEDS, HASH, IS_HASH, KEY_FACTOR, TINY, Decision, Forest, Link, LogProba, Proba

__all__ = ["EXCEEDS", "HASH", "IS_HASH", "KEY_FACTOR", "TINY", "Decision", "Forest", "Link", "LogProba", "Proba"]
