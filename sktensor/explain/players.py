"""Who plays: which columns of a forest's trees are one player, and which inputs a player's value belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.forest import HASH, Forest
from sktensor.forest.views import StepView, View

__all__ = ["Players", "players_of_columns", "players_of_views"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Players:
    """The players of a forest's game.

    Attributes
    ----------
    of_column : ndarray of int32, shape (n_columns,)
        The player that each column of the trees belongs to.
    inputs : tuple of tuple of int
        The inputs that share the value of each player, equally.
    n_inputs : int
        Inputs that values are reported for, ``F``.
    """

    of_column: Array
    inputs: tuple[tuple[int, ...], ...]
    n_inputs: int

    @property
    def n_players(self) -> int:
        """Number of players."""
        return len(self.inputs)

    @cached_property
    def are_inputs(self) -> bool:
        """Whether each input is one player, in their order."""
        return self.inputs == tuple((i,) for i in range(self.n_inputs))

    @cached_property
    def shares(self) -> bool:
        """Whether several inputs share the value of a player."""
        return any(len(inputs) > 1 for inputs in self.inputs)

    def by_input(self, values: Any) -> Any:
        """Values of players as values of inputs.

        Parameters
        ----------
        values : ndarray or Tensor of float64, shape (n, P, K) or (n, P, P, K)
            Of players, or of pairs of them where no value is shared.

        Returns
        -------
        ndarray or Tensor of float64, shape (n, F, K) or (n, F, F, K)
        """
        if self.are_inputs:
            return values
        for axis in range(1, values.ndim - 1):
            moved = values.swapaxes(0, axis)
            shape = (self.n_inputs, *moved.shape[1:])
            found = np.zeros(shape) if isinstance(values, np.ndarray) else values.new_zeros(shape)
            for player, inputs in enumerate(self.inputs):
                for i in inputs:
                    found[i] += moved[player] / len(inputs)
            values = found.swapaxes(0, axis)
        return values


def players_of_columns(forest: Forest) -> Players:
    """The players of a model: the columns of X.

    A column that CatBoost derives from statistics of categories belongs to the columns whose text it hashes; what it
    asks of numbers, or of categories that are otherwise compared as such, counts for nothing. Of several columns, each
    set is a player of its own, beside those that are single columns, and its value is theirs in equal parts
    [catboost/libs/fstr/shap_values.cpp, held against CatBoost's own values].
    """
    inputs, n_features = forest.inputs, forest.n_features
    found: dict[tuple[int, ...], int] = {(j,): j for j in range(n_features)}
    of_column = list(range(n_features))
    if inputs.derived_key is not None:
        assert inputs.key_off is not None and inputs.key_column is not None and inputs.key_test is not None
        for key in inputs.derived_key:
            parts = slice(inputs.key_off[key], inputs.key_off[key + 1])
            hashed = inputs.key_column[parts][inputs.key_test[parts] == HASH]
            of_column.append(found.setdefault(tuple(sorted(set(hashed.tolist()))), len(found)))
    return Players(np.array(of_column, dtype=np.int32), tuple(found), n_features)


def players_of_views(views: Sequence[View], n_columns: int) -> Players:
    """The players of folded steps: the columns of X, whatever was derived from each, and then columns of steps.

    Parameters
    ----------
    views : sequence of View
        The columns that the trees look at.
    n_columns : int
        Columns of X.

    Returns
    -------
    Players
        Inputs are the columns of X, then the columns of :class:`StepView`, in the order of `views`.
    """
    steps = [view for view in views if isinstance(view, StepView)]
    place = {id(view): n_columns + i for i, view in enumerate(steps)}
    of_column = [place[id(view)] if isinstance(view, StepView) else view.column for view in views]
    n_inputs = n_columns + len(steps)
    return Players(np.array(of_column, dtype=np.int32), tuple((i,) for i in range(n_inputs)), n_inputs)
