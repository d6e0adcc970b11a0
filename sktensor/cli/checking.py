"""``check``: bit equality with the library on the user's own rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sktensor.cli.errors import CommandError
from sktensor.cli.model_files import library_model
from sktensor.estimator import TensorizedEstimator
from sktensor.registry import find_extractor

__all__ = ["check"]

METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "transform",
)


@dataclass(frozen=True)
class Asked:
    """What the library, or sktensor, gave for rows.

    Attributes
    ----------
    value : object
        The answer; None where there is an error, or it does not tell.
    error : str
        Its class and message.
    """

    value: Any = None
    error: str = ""


def check(model: Any, X: Any) -> bool:
    """Compare all that a model's library and sktensor answer, and print it.

    Parameters
    ----------
    model : object
        Fitted.
    X : DataFrame or ndarray
        Rows.

    Returns
    -------
    bool
        Whether all answers are equal, in dtype, shape and every bit.

    Raises
    ------
    CommandError
        If there is nothing to compare.
    """
    library = library_model(model)
    fast = model if isinstance(model, TensorizedEstimator) else TensorizedEstimator(library)
    equal, compared = True, 0
    for name, theirs, ours in _questions(library, fast, X):
        known = _ask(theirs, X)
        if known.value is None and not known.error:
            continue  # it does not tell
        got = _ask(ours, X)
        if known.error or got.error:
            same = bool(known.error) and bool(got.error)
            print(f"{name:<20}{'refused by both: ' if same else 'DIFFERENT: '}", end="")
            print(
                known.error if same else f"the library says {known.error or 'an answer'}, sktensor {got.error or 'one'}"
            )
            equal &= same
            continue
        compared += 1
        why, row = difference(known.value, got.value)
        print(f"{name:<20}{'DIFFERENT: ' + why if why else f'equal, {len(X):,} rows'}")
        if row is not None:
            _print_row(X, row, known.value, got.value)
        equal &= not why
    if not compared and equal:
        raise CommandError("none of the model's methods gives an answer for these rows; the errors are above")
    return equal


def _questions(library: Any, fast: Any, X: Any) -> list[tuple[str, Any, Any]]:
    """Names of answers, and what gives them: the library's, and ours."""
    found: list[tuple[str, Any, Any]] = []
    if hasattr(type(library), "fit"):
        found += [
            (name, getattr(library, name), getattr(fast, name))
            for name in METHODS
            if hasattr(library, name) and hasattr(fast, name)
        ]
    extractor = find_extractor(library)
    if isinstance(X, np.ndarray) and hasattr(fast, "forest_"):
        for name, theirs, ours in (("raw scores", "predict_raw", "predict_raw"), ("leaves", "predict_leaves", "apply")):
            if hasattr(extractor, theirs) and (ours != "predict_raw" or fast.forest_.trees.aggregate != "per_tree"):
                found.append(
                    (name, _of_extractor(getattr(extractor, theirs), library), _as_matrix(getattr(fast, ours)))
                )
    if not found:
        raise CommandError(f"{type(library).__name__} takes no tables. Give its rows as numbers.")
    return found


def _of_extractor(ask: Callable[[Any, Any], Any], model: Any) -> Callable[[Any], Any]:
    def asked(X: Any) -> Any:
        found = ask(model, X)
        return None if found is None else np.asarray(found).reshape(len(X), -1)

    return asked


def _as_matrix(ask: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Answers of several targets beside each other; as the extractors give them."""

    def asked(X: Any) -> Any:
        found = ask(X)
        return np.concatenate(found, axis=1) if isinstance(found, list) else np.asarray(found).reshape(len(X), -1)

    return asked


def _ask(method: Callable[[Any], Any], X: Any) -> Asked:
    """What a method gives, or its error."""
    import joblib

    try:
        with joblib.parallel_config(backend="sequential"):  # forests add trees in the order in which threads finish
            return Asked(method(X.copy()))
    except Exception as error:  # of any library, of any kind
        return Asked(error=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def difference(theirs: Any, ours: Any) -> tuple[str, int | None]:
    """In what two answers differ, and in which row first.

    Parameters
    ----------
    theirs, ours : ndarray, list of ndarray or sparse matrix
        Answers for the same rows.

    Returns
    -------
    why : str
        Empty if they are equal in every bit.
    row : int or None
        The first that differs, where it is one row's answer that does.
    """
    if isinstance(theirs, list) != isinstance(ours, list):
        return f"{type(theirs).__name__} and {type(ours).__name__}", None
    if isinstance(theirs, list):
        if len(theirs) != len(ours):
            return f"{len(theirs)} and {len(ours)} targets", None
        found = [difference(a, b) for a, b in zip(theirs, ours, strict=True)]
        return min((one for one in found if one[0]), key=lambda one: one[1] or 0, default=("", None))
    a, b = (np.asarray(x.toarray() if hasattr(x, "toarray") else x) for x in (theirs, ours))
    if a.shape != b.shape:
        return f"shapes {a.shape} and {b.shape}", None
    if a.dtype != b.dtype:
        return f"dtypes {a.dtype} and {b.dtype}", None
    same = _equal_bits(a, b).reshape(len(a), -1).all(axis=1)
    if same.all():
        return "", None
    row = int(np.flatnonzero(~same)[0])
    return f"{int((~same).sum()):,} of {len(same):,} rows, the first is row {row:,}", row


def _equal_bits(a: Any, b: Any) -> Any:
    if a.dtype.kind in "fc":
        bits = np.dtype(f"u{a.dtype.itemsize}")
        return np.ascontiguousarray(a).view(bits) == np.ascontiguousarray(b).view(bits)
    return np.asarray(a == b)


def _print_row(X: Any, row: int, theirs: Any, ours: Any) -> None:
    """A row and what both say about it."""
    values = X[row].tolist() if isinstance(X, np.ndarray) else X.iloc[row].to_dict()
    print(f"    row {row:,}: {values}")
    for name, answer in (("library", theirs), ("sktensor", ours)):
        of_targets = answer if isinstance(answer, list) else [answer]
        shown = [np.asarray(x[[row]].toarray()[0] if hasattr(x, "toarray") else x[row]).tolist() for x in of_targets]
        print(f"    {name:<10}{shown[0] if len(shown) == 1 else shown}")
