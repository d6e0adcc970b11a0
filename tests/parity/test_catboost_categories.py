"""CatBoost's categorical features, one-hot and as statistics of the target, held against the library bit for bit."""

from __future__ import annotations

import functools
import json
import pickle
import tempfile
from pathlib import Path

import catboost as cb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from agreement import STRATEGIES, library_leaves, library_raw, same_bits

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest, tensorize
from sktensor.backends.cpu.engine import STRATEGIES as NATIVE_STRATEGIES
from sktensor.extractors.catboost import model as extractor
from sktensor.extractors.catboost.ctrs import DerivedColumns
from sktensor.extractors.catboost.model import extract
from sktensor.inputs.cityhash import cityhash64
from sktensor.native import loader

pytestmark = [
    pytest.mark.filterwarnings("ignore:Failed to import numba"),
    pytest.mark.filterwarnings("ignore:X does not have valid feature names"),
]

RNG = np.random.default_rng(11)
N = 400
FRAME = pd.DataFrame(
    {
        "colour": RNG.choice(["red", "größe", "", "blue"], N),
        "x": RNG.normal(size=N),
        "code": RNG.integers(-20, 20, N),
        "flag": RNG.integers(0, 2, N),
        "z": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(size=N)),
        "name": [f"somebody with number {i} and a rather long name, which takes more than 64 bytes" for i in
                 RNG.integers(0, 30, N)],
    }
)  # fmt: skip
CATEGORIES = ["colour", "code", "flag", "name"]
REAL = (
    2.0 * (FRAME["colour"] == "red")
    + FRAME["x"] * (FRAME["code"] % 3)
    - FRAME["flag"] * (FRAME["name"].str[21].astype(int) > 4)
).to_numpy()
YES, THREE = (REAL > 0.5).astype(int), np.digitize(REAL, [0.0, 1.0])

C, R, K = cb.CatBoostClassifier, cb.CatBoostRegressor, cb.CatBoostRanker
QUIET = {
    "iterations": 40,
    "depth": 4,
    "thread_count": 1,
    "verbose": 0,
    "allow_writing_files": False,
    "random_seed": 0,
    "cat_features": CATEGORIES,
}
PRIORS = ":Prior=0.3:Prior=0.1"


def fit(cls, y, data=FRAME, **params):
    return lambda: cls(**{**QUIET, **params}).fit(data, y)


def statistic(kind, y=REAL, cls=R, **params):
    """Statistics of one kind, of single features and of combinations."""
    return fit(cls, y, simple_ctr=[kind + PRIORS], combinations_ctr=[kind], max_ctr_complexity=3, **params)


