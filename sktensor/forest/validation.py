"""Check that the fields of a forest describe a forest, before anything computes with them."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields
from numbers import Integral, Real
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from sktensor.forest import Forest
from sktensor.forest.structure import trees_of_nodes

__all__ = ["check_forest"]

Array = npt.NDArray[Any]

GROUPS = (
    ("is_cat", "cat_off", "cat_words", "cat_bits"),
    ("ob_feature", "ob_threshold"),
    ("lin_off", "lin_feature", "lin_coef", "lin_const"),
    (
        "key_off", "key_column", "key_test", "key_value", "key_nan", "table_off", "table_key", "derived_key",
        "derived_value",
    ),
)  # fmt: skip

_TYPES: dict[Any, tuple[type | tuple[type, ...], str]] = {
    int: (Integral, "an integer"),
    float: (Real, "a number"),
    float | None: ((Real, type(None)), "a number or None"),
    bool: ((bool, np.bool_), "True or False"),
    str: (str, "a string"),
    str | None: ((str, type(None)), "a string or None"),
}

# The annotations of the fields are the list of their legal values; it is not written down a second time here.
_HINTS = get_type_hints(Forest)


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
    _check_scalars(forest)
    _check_shapes(forest)
    if forest.key_off is not None:
        _check_derived(forest)
    tree = _check_structure(forest)
    _check_nodes(forest, tree)
    _check_leaves(forest, tree)
    _check_answers(forest)


def _fail(field: str, problem: str) -> NoReturn:
    raise ValueError(f"Forest.{field}: {problem}.")


def _check_scalars(forest: Forest) -> None:
    for name, hint in _HINTS.items():
        value = getattr(forest, name)
        if get_origin(hint) is Literal:
            if not isinstance(value, str) or value not in get_args(hint):
                _fail(name, f"expected one of {', '.join(map(repr, get_args(hint)))}, got {value!r}")
        elif hint in _TYPES:
            kind, words = _TYPES[hint]
            if not isinstance(value, kind):
                _fail(name, f"expected {words}, got {value!r}")
        elif hint == tuple[int, ...] and not (
            isinstance(value, tuple) and all(isinstance(size, Integral) and int(size) >= 0 for size in value)
        ):
            _fail(name, f"expected a tuple of integers, got {value!r}")
    for name in ("n_features", "n_outputs"):
        if getattr(forest, name) < 1:
            _fail(name, f"expected at least 1, got {getattr(forest, name)}")
    for name in ("div", "scale", "link_param", "decision_threshold"):
        if math.isnan(getattr(forest, name)):
            _fail(name, "expected a number, got nan")
    if forest.div == 0:
        _fail("div", "expected a divisor, got 0")
    for name in ("label_dtype", "leaf_dtype"):
        value = getattr(forest, name)
        try:
            np.dtype(value)
        except TypeError:
            _fail(name, f"expected the name of a numpy dtype, got {value!r}")


def _check_shapes(forest: Forest) -> None:
    for spec in fields(Forest):
        if "dtype" in spec.metadata and spec.default is MISSING and getattr(forest, spec.name) is None:
            _fail(spec.name, "expected an array, got None")
    for group in GROUPS:
        there = [name for name in group if getattr(forest, name) is not None]
        if there and len(there) < len(group):
            absent = ", ".join(name for name in group if name not in there)
            _fail(there[0], f"given without {absent}; these fields come together or not at all")
    n_trees, n_nodes, n_leaves, n_outputs = forest.n_trees, forest.n_nodes, forest.n_leaves, forest.n_outputs
    of_nodes = "threshold left right nan_left zero_dir is_cat cat_off cat_words oov_left"
    of_trees = "tree_target tree_iter tree_weight"
    shapes: dict[str, tuple[tuple[int, ...], str]] = {
        **dict.fromkeys(of_nodes.split(), ((n_nodes,), "one entry for each node, as in feature")),
        **dict.fromkeys(of_trees.split(), ((n_trees,), "one entry for each tree, as in root")),
        "lin_const": ((n_leaves,), "one entry for each leaf, as in leaf_id"),
        "lin_off": ((n_leaves + 1,), "one entry for each leaf and one more"),
        "cover": ((n_nodes + n_leaves,), "one entry for each node, then one for each leaf"),
        "base": ((n_outputs,), "one entry for each output"),
        "bias": ((n_outputs,), "one entry for each output"),
        "hashed": ((forest.n_features,), "one entry for each column"),
        "unused": ((forest.n_features,), "one entry for each column"),
    }
    if forest.key_column is not None:
        of_parts = "key_test key_value key_nan"
        meaning = "one entry for each part, as in key_column"
        shapes |= dict.fromkeys(of_parts.split(), (forest.key_column.shape, meaning))
    if forest.lin_coef is not None:
        shapes["lin_feature"] = (forest.lin_coef.shape, "one entry for each coefficient, as in lin_coef")
    if forest.ob_feature is not None:
        shapes["ob_feature"] = ((n_trees, forest.ob_feature.shape[1]), "one row for each tree, as in root")
        shapes["ob_threshold"] = (forest.ob_feature.shape, "the shape of ob_feature")
    for name, (shape, meaning) in shapes.items():
        array = getattr(forest, name)
        if array is not None and array.shape != shape:
            _fail(name, f"expected shape {shape} ({meaning}), got {array.shape}")
    if forest.leaf_value.shape not in ((n_leaves, 1), (n_leaves, n_outputs)):
        _fail("leaf_value", f"expected shape {(n_leaves, 1)} or {(n_leaves, n_outputs)}, got {forest.leaf_value.shape}")


def _check_derived(forest: Forest) -> None:
    """Check that every derived column has a key, and every key its parts and tables."""
    assert forest.key_off is not None and forest.key_column is not None and forest.key_test is not None
    assert forest.table_off is not None and forest.table_key is not None
    assert forest.derived_key is not None and forest.derived_value is not None
    for name, offset, size in (
        ("key_off", forest.key_off, len(forest.key_column)),
        ("table_off", forest.table_off, len(forest.table_key)),
    ):
        if not len(offset) or offset[0] != 0 or offset[-1] != size or (np.diff(offset) < 0).any():
            _fail(name, f"expected ascending offsets from 0 to {size}, got {offset.tolist()[:10]}")
    n_keys = len(forest.key_off) - 1
    if len(forest.table_off) != n_keys + 1:
        _fail("table_off", f"expected {n_keys + 1} offsets, as in key_off, got {len(forest.table_off)}")
    for at in np.flatnonzero(_outside(forest.key_column, forest.n_features))[:1]:
        legal = f"a column from 0 to {forest.n_features - 1}"
        _fail("key_column", f"part {at}: expected {legal}, got {forest.key_column[at]}")
    for at in np.flatnonzero(_outside(forest.key_test, 3))[:1]:
        _fail("key_test", f"part {at}: expected 0, 1 or 2, got {forest.key_test[at]}")
    # Nothing here is as long as X is wide: a number of columns is a number that anybody can write into a file.
    hashed = False if forest.hashed is None else forest.hashed[forest.key_column]
    for at in np.flatnonzero((forest.key_test != 1) != hashed)[:1]:
        kind = "hashes of a column that is not hashed" if forest.key_test[at] != 1 else "numbers of a hashed column"
        _fail("key_test", f"part {at}: asks for {kind}, {forest.key_column[at]}")
    assert forest.key_value is not None
    value = np.nan_to_num(forest.key_value, nan=0.5)
    for at in np.flatnonzero((forest.key_test == 2) & ((value % 1 != 0) | (np.abs(value + 0.5) > 2**31)))[:1]:
        _fail("key_value", f"part {at}: expected a signed number of 32 bits, got {forest.key_value[at]}")
    for at in np.flatnonzero((forest.key_test == 1) & np.isnan(forest.key_value))[:1]:
        _fail("key_value", f"part {at}: expected a number or an infinity, got nan")
    key = np.repeat(np.arange(n_keys), np.diff(forest.table_off))
    for at in np.flatnonzero((key[1:] == key[:-1]) & (forest.table_key[1:] <= forest.table_key[:-1]))[:1]:
        _fail("table_key", f"key {key[at]}: expected ascending values, got {forest.table_key[at : at + 2].tolist()}")
    for at in np.flatnonzero(_outside(forest.derived_key, n_keys))[:1]:
        _fail("derived_key", f"column {at}: expected a key from 0 to {n_keys - 1}, got {forest.derived_key[at]}")
    needed = int((np.diff(forest.table_off)[forest.derived_key].astype(np.int64) + 1).sum())
    if len(forest.derived_value) != needed:
        _fail(
            "derived_value",
            f"expected {needed} values, one for each known key and one more, for each column, got "
            f"{len(forest.derived_value)}",
        )


def _check_structure(forest: Forest) -> Array:
    """Check that every node and leaf hangs on exactly one root or parent; return the tree of each node."""
    root, left, right = forest.root, forest.left, forest.right
    tree = trees_of_nodes(root, left, right)
    legal = f"expected a node below {forest.n_nodes} or a leaf from {-forest.n_leaves} (that is ~leaf) to -1"
    for field in ("root", "left", "right"):
        child = getattr(forest, field)
        bad = (child < -forest.n_leaves) | (child >= forest.n_nodes)
        for at in np.flatnonzero(bad)[:1]:
            _fail(field, f"{f'tree {at}' if field == 'root' else _node(tree, at)}: {legal}, got {child[at]}")

    links = np.concatenate([root, left, right])
    inner = links >= 0
    parents = np.bincount(links[inner], minlength=forest.n_nodes)
    leaf_parents = np.bincount(~links[~inner], minlength=forest.n_leaves)
    for counts, kind in ((parents, "node"), (leaf_parents, "leaf")):
        for at in np.flatnonzero(counts > 1)[:1]:
            twice = np.flatnonzero(links == (at if kind == "node" else ~at))
            (field, place), (other, elsewhere) = (_link(forest, tree, i) for i in twice[1::-1])
            _fail(field, f"{place}: {kind} {at} is {other} of {elsewhere} already and can have one parent only")
    for counts, kind in ((parents, "node"), (leaf_parents, "leaf")):
        for at in np.flatnonzero(counts == 0)[:1]:
            _fail("root, left and right", f"none of them leads to {kind} {at}; drop what no tree reaches")
    for at in np.flatnonzero(tree < 0)[:1]:
        _fail("left and right", f"node {at} hangs on a cycle that no root leads to")
    return tree


def _node(tree: Array, node: int) -> str:
    return f"tree {tree[node]}, node {node}" if tree[node] >= 0 else f"node {node} (in no tree)"


def _link(forest: Forest, tree: Array, position: int) -> tuple[str, str]:
    """Field and place of an entry of root, left and right laid end to end."""
    if position < forest.n_trees:
        return "root", f"tree {position}"
    side, node = divmod(int(position) - forest.n_trees, forest.n_nodes)
    return ("left", "right")[side], _node(tree, node)


def _check_nodes(forest: Forest, tree: Array) -> None:
    def check(field: str, bad: Array, expected: str) -> None:
        for at in np.flatnonzero(bad)[:1]:
            _fail(field, f"{_node(tree, at)}: expected {expected}, got {getattr(forest, field)[at]}")

    columns = f"a column from 0 to {forest.n_columns - 1}"
    check("feature", _outside(forest.feature, forest.n_columns), columns)
    nan = np.isnan(forest.threshold)
    check("threshold", nan if forest.is_cat is None else nan & ~forest.is_cat, "a number or an infinity")
    if forest.zero_dir is not None:
        check("zero_dir", _outside(forest.zero_dir, 2, low=-1), "-1, 0 or 1")
    if forest.cat_bits is not None and forest.cat_off is not None and forest.cat_words is not None:
        # Numeric nodes are held to it, too (0 and 0 will do): tensor programs gather for all nodes alike.
        size = len(forest.cat_bits)
        check("cat_off", _outside(forest.cat_off, size + 1), f"a word of cat_bits, which has {size}")
        check("cat_words", forest.cat_words < 0, "a number of words")
        end = forest.cat_off.astype(np.int64) + forest.cat_words
        check("cat_words", end > size, f"words that end within the {size} of cat_bits")
    if forest.ob_feature is not None and forest.ob_threshold is not None:
        for name, wrong, expected in (
            ("ob_feature", _outside(forest.ob_feature, forest.n_columns), columns),
            ("ob_threshold", np.isnan(forest.ob_threshold), "a number or an infinity"),
        ):
            for at, level in np.argwhere(wrong)[:1]:
                _fail(name, f"tree {at}, level {level}: expected {expected}, got {getattr(forest, name)[at, level]}")


def _outside(values: Array, high: int, *, low: int = 0) -> Array:
    outside: Array = (values < low) | (values >= high)
    return outside


def _check_leaves(forest: Forest, tree: Array) -> None:
    target, width = forest.tree_target, forest.leaf_value.shape[1]
    if (target == -1).all() and len(target):
        if width != forest.n_outputs:
            _fail("leaf_value", f"expected {forest.n_outputs} columns, since tree_target is -1 everywhere, got {width}")
    else:
        for at in np.flatnonzero(_outside(target, forest.n_outputs))[:1]:
            legal = f"an output from 0 to {forest.n_outputs - 1} in every tree, or -1 in every tree"
            _fail("tree_target", f"tree {at}: expected {legal}, got {target[at]}")
        if width != 1 and len(target):
            _fail("leaf_value", f"expected 1 column, since tree_target names one output for each tree, got {width}")
    for at in np.flatnonzero(forest.tree_iter < 0)[:1]:
        _fail("tree_iter", f"tree {at}: expected a round from 0 on, got {forest.tree_iter[at]}")
    if forest.aggregate == "weighted_median":
        _check_median(forest)
    if forest.lin_off is not None and forest.lin_feature is not None and forest.lin_const is not None:
        _check_linear(forest, tree, forest.lin_off.astype(np.int64), forest.lin_feature, forest.lin_const)


def _check_median(forest: Forest) -> None:
    if forest.tree_weight is None:
        _fail("tree_weight", "expected an array, since aggregate is 'weighted_median', got None")
    for at in np.flatnonzero(~(forest.tree_weight >= 0))[:1]:
        _fail("tree_weight", f"tree {at}: expected a number from 0 on, got {forest.tree_weight[at]}")
    if forest.n_trees == 0 or forest.n_outputs != 1 or forest.lin_off is not None:
        _fail("aggregate", "'weighted_median' needs at least one tree, one output, and leaves of constant values")


def _check_linear(forest: Forest, tree: Array, offset: Array, feature: Array, const: Array) -> None:
    if forest.leaf_value.shape[1] != 1:
        _fail("lin_off", f"linear leaves hold one value each, leaf_value has {forest.leaf_value.shape[1]} columns")
    terms = offset[1:] - offset[:-1]
    for at in np.flatnonzero(terms < 0)[:1]:
        _fail("lin_off", f"{_leaf(forest, tree, at)}: ends at term {offset[at + 1]}, before its start at {offset[at]}")
    if offset[0] != 0 or offset[-1] != len(feature):
        _fail("lin_off", f"expected offsets from 0 to {len(feature)}, the size of lin_feature, got {offset[[0, -1]]}")
    for at in np.flatnonzero(_outside(feature, forest.n_columns))[:1]:
        place = _leaf(forest, tree, int(np.repeat(np.arange(forest.n_leaves), terms)[at]))
        _fail("lin_feature", f"{place}: expected a column from 0 to {forest.n_columns - 1}, got {feature[at]}")
    value = forest.leaf_value[:, 0]
    const = const.astype(value.dtype)
    for at in np.flatnonzero((terms == 0) & (const != value) & ~(np.isnan(const) & np.isnan(value)))[:1]:
        place = _leaf(forest, tree, at)
        _fail("lin_const", f"{place}: expected leaf_value {value[at]}, since the leaf has no terms, got {const[at]}")


def _leaf(forest: Forest, tree: Array, leaf: int) -> str:
    link = int(np.flatnonzero(np.concatenate([forest.root, forest.left, forest.right]) == ~leaf)[0])
    at = link if link < forest.n_trees else tree[(link - forest.n_trees) % forest.n_nodes]
    return f"tree {at}, leaf {leaf}"


def _check_answers(forest: Forest) -> None:
    """Check outputs, classes and the shapes and rules of what predict* return."""
    n_outputs, slices, classes = forest.n_outputs, forest.output_slices, forest.classes
    if sum(slices) != n_outputs or min(slices, default=0) < 1:
        _fail("output_slices", f"expected widths from 1 on that add up to {n_outputs} outputs, got {slices}")
    if not isinstance(classes, tuple) or not all(map(_is_vector, classes)):
        _fail("classes", f"expected a tuple of one-dimensional arrays, got {classes!r}")
    if len(classes) not in (0, len(slices)):
        _fail("classes", f"expected an array for each of {len(slices)} output slices, or none, got {len(classes)}")
    if forest.proba == "complement" and max(slices) > 1:
        _fail("proba", f"'complement' needs slices of one output, got output_slices {slices}")
    if not classes and forest.decision not in ("none", "multilabel_half", "multilabel_raw_positive"):
        _fail("classes", f"expected the labels that decision {forest.decision!r} chooses from, got none")
    if forest.label_shape not in ((), (1,)):
        _fail("label_shape", f"expected () or (1,), got {forest.label_shape}")
    if forest.link == "mean_variance" and n_outputs != 2:
        _fail("link", f"'mean_variance' needs 2 outputs, got {n_outputs}")
    if forest.link == "isolation" and forest.link_param < 0:
        _fail("link_param", f"expected a number from 0 on for link 'isolation', got {forest.link_param}")
    if forest.proba == "ada_softmax" and len(slices) > 1:
        _fail("proba", f"'ada_softmax' needs one slice of outputs, got output_slices {slices}")
    if forest.log_proba == "log_add_exp" and not (
        forest.proba == "values" and len(slices) == 1 and forest.leaf_value.shape[1] == n_outputs and forest.div > 0
    ):
        _fail("log_proba", "'log_add_exp' needs proba 'values', one slice of outputs, leaves with all of them, div > 0")
    if forest.embedding != "none" and forest.aggregate != "per_tree":
        _fail("embedding", f"{forest.embedding!r} needs aggregate 'per_tree', got {forest.aggregate!r}")
    for labels, width in zip(classes, slices, strict=False):
        _check_labels(forest, len(labels), width)
    tables = forest.categories
    if tables is not None and not (
        isinstance(tables, tuple)
        and len(tables) == forest.n_features
        and all(table is None or _is_vector(table) for table in tables)
    ):
        _fail("categories", f"expected a tuple with a one-dimensional array or None for {forest.n_features} columns")
    if math.prod(forest.leaf_shape) != forest.n_trees:
        _fail("leaf_shape", f"expected {forest.n_trees} numbers, one for each tree, got {forest.leaf_shape}")
    if forest.aggregate == "per_tree":
        return  # what comes out is no row of outputs
    single = forest.link == "argmax"  # the number of a column: one value, whatever the number of outputs
    for name, sizes in (("raw_shape", {n_outputs}), ("value_shape", {1} if single else {n_outputs})):
        shape = getattr(forest, name)
        if len(shape) > 1 or math.prod(shape) not in sizes:
            _fail(name, f"expected room for {min(sizes)} value(s) in at most one dimension, got {shape}")


def _is_vector(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1


def _check_labels(forest: Forest, count: int, width: int) -> None:
    """Check that a decision can choose each of `count` labels, and no other, from a slice of `width` outputs."""
    decision = forest.decision
    if decision in ("half", "raw_positive", "raw_nonnegative", "inlier"):
        if width != 1:
            _fail("decision", f"{decision!r} needs slices of one output, got output_slices {forest.output_slices}")
        legal = {2} if decision == "inlier" else {1, 2}  # one where the library was fitted on a single class
    elif decision in ("argmax", "raw_argmax"):
        legal = {1, 2} if decision == "argmax" and forest.proba == "complement" else {width}
    elif decision == "index":
        legal = {width} if forest.link == "argmax" else {1, 2}
    else:
        return
    if count not in legal:
        numbers = " or ".join(map(str, sorted(legal)))
        _fail("classes", f"decision {decision!r} chooses from {numbers} label(s), got {count}")
