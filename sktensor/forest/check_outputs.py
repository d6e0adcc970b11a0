"""Whether an OutputSpec fits the trees: links, labels and the shapes of what is returned."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sktensor.forest.fields import fail
from sktensor.forest.specs import OutputSpec
from sktensor.forest.trees import Trees

__all__ = ["check_outputs"]


def check_outputs(outputs: OutputSpec, trees: Trees) -> None:
    """Check slices, classes, and the shapes and rules of what predict* return.

    Parameters
    ----------
    outputs : OutputSpec
        Each field of a legal value.
    trees : Trees
        Whose sums they are for.

    Raises
    ------
    ValueError
        Naming the field.
    """
    n_outputs, slices, classes = trees.n_outputs, outputs.output_slices, outputs.classes
    if sum(slices) != n_outputs or min(slices, default=0) < 1:
        fail("output_slices", f"expected widths from 1 on that add up to {n_outputs} outputs, got {slices}")
    if not isinstance(classes, tuple) or not all(map(_is_vector, classes)):
        fail("classes", f"expected a tuple of one-dimensional arrays, got {classes!r}")
    if len(classes) not in (0, len(slices)):
        fail("classes", f"expected an array for each of {len(slices)} output slices, or none, got {len(classes)}")
    if outputs.proba == "complement" and max(slices) > 1:
        fail("proba", f"'complement' needs slices of one output, got output_slices {slices}")
    if not classes and outputs.decision not in ("none", "multilabel_half", "multilabel_raw_positive"):
        fail("classes", f"expected the labels that decision {outputs.decision!r} chooses from, got none")
    if outputs.label_shape not in ((), (1,)):
        fail("label_shape", f"expected () or (1,), got {outputs.label_shape}")
    if outputs.link in ("mean_variance", "location") and n_outputs != 2:
        fail("link", f"{outputs.link!r} needs 2 outputs, got {n_outputs}")
    if outputs.link == "isolation" and outputs.link_param < 0:
        fail("link_param", f"expected a number from 0 on for link 'isolation', got {outputs.link_param}")
    if outputs.proba == "ada_softmax" and len(slices) > 1:
        fail("proba", f"'ada_softmax' needs one slice of outputs, got output_slices {slices}")
    if outputs.log_proba == "log_add_exp" and not (
        outputs.proba == "values" and len(slices) == 1 and trees.leaf_value.shape[1] == n_outputs and outputs.div > 0
    ):
        fail("log_proba", "'log_add_exp' needs proba 'values', one slice of outputs, leaves with all of them, div > 0")
    if outputs.embedding != "none" and trees.aggregate != "per_tree":
        fail("embedding", f"{outputs.embedding!r} needs aggregate 'per_tree', got {trees.aggregate!r}")
    for labels, width in zip(classes, slices, strict=False):
        _check_labels(outputs, len(labels), width)
    if math.prod(outputs.leaf_shape) != trees.n_trees:
        fail("leaf_shape", f"expected {trees.n_trees} numbers, one for each tree, got {outputs.leaf_shape}")
    if trees.aggregate == "per_tree":
        return  # what comes out is no row of outputs
    single = outputs.link in ("argmax", "location")  # one value, whatever the number of outputs
    for name, sizes in (("raw_shape", {n_outputs}), ("value_shape", {1} if single else {n_outputs})):
        shape = getattr(outputs, name)
        if len(shape) > 1 or math.prod(shape) not in sizes:
            fail(name, f"expected room for {min(sizes)} value(s) in at most one dimension, got {shape}")


def _is_vector(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1


def _check_labels(outputs: OutputSpec, count: int, width: int) -> None:
    """Check that a decision can choose each of `count` labels, and no other, from a slice of `width` outputs."""
    decision = outputs.decision
    if decision in ("half", "raw_positive", "raw_nonnegative", "inlier"):
        if width != 1:
            fail("decision", f"{decision!r} needs slices of one output, got output_slices {outputs.output_slices}")
        legal = {2} if decision == "inlier" else {1, 2}  # one where the library was fitted on a single class
    elif decision in ("argmax", "raw_argmax"):
        legal = {1, 2} if decision == "argmax" and outputs.proba == "complement" else {width}
    elif decision == "index":
        legal = {width} if outputs.link == "argmax" else {1, 2}
    else:
        return
    if count not in legal:
        numbers = " or ".join(map(str, sorted(legal)))
        fail("classes", f"decision {decision!r} chooses from {numbers} label(s), got {count}")
