"""Models that combine the answers of others: the library's own arithmetic over submodels that run as programs.

Nothing of a composite is computed anew. The fitted model is copied, not deeply, the models inside it give way to
estimators with programs, and then the library's own methods are called.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from html import escape
from typing import Any

from sktensor.errors import UnsupportedModelError
from sktensor.estimator.tensors import like_tensor
from sktensor.forest import Forest
from sktensor.inputs.rows import exchanged, is_exchangeable
from sktensor.inputs.tensors import is_tensor, on_host
from sktensor.registry import Combination, Submodels, extract_forest, find_extractor
from sktensor.runtime.pickled_state import stamp, take_stamp
from sktensor.runtime.planner import Plan
from sktensor.runtime.settings import Settings

__all__ = ["Composite", "CompositePlan", "compose"]

# Methods that most meta-estimators lack, since they have no trees of their own.
OF_TREES = ("predict_raw", "apply")

# Methods of meta-estimators with one submodel that are their own: a search scores in its own way, RFE transforms.
OWN_METHODS = ("score", "transform")

# Stands in the plan for trees that a meta-estimator adds to the answers of its submodels.
OWN_TREES = "its own trees"


@dataclass(frozen=True)
class Submodel:
    """A model inside another.

    Attributes
    ----------
    attribute : str
        Where it is.
    index : int or None
        Its place in the list that the attribute is, if it is one.
    model : str
        Its class.
    estimator : object
        What answers in its place; the model itself where it has no program.
    follows : bool
        Whether it takes the settings of the wrapper around the whole, which wrappers that the user put there do not.
    refused : str
        Why it has no program; empty where it has.
    """

    attribute: str
    index: int | None
    model: str
    estimator: Any
    follows: bool = False
    refused: str = ""

    @property
    def name(self) -> str:
        """Where it is, for instance ``"estimators_[0]"``."""
        attribute, dot, within = self.attribute.partition(".")
        return attribute + ("" if self.index is None else f"[{self.index}]") + dot + within

    def running(self, settings: Settings) -> Any:
        """What answers in its place, with these settings if it follows them; programs are shared."""
        return copy.copy(self.estimator).set_params(**settings._asdict()) if self.follows else self.estimator


@dataclass(frozen=True, repr=False)
class CompositePlan:
    """How a prediction of a meta-estimator would run; printed or shown in a notebook, a table for each submodel.

    Attributes
    ----------
    n_rows : int
        Rows that the plan is for.
    model : str
        The class that combines the answers.
    submodels : tuple of (str, Plan or CompositePlan or str)
        Each submodel's name and class, and its plan, or why it has none and runs as the library runs it.
    """

    n_rows: int
    model: str
    submodels: tuple[tuple[str, Plan | CompositePlan | str], ...]

    @property
    def title(self) -> str:
        """In a few words."""
        return f"{self.model} of {len(self.submodels)} models"

    def _repr_html_(self) -> str:
        """The tables for notebooks."""
        return f"<pre>{escape(str(self))}</pre>"

    def __repr__(self) -> str:
        lines = [f"{self.model} combines the answers of {len(self.submodels)} models, as the library does"]
        for name, plan in self.submodels:
            if isinstance(plan, str):
                lines.append(f"{name}: as the library runs it, since {plan.partition('. ')[0]}")
            else:
                lines += [name, *("  " + line for line in str(plan).splitlines())]
        return "\n".join(lines)


def compose(model: Any, where: Submodels, tensorized: Callable[[Any], Any]) -> Composite:
    """Put programs in the place of the models inside a model.

    Parameters
    ----------
    model : estimator
        Fitted.
    where : Submodels
        Where they are.
    tensorized : callable
        Makes of a fitted model an estimator with a program, or raises UnsupportedModelError.

    Returns
    -------
    Composite

    Raises
    ------
    UnsupportedModelError
        If none of them can have a program.
    """
    submodels = tuple(_submodels(model, where, tensorized))
    if all(submodel.refused for submodel in submodels) and not where.constant:
        of_them = "its model is not" if len(submodels) == 1 else f"none of its {len(submodels)} models is"
        raise UnsupportedModelError(
            f"Nothing in this {type(model).__name__} would be any faster: {of_them} supported. "
            f"{submodels[0].name}: {submodels[0].refused}"
        )
    return Composite(model, submodels)


class Composite:
    """A model of models that runs; made by :func:`compose`.

    Parameters
    ----------
    model : estimator
        The library's, fitted. It stays as it is, and what becomes of it later is not seen here.
    submodels : tuple of Submodel
        What answers in it.
    """

    def __init__(self, model: Any, submodels: tuple[Submodel, ...]) -> None:
        self.model = copy.copy(model)
        self.submodels = submodels
        self._where: Submodels = find_extractor(model).submodels(model)  # type: ignore[attr-defined]
        self._twin: tuple[Settings, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return stamp({"model": self.model, "submodels": self.submodels})

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = take_stamp(state, "Composite")
        Composite.__init__(self, state["model"], state["submodels"])

    @property
    def forest(self) -> Forest:
        """The forest of a model that hands rows on to one submodel; of any other model, UnsupportedModelError."""
        return extract_forest(self.model)

    def ask(self, method: str, settings: Settings, X: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the model, with programs in the place of its submodels.

        Parameters
        ----------
        method : str
            Its name.
        settings : Settings
            How the programs run.
        X : array-like, data frame, sparse matrix or torch.Tensor of shape (n_samples, n_features)
            What the library takes, or a tensor.
        *args, **kwargs
            The method's other arguments.

        Returns
        -------
        object
            The method's answer; where X is a tensor, arrays of numbers as tensors on its device.
        """
        model = self._with_programs(settings)
        if self._where.delegates and method not in OWN_METHODS:
            answering = getattr(model, self._where.attributes[0])
            if self._where.rows is None:
                return getattr(answering, method)(X, *args, **kwargs)
        elif method in OF_TREES and not hasattr(model, method):
            raise AttributeError(
                f"{type(self.model).__name__!r} combines the answers of other models and has no {method} of its own. "
                f"Ask its submodels: {', '.join(submodel.name for submodel in self.submodels[:3])} and so on."
            )
        else:
            answering = model
        if is_exchangeable(X):
            X = exchanged(X)
        rows = on_host(X)
        if answering is not model:
            rows = self._where.rows(model, rows)  # type: ignore[misc]
        with _threads_instead_of_processes(model):
            found = getattr(answering, method)(rows, *args, **kwargs)
        return like_tensor(X, found) if is_tensor(X) else found

    @property
    def delegates(self) -> bool:
        """Whether one submodel answers for the model."""
        return self._where.delegates

    def rows_for_submodel(self, X: Any) -> Any:
        """What the one submodel is given that answers for the model."""
        return X if self._where.rows is None else self._where.rows(self.model, on_host(X))

    def combination(self) -> Combination | None:
        """The weighted sum of its submodels' answers that the model's is, or None."""
        return None if self._where.combination is None else self._where.combination(self.model)

    def running(self, settings: Settings) -> list[tuple[str, Any]]:
        """The submodels by name, with these settings."""
        return [(submodel.name, submodel.running(settings)) for submodel in self.submodels]

    def set_output(self, *, transform: str | None = None) -> None:
        """Choose the container that ``transform`` gives."""
        self.model.set_output(transform=transform)
        self._twin = None

    def prepare(self, settings: Settings, n_rows: int = 1000) -> None:
        """Build what predictions of `n_rows` rows will use, or raise the error that they would."""
        for submodel in self.submodels:
            if not submodel.refused:
                submodel.running(settings).warmup([n_rows])
        self._with_programs(settings)

    def planned(self, settings: Settings) -> CompositePlan:
        """A plan to show, for which its submodels, which have been compiled, need not be compiled."""
        return self.plan(1000, settings)

    def plan(self, n_rows: int, settings: Settings) -> CompositePlan:
        """How `n_rows` rows would be predicted."""
        plans = [
            (submodel, submodel.refused or submodel.running(settings).explain_plan(n_rows))
            for submodel in self.submodels
        ]
        return CompositePlan(
            n_rows=n_rows,
            model=type(self.model).__name__,
            submodels=tuple((f"{one.name}, {one.model}", plan) for one, plan in plans),
        )

    def _with_programs(self, settings: Settings) -> Any:
        """A copy of the model, with programs that run as the settings say in the place of its submodels."""
        if (last := self._twin) is not None and last[0] == settings:
            return last[1]
        twin = copy.copy(self.model)
        for attribute in self._where.attributes:
            inside = [submodel for submodel in self.submodels if submodel.attribute == attribute]
            running = [submodel.running(settings) for submodel in inside]
            name, _, within = attribute.partition(".")
            if within:
                running = [
                    _with(copy.copy(one), within, two) for one, two in zip(getattr(twin, name), running, strict=True)
                ]
            setattr(twin, name, running[0] if inside[0].index is None else running)
        for submodel in self.submodels:
            if submodel.attribute == OWN_TREES and not submodel.refused:
                self._where.adds(twin, submodel.running(settings)._total_from)  # type: ignore[misc]
        if self._where.quicken is not None:
            self._where.quicken(twin)
        self._twin = settings, twin
        return twin


