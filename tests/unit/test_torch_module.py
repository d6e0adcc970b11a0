"""The functional door: modules that answer as the library does, and can be compiled and exported."""

from __future__ import annotations

import copy
import pickle
import typing

import numpy as np
import pytest
import torch
import xgboost
from agreement import library_leaves, library_raw, same_bits, within_ulps
from forests import random_forest, random_rows
from lightgbm import LGBMClassifier
from reference import reference_sum
from sklearn.datasets import load_wine
from sklearn.ensemble import (
    GradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from torch._dynamo.testing import CompileCounter
from xgboost import XGBClassifier

from sktensor import Forest, outputs, tensorize
from sktensor.forest import Link

X, Y = load_wine(return_X_y=True)
ROWS = torch.tensor(X)
NAMES = ("bitsliced", "gemm", "tree_traversal", "perfect_tree_traversal")
MODELS = {
    "xgboost": XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1),
    "lightgbm": LGBMClassifier(n_estimators=4, verbose=-1),
    "forest": RandomForestClassifier(n_estimators=4, max_depth=4, random_state=0),
    "gradient boosting": GradientBoostingClassifier(n_estimators=4),
}


@pytest.fixture(autouse=True)
def _forget_compiled_graphs():
    """Keep the graphs of one test out of the next: torch limits how many a function may have."""
    torch._dynamo.reset()


@pytest.mark.parametrize("strategy", ["auto", *NAMES])
@pytest.mark.parametrize("name", MODELS)
def test_every_output_is_the_librarys(name, strategy, device):
    model = MODELS[name].fit(X, Y)
    rows = ROWS.to(device)

    def out(output):
        found = tensorize(model, device=device, strategy=strategy, output=output)(rows)
        assert found.device == rows.device
        return found.cpu().numpy()

    same_bits(out("raw"), library_raw(model, X))
    same_bits(out("leaf"), np.asarray(library_leaves(model, X)))
    within_ulps(out("proba"), model.predict_proba(X))
    within_ulps(out("value"), model.predict_proba(X))


def test_a_booster_gives_its_own_predictions():
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(X, Y > 0), 5)
    within_ulps(tensorize(booster)(ROWS).numpy(), booster.predict(xgboost.DMatrix(X)))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", NAMES)
def test_a_module_is_compiled_whole_and_exported_with_any_number_of_rows(strategy):
    rng = np.random.default_rng(0)
    forest = random_forest(rng, n_trees=2, max_depth=3, categorical=True, zero_dir=True, missing_value=-999.0)
    X = random_rows(forest, rng, 60)
    expected, rows = reference_sum(forest, X)[:, 0], torch.tensor(X)
    module = tensorize(forest, strategy=strategy)
    exported = torch.export.export(module, (rows,), dynamic_shapes=({0: torch.export.Dim("n", min=1)},)).module()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    for run in (module, exported, compiled):
        for n in (60, 7, 2):
            same_bits(run(rows[:n]).numpy(), expected[:n])


@pytest.mark.parametrize("link", sorted(set(typing.get_args(Link)) - {"none"}))
def test_every_link_is_part_of_the_graph_and_gives_what_the_estimator_gives(link):
    leaf = {"feature": 0, "threshold": 0.0, "left": {"value": -0.7}, "right": {"value": 1.3}}
    shape = (1,) if link in ("argmax", "location") else (2,)
    forest = Forest.from_trees(
        [leaf, leaf | {"threshold": 1.0}], n_features=1, n_outputs=2, link=link, raw_shape=(2,), value_shape=shape
    )
    rows = torch.tensor([[-1.0], [0.5], [2.0]], dtype=torch.float64)
    run = torch.compile(tensorize(forest), fullgraph=True, backend="aot_eager")
    raw = np.array([[-0.7, -0.7], [1.3, -0.7], [1.3, 1.3]])
    within_ulps(run(rows).numpy(), outputs.shaped_values(forest, raw))


@pytest.mark.slow
def test_varying_batches_do_not_compile_again():
    module = tensorize(MODELS["xgboost"].fit(X, Y), strategy="tree_traversal")
    counter = CompileCounter()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend=counter)
    for n in (20, 30, 77, 178):
        compiled(ROWS[:n])
    assert counter.frame_count == 1


