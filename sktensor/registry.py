"""How a fitted model finds the extractor that turns it into a forest."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from operator import index
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from sktensor.errors import UnsupportedModelError
from sktensor.forest import Forest

__all__ = [
    "ColumnNames",
    "Combination",
    "Extractor",
    "Fingerprint",
    "Methods",
    "RuleOfNames",
    "Steps",
    "Submodels",
    "Term",
    "chosen_rounds",
    "extract_forest",
    "find_extractor",
    "forest_of",
    "register_extractor",
]

ENTRY_POINT_GROUP = "sktensor.extractors"

# The module is imported only when a model of the package shows up, so that no library loads another.
BUILT_IN = {
    "sklearn": "sktensor.extractors.sklearn",
    "xgboost": "sktensor.extractors.xgboost",
    "lightgbm": "sktensor.extractors.lightgbm",
    "catboost": "sktensor.extractors.catboost",
    "imblearn": "sktensor.extractors.imblearn",
    "ngboost": "sktensor.extractors.ngboost",
    "quantile_forest": "sktensor.extractors.quantile_forest",
    "sksurv": "sktensor.extractors.sksurv",
}

# Mix-ins of these modules stand in the MRO of estimators of every library and say nothing about whose they are.
NOT_A_LIBRARY = ("sklearn.base", "sklearn.utils")

_registered: dict[str, Extractor] = {}


@runtime_checkable
class Extractor(Protocol):
    """Anything that turns a fitted model into a :class:`~sktensor.Forest`; a module will do.

    With two more functions, ``predict_raw(model, X)`` and ``predict_leaves(model, X)``, which ask the library itself
    for raw scores and leaf numbers of an array, programs made of its models are verified when they are compiled. With
    ``reads_sparse = True`` both are given CSR rows as such, where the library answers in the place of kernels.
    With a function ``submodels(model)`` that returns :class:`Submodels`, or None for a model that is one forest, models
    that combine others are taken, too; with a function ``steps(model)`` that returns :class:`Steps`, or None for a
    model that is none, pipelines. More functions that a library may need, each of them optional:

    * ``check_class(model)`` raises :class:`~sktensor.UnsupportedModelError` for a model, fitted or not, whose class or
      parameters say already that it is not supported, so that it is not trained in vain.
    * ``unfitted(model)``: a copy of a model's parameters, where :func:`sklearn.base.clone` cannot make it.
    * ``fingerprint(model)``: a :data:`Fingerprint`, which is another one after the library has fitted the model anew.
      It is asked for with each prediction.
    * ``watched(model)``: :class:`Watched`, or None, in place of a fingerprint of many objects.
    * ``columns(model)``: :class:`ColumnNames`, the library's own rules about the names of columns in frames; without
      it, or where it gives None, scikit-learn's.
    * ``is_fitted(model)``: whether a model is fitted, where :func:`sklearn.utils.validation.check_is_fitted` cannot
      tell; asked for only where that says that it is not.
    * ``score(model, X, y, predict, sample_weight=None)``: what the library's ``score`` makes of ``predict(X)``, where
      it has rules of its own.
    * ``methods(model)``: a :data:`Methods`, what the library makes of leaves or sums itself.
    """

    def extract(self, model: Any) -> Forest:
        """Return the forest of a fitted `model`, or raise :class:`~sktensor.UnsupportedModelError`."""
        ...


Fingerprint: TypeAlias = tuple[tuple[Any, ...], tuple[Any, ...]]
"""Objects of a fitted model that another fit replaces, compared by identity, and numbers, compared by value."""


Container: TypeAlias = dict[Any, Any] | list[Any] | tuple[Any, ...]
"""What Python keeps references in."""


@dataclass(frozen=True, eq=False)
class Watched:
    """Where a fitted model shows that its library has fitted it anew.

    Attributes
    ----------
    containers : tuple of (dict, list or tuple, str or None)
        Of which another fit replaces some of what they hold: whatever that is, or, of a dict with a key beside it, the
        value of this key. They are looked at with each prediction.
    functions : tuple of callable
        Each of them gives further such objects, in the same order every time. They are called with each prediction.
    last : object
        A model whose fingerprint is compared besides.
    """

    containers: tuple[tuple[Container, str | None], ...]
    functions: tuple[Callable[[], Iterable[Any]], ...]
    last: Any


Methods: TypeAlias = Mapping[str, Callable[..., Any]]
"""Methods of a model, fitted or not, that is one forest, by their names; without them, there are those that a forest
answers.

