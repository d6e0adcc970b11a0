"""Treelite models of every model that the tests have, run by GTIL: the library's leaves, and its sums in bounds."""

from __future__ import annotations

import numpy as np
import pytest
from exported_models import CASES, asked, model_and_rows, refused

from sktensor import TensorizedEstimator, extract_forest
from sktensor.export import sum_bound, to_treelite

treelite = pytest.importorskip("treelite")

# What a refusal names.
REFUSALS = ("linear_tree=True", "for missing", "no trees", "weighted_median", "per_tree", "looks up column")


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
    """Rows without numbers between -1 and 0 where LightGBM takes them for category 0."""
    if forest.trees.is_cat is None or forest.trees.cat_mode != "lgb" or rows.dtype.kind != "f":
        return rows
    rows = rows.copy()
    columns = np.unique(forest.trees.feature[forest.trees.is_cat])
    rows[:, columns] = np.where((rows[:, columns] < 0) & (rows[:, columns] > -1), -1, rows[:, columns])
    return rows


@pytest.mark.parametrize(("library", "name"), CASES)
def test_leaves_are_the_librarys_and_sums_are_within_the_bound(library, name):
    model, X = model_and_rows(library, name)
    made, why = refused(to_treelite, model, output="raw")
    if made is None:
        assert any(reason in why for reason in REFUSALS), why
        return
    forest = extract_forest(model)
    ids, trees = leaf_ids(forest), np.arange(forest.n_trees)
    ours = TensorizedEstimator(model, verify=False)
    for given, leaves, raw in asked(model, X):
        rows = whole_categories(forest, given)
        if rows is not given:
            leaves, raw = ours.apply(rows).reshape(len(rows), -1), ours.predict_raw(rows).reshape(len(rows), -1)
        reached = treelite.gtil.predict_leaf(made, rows, nthread=1).astype(int)
        np.testing.assert_array_equal(ids[trees, reached], leaves)
        found = margins(made, rows, forest)
        assert found.shape == raw.shape
        with np.errstate(invalid="ignore"):
            apart = np.where(found == raw, 0.0, np.abs(found.astype(np.float64) - raw))
        assert (apart <= sum_bound(forest)).all()
