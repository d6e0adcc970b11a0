"""What GTIL says of rows, in the words of the library."""

from __future__ import annotations

import numpy as np
import treelite


def leaf_ids(forest):
    """By tree and node, numbered breadth-first, the library's number of the leaf; -1 for other nodes."""
    frame = forest.to_frame()
    leaves = frame[frame["leaf_id"].notna() & frame["left"].isna()]
    found = np.full((forest.n_trees, int(frame["node"].max()) + 1), -1)
    found[leaves["tree"].astype(int), leaves["node"].astype(int)] = leaves["leaf_id"].astype(int)
    return found


def margins(model, rows, forest):
    found = treelite.gtil.predict(model, rows, nthread=1, pred_margin=True)
    widths = forest.outputs.output_slices
    if len(widths) > 1:
        found = np.concatenate([found[:, i, :width] for i, width in enumerate(widths)], axis=1)
    return found.reshape(len(rows), -1)


def whole_categories(forest, rows):
    """Rows without categories that are no whole numbers, where that is of consequence.

    To LightGBM, numbers between -1 and 0 are category 0; a cast to float32 may make whole numbers of others.
    """
    if forest.trees.is_cat is None or rows.dtype.kind != "f":
        return rows
    columns = np.unique(forest.trees.feature[forest.trees.is_cat])
    found = rows[:, columns]
    if forest.trees.feature_dtype == "float32":
        with np.errstate(over="ignore"):
            found = found.astype(np.float32)
    if forest.trees.cat_mode == "lgb":
        found = np.where((found < 0) & (found > -1), -1, found)
    changed = rows.copy()
    changed[:, columns] = found
    return changed
