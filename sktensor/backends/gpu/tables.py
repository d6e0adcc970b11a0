"""A forest's trees as the GPU's kernels walk them: columns of codes, and nodes in groups that shared memory holds.

Whatever its shape, a tree costs what a perfect one of its depth does: siblings stand side by side, a leaf points to
itself, and its rank is one that no code exceeds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sktensor.forest import Trees
from sktensor.forest.structure import levels
from sktensor.strategies.ranks import CategoryTables, RankTables, compile_ranks

__all__ = ["MOST_COLUMNS", "MOST_THRESHOLDS", "ForestTables", "Staging", "check", "compile"]

Array = npt.NDArray[Any]

# What a node of 32 bits holds: a rank of 8 bits, a column, and the child's offset in its tree. The column begins at
# least here, where the codes of a column of 2048 rows take as many bytes: then no shift is needed to find them.
LEAST_SHIFT = 11
RANK_SHIFT = 24

# Ranks have 8 or 16 bits, of which the highest one is that of leaves; that of a value may be as high.
MOST_NARROW = 2**8 - 1
MOST_THRESHOLDS = 2**16 - 1
MOST_COLUMNS = 2**16

# Features that pass through the buffer of rows at a time, as forest.cu has it.
FEATURES = 32

CATEGORIES = -1  # steps of a source that is asked about categories

QUAD = 16  # bytes that a thread copies at a time

SOURCE = np.dtype([(name, np.int32) for name in ("feature", "first", "column", "shape")])
COLUMN = np.dtype([(name, np.int32) for name in ("nan", "zero", "offset", "size")])
TREE = np.dtype([("root", np.uint32), ("begin", np.uint32), ("depth", np.int32), ("number", np.int32)])


@dataclass(frozen=True)
class Staging:
    """What a block keeps in shared memory in front of its codes."""

    n_bytes: int  # for nodes
    n_thresholds: int  # that fit beside the buffer of rows


@dataclass(frozen=True)
class ForestTables:
    """The tables of a forest; the fields of the kernels' structure, with their names."""

    source: Array  # SOURCE (S + 1,): by feature, the last one ends the thresholds
    column: Array  # COLUMN (C,)
    threshold: Array  # dtype of the comparison
    batch: Array  # int32 (B + 1,): sources whose thresholds are staged together
    answer: Array  # uint8
    node: Array  # uint32 or uint64 (P,)
    value: Array  # acc dtype (P,), or (L, K) for leaves with several values
    leaf: Array  # int32 (P,): the forest's number of the leaf at a place
    tree: Array  # TREE (T,): by output
    group_tree: Array  # int32 (G + 1,)
    group_node: Array  # int32 (G + 1,)
    output_group: Array  # int32 (K + 1,), or (2,) for leaves with several values
    output_tree: Array  # int32, the same
    base: Array  # acc dtype (K,)
    code_bytes: int  # of a code, 1 or 2
    shift: int  # where the column of a 32-bit node begins; 0 for nodes of 64 bits
    right: bool  # whether a value that equals a threshold goes right
    zero_limit: float
    category_limit: float  # numbers from here on are no categories; 0.0 without categories
    truncate_first: bool
    has_zeros: bool
    fits: bool  # whether each tree's nodes fit into shared memory

    @property
    def n_columns(self) -> int:
        """Columns of codes."""
        return len(self.column)

    @property
    def n_outputs(self) -> int:
        """Raw scores a row."""
        return len(self.base)

    @property
    def is_vector(self) -> bool:
        """Whether leaves have several values."""
        return self.value.ndim == 2


