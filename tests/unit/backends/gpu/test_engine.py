"""CUDA's kernels as an engine: what is planned, and what estimators answer by way of a stand-in for a device."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest
import stand_in_gpu as gpu
import torch
from agreement import same_bits
from catboost import CatBoostClassifier
from forests import random_forest, random_rows
from lightgbm import LGBMRegressor
from reference import reference_sum
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from stand_in_gpu import stand_in  # noqa: F401
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator
from sktensor.backends.gpu import runner
from sktensor.backends.gpu.runner import CudaForest
from sktensor.backends.torch import TensorBackend
from sktensor.backends.workload import Workload
from sktensor.inputs.rows import Rows
from sktensor.runtime.planner import Planner
from sktensor.runtime.settings import Settings

pytestmark = [gpu.needs_compiler, pytest.mark.usefixtures("stand_in")]

X, Y = load_breast_cancer(return_X_y=True)
X32 = X.astype(np.float32)

MODELS = {
    "XGBoost": XGBClassifier(n_estimators=20, max_depth=5, n_jobs=1),
    "histograms": HistGradientBoostingClassifier(max_iter=10),
    "boosting": GradientBoostingClassifier(n_estimators=10, random_state=0),
    "forest": RandomForestClassifier(n_estimators=10, random_state=0),
    "extra trees": ExtraTreesClassifier(n_estimators=10, random_state=0),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return MODELS[request.param].fit(X32, Y)


@pytest.fixture
def no_tensor_code(monkeypatch):
    """Predictions fail where tensor code would run."""

    def run(self, *given):
        raise AssertionError("tensor code was asked")

    monkeypatch.setattr(TensorBackend, "__init__", run)


def test_a_cuda_device_runs_kernels_unless_told_otherwise(model):
    fast = TensorizedEstimator(model, device="cuda")
    plan = fast.explain_plan(1000)
    assert (plan.backend, plan.strategy, plan.device) == ("native", "tree_traversal", "cuda")
    assert TensorizedEstimator(model, device="cuda", backend="torch").explain_plan(1000).backend == "torch"
    assert TensorizedEstimator(model, device="cuda", backend="native").explain_plan(1).backend == "native"
    assert TensorizedEstimator(model, device="cuda", strategy="gemm").explain_plan(1).backend == "torch"


def test_a_strategy_without_a_kernel_is_refused_by_name(model):
    with pytest.raises(ValueError, match=r"no kernel for strategy='gemm' on CUDA. Known: 'auto', 'tree_traversal'"):
        TensorizedEstimator(model, device="cuda", backend="native", strategy="gemm").predict(X32)


@pytest.mark.usefixtures("no_tensor_code")
def test_answers_have_the_bits_of_the_library(model):
    fast = TensorizedEstimator(model, device="cuda")
    for rows in (X32, np.asfortranarray(X32), X32[::2], X32.astype(np.float64), X32[:1]):
        same_bits(fast.predict_proba(rows), model.predict_proba(rows))
        same_bits(fast.predict(rows), model.predict(rows))


@pytest.mark.usefixtures("no_tensor_code")
def test_frames_sparse_rows_and_tensors_have_the_same_answers(model):
    fast = TensorizedEstimator(model, device="cuda", verify=False)
    expected = fast.predict_raw(X32)
    same_bits(fast.predict_raw(pd.DataFrame(X32)), expected)
    same_bits(fast.predict_raw(X32.tolist()), expected)
    if not isinstance(model, (XGBClassifier, HistGradientBoostingClassifier)):  # absent is missing; refused
        same_bits(fast.predict_raw(sparse.csr_array(X32)), expected)
        same_bits(fast.predict_raw(sparse.csc_array(X32)), expected)
    for tensor in (torch.tensor(X32), torch.tensor(X32.T).T, torch.tensor(np.repeat(X32, 2, axis=1))[:, ::2]):
        found = fast.predict_raw(tensor)
        assert isinstance(found, torch.Tensor)
        same_bits(found.numpy(), expected)


@pytest.mark.usefixtures("no_tensor_code")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int16, torch.int64, torch.bool])
def test_tensors_of_other_dtypes_are_cast_where_they_lie(dtype, model):
    rows = torch.tensor(X32).to(dtype)
    fast = TensorizedEstimator(model, device="cuda", verify=False)
    expected = TensorizedEstimator(model, verify=False).predict_raw(rows)
    same_bits(fast.predict_raw(rows).numpy(), expected.numpy())


@pytest.mark.usefixtures("no_tensor_code")
def test_leaves_are_the_librarys():
    model = RandomForestClassifier(n_estimators=5, random_state=0).fit(X32, Y)
    np.testing.assert_array_equal(TensorizedEstimator(model, device="cuda").apply(X32), model.apply(X32))


@pytest.mark.parametrize("n_rows", [0, 1, 2, 999])
@pytest.mark.parametrize("batch_size", [None, 1, 7, 100_000])
def test_rows_of_the_host_go_through_in_pieces(n_rows, batch_size, monkeypatch, stand_in):  # noqa: F811
    monkeypatch.setattr(runner, "PIECE_BYTES", 5000)
    rng = np.random.default_rng(0)
    forest = random_forest(rng, n_outputs=2, acc_dtype="float32")
    there = CudaForest(forest, stand_in.device, stand_in.compiler, stand_in.memory)
    rows = Rows(random_rows(forest, rng, n_rows), forest.inputs.flush_limit)
    plan = Planner(Workload(forest)).plan(n_rows, Settings("cuda", batch_size=batch_size))
    same_bits(there.total(rows, plan.rows_per_batch, 1), reference_sum(forest, rows.data))
    start = rng.normal(size=(n_rows, 2)).astype(np.float32)
    each = [reference_sum(forest.replace(base=b), x[None]) for b, x in zip(start, rows.data, strict=True)]
    found = there.total(rows, plan.rows_per_batch, 1, start)
    same_bits(found, np.concatenate(each) if each else start)
    same_bits(there.total(Rows(torch.tensor(rows.data)), plan.rows_per_batch, 1, start).numpy(), found)


def test_what_kernels_refuse_is_run_by_tensor_code_and_the_plan_says_why():
    linear = LGBMRegressor(n_estimators=3, verbose=-1, linear_tree=True).fit(X, Y)
    plan = TensorizedEstimator(linear, device="cuda").explain_plan(100)
    assert plan.backend == "torch"
    assert "tree_traversal (native)" in repr(plan) and "linear leaves look at values of X" in repr(plan)
    with pytest.raises(ValueError, match="no kernel here: linear leaves"):
        TensorizedEstimator(linear, device="cuda", backend="native").predict(X)


def test_more_thresholds_than_can_be_numbered_are_refused_by_their_number():
    n = 66_000
    leaf = np.arange(2 * n, dtype=np.int32)
    forest = random_forest(np.random.default_rng(0), n_features=1).replace(
        feature=np.zeros(n), threshold=np.arange(n, dtype=float), left=~leaf[::2], right=~leaf[1::2],
        nan_left=np.zeros(n, dtype=bool), root=np.arange(n), tree_target=np.zeros(n), leaf_value=np.zeros((2 * n, 1)),
        leaf_id=leaf,
    )  # fmt: skip
    plan = Planner(Workload(forest)).plan(100, Settings("cuda"))
    assert plan.backend == "torch" and "66,000 distinct thresholds" in repr(plan)
    repeated = forest.replace(threshold=np.arange(n) % 65_535.0)
    assert Planner(Workload(repeated)).plan(100, Settings("cuda")).backend == "native"


class DeviceArray:
    """An array of a library of its own on the device, which numpy cannot read, as CuPy's."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, **how):
        return self.tensor.__dlpack__()

    def __array__(self, *given, **how):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_namespace__(self):
        return type("namespace", (), {"from_dlpack": DeviceArray})


