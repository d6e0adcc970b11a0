"""What the nodes of a forest ask, column by column, and what they are to ask instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.forest.trees import Trees
from sktensor.forest.views import View

__all__ = ["Answers", "Questions", "ViewNumbers"]

Array = npt.NDArray[Any]

WORD = 32
MOST_CATEGORIES = 4096  # of a set that numbers are asked for


class ViewNumbers:
    """Views, numbered as they come.

    Attributes
    ----------
    all : list of View
        In the order of their numbers.
    """

    def __init__(self) -> None:
        self.all: list[View] = []
        self._numbers: dict[View, int] = {}

    def number_of(self, view: View) -> int:
        """The number of a view, a new one if it is new."""
        if view not in self._numbers:
            self._numbers[view] = len(self.all)
            self.all.append(view)
        return self._numbers[view]


@dataclass(frozen=True)
class _OfColumn:
    """The distinct questions about a column."""

    nodes: Array  # that look at the column
    which: Array  # the question of each
    first: Array  # a node with each question


def _distinct(trees: Trees) -> Iterator[tuple[int, _OfColumn]]:
    """The distinct questions about each column, in the order of their thresholds."""
    threshold: Array = trees.threshold
    sides = trees.nan_left.astype(np.int64)
    if trees.zero_dir is not None:
        sides += 2 * (1 + trees.zero_dir.astype(np.int64))
    if trees.is_cat is not None:  # each of them is another
        threshold = np.where(trees.is_cat, 0.0, threshold)
        sides += np.where(trees.is_cat, 8 * (1 + np.arange(trees.n_nodes)), 0)
    order = np.lexsort((sides, threshold, trees.feature))
    feature, threshold, sides = trees.feature[order], threshold[order], sides[order]
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = (feature[1:] != feature[:-1]) | (threshold[1:] != threshold[:-1]) | (sides[1:] != sides[:-1])
    question = np.cumsum(is_new) - 1
    columns, starts = np.unique(feature, return_index=True)
    for column, start, end in zip(columns.tolist(), starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
        nodes = order[start:end]
        yield column, _OfColumn(nodes, question[start:end] - question[start], nodes[is_new[start:end]])


class Questions:
    """The questions of a forest, to be replaced column by column.

    Parameters
    ----------
    trees : Trees
        The forest's.
    """

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._of: dict[int, _OfColumn] = {}
        for column, of in _distinct(trees):
            self._of[column] = of
        n = trees.n_nodes
        self._feature = np.zeros(n, dtype=np.int32)
        self._threshold = np.zeros(n)
        self._nan_left = np.zeros(n, dtype=bool)
        self._zero_dir = np.full(n, -1, dtype=np.int8)
        self._sets: dict[int, Array] = {}  # words, by node
        self._outside: dict[int, bool] = {}

    def has_sets(self, column: int) -> bool:
        """Whether some node asks for a set of categories there."""
        is_cat = self._trees.is_cat
        return is_cat is not None and bool(is_cat[self._of[column].first].any())

    def count(self, column: int) -> int:
        """How many distinct questions there are about a column."""
        return len(self._of[column].first)

    def values(self, column: int) -> list[float]:
        """Numbers at which an answer about a column changes."""
        trees, first = self._trees, self._of[column].first
        is_set = np.zeros(len(first), dtype=bool) if trees.is_cat is None else trees.is_cat[first]
        found = set(np.asarray(trees.threshold[first[~is_set]], dtype=np.float64).tolist())
        if is_set.any():
            assert trees.cat_words is not None
            n = WORD * int(trees.cat_words[first[is_set]].max())
            if n > MOST_CATEGORIES:
                raise UnsupportedModelError(f"it asks whether numbers are among {n} categories")
            found |= {float(i) for i in range(-1, n + 1)}
        return sorted(found)

    def answers(self, columns: Sequence[int], numbers: Array, missing: Array) -> Answers:
        """What all nodes answer for some values.

        Parameters
        ----------
        columns : sequence of int
            Which of the forest's.
        numbers : ndarray of float64, shape (n, len(columns))
            In its feature dtype.
        missing : ndarray of bool, shape (n, len(columns))
            Which of them are missing instead.

        Returns
        -------
        Answers
        """
        left, compared = {}, {}
        for i, column in enumerate(columns):
            first = self._of[column].first
            compared[column] = self._compared(first, numbers[:, i, None])
            left[column] = self._left(first, numbers[:, i, None], missing[:, i, None], compared[column])
        return Answers(left, compared)

    def _compared(self, nodes: Array, z: Array) -> Array:
        thresholds = np.asarray(self._trees.threshold[nodes], dtype=np.float64)
        found: Array = z < thresholds if self._trees.cmp == "lt" else z <= thresholds
        return found

    def _left(self, nodes: Array, z: Array, missing: Array, compared: Array) -> Array:
        trees, found = self._trees, compared
        if trees.zero_dir is not None:
            of_zero = trees.zero_dir[nodes]
            found = np.where((np.abs(z) <= trees.zero_limit) & (of_zero >= 0), of_zero == 1, found)
        if trees.is_cat is not None and trees.is_cat[nodes].any():
            found = found.copy()
            for i in np.flatnonzero(trees.is_cat[nodes]):
                found[:, i] = self._in_set(nodes[i], z[:, 0])
        return np.where(missing, trees.nan_left[nodes], found)

    def _in_set(self, node: Any, z: Array) -> Array:
        trees = self._trees
        assert trees.cat_off is not None and trees.cat_words is not None and trees.cat_bits is not None
        number = np.trunc(z) if trees.cat_mode == "lgb" else z  # -0.5 is category 0 to LightGBM and none to XGBoost
        words = trees.cat_bits[trees.cat_off[node] : trees.cat_off[node] + trees.cat_words[node]]
        members = np.unpackbits(words.view(np.uint8), bitorder="little").astype(bool)
        limit = float(2**31 if trees.cat_mode == "lgb" else 2**24)
        known = (number >= 0) & (number < limit) & (number < len(members))
        outside = False if trees.oov_left is None else bool(trees.oov_left[node])
        return np.where(known, members[np.where(known, number, 0).astype(np.int64)] if len(members) else False, outside)

    # --- what is asked instead ----------------------------------------------------------------------------------

    def ask_numbers(self, column: int, view: int, thresholds: Array, nan_left: Array | None) -> None:
        """Have the nodes of a column compare a view with other thresholds.

        Parameters
        ----------
        column, view : int
            Which of the forest's columns, and which view instead.
        thresholds : ndarray of float64
            For the old ones, in the order of :meth:`values`.
        nan_left : ndarray of bool, optional
            Where each question sends what is missing there, if anything can be.
        """
        of = self._of[column]
        old = np.asarray(self._trees.threshold[of.first], dtype=np.float64)
        self._feature[of.nodes] = view
        self._threshold[of.nodes] = thresholds[np.searchsorted(self.values(column), old)][of.which]
        self._nan_left[of.nodes] = False if nan_left is None else nan_left[of.which]

    def ask_sets(self, column: int, view: int, left: Array, nan_left: Array | None) -> None:
        """Have the nodes of a column ask which codes a view has.

        Parameters
        ----------
        column, view : int
            Which of the forest's columns, and which view instead.
        left : ndarray of bool, shape (codes, questions)
            Which codes each question sends to the left.
        nan_left : ndarray of bool, optional
            Where each question sends what is missing there, if anything can be.
        """
        of = self._of[column]
        n_left = left.sum(axis=0)
        is_prefix = np.array([bool(left[:count, q].all()) for q, count in enumerate(n_left)])
        self._feature[of.nodes] = view
        self._threshold[of.nodes] = (n_left - 0.5)[of.which]
        self._nan_left[of.nodes] = False if nan_left is None else nan_left[of.which]
        padded = np.zeros((-(-len(left) // WORD) * WORD, left.shape[1]), dtype=bool)
        padded[: len(left)] = left
        words = np.packbits(padded, axis=0, bitorder="little").T.copy().view(np.uint32)
        for node, which in zip(of.nodes.tolist(), of.which.tolist(), strict=True):
            if not is_prefix[which]:
                self._sets[node] = words[which]
                self._outside[node] = False

    def ask_as_before(self, column: int, view: int) -> None:
        """Have the nodes of a column ask the same of a view."""
        trees, nodes = self._trees, self._of[column].nodes
        self._feature[nodes] = view
        self._threshold[nodes] = trees.threshold[nodes]
        self._nan_left[nodes] = trees.nan_left[nodes]
        if trees.zero_dir is not None:
            self._zero_dir[nodes] = trees.zero_dir[nodes]
        if trees.is_cat is not None and trees.is_cat[nodes].any():
            assert trees.cat_off is not None and trees.cat_words is not None and trees.cat_bits is not None
            for node in nodes[trees.is_cat[nodes]].tolist():
                self._sets[node] = trees.cat_bits[trees.cat_off[node] : trees.cat_off[node] + trees.cat_words[node]]
                self._outside[node] = False if trees.oov_left is None else bool(trees.oov_left[node])

    def trees(self, n_columns: int, feature_dtype: Any) -> Trees:
        """The trees with the questions that they are to ask.

        Parameters
        ----------
        n_columns : int
            Number of views.
        feature_dtype : {"float32", "float64"}
            Their dtype.

        Returns
        -------
        Trees
        """
        asked: dict[str, Any] = {
            "n_columns": n_columns,
            "feature_dtype": feature_dtype,
            "feature": self._feature,
            "threshold": self._threshold,
            "nan_left": self._nan_left,
            "zero_dir": self._zero_dir if (self._zero_dir >= 0).any() else None,
            **dict.fromkeys(("is_cat", "cat_off", "cat_words", "cat_bits", "oov_left")),
        }
        if self._sets:
            n = self._trees.n_nodes
            nodes = np.array(sorted(self._sets), dtype=np.int64)
            counts = np.array([len(self._sets[node]) for node in nodes.tolist()], dtype=np.int32)
            is_cat, off, words = np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
            outside = np.zeros(n, dtype=bool)
            is_cat[nodes], words[nodes], off[nodes] = True, counts, np.cumsum(counts) - counts
            outside[nodes] = [self._outside[node] for node in nodes.tolist()]
            asked |= {
                "is_cat": is_cat,
                "cat_off": off,
                "cat_words": words,
                "cat_bits": np.concatenate([self._sets[node] for node in nodes.tolist()]),
                "oov_left": outside,
            }
        return replace(self._trees, **asked)


@dataclass(frozen=True)
class Answers:
    """What the distinct questions about some columns answer for some values.

    Attributes
    ----------
    left, compared : dict of ndarray of bool, shape (values, questions)
        By column: whether a value goes left, and whether it would by comparing alone.
    """

    left: dict[int, Array]
    compared: dict[int, Array]

    def of(self, column: int) -> Array:
        """Whether values go left, shape (values, questions)."""
        return self.left[column]

    def as_compared(self, column: int) -> bool:
        """Whether all go where comparing sends them."""
        return np.array_equal(self.left[column], self.compared[column])
