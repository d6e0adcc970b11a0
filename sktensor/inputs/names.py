"""Names of columns: those that a fitted model knows, and which columns of a frame are its own.

What each library does about names is said by its extractor, as :class:`~sktensor.registry.ColumnNames`; the words of
errors and warnings are scikit-learn's for all of them.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.forest import Forest
from sktensor.inputs.dataframe import frame_names
from sktensor.inputs.frames import PandasFrame, adapter
from sktensor.registry import ColumnNames, Extractor, find_extractor

__all__ = [
    "are_text",
    "check_names_to_fit",
    "compiled_names",
    "fitted_attribute",
    "has_known_names",
    "known_columns",
    "take_columns",
]

# Names that an error lists at most.
NAMES_LISTED = 5


# --- what a model knows -------------------------------------------------------------------------------------------


def are_text(names: Sequence[Any]) -> bool:
    """Whether scikit-learn takes these for names of columns: all of them are text."""
    return bool(names) and all(issubclass(kind, str) for kind in {*map(type, names)})


def fitted_attribute(model: Any, name: str) -> Any:
    """A fitted attribute of a model; None where it has none, or names that its library made up."""
    if name != "feature_names_in_":
        return getattr(model, name, None)
    try:
        known = _rules(find_extractor(model), model)
    except UnsupportedModelError:
        known = None
    if known is None:
        return getattr(model, name, None)
    return np.asarray(known.names, dtype=object) if known.names is not None and known.shown else None


def compiled_names(
    extractor: Extractor, model: Any, forest: Forest, given: list[Any] | None, shown: npt.NDArray[Any] | None
) -> ColumnNames:
    """The names with which the columns of frames are compared; a snapshot that later changes to the model do not touch.

    Parameters
    ----------
    extractor : Extractor
        The model's.
    model : object
        Fitted.
    forest : Forest
        Its forest.
    given : list, optional
        The names in the frame that the model was fitted on, where that happened here.
    shown : ndarray of str, optional
        ``feature_names_in_`` of the wrapper.

    Returns
    -------
    ColumnNames
    """
    known = _rules(extractor, model)
    of_wrapper = None if shown is None else tuple(shown.tolist())
    if known is None:
        return ColumnNames(names=of_wrapper, given=None if given is None else tuple(given))
    if given is not None and len(given) != forest.n_features and known.dropped is not None:
        given = [name for name in given if name != known.dropped]
    if given is not None and len(given) != forest.n_features:
        given = None
    if known.names is None and known.rule == "position":
        known = replace(known, names=of_wrapper)
    needed = None
    if known.rule == "name":
        looked_at = (
            forest.trees.feature
            if forest.inputs.key_column is None
            else np.append(forest.trees.feature, forest.inputs.key_column)
        )
        columns = {*np.unique(looked_at).tolist(), *known.categorical}
        needed = tuple(sorted(column for column in columns if 0 <= column < forest.n_features))
    return replace(known, needed=needed, given=None if given is None else tuple(given))


def check_names_to_fit(names: list[Any], estimator: Any) -> None:
    """Refuse, before a model is fitted, names of columns that scikit-learn would refuse afterwards."""
    if _are_mixed(names):
        try:
            if hasattr(find_extractor(estimator), "columns"):
                return  # the library has rules of its own, in which the type of a name does not matter
        except UnsupportedModelError:
            pass
        _refuse_mixed(names)


def _rules(extractor: Extractor, model: Any) -> ColumnNames | None:
    """What an extractor says about a model's columns, None if nothing."""
    return extractor.columns(model) if hasattr(extractor, "columns") else None


# --- what a frame has ---------------------------------------------------------------------------------------------


def known_columns(X: Any, known: ColumnNames, n_features: int, estimator_name: str) -> list[int] | None:
    """Find the columns of a model in a frame, or raise for a frame that has others.

    Parameters
    ----------
    X : data frame
        What was given.
    known : ColumnNames
        What the model knows.
    n_features : int
        Number of its columns.
    estimator_name : str
        For errors and warnings.

    Returns
    -------
    list of int or None
        For each column of the model its index in the frame, -1 for one that is missing and not needed; None if the
        frame has the model's columns in their order.

    Raises
    ------
    ValueError
        For other names, names twice, another order, or another number of columns, as far as the library refuses them;
        also for names other than the model's that LightGBM, and XGBoost in frames of some kinds, would not look at.
    TypeError
        For names of which some are text and some not, where scikit-learn refuses them.

    Warns
    -----
    UserWarning
        If there are names on one side only, and columns are read by position.
    """
    found = frame_names(X)
    places: list[int] | None = None
    if known.dropped is not None and known.dropped in found and isinstance(adapter(X), PandasFrame):
        places = [i for i, name in enumerate(found) if name != known.dropped]
        found = [found[i] for i in places]
    if len(found) == n_features and tuple(found) in (known.given, known.names):
        return places
    if not found:  # a frame without columns: only their number is wrong
        places = None
    elif known.rule == "scikit-learn":
        if not adapter(X).has_distinct_texts:
            _check_kinds(found)
        if known.names is not None and are_text(found):  # also in frames where versions before 1.9 find no names
            _refuse_other_names(found, known.names)
        _warn_of_names(found, known, estimator_name)
    elif known.rule == "name":
        _check_distinct(texts := _as_text(found, X, known))
        if known.names is not None:
            return None if tuple(texts) == known.names else _found_by_name(texts, known, known.names, n_features)
        _warn_of_names(found, known, estimator_name)
        if len(found) > n_features:
            places = list(range(n_features))
            found = found[:n_features]
        elif len(found) < n_features and known.needed is not None and max(known.needed, default=-1) < len(found):
            return [i if i < len(found) else -1 for i in range(n_features)]
    elif known.names is None or tuple(texts := _as_text(found, X, known)) != known.names:
        held_against = known.names is not None and (known.rule == "same" or _are_held_against(found, known.names))
        if known.rule == "same" or held_against:
            _check_distinct(found)
        if known.names is not None and held_against:
            _refuse_other_names(texts, known.names)
        _warn_of_names(found, known, estimator_name)
    if len(found) != n_features:
        raise ValueError(
            f"X has {len(found)} features, but {estimator_name} is expecting {n_features} features as input."
        )
    return places