def test_module_inside_a_larger_module():
    class Twice(torch.nn.Module):
        def __init__(self, forest):
            super().__init__()
            self.forest, self.factor = forest, torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

        def forward(self, X):
            return self.factor * self.forest(X)

    model = RandomForestRegressor(n_estimators=3, random_state=0).fit(X, Y)
    module = Twice(tensorize(model))
    module(ROWS).sum().backward()
    assert module.factor.grad == pytest.approx(model.predict(X).sum())
    assert [name for name, _ in module.named_parameters()] == ["factor"]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_copy_gives_the_same_bits(again):
    module = tensorize(MODELS["forest"].fit(X, Y))
    same_bits(again(module)(ROWS).numpy(), module(ROWS).numpy())


def test_tables_are_buffers_and_come_back_from_a_state_dict():
    module = tensorize(MODELS["xgboost"].fit(X, Y), strategy="gemm")
    expected = module(ROWS)
    state = {name: table.clone() for name, table in module.state_dict().items()}
    for table in module.buffers():
        table.zero_()
    assert not torch.equal(module(ROWS), expected)
    module.load_state_dict(state)
    assert torch.equal(module(ROWS), expected)


@pytest.mark.parametrize("change", [lambda m: m.half(), lambda m: m.double(), lambda m: m.to(torch.bfloat16)])
def test_a_module_keeps_its_dtypes(change):
    module = tensorize(MODELS["xgboost"].fit(X, Y))
    expected = module(ROWS)
    with pytest.raises(TypeError, match="keep their dtypes"):
        change(module)
    assert torch.equal(module(ROWS), expected)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("linear", lambda x: x),
        ("sigmoid", torch.sigmoid),
        ("softmax", lambda x: x.softmax(-1)),
        ("log_sigmoid", torch.nn.functional.logsigmoid),
        ("log_softmax", lambda x: x.log_softmax(-1)),
        (torch.tanh, torch.tanh),
    ],
)
@pytest.mark.parametrize("strategy", ["auto", *NAMES])
def test_a_post_transform_is_applied_to_the_output(name, function, strategy):
    model = MODELS["xgboost"].fit(X, Y)
    for output in ("raw", "value", "proba", "leaf"):
        found = tensorize(model, output=output)(ROWS)
        module = tensorize(model, strategy=strategy, output=output, post_transform=name)
        assert torch.equal(module(ROWS), function(found))


@pytest.mark.parametrize(
    ("model", "output", "method"),
    [
        (GradientBoostingClassifier(n_estimators=3), "label", "predict"),
        (GradientBoostingClassifier(n_estimators=3), "decision", "decision_function"),
        (GradientBoostingClassifier(n_estimators=3), "log_proba", "predict_log_proba"),
        (IsolationForest(n_estimators=3, random_state=0), "score_samples", "score_samples"),
        (RandomTreesEmbedding(n_estimators=3, random_state=0, sparse_output=False), "transform", "transform"),
    ],
)
def test_a_module_gives_what_a_method_of_the_estimator_gives(model, output, method):
    expected = getattr(model.fit(X, Y), method)(X)
    found = tensorize(model, output=output)(torch.tensor(X)).numpy()
    if output == "log_proba":
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    else:
        np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"strategy": "fast"}, "Unknown strategy 'fast'. Known: 'auto', 'gemm'"),
        ({"output": "labels"}, "Unknown output 'labels'. Known: 'value', 'label', 'proba', 'log_proba', 'raw'"),
        ({"post_transform": "relu"}, "Unknown post_transform 'relu'. Known: 'linear', 'sigmoid'"),
        ({"device": "abacus"}, "Unknown device 'abacus'"),
        ({"backend": "abacus"}, "Unknown backend 'abacus'"),
        ({"output": "proba"}, "output='proba': Forest gives no probabilities"),
        ({"output": "transform"}, "output='transform': Forest gives no such answer"),
        ({"output": "score_samples"}, "output='score_samples': Forest gives no such answer"),
    ],
)
def test_bad_arguments_are_refused_by_name(parameters, said):
    with pytest.raises(ValueError) as info:
        tensorize(Forest.from_trees([{"value": 1.0}], n_features=1), **parameters)
    assert said in str(info.value)


@pytest.mark.parametrize("rows", [ROWS[0], ROWS[:, :3], ROWS[None]])
def test_rows_of_another_shape_are_refused(rows):
    with pytest.raises(ValueError, match=r"Expected a tensor of shape \(n, 13\)"):
        tensorize(MODELS["xgboost"].fit(X, Y))(rows)
