"""Every fitted model of the four libraries that the tests have, and rows on which an export may go wrong."""

from __future__ import annotations

import functools
import warnings

import catboost_models
import lightgbm_models
import numpy as np
import sklearn_models
import xgboost_models

from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest
from sktensor.testing.rows import hurting

CASES = [
    *(("xgboost", name) for name in xgboost_models.MODELS),
    *(("lightgbm", name) for name in lightgbm_models.MODELS),
    *(("catboost", name) for name in catboost_models.MODELS),
    *(("sklearn", name) for name in sklearn_models.CASES),
]
OF_LIBRARY = {
    "xgboost": xgboost_models.MODELS, "lightgbm": lightgbm_models.MODELS, "catboost": catboost_models.MODELS,
}  # fmt: skip
TRAINED_ON = {"xgboost": xgboost_models.X, "lightgbm": lightgbm_models.X, "catboost": catboost_models.X}


@functools.lru_cache(maxsize=4)
def model_and_rows(library, name):
    """A fitted model, and rows like those that it was trained on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if library == "sklearn":
            return sklearn_models.fitted(name), sklearn_models.rows_that_hurt(name)
        made = OF_LIBRARY[library][name]
        made = made() if callable(made) and not hasattr(made, "predict") else made
        return made if isinstance(made, tuple) else (made, TRAINED_ON[library])


def asked(model, X):
    """Rows with the leaves and raw scores that the library gives, for every kind of rows that it takes.

    What sktensor answers has the library's bits, as other tests hold; here it saves the rules of four libraries about
    shapes.
    """
    forest = extract_forest(model)
    X = np.asarray(X)[:, : forest.n_features]
    ours = TensorizedEstimator(model, verify=False)
    answered = 0
    with np.errstate(over="ignore"):
        all_rows = [np.ascontiguousarray(rows) for rows, _ in hurting(forest, X)]
    for rows in all_rows:
        try:
            leaves = np.asarray(ours.apply(rows)).reshape(len(rows), -1)
            raw = ours.predict_raw(rows) if forest.trees.aggregate == "sum" else None
        except ValueError:  # these rows it refuses
            continue
        answered += 1
        yield rows, leaves, raw if raw is None else by_output(raw, len(rows))
    assert answered >= 2


def by_output(found, n_rows):
    """An answer of a library as a matrix."""
    return np.concatenate(found, axis=1) if isinstance(found, list) else np.asarray(found).reshape(n_rows, -1)


def refused(export, *args, **kwargs):
    """What an export gives, or the reason for which it is refused."""
    try:
        return export(*args, **kwargs), ""
    except UnsupportedModelError as error:
        return None, str(error)
