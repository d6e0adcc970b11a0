"""The choice between kernels and tensor code, and life without kernels."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from agreement import same_bits
from catboost import CatBoostClassifier
from forests import random_forest
from lightgbm import LGBMClassifier, LGBMRegressor
from reference import reference_sum
from scipy import sparse
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from xgboost import XGBClassifier

from sktensor import Forest, PerformanceWarning, TensorizedEstimator, load, save
from sktensor.backends.cpu import costs, kernels, traversal
from sktensor.backends.cpu.kernels import BitslicedKernel
from sktensor.backends.torch import TensorBackend
from sktensor.backends.workload import Workload
from sktensor.estimator import compiling
from sktensor.inputs.rows import Rows
from sktensor.native import loader
from sktensor.runtime import settings
from sktensor.runtime.planner import Planner
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings
from sktensor.strategies import bitsliced, ranks
from sktensor.strategies.costs import Shape

X, Y = load_breast_cancer(return_X_y=True)

needs_kernels = pytest.mark.skipif(loader.library() is None, reason=f"no kernels: {loader.why_missing()}")


@pytest.fixture(scope="module")
def model():
    return GradientBoostingClassifier(n_estimators=20, random_state=0).fit(X, Y)


@pytest.fixture
def no_kernels(monkeypatch):
    """An installation without kernels."""
    monkeypatch.setattr(loader, "_loaded", lambda: (None, loader.WITHOUT))


@needs_kernels
def test_a_cpu_runs_kernels_unless_told_otherwise(model):
    assert TensorizedEstimator(model).explain_plan(1).backend == "native"
    assert TensorizedEstimator(model).explain_plan(100_000).strategy == "bitsliced"
    assert TensorizedEstimator(model, strategy="bitsliced").explain_plan().backend == "native"
    assert TensorizedEstimator(model, strategy="gemm").explain_plan().backend == "torch"
    assert TensorizedEstimator(model, backend="torch").explain_plan().backend == "torch"
    assert TensorizedEstimator(model, backend="native", strategy="tree_traversal").explain_plan().backend == "native"


@needs_kernels
def test_predictions_on_the_cpu_load_no_torch():
    code = (
        "import sys, json, numpy as np; from sklearn.datasets import load_breast_cancer;"
        "from sklearn.ensemble import RandomForestClassifier; from sktensor import TensorizedEstimator;"
        "X, y = load_breast_cancer(return_X_y=True);"
        "fast = TensorizedEstimator(RandomForestClassifier(n_estimators=5)).fit(X, y);"
        "fast.predict(X); fast.predict_proba(X[:1]); fast.apply(X); fast.explain_plan();"
        "print(json.dumps('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) is False


def test_without_kernels_the_first_prediction_warns_and_all_give_the_same_bits(model, no_kernels):
    fast = TensorizedEstimator(model)
    with pytest.warns(PerformanceWarning, match="installed without them, .*--no-cache-dir") as warned:
        found = fast.predict_proba(X)
    assert warned[0].filename == __file__  # the user's line, not one of the package
    same_bits(found, model.predict_proba(X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same_bits(fast.decision_function(X), model.decision_function(X))
    plan = fast.explain_plan()
    assert plan.backend == "library" and "sktensor was installed without them" in plan.reason


def test_without_kernels_and_without_the_library_tensor_code_answers(model, no_kernels, tmp_path):
    with pytest.warns(PerformanceWarning, match="wrapped model"):
        save(TensorizedEstimator(model), tmp_path / "model.skt")
    fast = load(tmp_path / "model.skt")
    assert fast.explain_plan().backend == "torch"
    with pytest.warns(PerformanceWarning, match="go through torch, .* installed without them"):
        same_bits(fast.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost", "forest", "gradient", "isolation"])
def test_without_kernels_the_library_is_asked_for_sums_and_leaves(name, no_kernels, monkeypatch):
    fitted = {
        "xgboost": lambda: XGBClassifier(n_estimators=4, n_jobs=1),
        "lightgbm": lambda: LGBMClassifier(n_estimators=4, verbose=-1),
        "catboost": lambda: CatBoostClassifier(n_estimators=4, verbose=0, allow_writing_files=False),
        "forest": lambda: RandomForestClassifier(n_estimators=4, random_state=0),
        "gradient": lambda: GradientBoostingClassifier(n_estimators=4),
        "isolation": lambda: IsolationForest(n_estimators=4, random_state=0),
    }[name]().fit(X, Y)
    fast = TensorizedEstimator(fitted)
    run = TensorBackend.total
    monkeypatch.setattr(TensorBackend, "total", lambda *given: pytest.fail("tensor code was run"))
    with pytest.warns(PerformanceWarning, match="wrapped model itself"):
        found = fast.predict(X)
    same_bits(found, fitted.predict(X))
    if hasattr(fitted, "predict_proba"):
        same_bits(fast.predict_proba(X[:3]), fitted.predict_proba(X[:3]))
        gaps = np.where(X > 1, X, 0).round()
        for rows in (sparse.csr_matrix(gaps), sparse.csc_matrix(gaps), sparse.csr_matrix(gaps.astype(np.int32))):
            if rows.dtype == float or name != "lightgbm":  # which refuses integers there
                same_bits(fast.predict_proba(rows), fitted.predict_proba(rows))
        frame = pd.DataFrame(X[:50])
        same_bits(fast.predict_proba(frame), fitted.predict_proba(X[:50]))
    leaves, raw = fast.apply(X), fast.predict_raw(X)
    same_bits(fast.apply(X[:1]), leaves[:1])
    monkeypatch.setattr(TensorBackend, "total", run)
    tensor_code = TensorizedEstimator(fitted, backend="torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(leaves, tensor_code.apply(X))
        same_bits(raw, tensor_code.predict_raw(X))


def test_a_copy_without_kernels_asks_its_own_model(model, no_kernels):
    with pytest.warns(PerformanceWarning, match="wrapped model"):
        fast = TensorizedEstimator(model).fit(X, Y)
    fast = pickle.loads(pickle.dumps(fast))
    assert fast.explain_plan().backend == "library"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        same_bits(fast.predict_proba(X), fast.estimator_.predict_proba(X))


@needs_kernels
@pytest.mark.parametrize("n_rows", [1, 4, 16, 100])
def test_kernels_are_not_left_for_tensor_code_on_a_cpu(n_rows):
    stumps = Forest.from_trees(
        [{"feature": 0, "threshold": i / 7, "left": {"value": 0.1}, "right": {"value": -0.3}} for i in range(3000)],
        n_features=2,
        acc_dtype="float64",
    )
    plan = Program(stumps).plan(n_rows, Settings())
    assert plan.backend == "native"
    assert all(seen.measured for seen in plan.options[:2])
    # An addition a tree is an operation of torch, and costs more than all that a kernel does.
    in_torch = [seen for seen in plan.options if seen.backend == "torch" and not seen.refused]
    assert in_torch and min(seen.expected_ns for seen in in_torch) > 5e6


@needs_kernels
def test_forest_unsupported_by_kernels_is_answered_by_the_library(monkeypatch):
    linear = LGBMRegressor(n_estimators=3, verbose=-1, linear_tree=True).fit(X, Y)
    monkeypatch.setattr(traversal, "refusal", lambda forest: "it is a test")
    fast = TensorizedEstimator(linear)
    with pytest.warns(PerformanceWarning, match="it is a test"):
        plan = fast.explain_plan()
    assert plan.backend == "library" and "it is a test" in plan.reason
    same_bits(fast.predict(X), linear.predict(X))


def test_without_kernels_the_native_backend_is_refused_by_name(model, no_kernels):
    with pytest.raises(ValueError, match="backend='native' has no kernels here: sktensor was installed without them"):
        TensorizedEstimator(model, backend="native").predict(X)


def test_the_native_backend_is_for_the_cpu_and_cuda(model, monkeypatch):
    import torch

    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(ValueError, match="no kernels for device='mps'"):
        TensorizedEstimator(model, backend="native", device="mps").predict(X)


@needs_kernels
def test_n_jobs_are_threads_and_change_no_bit(model):
    rows = np.concatenate([X] * 40)
    expected = model.decision_function(rows)
    for n_jobs in (None, 1, 2, 3, -1):
        same_bits(TensorizedEstimator(model, n_jobs=n_jobs).decision_function(rows), expected)


@needs_kernels
def test_forest_with_many_conditions_is_split_and_its_sums_continue():
    rng = np.random.default_rng(0)
    forest = random_forest(rng, n_trees=300, max_depth=7, n_outputs=3, base=[0.1, -0.0, 7.0], acc_dtype="float32")
    whole = BitslicedKernel(forest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sktensor.backends.cpu.kernels.MOST_PLANES", 40)
        parts = BitslicedKernel(forest)
    assert len(parts._tables["float32"]) > 5 and len(whole._tables["float32"]) == 1
    rows = Rows(rng.normal(size=(700, forest.n_features)))
    same_bits(parts.total(rows, 0, 1), whole.total(rows, 0, 1))


@needs_kernels
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("feature_dtype", ["float32", "float64"])
def test_large_trees_among_small_ones_are_traversed_in_order(monkeypatch, dtype, feature_dtype):
    rng = np.random.default_rng(1)
    forest = random_forest(
        rng, n_trees=60, max_depth=5, n_outputs=2, acc_dtype="float32", feature_dtype=feature_dtype, base=[0.1, 0.7]
    )
    rows = Rows(rng.normal(size=(700, forest.n_features)).astype(dtype))
    with np.errstate(over="ignore"):
        expected = reference_sum(forest, rows.data.astype(feature_dtype))
    same_bits(BitslicedKernel(forest).total(rows, 0, 1), expected)
    monkeypatch.setattr(bitsliced, "MOST_LEAVES", 12)
    mixed = BitslicedKernel(forest)
    assert {tables.kind for tables in mixed._tables["float32"]} == {"bitsliced", "traversal"}
    same_bits(mixed.total(rows, 0, 2), expected)
    assert "too large for circuits" in costs.option("bitsliced", forest.trees, Shape.of(forest.trees), 100).refused
    monkeypatch.setattr(costs, "MOST_RUNS", 100)
    assert not costs.option("bitsliced", forest.trees, Shape.of(forest.trees), 100).refused


@needs_kernels
def test_trees_too_large_for_circuits_are_traversed():
    large = RandomForestClassifier(n_estimators=3, random_state=0).fit(
        np.random.default_rng(0).normal(size=(6000, 3)), np.random.default_rng(1).integers(2, size=6000)
    )
    fast = TensorizedEstimator(large)
    assert fast.explain_plan(100_000).strategy == "tree_traversal"
    with pytest.raises(ValueError, match="too large for circuits"):
        TensorizedEstimator(large, strategy="bitsliced", backend="native").predict(np.zeros((1, 3)))


@needs_kernels
def test_thresholds_that_differ_everywhere_speak_for_traversal():
    """Circuits answer each question once: a forest's own midpoints are many, a histogram's bins few."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 8))
    y = (X[:, 0] * X[:, 1] + rng.normal(size=3000)) > 0
    exact = RandomForestClassifier(n_estimators=60, random_state=0).fit(X, y)
    binned = LGBMClassifier(n_estimators=60, num_leaves=63, verbose=-1).fit(X, y)
    plans = [TensorizedEstimator(model).explain_plan(50_000) for model in (exact, binned)]
    assert [plan.strategy for plan in plans] == ["tree_traversal", "bitsliced"]


