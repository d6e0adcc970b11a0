"""Forests as a frame, for people who want to look at the trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sktensor.forest.structure import levels

if TYPE_CHECKING:
    import pandas as pd

    from sktensor.forest import Forest

__all__ = ["frame_from_forest"]

Array = npt.NDArray[Any]


def frame_from_forest(forest: Forest) -> pd.DataFrame:
    """Lay out nodes and leaves as rows.

    Parameters
    ----------
    forest : Forest
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

    tree, node, depth = _rows(forest)
    inner = node >= 0
    parent, leaf = node[inner], ~node[~inner]
    # By node number; the negative number of a leaf counts from the end.
    row_of = np.empty(forest.n_nodes + forest.n_leaves, dtype=np.int64)
    row_of[node] = np.arange(len(tree)) - np.searchsorted(tree, tree)
    left, right = row_of[forest.left[parent]], row_of[forest.right[parent]]
    threshold = np.full(len(tree), np.nan)
    threshold[inner] = forest.threshold[parent]
    if forest.is_cat is not None:
        threshold[np.flatnonzero(inner)[forest.is_cat[parent]]] = np.nan
    if forest.leaf_value.shape[1] == 1:
        value = np.full(len(tree), np.nan, dtype=forest.leaf_value.dtype)
        value[~inner] = forest.leaf_value[leaf, 0]
    else:
        value = np.full(len(tree), None, dtype=object)
        for row, values in zip(np.flatnonzero(~inner), forest.leaf_value[leaf].tolist(), strict=True):
            value[row] = tuple(values)
    cover = np.full(len(tree), np.nan)
    if forest.cover is not None:
        cover = forest.cover[np.where(inner, node, forest.n_nodes + ~node)]

    def whole(there: Array, numbers: Array) -> Any:
        column = np.zeros(len(tree), dtype=np.int64)
        column[there] = numbers
        return pd.arrays.IntegerArray(column, ~there)

    return pd.DataFrame(
        {
            "tree": tree,
            "node": row_of[node],
            "depth": depth,
            "feature": whole(inner, forest.feature[parent]),
            "threshold": threshold,
            "left": whole(inner, left),
            "right": whole(inner, right),
            "missing": whole(inner, np.where(forest.nan_left[parent], left, right)),
            "value": value,
            "leaf_id": whole(~inner, forest.leaf_id[leaf]),
            "cover": cover,
        }
    )


def _rows(forest: Forest) -> tuple[Array, Array, Array]:
    """Tree, node and depth of each row, tree by tree and breadth first."""
    walk = list(levels(forest.root, forest.left, forest.right)) or [(forest.root, forest.root)]
    tree = np.concatenate([tree for tree, _ in walk])
    node = np.concatenate([node for _, node in walk])
    depth = np.repeat(np.arange(len(walk)), [len(node) for _, node in walk])
    order = np.argsort(tree, kind="stable")
    return tree[order].astype(np.int64), node[order], depth[order]