``function(model, ask, X, *args, **kwargs)`` gives what the library's method gives for X and its other arguments;
``ask(method, X)`` what the forest answers for ``"predict"``, ``"predict_raw"``, ``"apply"`` and so on, rows checked. X
is no tensor: who gives one gets tensors. Functions are called with a fitted `model` alone, and may keep what they make
of it.
"""


@dataclass(frozen=True, eq=False)
class Term:
    """A submodel in a weighted sum.

    Attributes
    ----------
    submodel : int
        Its place among those of :class:`Submodels`, in their order.
    weight : float
        What its answer is multiplied by.
    columns : ndarray of int, optional
        The columns of X that it is given; None for all.
    output : int, optional
        Which of the outputs its only one is; None where it has all.
    """

    submodel: int
    weight: float = 1.0
    columns: Any = None
    output: int | None = None


@dataclass(frozen=True, eq=False)
class Combination:
    """A model's answer as a weighted sum of those of its submodels, which is so for their explanations, too.

    Attributes
    ----------
    method : {"predict", "predict_proba", "decision_function", "raw"}
        What of the submodels is added up.
    terms : tuple of Term
        The submodels.
    n_features : int
        Columns of X.
    n_outputs : int
        Outputs of the sum, where terms name theirs.
    rows : callable, optional
        ``rows(model, X)``, what the model makes of X before submodels are given its columns.
    """

    method: Literal["predict", "predict_proba", "decision_function", "raw"]
    terms: tuple[Term, ...]
    n_features: int
    n_outputs: int = 1
    rows: Callable[[Any, Any], Any] | None = None


@dataclass(frozen=True)
class Submodels:
    """Where a fitted model keeps the models that answer for it.

    Attributes
    ----------
    attributes : tuple of str
        The model's attributes, each of them a fitted model or a list of fitted models; with a dot, a list of objects
        and the attribute of each that is a fitted model.
    delegates : bool
        Whether there is one, and the model's predictions are those of that one.
    rows : callable, optional
        ``rows(model, X)``, the rows that such a one is given, where these are not X itself.
    alone : callable, optional
        ``alone(model)``, for a model that adds trees of its own to what the others say: a model of these trees alone.
    adds : callable, optional
        ``adds(model, total)``, beside `alone`: has `model`, a copy, call ``total(start, X)`` for the sums over these
        trees of rows X, from `start` on, shape (n, K).
    quicken : callable, optional
        ``quicken(model)``: has `model`, a copy with what answers in the place of its submodels, do once what its
        library does in each call; no answer and no error of its methods may become another.
    constant : bool
        Whether all of them are constants, since the data had no more to learn: a model without any program, which is
        refused otherwise.
    combination : callable, optional
        ``combination(model)``: the :class:`Combination` that its answer is of theirs, or None.
    """

    attributes: tuple[str, ...]
    delegates: bool = False
    rows: Callable[[Any, Any], Any] | None = None
    alone: Callable[[Any], Any] | None = None
    adds: Callable[[Any, Callable[[Any, Any], Any]], None] | None = None
    quicken: Callable[[Any], None] | None = None
    constant: bool = False
    combination: Callable[[Any], Combination | None] | None = None


@dataclass(frozen=True)
class Steps:
    """The steps of a fitted pipeline.

    Attributes
    ----------
    before : tuple of (str, transformer)
        All but the last one, in their order.
    last : object
        The last one.
    with_last : callable
        ``with_last(model, last)``: a copy of the pipeline with another last step; a function of a module.
    """

    before: tuple[tuple[str, Any], ...]
    last: Any
    with_last: Callable[[Any, Any], Any]


RuleOfNames = Literal["scikit-learn", "same", "name", "position"]


@dataclass(frozen=True)
class ColumnNames:
    """The names of columns that a fitted model knows, and what its library does about those of a frame.

    Attributes
    ----------
    names : tuple of str, optional
        As the library keeps them; ``""`` for a column without one, None for a model that knows none.
    rule : {"scikit-learn", "same", "name", "position"}
        For a model that knows names. ``"scikit-learn"``: names that are text have to be the same in the same order,
        columns without are read by position, with a warning. ``"same"``: all names, as text, have to be the same in the
        same order. ``"name"``: columns are found by their names, as text, in any order and among others.
        ``"position"``: the library looks at no names, and only those that are text are held against the model's.
        Columns of models without names are read by position.
    joins_levels : bool
        Whether a name of several levels becomes text with blanks between them, and not as Python writes a tuple.
    replaces_blanks : bool
        Whether blanks in names become underscores.
    dropped : str, optional
        The name of a column that the library takes out of frames of pandas.
    categorical : tuple of int
        For ``"name"``: columns that the library takes for categories, by their place in a frame, whatever their name.
    shown : bool
        Whether `names` are those that ``feature_names_in_`` shows of a model that came fitted.
    needed : tuple of int, optional
        For ``"name"``: the columns that a frame has to have; None for all. Set when the model is compiled.
    given : tuple, optional
        The names, of any type, in the frame that a wrapper was fitted on. Set when the model is compiled.
    """

    names: tuple[str, ...] | None = None
    rule: RuleOfNames = "scikit-learn"
    joins_levels: bool = False
    replaces_blanks: bool = False
    dropped: str | None = None
    categorical: tuple[int, ...] = ()
    shown: bool = True
    needed: tuple[int, ...] | None = None
    given: tuple[Any, ...] | None = None


def register_extractor(package: str, extractor: Extractor) -> None:
    """Register the extractor for models whose class lives in `package`.

    Parameters
    ----------
    package : str
        The top-level package of the model's class (or of one of its bases), for instance ``"ngboost"``.
    extractor : Extractor
        An object with ``extract(model) -> Forest``. It takes precedence over a built-in one.

    Raises
    ------
    TypeError
        If `package` is no name or `extractor` has no ``extract``.

    Examples
    --------
    >>> from sktensor import Forest, extract_forest, register_extractor
    >>> class Constant:
    ...     value = 4.0
    >>> class ConstantExtractor:
    ...     def extract(self, model):
    ...         return Forest.from_trees([{"value": model.value}], n_features=1)
    >>> register_extractor(Constant.__module__.partition(".")[0], ConstantExtractor())
    >>> extract_forest(Constant()).n_leaves
    1
    """
    if not isinstance(package, str) or not package or "." in package:
        raise TypeError(f"package must be the name of a top-level package, got {package!r}.")
    if not callable(getattr(extractor, "extract", None)):
        raise TypeError(f"extractor must have a method extract(model) -> Forest, got {extractor!r}.")
    _registered[package] = extractor


def extract_forest(model: Any, *, iterations: tuple[int, int | None] | None = None) -> Forest:
    """Read a fitted model's trees and rules.

    Parameters
    ----------
    model : object
        A fitted tree model: an estimator of XGBoost, LightGBM, CatBoost or scikit-learn, a raw ``Booster``, an object
        with ``__sktensor_forest__()``, or one whose package has a registered extractor.
    iterations : tuple of (int, int or None), optional
        The first boosting round to use and the one behind the last, as XGBoost's ``iteration_range``, LightGBM's
        ``start_iteration`` and ``num_iteration``, CatBoost's ``ntree_start`` and ``ntree_end``; None for the end at
        which the library's own ``predict`` stops. By default, what that uses. An end of 0 means what it means to the
        library: all rounds from the first on to a booster of XGBoost and to LightGBM; after a first round of 0 what
        ``predict`` uses to an estimator of XGBoost, all trees to CatBoost; after a later one it is an error in these
        two, of which XGBoost's estimator would use all rounds from 0 on.

    Returns
    -------
    Forest
        Validated.

    Raises
    ------
    UnsupportedModelError
        If no extractor knows the model, or the extractor meets a setting that it cannot reproduce.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    ValueError
        If `iterations` are not two whole numbers, or one and None, or the model has no such iterations.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sktensor import extract_forest
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = extract_forest(DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y))
    >>> forest.n_leaves, forest.n_outputs
    (3, 3)
    """
    return forest_of(model, find_extractor(model), iterations)


def forest_of(model: Any, extractor: Extractor, iterations: tuple[int, int | None] | None = None) -> Forest:
    """The validated forest that an extractor makes of a model; as :func:`extract_forest`."""
    steps = extractor.steps(model) if hasattr(extractor, "steps") else None
    if steps is not None:  # imported here, since it knows extractors by this module
        whole = importlib.import_module("sktensor.pipelines.arrays")
        forest = whole.forest_of_arrays(steps, forest_of(steps.last, find_extractor(steps.last), iterations), model)
    elif iterations is None:
        forest = extractor.extract(model)
    elif "iterations" in inspect.signature(extractor.extract).parameters:
        forest = extractor.extract(model, iterations=iterations)  # type: ignore[call-arg]
    else:
        raise UnsupportedModelError(
            f"{type(model).__name__} cannot be cut to iterations={iterations!r}: its library predicts with all. "
            "Models and boosters of XGBoost, LightGBM and CatBoost can."
        )
    if not isinstance(forest, Forest):
        raise TypeError(f"{extractor!r} returned {type(forest).__name__} for {type(model).__name__}, not a Forest.")
    return forest.validate()


def chosen_rounds(
    iterations: tuple[int, int | None] | None,
    usual: int,
    n_rounds: int,
    zero_end: tuple[int | None, int | None] = (None, None),
) -> tuple[int, int]:
    """The first round to use and the one behind the last, for extractors of models with rounds.

    Parameters
    ----------
    iterations : tuple of (int, int or None), optional
        As for :func:`extract_forest`.
    usual : int
        Where the library's own ``predict`` stops.
    n_rounds : int
        Rounds that there are.
    zero_end : tuple of (int or None, int or None), optional
        Where the library stops for an end of 0, if the first round is 0 and if it is a later one; None where it
        takes no such end.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If `iterations` are not two whole numbers, or one and None, or there are no such rounds.
    """
    if iterations is None:
        return 0, usual
    try:
        first, last = iterations
        begin, end = index(first), usual if last is None else index(last)
    except (TypeError, ValueError):
        raise ValueError(
            f"iterations={iterations!r}: expected two whole numbers, the first round and the one behind the last, or "
            "None for the second."
        ) from None
    if end == 0 and last is not None and (stated := zero_end[begin > 0]) is not None:
        end = stated
    if not 0 <= begin < end <= n_rounds:
        raise ValueError(
            f"iterations={iterations!r}: expected a first one and one behind it, from 0 to {n_rounds}, "
            f"which the model has; None for the second is {usual}."
        )
    return begin, end


def find_extractor(model: Any) -> Extractor:
    """The extractor of `model`: its own hook, a registered one, a built-in one, an entry point."""
    # Looked up on the class, as Python's own hooks are: lightgbm.CVBooster answers to every name.
    if callable(getattr(type(model), "__sktensor_forest__", None)):
        return _OwnForest()
    packages = _packages(model)
    for package in packages:
        if package in _registered:
            return _registered[package]
        if package in BUILT_IN:
            return importlib.import_module(BUILT_IN[package])
        if package in (found := _entry_points()):
            return found[package].load()  # type: ignore[no-any-return]
    known = ", ".join(sorted({*BUILT_IN, *_registered, *_entry_points()}))
    raise UnsupportedModelError(
        f"No extractor for {type(model).__module__}.{type(model).__qualname__}. Models of these packages are known: "
        f"{known}. Others can be added with sktensor.register_extractor or a method __sktensor_forest__."
    )


class _OwnForest:
    """A model that brings its forest along."""

    def extract(self, model: Any) -> Forest:
        return model.__sktensor_forest__()  # type: ignore[no-any-return]

    def columns(self, model: Any) -> ColumnNames | None:
        own = getattr(type(model), "__sktensor_columns__", None)
        return own(model) if callable(own) else None

    def methods(self, model: Any) -> Methods:
        own = getattr(type(model), "__sktensor_methods__", None)
        return own(model) if callable(own) else {}

    def fingerprint(self, model: Any) -> Fingerprint:
        ask = getattr(type(model), "__sktensor_fingerprint__", None)
        return ((), ()) if ask is None else ask(model)

    def check_class(self, model: Any) -> None:
        if (check := getattr(type(model), "__sktensor_check_class__", None)) is not None:
            check(model)


def _packages(model: Any) -> list[str]:
    """Top-level packages of the model's class and its bases, nearest first."""
    modules = (cls.__module__ for cls in type(model).__mro__)
    kept = (m for m in modules if not any(m == skip or m.startswith(skip + ".") for skip in NOT_A_LIBRARY))
    return list(dict.fromkeys(m.partition(".")[0] for m in kept))


@functools.cache
def _entry_points() -> dict[str, metadata.EntryPoint]:
    """Extractors that installed packages announce, by the package they are for."""
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}
