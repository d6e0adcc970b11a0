"""XGBoost's tree arrays to those of a forest, all trees at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.errors import UnsupportedModelError
from sktensor.forest.structure import trees_of_nodes

__all__ = ["leaf_widths", "tree_fields"]

Array = npt.NDArray[Any]
Tree = dict[str, Any]

# Everything a tree holds up to 3.2. Statistics are not needed for predictions; whatever else turns up might be.
_READ = (
    "left_children", "right_children", "split_indices", "split_conditions", "default_left", "split_type", "sum_hessian",
    "categories", "categories_nodes", "categories_segments", "categories_sizes", "base_weights", "leaf_weights",
)  # fmt: skip
_KNOWN = {*_READ, "tree_param", "id", "loss_changes", "parents"}
_OF_NODES = ("right_children", "split_indices", "split_conditions", "default_left", "split_type")
_OF_CATEGORIES = ("categories_nodes", "categories_segments", "categories_sizes", "categories")
_FRACTIONS = ("split_conditions", "sum_hessian", "base_weights", "leaf_weights")
_WORD = 32


def leaf_widths(trees: Sequence[Tree]) -> Array:
    """Number of values in a leaf of each tree: 1, or the number of outputs.

    A model may mix both, where ``multi_strategy`` changed in continued training.

    Parameters
    ----------
    trees : sequence of dict
        As in the saved model.

    Returns
    -------
    ndarray of int64, shape (T,)

    Raises
    ------
    UnsupportedModelError
        If a tree holds a field that is not known.
    """
    for number, tree in enumerate(trees):
        if unknown := tree.keys() - _KNOWN:
            raise UnsupportedModelError(
                f"Tree {number} of the XGBoost model holds {', '.join(sorted(unknown))}, which is not known to "
                "sktensor and may change predictions. Supported: models of xgboost 1.7 to 3.2."
            )
    # Models born in 1.7 say 0 for scalar leaves.
    return np.array([max(1, int(tree["tree_param"]["size_leaf_vector"])) for tree in trees], dtype=np.int64)


def tree_fields(trees: Sequence[Tree], widths: Array, target: Array) -> tuple[dict[str, Any], Array]:
    """The nodes and leaves of a forest from XGBoost's arrays.

    A node is a leaf iff it has no left child; a scalar leaf's value stands where inner nodes have their
    threshold. A vector leaf's ``right_children`` is its row of ``leaf_weights`` from 3.2 on; before, its values
    are its ``base_weights``.

    Parameters
    ----------
    trees : sequence of dict
        As in the saved model.
    widths : ndarray of int64, shape (T,)
        Their :func:`leaf_widths`.
    target : ndarray of int64, shape (T,)
        The output that each tree with scalar leaves adds to.

    Returns
    -------
    fields : dict
        Fields of :class:`~sktensor.Forest`. Nodes stand in the order of the model. `leaf_id` is the node's
        number in its tree, which is what ``pred_leaf`` returns.
    tree_of_leaf : ndarray of int64, shape (L,)
        The tree that each leaf belongs to.

    Raises
    ------
    ValueError
        If the arrays of a tree do not fit together, naming tree and node.
    """
    sizes = np.array([len(tree["left_children"]) for tree in trees], dtype=np.int64)
    start = np.cumsum(sizes) - sizes
    of_tree = np.repeat(np.arange(len(trees)), sizes)
    left, right, feature, condition, nan_left, kind = _node_arrays(trees, sizes)
    inner = left >= 0
    _check_children(left, right, inner, sizes[of_tree], of_tree, start)

    first, second = (np.where(inner, child + start[of_tree], -1) for child in (left, right))
    # Pruning leaves deleted nodes behind in the arrays; a binary tree without them has one leaf more than inner nodes.
    n_inner = np.count_nonzero(inner)
    if len(inner) - n_inner == n_inner + len(trees):
        kept = np.ones(len(inner), dtype=bool)
    else:
        kept = trees_of_nodes(start, first, second) >= 0
    nodes, leaves = np.flatnonzero(inner & kept), np.flatnonzero(~inner & kept)
    number = np.full(len(inner), -1, dtype=np.int64)
    number[nodes] = np.arange(len(nodes))
    number[leaves] = ~np.arange(len(leaves))

    fields: dict[str, Any] = {
        "feature": feature[nodes],
        "threshold": condition[nodes].astype(np.float32),
        "left": number[first[nodes]],
        "right": number[second[nodes]],
        "nan_left": nan_left[nodes] != 0,
        "root": number[start],
        "leaf_value": _leaf_values(trees, widths, target, of_tree, leaves, right, condition),
        "leaf_id": leaves - start[of_tree[leaves]],
    }
    hessian = _joined(trees, "sum_hessian") if all("sum_hessian" in tree for tree in trees) else np.zeros(0)
    if len(hessian) == len(inner):
        fields["cover"] = hessian[np.concatenate([nodes, leaves])]
    if (kind[nodes] != 0).any():
        fields |= _category_fields(trees, start, nodes, number, kind)
        fields["threshold"] = np.where(fields["is_cat"], np.float32(0), fields["threshold"])
    return fields, of_tree[leaves]


def _joined(trees: Sequence[Tree], key: str) -> Array:
    """One array of all trees laid end to end, in the machine's byte order; whole numbers as int64."""
    kinds = "biuf" if key in _FRACTIONS else "biu"
    arrays = []
    for number, tree in enumerate(trees):
        try:
            array = np.asarray(tree[key])
        except ValueError:  # lists of different lengths in a list
            array = np.zeros((0, 0))
        if array.ndim != 1 or (array.size and array.dtype.kind not in kinds):
            raise ValueError(
                f"Tree {number} of the XGBoost model: expected a list of {'' if 'f' in kinds else 'whole '}numbers for "
                f"{key}, got {str(tree[key])[:60]}."
            )
        arrays.append(array)
    joined = np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.float32)
    return joined if "f" in kinds else joined.astype(np.int64)


