"""Quantiles, ranks and proximities of the training samples in the leaves that rows reach, as the library makes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.extractors.copies import copy_with
from sktensor.registry import Methods

__all__ = ["QuantileMethods"]

Array = npt.NDArray[Any]
Ask = Callable[[str, Any], Any]


class QuantileMethods:
    """Methods of one fitted model; the values in its leaves are looked up once, where a leaf holds a single one."""

    def __init__(self) -> None:
        self._known: tuple[Any, Array] | None = None

    def by_name(self) -> Methods:
        """All of them."""
        names = ("predict", "quantile_ranks", "proximity_counts", "score")
        return {name: getattr(self, name) for name in names}

    def predict(
        self,
        model: Any,
        ask: Ask,
        X: Any,
        quantiles: Any = None,
        interpolation: Any = "linear",
        weighted_quantile: Any = True,
        weighted_leaves: Any = False,
        aggregate_leaves_first: Any = True,
        oob_score: Any = False,
        indices: Any = None,
        duplicates: Any = None,
    ) -> Array:
        """Quantiles, or the mean, shape (n,), (n, n_quantiles) or (n, n_outputs, n_quantiles) of float64."""
        how = interpolation, weighted_quantile, weighted_leaves, aggregate_leaves_first, oob_score, indices, duplicates
        if oob_score:  # each tree is asked for the rows that it was not grown on
            return model.predict(X, quantiles, *how)  # type: ignore[no-any-return]
        leaves = ask("apply", X)
        wanted = _wanted(model, quantiles)
        plain = isinstance(interpolation, str) and model.monotonic_cst is None and model.max_samples_leaf == 1
        if wanted is None or not plain or model.n_estimators > leaves.shape[1]:
            return _asking_for(model, leaves).predict(X, quantiles, *how)  # type: ignore[no-any-return]
        return self._of_single_values(model, leaves, len(X), wanted, interpolation)

    def _of_single_values(self, model: Any, leaves: Array, n_rows: int, wanted: list[Any], method: Any) -> Array:
        """Quantiles of one value a tree, in the order of the trees [quantile_forest/_quantile_forest.py, predict]."""
        values = self._values(model)
        n_outputs, n_trees, n_nodes = values.shape
        n_trees = min(model.n_estimators, n_trees)  # the parameter counts, as it is at prediction time
        at = leaves[:, :n_trees] + n_nodes * np.arange(n_trees)
        found = np.empty((n_rows, n_outputs, len(wanted)))
        for output, table in enumerate(values.reshape(n_outputs, -1)):
            of_trees = table[at]
            if wanted == ["mean"]:
                found[:, output, 0] = np.mean(of_trees, axis=1)
            else:
                found[:, output, :] = np.quantile(of_trees, wanted, method=method, axis=1).T
        if found.shape[2] == 1:
            found = found[:, :, 0]
        return found[:, 0] if n_outputs == 1 else found

    def _values(self, model: Any) -> Array:
        """The training target in each leaf, float64 of shape (n_outputs, n_trees, n_nodes)."""
        fitted = model.forest_
        if self._known is None or self._known[0] is not fitted:
            targets = np.asarray(fitted.y_train)
            samples = np.asarray(fitted.y_train_leaves)[:, :, :, 0] - 1  # of a leaf without any, the last
            table = np.stack([of_output[samples[:, :, k]] for k, of_output in enumerate(targets)])
            self._known = fitted, np.ascontiguousarray(table)
        return self._known[1]

    def quantile_ranks(self, model: Any, ask: Ask, X: Any, *args: Any, **kwargs: Any) -> Array:
        """Ranks of targets among the training samples in the leaves that rows reach, of float64."""
        # The library takes X for other training data, names included, and asks for the leaves of an array.
        return copy_with(model, apply=partial(ask, "apply")).quantile_ranks(X, *args, **kwargs)  # type: ignore[no-any-return]

    def proximity_counts(
        self,
        model: Any,
        ask: Ask,
        X: Any,
        max_proximities: Any = None,
        return_sorted: Any = True,
        oob_score: Any = False,
        indices: Any = None,
        duplicates: Any = None,
    ) -> Any:
        """How often training samples share leaves with each row: a list of pairs for each."""
        asked = model if oob_score else _asking_for(model, ask("apply", X))
        return asked.proximity_counts(X, max_proximities, return_sorted, oob_score, indices, duplicates)

    def score(self, model: Any, ask: Ask, X: Any, *args: Any, **kwargs: Any) -> Any:
        """R² of the median, or of other quantiles."""
        return copy_with(model, predict=partial(self.predict, model, ask)).score(X, *args, **kwargs)


def _wanted(model: Any, quantiles: Any) -> list[Any] | None:
    """Quantiles as the library reads them; None for what it refuses, in its own words."""
    if quantiles is None:
        quantiles = "mean" if model.default_quantiles is None else model.default_quantiles
    wanted = quantiles if isinstance(quantiles, list) else [quantiles]
    if wanted == ["mean"] or (wanted and all(isinstance(q, (float, int)) and 0 <= q <= 1 for q in wanted)):
        return wanted
    return None


def _asking_for(model: Any, leaves: Array) -> Any:
    """A copy of a model to which the leaves of its rows, which have been checked, are known."""
    return copy_with(model, _validate_X_predict=lambda X: X, apply=lambda X: leaves)
