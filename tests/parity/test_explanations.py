"""SHAP values of every extractor's models: exact, adding up to raw scores, and what the libraries give themselves.

Our values are held against exact rationals; the libraries' against ours, within what their own arithmetic loses.
"""

from __future__ import annotations

import catboost
import exact_shap
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from exact_shap import as_floats, leaf_magnitude
from explained_models import (
    ARRAYS,
    CLASSES,
    FRAME,
    FRAMES,
    MISSING,
    TEXTS,
    Y_FRAME,
    X,
    Y,
    cat,
    lgb,
    of_texts,
    xgb,
)
from sklearn import ensemble

from sktensor import TensorizedEstimator, UnsupportedModelError
from sktensor.explain.players import players_of_columns
from sktensor.inputs.reading import read

# What the libraries' own arithmetic loses, of the largest absolute value of the answer. XGBoost's is of float32, and
# multiplies and divides by a cover share at every node; the others' is of float64, but for shap's code for
# interventional values.
LOST = {"xgboost": 2e-6, "lightgbm": 1e-13, "catboost": 1e-13, "shap": 1e-12, "interventional": 1e-6}

# Models that take no missing values.
COMPLETE = ("catboost_lossguide", "catboost_depthwise")


def rows_of(name, n=6):
    model = ARRAYS[name]()
    takes_missing = TensorizedEstimator(model).__sktensor_forest__().inputs.accepts_nan and name not in COMPLETE
    return model, (MISSING if takes_missing else X)[:n]


def library(name):
    return name.partition("_")[0]


def seen_by_trees(wrapped, rows):
    """The columns that the trees of a model look at."""
    fitted = wrapped._current()
    program = fitted.program
    allow_nan = program.forest.inputs.accepts_nan
    read_rows = read(rows, program.forest, program.names, fitted.columns, allow_nan=allow_nan)
    return read_rows.array(0, len(rows), program.forest)


def shaped(values):
    """As shap_values gives them: without an axis for a single output."""
    return values[..., 0] if values.shape[-1] == 1 else values


def with_base(values, base, layout="by_output"):
    """As contributions gives them."""
    both = np.concatenate([values, np.broadcast_to(base, (len(values), 1, len(base)))], 1).transpose(0, 2, 1)
    return both[:, 0] if both.shape[1] == 1 else both.reshape(len(both), -1) if layout == "flat" else both


# --- exact rationals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARRAYS)
def test_values_are_exact(name):
    model, rows = rows_of(name)
    wrapped = TensorizedEstimator(model)
    forest = wrapped._compiled().forest
    expected = shaped(as_floats(exact_shap.path_dependent(forest, rows)))
    found = wrapped.shap_values(rows)
    assert found.dtype == np.float64 and found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-14 * leaf_magnitude(forest)


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("name", ARRAYS)
def test_base_value_and_values_add_up_to_the_raw_score(name, backend):
    model, rows = rows_of(name, 20)
    wrapped = TensorizedEstimator(model, backend=backend)
    forest = wrapped._compiled().forest
    values = wrapped.shap_values(rows).reshape(len(rows), forest.n_features, -1)
    total = as_floats(exact_shap.base_values(forest)) + values.sum(1)
    exact = as_floats(exact_shap.raw_sums(forest, rows))
    assert np.abs(total - exact).max() <= 1e-13 * max(leaf_magnitude(forest), np.abs(exact).max())
    raw = wrapped.predict_raw(rows)
    raw = np.concatenate(raw, 1) if isinstance(raw, list) else np.asarray(raw).reshape(exact.shape)
    close = 1e-5 if forest.trees.acc_dtype == "float32" else 1e-12
    np.testing.assert_allclose(total, raw, rtol=close, atol=close)


@pytest.mark.parametrize("name", ARRAYS)
def test_interactions_are_exact(name):
    model, rows = rows_of(name, 3)
    wrapped = TensorizedEstimator(model)
    forest = wrapped._compiled().forest
    expected = shaped(as_floats(exact_shap.interactions(forest, rows)))
    found = wrapped.shap_values(rows, interactions=True)
    assert found.dtype == np.float64 and found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-14 * leaf_magnitude(forest)


