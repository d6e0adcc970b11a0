"""Survival trees and forests of scikit-survival, whose leaves hold a hazard and a survival function each.

A risk score is the cumulative hazard added up over the times of events. In which order numpy adds depends on how many
rows there are: of several, numbers of the same time lie next to each other, and time after time is added; those of a
single row are added pairwise [sksurv/tree/tree.py, predict]. The forest has the scores of several rows; those of a
single row are a method of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.tree._tree import Tree
from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.copies import copy_with
from sktensor.extractors.sklearn.trees import accepts_nan, leaf_rows, node_arrays
from sktensor.forest import Forest
from sktensor.registry import Methods

__all__ = ["SurvivalMethods", "extract_forest", "extract_tree"]

Array = npt.NDArray[Any]
Ask = Callable[[str, Any], Any]

# The functions that a leaf holds, by where they lie in it [sksurv/tree/tree.py].
CHANNELS = {"predict_cumulative_hazard_function": 0, "predict_survival_function": 1}

# Functions of some rows that are added up together, which a second-level cache is to hold.
BYTES_TOGETHER = 2**19
LEAST_TOGETHER = 64


def extract_tree(model: Any) -> Forest:
    """The forest of a fitted ``SurvivalTree`` or ``ExtraSurvivalTree``."""
    check_is_fitted(model, "tree_")
    return _averaged(model, [model], start=-0.0, leaf_shape=())  # nothing is added: x + -0.0 is x for every x


def extract_forest(model: Any) -> Forest:
    """The forest of a fitted ``RandomSurvivalForest`` or ``ExtraSurvivalTrees``."""
    check_is_fitted(model, "estimators_")
    return _averaged(model, model.estimators_, start=0.0, leaf_shape=(len(model.estimators_),))


def _averaged(model: Any, trees: Sequence[Any], *, start: float, leaf_shape: tuple[int, ...]) -> Forest:
    for kind in {type(tree.tree_) for tree in trees} - {Tree}:
        raise UnsupportedModelError(f"The trees are {kind.__module__}.{kind.__qualname__} objects. Supported: Tree.")
    arrays = node_arrays([tree.tree_.__getstate__() for tree in trees])
    return Forest.from_fields(
        n_features=model.n_features_in_,
        accepts_nan=accepts_nan(trees[0]),
        tree_target=np.zeros(len(trees)),
        leaf_value=np.concatenate([_risks(tree, single=False) for tree in trees])[:, None],
        base=np.full(1, start),
        div=float(len(trees)),
        leaf_shape=leaf_shape,
        **arrays,
    )


def _risks(tree: Any, *, single: bool) -> Array:
    """Risk scores of a tree's leaves, as the library adds them up for several rows or for a single one."""
    rows = leaf_rows(tree)
    if tree.low_memory:  # they are all that there is
        return np.ascontiguousarray(tree.tree_.value[rows, 0, 0])
    # An array of one row is neither this nor that, so that a lone leaf is doubled.
    hazard = tree.tree_.value.take(rows if len(rows) > 1 else np.repeat(rows, 2), axis=0)[..., 0]
    of_events = hazard[:, tree.is_event_time_]
    found: Array = (np.ascontiguousarray(of_events) if single else of_events).sum(1)
    return found[: len(rows)]


class _LeafTables:
    """What a leaf of several trees holds, in tables that have a row for each leaf."""

    def __init__(self, trees: Sequence[Any]) -> None:
        self.trees = trees
        leaves = [leaf_rows(tree) for tree in trees]
        sizes = np.array([tree.tree_.node_count for tree in trees])
        self._start = np.cumsum(sizes) - sizes
        self._row = np.zeros(sizes.sum(), dtype=np.intp)
        self._row[np.concatenate([first + of_tree for first, of_tree in zip(self._start, leaves, strict=True)])] = (
            np.arange(sum(map(len, leaves)))
        )
        self._leaves = leaves
        self._known: dict[Any, Array] = {}

    def rows(self, leaves: Array) -> Array:
        """Rows in the tables of the library's leaf numbers, shape (n, T)."""
        found: Array = self._row[leaves.reshape(len(leaves), -1) + self._start]
        return found

    def single_risks(self) -> Array:
        """Risk scores of single rows, shape (L,)."""
        if (found := self._known.get("risks")) is None:
            found = self._known["risks"] = np.concatenate([_risks(tree, single=True) for tree in self.trees])
        return found

    def functions(self, channel: int) -> Array:
        """Values at each time, shape (L, times), in a quarter of the memory that the trees take."""
        if (found := self._known.get(channel)) is None:
            parts = [tree.tree_.value[rows, :, channel] for tree, rows in zip(self.trees, self._leaves, strict=True)]
            found = self._known[channel] = np.concatenate(parts)
        return found


