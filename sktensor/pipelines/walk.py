"""The way of columns through the steps of a pipeline: which can be folded, and what has to be run."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from sklearn.utils import _safe_indexing

from sktensor.pipelines.registry import description_of
from sktensor.pipelines.structure import Column, Transform

__all__ = ["Note", "Opaque", "Passed", "way_through"]


@dataclass(frozen=True, eq=False)
class Opaque:
    """A column that steps give which are run.

    Attributes
    ----------
    run : callable
        From rows of X to what these steps give.
    number : int
        Which column of that.
    """

    run: Transform
    number: int


Passed: TypeAlias = Column | Opaque


@dataclass(frozen=True)
class Note:
    """What becomes of a step, for ``explain_plan``.

    Attributes
    ----------
    name : str
        Its name, with those of the steps that it is in.
    step : str
        Its class.
    columns : tuple of int
        The columns of X that it is given, as far as they are known.
    why_run : str
        Why it is run; empty where it is folded.
    """

    name: str
    step: str
    columns: tuple[int, ...]
    why_run: str = ""


class _Unknown(Exception):
    """How many columns a step gives is not known."""


def way_through(steps: list[tuple[str, Any]], n_columns: int) -> tuple[list[Passed] | None, list[Note]]:
    """The columns that the last of some steps gives.

    Parameters
    ----------
    steps : list of (str, transformer)
        Fitted, in their order.
    n_columns : int
        Columns of X.

    Returns
    -------
    columns : list of Column or Opaque, or None
        None where nobody can say.
    notes : list of Note
        One for each transformer.
    """
    notes: list[Note] = []
    columns: list[Passed] = [Column(j, "monotone", (_as_given, j)) for j in range(n_columns)]
    try:
        return _chain(steps, columns, _as_given, "", notes, None), notes
    except _Unknown:
        return None, notes


def _as_given(X: Any) -> Any:
    return X


def _chain(
    steps: list[tuple[str, Any]],
    columns: list[Passed],
    given: Transform,
    name: str,
    notes: list[Note],
    n_out: int | None,
) -> list[Passed]:
    """What steps one after the other give."""
    steps = [(key, step) for key, step in steps if not _passes(step)]
    for i, (key, step) in enumerate(steps):
        known = n_out if i == len(steps) - 1 else getattr(steps[i + 1][1], "n_features_in_", None)
        columns, given = _step(step, columns, given, f"{name}{key}", notes, known)
    return columns


def _passes(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


def _step(
    step: Any, columns: list[Passed], given: Transform, name: str, notes: list[Note], n_out: int | None
) -> tuple[list[Passed], Transform]:
    """What one step gives, and how to have it transform rows of X."""
    of_sklearn = type(step).__module__.partition(".")[0] == "sklearn"
    kind = type(step).__name__ if of_sklearn else ""
    if kind == "FrozenEstimator":
        return _step(step.estimator, columns, given, name, notes, n_out)
    if kind == "Pipeline":
        return _chain(step.steps, columns, given, f"{name}__", notes, n_out), _after(step, given)
    if kind == "ColumnTransformer":
        return _column_transformer(step, columns, given, name, notes)
    if kind == "FeatureUnion":
        return _feature_union(step, columns, given, name, notes)
    run = _after(step, given)
    found, why = _described(step, columns)
    sources = tuple(sorted({column.source for column in columns if isinstance(column, Column)}))
    notes.append(Note(name, type(step).__name__, sources, why))
    if found is None:
        return _opaque(run, n_out), run
    if any(isinstance(column, Opaque) for column in found):  # chosen from columns of which some are run
        return list(found), run
    return [replace(column, stage=(run, j)) for j, column in enumerate(found)], run


def _after(step: Any, given: Transform) -> Transform:
    return lambda X: step.transform(given(X))


def _opaque(run: Transform, n_out: int | None) -> list[Passed]:
    if n_out is None:
        raise _Unknown
    return [Opaque(run, k) for k in range(n_out)]


def _described(step: Any, columns: list[Passed]) -> tuple[list[Any] | None, str]:
    """The columns that a step gives by its description, or why there is none."""
    describe = description_of(step)
    if describe is None:
        return None, "nobody has described its structure: see register_transformer"
    if any(isinstance(column, Opaque) for column in columns) and not hasattr(step, "get_support"):
        return None, "a step before it is run"
    found = describe(step, columns)  # type: ignore[arg-type]
    return found, "" if found is not None else "what it gives is no function of single columns that can be folded"


def _column_transformer(
    step: Any, columns: list[Passed], given: Transform, name: str, notes: list[Note]
) -> tuple[list[Passed], Transform]:
    """What transformers of some columns each give, one behind the other [sklearn/compose/_column_transformer.py]."""
    run = _after(step, given)
    indices = getattr(step, "_transformer_to_input_indices", None)
    slices = getattr(step, "output_indices_", None)
    if indices is None or slices is None:
        raise _Unknown
    found: list[Passed] = []
    reduced, folded = [], []
    for key, transformer, chosen in step.transformers_:
        where, width = list(indices[key]), slices[key].stop - slices[key].start
        if isinstance(transformer, str) and transformer == "drop":
            reduced.append((key, transformer, chosen))
            continue
        if not width:
            reduced.append((key, transformer, chosen))
            continue
        of_branch: Transform = _columns_of(given, where)
        inside = [columns[j] for j in where]
        is_series = isinstance(chosen, str) or (np.ndim(chosen) == 0 and not isinstance(chosen, slice))
        if _is_identity(transformer):
            passed: list[Passed] = inside
        elif is_series:  # such a transformer is given a series
            notes.append(Note(f"{name}__{key}", type(transformer).__name__, tuple(where), "it is given one series"))
            passed = _opaque(_after(transformer, _series_of(given, where[0])), width)
        else:
            passed, _ = _step(transformer, inside, of_branch, f"{name}__{key}", notes, width)
        if len(passed) != width:
            raise _Unknown
        is_run = any(isinstance(column, Opaque) for column in passed)
        reduced.append((key, "drop" if is_run else transformer, chosen))
        folded += [not is_run] * width
        found += passed
    if not all(folded):
        # Branches that are run are not run for the sake of the others.
        partial = copy.copy(step)
        partial.transformers_ = reduced
        run_folded = _after(partial, given)
    else:
        run_folded = run
    place = np.cumsum(folded) - 1
    return [
        replace(column, stage=(run_folded, int(place[i]))) if folded[i] and isinstance(column, Column) else column
        for i, column in enumerate(found)
    ], run


def _is_identity(transformer: Any) -> bool:
    """Whether a branch hands its columns on; scikit-learn keeps a FunctionTransformer for "passthrough"."""
    return _passes(transformer) or (
        type(transformer).__name__ == "FunctionTransformer" and transformer.func is None and not transformer.validate
    )


def _columns_of(given: Transform, where: list[int]) -> Transform:
    return lambda X: _safe_indexing(given(X), where, axis=1)


def _series_of(given: Transform, where: int) -> Transform:
    return lambda X: _safe_indexing(given(X), where, axis=1)


def _feature_union(
    step: Any, columns: list[Passed], given: Transform, name: str, notes: list[Note]
) -> tuple[list[Passed], Transform]:
    """What several transformers give of the same columns."""
    run = _after(step, given)
    found: list[Passed] = []
    for key, transformer in step.transformer_list:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        if _is_identity(transformer):
            found += columns
            continue
        passed, _ = _step(transformer, columns, given, f"{name}__{key}", notes, None)
        found += passed
    if any(isinstance(column, Opaque) for column in found):
        raise _Unknown
    return [
        replace(column, stage=(run, j)) if isinstance(column, Column) else column for j, column in enumerate(found)
    ], run
