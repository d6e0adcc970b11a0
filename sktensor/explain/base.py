"""What computes SHAP values, be it a kernel or tensor code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from sktensor.inputs.rows import Rows

__all__ = ["Explain", "Needed"]

Needed: TypeAlias = Literal["values", "contributions", "interactions"]
"""What is asked for: values of single players, the same beside base values in one array, or values of pairs."""

Explain: TypeAlias = Callable[[Rows, int], Any]
"""``explain(rows, n_threads)``: what each player adds to each sum over trees.

Of n rows, P players and K sums float64, shape (n, P, K); of pairs of players (n, P, P, K), where an entry off the
diagonal is half of a pair's interaction, and the entries of a player add up to its value. A tensor where the rows are
one and tensor code runs.
"""
