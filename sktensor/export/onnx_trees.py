"""Trees as operators of ONNX: TreeEnsemble of ai.onnx.ml, version 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.export.bounds import tree_of_leaves
from sktensor.export.category_sets import Sets, sets_of
from sktensor.export.onnx_graph import Graph
from sktensor.forest import Forest, Trees

__all__ = ["Ensemble", "exact_sums_of", "leaves_of", "sums_of"]

Array = npt.NDArray[Any]

ML = "ai.onnx.ml"

LE, LT, MEMBER = 0, 1, 6
SUM = 1
NO_TRANSFORM = 0

# From here on a float32 does not hold every number of a leaf.
EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A forest's nodes as attributes of TreeEnsemble.

    Attributes
    ----------
    forest : Forest
        Whose nodes they are.
    x : str
        The matrix that they look at.
    dtype : {"float32", "float64"}
        Of that matrix, of the thresholds and of what leaves give.
    nodes : dict
        The attributes.
    leaves : ndarray of int64
        The forest's leaf of each leaf there: all of them, then once more those that are trees of their own. A node has
        two of these: with one leaf on both sides, ONNX Runtime up to 1.26 walks other trees wrongly.
    """

    forest: Forest
    x: str
    dtype: str
    nodes: dict[str, Any]
    leaves: Array

    @classmethod
    def of(cls, graph: Graph, forest: Forest, x: str) -> Ensemble:
        """The nodes of a forest whose columns are a matrix of its feature dtype."""
        trees = forest.trees
        check(trees)
        dtype = "float64" if "float64" in (trees.feature_dtype, trees.threshold.dtype.name) else "float32"
        if trees.acc_dtype == "float64":
            dtype = "float64"
        if dtype != trees.feature_dtype:
            x = graph.cast(x, dtype)
        feature = trees.feature.astype(np.int64)
        n_columns = trees.n_columns
        blocks = [x]
        if trees.is_cat is not None and trees.is_cat.any():
            of, place = np.unique(feature[trees.is_cat], return_inverse=True)
            feature[trees.is_cat] = n_columns + place
            n_columns += len(of)
            blocks.append(_category_numbers(graph, graph.columns(x, of), trees.cat_mode, dtype))
        if (asked := zero_sides(trees) >= 0).any():
            of, place = np.unique(feature[asked], return_inverse=True)
            feature[asked] = n_columns + place
            blocks.append(_without_zeros(graph, graph.columns(x, of), trees.zero_limit, dtype))
        leaves = np.concatenate([np.arange(trees.n_leaves), ~trees.root[trees.root < 0].astype(np.int64)])
        return cls(forest, graph.beside(blocks), dtype, _nodes(trees, feature, dtype), leaves)

    def run(self, graph: Graph, targets: Array, weights: Array, n_targets: int) -> str:
        """Add a number of each leaf to a target.

        Parameters
        ----------
        graph : Graph
            Gets the node.
        targets : ndarray of int64, shape (R, L)
            The targets of the leaves, in each of the repetitions of the trees.
        weights : ndarray, shape (R, L)
            What they add.
        n_targets : int
            How many targets there are.

        Returns
        -------
        str
            The sums, (n, n_targets) of `dtype`.
        """
        targets, weights = targets[:, self.leaves], weights[:, self.leaves]
        n_repeats, n_leaves = targets.shape
        nodes = self.nodes if n_repeats == 1 else _repeated(self.nodes, n_repeats, n_leaves)
        return graph.op(
            "TreeEnsemble",
            self.x,
            domain=ML,
            n_targets=n_targets,
            aggregate_function=SUM,
            post_transform=NO_TRANSFORM,
            leaf_targetids=targets.ravel().tolist(),
            leaf_weights=weights.ravel().astype(self.dtype),
            **nodes,
        )


def check(trees: Trees) -> None:
    """Refuse trees of which ONNX has no operator.

    Raises
    ------
    UnsupportedModelError
        Naming the rule.
    """
    if trees.lin_off is not None:
        raise UnsupportedModelError(
            "Leaves that are linear functions (linear_tree=True) are in no TreeEnsemble. Train with linear_tree=False, "
            "or predict with sktensor."
        )
    side = zero_sides(trees)
    if (side[side >= 0] != trees.nan_left[side >= 0]).any():
        raise UnsupportedModelError(
            "Nodes send zeros to one side and missing values to the other, which a TreeEnsemble cannot. Train with "
            "zero_as_missing=False."
        )


def zero_sides(trees: Trees) -> Array:
    """Where zeros go, of each node: -1 as compared, 0 right, 1 left. Sets of categories have no such rule."""
    side = np.full(trees.n_nodes, -1, dtype=np.int8) if trees.zero_dir is None else trees.zero_dir
    return side if trees.is_cat is None else np.where(trees.is_cat, -1, side)