def compile(trees: Trees, compared: Literal["float32", "float64"], staging: Staging) -> ForestTables:
    """Lay out the trees of a forest.

    Parameters
    ----------
    trees : Trees
        Whose sums or leaves are asked for.
    compared : {"float32", "float64"}
        The dtype of the comparison. Where features are float64, rows of float32 may be compared in float32: thresholds
        are rounded such that no comparison of a float32 changes.
    staging : Staging
        The room for nodes and thresholds.

    Returns
    -------
    ForestTables

    Raises
    ------
    ValueError
        If a feature has more thresholds, or a row more codes, than can be numbered.
    """
    ranks, column, rank = compile_ranks(replace(trees, feature_dtype=compared))
    most = check(ranks)
    codes, column_of = _codes(ranks, compared)
    categories = ranks.categories
    nodes = _nodes(trees, column_of[column] if len(column) else column, rank, most, ranks.n_columns, staging)
    return ForestTables(
        **codes,
        **nodes,
        batch=_batches(codes["source"], staging.n_thresholds),
        base=trees.base,
        code_bytes=1 if most <= MOST_NARROW else 2,
        right=ranks.right,
        zero_limit=ranks.zero_limit,
        category_limit=0.0 if categories is None else categories.limit,
        truncate_first=categories is not None and categories.truncate_first,
        has_zeros=ranks.zero_code is not None,
    )


def check(ranks: RankTables) -> int:
    """The most thresholds of a feature; ValueError if these or the codes of a row are more than can be numbered."""
    most = max((int(bucket.count.max(initial=0)) for bucket in ranks.buckets), default=0)
    if most > MOST_THRESHOLDS:
        raise ValueError(f"a feature has {most:,} distinct thresholds, of which the kernel numbers {MOST_THRESHOLDS:,}")
    if ranks.n_columns > MOST_COLUMNS:
        raise ValueError(f"a row has {ranks.n_columns:,} codes, of which the kernel numbers {MOST_COLUMNS:,}")
    return most


# ---------------------------------------------------------------------------------------------------------------- codes


def _codes(ranks: RankTables, compared: str) -> tuple[dict[str, Any], Array]:
    """Sources, their thresholds and columns, and where each column of the rank tables stands among these."""
    numeric = _numeric_sources(ranks)
    thresholds = [
        thresholds[:count]
        for bucket in ranks.buckets
        for thresholds, (count,) in zip(bucket.thresholds, bucket.count, strict=True)
    ]
    source = np.zeros(len(numeric) + 1, dtype=SOURCE)
    column = np.zeros(ranks.n_columns, dtype=COLUMN)
    column["nan"][: len(ranks.source)] = ranks.nan_code[:, 0]
    column["zero"] = -1
    if ranks.zero_code is not None:
        column["zero"][: len(ranks.source)] = ranks.zero_code[:, 0]
    padded, first = [], 0
    for place, (begin, end) in enumerate(numeric):
        own = thresholds[ranks.source[begin]]
        steps = len(own).bit_length()
        source[place] = ranks.source_feature[begin], first, begin, _shape(steps, end - begin)
        padded.append(np.pad(own, (0, 2**steps - 1 - len(own)), constant_values=np.inf))
        first += 2**steps - 1
    order = np.arange(ranks.n_columns)
    answer = np.zeros(0, dtype=np.uint8)
    end_of_thresholds = np.zeros(1, dtype=SOURCE)
    if ranks.categories is not None:
        of_categories, by_feature = _category_sources(ranks.categories, len(ranks.source))
        column["offset"][len(ranks.source) :] = ranks.categories.offset[by_feature, 0]
        column["size"][len(ranks.source) :] = ranks.categories.size[by_feature, 0]
        order[len(ranks.source) + by_feature] = len(ranks.source) + np.arange(len(by_feature))
        answer = ranks.categories.answers
        of_categories["first"] = first
        source = np.concatenate([source[:-1], of_categories, end_of_thresholds])
    source["first"][-1] = first
    threshold = np.concatenate(padded) if padded else np.empty(0)
    return {"source": source, "column": column, "threshold": threshold.astype(compared), "answer": answer}, order


def _numeric_sources(ranks: RankTables) -> list[tuple[int, int]]:
    """The columns of each numeric feature, which stand together."""
    borders = np.flatnonzero(np.diff(ranks.source)) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(np.arange(len(ranks.source)), borders) if len(part)]