class SurvivalMethods:
    """Methods of one fitted survival tree or forest; tables of its leaves are made when they are first needed."""

    def __init__(self) -> None:
        self._tables: _LeafTables | None = None

    def by_name(self) -> Methods:
        """All of them."""
        functions = {name: partial(self._function, name) for name in CHANNELS}
        return {"predict": self.predict, "score": self.score, **functions}

    def _of(self, model: Any) -> _LeafTables:
        trees, known = _trees(model), self._tables
        if known is None or len(known.trees) != len(trees) or known.trees[0] is not trees[0]:
            self._tables = known = _LeafTables(list(trees))
        return known

    def predict(self, model: Any, ask: Ask, X: Any, check_input: bool = True) -> Array:
        """Risk scores, float64 of shape (n,)."""
        if check_input is not True:
            raise TypeError("predict() got check_input=False, but rows are always checked. Leave it out.")
        trees = _trees(model)
        if trees[0].low_memory or not _is_single(X):
            return ask("predict", X)  # type: ignore[no-any-return]
        tables = self._of(model)
        of_trees = tables.single_risks()[tables.rows(ask("apply", X))]
        if trees[0] is model:
            return of_trees[:, 0]
        # Added to zeros one tree after the other, as accumulate does [sksurv/ensemble/forest.py, _predict].
        return np.add.accumulate(np.append(0.0, of_trees[0]))[-1:] / len(trees)  # type: ignore[no-any-return]

    def score(self, model: Any, ask: Ask, X: Any, *args: Any, **kwargs: Any) -> Any:
        """The concordance index."""
        return copy_with(model, predict=partial(self.predict, model, ask)).score(X, *args, **kwargs)

    def _function(self, name: str, model: Any, ask: Ask, X: Any, *args: Any, **kwargs: Any) -> Any:
        """A function of time for each row, or their values as an array of shape (n, times)."""
        trees = _trees(model)

        def mean(_: str, rows: Any) -> Array:
            leaves = ask("apply", rows)
            trees[0]._check_low_memory(name)
            return self._mean(model, leaves, CHANNELS[name])

        if trees[0] is not model:
            return getattr(copy_with(model, _predict=mean), name)(X, *args, **kwargs)
        if model.low_memory:
            return getattr(model, name)(X, *args, **kwargs)  # the library's refusal
        asked = _AskedTree(partial(ask, "apply"), model.tree_)
        unchecked = copy_with(model, tree_=asked, _validate_X_predict=lambda X, *args, **kwargs: X)
        return getattr(unchecked, name)(X, *args, **kwargs)

    def _mean(self, model: Any, leaves: Array, channel: int) -> Array:
        """The mean over the trees, added up one tree after the other [sksurv/ensemble/forest.py, _predict]."""
        tables = self._of(model)
        table, rows = tables.functions(channel), tables.rows(leaves)
        total = np.zeros((len(rows), table.shape[1]))
        step = max(LEAST_TOGETHER, BYTES_TOGETHER // (8 * max(table.shape[1], 1)))
        for first in range(0, len(rows), step):
            part = total[first : first + step]
            for of_tree in np.ascontiguousarray(rows[first : first + step].T):
                part += table.take(of_tree, axis=0)
        total /= len(model.estimators_)
        return total


class _AskedTree:
    """A tree whose leaves are found elsewhere."""

    def __init__(self, leaves: Callable[[Any], Array], tree: Any) -> None:
        self.leaves = leaves
        self.tree = tree

    def predict(self, X: Any) -> Array:
        """What is in the leaves that rows reach."""
        return self.tree.value.take(self.leaves(X), axis=0)  # type: ignore[no-any-return]


def _trees(model: Any) -> Sequence[Any]:
    """The trees of a forest, or a tree itself."""
    return getattr(model, "estimators_", None) or [model]


def _is_single(X: Any) -> bool:
    """Whether X is one row."""
    shape = getattr(X, "shape", None)
    return (shape[0] if shape else len(X)) == 1  # type: ignore[no-any-return]
