"""Treelite models of every model that the tests have, run by GTIL: the library's leaves, and its sums in bounds."""

from __future__ import annotations

import numpy as np
import pytest
from exported_models import CASES, asked, model_and_rows, refused

from sktensor import TensorizedEstimator, extract_forest
from sktensor.export import sum_bound, to_treelite

treelite = pytest.importorskip("treelite")
gtil = pytest.importorskip("treelite_models")

# What a refusal names.
REFUSALS = ("linear_tree=True", "for missing", "no trees", "weighted_median", "per_tree", "looks up column")


@pytest.mark.parametrize(("library", "name"), CASES)
def test_leaves_are_the_librarys_and_sums_are_within_the_bound(library, name):
    model, X = model_and_rows(library, name)
    made, why = refused(to_treelite, model, output="raw")
    if made is None:
        assert any(reason in why for reason in REFUSALS), why
        return
    forest = extract_forest(model)
    ids, trees = gtil.leaf_ids(forest), np.arange(forest.n_trees)
    ours = TensorizedEstimator(model, verify=False)
    for given, leaves, raw in asked(model, X):
        rows = gtil.whole_categories(forest, given)
        if rows is not given:
            leaves, raw = ours.apply(rows).reshape(len(rows), -1), ours.predict_raw(rows).reshape(len(rows), -1)
        reached = treelite.gtil.predict_leaf(made, rows, nthread=1).astype(int)
        np.testing.assert_array_equal(ids[trees, reached], leaves)
        found = gtil.margins(made, rows, forest)
        assert found.shape == raw.shape
        with np.errstate(invalid="ignore"):
            apart = np.where(found == raw, 0.0, np.abs(found.astype(np.float64) - raw))
        assert (apart <= sum_bound(forest)).all()
