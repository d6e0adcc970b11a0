"""What is exported of pipelines, frames and models made of models; what is refused, and how."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from composite_models import CASES as COMPOSITES
from composite_models import X as X_OF_COMPOSITES
from composite_models import fitted as fitted_composite
from exported_models import refused
from lightgbm import LGBMClassifier
from meta_estimators import CASES as META
from meta_estimators import X as X_OF_META
from meta_estimators import fitted as fitted_meta
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from xgboost import XGBClassifier

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError
from sktensor.export import to_onnx, to_treelite

pytest.importorskip("onnx")
treelite = pytest.importorskip("treelite")
run = pytest.importorskip("onnx_sessions").run

RNG = np.random.default_rng(0)
N = 300
X = RNG.normal(size=(N, 4)) * [1, 10, 0.1, 5]
HOLES = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
Y = (X[:, 0] + X[:, 1] / 10 > 0).astype(int)
MODELS = {
    "xgboost": XGBClassifier(n_estimators=6, max_depth=3, n_jobs=1),
    "lightgbm": LGBMClassifier(n_estimators=6, n_jobs=1, verbose=-1),
    "forest": RandomForestClassifier(n_estimators=6, max_depth=4, random_state=0),
}
STEPS = {
    "scale": [StandardScaler()],
    "impute, scale": [SimpleImputer(strategy="median"), RobustScaler()],
    "impute, indicate": [SimpleImputer(add_indicator=True)],
    "bins": [SimpleImputer(), KBinsDiscretizer(4, encode="ordinal")],
    "bins, one-hot": [SimpleImputer(), KBinsDiscretizer(4, encode="onehot-dense")],
    "bins, one-hot, sparse": [SimpleImputer(), KBinsDiscretizer(4)],
}
FRAME = pd.DataFrame(HOLES, columns=list("abcd")).assign(
    i=RNG.integers(0, 9, N),
    t=RNG.choice(["x", "y", "z"], N),
    u=RNG.choice(np.array(["red", "green", None, np.nan], dtype=object), N),
)
OF_FRAME = (Y ^ (FRAME["t"] == "x") ^ (FRAME["u"] == "red")).astype(int)
CATEGORIES = FRAME[["a", "b", "i"]].assign(
    t=pd.Categorical(FRAME["t"]), k=pd.Categorical(RNG.choice([3, 7, 11], N), categories=[11, 3, 7])
)


def columns(frame, graph):
    """A frame as the inputs of a graph: one column of text or numbers each."""
    return {
        one.name: frame[[one.name]].astype(object).to_numpy()
        if one.type.tensor_type.elem_type == 8
        else frame[[one.name]].to_numpy()
        for one in graph.graph.input
    }


def on_thresholds(pipeline, rows):
    """Rows, some of them where the steps put them on a threshold and one ulp beside."""
    folded = TensorizedEstimator(pipeline)._compiled()
    folded.fold_for(rows)
    (ready,) = folded.folded().values()
    rows = rows.copy()
    for view, threshold in zip(ready.folded.forest.trees.feature, ready.folded.forest.trees.threshold, strict=True):
        column = ready.folded.views[view].column
        at = rows.dtype.type(threshold)
        if not np.isfinite(at):
            continue
        beside = [at, np.nextafter(at, rows.dtype.type(np.inf)), np.nextafter(at, rows.dtype.type(-np.inf))]
        rows[RNG.integers(0, len(rows), 3), column] = beside
    return rows


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("steps", STEPS)
def test_a_folded_pipeline_reads_the_raw_columns_of_an_array(steps, model, dtype):
    rows = HOLES.astype(dtype)
    pipeline = make_pipeline(*STEPS[steps], MODELS[model]).fit(HOLES, Y)
    rows = on_thresholds(pipeline, rows)
    found = run(to_onnx(pipeline, rows, outputs=("label", "probabilities", "raw", "leaf")), rows)
    fast = TensorizedEstimator(pipeline)
    np.testing.assert_array_equal(found["leaf"], fast.apply(rows))
    raw = fast.predict_raw(rows).reshape(len(rows), -1)
    assert found["raw"].tobytes() == raw.astype(found["raw"].dtype).tobytes()
    np.testing.assert_array_equal(found["label"], pipeline.predict(rows))
    # Engines have exponentials of their own, some ulps of float32 from the library's.
    np.testing.assert_allclose(found["probabilities"], pipeline.predict_proba(rows), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("steps", STEPS)
def test_a_pipeline_becomes_a_treelite_model_or_is_refused_by_the_column(steps, model, dtype):
    rows = HOLES.astype(dtype)
    pipeline = make_pipeline(*STEPS[steps], MODELS[model]).fit(HOLES, Y)
    rows = on_thresholds(pipeline, rows)
    made, why = refused(to_treelite, pipeline, rows)
    if made is None:
        assert "looks up column" in why
        assert "bins" in steps or "indicate" in steps
        return
    reached = treelite.gtil.predict_leaf(made, rows, nthread=1)
    known = TensorizedEstimator(pipeline).apply(rows)
    for ours, theirs in zip(reached.T, np.asarray(known).reshape(len(rows), -1).T, strict=True):
        pairs = {(a, b) for a, b in zip(ours.tolist(), theirs.tolist(), strict=True)}
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})  # one leaf for the other
    found = treelite.gtil.predict(made, rows, nthread=1).reshape(len(rows), -1)[:, -1]
    # Engines have exponentials of their own, some ulps of float32 from the library's.
    np.testing.assert_allclose(found, pipeline.predict_proba(rows)[:, 1], rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("encoder", ["one-hot", "ordinal"])
def test_a_pipeline_of_a_frame_has_an_input_for_each_column_text_included(encoder, model):
    encode = {
        "one-hot": OneHotEncoder(handle_unknown="ignore"),
        "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    }[encoder]
    steps = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), list("abcd")),
            ("as they are", "passthrough", ["i"]),
            ("texts", encode, ["t", "u"]),
        ]
    )
    pipeline = make_pipeline(steps, MODELS[model]).fit(FRAME, OF_FRAME)
    graph = to_onnx(pipeline, FRAME.head(1), outputs=("label", "raw"))
    asked = [one.name for one in graph.graph.input]
    assert {"t", "u"} <= set(asked)
    assert asked == [name for name in "abcditu" if name in asked]  # those that some tree looks at
    rows = FRAME.copy()
    rows.loc[rows.index[::7], "t"] = "never seen"
    found = run(graph, columns(rows, graph))
    raw = TensorizedEstimator(pipeline).predict_raw(rows).reshape(len(rows), -1)
    assert found["raw"].tobytes() == raw.astype(found["raw"].dtype).tobytes()
    np.testing.assert_array_equal(found["label"], pipeline.predict(rows))
    assert "looks up column" in refused(to_treelite, pipeline, FRAME)[1]


@pytest.mark.parametrize(
    "model",
    [
        XGBClassifier(n_estimators=6, max_depth=3, n_jobs=1, enable_categorical=True),
        LGBMClassifier(n_estimators=6, n_jobs=1, verbose=-1, min_data_per_group=5),
        HistGradientBoostingClassifier(max_iter=4, categorical_features="from_dtype"),
    ],
    ids=["xgboost", "lightgbm", "histograms"],
)
def test_categories_of_a_frame_are_looked_up_by_their_values(model):
    model.fit(CATEGORIES, OF_FRAME)
    graph = to_onnx(model, CATEGORIES.head(1), outputs=("label", "raw"))
    assert [one.name for one in graph.graph.input] == list(CATEGORIES.columns)
    found = run(graph, columns(CATEGORIES, graph))
    raw = TensorizedEstimator(model).predict_raw(CATEGORIES).reshape(N, -1)
    assert found["raw"].tobytes() == raw.astype(found["raw"].dtype).tobytes()
    np.testing.assert_array_equal(found["label"], model.predict(CATEGORIES))


@pytest.mark.parametrize("name", COMPOSITES)
def test_models_made_of_models_answer_alike_or_are_refused_by_name(name):
    answers_alike_or_is_refused(fitted_composite(name), X_OF_COMPOSITES)


@pytest.mark.parametrize("name", META)
def test_meta_estimators_answer_alike_or_are_refused_by_name(name):
    answers_alike_or_is_refused(fitted_meta(name), X_OF_META)


def answers_alike_or_is_refused(model, rows):
    rows = np.ascontiguousarray(rows)
    graph, why = refused(to_onnx, model, rows)
    if graph is None:
        assert type(model).__name__ in why or "No extractor" in why or "tree" in why
    else:
        found = run(graph, rows)
        answer = found["label"] if "label" in found else found["variable"][:, 0]
        expected = model.predict(rows)
        if answer.dtype.kind == "f":
            # Divisions and exponentials of ONNX Runtime are some ulps of float32 from the library's.
            np.testing.assert_allclose(answer, expected, rtol=1e-6)
        else:
            np.testing.assert_array_equal(answer, expected)
    made, why = refused(to_treelite, model, rows)
    assert (made is not None) or why


def test_searches_and_frozen_models_are_the_models_inside():
    search = GridSearchCV(MODELS["forest"], {"max_depth": [2, 3]}, cv=2).fit(X, Y)
    for model in (search, FrozenEstimator(search), TensorizedEstimator(search)):
        found = run(to_onnx(model, outputs="probabilities"), X)["probabilities"]
        np.testing.assert_array_equal(found, search.predict_proba(X))
        assert to_treelite(model).num_tree == 6


def test_a_loaded_model_is_exported_and_a_loaded_pipeline_refused(tmp_path):
    fast = TensorizedEstimator(MODELS["forest"]).fit(X, Y)
    sktensor.save(fast, tmp_path / "model.safetensors")
    found = run(to_onnx(sktensor.load(tmp_path / "model.safetensors"), outputs="probabilities"), X)
    np.testing.assert_array_equal(found["probabilities"], fast.predict_proba(X))
    folded = TensorizedEstimator(make_pipeline(StandardScaler(), MODELS["forest"])).fit(X, Y)
    sktensor.save(folded, tmp_path / "pipeline.safetensors")
    with pytest.raises(UnsupportedModelError, match="Export the pipeline that was saved"):
        to_onnx(sktensor.load(tmp_path / "pipeline.safetensors"), X)


def test_a_step_that_is_run_is_refused_by_its_name():
    pipeline = make_pipeline(PowerTransformer(), MODELS["xgboost"]).fit(X, Y)
    for export in (to_onnx, to_treelite):
        with pytest.raises(UnsupportedModelError, match=r"powertransformer \(PowerTransformer\).*last step alone"):
            export(pipeline, X)


def test_a_pipeline_fitted_on_a_frame_asks_for_one():
    pipeline = make_pipeline(StandardScaler(), MODELS["xgboost"]).fit(FRAME[["a", "b"]], Y)
    with pytest.raises(ValueError, match="fitted on a data frame"):
        to_onnx(pipeline)


def test_text_in_an_array_is_refused():
    with pytest.raises(ValueError, match="array of str"):
        to_onnx(MODELS["forest"].fit(X, Y), np.array([["a"] * 4]))


def test_a_frame_of_other_width_is_refused():
    with pytest.raises(ValueError, match="X has 2 columns, and RandomForestClassifier was fitted on 4"):
        to_onnx(MODELS["forest"].fit(X, Y), FRAME[["a", "b"]])


@pytest.mark.parametrize(
    ("labels", "kind"), [(["no", "yes"], "O"), ([-3, 7], "i"), ([False, True], "b"), ([0.0, 1.0], "i")]
)
def test_labels_keep_their_kind_where_onnx_has_it(labels, kind):
    model = MODELS["forest"].fit(X, np.array(labels)[Y])
    found = run(to_onnx(model), X)["label"]
    assert found.dtype.kind == kind
    np.testing.assert_array_equal(found, model.predict(X))


def test_integers_pass_through_the_casts_of_the_library():
    whole = RNG.integers(0, 2**26, (N, 4))
    target = (whole[:, 0] > 2**25).astype(int)
    for model in MODELS.values():
        model.fit(whole, target)
        rows = np.concatenate([whole, whole + 1])
        found = run(to_onnx(model, rows, outputs=("leaf",)), rows)["leaf"]
        np.testing.assert_array_equal(found, TensorizedEstimator(model, verify=False).apply(rows))


def test_unknown_outputs_are_refused():
    model = RandomForestRegressor(n_estimators=2).fit(X, Y)
    with pytest.raises(ValueError, match=r"Unknown outputs \['labels'\]. Known: 'label'"):
        to_onnx(model, outputs=("labels",))
    with pytest.raises(UnsupportedModelError, match="gives no probabilities"):
        to_onnx(model, outputs=("probabilities",))
    with pytest.raises(UnsupportedModelError, match="gives no labels"):
        to_onnx(model, outputs=("label",))
    with pytest.raises(ValueError, match="Unknown output 'leaf'"):
        to_treelite(model, output="leaf")


@pytest.mark.parametrize(("package", "export"), [("onnx", to_onnx), ("treelite", to_treelite)])
def test_a_missing_package_is_named(monkeypatch, package, export):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        export(MODELS["forest"].fit(X, Y))
