"""Steps folded into the forest behind them: the same trees and leaves, other questions, of the columns of X.

A node asks whether ``z[j] < t``, where ``z`` is what the steps give. For which numbers, or categories, of a column of X
that is so, the fitted steps say themselves: nothing of their arithmetic is written here. For columns that are monotone
in one of X, the smallest number for which it is not so is found by bisection; in any other case the numbers of that
column fall into bins within which every answer is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn

from sktensor.errors import UnsupportedModelError
from sktensor.forest import Forest, InputSpec
from sktensor.forest.views import NumberView, StepView, View
from sktensor.pipelines.features import check_inputs
from sktensor.pipelines.limits import finite_limits
from sktensor.pipelines.numbers import NumericViews
from sktensor.pipelines.oracle import Oracle, Probe
from sktensor.pipelines.questions import Questions, ViewNumbers
from sktensor.pipelines.search import Places
from sktensor.pipelines.structure import Column, Transform
from sktensor.pipelines.texts import add_text_views
from sktensor.pipelines.walk import Opaque, Way

__all__ = ["Folded", "fold"]

Array = npt.NDArray[Any]

# Dtypes of which float32 holds all numbers.
EXACT_IN_FLOAT32 = ("float32", "int8", "uint8", "int16", "uint16", "bool")


@dataclass(frozen=True)
class Folded:
    """A forest that answers for steps and the model behind them.

    Attributes
    ----------
    forest : Forest
        Its columns are the views.
    views : tuple of View
        What they are made of.
    lowest, highest : ndarray of float64, shape (F,)
        Numbers of a column of X between which the steps and the model take them, these included.
    takes_missing : ndarray of bool, shape (F,)
        Whether they take missing numbers there.
    runs : tuple of (callable, ndarray of int)
        What gives the columns of :class:`StepView`, one block behind the other, and which of its columns they are.
    columns : tuple of int
        The columns of X that the folded steps look at.
    run_names : tuple of str
        What the columns of :class:`StepView` are called.
    """

    forest: Forest
    views: tuple[View, ...]
    lowest: Array
    highest: Array
    takes_missing: Array
    runs: tuple[tuple[Transform, Array], ...] = ()
    columns: tuple[int, ...] = ()
    run_names: tuple[str, ...] = ()


def fold(way: Way, forest: Forest, probe: Probe, n_columns: int) -> Folded:
    """Fold steps into the forest behind them.

    Parameters
    ----------
    way : Way
        What becomes of the columns of X: one for each column of `forest`.
    forest : Forest
        The last step's.
    probe : Probe
        The rows that it is for.
    n_columns : int
        Columns of X.

    Returns
    -------
    Folded

    Raises
    ------
    UnsupportedModelError
        If these steps have to be run for such rows, saying why.
    """
    check_inputs(forest)
    columns = way.columns or []
    if len(columns) != forest.n_features:
        raise UnsupportedModelError(f"the steps give {len(columns)} columns, and the model has {forest.n_features}")
    if forest.inputs.reads_values:
        _check_categories(columns, forest)
    if not len(forest.trees.used_columns):
        raise UnsupportedModelError("its trees ask nothing")
    if all(isinstance(column, Opaque) for column in columns):
        raise UnsupportedModelError("all steps are run")
    oracle, questions, views = Oracle(way, forest, probe), Questions(forest.trees), ViewNumbers()
    with np.errstate(all="ignore"), sklearn.config_context(assume_finite=True):
        lowest, highest = finite_limits(oracle, n_columns)
        places = Places(oracle, questions)
    missing = oracle.missing_numbers()
    takes_missing = np.ones(n_columns, dtype=bool)  # where no step looks
    takes_missing[list(oracle.numeric)] = [missing.get(c) is not None for c in oracle.numeric]
    numeric = NumericViews(oracle, questions, places, views, lowest, highest)
    with np.errstate(all="ignore"), sklearn.config_context(assume_finite=True):
        for c in oracle.numeric:
            numeric.add(c, missing.get(c))
    add_text_views(oracle, questions, views)
    runs, run_names = _add_step_views(oracle, questions, views)
    if not views.all:
        raise UnsupportedModelError("the trees ask nothing of what the steps give")
    trees = questions.trees(len(views.all), _feature_dtype(oracle, views.all))
    inputs = InputSpec(
        n_features=len(views.all), no_rows=forest.inputs.no_rows, accepts_margin=forest.inputs.accepts_margin
    )
    return Folded(
        forest=Forest(trees=trees, inputs=inputs, outputs=forest.outputs).validate(),
        views=tuple(views.all),
        lowest=lowest,
        highest=highest,
        takes_missing=takes_missing,
        runs=runs,
        columns=tuple(sorted(oracle.looked_at)),
        run_names=run_names,
    )


def _check_categories(columns: Sequence[Column | Opaque], forest: Forest) -> None:
    """Refuse numbers that the last step takes for categories, unless a step before it gives a few of them alone.

    Steps that are run give columns of other numbers than the last step's, by which its categories are known.
    """
    for column, table in zip(columns, forest.inputs.categories or (), strict=True):
        if isinstance(column, Opaque):
            raise UnsupportedModelError("it looks up categories of its own beside columns of steps that are run")
        if table is not None and column.kind != "pieces":
            raise UnsupportedModelError(f"it takes the numbers in column {column.source} for categories")


def _add_step_views(
    oracle: Oracle, questions: Questions, views: ViewNumbers
) -> tuple[tuple[tuple[Transform, Array], ...], tuple[str, ...]]:
    """Have the nodes of columns that are run ask what they asked before; what gives these columns, and their names."""
    blocks: dict[int, tuple[Transform, list[tuple[int, int]]]] = {}
    for j in oracle.run:
        column = oracle.columns[j]
        assert isinstance(column, Opaque)
        blocks.setdefault(id(column.run), (column.run, []))[1].append((j, column.number))
    names: list[str] = []
    runs = []
    for run, block in blocks.values():
        for j, _ in block:
            questions.ask_as_before(j, views.number_of(StepView(len(names))))
            names.append(oracle.columns[j].name)  # type: ignore[union-attr]
        runs.append((_in_kind(run, oracle.sparse_type), np.array([number for _, number in block], dtype=np.intp)))
    return tuple(runs), tuple(names)


def _in_kind(run: Transform, sparse_type: Any) -> Transform:
    """What steps give, as the matrix that the model is given holds it [sklearn/compose/_column_transformer.py _hstack].

    That decides whether a zero is an absent entry.
    """

    def given(X: Any) -> Any:
        found = run(X)
        if hasattr(found, "tocsr"):
            return found if sparse_type else found.toarray()
        return sparse_type(np.asarray(found)) if sparse_type else found

    return given


def _feature_dtype(oracle: Oracle, views: list[View]) -> str:
    """The dtype of the folded forest's columns: float32 where that holds all of them."""
    used = {view.column for view in views if isinstance(view, NumberView)}
    if any(str(oracle.numeric[c].dtype) not in EXACT_IN_FLOAT32 for c in used):
        return "float64"
    if any(isinstance(view, StepView) for view in views) and oracle.forest.trees.feature_dtype == "float64":
        return "float64"
    return "float32"
