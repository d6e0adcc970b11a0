"""Answers of a forest and of its library: which there are, and what makes them equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sktensor import outputs
from sktensor.forest import Forest

__all__ = ["LEAVES", "METHODS", "RAW", "TRANSFORM", "Tolerance", "differ", "same", "tolerance_of_tensors"]

Array = npt.NDArray[Any]

# Of tensors, links go through torch's exp and log, which are not the libraries'; nothing else has a tolerance.
ULPS = 4
LINKS_WITHOUT_EXP = ("identity", "hinge", "argmax", "sign_square")

LEAVES, RAW, TRANSFORM = "leaf numbers", "raw scores", "transform"
METHODS: dict[str, Callable[[Forest, Any], Any]] = {
    "decision_function": outputs.decision_scores,
    "score_samples": outputs.sample_scores,
    "predict_proba": outputs.probabilities,
    "predict_log_proba": outputs.log_probabilities,
    "predict": outputs.labels,
}


def same(a: Any, b: Any) -> bool:
    """Whether two fields of a forest, or answers of a library, are equal in every bit.

    Parameters
    ----------
    a, b : object
        Arrays, sequences of them, or any other values.

    Returns
    -------
    bool
    """
    if isinstance(a, (tuple, list)) and isinstance(b, type(a)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return (a.dtype, a.shape) == (b.dtype, b.shape) and not differ(a, b).any()
    return type(a) is type(b) and bool(a == b)


class Tolerance(NamedTuple):
    """How far apart two answers may be.

    Attributes
    ----------
    ulps : int
        Units in the last place; 0 means every bit.
    min_spacing : float or ndarray
        The least that such a unit is worth, where an answer is the difference of larger numbers.
    """

    ulps: int = 0
    min_spacing: Any = 0.0


EXACT = Tolerance()


def tolerance_of_tensors(forest: Forest, name: str) -> Tolerance:
    """How far a forest's answer for tensors may be from that for arrays, which has the library's bits.

    Parameters
    ----------
    forest : Forest
        Whose answer it is.
    name : str
        One of `METHODS`.

    Returns
    -------
    Tolerance
        Of every element of the answer.
    """
    eps = float(np.finfo(forest.trees.acc_dtype).eps)
    if name in ("decision_function", "score_samples") or (name == "predict" and forest.outputs.decision != "none"):
        return EXACT
    if name == "predict_log_proba":  # the logarithm of what is off by some ulp of itself
        return Tolerance(ULPS, eps)
    if forest.outputs.link in LINKS_WITHOUT_EXP and not forest.outputs.proba.endswith("softmax"):
        return EXACT
    if name == "predict_proba" and forest.outputs.proba == "complement":
        return Tolerance(ULPS, np.array([eps / 2, 0.0]))  # 1 - p is off by as much as p
    return Tolerance(ULPS)


def differ(ours: Array, theirs: Array, tolerance: Tolerance = EXACT) -> Array:
    """Where two arrays differ; any NaN equals any other.

    Parameters
    ----------
    ours, theirs : ndarray
        Of the same shape.
    tolerance : Tolerance, optional
        By default every bit counts.

    Returns
    -------
    ndarray of bool
        Of the same shape.
    """
    if theirs.dtype.kind != "f" or ours.dtype != theirs.dtype:
        return np.asarray(ours != theirs)
    both_nan = np.isnan(ours) & np.isnan(theirs)
    if tolerance.ulps:
        unit = np.maximum(np.spacing(np.abs(theirs)), tolerance.min_spacing)
        return np.asarray(~((ours == theirs) | (np.abs(ours - theirs) <= tolerance.ulps * unit) | both_nan))
    bits = f"i{theirs.dtype.itemsize}"
    other = np.ascontiguousarray(ours).view(bits) != np.ascontiguousarray(theirs).view(bits)
    wrong: Array = other & ~both_nan
    return wrong
