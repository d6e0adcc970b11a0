"""Which rule of a forest is at fault for a difference, as far as it can be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from sktensor import outputs
from sktensor.forest import TINY, Decision, Forest, Link
from sktensor.inputs.rows import as_rows
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings
from sktensor.testing.answers import METHODS, differ
from sktensor.testing.trees import Paths

__all__ = ["why_labels", "why_leaves", "why_raw", "why_values"]

Array = npt.NDArray[Any]

SPLIT = "the split (Forest.feature, threshold, left, right)"


def why_leaves(forest: Forest, X: Array, ours: Array, theirs: Array) -> str:
    """The rule behind leaf numbers of shape (n, T) that differ, from the nodes where the two two part."""
    if sorted(map(bytes, np.ascontiguousarray(ours.T))) == sorted(map(bytes, np.ascontiguousarray(theirs.T))):
        return "the order of the trees (Forest.root); in another one, all leaf numbers would agree"
    wrong = ours != theirs
    tree = int(np.flatnonzero(wrong.any(axis=0))[0])
    pairs = np.unique(np.stack([ours[:, tree], theirs[:, tree]]), axis=1)
    if all(len(np.unique(side)) == pairs.shape[1] > 1 for side in pairs):
        return f"the leaf numbers (Forest.leaf_id) of tree {tree}, or its children changed about (left, right)"
    paths = Paths(forest)
    leaf = paths.leaves(X)
    numbers = {int(forest.trees.leaf_id[at]): int(at) for at in _leaves_of(forest, tree)}
    found: Counter[str] = Counter()
    parting = ""
    rows = np.flatnonzero(wrong[:, tree])
    for row in rows:
        if (number := int(theirs[row, tree])) not in numbers:
            return f"the leaf numbers (Forest.leaf_id): tree {tree} has no leaf {number}"
        two = paths.to(leaf[row, tree]), paths.to(numbers[number])
        node = [a for a, b in zip(*two, strict=False) if a == b][-1]
        left = forest.trees.left[node] in (*two[0], ~leaf[row, tree])
        found.update(_rules_at(forest, paths, node, X[row], left))
        column = forest.trees.feature[node]
        parting = parting or (
            f"at node {node} of tree {tree}, column {column} holds {X[row, column]!r}, the threshold is "
            f"{forest.trees.threshold[node]!r}, and the forest goes {'left' if left else 'right'}, the library does not"
        )
    # What explains every row is at fault. The split always does: what explains most rows may be a fault of its own.
    rules = [rule for rule, count in found.items() if count == len(rows)][:1]
    if rules in ([], [SPLIT]):
        rules = [rule for rule, count in found.items() if count >= len(rows) / 2]
    return f"{', '.join(rules)}: {parting}"


def _leaves_of(forest: Forest, tree: int) -> list[int]:
    found, stack = [], [int(forest.trees.root[tree])]
    while stack:
        node = stack.pop()
        if node < 0:
            found.append(~node)
        else:
            stack += [int(forest.trees.left[node]), int(forest.trees.right[node])]
    return found


def _rules_at(forest: Forest, paths: Paths, node: int, row: Array, left: bool) -> list[str]:
    """The rules, one of which decides that this row goes left here, or does not, against the library."""
    given = row[forest.trees.feature[node]]
    value = given.astype(forest.trees.feature_dtype)
    if np.isnan(value) or (
        forest.inputs.missing_value is not None and value == value.dtype.type(forest.inputs.missing_value)
    ):
        return ["the missing side (Forest.nan_left)"]
    if paths.is_category(node):
        return ["the sets of categories (Forest.cat_bits, cat_mode, oov_left)"]
    if forest.inputs.flush_tiny and abs(value) <= TINY:
        value = value.dtype.type(0.0)
    at, found = np.float64(forest.trees.threshold[node]), []
    if value == at:
        found.append("the comparison (Forest.cmp)")
    exact = np.float64(given)
    if exact != value and left != bool(exact < at if forest.trees.cmp == "lt" else exact <= at):
        found.append("the dtype of the features (Forest.feature_dtype, ints_as_float32)")
    if abs(value) <= TINY:
        found.append("what is close to zero (Forest.flush_tiny, zero_dir)")
    if np.float32(value) == np.float32(at) or abs(value - at) <= 2 * np.spacing(abs(np.float32(at))):
        found.append("what the cast to float32 rounds (Forest.threshold, feature_dtype, ints_as_float32)")
    return [*found, SPLIT]


def why_raw(forest: Forest, X: Array, ours: Array, theirs: Array, leaves_agree: bool) -> str:
    """The rule behind raw scores of shape (n, K) that differ."""
    wrong: Array = np.asarray(differ(ours, theirs).any(axis=1))
    if not leaves_agree and (why := _why_splits(forest, X, ours, theirs, wrong)):
        return why
    for why, other in _other_sums(forest):
        if not differ(outputs.raw_scores(other, Program(other).total(as_rows(X, other), Settings())), theirs).any():
            return why
    gap, rounding = theirs.astype(np.float64) - ours, _rounding(forest, X)
    known = np.isfinite(gap).all(axis=1) & np.isfinite(rounding).all(axis=1)
    gap, rounding = gap[known], rounding[known]
    if len(gap) and (np.abs(gap) <= rounding).all():
        return (
            "the order or the dtype of the sum (the order of the trees in Forest.root, acc_dtype, and what "
            "is rounded before or after it, div, scale, leaf_value): only last bits differ"
        )
    clear = (rounding <= 1e-3 * np.abs(gap).max(initial=0.0)).all(axis=1)
    if clear.any() and (np.ptp(gap[clear], axis=0) <= 2 * rounding[clear].max(axis=0)).all():
        return f"the base score (Forest.base, bias), to which {gap[clear][0].tolist()} is missing in every row"
    if sorted(map(bytes, np.ascontiguousarray(ours.T))) == sorted(map(bytes, np.ascontiguousarray(theirs.T))):
        return "which output a tree adds to (Forest.tree_target); outputs have changed places"
    ratio = theirs.astype(np.float64) / ours
    if _constant(ratio):
        return f"a factor (Forest.div, scale, leaf_value): the library's are {np.nanmedian(ratio):.6g} times these"
    return "the values of the leaves (Forest.leaf_value, tree_target)" + (
        ", all leaf numbers being right" if leaves_agree else ", or the splits"
    )


def _constant(ratio: Array) -> bool:
    known = ratio[np.isfinite(ratio)]
    return bool(len(known)) and float(np.ptp(known)) <= 1e-4 * float(np.abs(known).max())


def _rounding(forest: Forest, X: Array) -> Array:
    """How far apart the sums of the same leaves can be, shape (n, K)."""
    bias = None if forest.outputs.bias is None else np.abs(forest.outputs.bias)
    sizes = forest.replace(leaf_value=np.abs(forest.trees.leaf_value), base=np.abs(forest.trees.base), bias=bias)
    total = outputs.raw_scores(sizes, Program(sizes).total(as_rows(X, sizes), Settings())).astype(np.float64)
    bound: Array = 2 * (forest.n_trees + 2) * float(np.finfo(forest.trees.acc_dtype).eps) * np.abs(total)
    return bound


def _why_splits(forest: Forest, X: Array, ours: Array, theirs: Array, wrong: Array) -> str:
    """The rule of the splits at fault, where the library gives no leaf numbers, or nothing."""

    def explains(other: Forest, rows: Array) -> bool:
        found = outputs.raw_scores(other, Program(other).total(as_rows(X[rows], other), Settings()))
        return not differ(found, theirs[rows]).any()

    every = np.ones(len(X), dtype=bool)
    seen = X.astype(forest.trees.feature_dtype)
    missing = np.isnan(seen).any(axis=1)
    if forest.inputs.missing_value is not None:
        missing |= (seen == forest.inputs.missing_value).any(axis=1)
    flipped = forest.replace(cmp="lt" if forest.trees.cmp == "le" else "le")
    if (wrong & ~missing).any() and explains(flipped, ~missing):
        return (
            f"the comparison (Forest.cmp): with cmp={flipped.trees.cmp!r}, all rows without missing values would agree"
        )
    if explains(forest.replace(nan_left=~forest.trees.nan_left), every):
        return "the missing side (Forest.nan_left): with all of them changed about, all rows would agree"
    if wrong.any() and not (wrong & ~missing).any():
        return "the missing side (Forest.nan_left, missing_value): only rows with missing values differ"
    for rule, changes in (
        ("flush_tiny", {"flush_tiny": not forest.inputs.flush_tiny}),
        ("ints_as_float32", {"ints_as_float32": not forest.inputs.ints_as_float32}),
        ("feature_dtype", {"feature_dtype": "float64" if forest.trees.feature_dtype == "float32" else "float32"}),
    ):
        if explains(forest.replace(**changes), every):
            return f"Forest.{rule}: with {rule}={changes[rule]!r}, all rows would agree"
    return ""


def _other_sums(forest: Forest) -> Iterator[tuple[str, Forest]]:
    """Forests whose sums follow another rule."""
    pre = f"Forest.raw_is_pre_div: with raw_is_pre_div={not forest.outputs.raw_is_pre_div}, all rows would agree"
    yield pre, forest.replace(raw_is_pre_div=not forest.outputs.raw_is_pre_div)
    order = slice(None, None, -1)
    yield (
        "the order of the trees (Forest.root): added from the last to the first, all rows would agree",
        forest.replace(root=forest.trees.root[order], tree_target=forest.trees.tree_target[order]),
    )


def why_values(forest: Forest, name: str, raw: Array, theirs: Array, raw_agree: bool) -> str:
    """The rule behind values or probabilities that differ although raw scores do not, where these are known."""

    def explains(other: Forest) -> bool:
        found = METHODS[name](other, raw)
        same_kind = isinstance(found, np.ndarray) and found.shape == theirs.shape
        return same_kind and not differ(found, theirs).any()

    if forest.outputs.link == "sigmoid" and explains(forest.replace(link_param=1.0)):
        return "the link (Forest.link_param): with link_param=1.0, all rows would agree"
    for link in get_args(Link):
        if link in ("argmax", "location", "none") or (link == "mean_variance" and forest.n_outputs != 2):
            continue  # they give another number of values
        if explains(forest.replace(link=link)):
            return (
                f"the link (Forest.link): with link={link!r} instead of {forest.outputs.link!r}, all rows would agree"
            )
    if theirs.ndim == 2 and not differ(METHODS[name](forest, raw), theirs[:, ::-1]).any():
        return "the order of the classes (Forest.classes, tree_target): columns have changed places"
    rules = "the link (Forest.link, link_param, proba, log_proba)"
    return rules if raw_agree else f"{rules}, or the raw scores before it, of which predict_raw(model, X) would tell"


def why_labels(forest: Forest, raw: Array, theirs: Array) -> str:
    """The rule behind labels that differ."""
    known = np.concatenate(forest.outputs.classes) if forest.outputs.classes else np.zeros(0)
    if forest.outputs.classes and (unknown := set(theirs.ravel().tolist()) - set(known.tolist())):
        return f"the labels (Forest.classes), which lack {sorted(unknown)[:5]}"
    turned = forest.replace(classes=tuple(labels[::-1] for labels in forest.outputs.classes))
    if forest.outputs.classes and not (outputs.labels(turned, raw) != theirs).any():
        return "the order of the labels (Forest.classes): the other way round, all rows would agree"
    for decision in get_args(Decision):
        if decision in ("none", "index", forest.outputs.decision) or "multilabel" in decision + forest.outputs.decision:
            continue
        if forest.n_outputs > 1 and not decision.endswith("argmax"):
            continue
        if not (outputs.labels(forest.replace(decision=decision), raw) != theirs).any():
            ours = forest.outputs.decision
            return f"the decision (Forest.decision): with {decision!r} instead of {ours!r}, all would agree"
    return "the decision (Forest.decision, decision_threshold, classes)"