@needs_kernels
def test_every_cost_term_has_a_constant():
    forest = random_forest(np.random.default_rng(0), n_trees=5)
    for name, each in costs.constants().items():
        for n_rows in (1, 10_000):
            assert set(costs.work(name, forest.trees, Shape.of(forest.trees), n_rows)) <= {*costs.UNFITTED, *each}


@needs_kernels
def test_expected_time_never_falls_with_more_rows():
    planner = Planner(Workload(random_forest(np.random.default_rng(0), n_trees=50, max_depth=6)))
    expected = [planner.plan(n, Settings()).expected_ns for n in (1, 8, 64, 512, 4096, 10**6)]
    assert expected == sorted(expected)


def test_a_plan_takes_no_memory_for_columns_that_no_tree_looks_at():
    forest = Forest.from_trees(
        [{"feature": 10**8 - 1, "categories": [1, 3], "left": {"value": 1.0}, "right": {"value": 2.0}}],
        n_features=10**8,
    )
    tracemalloc.start()
    Program(forest).plan(1000, Settings())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@needs_kernels
def test_from_a_fitted_model_to_tables_nothing_is_computed_twice(model, monkeypatch):
    counts = dict.fromkeys(("shape", "ranks", "extractor", "device"), 0)

    def counted(name, function):
        def call(*given):
            counts[name] += 1
            return function(*given)

        return call

    monkeypatch.setattr(Shape, "of", counted("shape", Shape.of))
    monkeypatch.setattr(kernels, "compile_ranks", counted("ranks", kernels.compile_ranks))
    monkeypatch.setattr(ranks, "compile_ranks", counted("ranks", ranks.compile_ranks))
    monkeypatch.setattr(compiling, "find_extractor", counted("extractor", compiling.find_extractor))
    monkeypatch.setattr(settings, "find_device", counted("device", settings.find_device))
    TensorizedEstimator(model, strategy="bitsliced", verify=False).warmup([1000])
    assert counts == {"shape": 1, "ranks": 1, "extractor": 1, "device": 1}


def test_an_engine_without_the_strategy_is_refused_by_name(model, monkeypatch):
    monkeypatch.setattr("sktensor.backends.torch.options", lambda work, n_rows, device: iter(()))
    with pytest.raises(ValueError, match="backend='torch' has nothing for strategy='gemm'"):
        TensorizedEstimator(model, backend="torch", strategy="gemm").predict(X)
