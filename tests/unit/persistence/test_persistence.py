"""Estimators saved and loaded in sktensor's own format: what comes back, and what is written."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from agreement import STRATEGIES
from lightgbm import LGBMClassifier
from saving import MODELS, SMALL, Brought, X, Y, same_answers, same_fields, saved
from sklearn.datasets import load_diabetes
from sklearn.ensemble import (
    ExtraTreesRegressor,
    RandomForestClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from versions import since
from xgboost import XGBClassifier

import sktensor
from sktensor import TensorizedEstimator
from sktensor.persistence import archive

FRAME = pd.DataFrame(
    {
        "size": np.linspace(-1, 1, len(Y)),
        "colour": pd.Categorical(np.array(["red", "rosé", "white", "b\0lue"])[np.arange(len(Y)) % 4]),
        "year": pd.Categorical(np.array([2019, 2020, 2023])[np.arange(len(Y)) % 3]),
    }
)


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


@pytest.mark.slow
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


@pytest.mark.slow
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
        with pytest.raises(ImportError, match="pip install safetensors"):
            call()


def test_extra_trees_are_saved_with_all_their_trees(path):
    Xd, yd = load_diabetes(return_X_y=True)
    fast, loaded = saved(ExtraTreesRegressor(40, random_state=0).fit(Xd, yd), path)
    same_answers(loaded, fast, Xd)
