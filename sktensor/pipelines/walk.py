"""The way of columns through the steps of a pipeline: which can be folded, and what has to be run."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from sklearn.utils import _safe_indexing

from sktensor.pipelines.registry import description_of
from sktensor.pipelines.structure import Column, Transform

__all__ = ["Note", "Opaque", "Passed", "Way", "way_through"]


@dataclass(frozen=True, eq=False)
class Opaque:
    """A column that steps give which are run.

    Attributes
    ----------
    run : callable
        From rows of X to what these steps give.
    number : int
        Which column of that.
    name : str
        What to call it.
    """

    run: Transform
    number: int
    name: str = ""


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


@dataclass(frozen=True, eq=False)
class Way:
    """What becomes of columns and steps.

    Attributes
    ----------
    columns : list of Column or Opaque, or None
        What the last step gives; None where nobody can say.
    notes : list of Note
        One for each transformer.
    looked_at : list of Column
        What any folded step gives, be it dropped behind it: the step may refuse a value all the same.
    """

    columns: list[Passed] | None
    notes: list[Note]
    looked_at: list[Column]

    @property
    def sources(self) -> list[int]:
        """The columns of X that folded steps look at, or hand on."""
        given = [column for column in self.columns or () if isinstance(column, Column)]
        return sorted({column.source for column in (*given, *self.looked_at)})


def way_through(steps: list[tuple[str, Any]], n_columns: int) -> Way:
    """The columns that the last of some steps gives.

    Parameters
    ----------
    steps : list of (str, transformer)
        Fitted, in their order.
    n_columns : int
        Columns of X.

    Returns
    -------
    Way
    """
    way = Way([Column(j, "monotone", (_as_given, j)) for j in range(n_columns)], [], [])
    try:
        assert way.columns is not None
        return replace(way, columns=_chain(steps, way.columns, _as_given, "", way, None))
    except _Unknown:
        return replace(way, columns=None)


def _as_given(X: Any) -> Any:
    return X


def _chain(
    steps: list[tuple[str, Any]],
    columns: list[Passed],
    given: Transform,
    name: str,
    way: Way,
    n_out: int | None,
) -> list[Passed]:
    """What steps one after the other give."""
    steps = [(key, step) for key, step in steps if not _passes(step)]
    for i, (key, step) in enumerate(steps):
        known = n_out if i == len(steps) - 1 else getattr(steps[i + 1][1], "n_features_in_", None)
        columns, given = _step(step, columns, given, f"{name}{key}", way, known)
    return columns


def _passes(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


def _step(
    step: Any, columns: list[Passed], given: Transform, name: str, way: Way, n_out: int | None
) -> tuple[list[Passed], Transform]:
    """What one step gives, and how to have it transform rows of X."""
    of_sklearn = type(step).__module__.partition(".")[0] == "sklearn"
    kind = type(step).__name__ if of_sklearn else ""
    if kind == "FrozenEstimator":
        return _step(step.estimator, columns, given, name, way, n_out)
    if kind == "Pipeline":
        return _chain(step.steps, columns, given, f"{name}__", way, n_out), _after(step, given)
    if kind == "ColumnTransformer":
        return _column_transformer(step, columns, given, name, way)
    if kind == "FeatureUnion":
        return _feature_union(step, columns, given, name, way)
    run = _after(step, given)
    found, why = _described(step, columns)
    sources = tuple(sorted({column.source for column in columns if isinstance(column, Column)}))
    way.notes.append(Note(name, type(step).__name__, sources, why))
    if found is None:
        return _opaque(run, n_out, step, name), run
    given_on = [column.at((run, j)) for j, column in enumerate(found)]
    way.looked_at.extend(column for column in (*columns, *given_on) if isinstance(column, Column))
    return list(given_on), run


def _after(step: Any, given: Transform) -> Transform:
    return lambda X: step.transform(given(X))


def _opaque(run: Transform, n_out: int | None, step: Any, name: str) -> list[Passed]:
    """Columns of a step that is run, called after it and, where it knows them, their own names."""
    if n_out is None:
        raise _Unknown
    try:
        names = [str(one) for one in step.get_feature_names_out()]
    except Exception:  # of a step that has no names, or needs those of its input
        names = []
    if len(names) != n_out:
        names = [str(k) for k in range(n_out)]
    return [Opaque(run, k, f"{name}__{one}") for k, one in enumerate(names)]


def _described(step: Any, columns: list[Passed]) -> tuple[list[Any] | None, str]:
    """The columns that a step gives by its description, or why there is none."""
    describe = description_of(step)
    if describe is None:
        return None, "nobody has described its structure: see register_transformer"
    if any(isinstance(column, Opaque) for column in columns):
        return None, "a step before it is run"
    found = describe(step, columns)  # type: ignore[arg-type]
    if found is None:
        return None, "what it gives is no function of single columns that can be folded"
    kept = {column.source for column in found}
    given = {column.source for column in columns if isinstance(column, Column)}
    if not given <= kept and not _chooses(step):
        return None, "it looks at columns of which it gives nothing"
    return found, ""


def _chooses(step: Any) -> bool:
    """Whether a step looks at columns of which it gives nothing for nothing but that they are finite."""
    return hasattr(step, "get_support") or type(step).__name__ == "MissingIndicator"


def _column_transformer(
    step: Any, columns: list[Passed], given: Transform, name: str, way: Way
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
            if where:  # it may still refuse rows, or warn of them
                raise _Unknown
            reduced.append((key, transformer, chosen))
            continue
        of_branch: Transform = _columns_of(given, where)
        inside, n_looked_at = [columns[j] for j in where], len(way.looked_at)
        is_series = isinstance(chosen, str) or (np.ndim(chosen) == 0 and not isinstance(chosen, slice))
        if _is_identity(transformer):
            passed: list[Passed] = inside
        elif is_series:  # such a transformer is given a series
            way.notes.append(Note(f"{name}__{key}", type(transformer).__name__, tuple(where), "it is given one series"))
            run_series = _after(transformer, _series_of(given, where[0]))
            passed = _opaque(run_series, width, transformer, f"{name}__{key}")
        else:
            passed, _ = _step(transformer, inside, of_branch, f"{name}__{key}", way, width)
        if len(passed) != width:
            raise _Unknown
        if is_run := any(isinstance(column, Opaque) for column in passed):
            if any(column.unknown == "run" for column in way.looked_at[n_looked_at:]):
                raise _Unknown  # it would warn of the rows that folded steps are verified on
            del way.looked_at[n_looked_at:]  # by steps that are run: they refuse values themselves
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
        column.at((run_folded, int(place[i]))) if folded[i] and isinstance(column, Column) else column
        for i, column in enumerate(found)
    ], run


def _is_identity(transformer: Any) -> bool:
    """Whether a branch hands its columns on; scikit-learn keeps a FunctionTransformer for "passthrough"."""
    if _passes(transformer):
        return True
    return (
        type(transformer).__name__ == "FunctionTransformer"
        and description_of(transformer)(transformer, []) is not None  # type: ignore[misc]
        and not transformer.validate
    )


def _columns_of(given: Transform, where: list[int]) -> Transform:
    return lambda X: _safe_indexing(given(X), where, axis=1)


def _series_of(given: Transform, where: int) -> Transform:
    return lambda X: _safe_indexing(given(X), where, axis=1)


def _feature_union(
    step: Any, columns: list[Passed], given: Transform, name: str, way: Way
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
        passed, _ = _step(transformer, columns, given, f"{name}__{key}", way, None)
        found += passed
    if any(isinstance(column, Opaque) for column in found):
        raise _Unknown
    return [column.at((run, j)) if isinstance(column, Column) else column for j, column in enumerate(found)], run
