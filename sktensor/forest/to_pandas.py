"""Forests as a frame, for people who want to look at the trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sktensor.forest.structure import levels

if TYPE_CHECKING:
    import pandas as pd

    from sktensor.forest.trees import Trees

__all__ = ["frame_from_trees"]

Array = npt.NDArray[Any]


def frame_from_trees(trees: Trees) -> pd.DataFrame:
    """Lay out nodes and leaves as rows.

    Parameters
    ----------
    trees : Trees
        Validated.

    Returns
    -------
    pandas.DataFrame
        As in :meth:`sktensor.Forest.to_frame`. Whole numbers are of dtype ``Int64`` and missing where a row has none;
        the `threshold` of a node with categories is NaN; `value` holds tuples where leaves are vectors.

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("Forest.to_frame needs pandas, which is not installed: pip install pandas") from error

    tree, node, depth = _rows(trees)
    inner = node >= 0
    parent, leaf = node[inner], ~node[~inner]
    # By node number; the negative number of a leaf counts from the end.
    row_of = np.empty(trees.n_nodes + trees.n_leaves, dtype=np.int64)
    row_of[node] = np.arange(len(tree)) - np.searchsorted(tree, tree)
    left, right = row_of[trees.left[parent]], row_of[trees.right[parent]]
    threshold = np.full(len(tree), np.nan)
    threshold[inner] = trees.threshold[parent]
    if trees.is_cat is not None:
        threshold[np.flatnonzero(inner)[trees.is_cat[parent]]] = np.nan
    if trees.leaf_value.shape[1] == 1:
        value = np.full(len(tree), np.nan, dtype=trees.leaf_value.dtype)
        value[~inner] = trees.leaf_value[leaf, 0]
    else:
        value = np.full(len(tree), None, dtype=object)
        for row, values in zip(np.flatnonzero(~inner), trees.leaf_value[leaf].tolist(), strict=True):
            value[row] = tuple(values)
    cover = np.full(len(tree), np.nan)
    if trees.cover is not None:
        cover = trees.cover[np.where(inner, node, trees.n_nodes + ~node)]

    def whole(there: Array, numbers: Array) -> Any:
        column = np.zeros(len(tree), dtype=np.int64)
        column[there] = numbers
        return pd.arrays.IntegerArray(column, ~there)

    return pd.DataFrame(
        {
            "tree": tree,
            "node": row_of[node],
            "depth": depth,
            "feature": whole(inner, trees.feature[parent]),
            "threshold": threshold,
            "left": whole(inner, left),
            "right": whole(inner, right),
            "missing": whole(inner, np.where(trees.nan_left[parent], left, right)),
            "value": value,
            "leaf_id": whole(~inner, trees.leaf_id[leaf]),
            "cover": cover,
        }
    )


def _rows(trees: Trees) -> tuple[Array, Array, Array]:
    """Tree, node and depth of each row, tree by tree and breadth first."""
    walk = list(levels(trees.root, trees.left, trees.right)) or [(trees.root, trees.root)]
    tree = np.concatenate([tree for tree, _ in walk])
    node = np.concatenate([node for _, node in walk])
    depth = np.repeat(np.arange(len(walk)), [len(node) for _, node in walk])
    order = np.argsort(tree, kind="stable")
    return tree[order].astype(np.int64), node[order], depth[order]