MODELS = {
    "one-hot": fit(R, REAL, one_hot_max_size=100),
    "one-hot, deep, classes": fit(C, THREE, one_hot_max_size=100, depth=8, iterations=10),
    "single features": fit(R, REAL, one_hot_max_size=3, max_ctr_complexity=1),
    "as usual": fit(R, REAL, iterations=120, depth=6),
    "as usual, two classes": fit(C, YES),
    "as usual, three classes": fit(C, THREE),
    "as usual, ranking": lambda: K(**QUIET, loss_function="YetiRank").fit(FRAME, YES, group_id=np.arange(N) // 10),
    "Borders": statistic("Borders"),
    "Borders, several": statistic("Borders:TargetBorderCount=4:CtrBorderCount=30"),
    "Buckets": statistic("Buckets", THREE, C),
    "BinarizedTargetMeanValue": statistic("BinarizedTargetMeanValue"),
    "Counter": statistic("Counter"),
    "Counter of all rows": statistic("Counter", counter_calc_method="Full"),
    "combinations with one-hot values": fit(R, REAL, one_hot_max_size=4, max_ctr_complexity=5, iterations=150),
    "Depthwise": fit(R, REAL, grow_policy="Depthwise", max_ctr_complexity=3),
    "Lossguide": fit(C, THREE, grow_policy="Lossguide", one_hot_max_size=4),
    "NaN as maximum": fit(R, REAL, nan_mode="Max", max_ctr_complexity=4, iterations=80),
    "categories only": fit(R, REAL, FRAME[CATEGORIES]),
    "a category of no use": fit(R, FRAME["x"], FRAME.assign(colour="red", name="x", code=1, flag=1)),
}


@functools.cache
def fitted(name):
    return MODELS[name]()


def awkward(frame=FRAME):
    """Values that no model has seen, and numbers that hurt."""
    rng, frame = np.random.default_rng(3), frame.copy()
    for column, strange in (("colour", ["mauve", "Red", "0"]), ("code", [99, -(2**40), 2**31]), ("name", ["", "é"])):
        at = rng.random(len(frame)) < 0.2
        frame.loc[at, column] = rng.choice(strange, at.sum())
    if "x" in frame:
        frame["x"] = rng.choice([*frame["x"][:100], np.nan, np.inf, -np.inf, 0.0, 1e300, 1e-40], len(frame))
        frame["z"] = rng.choice([*frame["z"][:100], np.nan, np.inf, -0.0], len(frame))
    return frame


def rows_for(model):
    return awkward(FRAME if len(model.feature_names_) > 4 else FRAME[CATEGORIES])


def agrees(model, X, **parameters):
    fast = TensorizedEstimator(model, **parameters)
    expected = library_raw(model, X)
    same_bits(fast.predict_raw(X), expected)
    return fast


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", MODELS)
def test_raw_scores_leaves_and_labels_are_those_of_the_library(name):
    model = fitted(name)
    X = rows_for(model)
    forest = extract_forest(model)
    assert (forest.trees.feature >= forest.n_features).any() or name == "a category of no use"
    for rows in (X, X[:1], X.to_numpy(dtype=object), X.astype(object).values.tolist()):
        fast = agrees(model, rows)
    same_bits(fast.apply(X), library_leaves(model, X))
    if hasattr(model, "classes_") and isinstance(model, C):
        same_bits(fast.predict(X), model.predict(X))
        same_bits(fast.predict_proba(X), model.predict_proba(X))


def test_cases_have_the_features_they_are_named_for():
    def statistics(name):
        return extractor._saved(fitted(name))["features_info"]["ctrs"]

    for kind in ("Borders", "Buckets", "BinarizedTargetMeanValue", "Counter"):
        assert {ctr["ctr_type"] for ctr in statistics(kind)} >= {kind}
        assert max(len(ctr["elements"]) for ctr in statistics(kind)) > 1
    found = [e["combination_element"] for c in statistics("combinations with one-hot values") for e in c["elements"]]
    assert set(found) == {"cat_feature_value", "cat_feature_exact_value", "float_feature"}
    assert "ctrs" not in extractor._saved(fitted("one-hot"))["features_info"]
    assert max(ctr["target_border_idx"] for ctr in statistics("Borders, several")) == 3


def changed(name, change):
    """A model of which the saved statistics were changed, as the library reads it back, and the parts it saves then."""
    saved = json.loads(json.dumps(extractor._saved(fitted(name))))
    for ctr in saved["features_info"]["ctrs"]:
        change(ctr)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model").write_text(json.dumps(saved))
        return R().load_model(f"{folder}/model", format="json")


def test_ctr_shift_is_added_before_scaling():
    """As priors outside of 0 to 1 have it."""
    model = statistic("Borders:Prior=-0.7:Prior=3.3", iterations=15)()
    shifts = {(ctr["shift"], ctr["scale"]) for ctr in extractor._saved(model)["features_info"]["ctrs"]}
    assert any(shift and scale != 1 for shift, scale in shifts)
    agrees(model, awkward())


@pytest.mark.parametrize("name", ["Borders", "Counter", "BinarizedTargetMeanValue"])
def test_ctr_prior_has_a_denominator(name):
    """It is 1 wherever a CPU has trained."""
    model = changed(name, lambda ctr: ctr.update(prior_denomerator=2.5))
    assert (library_raw(model, FRAME) != library_raw(fitted(name), FRAME)).any()
    agrees(model, awkward())


def test_ctr_tables_hold_only_seen_categories():
    forest = extract_forest(fitted("single features"))
    columns = [FRAME.columns[column] for column in forest.inputs.key_column]
    assert set(forest.inputs.key_test) == {0} and len(forest.inputs.key_off) == len(columns) + 1
    sizes = {
        (name, size) for name, size in zip(columns, np.diff(forest.inputs.table_off), strict=True) if name != "flag"
    }
    assert sizes == {(name, FRAME[name].nunique()) for name in ("colour", "code", "name")}  # flag is one-hot


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "name", ["one-hot", "combinations with one-hot values", "Lossguide", "as usual, three classes"]
)
def test_every_strategy_and_every_kernel_agree(name, strategy):
    model, X = fitted(name), awkward()
    agrees(model, X, strategy=strategy, backend="torch", batch_size=70)
    if strategy in NATIVE_STRATEGIES and loader.library() is not None:
        agrees(model, X, strategy=strategy, backend="native")


def test_categories_of_several_batches_of_rows():
    X = pd.concat([awkward()] * 100)
    agrees(fitted("single features"), X, n_jobs=2)
    agrees(fitted("single features"), X, backend="torch", strategy="tree_traversal")


