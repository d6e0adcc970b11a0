"""The conformance kit lets sound extractors through, by every public door, and names what is wrong with broken ones."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from agreement import same_bits
from forests import random_forest, random_rows
from reference import reference_apply, reference_raw

from sktensor import TensorizedEstimator, register_extractor, registry, strategies, tensorize
from sktensor.registry import find_extractor
from sktensor.runtime.program import Program
from sktensor.strategies import register_strategy, tree_traversal
from sktensor.testing import assert_matches, check_extractor
from sktensor.testing.answers import METHODS

# A library like any other: it knows nothing of sktensor, and computes in a way of its own.
MODELS = '''
import ctypes
import ctypes.util

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

expf = ctypes.CDLL(ctypes.util.find_library("m")).expf
expf.argtypes, expf.restype = [ctypes.c_float], ctypes.c_float


class Trees(BaseEstimator):
    """Sums of trees in float32: x < threshold goes left, a missing value to the node's own side."""

    def __init__(self, n_rounds=6, depth=3):
        self.n_rounds = n_rounds
        self.depth = depth

    def _grow(self, X, n_outputs):
        rng = np.random.default_rng(7)
        X = np.nan_to_num(np.asarray(X, dtype=np.float32))

        def tree(depth):
            if depth == 0:
                return np.float32(rng.normal())
            column = rng.integers(X.shape[1])
            return column, rng.choice(X[:, column]), rng.random() < 0.5, tree(depth - 1), tree(depth - 1)

        self.trees_ = [tree(self.depth) for _ in range(self.n_rounds * n_outputs)]
        self.start_ = rng.normal(size=n_outputs).astype(np.float32)
        self.n_features_in_ = X.shape[1]
        return self

    def _walk(self, X, tree):
        """Each row's value and leaf; leaves are counted from 10 on, from right to left."""
        value, number = np.empty(len(X), dtype=np.float32), np.empty(len(X), dtype=np.int64)
        count = 10
        stack = [(tree, np.arange(len(X)))]
        while stack:
            node, rows = stack.pop()
            if isinstance(node, np.float32):
                value[rows], number[rows] = node, count
                count += 1
                continue
            column, threshold, missing_left, left, right = node
            x = X[rows, column]
            goes = np.where(np.isnan(x), missing_left, x < threshold)
            stack += [(left, rows[goes]), (right, rows[~goes])]
        return value, number

    def margins(self, X):
        X = np.asarray(X).astype(np.float32)
        out = np.repeat(self.start_[None], len(X), axis=0)
        for number, tree in enumerate(self.trees_):
            out[:, number % len(self.start_)] += self._walk(X, tree)[0]
        return out

    def leaf_numbers(self, X):
        X = np.asarray(X).astype(np.float32)
        return np.stack([self._walk(X, tree)[1] for tree in self.trees_], axis=1)


class Regressor(RegressorMixin, Trees):
    def fit(self, X, y=None):
        return self._grow(X, 1)

    def predict(self, X):
        return self.margins(X)[:, 0]


class Classifier(ClassifierMixin, Trees):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self._grow(X, 1 if len(self.classes_) == 2 else len(self.classes_))

    def decision_function(self, X):
        margins = self.margins(X)
        return margins[:, 0] if margins.shape[1] == 1 else margins

    def predict_proba(self, X):
        margins = self.margins(X)
        if margins.shape[1] == 1:
            positive = expit(margins[:, 0])
            return np.stack([1 - positive, positive], axis=1)
        shifted = margins - margins.max(axis=1, keepdims=True)
        e = np.array([expf(x) for x in shifted.ravel()], dtype=np.float32).reshape(shifted.shape)
        return e / e.astype(np.float64).cumsum(axis=1)[:, -1:].astype(np.float32)

    def predict(self, X):
        margins = self.margins(X)
        return self.classes_[(margins[:, 0] > 0).astype(int) if margins.shape[1] == 1 else margins.argmax(axis=1)]


class SelfDescribing(Regressor):
    def __sktensor_forest__(self):
        from otherlib import plugin

        return plugin.extract(self)
