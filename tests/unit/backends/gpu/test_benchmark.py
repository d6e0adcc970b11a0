"""The script that a device is checked with: its models, their expected answers, and the step that compares them."""

from __future__ import annotations

import json

import pytest
import stand_in_gpu as gpu
from stand_in_gpu import stand_in  # noqa: F401

from benchmarks import gpu as script
from benchmarks import gpu_models
from sktensor.inputs.rows import Rows
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

EXPECTED = json.loads(gpu_models.EXPECTED.read_text(encoding="utf-8"))
FORESTS = dict(gpu_models.forests())


def test_there_are_forty_models_of_every_kind():
    assert len(FORESTS) == 40 and list(FORESTS) == list(EXPECTED)
    trees = [forest.trees for forest in FORESTS.values()]
    assert {t.cmp for t in trees} == {"lt", "le"}
    assert {(t.feature_dtype, t.acc_dtype) for t in trees} >= {("float32", "float32"), ("float64", "float64")}
    assert any(t.is_cat is not None for t in trees) and any(t.zero_dir is not None for t in trees)
    assert any(t.leaf_value.shape[1] > 1 for t in trees) and any(t.n_outputs > t.leaf_value.shape[1] for t in trees)
    assert any(forest.inputs.missing_value is not None for forest in FORESTS.values())
    assert any(forest.inputs.flush_tiny for forest in FORESTS.values())
    assert all(t.lin_off is None and t.aggregate == "sum" for t in trees)


@pytest.mark.parametrize("name", FORESTS)
def test_expected_answers_are_those_of_the_cpu(name):
    forest = FORESTS[name]
    X = gpu_models.rows(forest, gpu_models.N_ROWS)
    assert gpu_models.hashed(X) == EXPECTED[name]["rows"]
    sums, leaves = EXPECTED[name]["answers"][f"{forest.trees.feature_dtype} 1000"]
    rows = Rows(X[:1000].astype(forest.trees.feature_dtype), forest.inputs.flush_limit, forest.inputs.missing_value)
    program = Program(forest)
    assert gpu_models.hashed(program.total(rows, Settings())) == sums
    assert gpu_models.hashed(program.leaves(rows, Settings())) == leaves


@gpu.needs_compiler
@pytest.mark.usefixtures("stand_in")
def test_the_step_that_compares_bits_finds_them_equal_and_notices_one_that_is_not(monkeypatch, tmp_path):
    chosen = ["xgboost, three classes", "lightgbm, zero_as_missing with NaN"]
    monkeypatch.setattr(script, "DEVICE", "cpu")
    monkeypatch.setattr(gpu_models, "SIZES", (1, 33, 1000))
    monkeypatch.setattr(gpu_models, "forests", lambda: ((name, FORESTS[name]) for name in chosen))
    run = script.Run(tmp_path / "found.json", tmp_path, minutes=5.0)
    run.step("bits")
    found = json.loads((tmp_path / "found.json").read_text())["bits"]
    assert found["equal"] == 2 and found["wrong"] == [] and run.wrong == 0, found
    # two models, three kernels; four sizes and dtypes with three layouts, and two sizes with one; sums and leaves
    assert found["answers"] == 2 * 3 * (5 * 3 + 2) * 2
    answer = FORESTS[chosen[0]].trees.leaf_value.copy()
    answer[0] += 1
    other = {**FORESTS, chosen[0]: FORESTS[chosen[0]].replace(leaf_value=answer)}
    monkeypatch.setattr(gpu_models, "forests", lambda: ((name, other[name]) for name in chosen))
    run.step("bits")
    assert run.results["bits"]["equal"] == 1 and all("sums" in wrong for wrong in run.results["bits"]["wrong"])


def test_a_step_that_fails_is_written_down_and_the_next_one_runs(monkeypatch, tmp_path, capsys):
    def fail(run):
        raise RuntimeError("no such thing")

    monkeypatch.setitem(script.STEPS, "versions", fail)
    monkeypatch.setitem(script.STEPS, "bits", lambda run: {"equal": 40})
    run = script.Run(tmp_path / "found.json", tmp_path, minutes=5.0)
    for step in ("versions", "bits"):
        run.step(step)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["versions"] == {"error": "RuntimeError: no such thing"} and found["bits"] == {"equal": 40}
    assert run.wrong == 1
    script.Run(tmp_path / "late.json", tmp_path, minutes=0.0).step("bits")
    assert not (tmp_path / "late.json").exists() and "no time is left" in capsys.readouterr().out
