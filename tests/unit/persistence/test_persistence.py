"""Estimators saved and loaded: sktensor's own format, whatever is done to its files; pickles; skops."""

from __future__ import annotations

import base64
import copy
import itertools
import os
import pickle
import stat
import subprocess
import sys
import zlib

import joblib
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import torch
from agreement import STRATEGIES, same_bits
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor
from mutations import DAMAGE, FORGERIES, header_of, signed, taken_apart, with_header
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted
from versions import is_older, since
from xgboost import XGBClassifier, XGBRanker, XGBRegressor

import sktensor
from sktensor import DeviceWarning, Forest, TensorizedEstimator, tensorize
from sktensor.estimator.verification import probe
from sktensor.persistence import archive
from sktensor.persistence.saved_model import SavedModel

X, Y = load_wine(return_X_y=True)
NAMES = np.array(["Barolo", "Grignolino", "日本酒 \x00\U0001f377"])[Y]
FRAME = pd.DataFrame(
    {
        "size": np.linspace(-1, 1, len(Y)),
        "colour": pd.Categorical(np.array(["red", "rosé", "white", "b\0lue"])[np.arange(len(Y)) % 4]),
        "year": pd.Categorical(np.array([2019, 2020, 2023])[np.arange(len(Y)) % 3]),
    }
)
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "predict_raw", "apply")
SMALL = {"n_estimators": 5, "n_jobs": 1}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def saved(model, path, **parameters):
    """A wrapper around a fitted model, and what comes back of it from a file."""
    fast = TensorizedEstimator(model, **parameters)
    sktensor.save(fast, path, overwrite=True)
    return fast, sktensor.load(path)


def same_fields(ours, theirs):
    """Every field of a forest, exactly."""
    for name, a in ours.fields().items():
        b = theirs.fields()[name]
        assert type(a) is type(b), name
        if isinstance(a, np.ndarray):
            assert not a.flags.writeable
            same_array(a, b)
        elif name in ("classes", "categories") and a is not None:
            assert len(a) == len(b)
            for one, other in zip(a, b, strict=True):
                assert (one is None) == (other is None)
                if one is not None:
                    same_array(one, other)
        else:
            assert repr(a) == repr(b), name  # in which -0.0 is not 0.0


def same_array(a, b):
    assert (a.dtype.str, a.shape) == (b.dtype.str, b.shape)
    if a.dtype == object:
        assert [(type(x), x) for x in a] == [(type(x), x) for x in b]
    else:
        assert a.tobytes() == b.tobytes()


def same_answers(ours, theirs, rows):
    for method in METHODS:
        assert hasattr(ours, method) == hasattr(theirs, method)
        if hasattr(ours, method):
            with np.errstate(all="ignore"):
                same_bits(getattr(ours, method)(rows), getattr(theirs, method)(rows))


# --- what comes back ----------------------------------------------------------------------------------------------

MODELS = {
    "text labels": lambda: RandomForestClassifier(5, random_state=0).fit(X, NAMES),
    "labels as objects": lambda: RandomForestClassifier(5, random_state=0).fit(X, NAMES.astype(object)),
    "bool labels": lambda: DecisionTreeClassifier().fit(X, Y == 1),
    "float labels": lambda: DecisionTreeClassifier().fit(X, Y - 1.0),
    "int8 labels": lambda: DecisionTreeClassifier().fit(X, Y.astype(np.int8)),
    "big-endian labels": lambda: DecisionTreeClassifier().fit(X, Y.astype(">i4")),
    "several targets": lambda: RandomForestClassifier(3).fit(X, np.stack([NAMES, (Y > 0).astype(NAMES.dtype)], 1)),
    "several targets of one tree": lambda: DecisionTreeClassifier().fit(X, np.stack([Y, Y > 0], 1)),
    "several outputs": lambda: RandomForestRegressor(3).fit(X, X[:, :3]),
    "names of columns": lambda: RandomForestRegressor(3).fit(pd.DataFrame(X).add_prefix("größe "), Y),
    "GradientBoosting": lambda: GradientBoostingClassifier(n_estimators=4).fit(X, NAMES),
    "HistGradientBoosting": lambda: HistGradientBoostingRegressor(max_iter=4).fit(X, Y),
    "one leaf": lambda: DecisionTreeClassifier().fit(X, np.zeros(len(X))),
    "XGBClassifier": lambda: XGBClassifier(**SMALL, missing=-999.0).fit(X, Y),
    "XGBoost, missing=inf": lambda: XGBRegressor(**SMALL, missing=np.inf).fit(X, Y),
    "XGBoost, dart": lambda: XGBRegressor(**SMALL, booster="dart", rate_drop=0.5).fit(X, Y),
    "XGBRanker": lambda: XGBRanker(**SMALL).fit(X, Y, group=[60, 60, 58]),
    "XGBoost, vector leaves": lambda: XGBRegressor(**SMALL, multi_strategy="multi_output_tree").fit(X, X[:, :2]),
    "LGBMClassifier": lambda: LGBMClassifier(**SMALL, verbose=-1).fit(X, NAMES),
    "LightGBM, linear trees": lambda: LGBMRegressor(**SMALL, linear_tree=True, verbose=-1).fit(X, Y),
    "LightGBM, zero as missing": lambda: LGBMRegressor(**SMALL, zero_as_missing=True, verbose=-1).fit(X, Y),
    "LGBMRanker": lambda: LGBMRanker(**SMALL, verbose=-1).fit(X, Y, group=[60, 60, 58]),
    "CatBoost": lambda: CatBoostClassifier(iterations=4, verbose=0, allow_writing_files=False).fit(X, NAMES),
}
if is_older("xgboost", "3.1"):
    del MODELS["XGBoost, vector leaves"]  # whose importances crash it


