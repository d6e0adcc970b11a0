"""Raw scores taken apart, for whatever is fitted: one forest, a pipeline, or a model of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sktensor.errors import UnsupportedModelError
from sktensor.estimator.composite import Composite
from sktensor.estimator.fitted import Fitted
from sktensor.estimator.folded_rows import Ready
from sktensor.estimator.pipeline import PipelineProgram
from sktensor.estimator.saved_pipeline import SavedPipeline
from sktensor.explain.attributions import Attribution, attribute
from sktensor.explain.base import Needed
from sktensor.explain.explainers import Background
from sktensor.forest import OutputSpec
from sktensor.forest.views import StepView
from sktensor.inputs.checks import margins
from sktensor.inputs.not_for_views import NotForViews
from sktensor.inputs.reading import read
from sktensor.inputs.rows import Rows
from sktensor.inputs.tensors import on_host
from sktensor.registry import Combination
from sktensor.runtime.settings import Settings

__all__ = ["attribution_of"]


def attribution_of(
    fitted: Fitted, settings: Settings, needed: Needed, X: Any, background: Any = None, base_margin: Any = None
) -> Attribution:
    """Take the raw scores of rows apart.

    Parameters
    ----------
    fitted : Fitted
        The model and its program.
    settings : Settings
        How it runs.
    needed : {"values", "contributions", "interactions"}
        Whether of inputs or of pairs of them, and whether base values are to have room beside them.
    X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
        The rows.
    background : array-like, data frame or sparse matrix, optional
        Rows that unknown columns are taken from.
    base_margin : array-like, optional
        Where the raw scores of each row start.

    Returns
    -------
    Attribution

    Raises
    ------
    UnsupportedModelError
        If there are none, saying why.
    """
    program: Any = fitted.program
    if isinstance(program, Composite):
        return _of_composite(program, settings, needed, X, background, base_margin)
    if isinstance(program, PipelineProgram):
        return _of_pipeline(program, settings, needed, X, background, base_margin)
    if isinstance(program, SavedPipeline):
        folded = program.folded_rows(on_host(X))
        return _of_folded(program, folded, _model(program.model), settings, needed, background, base_margin)
    forest = program.forest

    def rows_of(given: Any) -> Rows:
        return read(given, forest, program.names, fitted.columns, allow_nan=forest.inputs.accepts_nan)

    rows = rows_of(X)
    margin = None if base_margin is None else margins(base_margin, len(rows), forest, fitted.model)
    given = None if background is None else Background(rows_of(background))
    assert fitted.explainers is not None
    found = attribute(fitted.explainers, rows, settings, needed, _model(fitted.model), given, margin)
    return replace(found, names=_names(fitted.columns, program.names.names))


def _model(model: Any) -> str:
    """The class of a model, for errors; of one that comes from a file, the class that this names."""
    named = getattr(model, "model", None) if type(model).__name__ == "SavedModel" else None
    return str(named).rpartition(".")[2] if named else type(model).__name__


def _names(columns: Any, known: Sequence[Any] | None = None) -> Sequence[Any] | None:
    """The names of the columns that a model knows."""
    return vars(columns).get("feature_names_in_", known)  # type: ignore[no-any-return]


# --- pipelines --------------------------------------------------------------------------------------------------------


def _of_pipeline(
    program: PipelineProgram, settings: Settings, needed: Needed, X: Any, background: Any, base_margin: Any
) -> Attribution:
    """Of a pipeline: values of the columns of X where its steps are folded, else of what they give."""
    last = program.running(settings)
    try:
        found = program.folded_rows(on_host(X))
        if found is not None:
            model = type(program.model).__name__
            return _of_folded(program, found, model, settings, needed, background, base_margin, last._current())
    except NotForViews:
        program.run_steps(on_host(X))  # which most likely refuse these rows, in words of their own
        raise UnsupportedModelError(
            "X, or background, holds values that the folded steps of this pipeline do not know: unknown categories, "
            "missing or infinite numbers. Leave such rows out, or explain the last step alone on what the others make "
            "of them."
        ) from None
    given = program.run_steps(on_host(X))
    others = None if background is None else program.run_steps(on_host(background))
    found_by_last = attribution_of(last._current(), settings, needed, given, others, base_margin)
    names = found_by_last.names
    if names is None or not program.hands_on:
        names = program.names_of_steps() or names
    return replace(found_by_last, names=names, data=given)


def _of_folded(
    program: PipelineProgram | SavedPipeline,
    found: tuple[Ready, Rows],
    model: str,
    settings: Settings,
    needed: Needed,
    background: Any,
    base_margin: Any,
    last: Fitted | None = None,
) -> Attribution:
    """Of steps that are folded: values of the columns of X, then of what those give that have to be run."""
    ready, rows = found
    margin = None
    if base_margin is not None:
        margin = margins(base_margin, len(rows), ready.program.forest, model if last is None else last.model)
    given = None
    if background is not None:
        of_background = program.folded_rows(on_host(background))
        if of_background is None or of_background[0] is not ready:
            raise ValueError(
                "background is of another kind than X. Give both as arrays of one dtype, or as frames of one library "
                "with columns of the same dtypes."
            )
        given = Background(of_background[1])
    attribution = attribute(ready.explainers, rows, settings, needed, model, given, margin)
    names = program.kinds.names
    run_names = ready.folded.run_names
    if not run_names:
        return replace(attribution, names=names)
    n_columns = attribution.values.shape[1] - len(run_names)
    known = names or tuple(f"x{i}" for i in range(n_columns))
    places = [i for i, view in enumerate(ready.folded.views) if isinstance(view, StepView)]
    return replace(attribution, names=[*known, *run_names], of_steps=rows.data[:][:, places])


# --- models of models -------------------------------------------------------------------------------------------------


def _of_composite(
    program: Composite, settings: Settings, needed: Needed, X: Any, background: Any, base_margin: Any
) -> Attribution:
    """Of a model of models: that of the one that answers for it, or the weighted sum of theirs."""
    if program.delegates:
        ((_, estimator),) = program.running(settings)
        given = program.rows_for_submodel(X)
        others = None if background is None else program.rows_for_submodel(background)
        fitted = _fitted(estimator, program)
        found = attribution_of(fitted, settings, needed, given, others, base_margin)
        return found if given is X else replace(found, data=given)
    combination = program.combination()
    if combination is None:
        raise UnsupportedModelError(
            f"There are no SHAP values of this {type(program.model).__name__}: its answer is no weighted sum of the "
            "raw scores of the models inside it. Explain these one by one."
        )
    if base_margin is not None:
        raise TypeError(f"{type(program.model).__name__} takes no base_margin.")
    return _combined(program, combination, settings, needed, X, background)


def _fitted(estimator: Any, program: Composite) -> Fitted:
    """The fitted state of a submodel, where it has a program."""
    current = getattr(estimator, "_current", None)
    if current is None:
        raise UnsupportedModelError(
            f"There are no SHAP values of this {type(program.model).__name__}: its {type(estimator).__name__} is "
            "supported by nothing here. Explain the other models inside it one by one."
        )
    return current()  # type: ignore[no-any-return]


def _combined(
    program: Composite, combination: Combination, settings: Settings, needed: Needed, X: Any, background: Any
) -> Attribution:
    """The weighted sum of the attributions of submodels."""
    model, name = program.model, type(program.model).__name__
    X = on_host(X) if combination.rows is None else combination.rows(model, on_host(X))
    if background is not None:
        background = on_host(background) if combination.rows is None else combination.rows(model, on_host(background))
    running = program.running(settings)
    n_outputs = combination.n_outputs
    needed = "interactions" if needed == "interactions" else "values"
    values: Any = 0.0
    base: Any = 0.0
    for term in combination.terms:
        place, estimator = running[term.submodel]
        columns = term.columns
        given, others = X, background
        if columns is not None:
            given, others = X[:, columns], None if background is None else background[:, columns]
        found = attribution_of(_fitted(estimator, program), settings, needed, given, others)
        if not _is_linear(found.outputs, combination.method):
            raise UnsupportedModelError(
                f"There are no SHAP values of this {name}: it combines what {combination.method} of {place} gives, "
                "which is no raw score. Explain the models inside it one by one."
            )
        one = on_host(found.values)
        if columns is not None:
            one = _in_columns(one, columns, combination.n_features)
        if term.output is not None:
            one, of_base = _as_output(one, term.output, n_outputs), _as_output(found.base, term.output, n_outputs)
        else:
            of_base = found.base
        values, base = values + term.weight * one, base + term.weight * of_base
    outputs = OutputSpec(output_slices=(values.shape[-1],))
    return Attribution(outputs, values, base, _names(model), X)


def _is_linear(outputs: OutputSpec, method: str) -> bool:
    """Whether what a method gives are the raw scores."""
    match method:
        case "predict":
            return outputs.link == "identity" and outputs.decision == "none"
        case "predict_proba":
            return outputs.link == "identity" and outputs.proba == "values" and len(outputs.output_slices) == 1
        case "decision_function":
            return outputs.decision != "inlier"
    return True


def _in_columns(values: Any, columns: Any, n_features: int) -> Any:
    """Values of some columns, which may come several times, as values of all."""
    for axis in range(1, values.ndim - 1):
        moved = values.swapaxes(0, axis)
        found = np.zeros((n_features, *moved.shape[1:]))
        np.add.at(found, columns, moved)
        values = found.swapaxes(0, axis)
    return values


def _as_output(values: Any, output: int, n_outputs: int) -> Any:
    """Values of one output as those of one of several."""
    found = np.zeros((*values.shape[:-1], n_outputs))
    found[..., output] = values[..., 0]
    return found
