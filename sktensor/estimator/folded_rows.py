"""Rows as the forest of folded steps sees them, where the steps need not be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sktensor.estimator.plain_answers import PlainAnswers, PlainProgram
from sktensor.explain.explainers import Explainers
from sktensor.explain.players import players_of_views
from sktensor.forest import NO_FLUSH
from sktensor.inputs.few_rows import FEW_VALUES, FewRows, FewRowsReader, Layout
from sktensor.inputs.frame_reads import frame_read
from sktensor.inputs.layouts import NUMBERS, columns_of, layout_of
from sktensor.inputs.not_for_views import NotForViews
from sktensor.inputs.rows import IN_PLACE, Rows
from sktensor.inputs.views import ViewReader
from sktensor.native.plain_calls import Read, is_there
from sktensor.pipelines.folding import Folded
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

__all__ = ["Kind", "Ready", "RowKinds", "rows_of", "shown_kind"]

Array = npt.NDArray[Any]

Kind: TypeAlias = str | tuple[str, tuple[str, ...]]
"""Of arrays numpy's character for their dtype; of frames their library, and what the columns are of that are read."""

# Of what is ready: whatever follows from the rest, and is not pickled.
MADE_ANEW = ("explainers", "check", "_of_views")


@dataclass(frozen=True)
class Ready:
    """Folded steps with a program.

    Attributes
    ----------
    folded : Folded
        The steps.
    program : Program
        What runs the forest.
    reader : ViewReader
        What gives its columns.
    in_place : bool
        Whether its trees read X itself.
    low, high : float
        Numbers between these are refused in no column.
    below_exponent : int
        Nor are any below this power of two, of either sign, or, if it is 0, any finite ones.
    explainers : Explainers
        What takes raw scores apart: the columns of X play, whatever the steps make of each.
    check : callable
        What looks for numbers that are refused, where there are others.
    """

    folded: Folded
    program: Program
    reader: ViewReader
    in_place: bool
    low: float
    high: float
    below_exponent: int
    explainers: Explainers = field(init=False, repr=False, compare=False)
    check: Callable[[Array], None] = field(init=False, repr=False, compare=False)
    _of_views: PlainAnswers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        players = None if self.in_place else players_of_views(self.folded.views, len(self.folded.lowest))
        object.__setattr__(self, "explainers", Explainers(self.program, players))
        object.__setattr__(self, "check", partial(_check_array, ready=self))
        of_views = PlainProgram(self.program, Read(len(self.folded.views), None, NO_FLUSH, False))
        object.__setattr__(self, "_of_views", PlainAnswers(lambda dtype: of_views))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in MADE_ANEW}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    @property
    def plain(self) -> PlainProgram | None:
        """What runs arrays that need no more than kernels; None where steps or look-ups have a part in it."""
        if not self.in_place or self.folded.runs:
            return None
        return PlainProgram(self.program, Read(len(self.folded.lowest), None, NO_FLUSH, True), self.below_exponent)

    def plain_answer(self, method: str, settings: Settings, rows: Rows) -> Any:
        """What a method returns for a few rows of looked-up values; None where rows take the ordinary way.

        Parameters
        ----------
        method : str
            Its name.
        settings : Settings
            How the program runs.
        rows : Rows
            As :func:`rows_of` gives them.
        """
        return None if self.in_place or not rows.in_place else self._of_views(method, settings, rows.data)

    def frame_call(self, method: str, settings: Settings, X: Any, layout: Layout) -> Callable[[Any], Any] | None:
        """What answers few rows of frames like X at once; None where steps are run, or the extension is missing.

        Parameters
        ----------
        method : str
            Its name.
        settings : Settings
            How the program runs.
        X : data frame
            Of the kind that this is for.
        layout : Layout
            Of X.
        """
        of = self.reader
        read = frame_read(X, layout, of.views, of.lowest, of.highest, of.takes_missing, of.dtype)
        return None if read is None or not is_there() else self._of_views.of_frames(method, settings, read)

    @classmethod
    def of(cls, folded: Folded, program: Program, kind: Kind, *, in_place: bool) -> Ready:
        """Put one together for a kind of rows."""
        low, high = float(folded.lowest.max(initial=-np.inf)), float(folded.highest.min(initial=np.inf))
        exponent = 0
        if in_place and isinstance(kind, str) and np.dtype(kind) in IN_PLACE:
            takes_all = low <= float(np.finfo(kind).min) and high >= float(np.finfo(kind).max)
            exponent = 0 if takes_all else _power_below(min(-low, high))
        reader = ViewReader(
            folded.views,
            folded.columns,
            folded.lowest,
            folded.highest,
            folded.takes_missing,
            folded.forest.trees.feature_dtype,
        )
        return cls(folded, program, reader, in_place, low, high, exponent)


