"""LightGBM's model text as arrays: what ``Booster.model_to_string`` writes, without a loop over nodes.

The text is read rather than ``dump_model()``, because it writes every double with 17 digits and keeps infinite
thresholds, where the JSON dump puts 1e300 [LightGBM src/io/tree.cpp ToString, NodeToJSON].
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError

__all__ = ["ModelText", "ParsedTrees", "parse_model", "parse_number", "parse_trees"]

Array = npt.NDArray[Any]

# Version 3 was written by LightGBM 2.3 to 3.x, version 4 since 4.0. A key beyond these may change what a tree means.
VERSIONS = ("v3", "v4")
HEADER_KEYS = (
    "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective", "average_output",
    "feature_names", "monotone_constraints", "feature_infos", "tree_sizes",
)  # fmt: skip
TREE_KEYS = (
    "num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
    "leaf_value", "leaf_weight", "leaf_count", "internal_value", "internal_weight", "internal_count", "cat_boundaries",
    "cat_threshold", "is_linear", "leaf_const", "num_features", "leaf_features", "leaf_coeff", "shrinkage",
)  # fmt: skip

# Half of the text; no prediction needs it. Nor does it need "shrinkage", which is inside the leaves already.
UNREAD_KEYS = {"split_gain", "leaf_weight", "internal_value", "internal_weight", "shrinkage"}


@dataclass(frozen=True)
class ModelText:
    """The three sections of a model text, still as text.

    Parameters
    ----------
    header : dict of str
        What holds for the model as a whole, by key.
    trees : list of str
        The lines of each tree that predictions depend on, each behind a line break: a string for each line would take
        several times as much, of thousands of small trees.
    parameters : dict of str
        The training parameters at the end; empty where the text has none.
    """

    header: dict[str, str]
    trees: list[str]
    parameters: dict[str, str]


@dataclass(frozen=True)
class ParsedTrees:
    """The trees of a model as arrays, nodes and leaves of all trees one after the other.

    Sizes: ``T`` trees, ``M`` nodes, ``L`` leaves. Children are numbered within the whole model, a negative child
    ``c`` is the leaf ``~c``.
    """

    root: Array
    feature: Array
    threshold: Array
    decision_type: Array
    left: Array
    right: Array
    leaf_value: Array
    leaf_id: Array
    cover: Array | None
    categorical: dict[str, Array]
    """``cat_off``, ``cat_words`` (M,) and ``cat_bits``, or empty where no tree has a categorical split."""
    linear: dict[str, Array]
    """``lin_off``, ``lin_feature``, ``lin_coef`` and ``lin_const``, or empty where no tree is linear."""


def parse_model(text: str) -> ModelText:
    """Cut a model text into its sections.

    Parameters
    ----------
    text : str
        What ``Booster.model_to_string`` returned.

    Returns
    -------
    ModelText
        Its header, trees and parameters.

    Raises
    ------
    UnsupportedModelError
        If the version of the format or a key of it is unknown.
    """
    # Tree by tree from where it stands: copies of the whole text would be what takes most memory of all.
    end = text.find("\nend of trees")
    end = len(text) if end < 0 else end
    begins = [match.start() for match in re.finditer("\nTree=", text) if match.start() < end]
    first, _, lines = text[: begins[0] if begins else end].partition("\n")
    if first != "tree":
        raise UnsupportedModelError(f"The LightGBM model text starts with {first!r}; only tree models can be read.")
    header = _fields(lines, HEADER_KEYS, "header")
    if header.get("version") not in VERSIONS:
        raise UnsupportedModelError(
            f"The LightGBM model text has version={header.get('version')!r}; known versions: {', '.join(VERSIONS)}."
        )
    n_trees = len(header.get("tree_sizes", "").split())
    if n_trees != len(begins):
        raise UnsupportedModelError(f"The LightGBM model text announces {n_trees} trees and holds {len(begins)}.")
    trees = []
    for t, (begin, stop) in enumerate(itertools.pairwise([*begins, end])):
        # The first line of a block is "Tree=<number>", behind a line break.
        found = _fields(text[begin + 1 : stop].partition("\n")[2], TREE_KEYS, f"tree {t}")
        trees.append("".join(f"\n{key}={value}" for key, value in found.items() if key not in UNREAD_KEYS))
    return ModelText(header, trees, _parameters(text[end:]))


def _fields(lines: str, known: Sequence[str], where: str) -> dict[str, str]:
    """The ``key=value`` lines by key; a flag such as ``average_output`` stands without a value."""
    pairs = [line.partition("=") for line in lines.split("\n") if line]
    found = {key: value.strip() for key, _, value in pairs}
    unknown = sorted(found.keys() - set(known))
    if unknown or len(found) < len(pairs):
        problem = f"unknown keys {', '.join(unknown)}" if unknown else "a key that stands there twice"
        raise UnsupportedModelError(
            f"The {where} of the LightGBM model text has {problem}: this version of the format is not known. "
            "Save the model with a LightGBM version that sktensor supports."
        )
    return found


def _parameters(tail: str) -> dict[str, str]:
    """The lines ``[name: value]`` between ``parameters:`` and ``end of parameters``."""
    lines = tail.partition("\nparameters:\n")[2].partition("\nend of parameters")[0].split("\n")
    pairs = [line[1:-1].partition(":") for line in lines if line.startswith("[") and line.endswith("]")]
    return {name: value.strip() for name, _, value in pairs}


def _value(tree: str, key: str) -> str | None:
    """What stands behind a key in the lines of a tree; None where the key is not there."""
    begin = tree.find(f"\n{key}=")
    if begin < 0:
        return None
    begin += len(key) + 2
    end = tree.find("\n", begin)
    return tree[begin:end] if end >= 0 else tree[begin:]


def parse_trees(trees: Sequence[str]) -> ParsedTrees:
    """Read the numbers of all trees.

    Parameters
    ----------
    trees : sequence of str
        ``ModelText.trees`` or some of them.

    Returns
    -------
    ParsedTrees
        Their arrays.

    Raises
    ------
    UnsupportedModelError
        If a line is missing, has the wrong number of entries, or entries that lead out of the tree.
    """
    leaves = _numbers(trees, "num_leaves", np.ones(len(trees), dtype=np.int64), np.int64)
    for t in np.flatnonzero(leaves < 1)[:1]:
        raise UnsupportedModelError(f"Tree {t} of the LightGBM model text has num_leaves={leaves[t]}.")
    leaf_value = _numbers(trees, "leaf_value", leaves, np.float64)  # which checks that there are so many
    nodes = leaves - 1
    node_start, leaf_start = np.cumsum(nodes) - nodes, np.cumsum(leaves) - leaves
    tree_of_node, tree_of_leaf = np.repeat(np.arange(len(trees)), nodes), np.repeat(np.arange(len(trees)), leaves)

    def child(key: str) -> Array:
        # Within a tree, node n is n and leaf l is ~l; both are moved by what stands before the tree.
        local = _numbers(trees, key, nodes, np.int64)
        outside = (local < -leaves[tree_of_node]) | (local >= nodes[tree_of_node])
        for at in np.flatnonzero(outside)[:1]:
            t = tree_of_node[at]
            raise UnsupportedModelError(
                f"Tree {t}, node {at - node_start[t]} of the LightGBM model text: expected a {key} below {nodes[t]} "
                f"and from {-leaves[t]} on, got {local[at]}."
            )
        return local + np.where(local >= 0, node_start[tree_of_node], -leaf_start[tree_of_node])

    threshold = _numbers(trees, "threshold", nodes, np.float64)
    decision_type = _numbers(trees, "decision_type", nodes, np.int64)
    return ParsedTrees(
        root=np.where(nodes > 0, node_start, ~leaf_start),
        feature=_numbers(trees, "split_feature", nodes, np.int64),
        threshold=threshold,
        decision_type=decision_type,
        left=child("left_child"),
        right=child("right_child"),
        leaf_value=leaf_value,
        leaf_id=np.arange(len(leaf_value)) - leaf_start[tree_of_leaf],
        cover=_cover(trees, nodes, leaves),
        categorical=_categorical_splits(trees, tree_of_node, (decision_type & 1) == 1, threshold),
        linear=_linear_leaves(trees, leaves, tree_of_leaf, leaf_value),
    )


def _numbers(trees: Sequence[str], key: str, counts: Array, dtype: Any) -> Array:
    """The entries of one key over all trees, parsed at once; `counts` says how many each tree has."""
    lines = []
    for t, (tree, count) in enumerate(zip(trees, counts.tolist(), strict=True)):
        line = _value(tree, key)
        if line is None and count:
            raise UnsupportedModelError(f"Tree {t} of the LightGBM model text has no line {key!r}.")
        line = line or ""
        if "  " in line:  # between linear leaves
            line = " ".join(line.split())
        if (found := line.count(" ") + bool(line)) != count:
            raise UnsupportedModelError(f"Tree {t} of the LightGBM model text has {found} of {count} entries: {key!r}.")
        if line:
            lines.append(line)
    if not lines:  # blanks alone would be read as one entry
        return np.empty(0, dtype=dtype)
    try:
        # numpy before 2.3 stops with a DeprecationWarning where no number stands: what is appended is missing then.
        numbers = np.fromstring(" ".join([*lines, "0"]), dtype=dtype, sep=" ")
    except (ValueError, DeprecationWarning):
        numbers = np.empty(0, dtype=dtype)
    if len(numbers) != counts.sum() + 1:
        raise UnsupportedModelError(f"The LightGBM model text has entries in {key!r} that are no numbers.")
    return numbers[:-1]


def _cover(trees: Sequence[str], nodes: Array, leaves: Array) -> Array | None:
    """Number of training rows at each node, then each leaf."""
    try:
        inner = _numbers(trees, "internal_count", nodes, np.float64)
        return np.concatenate([inner, _numbers(trees, "leaf_count", leaves, np.float64)])
    except UnsupportedModelError:
        return None  # a tree that old versions wrote as a single leaf has no counts, and no prediction needs them


def _categorical_splits(trees: Sequence[str], tree_of_node: Array, is_cat: Array, threshold: Array) -> dict[str, Array]:
    """Where the set of each categorical node stands, and the words of all sets."""
    if not is_cat.any():
        return {}
    n_sets = _numbers(trees, "num_cat", np.ones(len(trees), dtype=np.int64), np.int64)
    n_bounds = np.where(n_sets > 0, n_sets + 1, 0)
    bounds = _numbers(trees, "cat_boundaries", n_bounds, np.int64)
    bound_end = np.cumsum(n_bounds)
    n_words = np.zeros(len(trees), dtype=np.int64)
    n_words[n_sets > 0] = bounds[bound_end[n_sets > 0] - 1]
    words = _numbers(trees, "cat_threshold", n_words, np.int64)
    # The threshold of a categorical node is the number of its set within the tree [tree.cpp SplitCategorical].
    tree = tree_of_node[is_cat]
    for node in np.flatnonzero(~((threshold[is_cat] >= 0) & (threshold[is_cat] < n_sets[tree])))[:1]:
        raise UnsupportedModelError(
            f"Tree {tree[node]} of the LightGBM model text has {n_sets[tree[node]]} sets of categories, but a "
            f"categorical split with threshold={threshold[is_cat][node]}."
        )
    at = (bound_end - n_bounds)[tree] + threshold[is_cat].astype(np.int64)
    for node in np.flatnonzero((bounds[at] < 0) | (bounds[at + 1] < bounds[at]) | (bounds[at + 1] > n_words[tree]))[:1]:
        raise UnsupportedModelError(f"Tree {tree[node]} of the LightGBM model text: cat_boundaries do not ascend.")
    offset, size = np.zeros((2, len(is_cat)), dtype=np.int64)
    offset[is_cat] = (np.cumsum(n_words) - n_words)[tree] + bounds[at]
    size[is_cat] = bounds[at + 1] - bounds[at]
    return {"cat_off": offset, "cat_words": size, "cat_bits": words}


def _linear_leaves(trees: Sequence[str], leaves: Array, tree_of_leaf: Array, leaf_value: Array) -> dict[str, Array]:
    """Constants and terms of linear leaves; leaves of other trees have no terms and their value as constant."""
    linear = np.array([_value(tree, "is_linear") == "1" for tree in trees], dtype=bool)  # absent before 3.2
    if not linear.any():
        return {}
    of_linear = linear[tree_of_leaf]
    const, n_terms = leaf_value.copy(), np.zeros(len(leaf_value), dtype=np.int64)
    const[of_linear] = _numbers(trees, "leaf_const", np.where(linear, leaves, 0), np.float64)
    n_terms[of_linear] = _numbers(trees, "num_features", np.where(linear, leaves, 0), np.int64)
    per_tree = np.bincount(tree_of_leaf, weights=n_terms, minlength=len(trees)).astype(np.int64)
    return {
        "lin_off": np.concatenate([[0], np.cumsum(n_terms)]),
        "lin_feature": _numbers(trees, "leaf_features", per_tree, np.int64),
        "lin_coef": _numbers(trees, "leaf_coeff", per_tree, np.float64),
        "lin_const": const,
    }


def parse_number(text: str) -> float:
    """A number as LightGBM reads it from parameters and from the line ``objective``, to the bit.

    Its own reader rounds the digits before and after the point apart and scales by the power of ten last
    [LightGBM include/LightGBM/utils/common.h Atof], which can differ from ``float(text)`` by an ulp.

    Parameters
    ----------
    text : str
        For instance ``"1.23457"`` or ``"1e-05"``.

    Returns
    -------
    float
        The number.

    Raises
    ------
    ValueError
        If `text` is no number.
    """
    mantissa, _, exponent = text.lower().lstrip("+").partition("e")
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    value = _digits(whole)
    if fraction:
        value += _digits(fraction) / 10.0 ** len(fraction)
    if exponent:
        power = int(exponent)
        value = value * 10.0**power if power > 0 else value / 10.0**-power
    return -value if mantissa.startswith("-") else value


def _digits(text: str) -> float:
    """A row of digits as the loop ``value = value * 10 + digit`` gives it, rounding on the way from 2**53 on."""
    value = 0.0
    for digit in text:
        value = value * 10.0 + int(digit)
    return value
