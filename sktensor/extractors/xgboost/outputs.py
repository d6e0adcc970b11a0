"""What XGBoost's objectives and scikit-learn classes make of margins, and how they treat missing values.

Read in XGBoost 3.2.0: links in ``src/objective``, labels and probabilities in ``python-package/xgboost/sklearn.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xgboost

from sktensor.errors import UnsupportedModelError
from sktensor.forest import Link

__all__ = ["answers", "link_of", "missing_value", "predicts_in_place"]

LINKS: dict[str, Link] = {
    "reg:squarederror": "identity",
    "reg:squaredlogerror": "identity",
    "reg:absoluteerror": "identity",
    "reg:pseudohubererror": "identity",
    "reg:quantileerror": "identity",
    "reg:logistic": "clipped_sigmoid",
    "reg:gamma": "exp",
    "reg:tweedie": "exp",
    "binary:logistic": "clipped_sigmoid",
    "binary:logitraw": "identity",
    "binary:hinge": "hinge",
    "count:poisson": "exp",
    "survival:cox": "exp",
    "survival:aft": "exp",
    "multi:softprob": "softmax",
    "multi:softmax": "argmax",
    "rank:pairwise": "identity",
    "rank:ndcg": "identity",
    "rank:map": "identity",
}


def link_of(objective: str, n_outputs: int) -> Link:
    """How a booster turns margins into values.

    A model trained with a function as objective carries the built-in one it was given beside it, and the
    library applies that one's link; so does this.

    Raises
    ------
    UnsupportedModelError
        If the objective is not known.
    """
    if objective not in LINKS:
        raise UnsupportedModelError(
            f"objective={objective!r} is not known to sktensor, nor what it makes of margins. "
            f"Supported: {', '.join(sorted(LINKS))}."
        )
    version = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
    if objective == "reg:quantileerror" and n_outputs > 1 and version >= (3, 4):
        raise UnsupportedModelError(
            f"objective='reg:quantileerror' with {n_outputs} quantiles: xgboost {xgboost.__version__} sorts the "
            "quantiles of each row (from 3.4 on), which is not covered yet. Supported: one quantile, or xgboost < 3.4."
        )
    return LINKS[objective]


def answers(wrapper: Any, link: Link, n_outputs: int) -> dict[str, Any]:
    """The fields of a forest that say what ``predict`` and ``predict_proba`` return.

    Parameters
    ----------
    wrapper : xgboost.XGBModel or None
        None for a booster, whose ``predict`` returns the values.
    link : str
        From :func:`link_of`.
    n_outputs : int
        Number of margins a row.

    Raises
    ------
    UnsupportedModelError
        For a classifier whose number of classes does not go with its outputs.
    """
    n_values = 1 if link == "argmax" else n_outputs
    fields: dict[str, Any] = {"value_shape": () if n_values == 1 else (n_values,)}
    if not isinstance(wrapper, xgboost.XGBClassifier):
        return fields

    # The order of these questions is that of XGBClassifier.predict.
    n_classes: int = getattr(wrapper, "n_classes_", 0)
    softmax = wrapper.objective == "multi:softmax"
    if n_values > 1 and n_classes != 2:
        decision, agree = "argmax", n_classes == n_outputs
    elif n_values > 1:
        decision, agree = "multilabel_half", True
    elif softmax:
        decision, agree = "index", link == "argmax" and n_classes == n_outputs
        fields["label_dtype"] = "int32"
    else:
        decision, agree = "half", n_outputs == 1 and n_classes in (1, 2)
    if not agree:
        raise UnsupportedModelError(
            f"{type(wrapper).__name__} with n_classes_={n_classes}, objective={wrapper.objective!r} and {n_outputs} "
            "outputs: which label belongs to which output is not defined. Supported: as many classes as outputs, "
            "two classes with one output, or two classes for each of several outputs (multi-label)."
        )
    # XGBClassifier.predict_proba: scipy's softmax of the margins, the values, or [1 - value, value].
    fields["proba"] = "softmax" if softmax else "values" if n_values > 1 else "complement"
    # A model fitted on one class still answers 1 where its probability exceeds one half.
    return {**fields, "decision": decision, "classes": (np.arange(max(n_classes, 2)),)}


def missing_value(wrapper: Any) -> float | None:
    """The value that counts as missing beside NaN, as the float32 that the library compares with.

    Raises
    ------
    UnsupportedModelError
        If the library cannot predict with this `missing`.
    """
    missing = np.nan if wrapper is None else wrapper.missing
    number = isinstance(missing, (int, float, np.integer, np.floating)) and not isinstance(missing, bool)
    if not number or (isinstance(missing, int) and not -(2**63) <= missing < 2**63):
        raise UnsupportedModelError(
            f"missing={missing!r} is nothing {type(wrapper).__name__} can predict with. "
            "Supported: a number, NaN included."
        )
    with np.errstate(over="ignore"):
        value = float(np.float32(missing))
    return None if math.isnan(value) else value


def predicts_in_place(wrapper: Any) -> bool:
    """Whether ``XGBModel.predict`` takes its in-place path, the one that accepts infinities.

    It does unless that raises a TypeError, which a `missing` that JSON cannot spell (a numpy scalar) does;
    it then goes through a DMatrix.
    """
    return wrapper is None or isinstance(wrapper.missing, (int, float))
