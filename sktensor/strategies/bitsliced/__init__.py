"""Bitsliced evaluation: the ranks of 64 rows in a word, and trees as circuits over their bits."""

from sktensor.strategies.bitsliced.circuits import CodeNodes
from sktensor.strategies.bitsliced.strategy import (
    MOST_LEAVES,
    BitslicedTables,
    CircuitTables,
    compile,
    compile_circuits,
    cost,
    run,
)

__all__ = ["MOST_LEAVES", "BitslicedTables", "CircuitTables", "CodeNodes", "compile", "compile_circuits", "cost", "run"]
