"""How sums become answers, in Treelite's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.forest import Forest

__all__ = ["Outputs", "outputs_of"]

Array = npt.NDArray[Any]

# By link what Treelite calls it for numbers, and for the classes of one target.
POSTPROCESSORS = {
    "identity": ("identity", "identity_multiclass"),
    "sigmoid": ("sigmoid", "multiclass_ova"),
    "clipped_sigmoid": ("sigmoid", "multiclass_ova"),
    "softmax": ("", "softmax"),
    "row_softmax": ("", "softmax"),
    "c_softmax": ("", "softmax"),
    "table_softmax": ("", "softmax"),
    "exp": ("exponential", ""),
    "c_exp": ("exponential", ""),
    "table_exp": ("exponential", ""),
    "log1p_exp": ("logarithm_one_plus_exp", ""),
    "sign_square": ("signed_square", ""),
    "hinge": ("hinge", ""),
    "isolation": ("exponential_standard_ratio", ""),
}


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a Treelite model says about its leaves and sums.

    Attributes
    ----------
    task : str
        Treelite's task type.
    n_classes : tuple of int
        Of each target; 1 for numbers.
    leaf_shape : tuple of int
        (targets, classes) of a leaf's vector; (1, 1) for numbers.
    target_id, class_id : ndarray of int64, shape (T,)
        What each tree adds to; -1 for all.
    leaf_value : ndarray, shape (L, 1) or (L, targets * classes)
        What leaves add.
    base : ndarray of float64
        Added to the sums behind everything else, targets * classes of them.
    average : bool
        Whether sums are divided by the number of trees.
    postprocessor : str
        Treelite's name of the link.
    parameters : dict
        Of the link.
    """

    task: str
    n_classes: tuple[int, ...]
    leaf_shape: tuple[int, int]
    target_id: Array
    class_id: Array
    leaf_value: Array
    base: Array
    average: bool
    postprocessor: str
    parameters: dict[str, float] = field(default_factory=dict)

    @property
    def is_vector(self) -> bool:
        """Whether a leaf holds several numbers."""
        return bool(self.leaf_value.shape[1] > 1)


def outputs_of(name: str, forest: Forest, output: str) -> Outputs:
    """What a Treelite model says about a forest's sums.

    Parameters
    ----------
    name : str
        Of the model, for errors.
    forest : Forest
        With a sum.
    output : {"value", "raw"}
        What it is to predict.

    Raises
    ------
    UnsupportedModelError
        If it cannot say that.
    """
    trees, out, n_outputs = forest.trees, forest.outputs, forest.n_outputs
    n_classes = _classes(forest)
    postprocessor, parameters = _postprocessor(name, forest, n_classes, output)
    width = max(n_classes)
    # Of each output its target, its class, and its place among targets * classes.
    target = np.repeat(np.arange(len(n_classes)), n_classes)
    of_class = np.concatenate([np.arange(n) for n in n_classes])
    place = target * width + of_class
    value = trees.leaf_value.astype(np.float64)
    is_vector = value.shape[1] > 1 and n_outputs > 1
    base = trees.base.astype(np.float64)
    average = False
    if not (out.raw_is_pre_div and output == "raw"):
        counts = [((trees.tree_target == k) | (trees.tree_target < 0)).sum() for k in range(n_outputs)]
        average = out.div != 1.0 and all(count == out.div for count in counts) and out.scale == 1.0
        if not average:
            value = value / out.div * out.scale
        base = base / out.div * out.scale + (0.0 if out.bias is None else out.bias)
    if is_vector:
        leaf_value = np.zeros((len(value), len(n_classes) * width))
        leaf_value[:, place] = value
        ids = np.full((2, forest.n_trees), -1, dtype=np.int64)
        if len(n_classes) == 1:
            ids[0] = 0
        if width == 1:
            ids[1] = 0
    else:
        leaf_value = value[:, :1]
        of_tree = np.where(trees.tree_target < 0, 0, trees.tree_target)
        ids = np.stack([target[of_tree], of_class[of_tree]])
    all_bases = np.zeros(len(n_classes) * width)
    all_bases[place] = base
    return Outputs(
        task=_task(forest, n_classes),
        n_classes=n_classes,
        leaf_shape=(len(n_classes), width) if is_vector else (1, 1),
        target_id=ids[0],
        class_id=ids[1],
        leaf_value=leaf_value,
        base=all_bases,
        average=average,
        postprocessor=postprocessor,
        parameters=parameters,
    )


def _classes(forest: Forest) -> tuple[int, ...]:
    """The classes of each target: outputs that are classes belong to one target, all others are targets."""
    out = forest.outputs
    if len(out.output_slices) > 1:
        return out.output_slices
    of_classes = out.decision in ("argmax", "raw_argmax", "index") or "softmax" in out.link or out.proba == "softmax"
    return (forest.n_outputs,) if of_classes else (1,) * forest.n_outputs


def _task(forest: Forest, n_classes: tuple[int, ...]) -> str:
    if forest.outputs.link == "isolation":
        return "kIsolationForest"
    if max(n_classes) > 1:
        return "kMultiClf"
    return "kBinaryClf" if forest.outputs.classes or "sigmoid" in forest.outputs.link else "kRegressor"


def _postprocessor(name: str, forest: Forest, n_classes: tuple[int, ...], output: str) -> tuple[str, dict[str, float]]:
    out, several = forest.outputs, max(n_classes) > 1
    if output == "raw":
        return POSTPROCESSORS["identity"][several], {}
    if out.proba == "ada_softmax" and forest.n_outputs == 1:
        return "sigmoid", {"sigmoid_alpha": 1.0}  # the second of softmax([-raw, raw] / 2)
    if out.proba == "softmax":
        return "softmax", {}
    found = POSTPROCESSORS.get(out.link, ("", ""))[several]
    if not found or out.proba == "ada_softmax":
        raise UnsupportedModelError(
            f"{name} makes its values of raw scores by {'ada_softmax' if out.proba == 'ada_softmax' else out.link!r}, "
            "for which Treelite has no postprocessor. Ask for output='raw'."
        )
    if out.link == "sigmoid":
        return found, {"sigmoid_alpha": out.link_param}
    if out.link == "clipped_sigmoid":
        return found, {"sigmoid_alpha": 1.0}
    if out.link == "isolation":
        if not out.link_param:
            raise UnsupportedModelError(
                f"{name} has seen one row alone, and gives one score to all. Nothing to export."
            )
        return found, {"ratio_c": out.link_param}
    return found, {}
