"""Forests as nested dicts, for tests and plug-ins.

Nothing here recurses, so that a chain of thousands of nodes is a tree like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from numbers import Real
from typing import Any

import numpy as np

from sktensor.forest.fields import array_fields
from sktensor.forest.tree_dicts import Place, walk
from sktensor.forest.trees import Trees

__all__ = ["dicts_from_trees", "fields_from_trees"]

# The fields that the nested dicts determine: all of nodes and leaves, and where the trees begin.
FROM_TREES = {spec.name for spec in array_fields(Trees) if spec.metadata["axis"] not in ("tree", "output")} | {"root"}

MAX_CATEGORY = {"xgb": 2**24 - 1, "lgb": 2**31 - 1}  # see Trees.cat_mode


def fields_from_trees(trees: Sequence[dict[str, Any]], *, n_features: int, **rules: Any) -> dict[str, Any]:
    """Flatten nested dicts into the fields of a forest.

    Parameters
    ----------
    trees : sequence of dict
        As in :meth:`sktensor.Forest.from_trees`.
    n_features : int
        Number of input columns.
    **rules
        Other fields of a forest's parts, taken as they are.

    Returns
    -------
    dict
        Keyword arguments of :meth:`sktensor.Forest.from_fields`. The nodes of a tree are numbered contiguously, depth
        first (a node, its left subtree, its right subtree), its leaves from left to right, tree after tree.

    Raises
    ------
    ValueError
        For a malformed dict, naming the tree and the way to it from the root.
    TypeError
        If `rules` holds a field that the trees determine.
    """
    if taken := sorted(FROM_TREES & rules.keys()):
        raise TypeError(f"{', '.join(taken)}: read from the trees, not to be given beside them.")
    n_outputs = rules.get("n_outputs", 1)
    max_category = MAX_CATEGORY.get(rules.get("cat_mode", "lgb"), 0)
    root: list[int] = []
    nodes: list[dict[str, Any]] = []
    leaves: list[dict[str, Any]] = []
    for number, tree in enumerate(trees):
        first = len(leaves)
        for spec, place in walk(tree, number):
            if "value" in spec:
                child = ~len(leaves)
                leaves.append(_leaf_row(spec, place, len(leaves) - first, n_outputs))
            else:
                child = len(nodes)
                nodes.append(_node_row(spec, place, max_category))
                place.row = nodes[-1]
            if place.above is None:
                root.append(child)
            else:
                place.above.row[place.side] = child
    _check_alike(leaves, "vector", "'value' is a number in all leaves, or a sequence in all leaves")
    _check_alike([*nodes, *leaves], "covered", "'cover' belongs to every node and leaf of all trees, or to none")

    position, vector = np.arange(len(root)), any(row["vector"] for row in leaves)
    shape = () if n_outputs == 1 else (n_outputs,)
    defaults = {
        "base": np.zeros(n_outputs),
        "tree_target": np.full(len(root), -1) if vector else position % n_outputs,
        "raw_shape": shape,
        "value_shape": () if rules.get("link") == "argmax" else shape,
        "leaf_shape": (len(root),),
    }
    arrays = {"root": root, **_node_fields(nodes, rules.get("feature_dtype")), **_leaf_fields(leaves)}
    if any(row["covered"] for row in leaves):
        arrays["cover"] = [row["cover"] for row in chain(nodes, leaves)]
    return {"n_features": n_features, **defaults, **rules, **arrays}


def _check_alike(rows: list[dict[str, Any]], key: str, problem: str) -> None:
    for row in rows:
        if row[key] != rows[0][key]:
            row["place"].fail(problem)


def _common(spec: dict[str, Any], place: Place) -> dict[str, Any]:
    return {"place": place, "covered": "cover" in spec, "cover": place.number(spec.get("cover", 0.0), "cover")}


def _node_row(spec: dict[str, Any], place: Place, max_category: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        **_common(spec, place),
        "feature": place.integer(spec["feature"], "feature"),
        "nan_left": place.flag(spec.get("nan_left", False), "nan_left"),
        "zero_dir": int(place.flag(spec["zero_left"], "zero_left")) if "zero_left" in spec else -1,
        "oov_left": place.flag(spec.get("oov_left", False), "oov_left"),
        "is_cat": "categories" in spec,
        "bits": np.zeros(0, dtype=np.uint32),
    }
    if not row["is_cat"]:
        return {**row, "threshold": place.number(spec["threshold"], "threshold")}
    codes = place.sequence(spec["categories"], "categories")
    codes = [place.integer(code, "categories", high=max_category) for code in codes]
    needed = max(codes, default=-1) // 32 + 1
    size = place.integer(spec.get("cat_words", needed), "cat_words")
    if size < needed:
        place.fail(f"category {max(codes)} needs {needed} words, but 'cat_words' is {size}")
    at = np.array(codes, dtype=np.int64)
    row["bits"] = np.zeros(size, dtype=np.uint32)
    np.bitwise_or.at(row["bits"], at // 32, np.uint32(1) << (at % 32).astype(np.uint32))
    return row


def _leaf_row(spec: dict[str, Any], place: Place, position: int, n_outputs: int) -> dict[str, Any]:
    vector = not isinstance(spec["value"], Real)
    values = place.sequence(spec["value"], "value") if vector else [spec["value"]]
    if vector and len(values) != n_outputs:
        place.fail(f"expected {n_outputs} number(s) for 'value', one for each output, got {len(values)}")
    linear = spec.get("linear", {"const": values[0], "features": (), "coef": ()})
    if not isinstance(linear, dict) or linear.keys() != {"const", "features", "coef"}:
        place.fail(f"expected a dict of 'const', 'features' and 'coef' for 'linear', got {linear!r}")
    features, coef = (place.sequence(linear[key], key) for key in ("features", "coef"))
    if len(features) != len(coef):
        place.fail(f"expected a coefficient for each feature in 'linear', got {len(coef)} for {len(features)}")
    return {
        **_common(spec, place),
        "vector": vector,
        "value": [place.number(value, "value") for value in values],
        "leaf_id": place.integer(spec.get("leaf_id", position), "leaf_id"),
        "linear": "linear" in spec,
        "const": place.number(linear["const"], "const"),
        "features": [place.integer(feature, "features") for feature in features],
        "coef": [place.number(c, "coef") for c in coef],
    }


def _node_fields(rows: list[dict[str, Any]], feature_dtype: str | None) -> dict[str, Any]:
    """The columns of the nodes, without those that none of them asked for."""
    numeric = [row["threshold"] for row in rows if not row["is_cat"]]
    # The dtype of a threshold is part of the comparison: float32 only where that is what was given.
    narrow = all(isinstance(t, np.float32) for t in numeric) if numeric else feature_dtype == "float32"
    out: dict[str, Any] = {key: [row[key] for row in rows] for key in ("feature", "left", "right", "nan_left")}
    threshold = [row.get("threshold", 0.0) for row in rows]
    out["threshold"] = np.array(threshold, dtype=np.float32 if narrow else np.float64)
    if any(row["zero_dir"] >= 0 for row in rows):
        out["zero_dir"] = [row["zero_dir"] for row in rows]
    if len(numeric) < len(rows):
        out["is_cat"] = [row["is_cat"] for row in rows]
        words = [len(row["bits"]) for row in rows]
        # A node without words begins at 0, so that every node's first word is where the last one's end at most.
        out["cat_off"] = np.where(words, np.cumsum(words) - words, 0)
        out["cat_words"] = words
        out["cat_bits"] = np.concatenate([row["bits"] for row in rows])
        if any(row["oov_left"] for row in rows):
            out["oov_left"] = [row["oov_left"] for row in rows]
    return out


def _leaf_fields(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The columns of the leaves, without those that none of them asked for."""
    values = [row["value"] for row in rows]
    out: dict[str, Any] = {"leaf_value": np.array(values) if rows else np.zeros((0, 1))}
    out["leaf_id"] = [row["leaf_id"] for row in rows]
    if any(row["linear"] for row in rows):
        out["lin_off"] = np.cumsum([0, *(len(row["coef"]) for row in rows)])
        out["lin_feature"] = [feature for row in rows for feature in row["features"]]
        out["lin_coef"] = [c for row in rows for c in row["coef"]]
        out["lin_const"] = [row["const"] for row in rows]
    return out


