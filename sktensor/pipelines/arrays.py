"""Pipelines as one forest of the columns of an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.forest import Forest, InputSpec
from sktensor.forest.transform import map_columns
from sktensor.forest.views import NumberView
from sktensor.pipelines.domains import Domain
from sktensor.pipelines.folding import Folded, fold
from sktensor.pipelines.walk import way_through
from sktensor.registry import Steps

__all__ = ["ArrayProbe", "forest_of_arrays", "in_place"]


@dataclass(frozen=True)
class ArrayProbe:
    """Arrays of a dtype, as folding asks for their rows.

    Attributes
    ----------
    dtype : str
        Numbers.
    n_columns : int
        How many columns they have.
    """

    dtype: str
    n_columns: int

    def domain(self, column: int) -> Domain:
        """The numbers that a column can hold."""
        return Domain(np.dtype(self.dtype))

    def missing(self, column: int) -> list[Any]:
        """No column is one of text."""
        return []

    def known(self, column: int, values: Sequence[Any]) -> list[Any]:
        """No column is one of text."""
        return []

    def rows(self, values: dict[int, Any], n_rows: int) -> npt.NDArray[Any]:
        """Rows with these values in some columns, and zeros in all others."""
        found = np.zeros((n_rows, self.n_columns), dtype=self.dtype)
        for column, given in values.items():
            found[:, column] = given
        return found


def in_place(folded: Folded, n_columns: int) -> Forest | None:
    """A folded forest over the columns of X itself; None where its views are not these.

    Parameters
    ----------
    folded : Folded
        Steps and a model.
    n_columns : int
        Columns of X.

    Returns
    -------
    Forest or None
    """
    if not all(isinstance(view, NumberView) and view.is_plain for view in folded.views):
        return None
    columns = np.array([view.column for view in folded.views], dtype=np.int64)  # type: ignore[union-attr]
    trees = map_columns(folded.forest.trees, columns, n_columns)
    looked_at = np.array(folded.columns, dtype=np.intp)
    inputs = InputSpec(
        n_features=n_columns,
        accepts_nan=bool(folded.takes_missing[looked_at].all()),
        accepts_inf=not len(looked_at),
        no_rows=folded.forest.inputs.no_rows,
        sparse_absent="refused",
        accepts_margin=folded.forest.inputs.accepts_margin,
    )
    return Forest(trees=trees, inputs=inputs, outputs=folded.forest.outputs).validate()


def forest_of_arrays(steps: Steps, forest: Forest, model: Any) -> Forest:
    """The forest of a pipeline, for arrays of float64.

    Parameters
    ----------
    steps : Steps
        Its steps.
    forest : Forest
        The last one's.
    model : estimator
        The pipeline, for errors.

    Returns
    -------
    Forest
        Over the columns of X, in float64.

    Raises
    ------
    UnsupportedModelError
        If some of the steps have to be run, or look values up, saying which.
    """
    n_columns = getattr(model, "n_features_in_", forest.n_features)
    way = way_through(list(steps.before), n_columns)
    why = next((f"its step {note.name!r} has to be run: {note.why_run}" for note in way.notes if note.why_run), "")
    found = None
    if way.columns is not None and not why:
        try:
            folded = fold(way, forest, ArrayProbe("float64", n_columns), n_columns)
            found = in_place(folded, n_columns)
        except UnsupportedModelError as error:
            why = str(error)
    if found is None:
        raise UnsupportedModelError(
            f"This {type(model).__name__} is not one forest over numbers: {why or 'its steps look values up'}. A "
            "TensorizedEstimator around it predicts as it does."
        )
    return found