def has_known_names(X: Any, known: ColumnNames) -> bool:
    """Whether the columns of a frame are called as those of the model, in their order, so that nothing is to be said.

    Parameters
    ----------
    X : data frame
        In which :func:`known_columns` has found the columns of the model.
    known : ColumnNames
        What the model knows.
    """
    found = frame_names(X)
    if known.dropped is not None and known.dropped in found:
        return False
    if tuple(found) in (known.given, known.names):
        return True
    return known.rule != "scikit-learn" and known.names is not None and tuple(_as_text(found, X, known)) == known.names


def take_columns(X: Any, places: list[int]) -> Any:
    """The columns of a frame at these indices, in this order; zeros for -1."""
    if isinstance(adapter(X), PandasFrame):
        taken = X.iloc[:, [place for place in places if place != -1]]
        for i, place in enumerate(places):
            if place == -1:
                taken.insert(i, f"not in X: {i}", 0.0)
        return taken
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True)
    if missing := places.count(-1):
        width = len(frame.columns)
        frame = frame.with_columns(*[nw.lit(0.0).alias(f"not in X: {i}") for i in range(missing)])
        absent = iter(range(width, width + missing))
        places = [next(absent) if place == -1 else place for place in places]
    return frame[:, places].to_native()


def _as_text(names: list[Any], X: Any, known: ColumnNames) -> list[str]:
    """Names as the library writes them."""
    if known.joins_levels and hasattr(getattr(X, "columns", None), "levels"):
        return [" ".join(str(level) for level in name) for name in names]
    if known.replaces_blanks:
        return [str(name).replace(" ", "_") for name in names]
    return [str(name) for name in names]


def _found_by_name(texts: list[str], known: ColumnNames, names: tuple[str, ...], n_features: int) -> list[int]:
    """Where the columns of these names are."""
    names = (*names, *[""] * (n_features - len(names)))
    needed = range(n_features) if known.needed is None else known.needed
    place = {name: i for i, name in enumerate(texts) if name}
    if all(names[i] in place for i in needed):
        places = [place.get(names[i], -1) for i in range(n_features)]
    else:
        places = [i if i < len(texts) else -1 for i in range(n_features)]
        for i in needed:
            if places[i] == -1 or (names[i] and texts[i] and texts[i] != names[i]):
                _refuse_other_names(texts, tuple(names[i] for i in needed), any_order=True)
    for i in needed:
        if (places[i] in known.categorical) != (i in known.categorical):
            raise ValueError(
                f"The library takes the columns at {list(known.categorical)} of any frame for categories, and column "
                f"{names[i]!r} is at {places[i]}. Feature names must be in the same order as they were in fit."
            )
    return places


def _check_kinds(names: list[Any]) -> None:
    """Refuse names that are not all texts, or no texts, and such as are there twice."""
    if _are_mixed(names):
        _refuse_mixed(names)
    _check_distinct(names)


def _are_held_against(names: list[Any], known: tuple[str, ...]) -> bool:
    """Whether to compare names that the library does not: some are text, and the model's are not just numbers."""
    return any(isinstance(name, str) for name in names) and known != tuple(str(i) for i in range(len(known)))


def _are_mixed(names: list[Any]) -> bool:
    return len({issubclass(kind, str) for kind in {*map(type, names)}}) == 2


def _refuse_mixed(names: list[Any]) -> None:
    raise TypeError(
        "Feature names are only supported if all input features have string names, but your input has "
        f"{sorted({type(name).__qualname__ for name in names})} as feature name / column name types. Give "
        "X.set_axis(X.columns.astype(str), axis=1) instead."
    )


def _check_distinct(names: list[Any]) -> None:
    if len({*names}) == len(names):
        return
    twice = [name for name, count in Counter(names).items() if count > 1 and name != ""]
    if twice:
        raise ValueError(
            f"X has more than one column of the name {twice[0]!r}. Expected unique column names; rename or drop all "
            "but one."
        )


def _refuse_other_names(names: list[Any], known: tuple[str, ...], *, any_order: bool = False) -> None:
    unseen, missing = sorted({*names} - {*known}), sorted({*known} - {*names} - {""})
    if any_order:  # more columns than those of the model would do
        unseen = unseen if missing else []
    lines = ["The feature names should match those that were passed during fit."]
    for what, found in (("unseen at fit time", unseen), ("seen at fit time, yet now missing", missing)):
        if found:
            shown = found[:NAMES_LISTED]
            lines += [
                f"Feature names {what}:",
                *(f"- {name}" for name in shown),
                *["- ..."] * (len(found) > len(shown)),
            ]
    if not unseen and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    raise ValueError("\n".join(lines) + "\n")


def _warn_of_names(names: list[Any], known: ColumnNames, estimator_name: str) -> None:
    if known.names is None and are_text(names):
        warnings.warn(
            f"X has feature names, but {estimator_name} was fitted without feature names", UserWarning, stacklevel=2
        )
    if known.names is not None and not are_text(names):
        warnings.warn(
            f"X does not have valid feature names, but {estimator_name} was fitted with feature names",
            UserWarning,
            stacklevel=2,
        )