@pytest.mark.parametrize("name", ARRAYS)
def test_interventional_values_are_exact(name):
    model, rows = rows_of(name, 9)
    rows, background = rows[:3], rows[3:]
    wrapped = TensorizedEstimator(model)
    forest = wrapped._compiled().forest
    expected = shaped(as_floats(exact_shap.interventional(forest, rows, background)))
    found = wrapped.shap_values(rows, background=background)
    assert found.dtype == np.float64 and found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-14 * leaf_magnitude(forest)


@pytest.mark.parametrize("name", FRAMES)
def test_values_of_categories_are_exact(name):
    fit, frame = FRAMES[name]
    wrapped, rows = TensorizedEstimator(fit()), frame[:6]
    forest = wrapped._compiled().forest
    players = players_of_columns(forest)
    of_trees = exact_shap.path_dependent(forest, seen_by_trees(wrapped, rows), players.of_column, players.n_players)
    expected = shaped(as_floats(of_trees))
    parts = np.zeros((len(rows), forest.n_features))
    for player, inputs in enumerate(players.inputs):
        for column in inputs:
            parts[:, column] += expected[:, player] / len(inputs)
    assert np.abs(wrapped.shap_values(rows) - parts).max() <= 1e-14 * leaf_magnitude(forest)


# --- the libraries' own ---------------------------------------------------------------------------------------------


def own_contributions(name, model, rows):
    """What the library gives itself, or None where it gives nothing."""
    if library(name) == "xgboost":
        if name == "xgboost_vector_leaves":
            return None  # "Predict contribution support for multi-target tree is not yet implemented"
        booster = model if isinstance(model, xgboost.Booster) else model.get_booster()
        return booster.predict(xgboost.DMatrix(rows), pred_contribs=True)
    if library(name) == "lightgbm":
        return model.predict(rows, pred_contrib=True)
    return model.get_feature_importance(catboost.Pool(rows), type="ShapValues")


LIBRARIES = [name for name in ARRAYS if library(name) in ("xgboost", "lightgbm", "catboost")]


@pytest.mark.parametrize("name", LIBRARIES)
def test_contributions_are_the_librarys_in_layout_and_dtype(name):
    model, rows = rows_of(name, 50)
    expected = own_contributions(name, model, rows)
    if expected is None:
        pytest.skip("the library has none")
    found = TensorizedEstimator(model).contributions(rows)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert np.abs(found - expected).max() <= LOST[library(name)] * np.abs(expected).max()


@pytest.mark.parametrize("name", [name for name in LIBRARIES if library(name) == "xgboost"])
def test_interactions_are_xgboosts(name):
    model, rows = rows_of(name, 20)
    if name == "xgboost_vector_leaves":
        pytest.skip("the library has none")
    booster = model if isinstance(model, xgboost.Booster) else model.get_booster()
    theirs = booster.predict(xgboost.DMatrix(rows), pred_interactions=True)
    theirs = theirs[..., :-1, :-1] if theirs.ndim == 3 else np.moveaxis(theirs[..., :-1, :-1], 1, -1)
    ours = TensorizedEstimator(model).shap_values(rows, interactions=True)
    # The diagonal is a difference of values by two ways, of which both have lost some.
    assert np.abs(ours - theirs).max() <= 10 * LOST["xgboost"] * max(np.abs(theirs).max(), 1e-3)


@pytest.mark.parametrize(
    "name", ["catboost", "catboost_two_classes", "catboost_three_classes", "catboost_empty_leaves"]
)
def test_interactions_are_catboosts(name):
    model, rows = rows_of(name, 20)
    theirs = model.get_feature_importance(catboost.Pool(rows), type="ShapInteractionValues")
    theirs = theirs[..., :-1, :-1] if theirs.ndim == 3 else np.moveaxis(theirs[..., :-1, :-1], 1, -1)
    ours = TensorizedEstimator(model).shap_values(rows, interactions=True)
    assert np.abs(ours - theirs).max() <= LOST["catboost"] * np.abs(theirs).max()


