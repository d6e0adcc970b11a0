"""What a model and its forest are put through."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.estimator.verification import probe
from sktensor.forest import Forest
from sktensor.registry import Extractor, find_extractor
from sktensor.testing.answers import METHODS
from sktensor.testing.case import BATCHES, Case
from sktensor.testing.rows import GIVEN, hurting

__all__ = ["assert_matches", "check_extractor"]

Array = npt.NDArray[Any]


def assert_matches(model: Any, X: Any, *, extractor: Extractor | None = None) -> None:
    """Hold the forest of a fitted model against the model's own answers for some rows.

    What the model has is compared, in this order: leaf numbers (the extractor's ``predict_leaves``, otherwise
    ``apply``), raw scores (its ``predict_raw``), ``decision_function``, ``score_samples``, ``predict_proba``,
    ``predict_log_proba``, ``predict`` and ``transform``. Equal means in dtype, shape and every bit.

    Parameters
    ----------
    model : object
        Fitted. The methods of one that has no ``fit``, such as a ``Booster``, are not asked.
    X : array-like of shape (n_samples, n_features)
        Rows of numbers.
    extractor : Extractor, optional
        Whose forest to check; by default the one that the registry finds.

    Raises
    ------
    AssertionError
        Naming the first row that differs, both answers, and the field of :class:`~sktensor.Forest` at fault as far
        as it can be told.
    UnsupportedModelError
        If the extractor refuses the model.
    ValueError
        If the forest is malformed, or neither model nor extractor has any answer to hold it against.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from sktensor.testing import assert_matches
    >>> X, y = load_diabetes(return_X_y=True)
    >>> assert_matches(RandomForestRegressor(n_estimators=5, n_jobs=1).fit(X, y), X)
    """
    with np.errstate(all="ignore"):
        _case(model, extractor, X := _as_rows(X)).check(X, GIVEN)


def check_extractor(model: Any, X: Any, *, extractor: Extractor | None = None) -> None:
    """Check an extractor on a fitted model, as scikit-learn's ``check_estimator`` checks an estimator.

    The forest has to be well-formed, the same twice, and to leave the model as it was. Then :func:`assert_matches`
    holds for `X` and for rows made of the forest's own thresholds, the numbers beside them in the forest's dtype and
    in float64, missing values and infinities where the forest takes them (where it does not, the model's ``predict``
    has to refuse them, too), large integers, and batches of 0, 1, 2 and 7 rows. At last every strategy, with every
    kernel that there is, every memory layout and a pickled copy have to give the same bits, and links of tensors the
    same up to 4 ulp of torch's ``exp``.

    Parameters
    ----------
    model : object
        Fitted. The methods of one that has no ``fit``, such as a ``Booster``, are not asked.
    X : array-like of shape (n_samples, n_features)
        Some rows of numbers, for instance those that the model was fitted on.
    extractor : Extractor, optional
        Whose forest to check, for instance before it is registered; by default the one that the registry finds, and
        :class:`~sktensor.TensorizedEstimator` around the model is checked, too.

    Raises
    ------
    AssertionError
        Naming the rows, the first that differs, both answers, and the field of :class:`~sktensor.Forest` at fault as
        far as it can be told.
    UnsupportedModelError
        If the extractor refuses the model.
    ValueError
        If the forest is malformed, or neither model nor extractor has any answer to hold it against.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from sktensor.testing import check_extractor
    >>> X, y = load_iris(return_X_y=True)
    >>> check_extractor(HistGradientBoostingClassifier(max_iter=3).fit(X, y), X)
    """
    X = _as_rows(X)
    with np.errstate(all="ignore"):
        case = _case(model, extractor, X)
        case.check_extraction(X)
        for rows, name in hurting(case.forest, X):
            case.check(rows, name)
        case.check_refusals(X)
        more = X[:0] if case.forest.inputs.hashed is not None else probe(case.forest).astype(X.dtype)
        enough = np.concatenate([X, more])[: max(BATCHES)]
        for size in BATCHES[1:]:
            case.check(enough[:size], f"a batch of {size}")
        case.check_empty(enough)
        case.check_ways_to_run(probe(case.forest))
        case.check_tensors(probe(case.forest))
        case.check_copies(probe(case.forest), through_registry=extractor is None)


def _as_rows(X: Any) -> Array:
    rows = np.asarray(X)
    if rows.ndim != 2 or rows.dtype.kind not in "biuf":
        raise ValueError(f"X must be a two-dimensional array of numbers, got shape {rows.shape}, dtype {rows.dtype}.")
    return rows


def _case(model: Any, extractor: Extractor | None, X: Array) -> Case:
    extractor = find_extractor(model) if extractor is None else extractor
    forest = extractor.extract(model)
    if not isinstance(forest, Forest):
        raise AssertionError(f"{extractor!r} gave {type(forest).__name__} for {type(model).__name__}, not a Forest.")
    case = Case(model, extractor, forest.validate())
    if not (case.asks("predict_raw") or case.asks("predict_leaves") or case.methods()):
        raise ValueError(
            f"{type(model).__name__} is no estimator with {', '.join(METHODS)}, and {extractor!r} has neither "
            "predict_raw(model, X) nor predict_leaves(model, X): there is nothing to hold the forest against."
        )
    if X.shape[1] != forest.n_features:
        case.fail(f"X has {X.shape[1]} columns, the forest {forest.n_features}", "Forest.n_features, or X itself")
    return case
