"""Pipelines of scikit-learn, as steps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.guards import replaced_methods
from sktensor.extractors.sklearn.submodels import own_class
from sktensor.registry import Container, Fingerprint, Steps, Watched, find_extractor

__all__ = ["check_pipeline", "fingerprint_of", "is_pipeline", "steps", "watched", "with_last"]

# What a subclass must not replace, if its steps are to be asked in its place.
ANSWERING = (
    "predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform", "_iter",
)  # fmt: skip


def is_pipeline(model: Any) -> bool:
    """Whether a model is a pipeline of scikit-learn, or behaves as one."""
    return own_class(model, ("Pipeline",)) is not None


def steps(model: Any) -> Steps | None:
    """The steps of a fitted pipeline, of which the last is no pipeline itself; None for any other model.

    Raises
    ------
    UnsupportedModelError
        If its class has answers of its own, or its last step is no model.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    if not is_pipeline(model):
        return None
    _check_answers(model)
    last = _last(model)
    check_is_fitted(model)
    before = tuple(model.steps[:-1])
    if _answers_by_steps(last) and (inside := steps(last)) is not None:
        name = model.steps[-1][0]
        return Steps((*before, *((f"{name}__{key}", step) for key, step in inside.before)), inside.last, with_last)
    return Steps(before, last, with_last)


def check_pipeline(model: Any) -> None:
    """Refuse a pipeline, fitted or not, with answers of its own, or whose last step is not supported."""
    _check_answers(model)
    last = _last(model)
    if (check := getattr(find_extractor(last), "check_class", None)) is not None:
        check(last)


def _answers_by_steps(model: Any) -> bool:
    """Whether a model is a pipeline with no answers of its own; imbalanced-learn's have some."""
    known = own_class(model, ("Pipeline",))
    return known is not None and not replaced_methods(model, known, ANSWERING)


def _check_answers(model: Any) -> None:
    known = own_class(model, ("Pipeline",))
    assert known is not None
    if replaced := replaced_methods(model, known, ANSWERING):
        raise UnsupportedModelError(
            f"{type(model).__module__}.{type(model).__qualname__} replaces {', '.join(replaced)} of Pipeline, so that "
            "its answers may differ from those of its steps."
        )


def _last(model: Any) -> Any:
    last = model.steps[-1][1]
    if last is None or isinstance(last, str):
        raise UnsupportedModelError(
            f"This {type(model).__name__} ends in {last!r}. Its last step has to be a model that is made of trees."
        )
    return last


def with_last(model: Any, last: Any) -> Any:
    """A copy of a pipeline with another last step, in that of pipelines in pipelines."""
    twin, (name, inside) = copy.copy(model), model.steps[-1]
    twin.steps = [*model.steps[:-1], (name, with_last(inside, last) if _answers_by_steps(inside) else last)]
    return twin


# How the models at the ends of pipelines show another fit, by their class: extractors are looked for once.
_fingerprints: dict[type, Callable[[Any], Fingerprint] | None] = {}


def fingerprint_of(model: Any) -> Fingerprint:
    """What another fit of a pipeline, or of one of its steps, replaces."""
    last = model.steps[-1][1]
    found: list[Any] = [last]
    _add_states([step for _, step in model.steps[:-1]], found)
    kind = type(last)
    if kind not in _fingerprints:
        _fingerprints[kind] = getattr(find_extractor(last), "fingerprint", None)
    ask = _fingerprints[kind]
    objects, numbers = ((), ()) if ask is None else ask(last)
    found += objects
    return tuple(found), (len(found), *numbers)


def _add_states(transformers: Iterable[Any], found: list[Any]) -> None:
    """Add to `found` transformers, what a fit sets in them, and the parameters that they look at afterwards."""
    for step in transformers:
        found.append(step)
        kind = type(step)
        if (holds := _holds.get(kind)) is None:
            holds = _holds[kind] = _what_it_holds(kind)
        if holds == "state":
            found += step.__dict__.values()  # which transform leaves as they are
        elif holds == "fitted":
            found += _fitted_values(step)
        elif holds == "steps":
            state = step.__dict__
            if (inside := state.get("transformers_")) is not None:
                found.append(inside)
                _add_states([one for _, one, _ in inside], found)
            else:
                _add_states([one for _, one in state.get("steps", state.get("transformer_list", ()))], found)
        elif holds == "estimator":
            _add_states([step.__dict__["estimator"]], found)


def watched(model: Any) -> Watched | None:
    """What gives the values of which another fit of a pipeline, or of one of its steps, replaces some."""
    if not is_pipeline(model):
        return None
    containers: list[tuple[Container, str | None]] = []
    functions: list[Callable[[], Iterable[Any]]] = []
    _add_list(model, "steps", containers)
    _add_sources([step for _, step in model.steps[:-1]], containers, functions)
    return Watched(tuple(containers), tuple(functions), model.steps[-1][1])


def _add_sources(
    transformers: Iterable[Any],
    containers: list[tuple[Container, str | None]],
    functions: list[Callable[[], Iterable[Any]]],
) -> None:
    """Add to the others what holds, or gives, the values that :func:`_add_states` lists."""
    for step in transformers:
        kind = type(step)
        if (holds := _holds.get(kind)) is None:
            holds = _holds[kind] = _what_it_holds(kind)
        if holds == "state":
            containers.append((step.__dict__, None))
        elif holds == "fitted":
            functions.append(partial(_fitted_values, step))
        elif holds == "steps":
            for name in {"transformers_", "steps", "transformer_list"} & step.__dict__.keys():
                _add_list(step, name, containers)
                _add_sources([one[1] for one in step.__dict__[name]], containers, functions)
        elif holds == "estimator":
            containers.append((step.__dict__, "estimator"))
            _add_sources([step.__dict__["estimator"]], containers, functions)


def _add_list(step: Any, name: str, containers: list[tuple[Container, str | None]]) -> None:
    """Add a list of steps, each in a tuple with its name, and what holds the list; none of the tuples changes."""
    containers.append((step.__dict__, name))
    containers.append((step.__dict__[name], None))


def _fitted_values(step: Any) -> list[Any]:
    return [value for name, value in getattr(step, "__dict__", {}).items() if name.endswith("_")]


# By the class of a transformer, where it shows another fit; looked for once.
_holds: dict[type, str] = {}


def _what_it_holds(kind: type) -> str:
    """In which attributes another fit of transformers of a class shows."""
    if kind is type(None) or issubclass(kind, str):
        return "nothing"
    module = kind.__module__
    if module == "sklearn.pipeline" or module.startswith("sklearn.compose"):
        return "steps"
    if module.startswith("sklearn.frozen"):
        return "estimator"
    return "state" if module.startswith("sklearn.") and "feature_extraction" not in module else "fitted"