def test_integers_booleans_text_and_bytes_give_the_same_category():
    model = fit(R, REAL, FRAME.assign(flag=FRAME["flag"].astype(str), code=FRAME["code"].astype(str)))()
    expected = library_raw(model, FRAME)
    given = FRAME.to_numpy(dtype=object)
    for change in (int, np.int8, bool, np.bool_, str, lambda v: str(v).encode(), np.str_):
        rows = given.copy()
        rows[:, 3] = [change(v) for v in given[:, 3]] if change is not bool else [bool(v) for v in given[:, 3]]
        same_bits(TensorizedEstimator(model).predict_raw(rows), expected)
        same_bits(library_raw(model, rows), expected)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint16, bool])
def test_arrays_of_integers(dtype):
    X = np.column_stack([FRAME["code"] % 7, FRAME["flag"], FRAME["code"] % 2]).astype(dtype)
    model = fit(R, REAL, X, cat_features=[0, 2], one_hot_max_size=3)()
    agrees(model, X)
    found = TensorizedEstimator(model).predict_raw(torch.tensor(X.astype(np.int64)))
    assert isinstance(found, torch.Tensor)
    same_bits(found.numpy(), library_raw(model, X))


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "pyarrow"])
@pytest.mark.parametrize("categorical", [False, True])
def test_frames_of_other_libraries_hold_the_same_values(make, categorical):
    X, given = awkward(), awkward()
    if categorical:
        given[["colour", "name"]] = given[["colour", "name"]].astype("category")
        given["flag"] = given["flag"].astype("int8")
    same_bits(TensorizedEstimator(fitted("as usual")).predict_raw(make(given)), library_raw(fitted("as usual"), X))
    agrees(fitted("as usual"), given)


@pytest.mark.parametrize(
    ("column", "value"), [(2, 1.0), (2, np.nan), (0, None), (0, np.nan), (3, np.float32(0)), (0, pd.NA)]
)
def test_only_text_and_integers_are_categories_as_in_the_library(column, value):
    model, X = fitted("as usual"), FRAME.to_numpy(dtype=object)
    X[3, column] = value
    with pytest.raises((cb.CatBoostError, TypeError)):
        model.predict(X)
    with pytest.raises(ValueError, match=f"Column {column} of categories holds .*: categories of this model are text"):
        TensorizedEstimator(model).predict(X)


@pytest.mark.evidence("refused")
def test_arrays_of_real_numbers_and_sparse_rows_are_refused():
    X = np.zeros((3, 2))
    model = fit(R, REAL, FRAME[["code", "x"]], cat_features=["code"])()
    with pytest.raises(cb.CatBoostError):
        model.predict(X)
    with pytest.raises(ValueError, match=r"Column 0 of categories holds 0\.0"):
        TensorizedEstimator(model).predict(X)
    with pytest.raises(ValueError, match="looks up no values in sparse rows"):
        TensorizedEstimator(model).predict(scipy.sparse.csr_matrix(X))


def test_fitting_through_the_wrapper_and_columns_in_another_order():
    regressor = R(**{**QUIET, "cat_features": None})  # with a list of them, CatBoost's models cannot be cloned
    fast = TensorizedEstimator(regressor).fit(FRAME, REAL, cat_features=CATEGORIES)
    same_bits(fast.predict(awkward()), fast.estimator_.predict(awkward()))
    turned = FRAME[FRAME.columns[::-1]]  # categories stand where categories stood
    same_bits(fast.predict(turned), fast.estimator_.predict(turned))
    with pytest.raises(ValueError, match="must be in the same order"):
        fast.predict(FRAME[[*FRAME.columns[1:], FRAME.columns[0]]])


def test_no_rows_give_no_answers():
    fast = TensorizedEstimator(fitted("as usual"))
    assert fast.predict_raw(FRAME[:0]).shape == (0,)
    assert fast.predict_raw(FRAME[:0].to_numpy(dtype=object)).shape == (0,)


def test_modules_refuse_text_categories():
    with pytest.raises(ValueError, match=r"categories of columns \[0, 2, 3, 5\] are hashed as text"):
        tensorize(fitted("as usual"))


@pytest.mark.evidence("answers")
@pytest.mark.parametrize("name", ["one-hot", "combinations with one-hot values", "a category of no use"])
def test_saved_pickled_and_reloaded_models_hold_the_same_tables(name, tmp_path):
    model, X = fitted(name), awkward()
    fast, expected = TensorizedEstimator(model), library_raw(model, X)
    sktensor.save(fast, tmp_path / "file")
    same_bits(sktensor.load(tmp_path / "file").predict_raw(X), expected)
    same_bits(pickle.loads(pickle.dumps(fast)).predict_raw(X), expected)
    model.save_model(str(tmp_path / "model"), format="cbm")
    same_bits(TensorizedEstimator(R().load_model(str(tmp_path / "model"))).predict_raw(X), expected)