def _category_sources(categories: CategoryTables, n_numeric: int) -> tuple[Array, Array]:
    """A source for each feature that is asked about categories, and the order that puts its columns together."""
    by_feature = np.argsort(categories.feature, kind="stable")
    feature, first, count = np.unique(categories.feature[by_feature], return_index=True, return_counts=True)
    source = np.zeros(len(feature), dtype=SOURCE)
    source["feature"], source["column"], source["shape"] = feature, n_numeric + first, _shape(CATEGORIES, count)
    return source, by_feature


def _shape(steps: int, n_columns: Any) -> Any:
    """Steps of the search and columns of codes, as the kernel reads them."""
    return n_columns << 8 | steps & 0xFF


def _batches(source: Array, n_thresholds: int) -> Array:
    """Where batches of sources begin, whose thresholds fit into shared memory; one that does not fit stands alone."""
    begins, in_batch = [0], 0
    for s, size in enumerate(np.diff(source["first"]).tolist()):
        if s > begins[-1] and (in_batch + size > n_thresholds or s - begins[-1] == FEATURES):
            begins.append(s)
            in_batch = 0
        in_batch += size
    return np.array([*begins, len(source) - 1] if len(source) > 1 else [0], dtype=np.int32)


# ---------------------------------------------------------------------------------------------------------------- nodes


@dataclass(frozen=True)
class _Layout:
    """How nodes are written, and how much room trees need."""

    shift: int  # of the column of 32-bit nodes; 0 for nodes of 64 bits
    size: Array  # int64 (T,): places of a tree

    @property
    def node_bytes(self) -> int:
        return 4 if self.shift else 8


def _layout(n_inner: Array, most_thresholds: int, n_columns: int) -> _Layout:
    """Nodes of 32 bits where ranks, columns and the trees themselves are small enough.

    A tree has a place for its root, one that is not used, and a pair of places for the children of each inner node:
    so that the address of a right child is that of the left one with one more bit set.
    """
    size = 2 * n_inner.astype(np.int64) + 2
    rounded = 1 << np.ceil(np.log2(size)).astype(np.int64)
    shift = max(LEAST_SHIFT, int(4 * rounded.max(initial=1)).bit_length() - 1)
    if most_thresholds <= MOST_NARROW and shift < RANK_SHIFT and n_columns <= 1 << (RANK_SHIFT - shift):
        return _Layout(shift, rounded)
    return _Layout(0, size)


def _nodes(
    trees: Trees, column: Array, rank: Array, most_thresholds: int, n_columns: int, staging: Staging
) -> dict[str, Any]:
    """Nodes, values and leaves by place, and where trees, groups and outputs begin."""
    is_vector = trees.leaf_value.shape[1] > 1
    output = np.zeros(trees.n_trees, dtype=np.int64) if is_vector else np.maximum(trees.tree_target, 0)
    number = np.argsort(output, kind="stable")
    output, root = output[number], trees.root[number]

    walk = list(levels(root, trees.left, trees.right))
    tree_of = np.concatenate([tree for tree, _ in walk] or [np.empty(0, dtype=np.int32)])
    node = np.concatenate([node for _, node in walk] or [np.empty(0, dtype=np.int32)])
    depth = np.zeros(len(root), dtype=np.int32)
    for level, (tree, _) in enumerate(walk):
        depth[tree] = level
    inner = node >= 0
    layout = _layout(np.bincount(tree_of[inner], minlength=len(root)), most_thresholds, n_columns)
    n_outputs = 1 if is_vector else trees.n_outputs
    begin, group_tree, group_node, output_group = _groups(layout, output, n_outputs, staging.n_bytes)

    place, child = _places(tree_of, inner)
    group = np.searchsorted(group_tree, np.arange(len(root)), side="right") - 1
    group_begin = group_node[group] if len(root) else np.empty(0, dtype=np.int64)
    at = begin[tree_of] + place
    # 32-bit nodes say where a child stands in its tree, the others where it stands in its group.
    child = np.where(inner, child, place) + (0 if layout.shift else (begin - group_begin)[tree_of])
    asked = np.where(inner, node, 0)
    question = (column[asked], rank[asked]) if len(column) else (np.zeros_like(asked), np.zeros_like(asked))
    columns, ranks = (np.where(inner, one, 0).astype(np.uint64) for one in question)
    child = child.astype(np.uint64) * np.uint64(layout.node_bytes)
    packed = np.zeros(group_node[-1], dtype=np.uint32 if layout.shift else np.uint64)
    if layout.shift:
        ranks = np.where(inner, ranks, np.uint64(0xFF))
        packed[at] = ranks << np.uint64(RANK_SHIFT) | columns << np.uint64(layout.shift) | child
    else:
        ranks = np.where(inner, ranks, np.uint64(0xFFFF))
        packed[at] = ranks << np.uint64(48) | columns << np.uint64(32) | child
    leaf = np.zeros(len(packed), dtype=np.int32)
    leaf[at] = np.where(inner, 0, ~node)
    value = trees.leaf_value
    if not is_vector:
        value = np.zeros(len(packed), dtype=trees.acc_dtype)
        value[at] = np.where(inner, 0, trees.leaf_value[np.where(inner, 0, ~node), 0])

    tree = np.zeros(len(root), dtype=TREE)
    tree["root"], tree["begin"] = (begin - group_begin) * layout.node_bytes, group_begin
    tree["depth"], tree["number"] = depth, number
    return {
        "node": packed,
        "value": value,
        "leaf": leaf,
        "tree": tree,
        "group_tree": group_tree.astype(np.int32),
        "group_node": group_node.astype(np.int32),
        "output_group": output_group.astype(np.int32),
        "output_tree": np.searchsorted(output, np.arange(n_outputs + 1)).astype(np.int32),
        "shift": layout.shift,
        "fits": bool((np.diff(group_node) * layout.node_bytes <= staging.n_bytes).all()),
    }


