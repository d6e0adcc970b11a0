"""The outputs of a forest by name: what each is made of, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from sktensor.forest import Forest
from sktensor.outputs.decisions import decision_scores, labels, sample_scores
from sktensor.outputs.leaves import leaf_columns, leaf_numbers
from sktensor.outputs.links import log_probabilities, probabilities, raw_scores, shaped_raw, shaped_values
from sktensor.outputs.shapes import Rows

__all__ = ["OUTPUTS", "Output"]

Needed = Literal["sums", "leaf numbers", "leaves"]


def _always(forest: Forest) -> bool:
    return True


def _has_values(forest: Forest) -> bool:
    return forest.outputs.link != "none"


class Output(NamedTuple):
    """One answer of a forest.

    Attributes
    ----------
    needs : {"sums", "leaf numbers", "leaves"}
        What it is made of: the sums over trees, (n, K) of the forest's acc_dtype; the library's numbers of the leaves,
        (n, T) of int32; or the forest's own numbers of them, (n, T) of int32.
    finish : callable
        Makes it of the forest and what it needs, an array or a tensor.
    given_by : callable
        Whether a forest has such an answer.
    """

    needs: Needed
    finish: Callable[[Forest, Rows], Any]
    given_by: Callable[[Forest], bool] = _always


def _of_raw(finish: Callable[[Forest, Rows], Any]) -> Callable[[Forest, Rows], Any]:
    return lambda forest, total: finish(forest, raw_scores(forest, total))


OUTPUTS = {
    "value": Output("sums", _of_raw(shaped_values), _has_values),
    "label": Output("sums", _of_raw(labels), _has_values),
    "proba": Output("sums", _of_raw(probabilities), lambda forest: forest.outputs.proba != "none"),
    "log_proba": Output(
        "sums",
        _of_raw(log_probabilities),
        lambda forest: forest.outputs.proba != "none" and forest.outputs.log_proba != "log_add_exp",
    ),
    "raw": Output("sums", _of_raw(shaped_raw)),
    "decision": Output("sums", _of_raw(decision_scores)),
    "score_samples": Output("sums", _of_raw(sample_scores), lambda forest: forest.outputs.link == "isolation"),
    "leaf": Output("leaf numbers", leaf_numbers),
    "transform": Output("leaves", leaf_columns, lambda forest: forest.outputs.embedding != "none"),
}