def _node_arrays(trees: Sequence[Tree], sizes: Array) -> tuple[Array, ...]:
    for key in _OF_NODES:
        wrong = np.flatnonzero(np.array([len(tree[key]) for tree in trees], dtype=np.int64) != sizes)
        if len(wrong):
            tree = int(wrong[0])
            raise ValueError(
                f"Tree {tree} of the XGBoost model: {key} has {len(trees[tree][key])} entries, "
                f"left_children {sizes[tree]}."
            )
    if not sizes.all():
        raise ValueError(f"Tree {int(sizes.argmin())} of the XGBoost model has no nodes.")
    return tuple(_joined(trees, key) for key in ("left_children", *_OF_NODES))


def _check_children(left: Array, right: Array, inner: Array, size: Array, of_tree: Array, start: Array) -> None:
    """Children stay within their tree; what else can be wrong with them the forest finds out."""
    bad = inner & ((left >= size) | (right >= size) | (right < 0))
    if bad.any():
        at = int(bad.argmax())
        raise ValueError(
            f"Tree {of_tree[at]}, node {at - start[of_tree[at]]} of the XGBoost model: expected children from 0 to "
            f"{size[at] - 1}, got {left[at]} and {right[at]}."
        )


def _leaf_values(
    trees: Sequence[Tree], widths: Array, target: Array, of_tree: Array, leaves: Array, right: Array, condition: Array
) -> Array:
    """Values of the leaves, (L, 1) of scalar trees alone, otherwise (L, K).

    There a scalar leaf holds its value in the column of its output and -0.0, which leaves every sum as it is, in all
    others.
    """
    values: Array = condition[leaves, None].astype(np.float32)
    width = int(widths.max(initial=1))
    if width == 1:
        return values
    scalar = widths[of_tree[leaves]] == 1
    if ((target < 0) | (target >= width))[widths == 1].any():
        raise ValueError(f"The XGBoost model has {width} outputs, and trees for others in its tree_info.")
    found = np.full((len(leaves), width), -0.0, dtype=np.float32)
    found[scalar, target[of_tree[leaves[scalar]]]] = values[scalar, 0]
    found[~scalar] = _vectors(trees, widths, width, of_tree, leaves[~scalar], right)
    return found