@pytest.mark.parametrize("name", FRAMES)
def test_contributions_of_categories_are_the_librarys(name):
    fit, frame = FRAMES[name]
    model, rows = fit(), frame[:50]
    if library(name) == "hist":
        pytest.skip("the library has none")
    if library(name) == "xgboost":
        rows_there = xgboost.DMatrix(rows, enable_categorical=True)
        theirs = model.get_booster().predict(rows_there, pred_contribs=True)
    elif library(name) == "lightgbm":
        theirs = model.predict(rows, pred_contrib=True)
    else:
        theirs = model.get_feature_importance(catboost.Pool(rows, cat_features=["a", "b", "c"]), type="ShapValues")
    found = TensorizedEstimator(model).contributions(rows)
    assert (found.dtype, found.shape) == (theirs.dtype, theirs.shape)
    assert np.abs(found - theirs).max() <= LOST[library(name)] * np.abs(theirs).max()


def test_catboosts_values_of_missing_numbers_in_trees_that_are_not_symmetric_do_not_add_up():
    """Why these are not compared above: ours do."""
    model = cat(grow_policy="Lossguide", depth=4)
    theirs = model.get_feature_importance(catboost.Pool(MISSING), type="ShapValues")
    ours = TensorizedEstimator(model).contributions(MISSING)
    assert np.abs(ours.sum(1) - model.predict(MISSING)).max() < 1e-12
    assert np.abs(theirs.sum(1) - model.predict(MISSING)).max() > 1e-3


SCIKIT_LEARN = [
    "tree", "tree_of_classes", "random_forest", "extra_trees", "gradient_boosting", "hist_gradient_boosting",
]  # fmt: skip


@pytest.mark.parametrize("name", SCIKIT_LEARN)
def test_values_are_those_of_shap(name):
    shap = pytest.importorskip("shap")
    model, rows = ARRAYS[name](), X[:20]  # whose own treatment of missing values in scikit-learn's trees is another
    explainer = shap.TreeExplainer(model)
    theirs = np.asarray(explainer.shap_values(rows, check_additivity=False))
    ours = TensorizedEstimator(model).shap_values(rows)
    # Its trees are of float64, but take rows of float32 for scikit-learn's.
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= LOST["shap"] * np.abs(theirs).max()
    base = np.atleast_1d(explainer.expected_value)
    contributions = TensorizedEstimator(model).contributions(rows).reshape(len(rows), -1, rows.shape[1] + 1)
    np.testing.assert_allclose(contributions[0, :, -1], base, rtol=1e-12)


@pytest.mark.parametrize("name", ["random_forest", "gradient_boosting", "hist_gradient_boosting"])
def test_interventional_values_are_those_of_shap(name):
    shap = pytest.importorskip("shap")
    model, rows, background = ARRAYS[name](), X[:10], X[20:60]
    explainer = shap.TreeExplainer(model, background, feature_perturbation="interventional")
    theirs = np.asarray(explainer.shap_values(rows, check_additivity=False))
    ours = TensorizedEstimator(model).shap_values(rows, background=background)
    assert np.abs(ours - theirs).max() <= LOST["interventional"] * np.abs(theirs).max()


# --- rounds, margins, containers --------------------------------------------------------------------------------------


def test_rounds_behind_the_best_one_count_for_nothing():
    fitted = {"eval_set": [(X[100:], Y[100:])]}
    model = xgboost.XGBRegressor(n_estimators=60, max_depth=3, learning_rate=1.0, early_stopping_rounds=2, n_jobs=1)
    model.fit(X[:100], Y[:100], **fitted, verbose=False)
    last = model.best_iteration + 1
    assert last < model.get_booster().num_boosted_rounds()
    theirs = model.get_booster().predict(xgboost.DMatrix(X), pred_contribs=True, iteration_range=(0, last))
    assert np.abs(TensorizedEstimator(model).contributions(X) - theirs).max() <= LOST["xgboost"] * np.abs(theirs).max()

    model = lightgbm.LGBMRegressor(n_estimators=60, learning_rate=1.0, min_child_samples=5, verbose=-1, n_jobs=1)
    model.fit(X[:100], Y[:100], **fitted, callbacks=[lightgbm.early_stopping(2, verbose=False)])
    theirs = model.predict(X, pred_contrib=True)
    assert np.abs(TensorizedEstimator(model).contributions(X) - theirs).max() <= 1e-13 * np.abs(theirs).max()


