"""Which models of models give a weighted sum of what those inside them give."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from sktensor.registry import Combination, Term

__all__ = [
    "from_another_model_on",
    "mean_of_probabilities",
    "mean_of_values",
    "one_alone",
    "one_value_alone",
    "side_by_side",
    "vote",
]


def vote(model: Any) -> Combination | None:
    """The weighted mean of values, or of probabilities [sklearn/ensemble/_voting.py, predict and predict_proba]."""
    if getattr(model, "voting", "soft") != "soft":
        return None
    given = model._weights_not_none
    n = len(model.estimators_)
    weights = np.ones(n) if given is None else np.asarray(given, dtype=np.float64)
    method: Any = "predict_proba" if hasattr(model, "classes_") else "predict"
    terms = tuple(Term(i, float(weight / weights.sum())) for i, weight in enumerate(weights))
    return Combination(method, terms, model.n_features_in_)


def mean_of_values(model: Any) -> Combination:
    """Bagging of regressors, each of which is given columns of its own [sklearn/ensemble/_bagging.py, predict]."""
    return _mean(model, "predict")


def mean_of_probabilities(model: Any) -> Combination | None:
    """Bagging of classifiers that have all seen all classes [sklearn/ensemble/_bagging.py, predict_proba]."""
    if any(len(inside.classes_) != model.n_classes_ for inside in model.estimators_):
        return None
    return _mean(model, "predict_proba") if hasattr(model.estimators_[0], "predict_proba") else None


def _mean(model: Any, method: Any) -> Combination:
    n = len(model.estimators_)
    terms = tuple(Term(i, 1 / n, np.asarray(columns)) for i, columns in enumerate(model.estimators_features_))
    return Combination(method, terms, model.n_features_in_, rows=_as_bagging_reads)


def _as_bagging_reads(model: Any, X: Any) -> Any:
    return validate_data(model, X, accept_sparse=["csr", "csc"], dtype=None, ensure_all_finite=False, reset=False)


def side_by_side(model: Any) -> Combination | None:
    """One model for each output: values [sklearn/multioutput.py], or scores of classes [sklearn/multiclass.py]."""
    inside = model.estimators_
    of_classes = hasattr(model, "classes_")
    if of_classes and not all(hasattr(one, "decision_function") for one in inside):
        return None
    terms = tuple(Term(i, output=i) for i in range(len(inside)))
    n_features = getattr(model, "n_features_in_", None) or inside[0].n_features_in_
    return Combination("decision_function" if of_classes else "predict", terms, n_features, len(inside))


def one_alone(model: Any) -> Combination:
    """The raw scores of one model, of which labels are made in another way."""
    return Combination("raw", (Term(0),), model.n_features_in_)


def one_value_alone(model: Any) -> Combination:
    """The values of one model [sklearn/linear_model/_ransac.py, predict]."""
    return Combination("predict", (Term(0),), model.n_features_in_)


def from_another_model_on(model: Any) -> Combination:
    """Trees that are added to the values of another model [sklearn/ensemble/_gb.py, _raw_predict]."""
    return Combination("predict", (Term(0), Term(1)), model.n_features_in_)
