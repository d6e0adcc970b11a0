"""Columns of X that hold texts, objects or categories: which of the known ones each value is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.forest.views import CategoryView
from sktensor.pipelines.numbers import MOST_BINS
from sktensor.pipelines.oracle import UNKNOWN, Oracle
from sktensor.pipelines.questions import Questions, ViewNumbers
from sktensor.pipelines.structure import is_missing

__all__ = ["add_text_views"]

Array = npt.NDArray[Any]


def add_text_views(oracle: Oracle, questions: Questions, views: ViewNumbers) -> None:
    """Have the nodes that ask of what becomes of columns of X other than numbers ask for sets of their values.

    Parameters
    ----------
    oracle : Oracle
        The steps.
    questions : Questions
        Those of the nodes.
    views : ViewNumbers
        All views so far.
    """
    columns = [c for c in oracle.by_source if c not in oracle.numeric]
    for c in columns:
        if any(oracle.column(j).kind != "pieces" for j in oracle.by_source[c]):
            raise UnsupportedModelError(f"column {c} holds other things than numbers, and no step looks them up")
    values = {c: _known(oracle, c) for c in columns}
    oracle.ask_together(values)
    able = [c for c in columns if not oracle.warns(c)]
    oracle.ask_together({c: [UNKNOWN] for c in able})
    oracle.ask_together_of_missing(able)
    for c in columns:
        _add_view(oracle, questions, views, c, values[c])


def _known(oracle: Oracle, c: int) -> list[Any]:
    """The values of a column of X that some step looks for; where one warns of others, those that none warns of."""
    values = oracle.known_to_all(c)
    if not oracle.warns(c):
        of_any = [v for known in oracle.known(c) for v in known.values if not is_missing(v)]
        values = oracle.probe.known(c, list(dict.fromkeys(of_any)))
    if len(values) > MOST_BINS:
        raise UnsupportedModelError(f"column {c} has {len(values)} known categories")
    return values


def _add_view(oracle: Oracle, questions: Questions, views: ViewNumbers, c: int, values: list[Any]) -> None:
    """Have the nodes that ask of what becomes of a column of X ask for sets of its values."""
    js, every = oracle.used_of(c), oracle.by_source[c]
    warns = oracle.warns(c)  # of missing values, too, if unknown
    taken: list[Any] = []
    found: list[list[Array]] = [[] for _ in js]

    def ask(asked: list[Any], beside: Sequence[Any] = ()) -> bool:
        """Ask about values, which have one code each if the steps take them, in a column with others."""
        try:
            numbers, absent = oracle.features_of(c, [*beside, *asked], every)
        except UnsupportedModelError:
            return False
        numbers, absent = numbers[len(beside) :], absent[len(beside) :]
        if np.isnan(numbers).any() and not oracle.takes_nan:
            return False
        at = [every.index(j) for j in js]
        answers = questions.answers(js, numbers[:, at], absent[:, at])
        for one, j in zip(found, js, strict=True):
            one.append(answers.of(j))
        return True

    if values and ask(values):
        taken = list(values)
    else:
        for value in values:
            if ask([value]):
                taken.append(value)
    number = {value: i for i, value in enumerate(taken)}
    unknown = None
    size = len(taken)
    if not warns and ask([UNKNOWN]):
        unknown, size = size, size + 1
    missing: dict[bool, int] = {}
    of_probe = oracle.probe.missing(c)
    for value in of_probe:
        if not warns and oracle.is_steady(c, value) and ask([value], [oracle.usual[c]]):
            missing[value is None], size = size, size + 1
    if len(missing) > 1:  # what encoders take None for beside NaN depends on the other values of a column
        del missing[True]
    all_missing = warns or all(oracle.is_itself(c, value) for value in of_probe)
    takes_all = unknown is not None and len(missing) == len(of_probe) and len(taken) == len(values)
    if not js and all_missing and takes_all:
        return  # nobody looks at it, and nothing is refused
    if not size:
        raise UnsupportedModelError(f"the steps take no value in column {c}")
    view = views.number_of(CategoryView(c, number, missing.get(False), missing.get(True), unknown, all_missing))
    for one, j in zip(found, js, strict=True):
        questions.ask_sets(j, view, np.concatenate(one), None)