'''

PLUGIN = """
import numpy as np

from sktensor import Forest


def extract(model):
    count = 0

    def nested(node):
        nonlocal count
        if isinstance(node, np.float32):
            count += 1
            return {"value": float(node), "leaf_id": 9 + count}
        column, threshold, missing_left, left, right = node
        split = {"feature": column, "threshold": threshold, "nan_left": missing_left}
        return split | {"right": nested(right), "left": nested(left)}  # leaves are counted from right to left

    trees = []
    for tree in model.trees_:
        count = 0
        trees.append(nested(tree))
    answers = {}
    if hasattr(model, "classes_"):
        binary = len(model.classes_) == 2
        answers = {
            "link": "sigmoid" if binary else "softmax",
            "proba": "complement" if binary else "values",
            "decision": "raw_positive" if binary else "raw_argmax",
            "classes": (model.classes_,),
        }
    return Forest.from_trees(
        trees,
        n_features=model.n_features_in_,
        n_outputs=len(model.start_),
        feature_dtype="float32",
        acc_dtype="float32",
        cmp="lt",
        base=model.start_,
        **answers,
    )


def predict_raw(model, X):
    margins = model.margins(X)
    return margins[:, 0] if margins.shape[1] == 1 else margins


def predict_leaves(model, X):
    return model.leaf_numbers(X)
"""


@pytest.fixture(autouse=True)
def otherlib(tmp_path, monkeypatch):
    """The package, importable, with metadata that announce nothing yet, and a registry of this test's own."""
    package = tmp_path / "otherlib"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(MODELS)
    (package / "plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_registered", {})
    registry._entry_points.cache_clear()
    yield importlib.import_module("otherlib.models")
    registry._entry_points.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "otherlib"]:
        del sys.modules[name]


@pytest.fixture
def plugin(otherlib):
    return importlib.import_module("otherlib.plugin")


def announce(tmp_path):
    """Install the entry point, as a wheel of the package would."""
    info = tmp_path / "otherlib-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: otherlib\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sktensor.extractors]\notherlib = otherlib.plugin\n")
    importlib.invalidate_caches()
    registry._entry_points.cache_clear()


def data(n=80):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, np.where(np.nan_to_num(X[:, 0]) > 0.3, "up", np.where(np.nan_to_num(X[:, 1]) > 0, "mid", "low"))


def fitted(otherlib, kind):
    X, y = data()
    if kind == "regressor":
        return otherlib.Regressor().fit(X), X
    return otherlib.Classifier().fit(X, y == "up" if kind == "binary" else y), X


KINDS = ("regressor", "binary", "multiclass")


# ---------------------------------------------------------------------------- the public doors


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


# ---------------------------------------------------------------------------- broken extractors, and what the kit says


def broken(plugin, *, asks=("predict_raw", "predict_leaves"), **changes):
    """The plug-in with some fields of its forests replaced; a function makes them from the forest."""

    def extract(model):
        forest = plugin.extract(model)
        return forest.replace(**{k: v(forest) if callable(v) else v for k, v in changes.items()})

    return SimpleNamespace(extract=extract, **{name: getattr(plugin, name) for name in asks})


def reversed_trees(forest):
    return forest.trees.root[::-1]


WRONG = [
    ("regressor", {"cmp": "le"}, r"the comparison \(Forest\.cmp\)"),
    ("regressor", {"nan_left": lambda f: ~f.trees.nan_left}, r"the missing side \(Forest\.nan_left\)"),
    ("regressor", {"nan_left": lambda f: np.zeros_like(f.trees.nan_left)}, r"the missing side \(Forest\.nan_left\)"),
    ("regressor", {"base": lambda f: 0 * f.trees.base}, r"the base score \(Forest\.base, bias\), to which \[-?\d"),
    ("multiclass", {"base": lambda f: 0 * f.trees.base}, r"the base score \(Forest\.base, bias\)"),
    ("regressor", {"root": reversed_trees}, r"the order of the trees \(Forest\.root\)"),
    ("binary", {"link": "identity"}, r"predict_proba .*the link \(Forest\.link\): with link='sigmoid'"),
    ("binary", {"link_param": 2.0}, r"predict_proba .*the link \(Forest\.link_param\): with link_param=1\.0"),
    ("binary", {"link": "exp"}, r"predict_proba .*the link \(Forest\.link\): with link='sigmoid'"),
    ("regressor", {"link": "log1p_exp"}, r"predict .*the link \(Forest\.link\): with link='identity'"),
    ("multiclass", {"link": "sigmoid"}, r"the link \(Forest\.link\): with link='softmax'"),
    ("binary", {"decision": "half", "link": "identity"}, r"Forest\.link"),
    (
        "multiclass",
        {"classes": lambda f: (f.outputs.classes[0][::-1],)},
        r"the order of the labels \(Forest\.classes\)",
    ),
    ("multiclass", {"classes": (np.array(["low", "mid", "xx"]),)}, r"the labels \(Forest\.classes\), which lack"),
    ("binary", {"classes": (np.array([0, 1]),)}, r"the dtype of labels \(Forest\.classes, label_dtype\)"),
    ("binary", {"decision_threshold": 0.4}, r"predict .*the decision \(Forest\.decision"),
    ("binary", {"proba": "none"}, r"has predict_proba, the forest gives none.*Forest\.proba"),
    ("binary", {"proba": "values"}, r"predict_proba .*shape.*Forest\.proba, output_slices"),
    ("regressor", {"leaf_id": lambda f: f.trees.leaf_id + 1}, r"the leaf numbers \(Forest\.leaf_id\)"),
    ("regressor", {"leaf_dtype": "int32"}, r"leaf numbers .*dtype int32.*Forest\.leaf_dtype"),
    ("multiclass", {"raw_shape": (3,), "leaf_shape": (3, 6)}, r"Forest\.leaf_shape"),
    ("regressor", {"raw_shape": (1,)}, r"raw scores .*shape.*Forest\.raw_shape"),
    ("regressor", {"value_shape": (1,)}, r"predict .*shape.*Forest\.value_shape"),
    ("regressor", {"acc_dtype": "float64"}, r"raw scores .*dtype float64.*Forest\.acc_dtype"),
    ("regressor", {"feature_dtype": "float64"}, r"what the cast to float32 rounds \(Forest\.threshold, feature_dtype"),
    (
        "regressor",
        {"threshold": lambda f: f.trees.threshold + np.float32(0.25)},
        r"the split \(Forest\.feature, threshold",
    ),
    (
        "regressor",
        {"threshold": lambda f: np.nextafter(f.trees.threshold, np.float32(9))},
        r"Forest\.threshold|Forest\.cmp",
    ),
    (
        "regressor",
        {"left": lambda f: f.trees.right, "right": lambda f: f.trees.left},
        r"Forest\.(feature|leaf_id|cmp|nan_left)",
    ),
    (
        "regressor",
        {"leaf_value": lambda f: f.trees.leaf_value * 2, "base": lambda f: f.trees.base * 2},
        r"a factor \(Forest\.div",
    ),
    (
        "regressor",
        {"leaf_value": lambda f: f.trees.leaf_value**2},
        r"the values of the leaves .*leaf numbers being right",
    ),
    ("multiclass", {"tree_target": lambda f: (f.trees.tree_target + 1) % 3}, r"Forest\.(tree_target|leaf_value)"),
    ("regressor", {"accepts_nan": False}, r"the library answers predict of a row of nan.*Forest\.accepts_nan"),
    ("regressor", {"accepts_inf": False}, r"the library answers predict of a row of inf.*Forest\.accepts_inf"),
    ("regressor", {"output_slices": (1,), "div": 6.0}, r"Forest\.(div|raw_is_pre_div)"),
]


@pytest.mark.parametrize(("kind", "changes", "said"), WRONG, ids=[f"{kind}-{'-'.join(c)}" for kind, c, _ in WRONG])
def test_the_rule_at_fault_is_named(otherlib, plugin, kind, changes, said):
    model, X = fitted(otherlib, kind)
    with pytest.raises(AssertionError, match=f"(?s){said}") as error:
        check_extractor(model, X, extractor=broken(plugin, **changes))
    assert str(error.value).startswith(f"{type(model).__name__}: ")


# Without leaf numbers, then without raw scores either: all that is left is what the model's own methods answer.
@pytest.mark.parametrize("asks", [("predict_raw",), ()])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cmp": "le"}, r"the comparison \(Forest\.cmp\): with cmp='lt'"),
        ({"nan_left": lambda f: ~f.trees.nan_left}, r"the missing side \(Forest\.nan_left\)"),
        (
            {"nan_left": lambda f: np.zeros_like(f.trees.nan_left)},
            r"the missing side \(Forest\.nan_left, missing_value\)",
        ),
        ({"base": lambda f: 0 * f.trees.base}, r"the base score \(Forest\.base, bias\)"),
        ({"root": reversed_trees}, r"the order of the trees \(Forest\.root\): added from the last to the first"),
        ({"root": lambda f: np.roll(f.trees.root, 2)}, r"the order or the dtype of the sum \(the order of the trees"),
        ({"flush_tiny": True, "feature_dtype": "float64"}, r"Forest\.(feature_dtype|flush_tiny)"),
    ],
)
def test_the_rule_at_fault_is_named_without_the_extractors_help(otherlib, plugin, changes, said, asks):
    X, _ = data()
    model = otherlib.Regressor(n_rounds=30).fit(X)  # so many that their order counts
    with pytest.raises(AssertionError, match=f"(?s){said}"):
        check_extractor(model, X, extractor=broken(plugin, asks=asks, **changes))


def test_a_difference_is_shown_with_its_row_column_and_both_answers(otherlib, plugin):
    model, X = fitted(otherlib, "multiclass")
    extractor = broken(plugin, asks=("predict_raw",), base=lambda f: f.trees.base + np.float32([0, 0, 1]))
    raw = model.margins(X)
    with pytest.raises(AssertionError) as error:
        assert_matches(model, X, extractor=extractor)
    assert f"differ in {len(X)} of {len(X)} rows, first in row 0, column 2: " in str(error.value)
    assert f"{raw[0, 2]!r} from the library" in str(error.value)


def test_first_diverging_node_is_named(otherlib, plugin):
    X, _ = data()
    model = otherlib.Regressor(n_rounds=1, depth=2).fit(X)
    column, threshold = model.trees_[0][:2]
    rows = np.zeros((3, 4), dtype=np.float32)
    rows[1, column] = threshold
    with pytest.raises(AssertionError, match=f"at node 0 of tree 0, column {column} holds .*the forest goes left"):
        assert_matches(model, rows[1:2], extractor=broken(plugin, cmp="le"))


def test_rows_that_do_not_hurt_show_less_than_the_whole_kit(otherlib, plugin):
    model, _ = fitted(otherlib, "regressor")
    harmless = np.random.default_rng(5).normal(size=(50, 4))  # on no threshold, nothing missing
    for changes in ({"cmp": "le"}, {"nan_left": lambda f: ~f.trees.nan_left}):
        assert_matches(model, harmless, extractor=broken(plugin, **changes))
        with pytest.raises(AssertionError):
            check_extractor(model, harmless, extractor=broken(plugin, **changes))


def test_a_library_that_refuses_what_the_forest_takes_is_noticed(otherlib, plugin):
    model, X = fitted(otherlib, "regressor")

    class Strict(otherlib.Regressor):
        def predict(self, X):
            if not np.isfinite(X).all() and (self.nan or np.isinf(X).any()):
                raise ValueError("not finite")
            return super().predict(X)

    model.__class__ = Strict
    for nan, rule in ((True, "accepts_nan"), (False, "accepts_inf")):
        model.nan = nan
        with pytest.raises(AssertionError, match=rf"(?s)the library refuses .*ValueError: not finite.*Forest\.{rule}"):
            check_extractor(model, np.nan_to_num(X), extractor=plugin)
    check_extractor(model, np.nan_to_num(X), extractor=broken(plugin, accepts_inf=False))


def test_an_extractor_is_a_pure_function(otherlib, plugin):
    model, X = fitted(otherlib, "regressor")
    rng = np.random.default_rng(0)
    moody = broken(plugin, cover=lambda f: rng.random(f.n_nodes + f.n_leaves))
    with pytest.raises(AssertionError, match=r"extracted twice, Forest\.cover is another"):
        check_extractor(model, X, extractor=moody)

    def meddle(model):
        forest = plugin.extract(model)
        model.start_ = model.start_ + 1 if model.meddled else model.start_
        model.meddled = True
        return forest.replace(base=first)

    model.meddled, first = False, model.start_
    with pytest.raises(AssertionError, match="are others after the model was extracted"):
        check_extractor(model, X, extractor=SimpleNamespace(extract=meddle, predict_raw=plugin.predict_raw))


def test_a_malformed_forest_is_refused_by_field(otherlib, plugin):
    model, X = fitted(otherlib, "regressor")
    with pytest.raises(ValueError, match=r"Forest\.left: tree \d, node \d"):
        check_extractor(model, X, extractor=broken(plugin, left=lambda f: f.trees.left + f.n_nodes))
    with pytest.raises(AssertionError, match="gave dict for Regressor, not a Forest"):
        check_extractor(model, X, extractor=SimpleNamespace(extract=lambda model: {}))


def test_the_number_of_columns_is_the_rows(otherlib, plugin):
    model, X = fitted(otherlib, "regressor")
    with pytest.raises(AssertionError, match=r"X has 4 columns, the forest 5.*Forest\.n_features"):
        check_extractor(model, X, extractor=broken(plugin, n_features=5))


@pytest.mark.parametrize("X", [np.zeros(4), np.array([["a"]]), [[1j]]])
def test_rows_are_numbers_in_two_dimensions(otherlib, plugin, X):
    model, _ = fitted(otherlib, "regressor")
    with pytest.raises(ValueError, match="X must be a two-dimensional array of numbers"):
        check_extractor(model, X, extractor=plugin)


def test_fault_of_a_strategy_is_not_blamed_on_the_extractor(otherlib, plugin, monkeypatch):
    model, X = fitted(otherlib, "regressor")
    monkeypatch.setattr(strategies, "_strategies", dict(strategies._strategies))

    class Astray:
        compile = staticmethod(tree_traversal.compile)

        @staticmethod
        def run(tables, X):
            return tree_traversal.run(tables, X).flip(1)

    register_strategy("astray", Astray)
    with pytest.raises(AssertionError, match=r"raw scores differ with strategy='astray'.*not the extractor"):
        check_extractor(model, X, extractor=plugin)
    register_strategy("astray", tree_traversal)
    check_extractor(model, X, extractor=plugin)


def test_strategy_wrong_for_small_batches_is_noticed(otherlib, plugin, monkeypatch):
    model, X = fitted(otherlib, "regressor")
    monkeypatch.setattr(strategies, "_strategies", dict(strategies._strategies))

    class Pairs:
        compile = staticmethod(tree_traversal.compile)

        @staticmethod
        def run(tables, X):
            return tree_traversal.run(tables, X.flip(0) if len(X) == 2 else X)

    register_strategy("pairs", Pairs)
    with pytest.raises(AssertionError, match=r"raw scores differ with strategy='pairs', .*batch_size=2"):
        check_extractor(model, X, extractor=plugin)


def test_an_extractor_that_squeezes_a_single_row_is_noticed(otherlib, plugin):
    model, X = fitted(otherlib, "multiclass")
    squeezing = SimpleNamespace(extract=plugin.extract, predict_raw=lambda m, X: np.squeeze(m.margins(X)))
    with pytest.raises(AssertionError, match=r"raw scores of a batch of 1 .*\(1, 3\) from the forest, \(3,\)"):
        check_extractor(model, X, extractor=squeezing)


def test_a_probability_one_ulp_off_is_noticed(otherlib, plugin, monkeypatch):
    model, X = fitted(otherlib, "binary")
    exact = type(model).predict_proba

    def off(self, X):
        found = exact(self, X)
        found[:1, 1] = np.nextafter(found[:1, 1], np.float32(2))
        return found

    assert_matches(model, X, extractor=plugin)
    monkeypatch.setattr(type(model), "predict_proba", off)
    with pytest.raises(AssertionError, match="predict_proba of the rows given differ in 1 of"):
        assert_matches(model, X, extractor=plugin)


def test_a_link_of_tensors_further_off_than_the_exp_of_torch_is_noticed(otherlib, plugin, monkeypatch):
    torch = pytest.importorskip("torch")
    model, X = fitted(otherlib, "binary")
    exact = METHODS["predict_proba"]

    def off(forest, raw):
        found = exact(forest, raw)
        return found * (1 + 16 * np.finfo(np.float32).eps) if isinstance(raw, torch.Tensor) else found

    monkeypatch.setitem(METHODS, "predict_proba", off)
    with pytest.raises(AssertionError, match="predict_proba differs for tensors"):
        check_extractor(model, X, extractor=plugin)


def test_a_copy_that_comes_back_another_is_noticed(otherlib, plugin, monkeypatch):
    model, X = fitted(otherlib, "regressor")

    def restore(self, state):
        self.__init__(state["forest"].replace(base=state["forest"].trees.base + 1))

    monkeypatch.setattr(Program, "__setstate__", restore)
    with pytest.raises(AssertionError, match="raw scores differ with a pickled copy"):
        check_extractor(model, X, extractor=plugin)


def test_nothing_is_registered_or_left_behind_by_a_check(otherlib, plugin):
    model, X = fitted(otherlib, "binary")
    before, errors, rows = pickle.dumps(model), np.geterr(), X.copy()
    check_extractor(model, X, extractor=plugin)
    assert pickle.dumps(model) == before
    assert np.geterr() == errors
    assert registry._registered == {}
    same_bits(X, rows)


# ---------------------------------------------------------------------------- a real library: NGBoost


@pytest.fixture(scope="module")
def ngboost_example():
    pytest.importorskip("ngboost")
    path = Path(__file__).parents[3] / "examples" / "ngboost_models.py"
    if not path.exists():
        pytest.skip("the examples are not here")
    spec = importlib.util.spec_from_file_location("ngboost_models", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, list(module.fitted_models())


@pytest.fixture
def ngboost_extractor(ngboost_example):
    from sktensor.extractors import ngboost

    return ngboost


@pytest.fixture
def ngboost_models(ngboost_example):
    return ngboost_example[1]


def test_ngboost_conforms(ngboost_extractor, ngboost_models):
    for model, X in ngboost_models:
        assert find_extractor(model) is ngboost_extractor
        check_extractor(model, X)
        module = tensorize(model, output="raw")
        torch = pytest.importorskip("torch")
        same_bits(module(torch.from_numpy(X)).numpy(), np.ascontiguousarray(ngboost_extractor.predict_raw(model, X)))


def test_ngboost_is_wrapped_and_fitted_as_an_estimator(ngboost_extractor, ngboost_models):
    from sklearn.base import clone

    for model, X in ngboost_models:
        y = np.arange(len(X)) % (model.Manifold.n_params + 1) if hasattr(model, "predict_proba") else X[:, 0]
        fast = TensorizedEstimator(clone(model).set_params(n_estimators=5)).fit(X, y)
        same_bits(fast.predict(X), fast.estimator_.predict(X))
        same_bits(pickle.loads(pickle.dumps(fast)).predict(X), fast.estimator_.predict(X))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cmp": "lt"}, r"the comparison \(Forest\.cmp\)"),
        ({"nan_left": lambda f: ~f.trees.nan_left}, r"the missing side \(Forest\.nan_left\)"),
        ({"base": lambda f: f.trees.base + np.eye(f.n_outputs)[-1]}, r"the base score \(Forest\.base, bias\)"),
        ({"root": reversed_trees}, r"the order of the trees \(Forest\.root\)"),
        ({"link": "sigmoid"}, r"the link \(Forest\.link\): with link='softmax'"),
        ({"classes": lambda f: (f.outputs.classes[0][::-1],)}, r"the order of the labels \(Forest\.classes\)"),
    ],
)
def test_what_is_wrong_with_an_extractor_of_ngboost_is_named(ngboost_extractor, ngboost_models, changes, said):
    for model, X in ngboost_models:
        if changes.keys() & {"link", "classes"} and not hasattr(model, "predict_proba"):
            continue
        with pytest.raises(AssertionError, match=f"(?s){said}"):
            check_extractor(model, X, extractor=broken(ngboost_extractor, **changes))