def _power_below(limit: float) -> int:
    """The exponent, other than 0, of a power of two that is not above a limit."""
    if limit <= 0:
        return -2000  # which is 0.0: any number is looked at
    exponent = int(np.frexp(limit)[1]) - 1
    return exponent if exponent else -1


class RowKinds:
    """Which kind of rows X is, and where the columns are that steps look at.

    Parameters
    ----------
    names : tuple of str, optional
        Of the columns that the steps were fitted on.
    by_name : bool
        Whether they find columns by their names.
    n_columns : int
        How many there were.
    read : list of int
        Those that folded steps look at.
    """

    def __init__(self, names: tuple[str, ...] | None, by_name: bool, n_columns: int, read: list[int]) -> None:
        self.names, self.by_name, self.n_columns, self.read = names, by_name, n_columns, read
        self._places: tuple[Any, list[int] | None] = None, None
        self._few = FewRowsReader(read)

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("names", "by_name", "n_columns", "read")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        RowKinds.__init__(self, **state)

    def of(self, X: Any) -> tuple[Kind, Any] | None:
        """The kind of X, and the columns of a frame; None where the library has something to say about X."""
        if type(X) is np.ndarray:
            if X.ndim != 2 or X.shape[1] != self.n_columns or not len(X) or self.names is not None:
                return None
            return (X.dtype.char, None) if X.dtype.char in NUMBERS and X.dtype.isnative else None
        library = layout_of(X)
        if not library or not (n_rows := len(X)) or (places := self._places_in(X)) is None:
            return None
        if n_rows * len(self.read) <= FEW_VALUES:
            found = self._few.of(library, X, n_rows, places)
            return None if found is None else ((library, found[0]), found[1])
        if (of_many := columns_of(X, places, self.read)) is None:
            return None
        return (library, of_many[1]), of_many[0]

    def _places_in(self, X: Any) -> list[int] | None:
        """Where the columns of the steps are in a frame; None where the library has something to say about that."""
        columns = X.columns
        known, places = self._places
        if columns is known or (isinstance(known, type(columns)) and columns.is_(known)):  # as of a slice
            return places
        names = columns if isinstance(columns, list) else columns.tolist()
        found: list[int] | None = None
        if self.names is not None:
            if tuple(names) == self.names:
                found = list(range(len(names)))
            elif self.by_name and all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
                place = {name: i for i, name in enumerate(names)}
                found = [place.get(name, -1) for name in self.names]
                if any(found[c] < 0 for c in self.read):
                    found = None
        if not isinstance(columns, list):
            self._places = columns, found
        return found


def shown_kind(kind: Kind, names: tuple[str, ...] | None) -> str:
    """A kind of rows in words."""
    if isinstance(kind, str):
        return f"arrays of {np.dtype(kind).name}"
    library, kinds = kind
    columns = [f"{name}: {of}" for name, of in zip(names or (), kinds, strict=False) if of]
    more = f" and {len(columns) - 8} others" if len(columns) > 8 else ""
    return f"frames of {library} ({', '.join(columns[:8])}{more})"


def rows_of(X: Any, columns: Any, ready: Ready, given: Array | None = None) -> Rows:
    """Rows of X as a program's forest sees them.

    Parameters
    ----------
    X : ndarray or data frame
        Of the kind that `ready` is for.
    columns : list or FewRows, optional
        Of a frame, as :meth:`RowKinds.of` gives them.
    ready : Ready
        For this kind.
    given : ndarray of shape (n, S), optional
        What the steps give that are run, if any are.

    Returns
    -------
    Rows

    Raises
    ------
    NotForViews
        Where the library has to be asked.
    """
    if type(X) is np.ndarray:
        if ready.in_place and X.dtype in IN_PLACE:
            return Rows(X, NO_FLUSH, None, ready.check, True, ready.below_exponent)
        _check_array(X, ready)
        if ready.in_place:
            return Rows(X, NO_FLUSH)
        columns = X.T
    if type(columns) is FewRows:
        return Rows(ready.reader.read_few(columns, given), NO_FLUSH, None, None, True)
    data = ready.reader.read(columns, len(X), given)
    return Rows(data, NO_FLUSH, None, None, isinstance(data, np.ndarray))


def _check_array(X: Array, ready: Ready) -> None:
    """Have the library asked about numbers that it would refuse."""
    if X.min() >= ready.low and X.max() <= ready.high:
        return
    folded = ready.folded
    if X.dtype.kind != "f":
        if ((X < folded.lowest) | (X > folded.highest)).any():
            raise NotForViews
        return
    absent = np.isnan(X)
    if np.any(absent[:, ~folded.takes_missing]):
        raise NotForViews
    if not (((X >= folded.lowest) & (X <= folded.highest)) | absent).all():
        raise NotForViews
