"""Which extractor a model finds: its own, a registered one, a built-in one, an announced one; never a wrong one."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import numpy as np
import pytest

from sktensor import Forest, UnsupportedModelError, extract_forest, register_extractor, registry
from sktensor.registry import Extractor, find_extractor


class Constant:
    """An extractor that ignores the model: its forest answers one number, which tells who was asked."""

    def __init__(self, value):
        self.value = value

    def extract(self, model):
        return Forest.from_trees([{"value": self.value}], n_features=1)


@pytest.fixture(autouse=True)
def announce(monkeypatch):
    """A registry of this test's own; call the fixture to announce extractors as installed packages would."""
    monkeypatch.setattr(registry, "_registered", {})
    points = []
    scans = []

    def entry_points(*, group):
        scans.append(group)
        return points if group == "sktensor.extractors" else []

    def add(name, extractor):
        points.append(SimpleNamespace(name=name, load=lambda: extractor))
        registry._entry_points.cache_clear()

    monkeypatch.setattr(registry, "metadata", SimpleNamespace(entry_points=entry_points))
    registry._entry_points.cache_clear()
    add.scans = scans
    yield add
    registry._entry_points.cache_clear()


def model_of(module, *bases, **members):
    """An instance of a new class that seems to come from `module`."""
    return type("Model", bases, {"__module__": module, **members})()


def asked(model):
    """Whose answer the model's forest holds."""
    return extract_forest(model).trees.leaf_value.item()


# ---------------------------------------------------------------------------- precedence


def test_a_model_may_bring_its_own_forest():
    forest = Constant(7.0).extract(None)
    model = model_of("otherlib", __sktensor_forest__=lambda self: forest)
    assert extract_forest(model) is forest


def test_its_own_forest_comes_before_a_registered_extractor():
    register_extractor("otherlib", Constant(1.0))
    assert asked(model_of("otherlib", __sktensor_forest__=lambda self: Constant(7.0).extract(self))) == 7.0


def test_a_registered_extractor_serves_every_module_of_its_package():
    register_extractor("otherlib", Constant(1.0))
    assert asked(model_of("otherlib")) == 1.0
    assert asked(model_of("otherlib.models.trees")) == 1.0


def test_a_package_is_not_mistaken_for_one_whose_name_it_begins_with():
    register_extractor("other", Constant(1.0))
    with pytest.raises(UnsupportedModelError):
        extract_forest(model_of("otherlib.models"))


def test_registering_again_replaces():
    register_extractor("otherlib", Constant(1.0))
    register_extractor("otherlib", Constant(2.0))
    assert asked(model_of("otherlib")) == 2.0


@pytest.mark.parametrize("package", sorted(registry.BUILT_IN))
def test_a_registered_extractor_comes_before_a_built_in_one(package):
    register_extractor(package, Constant(1.0))
    assert asked(model_of(f"{package}.core")) == 1.0


def test_a_built_in_extractor_comes_before_an_announced_one(announce):
    announce("sklearn", Constant(3.0))
    assert find_extractor(model_of("sklearn.tree")) is importlib.import_module("sktensor.extractors.sklearn")


def test_a_registered_extractor_comes_before_an_announced_one(announce):
    announce("otherlib", Constant(3.0))
    register_extractor("otherlib", Constant(1.0))
    assert asked(model_of("otherlib")) == 1.0


def test_an_announced_extractor_is_found_and_loaded(announce):
    announce("otherlib", Constant(3.0))
    assert asked(model_of("otherlib.models")) == 3.0


def test_installed_packages_are_scanned_once(announce):
    announce("otherlib", Constant(3.0))
    for _ in range(3):
        asked(model_of("otherlib"))
    assert announce.scans == ["sktensor.extractors"]


def test_the_nearest_class_of_the_mro_decides(announce):
    announce("nearlib", Constant(3.0))
    register_extractor("farlib", Constant(1.0))
    far = type(model_of("farlib.core"))
    assert asked(model_of("nearlib", far)) == 3.0
    assert asked(model_of("unknownlib", far)) == 1.0


# ---------------------------------------------------------------------------- along the MRO


