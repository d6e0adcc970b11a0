"""Gradient boosting of scikit-learn on ``tree_`` arrays, and what both of its boosting families answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.utils.validation import check_is_fitted

from sktensor.errors import UnsupportedModelError
from sktensor.extractors.sklearn.trees import accepts_nan, tree_arrays
from sktensor.forest import Forest

__all__ = ["boosting_answers", "extract", "starts_from_a_constant"]

Array = npt.NDArray[Any]

# Inverse links by the class of `_loss.link` [sklearn/_loss/link.py]: the forest's link and its factor.
LINKS = {
    "IdentityLink": ("identity", 1.0),
    "LogLink": ("exp", 1.0),
    "LogitLink": ("sigmoid", 1.0),
    "HalfLogitLink": ("sigmoid", 2.0),  # loss="exponential"
    "MultinomialLogit": ("softmax", 1.0),
}


def extract(model: Any) -> Forest:
    """The forest of a fitted ``GradientBoostingClassifier`` or ``GradientBoostingRegressor``."""
    check_is_fitted(model, "estimators_")
    n_rounds, n_outputs = model.estimators_.shape
    arrays, values = tree_arrays(model.estimators_.ravel())
    # The product is rounded before it is added [sklearn/ensemble/_gradient_boosting.pyx], so that it can be taken
    # now. The library reads the parameter at prediction time, and C overflows without a warning.
    with np.errstate(over="ignore"):
        leaf_value = np.float64(model.learning_rate) * np.concatenate(values)[:, 0, :]
    classifier = is_classifier(model)
    # A tie is class 1 [sklearn/ensemble/_gb.py, GradientBoostingClassifier.predict].
    answers = boosting_answers(model, n_outputs, "raw_nonnegative" if n_outputs == 1 else "raw_argmax")
    if answers["link"] == "softmax":  # its scores lie row after row, those of histogram-based boosting do not
        answers["link"] = "row_softmax"
    return Forest.from_fields(
        n_features=model.n_features_in_,
        n_outputs=n_outputs,
        accepts_nan=False,
        # `apply` asks the first tree alone [sklearn/ensemble/_gb.py, BaseGradientBoosting.apply].
        leaves_accept_nan=accepts_nan(model.estimators_[0, 0]),
        tree_target=np.tile(np.arange(n_outputs), n_rounds),
        leaf_value=leaf_value,
        base=_base(model),
        leaf_shape=(n_rounds, n_outputs) if classifier else (n_rounds,),
        leaf_dtype="float64",  # `apply` fills an array made by np.zeros
        **arrays,
        **answers,
    )


def _base(model: Any) -> Array:
    """The raw scores before the first tree, of a model for which they are the same in every row."""
    row = np.zeros((1, model.n_features_in_), dtype=np.float32)
    base: Array = model._raw_predict_init(row)[0]
    return base


def starts_from_a_constant(model: Any) -> bool:
    """Whether the raw scores before the first tree are the same for every row."""
    init = model.init_
    if isinstance(init, str):
        return init == "zero"
    return type(init) is DummyRegressor or (type(init) is DummyClassifier and init.strategy != "stratified")


def boosting_answers(model: Any, n_outputs: int, decision: str) -> dict[str, Any]:
    """The fields of :class:`~sktensor.Forest` that say what ``predict*`` return, for both boosting families.

    Parameters
    ----------
    model : estimator
        Fitted, with its ``_loss``.
    n_outputs : int
        Raw scores per row: 1 unless there are more than two classes.
    decision : str
        The forest's decision rule, should the model be a classifier.

    Returns
    -------
    dict
        Links, probabilities, labels and shapes.
    """
    link = type(model._loss.link).__name__
    if link not in LINKS:
        raise UnsupportedModelError(
            f"{type(model).__name__}(loss={model.loss!r}) has the unknown link {link}. Supported: {', '.join(LINKS)}."
        )
    name, param = LINKS[link]
    answers: dict[str, Any] = {
        "link": name,
        "link_param": param,
        "raw_shape": (n_outputs,),  # `_raw_predict` keeps the axis of a single output
        "value_shape": (n_outputs,) if n_outputs > 1 else (),
    }
    if is_classifier(model):
        answers["proba"] = "complement" if n_outputs == 1 else "values"
        answers["decision"] = decision
        answers["classes"] = (model.classes_,)
    return answers