def _submodels(model: Any, where: Submodels, tensorized: Callable[[Any], Any]) -> Iterator[Submodel]:
    """The models inside a model, each with its program or the reason why it has none."""
    places: list[tuple[str, int | None, Any]] = []
    for attribute in where.attributes:
        name, _, within = attribute.partition(".")
        inside = getattr(model, name)
        if not isinstance(inside, (list, tuple)):
            places.append((attribute, None, inside))
            continue
        places += [(attribute, i, getattr(one, within) if within else one) for i, one in enumerate(inside)]
    if where.alone is not None:
        places.append((OWN_TREES, None, where.alone(model)))
    known: dict[int, Any] = {}  # frozen ones may be in several places
    for attribute, index, submodel in places:
        place = attribute, index, type(submodel).__name__
        try:
            if id(submodel) not in known:
                known[id(submodel)] = tensorized(submodel)
        except UnsupportedModelError as error:
            yield Submodel(*place, submodel, refused=str(error))
        else:
            estimator = known[id(submodel)]
            yield Submodel(*place, estimator, follows=estimator is not submodel)


def _with(holder: Any, attribute: str, value: Any) -> Any:
    """An object with an attribute set."""
    setattr(holder, attribute, value)
    return holder


def _threads_instead_of_processes(model: Any) -> AbstractContextManager[Any]:
    """What keeps joblib from sending programs to other processes, which would compile them anew in each call.

    The number of jobs stays what it is: on it depends in which order bagging adds [sklearn/ensemble/_bagging.py].
    """
    if getattr(model, "n_jobs", None) in (None, 1):
        return nullcontext()
    import joblib

    return joblib.parallel_config(backend="threading")  # type: ignore[no-any-return]
