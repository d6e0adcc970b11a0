"""What engines are asked about: a forest, and what is told from it once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sktensor.forest import Forest
from sktensor.strategies.costs import Shape

__all__ = ["Workload"]


@dataclass(frozen=True, eq=False)
class Workload:
    """A forest to run.

    Parameters
    ----------
    forest : Forest
        Its trees and rules.
    model : object, optional
        The fitted model that it was made of, where that is at hand.
    extractor : Extractor, optional
        What made it; its ``predict_raw`` and ``predict_leaves`` ask the library.
    """

    forest: Forest
    model: Any = None
    extractor: Any = None

    @cached_property
    def shape(self) -> Shape:
        """Depths and leaf counts of the trees."""
        return Shape.of(self.forest.trees)

    @cached_property
    def width(self) -> int:
        """What a row holds beside the strategy's own memory: its columns, its outputs, its questions of categories."""
        n_questions = 0 if self.forest.trees.is_cat is None else int(np.count_nonzero(self.forest.trees.is_cat))
        return self.forest.trees.n_columns + self.forest.n_outputs + 3 * n_questions

    @cached_property
    def sum_steps(self) -> int:
        """Additions that follow each other in a sum: the trees of the output that has the most."""
        if self.forest.trees.leaf_value.shape[1] > 1 or self.forest.n_outputs == 1:
            return self.forest.n_trees
        return int(np.bincount(np.maximum(self.forest.trees.tree_target, 0), minlength=1).max())
