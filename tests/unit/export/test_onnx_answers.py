"""What ONNX graphs say beside leaves and sums: labels, probabilities and values, or a refusal by name."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from exported_models import CASES, by_output, model_and_rows, refused

from sktensor import TensorizedEstimator, extract_forest
from sktensor.export import sum_bound, to_onnx

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_sessions import run

# Exponentials and divisions of ONNX Runtime are vectorised approximations: some ulps of float32, and of float64.
LINK_ERROR = {"float32": 2e-6, "float64": 1e-12}


def relative_error(forest):
    """How far probabilities and values can be off, in their own unit: sums by their bound, links by a few ulps."""
    out = forest.outputs
    scale = max(abs(out.link_param), 1.0) if out.link == "sigmoid" else 1.0
    return 4 * scale * sum_bound(forest).max() + LINK_ERROR[forest.trees.acc_dtype]


def forest_of(model):
    return model.forest_ if isinstance(model, TensorizedEstimator) else extract_forest(model)


def rows_taken(model, X):
    """Rows that the library takes, and its predictions."""
    rows = np.ascontiguousarray(np.asarray(X)[:200, : forest_of(model).n_features])
    some = [rows, np.nan_to_num(rows, posinf=0.0, neginf=0.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return some[0], model.predict(some[0])
        except ValueError:  # it takes no missing values
            return some[1], model.predict(some[1])


@pytest.mark.parametrize(("library", "name"), CASES)
def test_usual_outputs_are_what_the_library_predicts_or_are_refused_by_name(library, name):
    model, X = model_and_rows(library, name)
    if not hasattr(model, "get_params"):  # a booster, not all of whose predictions are of arrays
        model = TensorizedEstimator(model)
    forest = forest_of(model)
    rows, expected = rows_taken(model, X)
    graph, why = refused(to_onnx, model, rows)
    if graph is None:
        assert any(word in why for word in ("linear_tree=True", "outputs=('leaf',)", "outputs=('raw',)"))
        return
    found = run(graph, rows)
    error = relative_error(forest)
    sure = np.ones(len(rows), dtype=bool)
    if "probabilities" in found and hasattr(model, "predict_proba"):
        probabilities = model.predict_proba(rows)
        np.testing.assert_allclose(found["probabilities"], probabilities, rtol=error, atol=error)
        best = np.sort(probabilities, axis=1)
        sure = best[:, -1] - best[:, -2] > 4 * error if best.shape[1] > 1 else sure
    if "variable" in found:
        raw = np.abs(forest.trees.leaf_value).max() if forest.outputs.link == "sign_square" else 1.0
        np.testing.assert_allclose(
            found["variable"], by_output(expected, len(rows)), rtol=error * max(raw, 1.0), atol=error * max(raw, 1.0)
        )
    if "label" in found and hasattr(model, "classes_"):  # a booster of a classifier predicts probabilities
        got, known = by_output(found["label"], len(rows)), by_output(expected, len(rows))
        assert got.shape == known.shape
        if "scores" in found:
            scores = model.decision_function(rows)
            np.testing.assert_allclose(found["scores"][:, 0], scores, rtol=0, atol=error)
            sure = np.abs(scores) > error
        same = got.astype(known.dtype) == known
        assert same[sure].all()
        assert sure.mean() > 0.5 or len(np.unique(known)) < 3
