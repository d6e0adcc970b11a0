"""ONNX graphs of every model that the tests have, run by ONNX Runtime: the library's leaves, and its sums in bounds."""

from __future__ import annotations

import numpy as np
import pytest
from exported_models import CASES, asked, model_and_rows, refused

from sktensor import extract_forest
from sktensor.export import sum_bound, to_onnx

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_sessions import session

LINEAR = "linear_tree=True"


def bits(x):
    return np.ascontiguousarray(x).view(f"u{x.itemsize}")


@pytest.mark.parametrize(("library", "name"), CASES)
def test_leaves_are_the_librarys_and_sums_are_within_the_bound_or_of_the_same_bits(library, name):
    model, X = model_and_rows(library, name)
    forest = extract_forest(model)
    outputs = ("leaf", "raw") if forest.trees.aggregate == "sum" else ("leaf",)
    sessions = {}
    for rows, leaves, raw in asked(model, X):
        for exact in (False, True):
            key = rows.dtype, exact
            if key not in sessions:
                graph, why = refused(to_onnx, model, rows, outputs=outputs, exact_sums=exact)
                if graph is None:
                    assert LINEAR in why
                    assert "linear" in name
                    return
                sessions[key] = session(graph)
            found = sessions[key].run(None, {"X": rows})
            np.testing.assert_array_equal(found[0], leaves)
            if raw is None:
                continue
            assert found[1].dtype == forest.trees.acc_dtype
            assert found[1].shape == raw.shape
            if exact:
                np.testing.assert_array_equal(bits(found[1]), bits(raw.astype(found[1].dtype)))
            else:
                same = found[1] == raw  # infinite sums are
                with np.errstate(invalid="ignore"):
                    apart = np.where(same, 0.0, np.abs(found[1].astype(np.float64) - raw))
                assert (apart <= sum_bound(forest)).all()