@pytest.mark.parametrize("model", MODELS)
def test_a_loaded_estimator_is_the_saved_one_to_the_last_bit(model, path):
    fast, loaded = saved(MODELS[model](), path)
    assert type(loaded) is TensorizedEstimator
    same_fields(loaded.forest_, fast.forest_)
    rows = np.concatenate([probe(fast.forest_).astype(np.float64), X[:, : fast.n_features_in_]])
    if not fast.forest_.inputs.accepts_nan:
        rows = rows[~np.isnan(rows).any(1)]
    if hasattr(fast, "feature_names_in_"):
        rows = pd.DataFrame(rows, columns=fast.feature_names_in_)
    same_answers(loaded, fast, rows)
    for name in ("classes_", "n_features_in_", "feature_names_in_", "n_outputs_", "n_classes_", "feature_importances_"):
        assert hasattr(loaded, name) == hasattr(fast, name), name
        for ours, theirs in zip(*(as_list(getattr(e, name, ())) for e in (loaded, fast)), strict=True):
            assert type(ours) is np.ndarray or isinstance(theirs, (int, np.integer))
            same_array(np.asarray(ours), np.asarray(theirs))
    ours, theirs = get_tags(loaded), get_tags(fast)
    assert ours == theirs
    assert {**loaded.get_params(deep=False), "estimator": 0} == {**fast.get_params(deep=False), "estimator": 0}
    check_is_fitted(loaded)


def as_list(value):
    return value if isinstance(value, (list, tuple)) else [value]


@pytest.mark.parametrize(
    "library",
    [LGBMClassifier, pytest.param(XGBClassifier, marks=since("xgboost", "3.1", "categories in its models"))],
)
def test_tables_of_categories_come_back(library, path):
    settings = {"enable_categorical": True} if library is XGBClassifier else {"verbose": -1, "min_child_samples": 2}
    frame = (
        FRAME if library is LGBMClassifier else FRAME.assign(colour=FRAME["colour"].cat.rename_categories(str.upper))
    )
    frame = frame if library is LGBMClassifier else frame.assign(colour=pd.Categorical(np.arange(len(Y)) % 4 * 10))
    target = (np.arange(len(Y)) % 4 + np.arange(len(Y)) % 3) % 2
    fast, loaded = saved(library(**SMALL, **settings).fit(frame, target), path)
    assert sum(table is not None for table in fast.forest_.inputs.categories) == 2
    same_fields(loaded.forest_, fast.forest_)
    same_answers(loaded, fast, frame.iloc[::-1])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_was_fitted_through_the_wrapper_is_saved_too(strategy, path):
    fast = TensorizedEstimator(
        XGBClassifier(**SMALL), strategy=strategy, batch_size=np.int64(7), n_jobs=2, verify=False
    )
    fast.fit(pd.DataFrame(X).add_prefix("a b"), Y)
    sktensor.save(fast, path)
    loaded = sktensor.load(path)
    assert (loaded.strategy, loaded.batch_size, loaded.n_jobs, loaded.verify) == (strategy, 7, 2, False)
    rows = pd.DataFrame(X).add_prefix("a b")
    same_answers(loaded, fast, rows)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(rows.iloc[:, ::-1])


def test_names_that_lightgbm_rewrites_are_known_by_both_spellings_as_before(path):
    rows = pd.DataFrame(X).add_prefix("a b")
    fast, loaded = saved(LGBMClassifier(**SMALL, verbose=-1).fit(rows, Y), path)
    same_answers(loaded, fast, rows)


LABELS = [
    np.array(["a", "", "ß" * 40], dtype="<U99"),
    np.array(["a", "b", "c"], dtype=">U1"),
    np.array(["1", 1, 1.5], dtype=object),
    np.array([None, True, float("nan")], dtype=object),
    np.array([np.str_("a"), np.int64(2**62), np.float32(0.1)], dtype=object),
    np.array([-(2**63), 0, 2**63 - 1]),
    np.array([0, 1, 2**64 - 1], dtype=np.uint64),
    np.array([0.1, -0.0, np.inf], dtype=np.float32),
    np.array([5e-324, np.nan, -np.inf]),
    np.array([0.1, 1, 2], dtype=np.float16),
    np.array([1, 2, 3], dtype=np.uint8),
]


class Brought(ClassifierMixin, BaseEstimator):
    """A model that brings any labels and any forest along."""

    def __init__(self, labels, rules=None):
        self.labels = labels
        self.rules = rules

    @property
    def classes_(self):
        return self.labels

    n_features_in_ = 2

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        raise AssertionError("the wrapper predicts, and nobody fits")

    predict = predict_proba = fit

    def __sktensor_forest__(self):
        def stump(*values):
            return {"feature": 1, "threshold": -0.0, "left": {"value": values[:3]}, "right": {"value": values[3:]}}

        rules = {"decision": "argmax", "proba": "values", "classes": (self.labels,), "tree_target": [-1, -1]}
        shapes = {"n_outputs": 3, "raw_shape": (3,), "value_shape": (3,), "leaf_shape": (2,)}
        trees = [stump(0.1, 0.7, 0.2, -0.0, 0.3, 0.7), stump(0.5, 0.1, 0.1, 5e-324, 0.1, 0.9)]
        return Forest.from_trees(trees, n_features=2, **{**rules, **shapes, **(self.rules or {})})


