"""The models of the equality suite through CUDA's kernels, by way of the stand-in, with the bits of the CPU's kernels.

Those are held against the libraries themselves by tests/parity, on the same models.
"""

from __future__ import annotations

import catboost_models
import lightgbm_models
import numpy as np
import pytest
import sklearn_ensembles
import sklearn_models
import stand_in_gpu as gpu
import xgboost_models
from agreement import same_bits
from reference import hurting
from stand_in_gpu import stand_in  # noqa: F401

from sktensor import TensorizedEstimator
from sktensor.backends.gpu import blocks
from sktensor.backends.gpu.blocks import Block

pytestmark = [
    gpu.needs_compiler,
    pytest.mark.usefixtures("stand_in"),
    pytest.mark.filterwarnings("ignore::UserWarning:xgboost"),
    pytest.mark.filterwarnings("ignore::sktensor.PerformanceWarning"),
]

MODELS = {
    **{f"XGBoost, {name}": make for name, make in xgboost_models.MODELS.items()},
    **{f"LightGBM, {name}": make for name, make in lightgbm_models.MODELS.items()},
    **{f"CatBoost, {name}": make for name, make in catboost_models.MODELS.items()},
    **{f"scikit-learn, {name}": lambda name=name: sklearn_models.fitted(name) for name in sklearn_models.CASES},
    **{f"ensemble, {name}": lambda name=name: sklearn_ensembles.fitted(name) for name in sklearn_ensembles.CASES},
}


def rows_that_hurt(forest):
    rng = np.random.default_rng(5)
    X = hurting(forest, rng, n=200, nan=forest.inputs.accepts_nan, inf=forest.inputs.accepts_inf)
    if forest.inputs.missing_value is not None:
        X[rng.random(X.shape) < 0.1] = forest.inputs.missing_value
    if forest.trees.is_cat is not None:
        for column in np.unique(forest.trees.feature[forest.trees.is_cat]):
            X[:, column] = rng.integers(0, 70, len(X))
    if not forest.inputs.accepts_inf:  # nor what is infinite once it is cast
        with np.errstate(over="ignore"):
            X = np.where(np.isinf(X.astype(forest.trees.feature_dtype)), 1.0, X)
    return X


@pytest.mark.parametrize("name", MODELS)
def test_raw_scores_and_leaves_have_the_same_bits(name, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCKS", (Block(64, 4),))
    model = MODELS[name]()
    on_cpu = TensorizedEstimator(model, verify=False)
    on_gpu = TensorizedEstimator(model, device="cuda", verify=False)
    forest = on_cpu.forest_
    X = rows_that_hurt(forest)
    assert (on_gpu.explain_plan(len(X)).backend == "native") == (forest.trees.lin_off is None)
    with np.errstate(all="ignore"):
        for limit in (-1, 10**9):  # the kernel for many rows, the one for few
            monkeypatch.setattr(blocks, "FEW_PER_PROCESSOR", limit)
            for rows in (X, X.astype(np.float32)):
                if forest.trees.aggregate != "per_tree":
                    same_bits(on_gpu.predict_raw(rows), on_cpu.predict_raw(rows))
                same_bits(on_gpu.apply(rows), on_cpu.apply(rows))
