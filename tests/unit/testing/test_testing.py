"""Sound extractors pass the conformance kit, however they are registered."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from agreement import same_bits
from forests import random_forest, random_rows
from other_library import broken, data, fitted
from reference import reference_apply, reference_raw

from sktensor import TensorizedEstimator, register_extractor, registry
from sktensor.testing import assert_matches, check_extractor

pytestmark = pytest.mark.usefixtures("otherlib")


def announce(tmp_path):
    """Install the entry point, as a wheel of the package would."""
    info = tmp_path / "otherlib-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: otherlib\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sktensor.extractors]\notherlib = otherlib.plugin\n")
    importlib.invalidate_caches()
    registry._entry_points.cache_clear()


KINDS = ("regressor", "binary", "multiclass")


@pytest.mark.parametrize("kind", KINDS)
def test_a_registered_extractor_conforms(otherlib, plugin, kind):
    model, X = fitted(otherlib, kind)
    register_extractor("otherlib", plugin)
    check_extractor(model, X)
    fast = TensorizedEstimator(model)
    same_bits(fast.predict_raw(X), plugin.predict_raw(model, X))
    same_bits(fast.apply(X), model.leaf_numbers(X))
    same_bits(fast.predict(X), model.predict(X))


@pytest.mark.parametrize("kind", KINDS)
def test_an_announced_extractor_conforms(otherlib, tmp_path, kind):
    model, X = fitted(otherlib, kind)
    announce(tmp_path)
    check_extractor(model, X)
    same_bits(TensorizedEstimator(model).predict(X), model.predict(X))


def test_a_model_that_brings_its_own_forest_conforms(otherlib):
    X, _ = data()
    model = otherlib.SelfDescribing().fit(X)
    check_extractor(model, X)
    same_bits(TensorizedEstimator(model).predict(X), model.predict(X))


def test_an_extractor_can_be_checked_before_it_is_registered(otherlib, plugin):
    model, X = fitted(otherlib, "multiclass")
    check_extractor(model, X, extractor=plugin)
    assert_matches(model, X, extractor=plugin)
    with pytest.raises(ValueError, match="No extractor for otherlib"):
        check_extractor(model, X)


def test_a_model_without_fit_is_held_against_what_the_extractor_says(otherlib, plugin):
    model, X = fitted(otherlib, "regressor")
    booster = SimpleNamespace(model=model, predict=lambda X: pytest.fail("a booster's methods are its own affair"))
    wired = SimpleNamespace(
        extract=lambda b: plugin.extract(b.model), predict_raw=lambda b, X: plugin.predict_raw(b.model, X)
    )
    check_extractor(booster, X, extractor=wired)
    model.start_ = model.start_ + 1
    forest = plugin.extract(model)
    model.start_ = model.start_ - 1
    with pytest.raises(AssertionError, match=r"Forest\.base"):
        check_extractor(booster, X, extractor=SimpleNamespace(extract=lambda b: forest, predict_raw=wired.predict_raw))
    with pytest.raises(ValueError, match="nothing to hold the forest against"):
        check_extractor(booster, X, extractor=SimpleNamespace(extract=wired.extract))


@pytest.mark.parametrize(
    "name", ["RandomForestClassifier", "GradientBoostingClassifier", "HistGradientBoostingRegressor"]
)
def test_the_built_in_extractor_of_scikit_learn_conforms(name):
    from sklearn import ensemble

    X, y = data()
    X = np.nan_to_num(X)
    size = {"max_iter": 4} if name.startswith("Hist") else {"n_estimators": 4}
    check_extractor(getattr(ensemble, name)(**size, random_state=0).fit(X, y if "Class" in name else X[:, 0]), X)


@pytest.mark.parametrize("targets", [1, 2])
def test_the_built_in_extractor_of_several_targets_conforms(targets):
    from sklearn.ensemble import RandomForestClassifier

    X, y = data()
    Y = np.stack([y, y == "up"], axis=1)[:, :targets]
    check_extractor(RandomForestClassifier(n_estimators=3, random_state=0).fit(X, Y.squeeze()), X)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_the_built_in_extractors_of_boosting_libraries_conform(library):
    module = pytest.importorskip(library)
    name = {"xgboost": "XGBClassifier", "lightgbm": "LGBMClassifier"}[library]
    quiet = {"lightgbm": {"verbose": -1, "min_child_samples": 2}}.get(library, {})
    X, y = data()
    check_extractor(getattr(module, name)(n_estimators=4, n_jobs=1, **quiet).fit(X, (y == "up").astype(int)), X)


@pytest.mark.parametrize("seed", range(6))
def test_a_forest_of_any_kind_conforms_to_what_it_says(seed):
    """Held against the evaluator that goes from node to node, in place of a library."""
    rng = np.random.default_rng(seed)
    kinds = ("categorical", "zero_dir", "flush_tiny", "ints_as_float32", "vector")
    options = {name: bool(rng.random() < 0.5) for name in kinds}
    options["feature_dtype"] = ("float32", "float64")[seed % 2]
    options["missing_value"] = (None, -999.0, 0.0)[seed % 3]
    forest = random_forest(rng, n_outputs=1 + seed % 3, linear=not options["vector"], **options)
    extractor = SimpleNamespace(
        extract=lambda _: forest,
        predict_raw=lambda _, X: reference_raw(forest, X).reshape(len(X), *forest.outputs.raw_shape),
        predict_leaves=lambda _, X: reference_apply(forest, X),
    )
    check_extractor(SimpleNamespace(), random_rows(forest, rng, 40), extractor=extractor)
    other = forest.replace(cmp="lt" if forest.trees.cmp == "le" else "le")
    wrong = SimpleNamespace(**{**vars(extractor), "extract": lambda _: other})
    with pytest.raises(AssertionError, match=r"At fault: the comparison \(Forest\.cmp\)"):
        check_extractor(SimpleNamespace(), random_rows(forest, rng, 40), extractor=wrong)


def test_the_number_of_columns_is_the_rows(otherlib, plugin):
    model, X = fitted(otherlib, "regressor")
    with pytest.raises(AssertionError, match=r"X has 4 columns, the forest 5.*Forest\.n_features"):
        check_extractor(model, X, extractor=broken(plugin, n_features=5))


@pytest.mark.parametrize("X", [np.zeros(4), np.array([["a"]]), [[1j]]])
def test_rows_are_numbers_in_two_dimensions(otherlib, plugin, X):
    model, _ = fitted(otherlib, "regressor")
    with pytest.raises(ValueError, match="X must be a two-dimensional array of numbers"):
        check_extractor(model, X, extractor=plugin)


def test_nothing_is_registered_or_left_behind_by_a_check(otherlib, plugin):
    model, X = fitted(otherlib, "binary")
    before, errors, rows = pickle.dumps(model), np.geterr(), X.copy()
    check_extractor(model, X, extractor=plugin)
    assert pickle.dumps(model) == before
    assert np.geterr() == errors
    assert registry._registered == {}
    same_bits(X, rows)
