"""SHAP values of pipelines: one player for each column of X, whatever the steps make of it."""

from __future__ import annotations

import exact_shap
import numpy as np
import pandas as pd
import pytest
from exact_shap import as_floats, leaf_magnitude
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest

RNG = np.random.default_rng(0)
N = 200
FRAME = pd.DataFrame(
    {
        "age": np.where(RNG.random(N) < 0.2, np.nan, RNG.normal(40, 10, N)),
        "job": RNG.choice(["cook", "smith", "baker", "tailor"], N),
        "pay": RNG.lognormal(size=N),
        "town": RNG.choice(["York", "Bath", "Ely"], N),
    }
)
Y = FRAME.age.fillna(30) / 10 + (FRAME.job == "cook") * 2 + (FRAME.town == "Ely") * FRAME.pay
ARRAY = FRAME[["age", "pay"]].to_numpy()


def model(**params):
    return XGBRegressor(**({"n_estimators": 5, "max_depth": 3, "n_jobs": 1} | params))


def encoded(*, sparse=False):
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["age", "pay"]),
            ("texts", OneHotEncoder(sparse_output=sparse, handle_unknown="ignore"), ["job", "town"]),
        ],
        sparse_threshold=1.0 if sparse else 0.0,
    )


def expected(pipeline, rows, source, n_inputs):
    """By the game of the last step's forest, in which all columns made of one of X are one player."""
    forest = extract_forest(pipeline[-1])
    given = pipeline[:-1].transform(rows)
    if hasattr(given, "toarray"):  # to XGBoost, an absent entry is missing
        given = np.where(given.toarray() == 0, np.nan, given.toarray())
    return forest, as_floats(exact_shap.path_dependent(forest, given, np.array(source), n_inputs))[..., 0]


# numbers: age, pay, whether age is missing; texts: jobs in order, towns in order
SOURCES = [0, 2, 0, 1, 1, 1, 1, 3, 3, 3]


@pytest.mark.parametrize("sparse", [False, True])
def test_all_columns_made_of_one_are_one_player(sparse):
    pipeline = Pipeline([("encode", encoded(sparse=sparse)), ("model", model())]).fit(FRAME, Y)
    fast = TensorizedEstimator(pipeline)
    found = fast.shap_values(FRAME[:8])
    forest, exact = expected(pipeline, FRAME[:8], SOURCES, 4)
    assert found.shape == (8, 4)
    assert np.abs(found - exact).max() <= 1e-14 * leaf_magnitude(forest)
    assert found[:, 1].any() and found[:, 3].any()
    base = fast.contributions(FRAME[:8])[:, -1]
    np.testing.assert_allclose(base + found.sum(1), pipeline.predict(FRAME[:8]), rtol=1e-5)


def test_the_value_of_a_column_is_not_the_sum_of_those_of_its_derived_columns():
    """Which is what other tools report."""
    pipeline = Pipeline([("encode", encoded()), ("model", model(max_depth=5))]).fit(FRAME, Y)
    forest = extract_forest(pipeline[-1])
    single = as_floats(exact_shap.path_dependent(forest, pipeline[:-1].transform(FRAME[:8])))[..., 0]
    summed = np.stack([single[:, np.array(SOURCES) == c].sum(1) for c in range(4)], axis=1)
    assert np.abs(TensorizedEstimator(pipeline).shap_values(FRAME[:8]) - summed).max() > 1e-4


def test_pipelines_of_arrays_give_values_of_their_columns():
    pipeline = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), model()).fit(ARRAY, Y)
    found = TensorizedEstimator(pipeline).shap_values(ARRAY[:8])
    forest, exact = expected(pipeline, ARRAY[:8], [0, 1, 0], 2)
    assert np.abs(found - exact).max() <= 1e-14 * leaf_magnitude(forest)


def test_interactions_of_columns_of_x():
    pipeline = Pipeline([("encode", encoded()), ("model", model())]).fit(FRAME, Y)
    fast = TensorizedEstimator(pipeline)
    found = fast.shap_values(FRAME[:4], interactions=True)
    forest = extract_forest(pipeline[-1])
    given = pipeline[:-1].transform(FRAME[:4])
    exact = as_floats(exact_shap.interactions(forest, given, np.array(SOURCES), 4))[..., 0]
    assert found.shape == (4, 4, 4)
    assert np.abs(found - exact).max() <= 1e-14 * leaf_magnitude(forest)


def test_a_background_goes_through_the_steps():
    pipeline = Pipeline([("encode", encoded()), ("model", model())]).fit(FRAME, Y)
    rows, background = FRAME[:4], FRAME[10:20]
    found = TensorizedEstimator(pipeline).shap_values(rows, background=background)
    forest = extract_forest(pipeline[-1])
    steps = pipeline[:-1]
    exact = as_floats(
        exact_shap.interventional(forest, steps.transform(rows), steps.transform(background), np.array(SOURCES), 4)
    )[..., 0]
    assert np.abs(found - exact).max() <= 1e-14 * leaf_magnitude(forest)