@pytest.mark.parametrize("package", ["xgboost", "lightgbm", "sklearn"])
def test_subclasses_resolve_to_the_library_of_their_base(package):
    library = pytest.importorskip(package)
    base = {
        "xgboost": lambda: library.XGBClassifier,
        "lightgbm": lambda: library.LGBMClassifier,
        "sklearn": lambda: importlib.import_module("sklearn.ensemble").RandomForestClassifier,
    }[package]()
    expected = importlib.import_module(f"sktensor.extractors.{package}")
    assert find_extractor(model_of("mycompany.models", base)) is expected
    assert find_extractor(model_of("__main__", type(model_of("mycompany.models", base)))) is expected


def test_a_subclass_of_a_librarys_model_gives_that_models_forest():
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    base, sub = (
        cls(n_estimators=3, max_depth=2, n_jobs=1).fit(X, y)
        for cls in (xgboost.XGBRegressor, type("Mine", (xgboost.XGBRegressor,), {"__module__": "mycompany"}))
    )
    a, b = extract_forest(base), extract_forest(sub)
    assert a.n_nodes > 0
    for field in ("feature", "threshold", "left", "leaf_value", "base"):
        assert getattr(a.trees, field).tobytes() == getattr(b.trees, field).tobytes()


def test_mix_ins_of_scikit_learn_do_not_make_a_model_one_of_scikit_learns():
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.metaestimators import _BaseComposition

    model = model_of("otherlib.models", ClassifierMixin, BaseEstimator)
    with pytest.raises(UnsupportedModelError, match=r"No extractor for otherlib\.models\.Model"):
        extract_forest(model)
    with pytest.raises(UnsupportedModelError, match=r"otherlib\.models\.Model"):
        extract_forest(model_of("otherlib.models", _BaseComposition, __init__=lambda self: None))
    register_extractor("otherlib", Constant(1.0))
    assert asked(model) == 1.0


# ---------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("model", [object(), 3, None, "model.json", np.zeros(3)])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(UnsupportedModelError, match=f"No extractor for .*{type(model).__name__}"):
        extract_forest(model)


def test_a_refusal_names_the_packages_that_are_known_and_the_ways_to_add_one(announce):
    announce("announcedlib", Constant(3.0))
    register_extractor("registeredlib", Constant(1.0))
    with pytest.raises(UnsupportedModelError) as error:
        extract_forest(model_of("otherlib"))
    assert all(
        name in str(error.value)
        for name in ("announcedlib, catboost", "lightgbm, ngboost", "registeredlib, sklearn", "xgboost")
    )
    assert "register_extractor" in str(error.value)
    assert "__sktensor_forest__" in str(error.value)


def test_an_extractor_must_return_a_forest():
    register_extractor("otherlib", SimpleNamespace(extract=lambda model: {"trees": []}))
    with pytest.raises(TypeError, match="returned dict for Model, not a Forest"):
        extract_forest(model_of("otherlib"))


def test_a_malformed_forest_does_not_leave_the_registry():
    broken = Constant(1.0).extract(None).replace(root=[0])
    for model in (model_of("a", __sktensor_forest__=lambda self: broken), model_of("otherlib")):
        register_extractor("otherlib", SimpleNamespace(extract=lambda model: broken))
        with pytest.raises(ValueError, match=r"Forest\.root: tree 0"):
            extract_forest(model)


def test_errors_of_an_extractor_reach_the_caller():
    def extract(model):
        raise UnsupportedModelError("no such booster")

    register_extractor("otherlib", SimpleNamespace(extract=extract))
    with pytest.raises(UnsupportedModelError, match="no such booster"):
        extract_forest(model_of("otherlib"))


@pytest.mark.parametrize("package", ["", "other.lib", None, 3])
def test_a_package_is_a_top_level_name(package):
    with pytest.raises(TypeError, match="top-level package"):
        register_extractor(package, Constant(1.0))


@pytest.mark.parametrize("extractor", [None, object(), SimpleNamespace(extract=3)])
def test_an_extractor_has_a_method_extract(extractor):
    with pytest.raises(TypeError, match=r"extract\(model\) -> Forest"):
        register_extractor("otherlib", extractor)


@pytest.mark.parametrize("package", ["xgboost", "lightgbm", "sklearn"])
def test_built_in_extractors_follow_the_protocol(package):
    pytest.importorskip(package)
    assert isinstance(importlib.import_module(registry.BUILT_IN[package]), Extractor)
