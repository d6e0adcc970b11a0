"""Check that the fields of a forest describe a forest, before anything computes with them."""

from __future__ import annotations

import math
from dataclasses import MISSING
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from sktensor.forest import Forest, InputSpec, OutputSpec, Trees
from sktensor.forest.check_inputs import check_inputs
from sktensor.forest.check_outputs import check_outputs
from sktensor.forest.check_trees import check_trees
from sktensor.forest.fields import array_fields, fail

__all__ = ["check_forest"]

_TYPES: dict[Any, tuple[type | tuple[type, ...], str]] = {
    int: (Integral, "an integer"),
    float: (Real, "a number"),
    float | None: ((Real, type(None)), "a number or None"),
    bool: ((bool, np.bool_), "True or False"),
    str: (str, "a string"),
    str | None: ((str, type(None)), "a string or None"),
}

# The annotations of the fields are the list of their legal values; it is not written down a second time here.
_HINTS = {kind: get_type_hints(kind) for kind in (Trees, InputSpec, OutputSpec)}


def check_forest(forest: Forest) -> None:
    """Check every field of a forest, alone and against the others.

    Leaf values, coefficients, constants and base values may be anything, NaN and infinities included: libraries
    produce them. A forest of no trees is one, too.

    Parameters
    ----------
    forest : Forest
        Whatever its arrays hold, the check ends: its cost grows as ``M log(M) + L``.

    Raises
    ------
    ValueError
        Naming the field, and the tree and node (their numbers in the forest's arrays) where one is at fault.
    """
    trees, inputs, outputs = forest.trees, forest.inputs, forest.outputs
    for part in (inputs, trees, outputs):
        _check_scalars(part)
    if trees.n_columns != inputs.n_columns:
        fail("n_columns", f"expected {inputs.n_columns}, the columns of X and those derived, got {trees.n_columns}")
    sizes = {"output": (trees.n_outputs, "n_outputs"), "column": (inputs.n_features, "n_features")}
    for part in (trees, inputs, outputs):
        _check_shapes(part, sizes)
    check_inputs(inputs, trees)
    check_trees(trees)
    check_outputs(outputs, trees)


def _check_scalars(part: Any) -> None:
    for name, hint in _HINTS[type(part)].items():
        value = getattr(part, name)
        if get_origin(hint) is Literal:
            if not isinstance(value, str) or value not in get_args(hint):
                fail(name, f"expected one of {', '.join(map(repr, get_args(hint)))}, got {value!r}")
        elif hint in _TYPES:
            kind, words = _TYPES[hint]
            if not isinstance(value, kind):
                fail(name, f"expected {words}, got {value!r}")
        elif hint == tuple[int, ...] and not (
            isinstance(value, tuple) and all(isinstance(size, Integral) and int(size) >= 0 for size in value)
        ):
            fail(name, f"expected a tuple of integers, got {value!r}")
    for name in ("n_features", "n_outputs"):
        if getattr(part, name, 1) < 1:
            fail(name, f"expected at least 1, got {getattr(part, name)}")
    for name in ("div", "scale", "link_param", "decision_threshold", "zero_limit"):
        if math.isnan(getattr(part, name, 0.0)):
            fail(name, "expected a number, got nan")
    if getattr(part, "div", 1.0) == 0:
        fail("div", "expected a divisor, got 0")
    for name in ("label_dtype", "leaf_dtype"):
        value = getattr(part, name, None)
        try:
            np.dtype(value)
        except TypeError:
            fail(name, f"expected the name of a numpy dtype, got {value!r}")


def _check_shapes(part: Any, sizes: dict[str, tuple[int, str]]) -> None:
    """Check that the arrays of each axis are of one length, and those of each group there together.

    The first field of an axis says how long it is; `sizes` has what lies elsewhere.
    """
    specs = list(array_fields(type(part)))
    for spec in specs:
        if spec.default is MISSING and getattr(part, spec.name) is None:
            fail(spec.name, "expected an array, got None")
    groups: dict[str, list[str]] = {}
    for spec in specs:
        if spec.metadata["group"]:
            groups.setdefault(spec.metadata["group"], []).append(spec.name)
    for group in groups.values():
        there = [name for name in group if getattr(part, name) is not None]
        if there and len(there) < len(group):
            absent = ", ".join(name for name in group if name not in there)
            fail(there[0], f"given without {absent}; these fields come together or not at all")
    sizes = dict(sizes)
    for spec in specs:
        value, axis = getattr(part, spec.name), spec.metadata["axis"]
        if value is not None and axis not in sizes and "," not in axis and not axis.endswith(" end"):
            sizes[axis] = len(value), spec.name
    for spec in specs:
        value, axis = getattr(part, spec.name), spec.metadata["axis"]
        if value is None:
            continue
        size, meaning = _size(axis, sizes)
        if size is not None and len(value) != size:
            shape = (size, *value.shape[1:])
            fail(spec.name, f"expected shape {shape} ({meaning}), got {value.shape}")


def _size(axis: str, sizes: dict[str, tuple[int, str]]) -> tuple[int | None, str]:
    """How many entries an axis has, and why."""
    if axis == "node, leaf":
        return sizes["node"][0] + sizes["leaf"][0], "one entry for each node, then one for each leaf"
    if axis.endswith(" end"):
        of = axis.removesuffix(" end")
        return (sizes[of][0] + 1, f"one entry for each {of} and one more") if of in sizes else (None, "")
    size, name = sizes[axis]
    return size, f"one entry for each {axis}, as in {name}"
