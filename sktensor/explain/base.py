"""What computes SHAP values: the protocol that kernels and tensor code share."""

from __future__ import annotations

from typing import Any, Protocol

from sktensor.inputs.rows import Rows

__all__ = ["Explainer"]


class Explainer(Protocol):
    """SHAP values of the sums over a forest's trees, for a forest, its players and a game that are settled.

    Sizes: ``n`` rows, ``P`` players, ``K`` outputs of the forest. Answers are float64 arrays, or tensors on the device
    of tensor code.
    """

    def values(self, rows: Rows, n_threads: int) -> Any:
        """What each player adds to each sum, float64, shape (n, P, K)."""
        ...

    def interactions(self, rows: Rows, n_threads: int) -> Any:
        """What each pair of players adds to each sum, float64, shape (n, P, P, K).

        An entry off the diagonal is half of a pair's interaction; the entries of a player add up to its value.
        """
        ...
