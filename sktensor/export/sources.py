"""What is exported of a model: one forest, and what its columns are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sktensor.errors import UnsupportedModelError
from sktensor.estimator import TensorizedEstimator
from sktensor.estimator.fitted import library_methods
from sktensor.estimator.pipeline import PipelineProgram
from sktensor.estimator.saved_pipeline import SavedPipeline
from sktensor.forest import Forest
from sktensor.forest.views import CategoryView, NumberView, View
from sktensor.registry import find_extractor, forest_of

__all__ = ["Source", "TableView", "source_of"]

# The dtypes of arrays and columns of numbers that graphs take.
NUMBERS = ("float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool")


@dataclass(frozen=True, eq=False)
class TableView:
    """The places of a column's values in a table of categories.

    Attributes
    ----------
    column : int
        Which of X.
    table : ndarray
        Distinct values, of text or numbers; a value that it lacks is missing.
    """

    column: int
    table: Any


@dataclass(frozen=True, eq=False)
class Source:
    """What is exported.

    Attributes
    ----------
    name : str
        The model's class, for errors.
    forest : Forest
        Its columns are the views.
    views : tuple of View or TableView, optional
        What its columns are made of; None where they are those of X.
    dtypes : tuple of str
        Of an array one for all columns, of a frame one for each: numbers, or ``"text"``.
    names : tuple of str, optional
        Of a frame's columns; None for arrays.
    methods : frozenset of str
        What the library makes of leaves itself.
    n_columns : int
        Columns of X.
    """

    name: str
    forest: Forest
    views: tuple[View | TableView, ...] | None
    dtypes: tuple[str, ...]
    names: tuple[str, ...] | None = None
    methods: frozenset[str] = frozenset()
    n_columns: int = 0


def source_of(model: Any, X: Any, to: str) -> Source:
    """What is exported of a model for rows like X.

    Parameters
    ----------
    model : object
        Fitted: an estimator, a pipeline, a booster, a forest, or a wrapper around one.
    X : array-like or data frame, optional
        Some rows, whose dtypes and names are looked at.
    to : str
        Where it goes, for errors.

    Returns
    -------
    Source

    Raises
    ------
    UnsupportedModelError
        If the model is no single forest.
    """
    name = type(model).__name__
    names, dtypes = _layout(X)
    if isinstance(model, Forest):
        return _of_forest("this forest", model, names, dtypes, frozenset())
    while True:
        if isinstance(model, TensorizedEstimator):
            if isinstance(model._compiled(), SavedPipeline):
                raise UnsupportedModelError(
                    f"A pipeline that sktensor.save has kept has no steps any more that could be folded for {to}. "
                    "Export the pipeline that was saved."
                )
            model = model.estimator_
        extractor = find_extractor(model)
        if hasattr(extractor, "steps") and extractor.steps(model) is not None:
            return _of_pipeline(name, model, X, names, dtypes, to)
        where = extractor.submodels(model) if hasattr(extractor, "submodels") else None
        if where is None:
            forest = forest_of(model, extractor)
            return _of_forest(name, forest, names, dtypes, frozenset(library_methods(model)))
        if not where.delegates or where.rows is not None:
            raise UnsupportedModelError(
                f"{name} combines other models ({', '.join(where.attributes)}), and {to} is made of one forest alone. "
                "Export these one by one, and combine what they give as it does."
            )
        model = getattr(model, where.attributes[0])


def _layout(X: Any) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Names and dtypes of the columns of rows like X; those of float64 arrays without any."""
    if X is None:
        return None, ("float64",)
    if not hasattr(X, "columns"):
        dtype = np.asarray(X).dtype.name
        if dtype not in NUMBERS:
            raise ValueError(f"X is an array of {dtype}. Give numbers, or a data frame, whose columns become inputs.")
        return None, (dtype,)
    names = tuple(map(str, X.columns))
    return names, tuple(_dtype_of(X[name]) for name in X.columns)