@pytest.mark.parametrize("labels", LABELS, ids=lambda labels: f"{labels.dtype} {labels[0]!r}")
def test_labels_of_every_kind_come_back_exactly(labels, path):
    _, loaded = saved(Brought(labels), path)
    plain = np.array([x.item() if isinstance(x, np.generic) else x for x in labels.tolist()], dtype=labels.dtype)
    for ours in (loaded.classes_, loaded.forest_.outputs.classes[0]):
        assert ours.dtype.str == plain.dtype.str
        assert [(type(x), repr(x)) for x in ours.tolist()] == [(type(x), repr(x)) for x in plain.tolist()]
    assert repr(loaded.predict([[0, -1], [0, 1]]).tolist()) == repr(plain[[1, 2]].tolist())


@pytest.mark.parametrize(
    "rules",
    [
        {"missing_value": -np.inf, "accepts_inf": False},
        {"missing_value": np.nan, "decision_threshold": -np.inf},
        {"div": np.float64(3), "scale": -0.0, "bias": [0.1, -0.0, np.nan], "raw_is_pre_div": np.True_},
        {"base": [np.inf, -0.0, 5e-324], "acc_dtype": "float32", "label_dtype": "uint32"},
        {"categories": (None, np.array([], dtype=object)), "unknown_category": "error"},
    ],
    ids=str,
)
def test_rules_of_every_kind_come_back_exactly(rules, path):
    fast, loaded = saved(Brought(np.arange(3), rules), path)
    ours, theirs = loaded.forest_, fast.forest_
    assert (ours.outputs.div, ours.outputs.raw_is_pre_div) == (theirs.outputs.div, theirs.outputs.raw_is_pre_div)
    # What a forest takes as any kind of number comes back as Python's own.
    same_fields(ours, theirs.replace(div=ours.outputs.div, raw_is_pre_div=ours.outputs.raw_is_pre_div))


def test_the_same_estimator_gives_the_same_bytes_also_when_it_was_loaded(path, tmp_path):
    _, loaded = saved(MODELS["text labels"](), path)
    sktensor.save(loaded, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sktensor, sys; sktensor.save(sktensor.load(sys.argv[1]), sys.argv[2])",
            path,
            tmp_path / "3",
        ],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        check=False,
    )
    assert done.returncode == 0 and (tmp_path / "3").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