@pytest.mark.usefixtures("no_tensor_code")
def test_arrays_of_other_libraries_on_the_device_are_answered_by_such(model, dispatch, monkeypatch):
    monkeypatch.setattr(torch.utils.dlpack, "from_dlpack", lambda X: X.tensor)
    fast = TensorizedEstimator(model, device="cuda", verify=False)
    for method in ("predict_raw", "predict_proba", "predict"):
        found = getattr(fast, method)(DeviceArray(torch.tensor(X32)))
        assert isinstance(found, DeviceArray)
        expected = getattr(fast, method)(torch.tensor(X32))
        same_bits(found.tensor.numpy(), expected.numpy())


def test_threads_share_what_is_built_and_each_gets_its_own_answers(model):
    fast = TensorizedEstimator(model, device="cuda", verify=False)
    expected = TensorizedEstimator(model, verify=False).predict_raw(X32)
    found = {}

    def predict(i):
        for j in range(5):
            found[i, j] = fast.predict_raw(X32[i * 10 :])

    threads = [threading.Thread(target=predict, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    for (i, _), answer in found.items():
        same_bits(answer, expected[i * 10 :])
    assert gpu.library().stand_in_contexts() == 0


def test_pipelines_and_categories_by_their_values_run_on_the_device():
    frame = pd.DataFrame(X[:, :4], columns=list("abcd")).assign(e=np.array(["x", "y", None, "zz"] * 200)[: len(X)])
    folded = make_pipeline(
        make_column_transformer((StandardScaler(), ["a", "b", "c"]), (OneHotEncoder(), ["e"]), remainder="passthrough"),
        RandomForestClassifier(n_estimators=5, random_state=0),
    ).fit(frame, Y)
    fast = TensorizedEstimator(folded, device="cuda")
    same_bits(fast.predict_proba(frame), folded.predict_proba(frame))
    catboost = CatBoostClassifier(iterations=5, depth=3, cat_features=["e"], verbose=0, allow_writing_files=False)
    frame = frame.fillna({"e": "none"})
    catboost.fit(frame, Y)
    same_bits(TensorizedEstimator(catboost, device="cuda").predict_proba(frame), catboost.predict_proba(frame))


@pytest.mark.usefixtures("no_tensor_code")
def test_sums_start_from_base_margins():
    model = XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1).fit(X32, Y)
    margin = np.random.default_rng(0).normal(size=len(X32)).astype(np.float32)
    fast = TensorizedEstimator(model, device="cuda")
    expected = model.predict_proba(X32, base_margin=margin)
    same_bits(fast.predict_proba(X32, base_margin=margin), expected)
    raw = fast.predict_raw(torch.tensor(X32))
    assert isinstance(raw, torch.Tensor) and not raw.requires_grad
