"""The extractor for NGBoost of the documentation, held against NGBoost."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
from agreement import same_bits
from other_library import broken, reversed_trees

from sktensor import TensorizedEstimator, tensorize
from sktensor.registry import find_extractor
from sktensor.testing import check_extractor

pytestmark = pytest.mark.usefixtures("otherlib")


@pytest.fixture(scope="module")
def ngboost_example():
    pytest.importorskip("ngboost")
    path = Path(__file__).parents[3] / "examples" / "ngboost_models.py"
    if not path.exists():
        pytest.skip("the examples are not here")
    spec = importlib.util.spec_from_file_location("ngboost_models", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, list(module.fitted_models())


@pytest.fixture
def ngboost_extractor(ngboost_example):
    from sktensor.extractors import ngboost

    return ngboost


@pytest.fixture
def ngboost_models(ngboost_example):
    return ngboost_example[1]


@pytest.mark.slow
def test_ngboost_conforms(ngboost_extractor, ngboost_models):
    for model, X in ngboost_models:
        assert find_extractor(model) is ngboost_extractor
        check_extractor(model, X)
        module = tensorize(model, output="raw")
        torch = pytest.importorskip("torch")
        same_bits(module(torch.from_numpy(X)).numpy(), np.ascontiguousarray(ngboost_extractor.predict_raw(model, X)))


@pytest.mark.slow
def test_ngboost_is_wrapped_and_fitted_as_an_estimator(ngboost_extractor, ngboost_models):
    from sklearn.base import clone

    for model, X in ngboost_models:
        y = np.arange(len(X)) % (model.Manifold.n_params + 1) if hasattr(model, "predict_proba") else X[:, 0]
        fast = TensorizedEstimator(clone(model).set_params(n_estimators=5)).fit(X, y)
        same_bits(fast.predict(X), fast.estimator_.predict(X))
        same_bits(pickle.loads(pickle.dumps(fast)).predict(X), fast.estimator_.predict(X))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cmp": "lt"}, r"the comparison \(Forest\.cmp\)"),
        ({"nan_left": lambda f: ~f.trees.nan_left}, r"the missing side \(Forest\.nan_left\)"),
        ({"base": lambda f: f.trees.base + np.eye(f.n_outputs)[-1]}, r"the base score \(Forest\.base, bias\)"),
        ({"root": reversed_trees}, r"the order of the trees \(Forest\.root\)"),
        ({"link": "sigmoid"}, r"the link \(Forest\.link\): with link='softmax'"),
        ({"classes": lambda f: (f.outputs.classes[0][::-1],)}, r"the order of the labels \(Forest\.classes\)"),
    ],
)
def test_what_is_wrong_with_an_extractor_of_ngboost_is_named(ngboost_extractor, ngboost_models, changes, said):
    for model, X in ngboost_models:
        if changes.keys() & {"link", "classes"} and not hasattr(model, "predict_proba"):
            continue
        with pytest.raises(AssertionError, match=f"(?s){said}"):
            check_extractor(model, X, extractor=broken(ngboost_extractor, **changes))
