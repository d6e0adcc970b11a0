"""What Treelite models predict: probabilities and values; random forests of every rule that Treelite has."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from exported_models import CASES, model_and_rows, refused
from forests import forests, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import reference_leaves, reference_sum

from sktensor import TensorizedEstimator
from sktensor.export import sum_bound, to_treelite

treelite = pytest.importorskip("treelite")
gtil = pytest.importorskip("treelite_models")

# Links are computed in the model's dtype, by parameters of float32.
LINK_ERROR = {"float32": 4e-6, "float64": 1e-6}


@settings(max_examples=100)
@given(forest=forests(linear=False, missing_value=None, zero_dir=False, max_depth=4), seed=st.integers(0, 2**32 - 1))
def test_leaves_and_sums_of_forests_of_all_kinds(forest, seed):
    rows = gtil.whole_categories(forest, random_rows(forest, np.random.default_rng(seed)))
    made, why = refused(to_treelite, forest, output="raw")
    if made is None:
        assert "flushes numbers to zero" in why
        return
    reached = treelite.gtil.predict_leaf(made, rows, nthread=1).astype(int)
    found = gtil.leaf_ids(forest)[np.arange(forest.n_trees), reached]
    np.testing.assert_array_equal(found, forest.trees.leaf_id[reference_leaves(forest, rows)])
    expected = reference_sum(forest, rows)
    with np.errstate(invalid="ignore"):
        apart = np.abs(gtil.margins(made, rows, forest).astype(np.float64) - expected)
    assert (apart <= sum_bound(forest)).all()


@pytest.mark.parametrize(("library", "name"), CASES)
def test_values_are_what_the_library_predicts_or_are_refused_by_name(library, name):
    model, X = model_and_rows(library, name)
    made, why = refused(to_treelite, model)
    if made is None:
        assert "A Treelite model c" in why or "output='raw'" in why or "looks up column" in why, why
        return
    ours = TensorizedEstimator(model, verify=False)
    forest = ours.forest_
    rows = np.ascontiguousarray(np.asarray(X)[:200, : forest.n_features])
    if not forest.inputs.accepts_nan or not forest.inputs.accepts_inf:
        rows = np.nan_to_num(rows, posinf=0.0, neginf=0.0)
    rows = gtil.whole_categories(forest, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = expected_values(ours, rows)
    found = treelite.gtil.predict(made, rows, nthread=1)
    widths = forest.outputs.output_slices if len(forest.outputs.output_slices) > 1 else [found.shape[2]]
    found = (
        np.concatenate([found[:, i, :width] for i, width in enumerate(widths)], axis=1) if len(widths) > 1 else found
    )
    found = found.reshape(len(rows), -1).astype(np.float64)
    if found.shape[1] == 1 and expected.shape[1] == 2:
        expected = expected[:, 1:]
    scale = max(abs(forest.outputs.link_param), 1.0) if forest.outputs.link == "sigmoid" else 1.0
    error = 4 * scale * sum_bound(forest).max() + LINK_ERROR[forest.trees.acc_dtype]
    size = np.abs(forest.trees.leaf_value).max() if forest.outputs.link == "sign_square" else 1.0
    np.testing.assert_allclose(found, expected, rtol=error * max(size, 1), atol=error * max(size, 1))


def expected_values(model, rows):
    """What a Treelite model is to predict of rows, as a matrix."""
    if model.forest_.outputs.link == "isolation":
        return -model.score_samples(rows)[:, None]
    if hasattr(model, "predict_proba"):
        found = model.predict_proba(rows)
        return np.concatenate(found, axis=1) if isinstance(found, list) else found.reshape(len(rows), -1)
    return np.asarray(model.predict(rows), dtype=np.float64).reshape(len(rows), -1)