def test_loading_and_predicting_needs_none_of_the_libraries_and_loading_no_torch(library, path, tmp_path):
    model = {"xgboost": "XGBClassifier", "lightgbm": "LGBMClassifier", "catboost": "CatBoost"}[library]
    fast, _ = saved(MODELS[model](), path)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "raw.npy", fast.predict_raw(X))
    code = """if True:
        import sys
        blocked = {"xgboost", "lightgbm", "catboost", "torch"}
        class Block:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in blocked:
                    raise ImportError(name + " is blocked")
        sys.meta_path.insert(0, Block())
        import numpy, sktensor, warnings
        path, X, raw = sys.argv[1:]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loaded = sktensor.load(path)
        dir(loaded), repr(loaded), loaded.classes_, loaded.feature_importances_
        blocked.remove("torch")
        assert loaded.predict_raw(numpy.load(X)).tobytes() == numpy.load(raw).tobytes()
        assert not {"xgboost", "lightgbm", "catboost"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code, path, tmp_path / "X.npy", tmp_path / "raw.npy"], check=True)


# --- the stand-in for the model ---------------------------------------------------------------------------------


def test_a_loaded_estimator_is_still_a_scikit_learn_estimator(path):
    fast, loaded = saved(RandomForestClassifier(5, random_state=0).fit(X, Y > 0), path)
    assert is_classifier(loaded) and not is_regressor(loaded)
    assert loaded.score(X, Y > 0) == fast.score(X, Y > 0)
    assert loaded.get_params()["estimator__model"] == "sklearn.ensemble._forest.RandomForestClassifier"
    assert "RandomForestClassifier" in repr(loaded) and "RandomForestClassifier" in loaded._repr_html_()
    assert set(dir(fast)) == set(dir(loaded))
    for estimator in (FixedThresholdClassifier(loaded, threshold=0.3), make_pipeline(StandardScaler().fit(X), loaded)):
        assert estimator.predict(X).shape == Y.shape
    same_bits(SelectFromModel(loaded, prefit=True).transform(X), SelectFromModel(fast, prefit=True).transform(X))
    same_bits(tensorize(loaded)(torch.tensor(X)).numpy(), tensorize(fast)(torch.tensor(X)).numpy())
    same_answers(loaded.set_params(strategy="gemm"), fast, X)


def test_methods_are_there_iff_the_saved_model_had_them(path):
    for model in (
        HistGradientBoostingRegressor(max_iter=3),
        XGBClassifier(**SMALL),
        GradientBoostingClassifier(n_estimators=2),
    ):
        _, loaded = saved(model.fit(X, Y), path)
        for method in ("predict_proba", "predict_log_proba", "decision_function"):
            assert hasattr(loaded, method) == hasattr(model, method)
            assert hasattr(loaded.estimator_, method) == hasattr(model, method)


def test_what_was_not_saved_is_refused_with_what_to_do_instead(path):
    _, loaded = saved(XGBClassifier(**SMALL).fit(X, Y), path)
    for refused in (
        lambda: clone(loaded),
        lambda: loaded.fit(X, Y),
        lambda: loaded.estimator.fit(X, Y),
        lambda: loaded.estimator_.predict(X),
        lambda: cross_val_score(loaded, X, Y, error_score="raise"),
    ):
        with pytest.raises(
            TypeError, match=r"xgboost.sklearn.XGBClassifier.*set_params\(estimator=XGBClassifier\(\.\.\.\)\)"
        ):
            refused()
    with pytest.raises(AttributeError, match=r"no attribute 'get_booster'.*has kept the trees, not the model itself"):
        loaded.estimator_.get_booster()
    same_answers(loaded, TensorizedEstimator(XGBClassifier(**SMALL).fit(X, Y)), X)  # the failed fit left all as it was


@pytest.mark.parametrize("fit", [False, True])
def test_with_a_model_of_the_library_put_in_place_a_loaded_estimator_is_fitted_again(fit, path):
    fast = TensorizedEstimator(XGBClassifier(**SMALL).fit(X, Y))
    sktensor.save(fast.fit(X, Y) if fit else fast, path)
    again = sktensor.load(path).set_params(estimator=RandomForestClassifier(3, random_state=0)).fit(X[:, :4], NAMES)
    same_bits(again.predict(X[:, :4]), again.estimator_.predict(X[:, :4]))
    assert not isinstance(again.estimator_, SavedModel)


def test_a_loaded_estimator_is_copied_frozen_and_pickled(path):
    fast, loaded = saved(GradientBoostingClassifier(n_estimators=4).fit(X, Y), path)
    frozen = FrozenEstimator(loaded)
    for again in (clone(frozen), copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded)), sktensor.load(path)):
        same_bits(again.predict_proba(X), fast.predict_proba(X))


def test_the_class_named_in_a_file_is_that_of_the_library(path):
    for model in (FrozenEstimator(MODELS["XGBClassifier"]()), TensorizedEstimator(MODELS["XGBClassifier"]())):
        _, loaded = saved(model, path)
        assert loaded.estimator_.model == "xgboost.sklearn.XGBClassifier"


# --- writing ------------------------------------------------------------------------------------------------------


def test_only_what_can_be_loaded_again_is_saved(path):
    model = RandomForestClassifier(2).fit(X, Y)
    for other in (model, make_pipeline(TensorizedEstimator(model)), None):
        with pytest.raises(TypeError, match=f"takes a TensorizedEstimator, got {type(other).__name__}"):
            sktensor.save(other, path)
    with pytest.raises(NotFittedError):
        sktensor.save(TensorizedEstimator(RandomForestClassifier()), path)
    for labels, said in (
        (np.array(["2020", "2021", "2022"], dtype="M8[D]"), r"dtype '<M8\[D\]' are not part of the format.*joblib"),
        (np.array([b"a", b"b", b"c"]), r"dtype '\|S1' are not"),
        (np.array([1, 2, 3 + 1j]), "dtype '<c16' are not"),
        (np.array([(1,), "b", "c"], dtype=object), "expected one dimension of values"),
        (np.array(["a", "b", "\ud83c"]), "no text that UTF-8 can encode"),
        (np.array(["a", "b", "c"], dtype="<U30000000"), "padded with 359,999,988 bytes, of which 67,108,864"),
    ):
        with pytest.raises(ValueError, match=said):
            sktensor.save(TensorizedEstimator(Brought(labels)), path)
    with pytest.raises(ValueError, match="strategy cannot be None"):
        sktensor.save(TensorizedEstimator(model).fit(X, Y).set_params(strategy=None), path)
    with pytest.raises(TypeError, match="PathLike"):
        sktensor.save(TensorizedEstimator(model), 3.5)
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        sktensor.save(TensorizedEstimator(model), path.parent / "nowhere" / "model")
    assert list(path.parent.iterdir()) == []


def test_a_header_too_large_for_the_format_is_refused_before_anything_is_written(path):
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be written: .*header too large"):
        archive.write(path, {"text": "x" * 100_000_000}, {})
    assert list(path.parent.iterdir()) == []


def test_failed_save_keeps_the_existing_file(path, monkeypatch):
    saved(MODELS["one leaf"](), path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        sktensor.save(TensorizedEstimator(MODELS["XGBClassifier"]()), path, overwrite=True)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions and links as POSIX has them")
def test_a_file_has_the_usual_permissions_and_a_link_stays_one(path):
    link = path.with_name("link")
    link.symlink_to(path)
    saved(MODELS["one leaf"](), link)
    path.with_name("plain").touch()
    assert link.is_symlink() and path.is_file()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(path.with_name("plain").stat().st_mode)


def test_every_kind_of_path_is_accepted(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for where in (path, str(path), "relative", os.fsencode(path), "größe 日本"):
        fast, loaded = saved(MODELS["one leaf"](), where)
        same_answers(loaded, fast, X)


def test_without_safetensors_the_error_says_what_to_install(path, monkeypatch):
    fast = TensorizedEstimator(MODELS["one leaf"]())
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for call in (lambda: sktensor.save(fast, path), lambda: sktensor.load(path)):
        with pytest.raises(ImportError, match=r"pip install sktensor\[safetensors\]"):
            call()


# --- the format ---------------------------------------------------------------------------------------------------

# A file of format 1, to be read for ever. A field of the forest that came later gets its old meaning in
# sktensor/persistence/formats.py.
GOLDEN = """
eNqtVsuO6zQYPqx5CZR1GKVpmklGSCPNAoGENCtWpyPLTezUjGMX2+mcnqESrwFvwiMggYTEC7BixSMAh9+/c5sbh0pYamP/d/+XL/nsw1e47iNCWuZo
TR0lJLq4j+ytY8pqE11E9+uI1nrnWL2OLpzpWLyOuHDhDMxKUmuZJeFUu8OOwXYdffJlvo5Adk9lxyyQXq+jK2q01EgOf+suX7GVf5ynFTzKxSpdRzdH
4CnCGXWdAdNCeeupp3INBBd80aoikz8uNXV5hnaBw3bOK/Ip6IHYUtMIBXROpX3IsLfzWw50RdWM2DSGNdQFp7Zr0eGGWkYgEW5mtqKOtLoOgrLZoCAQ
WaONCBlRnZTxg6x9c/0kacbHBLTGQIKShOf4qDkoxOc3x5t4rIGX//9qgIbbXQifheitgSw5I94QreRhdtmaVcIKrVAaEtzSN6gx0InbQuG2Wvr8JmeJ
Z4k97Be4Z+2G1bVQDeorrYK/vgNeqDKXnd0SJ9Q8EKGgYtQSFFymM46kGyZHU5j6gWi3FImv/Z0lo3zmEQz2/pAxiqa97B4aNHRK3yijP6Fug4WaKSfc
IRgBKtlRQ9vx8lI3ZGf0hoZU6wYFW2EtJIRg7YDzcVmWKD4Nhh8KJOjO7Trnz0s4hxOxUlSh6Esf6uRh6AYgGnpHhAXvkGMsxxC8Z4xXRX1bUd8FfcwW
rgAtTzcW7oZW3zITumpgPTc9nbpV+k6RfgwOodxeYujSR15DrB4BqDH0YIcQeyyAZvQh+XQxt9V13+Nwn1pUDq32+yHD3qifSomuAfco2CZnV0Z3zTZo
hPx5jPFesFbMMWMD6mxodctUHRq9c7qff1dtiRVvfeQr7Ps9ZB+Fql2HMop8pTd2aj3rjM9CyIEzjBEg7MEPlSEdzAh+6HPnI4HMpKs8jAHbFHld8WSV
n5dlAftVsUxSDt2cZBlNyxVPCr4skzKrFzwvNquiLLNlVp2neb1YnYdC9SCPFpMzKOwZhJ0gz9HGzvBdcMEMmYhtJ50gyJqKG4g4UbNO2mltiK0At+e1
AxAXUDxgjYM2OcIIhPJNPLmkUuq7RyM2oGlF5x5D6ccjgAmpQ/vMw6LC3AnLHkRqhRN79hjbQkPPCYCACFUDwYPbc07cnZ5Rhzoq7YdawNs2AOYgDbBH
at9prVAC8lPN55HBa8daPRahbyIHWMvck8qMLfwwCVgb+x+ubNjXnTDzl6HHIskmwz053PCh3ePxGB1jfCf6bwmEUviQ+DTPojjC8Q7THeH3hubcMmeB
lMRpduMVBbUnKaZZnBVeExEaIeNl/Sx+xkJWxIsMnY/vqZctpE/1QTle5Ik30IPzXP3zZfoe9TwB9ekKon5ZPXtOHcIvsqDO3WmuC4i8TL2uEYCApymX
aZwmeG2j9Wm6oAe6eGcEPwGNf6KBIk4X+WggjMJpJhZ5nIamA2Ahj5N3dX39xXsMQOulKcRw/AjWq39dv1z2m28/6Dfff+fXD5cc1++X4fzjKLfE9evI
D+TfLge94fnY3s8/+fXHaGfud5CdP9/B+gt+f8PvT/g9x3+H9H8APR8Miw==
"""


def golden():
    """What the golden file was made of."""
    rules = {
        "missing_value": -999.0,
        "categories": (None, np.array(["red", "größe", 7], dtype=object)),
        "bias": [0.25, -0.0, 5e-324],
    }
    return TensorizedEstimator(
        Brought(np.array(["Barolo", "", "日本酒"]), rules), strategy="tree_traversal", batch_size=5
    )


def test_a_file_written_in_format_1_is_read(path):
    path.write_bytes(zlib.decompress(base64.b64decode(GOLDEN.replace("\n", ""))))
    loaded = sktensor.load(path)
    same_fields(loaded.forest_, golden().forest_)
    assert (loaded.strategy, loaded.batch_size, loaded.verbose) == ("tree_traversal", 5, 0)
    assert loaded.predict([[0, -1], [0, 1], [0, -999], [-1, np.nan]]).tolist() == [
        "Barolo",
        "日本酒",
        "日本酒",
        "日本酒",
    ]


def changed(data, *way, to):
    """The same file with one entry of its header changed, under a checksum that is right."""
    content, arrays = taken_apart(data)
    *way, last = way
    inside = content
    for key in way:
        inside = inside[key]
    inside[last] = to
    return signed(content, arrays)


def without(data, *way):
    content, arrays = taken_apart(data)
    *way, last = way
    inside = content
    for key in way:
        inside = inside[key]
    del inside[last]
    return signed(content, arrays)


def with_array(data, name, array):
    content, arrays = taken_apart(data)
    return signed(content, {**arrays, name: array})


def without_array(data, name):
    content, arrays = taken_apart(data)
    del arrays[name]
    return signed(content, arrays)


def header_text(data, change):
    """The same file with the text of its header changed."""
    header, end = header_of(data)
    header["__metadata__"][archive.ENTRY] = change(header["__metadata__"][archive.ENTRY])
    return with_header(header, data[end:])


def declared(data, name, **entry):
    """The same file, a tensor of which is declared to be something else."""
    header, end = header_of(data)
    header[name] |= entry
    return with_header(header, data[end:])


SIZES = {"dtype": "F64", "data_offsets": [0, 8 * 2**60]}
BAD = {
    "empty": (lambda data: b"", "not a safetensors file, or a damaged one"),
    "text": (lambda data: b"# A model\n" * 100, "not a safetensors file"),
    "a pickle": (lambda data: pickle.dumps({"a": list(range(100))}), "not a safetensors file"),
    "somebody's weights": (lambda data: safetensors.numpy.save({"w": X}), "but not one of sktensor.save"),
    "a newer format": (
        lambda data: changed(data, "format", to=9),
        "of format 9, and this version .* reads formats 1 to 2",
    ),
    "no format": (lambda data: without(data, "format"), "no format number"),
    "a format of words": (lambda data: changed(data, "format", to="1"), "no format number"),
    "true as a format": (lambda data: changed(data, "format", to=True), "no format number"),
    "no JSON": (lambda data: header_text(data, lambda text: text[:-1]), "header is not the JSON"),
    "a list": (lambda data: header_text(data, lambda text: f"[{text}]"), "no format number"),
    "a key twice": (lambda data: header_text(data, lambda text: '{"format":1,' + text[1:]), "a key comes twice"),
    "deep": (lambda data: header_text(data, lambda text: "[" * 10**6), "header is not the JSON"),
    "an endless number": (lambda data: header_text(data, lambda text: "9" * 10**5), "header is not the JSON"),
    "a changed value": (lambda data: data[:-1] + b"\x01", "damaged: .*checksum"),
    "a changed header": (
        lambda data: header_text(data, lambda text: text.replace('"le"', '"lt"')),
        "damaged: .*checksum",
    ),
    "no checksum": (lambda data: header_text(data, lambda text: text.replace("sha256", "sha255")), "damaged"),
    "truncated": (lambda data: data[:-1], "not a safetensors file, or a damaged one"),
    "more behind it": (lambda data: data + b"\0", "not a safetensors file, or a damaged one"),
    "a huge tensor": (lambda data: declared(data, "base", shape=[2**60], **SIZES), "or a damaged one"),
    "a huge shape": (lambda data: declared(data, "base", shape=[2**62, 2**62]), "or a damaged one"),
    "a huge header": (lambda data: (2**40).to_bytes(8, "little") + data[8:], "or a damaged one"),
    "a dtype of others": (
        lambda data: declared(data, "leaf_id", dtype="BF16", shape=[8]),
        "dtype BF16, which no",
    ),
    "an extra tensor": (lambda data: with_array(data, "weights", X), "no field of a forest: weights"),
    "a missing tensor": (lambda data: without_array(data, "left"), "tensors are missing: left"),
    "a wrong dtype": (lambda data: with_array(data, "left", np.zeros(2)), "left: expected dtype int32, got float64"),
    "two dtypes": (
        lambda data: with_array(data, "base", np.zeros(3, "f4")),
        "base: expected dtype float64, got float32",
    ),
    "a wrong shape": (lambda data: with_array(data, "root", np.zeros((2, 1), "i4")), "Forest.root: expected 1 dim"),
    "no forest": (lambda data: with_array(data, "root", np.zeros(2, "i4")), "Forest.root: tree 1: node 0 is root of"),
    "a cycle": (
        lambda data: with_array(data, "left", np.array([0, -3], "i4")),
        "Forest.left: tree 0, node 0: node 0 is",
    ),
    "a missing field": (lambda data: without(data, "forest", "cmp"), "forest: fields that are missing, .*: cmp"),
    "an unknown field": (lambda data: changed(data, "forest", "hook", to="os.system"), "unknown to this version: hook"),
    "a missing entry": (lambda data: without(data, "tags"), "header: entries that are missing, .*: tags"),
    "an unknown entry": (lambda data: changed(data, "hook", to="os.system"), "unknown to this version: hook"),
    "a huge number": (
        lambda data: changed(data, "forest", "n_features", to=2**63),
        "n_features: a number beyond 64 bits",
    ),
    "a number as text": (lambda data: changed(data, "forest", "div", to="1.0"), "Forest.div: it cannot be '1.0'"),
    "true for 1": (lambda data: changed(data, "forest", "n_features", to=True), "Forest.n_features: it cannot be True"),
    "an unknown rule about names": (
        lambda data: changed(data, "columns", "rule", to="eval"),
        "columns: rule cannot be 'eval'",
    ),
    "names of more columns": (
        lambda data: changed(data, "columns", "names", to=["a"] * 99),
        "columns: 99 names of",
    ),
    "a column before the first": (
        lambda data: changed(data, "columns", "needed", to=[-1]),
        "columns: needed cannot be",
    ),
    "half of what is known of columns": (
        lambda data: changed(data, "columns", to={"names": None}),
        "columns: entries that are missing",
    ),
    "an unknown rule": (lambda data: changed(data, "forest", "link", to="eval"), "Forest.link: expected one of"),
    "a dtype of dtypes": (
        lambda data: changed(data, "forest", "leaf_dtype", to="i4,i4"),
        "Forest.leaf_dtype: expected the name",
    ),
    "objects for leaves": (
        lambda data: changed(data, "forest", "leaf_dtype", to="object"),
        "Forest.leaf_dtype: expected",
    ),
    "too few labels": (
        lambda data: changed(data, "forest", "classes", 0, "values", to=["a"]),
        "Forest.classes: decision",
    ),
    "a huge label": (
        lambda data: changed(data, "forest", "classes", 0, "dtype", to="<U99999999"),
        "texts are padded with",
    ),
    "narrow labels": (
        lambda data: changed(data, "forest", "classes", 0, "dtype", to="<U2"),
        "do not fit into dtype <U2",
    ),
    "dates": (lambda data: changed(data, "forest", "classes", 0, "dtype", to="<M8[D]"), "'<M8.D.' are not part"),
    "labels of two kinds": (
        lambda data: changed(data, "forest", "classes", 0, "values", 0, to=1),
        "expected one dimension",
    ),
    "half an array": (lambda data: without(data, "forest", "classes", 0, "dtype"), "Forest.classes: expected an array"),
    "no labels": (lambda data: changed(data, "forest", "classes", to=None), "Forest.classes: expected a list"),
    "a method of ours": (lambda data: changed(data, "methods", to=["__reduce__"]), "methods: expected some of predict"),
    "a missing parameter": (lambda data: without(data, "parameters", "device"), "parameters: expected .*device"),
    "a bad parameter": (lambda data: changed(data, "parameters", "batch_size", to=0.5), "batch_size cannot be 0.5"),
    "an unknown attribute": (lambda data: changed(data, "fitted", "fit", to=1), "none of the attributes .*: fit"),
    "another width": (
        lambda data: changed(data, "fitted", "n_features_in_", to=3),
        "n_features_in_ is not what a model of 2",
    ),
    "no width": (lambda data: without(data, "fitted", "n_features_in_"), "n_features_in_ is missing"),
    "a class in words": (lambda data: changed(data, "fitted", "classes_", to="abc"), "classes_: expected an array"),
    "a tag in words": (lambda data: changed(data, "tags", "no_validation", to="yes"), "tags: expected True or False"),
    "tags in words": (lambda data: changed(data, "tags", "input_tags", to="all"), "tags: expected True or False"),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_file_is_refused_by_name_and_with_what_is_wrong(how, path):
    make, said = BAD[how]
    sktensor.save(golden(), path)
    path.write_bytes(make(path.read_bytes()))
    with pytest.raises(ValueError, match=f"(?s){said}") as info:
        sktensor.load(path)
    assert str(info.value).startswith(f"{path} cannot be loaded: ")
    assert len(str(info.value)) < 2000


def test_a_file_that_is_not_there_is_an_error_of_the_system(path):
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        sktensor.load(path)
    with pytest.raises(OSError, match=path.parent.name):
        sktensor.load(path.parent)


def test_tags_of_another_scikit_learn_version_are_ignored(path):
    fast, _ = saved(Brought(np.arange(3)), path)
    data = changed(path.read_bytes(), "tags", "input_tags", "smell", to=True)
    path.write_bytes(without(data, "tags", "input_tags", "string"))
    assert get_tags(sktensor.load(path)) == get_tags(fast)


# --- ten thousand bad files -----------------------------------------------------------------------------------------

# What would have to happen for a file's content to be executed; each of them is announced to audit hooks.
EXECUTION = {
    "code.__new__", "compile", "exec", "import", "marshal.loads", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
    "os.system", "pickle.find_class", "socket.connect", "subprocess.Popen", "ctypes.dlopen", "ctypes.dlsym",
}  # fmt: skip
watching = False
executed = []


def watch(event, args):
    if watching and event in EXECUTION:
        executed.append((event, str(args)))


def refused_or_loaded(path):
    """The estimator in a file, or the error if that is the one that bad files are to raise."""
    global watching
    watching = True
    try:
        return sktensor.load(path)
    except ValueError as error:
        assert str(error).startswith(f"{path} cannot be loaded: ")
        return error
    finally:
        watching = False


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    for name in ("text labels", "LightGBM, linear trees", "XGBClassifier", "CatBoost", "one leaf"):
        sktensor.save(TensorizedEstimator(MODELS[name]()), folder / name)
    sktensor.save(golden(), folder / "golden")
    sys.addaudithook(watch)  # for as long as the process lives; it does nothing while `watching` is not set
    return [file.read_bytes() for file in sorted(folder.iterdir())]


def predictions(loaded):
    rows = np.linspace(-2, 300, 8 * loaded.n_features_in_).reshape(8, -1)
    return [
        getattr(loaded, name)(rows)
        for name in ("predict_raw", "predict", "predict_proba", "apply")
        if hasattr(loaded, name)
    ]


@pytest.mark.parametrize("how", DAMAGE, ids=lambda how: how.__name__)
def test_damaged_file_is_refused_or_gives_the_same(how, good_files, path):
    rng = np.random.default_rng(0)
    refused = 0
    for good in itertools.islice(itertools.cycle(good_files), 600):
        bad = how(rng, good)
        path.write_bytes(bad)
        found = refused_or_loaded(path)
        if isinstance(found, ValueError):
            refused += 1
            continue
        path.write_bytes(good)
        before = sktensor.load(path)
        same_fields(found.forest_, before.forest_)
        for ours, theirs in zip(predictions(found), predictions(before), strict=True):
            same_bits(ours, theirs)
    assert refused > 420  # the others swapped a tensor with itself, or blanks with blanks
    assert executed == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", FORGERIES, ids=lambda how: how.__name__)
def test_a_forged_file_is_refused_or_describes_a_forest(how, good_files, path):
    rng = np.random.default_rng(0)
    refused = loaded = 0
    for good in itertools.islice(itertools.cycle(good_files), 800):
        path.write_bytes(how(rng, good))
        found = refused_or_loaded(path)
        if isinstance(found, ValueError):
            refused += 1
            continue
        found.forest_.validate()
        loaded += 1
        try:
            predictions(found)
        except (
            ValueError,
            AttributeError,
        ) as error:  # of settings that cannot be had, of probabilities of a regression
            assert str(error)
    assert refused > 160 and loaded > 30
    assert executed == []


# --- pickles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("model", ["text labels", "XGBClassifier", "LGBMClassifier", "CatBoost"])
def test_a_pickle_of_any_protocol_gives_the_same_bits(protocol, model):
    fast = TensorizedEstimator(MODELS[model]())
    expected = fast.predict_proba(X)
    again = pickle.loads(pickle.dumps(fast, protocol))
    same_bits(again.predict_proba(X), expected)
    assert again._compiled().forest is again.forest_ and not again.forest_.trees.threshold.flags.writeable


def test_arrays_of_a_pickle_travel_out_of_band():
    fast, buffers = TensorizedEstimator(MODELS["text labels"]()), []
    expected = fast.predict(X)
    data = pickle.dumps(fast, 5, buffer_callback=buffers.append)
    assert sum(buffer.raw().nbytes for buffer in buffers) >= fast.forest_.trees.leaf_value.nbytes
    same_bits(pickle.loads(data, buffers=[bytes(buffer.raw()) for buffer in buffers]).predict(X), expected)


@pytest.mark.parametrize("options", [{}, {"compress": 3}], ids=str)
def test_a_joblib_dump_gives_the_same_bits_memory_mapped_or_not(options, tmp_path):
    fast = TensorizedEstimator(MODELS["XGBClassifier"]())
    expected = fast.predict_proba(X)
    joblib.dump(fast, tmp_path / "model", **options)
    same_bits(joblib.load(tmp_path / "model", mmap_mode=None if options else "r").predict_proba(X), expected)


def on_cuda(model):
    """A wrapper as a machine with a GPU leaves it."""
    return TensorizedEstimator(model).fit(X, Y).set_params(device="cuda")


@pytest.mark.parametrize("fitted", [on_cuda, lambda model: TensorizedEstimator(model.fit(X, Y), device="cuda:1")])
def test_an_estimator_of_a_device_that_is_not_there_is_loaded_for_the_cpu_with_a_warning(fitted, no_cuda, tmp_path):
    fast = fitted(RandomForestClassifier(3, random_state=0))
    joblib.dump(fast, tmp_path / "model")
    for load in (lambda: pickle.loads(pickle.dumps(fast)), lambda: joblib.load(tmp_path / "model")):
        with pytest.warns(
            DeviceWarning, match="device='cuda.*' is not there.* loaded with device='cpu' instead"
        ) as caught:
            loaded = load()
        assert len(caught) == 1
        assert loaded.device == "cpu" and loaded.explain_plan().device == "cpu"
        same_bits(loaded.predict_proba(X), RandomForestClassifier(3, random_state=0).fit(X, Y).predict_proba(X))
    assert fast.device.startswith("cuda")


def test_a_saved_estimator_of_a_device_that_is_not_there_is_loaded_for_the_cpu_with_a_warning(no_cuda, path):
    fast = on_cuda(RandomForestClassifier(3, random_state=0))
    sktensor.save(fast, path)
    with pytest.warns(DeviceWarning, match="device='cuda' is not there") as caught:
        loaded = sktensor.load(path)
    assert caught[0].filename == __file__
    same_bits(loaded.predict_proba(X), fast.set_params(device="cpu").predict_proba(X))


def test_an_estimator_keeps_a_device_that_is_there_and_an_unfitted_one_any(monkeypatch, path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    fast = on_cuda(RandomForestClassifier(3)).set_params(device=torch.device("cuda", 0))
    assert pickle.loads(pickle.dumps(fast)).device == torch.device("cuda", 0)
    sktensor.save(fast, path)
    assert sktensor.load(path).device == "cuda:0"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    unfitted = TensorizedEstimator(RandomForestClassifier(3), device="cuda")
    assert pickle.loads(pickle.dumps(unfitted)).device == "cuda"  # fit says that it is not there


# --- skops ----------------------------------------------------------------------------------------------------------

OURS = [
    "sktensor.estimator.estimator.TensorizedEstimator",
    "sktensor.estimator.fitted.Fitted",
    "sktensor.forest.forest.Forest",
    "sktensor.forest.specs.InputSpec",
    "sktensor.forest.specs.OutputSpec",
    "sktensor.forest.trees.Trees",
    "sktensor.runtime.program.Program",
]
TRUSTED = {
    "text labels": ["sklearn.tree._tree.Tree"],
    "GradientBoosting": ["sklearn.tree._tree.Tree"],
    "HistGradientBoosting": ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"],
    "XGBClassifier": ["xgboost.core.Booster", "xgboost.sklearn.XGBClassifier"],
    "LGBMClassifier": ["collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier"],
    "CatBoost": ["catboost.core.CatBoostClassifier"],
}


@pytest.mark.parametrize("model", TRUSTED)
def test_skops_takes_a_wrapper_and_asks_to_trust_these_types_alone(model, tmp_path):
    sio = pytest.importorskip("skops.io")
    fast = TensorizedEstimator(MODELS[model]())
    expected = fast.predict(X)
    sio.dump(fast, tmp_path / "model.skops")
    assert sio.get_untrusted_types(file=tmp_path / "model.skops") == sorted(OURS + TRUSTED[model])
    loaded = sio.load(tmp_path / "model.skops", trusted=OURS + TRUSTED[model])
    same_bits(loaded.predict(X), expected)
    assert not loaded.forest_.trees.threshold.flags.writeable


def test_skops_takes_a_loaded_estimator_and_a_pipeline(path):
    sio = pytest.importorskip("skops.io")
    _, loaded = saved(MODELS["XGBClassifier"](), path)
    pipeline = make_pipeline(StandardScaler().fit(X), loaded)
    data = sio.dumps(pipeline)
    trusted = [*OURS, "sktensor.persistence.saved_model.SavedModel"]
    assert sio.get_untrusted_types(data=data) == sorted(trusted)
    same_bits(sio.loads(data, trusted=trusted).predict(X), pipeline.predict(X))


def test_an_estimator_of_a_device_that_is_not_there_comes_from_skops_for_the_cpu(no_cuda):
    sio = pytest.importorskip("skops.io")
    data = sio.dumps(on_cuda(RandomForestClassifier(3, random_state=0)))
    with pytest.warns(DeviceWarning, match="device='cuda' is not there"):
        loaded = sio.loads(data, trusted=OURS + TRUSTED["text labels"])
    assert loaded.device == "cpu"


def test_extra_trees_are_saved_with_all_their_trees(path):
    Xd, yd = load_diabetes(return_X_y=True)
    fast, loaded = saved(ExtraTreesRegressor(40, random_state=0).fit(Xd, yd), path)
    same_answers(loaded, fast, Xd)