def test_models_cut_short_are_read_as_they_are():
    model = fit(R, REAL, max_ctr_complexity=3)()
    model.shrink(20, 5)
    agrees(model, awkward())


# --- hashes ---------------------------------------------------------------------------------------------------------


def test_hashes_are_those_that_the_library_writes(tmp_path):
    texts = ["".join(chr(33 + (7 * i + n) % 90) for i in range(n)) for n in range(140)]
    texts += ["é" * n for n in (1, 7, 8, 20, 33, 70)] + ["日本酒", "a\0b", "-3", "0"]
    data = pd.DataFrame({"text": texts, "number": np.arange(len(texts)) % 7.0})
    pool = cb.Pool(data, np.arange(len(texts)) % 5, cat_features=["text"])
    model = R(iterations=1, verbose=0, allow_writing_files=False).fit(pool)
    model.save_model(str(tmp_path / "model"), format="json", pool=pool)
    written = json.loads((tmp_path / "model").read_bytes())["features_info"]["cat_features_hash"]
    known = {entry["value"]: entry["hash"] & 0xFFFFFFFF for entry in written}
    assert known.keys() == set(texts)
    assert {text: cityhash64(text.encode()) & 0xFFFFFFFF for text in texts} == known


# --- refusals -------------------------------------------------------------------------------------------------------


def first_split(saved):
    splits = (split for tree in saved["oblivious_trees"] for split in tree["splits"] or ())
    return next(split for split in splits if split["split_type"] == "OnlineCtr")


@pytest.mark.evidence("refused")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda saved: [c.update(ctr_type="FeatureFreq") for c in saved["features_info"]["ctrs"]], "ctr_type='Feature"),
        (lambda saved: [c.update(mirrored=1) for c in saved["features_info"]["ctrs"]], "mirrored in a CTR"),
        (lambda saved: [t.update(more=1) for t in saved["ctr_data"].values()], "more in a CTR"),
        (
            lambda saved: [
                e.update(combination_element="word") for c in saved["features_info"]["ctrs"] for e in c["elements"]
            ],
            "combination_element='word'",
        ),
        (lambda saved: first_split(saved).update(border=77.0), "not numbered as expected"),
        (lambda saved: first_split(saved).update(split_index=10**6), "split_index=1000000"),
        (lambda saved: first_split(saved).update(split_index=0), "split_index=0"),
        (lambda saved: first_split(saved).update(more=1), "more in a split"),
        (lambda saved: first_split(saved).update(split_type="EstimatedFeature"), "split_type='EstimatedFeature'"),
    ],
)
def test_unknown_fields_of_a_saved_model_are_refused_by_name(monkeypatch, change, words):
    saved = json.loads(json.dumps(extractor._saved(fitted("as usual"))))
    change(saved)
    monkeypatch.setattr(extractor, "_saved", lambda _: saved)
    with pytest.raises(UnsupportedModelError, match=words):
        extract(fitted("as usual"))


TARGETS = np.column_stack([REAL, -(REAL**2)])
SEVERAL = {
    "targets": (TARGETS, {"loss_function": "MultiRMSE"}),
    "labels": ((TARGETS > [0.5, -0.2]).astype(int), {"loss_function": "MultiLogloss"}),
    "ways to cut a target": (REAL, {"simple_ctr": ["Borders:TargetBorderCount=1", "Borders:TargetBorderCount=3"]}),
}


@pytest.mark.evidence("refused")
@pytest.mark.parametrize("name", SEVERAL)
def test_ctr_features_of_several_targets_are_refused_by_name(name):
    """Their tables have one name in JSON, and predictions may differ on rows that verification does not try."""
    y, params = SEVERAL[name]
    asked = {"cat_features": CATEGORIES, "loss_function": "RMSE", **QUIET, **params}
    model = cb.CatBoost(asked).fit(FRAME, y)
    with pytest.raises(UnsupportedModelError, match="for several targets, or for one target with several"):
        extract(model)
    one_hot = cb.CatBoost({**asked, "one_hot_max_size": 255}).fit(FRAME, y)
    same_bits(TensorizedEstimator(one_hot).predict_raw(FRAME), library_raw(one_hot, FRAME))


@pytest.mark.evidence("refused")
def test_ambiguous_ctr_features_are_refused():
    y, params = SEVERAL["ways to cut a target"]
    asked = {"cat_features": CATEGORIES, "loss_function": "RMSE", **QUIET, **params}
    saved = extractor._saved(cb.CatBoost(asked).fit(FRAME, y))
    info = saved["features_info"]
    columns, nan_right = extractor._columns(info["float_features"])
    with pytest.raises(UnsupportedModelError, match="JSON does not tell their tables apart"):
        DerivedColumns(info, saved["ctr_data"], columns, nan_right)
