"""Answers of a forest and of its library: which there are, and what makes them equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sktensor import outputs
from sktensor.forest import Forest

__all__ = ["LEAVES", "METHODS", "RAW", "TRANSFORM", "differ", "room", "same"]

Array = npt.NDArray[Any]

# Links go through exp, of which every library brings its own last bits; everything else has no tolerance.
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
    """Equal in every bit, for fields of a forest and answers of a library."""
    if isinstance(a, (tuple, list)) and isinstance(b, type(a)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return (a.dtype, a.shape) == (b.dtype, b.shape) and not differ(a, b).any()
    return type(a) is type(b) and bool(a == b)


class Room(NamedTuple):
    """So many ulp, an ulp being worth at least so much."""

    ulps: int = 0
    least: Any = 0.0


EXACT = Room()


def room(forest: Forest, name: str) -> Room:
    """How far apart a forest's and the library's answer may be."""
    eps = float(np.finfo(forest.acc_dtype).eps)
    if name in (LEAVES, RAW, TRANSFORM, "decision_function", "score_samples") or (
        name == "predict" and forest.decision != "none"
    ):
        return EXACT
    if name == "predict_log_proba":  # the logarithm of what is off by some ulp of itself
        return Room(ULPS, eps)
    if forest.link in LINKS_WITHOUT_EXP and not forest.proba.endswith("softmax"):
        return EXACT
    if name == "predict_proba" and forest.proba == "complement":
        return Room(ULPS, np.array([eps / 2, 0.0]))  # 1 - p is off by as much as p
    return Room(ULPS)


def differ(ours: Array, theirs: Array, room: Room = EXACT) -> Array:
    """Where two arrays of the same shape differ; any NaN equals any other."""
    if theirs.dtype.kind != "f" or ours.dtype != theirs.dtype:
        return np.asarray(ours != theirs)
    both_nan = np.isnan(ours) & np.isnan(theirs)
    if room.ulps:
        unit = np.maximum(np.spacing(np.abs(theirs)), room.least)
        return np.asarray(~((ours == theirs) | (np.abs(ours - theirs) <= room.ulps * unit) | both_nan))
    bits = f"i{theirs.dtype.itemsize}"
    other = np.ascontiguousarray(ours).view(bits) != np.ascontiguousarray(theirs).view(bits)
    wrong: Array = other & ~both_nan
    return wrong