def test_a_background_of_another_kind_is_refused():
    pipeline = make_pipeline(StandardScaler(), model()).fit(ARRAY, Y)
    with pytest.raises(ValueError, match="background is of another kind than X"):
        TensorizedEstimator(pipeline).shap_values(ARRAY, background=ARRAY.astype(np.float32))


def test_several_outputs():
    pipeline = Pipeline([("encode", encoded()), ("model", XGBClassifier(n_estimators=3, n_jobs=1))])
    pipeline.fit(FRAME, np.digitize(Y, [4.0, 6.0]))
    assert TensorizedEstimator(pipeline).shap_values(FRAME[:5]).shape == (5, 4, 3)
    assert TensorizedEstimator(pipeline).contributions(FRAME[:5]).shape == (5, 3, 5)


def test_columns_of_a_step_that_is_run_have_values_of_their_own():
    steps = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["age"]),
            ("mixed", make_pipeline(SimpleImputer(), StandardScaler(), PCA(1)), ["age", "pay"]),
            ("texts", OrdinalEncoder(), ["job"]),
        ]
    )
    pipeline = Pipeline([("prepare", steps), ("model", model())])
    pipeline.fit(FRAME, Y + 5 * steps.fit_transform(FRAME)[:, 1])
    fast = TensorizedEstimator(pipeline)
    found = fast.shap_values(FRAME[:6])
    forest, exact = expected(pipeline, FRAME[:6], [0, 4, 1], 5)
    assert found.shape == (6, 5)
    assert np.abs(found - exact).max() <= 1e-14 * leaf_magnitude(forest)
    pytest.importorskip("shap")
    explained = fast.explain(FRAME[:6])
    assert explained.feature_names[:4] == list(FRAME.columns)
    assert explained.feature_names[4].startswith("prepare__mixed__pca") and explained.data.shape == (6, 5)
    np.testing.assert_allclose(explained.data[:, 4].astype(float), pipeline[:-1].transform(FRAME[:6])[:, 1], rtol=1e-6)


def test_where_all_steps_are_run_their_columns_have_the_values():
    pipeline = make_pipeline(SimpleImputer(), PCA(2), model()).fit(ARRAY, Y)
    fast = TensorizedEstimator(pipeline)
    inside = TensorizedEstimator(pipeline[-1])
    assert fast.shap_values(ARRAY[:5]).tobytes() == inside.shap_values(pipeline[:-1].transform(ARRAY[:5])).tobytes()
    pytest.importorskip("shap")
    assert fast.explain(ARRAY[:5]).feature_names == ["pca0", "pca1"]


def test_rows_that_the_steps_refuse_raise_their_error():
    strict = ColumnTransformer([("texts", OneHotEncoder(), ["job", "town"])], remainder="passthrough")
    pipeline = Pipeline([("encode", strict), ("model", model())]).fit(FRAME, Y)
    with pytest.raises(ValueError, match="Found unknown categories"):
        TensorizedEstimator(pipeline).shap_values(FRAME[:3].assign(job="pilot"))


def test_a_base_margin_of_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), model()).fit(ARRAY, Y)
    fast = TensorizedEstimator(pipeline)
    margin = np.arange(5.0)
    plain, moved = fast.contributions(ARRAY[:5]), fast.contributions(ARRAY[:5], base_margin=margin)
    base_score = extract_forest(pipeline[-1]).trees.base[0]
    np.testing.assert_allclose(moved[:, -1] - margin, plain[:, -1] - base_score, rtol=1e-5)


def test_saved_pipelines_explain(tmp_path):
    pytest.importorskip("safetensors")
    pipeline = Pipeline([("encode", encoded()), ("model", model())])
    fast = TensorizedEstimator(pipeline).fit(FRAME, Y)
    sktensor.save(fast, tmp_path / "pipeline.safetensors")
    loaded = sktensor.load(tmp_path / "pipeline.safetensors")
    assert loaded.shap_values(FRAME[:9]).tobytes() == fast.shap_values(FRAME[:9]).tobytes()
    assert loaded.contributions(FRAME[:9]).dtype == np.float32
    with pytest.raises(UnsupportedModelError, match=r"sktensor\.save has kept"):
        loaded.shap_values(FRAME[["age", "pay"]].to_numpy())


def test_a_pipeline_without_steps_hands_rows_on():
    pipeline = Pipeline([("nothing", "passthrough"), ("model", model())]).fit(ARRAY, Y)
    inside = TensorizedEstimator(pipeline[-1])
    assert TensorizedEstimator(pipeline).shap_values(ARRAY).tobytes() == inside.shap_values(ARRAY).tobytes()
