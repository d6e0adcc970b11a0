"""The fitted state of an estimator: one object, made by one fit, of which a prediction uses no other than this one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import is_
from typing import TYPE_CHECKING, Any

from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.estimator.composite import Composite
from sktensor.estimator.model_frames import ModelFrames
from sktensor.estimator.plain_answers import PlainAnswers, plain_programs
from sktensor.explain.explainers import Explainers
from sktensor.native.watching import watch
from sktensor.registry import Fingerprint, Methods, find_extractor
from sktensor.runtime.program import Program

if TYPE_CHECKING:
    from sktensor.estimator.pipeline import PipelineProgram
    from sktensor.estimator.saved_pipeline import SavedPipeline

__all__ = ["FITTED_ATTRIBUTES", "Fitted", "is_fitted", "is_trained_booster", "library_methods"]

# What a wrapper around a fitted model shows of it before anything is compiled.
FITTED_ATTRIBUTES = ("classes_", "n_features_in_", "feature_names_in_", "n_outputs_", "n_classes_", "offset_")


@dataclass(frozen=True)
class Fitted:
    """What predictions are made of; published in one step, taken once per call, never changed.

    A thread that fits the estimator anew publishes another one: predictions that have begun go on with the trees, the
    number and the names of columns of this one.

    Attributes
    ----------
    model : object
        The fitted model.
    program : Program, Composite, PipelineProgram or SavedPipeline
        Compiled from it.
    columns : object
        What scikit-learn compares X with, in the wrapper's name: its ``n_features_in_`` and ``feature_names_in_``.
    prefit : bool
        Whether the model came fitted, so that this is of use only while it is the wrapper's parameter.
    methods : mapping
        What the library makes of leaves or sums itself.
    explainers : Explainers, optional
        What takes raw scores of a program apart.
    plain_answers : PlainAnswers
        What answers few rows of a plain array or a frame.
    model_frames : ModelFrames, optional
        What learns how frames are read for a program of one forest.
    """

    model: Any
    program: Program | Composite | PipelineProgram | SavedPipeline
    columns: Any
    prefit: bool = False
    methods: Methods = field(init=False, repr=False)
    explainers: Explainers | None = field(init=False, repr=False)
    plain_answers: PlainAnswers = field(init=False, repr=False)
    model_frames: ModelFrames | None = field(init=False, repr=False)
    _ask: Callable[[Any], Fingerprint] | None = field(init=False, repr=False)
    _of: Any = field(init=False, repr=False)
    _seen: Fingerprint | None = field(init=False, repr=False)
    _is_same: Callable[[], bool] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        extractor, of, is_same = _extractor(self.model), self.model, None
        if (watched := getattr(extractor, "watched", None)) is not None and (found := watched(of)) is not None:
            of, is_same = found.last, watch(found.containers, found.functions)
            extractor = _extractor(of)
        ask = getattr(extractor, "fingerprint", None)
        is_forest = isinstance(self.program, Program)
        methods = library_methods(self.model) if is_forest else {}
        explainers = Explainers(self.program) if is_forest else None  # type: ignore[arg-type]
        find = plain_programs(self.program, self.columns)
        fold_for = getattr(self.program, "fold_for", None)
        model_frames = ModelFrames(self.program, methods) if is_forest else None  # type: ignore[arg-type]
        of_frames = getattr(self.program if model_frames is None else model_frames, "frame_answers", None)
        plain_answers = PlainAnswers(find, methods, fold_for, of_frames)
        seen = None if ask is None else ask(of)
        self.__dict__.update(methods=methods, explainers=explainers)
        self.__dict__.update(plain_answers=plain_answers, model_frames=model_frames)
        self.__dict__.update(_ask=ask, _of=of, _seen=seen, _is_same=is_same)

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("model", "program", "columns", "prefit")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def is_stale(self) -> bool:
        """Whether the library has fitted the model anew since, as far as that shows."""
        if self._is_same is not None and not self._is_same():
            return True
        if self._ask is None or self._seen is None:
            return False
        (objects, numbers), (known, counted) = self._ask(self._of), self._seen
        return not (numbers == counted and all(map(is_, objects, known)))


def is_fitted(model: Any) -> bool:
    """Whether a model is fitted, by scikit-learn's rules or its own word."""
    if is_trained_booster(model):
        return True
    try:
        check_is_fitted(model)
    except (NotFittedError, TypeError):
        if (ask := getattr(_extractor(model), "is_fitted", None)) is not None:
            return bool(ask(model))
        # CatBoost's models made of others have no fitted attributes, but say that they are fitted.
        own = getattr(model, "is_fitted", None)
        return bool(callable(own) and own())
    return True


def is_trained_booster(model: Any) -> bool:
    """Whether a model is what a library trains, not an estimator: it has no parameters, and no ``fit``."""
    kind = type(model)
    return not hasattr(kind, "fit") and hasattr(kind, "predict") and _extractor(model) is not None


def library_methods(model: Any) -> Methods:
    """Methods of a model, fitted or not, that its library makes of leaves or sums."""
    try:
        ask = getattr(find_extractor(model), "methods", None)
        return {} if ask is None else ask(model)
    except UnsupportedModelError:
        return {}


def _extractor(model: Any) -> Any:
    try:
        return find_extractor(model)
    except UnsupportedModelError:
        return None