def _vectors(trees: Sequence[Tree], widths: Array, width: int, of_tree: Array, leaves: Array, right: Array) -> Array:
    """Values of the vector leaves, shape (len(leaves), K)."""
    vector = widths > 1
    of_vectors = [tree for tree, is_vector in zip(trees, vector, strict=True) if is_vector]
    tree = (np.cumsum(vector) - 1)[of_tree[leaves]]  # its number among those with vector leaves
    values: Array
    if not any("leaf_weights" in tree for tree in of_vectors):
        node = (np.cumsum(vector[of_tree]) - 1)[leaves]
        values = _joined(of_vectors, "base_weights").reshape(-1, width)[node]
        return values
    rows = np.array([len(tree.get("leaf_weights", ())) // width for tree in of_vectors], dtype=np.int64)
    row = right[leaves]
    bad = (row < 0) | (row >= rows[tree])
    if bad.any():
        at = int(leaves[bad.argmax()])
        raise ValueError(
            f"Tree {of_tree[at]} of the XGBoost model: no leaf_weights for node "
            f"{at - int(np.searchsorted(of_tree, of_tree[at]))}."
        )
    values = _joined(of_vectors, "leaf_weights").reshape(-1, width)[row + (np.cumsum(rows) - rows)[tree]]
    return values


def _category_fields(trees: Sequence[Tree], start: Array, nodes: Array, number: Array, kind: Array) -> dict[str, Array]:
    """Sets of categories that go left.

    XGBoost stores the categories that go right, as a bit set that ends with the largest of them. What lies
    beyond the set, and what is no category at all, goes left (src/common/categorical.h, ``Decision``).
    """
    if (kind[nodes] > 1).any():
        raise UnsupportedModelError(f"The XGBoost model holds splits of an unknown type, {int(kind[nodes].max())}.")
    sets, segments, size, category = (_joined(trees, key) for key in _OF_CATEGORIES)
    n_sets, n_segments, n_sizes, n_members = (
        np.array([len(tree[key]) for tree in trees], dtype=np.int64) for key in _OF_CATEGORIES
    )
    _check_sets("categories_segments, categories_sizes", (n_segments != n_sets) | (n_sizes != n_sets))
    tree_of_set = np.repeat(np.arange(len(trees)), n_sets)
    n_nodes = np.array([len(tree["left_children"]) for tree in trees], dtype=np.int64)
    _check_sets("categories_nodes", (sets < 0) | (sets >= n_nodes[tree_of_set]), tree_of_set)
    _check_sets("categories_sizes", (size < 0) | (size > n_members[tree_of_set]), tree_of_set)
    beyond = (segments < 0) | (segments > n_members[tree_of_set] - size)
    _check_sets("categories_segments", beyond, tree_of_set)
    _check_sets("categories", (category < 0) | (category >= 2**24), np.repeat(np.arange(len(trees)), n_members))

    owner = number[sets + start[tree_of_set]]
    begin = segments + (np.cumsum(n_members) - n_members)[tree_of_set]
    set_of_member = np.repeat(np.arange(len(owner)), size)
    member = np.arange(len(set_of_member)) - np.repeat(np.cumsum(size) - size, size) + begin[set_of_member]
    category = category[member]

    is_cat = kind[nodes] == 1
    used = owner >= 0
    if not np.array_equal(np.sort(owner[used]), np.flatnonzero(is_cat)):
        raise ValueError("The sets of categories in the XGBoost model do not fit its categorical splits.")
    words_of_set = np.zeros(len(owner), dtype=np.int64)
    np.maximum.at(words_of_set, set_of_member, category // _WORD + 1)
    offset_of_set = np.cumsum(words_of_set) - words_of_set
    left = np.ones(_WORD * int(words_of_set.sum()), dtype=bool)
    left[_WORD * offset_of_set[set_of_member] + category] = False

    offset, words = np.zeros(len(nodes), dtype=np.int64), np.zeros(len(nodes), dtype=np.int64)
    offset[owner[used]], words[owner[used]] = offset_of_set[used], words_of_set[used]
    return {
        "is_cat": is_cat,
        "cat_off": offset,
        "cat_words": words,
        "cat_bits": np.packbits(left, bitorder="little").view("<u4"),
        "oov_left": np.ones(len(nodes), dtype=bool),
    }


def _check_sets(fields: str, wrong: Array, tree: Array | None = None) -> None:
    """Refuse sets of categories of which something is out of range; `tree` is what each entry belongs to."""
    if wrong.any():
        at = int(wrong.argmax())
        number = at if tree is None else tree[at]
        raise ValueError(f"Tree {number} of the XGBoost model: {fields} do not fit its nodes and categories.")