def dicts_from_trees(trees: Trees) -> list[dict[str, Any]]:
    """Nest trees, the inverse of :func:`fields_from_trees` up to the numbering.

    Parameters
    ----------
    trees : Trees
        Validated.

    Returns
    -------
    list of dict
        As in :meth:`sktensor.Forest.from_trees`. A float32 threshold comes as a numpy scalar, since its dtype counts.
    """
    leaves = [_leaf_dict(trees, leaf) for leaf in range(trees.n_leaves)]
    nodes = [_node_dict(trees, node) for node in range(trees.n_nodes)]
    dicts = nodes + leaves[::-1]  # so that the negative number ~leaf finds its leaf, too
    for node, left, right in zip(nodes, trees.left.tolist(), trees.right.tolist(), strict=True):
        node.update(left=dicts[left], right=dicts[right])
    return [dicts[root] for root in trees.root.tolist()]


def _node_dict(trees: Trees, node: int) -> dict[str, Any]:
    out: dict[str, Any] = {"feature": int(trees.feature[node])}
    if trees.is_cat is not None and trees.is_cat[node]:
        assert trees.cat_off is not None and trees.cat_words is not None and trees.cat_bits is not None
        size = int(trees.cat_words[node])
        words = trees.cat_bits[trees.cat_off[node] :][:size]
        out["categories"] = np.flatnonzero(words[:, None] >> np.arange(32, dtype=np.uint32) & np.uint32(1)).tolist()
        if size != max(out["categories"], default=-1) // 32 + 1:
            out["cat_words"] = size
        if trees.oov_left is not None and trees.oov_left[node]:
            out["oov_left"] = True
    else:
        threshold = trees.threshold[node]
        out["threshold"] = threshold if threshold.dtype == np.float32 else float(threshold)
        if trees.zero_dir is not None and trees.zero_dir[node] >= 0:
            out["zero_left"] = bool(trees.zero_dir[node])
    out["nan_left"] = bool(trees.nan_left[node])
    if trees.cover is not None:
        out["cover"] = float(trees.cover[node])
    return out


def _leaf_dict(trees: Trees, leaf: int) -> dict[str, Any]:
    values = trees.leaf_value[leaf].tolist()
    vector = bool((trees.tree_target == -1).all())
    out = {"value": values if vector else values[0], "leaf_id": int(trees.leaf_id[leaf])}
    if trees.cover is not None:
        out["cover"] = float(trees.cover[trees.n_nodes + leaf])
    if trees.lin_off is not None and trees.lin_off[leaf] < trees.lin_off[leaf + 1]:
        assert trees.lin_feature is not None and trees.lin_coef is not None and trees.lin_const is not None
        terms = slice(*trees.lin_off[leaf : leaf + 2].tolist())
        features, coef = trees.lin_feature[terms].tolist(), trees.lin_coef[terms].tolist()
        out["linear"] = {"const": float(trees.lin_const[leaf]), "features": features, "coef": coef}
    return out