def leaves_of(graph: Graph, ensemble: Ensemble) -> str:
    """The number of the leaf that each row reaches in each tree.

    Returns
    -------
    str
        The forest's own numbers of leaves, (n, T) of int64.
    """
    forest = ensemble.forest
    if not forest.n_trees:
        return same_for_all_rows(graph, ensemble.x, np.empty(0, dtype=np.int64))
    tree = tree_of_leaves(forest)
    first = np.full(forest.n_trees, forest.n_leaves)
    np.minimum.at(first, tree, np.arange(forest.n_leaves))
    place = np.arange(forest.n_leaves) - first[tree]
    if ensemble.dtype == "float32" and place.max(initial=0) >= EXACT_IN_FLOAT32:
        raise UnsupportedModelError("A tree has 2**24 leaves or more, whose numbers float32 does not hold.")
    found = graph.cast(ensemble.run(graph, tree[None], place[None], forest.n_trees), "int64")
    return graph.op("Add", found, graph.constant(first[None], "int64"))


def sums_of(graph: Graph, ensemble: Ensemble) -> str:
    """The sums over trees, in the order in which the engine adds them.

    Returns
    -------
    str
        (n, K) of the forest's `acc_dtype`.
    """
    forest = ensemble.forest
    value, missed = _with_base(forest)
    if not forest.n_trees:
        return same_for_all_rows(graph, ensemble.x, missed)
    tree = tree_of_leaves(forest)
    target = forest.trees.tree_target[tree].astype(np.int64)
    outputs = np.arange(forest.n_outputs)
    if value.shape[1] > 1 and forest.n_outputs > 1:  # a leaf of TreeEnsemble has one target: trees once for each output
        targets, weights = np.repeat(outputs[:, None], len(tree), axis=1), value.T
    else:
        targets, weights = np.where(target < 0, 0, target)[None], value[:, :1].T
    total = ensemble.run(graph, targets, weights, forest.n_outputs)
    if missed.any():
        total = graph.op("Add", total, graph.constant([missed], ensemble.dtype))
    return total if ensemble.dtype == forest.trees.acc_dtype else graph.cast(total, forest.trees.acc_dtype)


def exact_sums_of(graph: Graph, ensemble: Ensemble, leaves: str) -> str:
    """The sums over trees, added one after the other as the library does.

    CumSum adds along an axis in its order, and so does ONNX Runtime.

    Returns
    -------
    str
        (n, K) of the forest's `acc_dtype`.
    """
    forest = ensemble.forest
    value, missed = _with_base(forest)
    target = forest.trees.tree_target
    if forest.n_outputs > 1 and value.shape[1] > 1:
        of_all = graph.op("Gather", graph.constant(value), leaves, axis=0)  # (n, T, K)
        running = graph.op("CumSum", of_all, graph.constant(1, "int64"))
        return graph.op("Gather", running, graph.constant(forest.n_trees - 1, "int64"), axis=1)
    table, found = graph.constant(value[:, 0]) if forest.n_trees else "", []
    for k in range(forest.n_outputs):
        of = np.flatnonzero((target == k) | (target < 0))
        if not len(of):
            found.append(same_for_all_rows(graph, ensemble.x, missed[k : k + 1]))
            continue
        own = leaves if len(of) == forest.n_trees else graph.columns(leaves, of)
        running = graph.op("CumSum", graph.op("Gather", table, own, axis=0), graph.constant(1, "int64"))
        found.append(graph.columns(running, [len(of) - 1]))
    return graph.beside(found)


def same_for_all_rows(graph: Graph, x: str, values: Array) -> str:
    """Numbers that do not depend on the rows of a matrix, (n, K)."""
    rows = graph.op("Shape", x, start=0, end=1)
    shape = graph.op("Concat", rows, graph.constant([len(values)], "int64"), axis=0)
    return graph.op("Expand", graph.constant(values[None]), shape)


def _with_base(forest: Forest) -> tuple[Array, Array]:
    """Leaf values to whose first tree the base is added, and the bases of outputs without a tree.

    The library's sum starts there: base plus first leaf, rounded, is the same number for all rows.
    """
    trees = forest.trees
    value = trees.leaf_value.copy()
    tree = tree_of_leaves(forest)
    missed = np.zeros(forest.n_outputs, dtype=value.dtype)
    for k in range(forest.n_outputs):
        adding = np.flatnonzero((trees.tree_target == k) | (trees.tree_target < 0))
        if not len(adding):
            missed[k] = trees.base[k]
            continue
        column = k if value.shape[1] > 1 else 0
        of_first = tree == adding[0]
        value[of_first, column] = trees.base[k] + value[of_first, column]
    return value, missed