@pytest.mark.parametrize("name", ["xgboost", "xgboost_three_classes"])
def test_a_base_margin_takes_the_place_of_the_base_score(name):
    model, rows = rows_of(name, 20)
    n_outputs = 3 if name.endswith("classes") else 1
    margin = np.random.default_rng(1).normal(size=(20, n_outputs)).astype(np.float32)
    given = margin if n_outputs > 1 else margin[:, 0]
    data = xgboost.DMatrix(rows, base_margin=given)
    theirs = model.get_booster().predict(data, pred_contribs=True)
    ours = TensorizedEstimator(model).contributions(rows, base_margin=given)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert np.abs(ours - theirs).max() <= LOST["xgboost"] * np.abs(theirs).max()


def test_a_base_margin_is_refused_where_the_model_takes_none():
    with pytest.raises(TypeError, match="takes no base_margin"):
        TensorizedEstimator(lgb()).contributions(X, base_margin=np.zeros(len(X)))


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_every_container_gives_the_same_values():
    import polars
    import scipy.sparse
    import torch

    wrapped = TensorizedEstimator(xgb())
    expected = wrapped.shap_values(MISSING)
    frame = pd.DataFrame(MISSING)
    for rows in (
        MISSING.tolist(),
        np.asfortranarray(MISSING),
        frame,
        polars.DataFrame(MISSING),
        torch.from_numpy(MISSING),
    ):
        found = wrapped.shap_values(rows)
        assert isinstance(found, np.ndarray) and found.tobytes() == expected.tobytes()
    rounded = np.round(X)
    sparse = scipy.sparse.csr_matrix(rounded)
    absent = np.where(rounded == 0, np.nan, rounded)  # to XGBoost
    assert wrapped.shap_values(sparse).tobytes() == wrapped.shap_values(absent).tobytes()
    assert wrapped.shap_values(MISSING.astype(np.float32)).tobytes() == expected.tobytes()


def test_threads_and_batches_do_not_change_a_bit():
    wrapped = TensorizedEstimator(lgb(n_estimators=30, num_leaves=31))
    expected = wrapped.shap_values(MISSING)
    assert expected.tobytes() == wrapped.set_params(n_jobs=2).shap_values(MISSING).tobytes()
    alone = np.concatenate([wrapped.shap_values(MISSING[i : i + 1]) for i in range(len(MISSING))])
    assert expected.tobytes() == alone.tobytes()


def test_no_rows_give_no_values_where_the_library_predicts_none():
    found = TensorizedEstimator(ensemble.HistGradientBoostingRegressor(max_iter=2).fit(X, Y))
    with pytest.raises(ValueError, match="0 sample"):
        found.shap_values(X[:0])
    model = xgb()
    assert TensorizedEstimator(model).shap_values(X[:0]).shape == (0, 4)
    theirs = model.get_booster().predict(xgboost.DMatrix(X[:0]), pred_contribs=True)
    ours = TensorizedEstimator(model).contributions(X[:0])
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape) == (np.float32, (0,))


# --- refusals -------------------------------------------------------------------------------------------------------


def test_linear_leaves_are_refused_by_name():
    wrapped = TensorizedEstimator(lgb(X=X, linear_tree=True))
    for ask in (wrapped.shap_values, wrapped.contributions):
        with pytest.raises(UnsupportedModelError, match="no SHAP values of this LGBMRegressor: its leaves are linear"):
            ask(X)
    with pytest.raises(UnsupportedModelError, match="its leaves are linear"):
        wrapped.shap_values(X, background=X[:5])


def test_medians_are_refused_by_name():
    wrapped = TensorizedEstimator(ensemble.AdaBoostRegressor(n_estimators=3).fit(X, Y))
    with pytest.raises(UnsupportedModelError, match=r"AdaBoostRegressor: its raw scores are no sum.*weighted_median"):
        wrapped.shap_values(X)