def _places(tree_of: Array, inner: Array) -> tuple[Array, Array]:
    """Of nodes that stand level by level, the place of each in its tree, and that of its left child."""
    by_tree = np.argsort(tree_of, kind="stable")
    position = np.empty(len(by_tree), dtype=np.int64)
    position[by_tree] = np.arange(len(by_tree))
    first = np.searchsorted(tree_of[by_tree], np.arange(int(tree_of.max(initial=-1)) + 1))
    position -= first[tree_of]
    place = np.where(position == 0, 0, position + 1)
    # The nodes of a level are followed by their children in the same order: the j-th inner node's are the j-th pair.
    n_roots = len(first)
    left = n_roots + 2 * (np.cumsum(inner) - 1)
    return place, place[np.where(inner, left, 0)] if len(place) else place


def _groups(layout: _Layout, output: Array, n_outputs: int, n_bytes: int) -> tuple[Array, Array, Array, Array]:
    """Where each tree begins, the trees and nodes of each group, and the groups of each output."""
    begin = np.zeros(len(output), dtype=np.int64)
    group_tree, group_node, output_group, at = [0], [0], [0], 0
    sizes, room, quad = layout.size.tolist(), n_bytes // layout.node_bytes, QUAD // layout.node_bytes
    for tree, end in _runs(output, n_outputs):
        for i in range(tree, end):
            size = sizes[i]
            offset = at - group_node[-1]
            if layout.shift:  # a root is a multiple of a power of two that holds its tree
                offset = -(-offset // size) * size
            if group_tree[-1] < i and offset + size > room:
                at = -(-at // quad) * quad
                group_tree.append(i)
                group_node.append(at)
                offset = 0
            begin[i] = group_node[-1] + offset
            at = begin[i] + size
        if group_tree[-1] < end:
            at = -(-at // quad) * quad
            group_tree.append(end)
            group_node.append(at)
        output_group.append(len(group_tree) - 1)
    return begin, np.array(group_tree), np.array(group_node, dtype=np.int64), np.array(output_group)


def _runs(output: Array, n_outputs: int) -> Iterator[tuple[int, int]]:
    """The trees of each output, which stand together."""
    borders = np.searchsorted(output, np.arange(n_outputs + 1)).tolist()
    yield from itertools.pairwise(borders)