def _category_numbers(graph: Graph, x: str, mode: str, dtype: str) -> str:
    """The number of the category that each value is: whole, or -1.0 for none; NaN stays."""
    minus_one, zero = graph.constant(-1.0, dtype), graph.constant(0.0, dtype)
    whole = graph.op("Floor", x)
    if mode == "xgb":
        return graph.op("Where", graph.op("Less", x, zero), minus_one, whole)
    below = graph.op("LessOrEqual", x, minus_one)  # truncated before its sign is looked at
    whole = graph.op("Where", graph.op("Less", x, zero), zero, whole)
    return graph.op("Where", below, minus_one, whole)


def _without_zeros(graph: Graph, x: str, limit: float, dtype: str) -> str:
    """Zeros, and what is as small, as missing."""
    zero = graph.op("LessOrEqual", graph.op("Abs", x), graph.constant(limit, dtype))
    return graph.op("Where", zero, graph.constant(np.nan, dtype), x)


def _nodes(trees: Trees, feature: Array, dtype: str) -> dict[str, Any]:
    """The attributes of TreeEnsemble that describe nodes; a tree of one leaf gets one, with it and a copy of it."""
    single = np.flatnonzero(trees.root < 0)
    extra = np.zeros(len(single), dtype=np.int64)
    m, sets = trees.n_nodes, sets_of(trees)
    swap = np.zeros(m, dtype=bool) if sets is None else sets.right
    true, false = np.where(swap, trees.right, trees.left), np.where(swap, trees.left, trees.right)
    true = np.concatenate([true, trees.root[single].astype(np.int64)])
    false = np.concatenate([false, ~(trees.n_leaves + np.arange(len(single)))])
    modes = np.full(m + len(single), LE if trees.cmp == "le" else LT, dtype=np.uint8)
    splits = np.concatenate([trees.threshold.astype(dtype), extra.astype(dtype)])
    members: dict[str, Any] = {}
    if sets is not None:
        modes[:m], splits[:m], members = _with_sets(sets, modes[:m], splits[:m], dtype)
    roots = trees.root.astype(np.int64)
    roots[single] = m + np.arange(len(single))
    tracks = np.concatenate([trees.nan_left != swap, extra.astype(bool)])
    return {
        "tree_roots": roots.tolist(),
        "nodes_featureids": np.concatenate([feature, extra]).tolist(),
        "nodes_modes": modes,
        "nodes_splits": splits,
        "nodes_truenodeids": np.where(true < 0, ~true, true).tolist(),
        "nodes_falsenodeids": np.where(false < 0, ~false, false).tolist(),
        "nodes_trueleafs": (true < 0).astype(int).tolist(),
        "nodes_falseleafs": (false < 0).astype(int).tolist(),
        "nodes_missing_value_tracks_true": tracks.astype(int).tolist(),
        **members,
    }


def _with_sets(sets: Sets, modes: Array, splits: Array, dtype: str) -> tuple[Array, Array, dict[str, Any]]:
    """Modes and thresholds with nodes that ask for membership; an empty set is a comparison that nothing passes."""
    full, empty = sets.is_set & (sets.sizes > 0), sets.is_set & (sets.sizes == 0)
    modes, splits = modes.copy(), splits.copy()
    modes[full], splits[full] = MEMBER, 0.0
    modes[empty], splits[empty] = LT, -np.inf
    if not full.any():
        return modes, splits, {}
    ends = np.cumsum(sets.sizes[full])
    values = np.insert(sets.members.astype(dtype), ends, np.nan)  # NaN ends each set
    return modes, splits, {"membership_values": values}


def _repeated(nodes: dict[str, Any], n: int, n_leaves: int) -> dict[str, Any]:
    """Trees several times, each time with leaves of their own."""
    m = len(nodes["nodes_featureids"])
    made = {
        name: np.tile(value, n) if isinstance(value, np.ndarray) else value * n
        for name, value in nodes.items()
        if name not in ("tree_roots", "nodes_truenodeids", "nodes_falsenodeids")
    }
    made["tree_roots"] = [root + i * m for i in range(n) for root in nodes["tree_roots"]]
    for side in ("true", "false"):
        step = np.where(np.array(nodes[f"nodes_{side}leafs"], dtype=bool), n_leaves, m)
        ids = np.array(nodes[f"nodes_{side}nodeids"], dtype=np.int64)
        made[f"nodes_{side}nodeids"] = np.concatenate([ids + i * step for i in range(n)]).tolist()
    return made