def test_leaves_that_are_the_answer_are_refused_by_name():
    wrapped = TensorizedEstimator(ensemble.RandomTreesEmbedding(3).fit(X))
    with pytest.raises(UnsupportedModelError, match="RandomTreesEmbedding: its raw scores are no sum"):
        wrapped.shap_values(X)


def test_interactions_with_a_background_are_refused():
    with pytest.raises(NotImplementedError, match="interactions=True with a background"):
        TensorizedEstimator(xgb()).shap_values(X, background=X[:5], interactions=True)


def test_interactions_of_statistics_of_several_columns_are_refused():
    wrapped = TensorizedEstimator(of_texts(one_hot_max_size=2, max_ctr_complexity=3))
    assert players_of_columns(wrapped._compiled().forest).shares
    with pytest.raises(UnsupportedModelError, match="max_ctr_complexity=1"):
        wrapped.shap_values(TEXTS, interactions=True)
    assert wrapped.shap_values(TEXTS).shape == TEXTS.shape


def test_a_background_without_rows_is_refused():
    with pytest.raises(ValueError, match="background has no rows"):
        TensorizedEstimator(xgb()).shap_values(X, background=X[:0])


def test_a_background_of_another_width_is_refused():
    with pytest.raises(ValueError, match="3"):
        TensorizedEstimator(xgb()).shap_values(X, background=X[:, :3])


def test_arguments_of_the_libraries_say_what_there_is_instead():
    with pytest.raises(TypeError, match=r"contributions\(X\)"):
        TensorizedEstimator(lgb()).predict(X, pred_contrib=True)
    with pytest.raises(TypeError, match="interactions=True"):
        TensorizedEstimator(xgb()).predict(X, pred_interactions=True)


# --- plots ----------------------------------------------------------------------------------------------------------


def test_explanations_have_what_plots_need():
    pytest.importorskip("shap")
    wrapped = TensorizedEstimator(lgb(X=FRAME, y=Y_FRAME))
    found = wrapped.explain(FRAME[:5])
    assert found.values.tobytes() == wrapped.shap_values(FRAME[:5]).tobytes()
    assert found.base_values.shape == (5,) and found.feature_names == list(FRAME.columns)
    assert found.data.tolist() == FRAME[:5].to_numpy().tolist()

    several = TensorizedEstimator(xgb(xgboost.XGBClassifier, CLASSES)).explain(X[:5])
    assert several.values.shape == (5, 4, 3) and several.base_values.shape == (5, 3)
    assert several.output_names == ["0", "1", "2"]


@pytest.mark.filterwarnings("ignore")  # shap's own, about numpy and matplotlib
def test_plots_of_shap_take_explanations(monkeypatch):
    shap = pytest.importorskip("shap")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot

    found = TensorizedEstimator(lgb(X=FRAME.drop(columns=["a", "b", "c"]).assign(z=X[:, 0]), y=Y)).explain(
        FRAME[["x"]].assign(z=X[:, 0])
    )
    for draw in (lambda: shap.plots.waterfall(found[0], show=False), lambda: shap.plots.bar(found, show=False)):
        draw()
        pyplot.close("all")
    shap.plots.beeswarm(found, show=False)
    pyplot.close("all")


def test_without_shap_an_error_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(ImportError, match="pip install shap"):
        TensorizedEstimator(xgb()).explain(X)


def test_rows_of_an_explanation_stand_in_the_order_of_the_model():
    pytest.importorskip("shap")
    model = of_texts()
    wrapped = TensorizedEstimator(model)
    shuffled = TEXTS[["c", "x", "a", "b"]].assign(more=1.0)  # CatBoost goes by names
    found = wrapped.explain(shuffled[:5])
    assert found.feature_names == list(TEXTS.columns)
    assert found.data.tolist() == TEXTS[:5].to_numpy().tolist()
    assert found.values.tobytes() == wrapped.explain(TEXTS[:5]).values.tobytes()