def _dtype_of(column: Any) -> str:
    dtype = str(column.dtype)
    known = {"Boolean": "bool"}.get(dtype, dtype.lower() if dtype[:1] in "FIU" else dtype)
    if known in NUMBERS:
        return known
    categories = getattr(getattr(column, "cat", None), "categories", None)
    if categories is not None and getattr(getattr(categories, "dtype", None), "kind", "O") in "iuf":
        return str(categories.dtype)
    return "text"


def _of_forest(
    name: str, forest: Forest, names: tuple[str, ...] | None, dtypes: tuple[str, ...], methods: frozenset[str]
) -> Source:
    if forest.inputs.derived_key is not None or forest.inputs.hashed is not None:
        raise UnsupportedModelError(
            f"{name} looks up columns of categories by CatBoost's hash of their text, which has no operator elsewhere. "
            "Fit it on columns of numbers (OrdinalEncoder, TargetEncoder), or predict with sktensor."
        )
    if names is not None and len(names) != forest.n_features:
        raise ValueError(f"X has {len(names)} columns, and {name} was fitted on {forest.n_features}.")
    tables = _tables(forest, names, dtypes)
    views: tuple[View | TableView, ...] | None = None
    if names is not None or any(table is not None for table in tables):
        views = tuple(NumberView(c) if t is None else TableView(c, t) for c, t in enumerate(tables))
    for c, table in enumerate(tables):
        text = (dtypes[c] if names is not None else "numbers") == "text"
        if table is None and text:
            raise UnsupportedModelError(f"Column {names[c]!r} holds text, which {name} takes for no category.")  # type: ignore[index]
        if table is not None and all(isinstance(v, str) for v in table.tolist()) and not text:
            raise UnsupportedModelError(f"{name} takes text in column {c}. Give X as a data frame with it.")
    return Source(name, forest, views, dtypes, names, methods, forest.n_features)


def _tables(forest: Forest, names: tuple[str, ...] | None, dtypes: tuple[str, ...]) -> list[Any]:
    """The table that each column's values are looked up in, or None."""
    tables = forest.inputs.categories
    if tables is None or (names is None and not forest.inputs.values_in_arrays):
        return [None] * forest.n_features  # arrays hold the numbers of categories
    if forest.inputs.categories_in_order:
        of_columns = iter([table for table in tables if table is not None])
        return [next(of_columns, None) if dtype == "text" else None for dtype in dtypes]
    return list(tables)


def _of_pipeline(
    name: str, model: Any, X: Any, names: tuple[str, ...] | None, dtypes: tuple[str, ...], to: str
) -> Source:
    program = TensorizedEstimator(model)._compiled()
    assert isinstance(program, PipelineProgram)
    if program.hands_on:
        return source_of(program.last, X, to)
    if X is None:
        if program.kinds.names is not None:
            raise ValueError(f"{name} was fitted on a data frame. Give X, some rows like those of training.")
        X = np.zeros((1, max(program.kinds.n_columns, 1)))
    X = X if hasattr(X, "columns") else np.asarray(X)
    program.fold_for(X)
    kind = program.kinds.of(X)
    ready = None if kind is None else program.folded().get(kind[0])
    if ready is None or ready.folded.runs:
        run = [f"{note.name} ({note.step}), since {note.why_run}" for note in program.notes if note.why_run]
        why = "; ".join(run) or program.why_run or "rows like X cannot be read without its steps"
        raise UnsupportedModelError(
            f"{name} has steps that do not fold into its forest: {why}. Export the last step alone, and give the graph "
            "what the steps give."
        )
    methods, n_columns = frozenset(library_methods(program.last.estimator_)), program.kinds.n_columns
    if ready.in_place:
        return Source(name, ready.program.forest, None, dtypes, names, methods, n_columns)
    for view in ready.folded.views:
        if isinstance(view, CategoryView) and names is None:
            raise UnsupportedModelError(f"{name} takes text in column {view.column}. Give X as a data frame with it.")
    if names is not None and program.kinds.names is not None and names != program.kinds.names:
        at = [names.index(known) if known in names else -1 for known in program.kinds.names]
        dtypes = tuple(dtypes[i] if i >= 0 else "float64" for i in at)
        names = program.kinds.names
    return Source(name, ready.folded.forest, ready.folded.views, dtypes, names, methods, n_columns)
