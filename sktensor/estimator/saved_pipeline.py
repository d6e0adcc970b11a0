"""A pipeline of which a file has kept the folded forests alone: it answers rows of the kinds that these are for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from sktensor.errors import UnsupportedModelError
from sktensor.estimator.answers import ANSWERS
from sktensor.estimator.fitted import Fitted
from sktensor.estimator.folded_rows import Kind, Ready, RowKinds, rows_of, shown_kind
from sktensor.estimator.frame_answers import FrameAnswers
from sktensor.estimator.pipeline import PipelinePlan
from sktensor.estimator.plain_answers import PlainProgram
from sktensor.estimator.progress import Watched
from sktensor.estimator.scoring import score
from sktensor.estimator.tensors import as_scikit_learn_answers, like_tensor
from sktensor.forest import Forest
from sktensor.inputs.few_rows import FewRows
from sktensor.inputs.not_for_views import NotForViews
from sktensor.inputs.rows import Rows, exchanged, is_exchangeable
from sktensor.inputs.tensors import is_tensor, on_host
from sktensor.pipelines.walk import Note
from sktensor.runtime.pickled_state import stamp, take_stamp
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

__all__ = ["SavedPipeline"]


class SavedPipeline:
    """Folded steps and a model, without the steps.

    Parameters
    ----------
    model : estimator
        What stands for the pipeline.
    kinds : RowKinds
        How kinds of rows are told apart.
    ready : dict
        The folded steps, by kind.
    notes : tuple of Note
        What the steps were.

    Attributes
    ----------
    frame_answers : FrameAnswers
        What answers few rows of a frame like others before it.
    """

    def __init__(self, model: Any, kinds: RowKinds, ready: dict[Kind, Ready], notes: tuple[Note, ...]) -> None:
        self.model, self.kinds, self.notes = model, kinds, notes
        self._ready = ready
        self.frame_answers = FrameAnswers()
        self._fitted = Fitted(model, self, None)

    def __getstate__(self) -> dict[str, Any]:
        return stamp({"model": self.model, "kinds": self.kinds, "ready": self._ready, "notes": self.notes})

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = take_stamp(state, "SavedPipeline")
        SavedPipeline.__init__(self, state["model"], state["kinds"], state["ready"], state["notes"])

    @property
    def forest(self) -> Forest:
        """The forest for arrays of float64, where it is one of their columns; otherwise UnsupportedModelError."""
        ready = self._ready.get("d")
        if ready is None or not ready.in_place:
            raise UnsupportedModelError(f"This {self._name} is not one forest over numbers: its steps look values up.")
        return ready.program.forest

    def plain_program(self, dtype: str) -> PlainProgram | None:
        """What runs arrays of a dtype whose columns have no names; None where more than kernels has a part in it."""
        ready = self._ready.get(np.dtype(dtype).char) if self.kinds.names is None else None
        return None if ready is None else ready.plain

    def folded(self) -> dict[Kind, Ready]:
        """The folded steps, by the kind of rows that they have been folded for."""
        return self._ready

    def ask(self, method: str, settings: Settings, X: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the pipeline.

        Parameters
        ----------
        method : str
            Its name.
        settings : Settings
            How the program runs.
        X : ndarray, data frame or torch.Tensor
            Rows of a kind that the steps have been folded for.
        *args, **kwargs
            The method's other arguments.

        Returns
        -------
        object
            The method's answer; where X is a tensor, arrays of numbers as tensors on its device.

        Raises
        ------
        UnsupportedModelError
            Where the steps would have to be asked.
        """
        return self._asked(method, settings, X, args, kwargs, None)

    def ask_watched(self, method: str, settings: Settings, X: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the pipeline as :meth:`ask` does, while a bar shows how far its trees are."""
        return self._asked(method, settings, X, args, kwargs, Watched)

    def _asked(
        self,
        method: str,
        settings: Settings,
        X: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        run: Callable[[Program], Any] | None,
    ) -> Any:
        if method == "score":
            (y,) = args
            return score(self.model, X, y, lambda rows: on_host(self.ask("predict", settings, rows)), **kwargs)
        if unknown := kwargs.keys() - {"base_margin"}:
            raise TypeError(f"{method}() got an unexpected keyword argument {min(unknown)!r}; it takes X.")
        if is_exchangeable(X):
            X = exchanged(X)
        ready, columns, rows = self._rows(on_host(X))
        if run is None and not kwargs and (found := ready.plain_answer(method, settings, rows)) is not None:
            if type(columns) is FewRows:
                make = partial(ready.frame_call, method, settings, X, columns.layout)
                self.frame_answers.learn(method, settings, X, columns.layout, make)
            return like_tensor(X, found) if is_tensor(X) else found
        program = ready.program if run is None else run(ready.program)
        try:
            answer = ANSWERS[method](self._fitted, program, settings, rows, kwargs.get("base_margin"))
        except NotForViews:
            raise self._asks_steps() from None
        return like_tensor(X, answer) if is_tensor(X) else as_scikit_learn_answers(answer)

    def folded_rows(self, X: Any) -> tuple[Ready, Rows]:
        """The program for rows like X, and these as its forest sees them; UnsupportedModelError where there is none."""
        ready, _, rows = self._rows(X)
        return ready, rows

    def _rows(self, X: Any) -> tuple[Ready, Any, Rows]:
        """As :meth:`folded_rows`, with the columns of a frame between."""
        X = _as_array(X)
        found = self.kinds.of(X)
        ready = None if found is None else self._ready.get(found[0])
        if found is None or ready is None:
            raise self._unlike(X)
        try:
            if ready.folded.runs:
                raise NotForViews
            return ready, found[1], rows_of(X, found[1], ready)
        except NotForViews:
            raise self._asks_steps() from None

    def _asks_steps(self) -> UnsupportedModelError:
        """The error for rows about which the steps would have to be asked."""
        return UnsupportedModelError(
            f"X holds values about which the steps of the {self._name} would have to be asked, as unknown categories, "
            "missing or infinite numbers, and sktensor.save has kept none of the steps. Predict such rows with the "
            "pipeline itself, for instance from a pickle."
        )

    @property
    def _name(self) -> str:
        return str(self.model.model).rpartition(".")[2]

    def _unlike(self, X: Any) -> UnsupportedModelError:
        """The error for rows of another kind."""
        names, n_columns = self.kinds.names, self.kinds.n_columns
        if type(X) is np.ndarray:
            given = f"an array of {X.dtype} and shape {X.shape}"
        elif hasattr(X, "columns") and hasattr(X, "dtypes"):
            kinds = [str(dtype) for dtype in np.asarray(X.dtypes, dtype=object)]
            given = f"{len(X)} rows of a {type(X).__module__.partition('.')[0]} frame with columns "
            given += ", ".join(f"{name}: {kind}" for name, kind in list(zip(X.columns, kinds, strict=True))[:8])
        else:
            given = f"a {type(X).__name__}"
        columns = f"{n_columns} columns" if names is None else f"the {n_columns} columns of training"
        return UnsupportedModelError(
            f"sktensor.save has kept the steps of this {self._name} as they were folded for "
            f"{'; '.join(shown_kind(kind, names) for kind in self._ready)}, with {columns}, and X is {given}. Convert "
            "X, or predict rows of its kind with the pipeline before it is saved."
        )

    def prepare(self, settings: Settings, n_rows: int = 1000) -> None:
        """Build what predictions of `n_rows` rows will use, or raise the error that they would."""
        for ready in self._ready.values():
            ready.program.prepare(settings, n_rows)

    def planned(self, settings: Settings) -> PipelinePlan:
        """A plan to show."""
        return self.plan(1000, settings)

    def plan(self, n_rows: int, settings: Settings) -> PipelinePlan:
        """How `n_rows` rows would be predicted."""
        return PipelinePlan(
            n_rows=n_rows,
            steps=self.notes,
            folded_for=tuple(shown_kind(kind, self.kinds.names) for kind in self._ready),
            model=next(iter(self._ready.values())).program.plan(n_rows, settings),
        )


def _as_array(X: Any) -> Any:
    """Sequences as the array that steps make of them, and integers as the ones that the steps have been folded for."""
    if isinstance(X, (list, tuple)):
        try:
            X = np.asarray(X)
        except ValueError:  # rows of different lengths
            return X
    if type(X) is np.ndarray and X.dtype.kind == "i" and X.dtype.itemsize >= 4:
        return X.astype(np.int64, copy=False)
    return X
