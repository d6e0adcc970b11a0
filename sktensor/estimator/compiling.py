"""Compiling a fitted model, and publishing it as the state that predictions take."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.estimator.composite import Composite, compose
from sktensor.estimator.fitted import FITTED_ATTRIBUTES, Fitted, is_fitted
from sktensor.estimator.pipeline import PipelineProgram
from sktensor.estimator.training import check_model
from sktensor.estimator.verification import verify
from sktensor.inputs.names import compiled_names, fitted_attribute
from sktensor.registry import find_extractor, forest_of
from sktensor.runtime.locks import CompilationLock
from sktensor.runtime.program import Program

if TYPE_CHECKING:
    from sktensor.estimator.estimator import TensorizedEstimator
    from sktensor.estimator.saved_pipeline import SavedPipeline

__all__ = ["NOTHING", "hold", "is_outdated", "publish", "recompiled", "shown", "withdraw_outdated"]

# In place of an attribute that a model has not: some are None.
NOTHING = object()

_compiling = CompilationLock()


def publish(est: TensorizedEstimator, model: Any, given: list[Any] | None = None, **columns: Any) -> None:
    """Compile a fitted model and publish it, with what is known of its columns, and their names as they were given."""
    extractor = find_extractor(model)
    if hasattr(extractor, "steps") and (steps := extractor.steps(model)) is not None:
        last = _tensorized(est, steps.last)
        hold(est, model, PipelineProgram(model, list(steps.before), last, steps.with_last), **columns)
        return
    where = extractor.submodels(model) if hasattr(extractor, "submodels") else None
    if where is not None:
        hold(est, model, compose(model, where, partial(_tensorized, est)), **columns)
        return
    forest = forest_of(model, extractor)
    names = compiled_names(extractor, model, forest, given, columns.get("feature_names_in_"))
    if "feature_names_in_" in columns and names.given is not None:
        columns["feature_names_in_"] = np.asarray(names.given, dtype=object)  # without those that are no features
    program = Program(forest, names, model, extractor)
    program.prepare(est._settings())
    if est.verify:
        verify(program, est._settings(), extractor, model)
    hold(est, model, program, **columns)


def _tensorized(est: TensorizedEstimator, submodel: Any) -> TensorizedEstimator:
    """A model inside the wrapped one, compiled with the same settings; one that has its own keeps them."""
    from sktensor.estimator.estimator import TensorizedEstimator

    if isinstance(submodel, TensorizedEstimator):
        return submodel
    if (check := getattr(find_extractor(submodel), "check_class", None)) is not None:
        check(submodel)  # first: what is not supported may be fitted without a sign of it
    wrapped = TensorizedEstimator(submodel, **est._settings()._asdict(), verify=est.verify)
    wrapped._compiled()
    return wrapped


def hold(
    est: TensorizedEstimator,
    model: Any,
    program: Program | Composite | PipelineProgram | SavedPipeline,
    **columns: Any,
) -> None:
    """Publish a fitted model and its program: what predictions take, and the attributes that show it.

    Parameters
    ----------
    est : TensorizedEstimator
        The wrapper.
    model : object
        Fitted.
    program : Program, Composite, PipelineProgram or SavedPipeline
        Compiled from it.
    **columns
        Fitted attributes, and ``_prefit=True`` if the model came fitted.
    """
    state = {"estimator_": model, **columns}
    if isinstance(program, Program):
        # A loaded CatBoost model has forgotten the number of its columns.
        state |= {"forest_": program.forest, "n_features_in_": program.forest.n_features}
        if program.forest.outputs.decision == "inlier":
            state["offset_"] = program.forest.outputs.decision_threshold
    for name in ("classes_", "n_outputs_"):
        if hasattr(model, name):
            state[name] = getattr(model, name)
    seen = object.__new__(type(est))  # of the wrapper's class, which scikit-learn names, and changed by nobody
    seen.__dict__.update(state, estimator=model, device="cpu")
    state["_fitted"] = Fitted(model, program, seen, prefit="_prefit" in state)
    stale = {"_prefit", "forest_", *FITTED_ATTRIBUTES} - state.keys()
    est.__dict__.update(state)
    for name in stale:
        est.__dict__.pop(name, None)


def withdraw_outdated(est: TensorizedEstimator) -> None:
    """Forget the fit of a model that came fitted and is not the wrapper's parameter any more."""
    fitted = est.__dict__.get("_fitted")
    if fitted is None or not is_outdated(est, fitted):
        return
    for name in ("_fitted", "_prefit", "estimator_", "forest_", *FITTED_ATTRIBUTES):
        est.__dict__.pop(name, None)


def is_outdated(est: TensorizedEstimator, fitted: Fitted) -> bool:
    """Whether a fitted state is one of a model that came fitted, and is not the wrapper's parameter any more."""
    return fitted.prefit and fitted.model is not est.estimator


def recompiled(est: TensorizedEstimator) -> Fitted:
    """Compile the model that came fitted, or the one that its library has fitted anew.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If nothing is fitted.
    """
    with _compiling.held():
        fitted: Fitted | None = est.__dict__.get("_fitted")
        model = est.estimator
        if fitted is None or is_outdated(est, fitted):
            check_model(model)
            check_is_fitted(est)
            known = {"_prefit": True}
        elif fitted.is_stale():  # the columns that the wrapper's fit saw are not those of this one
            model, known = fitted.model, {"_prefit": True} if fitted.prefit else {}
        else:
            return fitted  # another thread was faster
        attributes = {name: fitted_attribute(model, name) for name in FITTED_ATTRIBUTES}
        publish(est, model, None, **known, **{name: value for name, value in attributes.items() if value is not None})
        return est.__dict__["_fitted"]  # type: ignore[no-any-return]


def shown(est: TensorizedEstimator, name: str) -> Any:
    """An attribute that is not set, of a fitted model: any that ends in an underscore; `NOTHING` if there is none.

    Raises
    ------
    AttributeError
        If it is the forest of a model that has none.
    """
    if name not in ("estimator_", "forest_", *FITTED_ATTRIBUTES):
        return _of_model(est, name)
    fitted, model = est.__dict__.get("_fitted"), est.__dict__.get("estimator")
    if name == "forest_" and (fitted is not None or is_fitted(model)):
        try:
            return est._compiled().forest
        except UnsupportedModelError as error:
            raise AttributeError(f"{type(est).__name__!r} object has no attribute 'forest_': {error}") from error
    if fitted is not None or model is None or not is_fitted(model):
        return NOTHING
    found = model if name == "estimator_" else fitted_attribute(model, name)
    return NOTHING if found is None else found


def _of_model(est: TensorizedEstimator, name: str) -> Any:
    """An attribute of the fitted model that means the same for the wrapper: its trees, its history, what it found."""
    if name.startswith("_") or not name.endswith("_"):
        return NOTHING
    model = est.__dict__.get("estimator_", est.__dict__.get("estimator"))
    try:
        return getattr(model, name) if "estimator_" in est.__dict__ or is_fitted(model) else NOTHING
    except AttributeError:
        return NOTHING
