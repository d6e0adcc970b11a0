"""The conformance kit names what is wrong with an extractor, a strategy or a link."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from other_library import broken, data, fitted, reversed_trees

from sktensor import strategies
from sktensor.runtime.program import Program
from sktensor.strategies import register_strategy, tree_traversal
from sktensor.testing import assert_matches, check_extractor
from sktensor.testing.answers import METHODS

pytestmark = pytest.mark.usefixtures("otherlib")

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


def test_rows_away_from_thresholds_find_fewer_faults(otherlib, plugin):
    model, _ = fitted(otherlib, "regressor")
    harmless = np.random.default_rng(5).normal(size=(50, 4))  # on no threshold, nothing missing
    for changes in ({"cmp": "le"}, {"nan_left": lambda f: ~f.trees.nan_left}):
        assert_matches(model, harmless, extractor=broken(plugin, **changes))
        with pytest.raises(AssertionError):
            check_extractor(model, harmless, extractor=broken(plugin, **changes))


def test_library_that_refuses_values_the_forest_accepts_is_detected(otherlib, plugin):
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


def test_strategy_wrong_for_small_batches_is_detected(otherlib, plugin, monkeypatch):
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


def test_extractor_that_squeezes_a_single_row_is_detected(otherlib, plugin):
    model, X = fitted(otherlib, "multiclass")
    squeezing = SimpleNamespace(extract=plugin.extract, predict_raw=lambda m, X: np.squeeze(m.margins(X)))
    with pytest.raises(AssertionError, match=r"raw scores of a batch of 1 .*\(1, 3\) from the forest, \(3,\)"):
        check_extractor(model, X, extractor=squeezing)


def test_probability_one_ulp_off_is_detected(otherlib, plugin, monkeypatch):
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


def test_link_of_tensors_beyond_the_error_of_torch_exp_is_detected(otherlib, plugin, monkeypatch):
    torch = pytest.importorskip("torch")
    model, X = fitted(otherlib, "binary")
    exact = METHODS["predict_proba"]

    def off(forest, raw):
        found = exact(forest, raw)
        return found * (1 + 16 * np.finfo(np.float32).eps) if isinstance(raw, torch.Tensor) else found

    monkeypatch.setitem(METHODS, "predict_proba", off)
    with pytest.raises(AssertionError, match="predict_proba differs for tensors"):
        check_extractor(model, X, extractor=plugin)


def test_copy_with_other_answers_is_detected(otherlib, plugin, monkeypatch):
    model, X = fitted(otherlib, "regressor")

    def restore(self, state):
        self.__init__(state["forest"].replace(base=state["forest"].trees.base + 1))

    monkeypatch.setattr(Program, "__setstate__", restore)
    with pytest.raises(AssertionError, match="raw scores differ with a pickled copy"):
        check_extractor(model, X, extractor=plugin)
