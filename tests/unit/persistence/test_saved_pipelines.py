"""Pipelines that come back from a file as the folded forests that it keeps: the same bits, or a clear error."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from agreement import same_bits
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from mutations import DAMAGE, FORGERIES, SIZES, signed, some, taken_apart
from saving import changed, without
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler
from xgboost import XGBClassifier

import sktensor
from sktensor import TensorizedEstimator, UnsupportedModelError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4)) * [1, 10, 0.1, 100] + [0, 5, 0, -10]
X[RNG.random(X.shape) < 0.1] = np.nan
Y = (np.nan_to_num(X[:, 0]) > 0.2).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "größe", "c", "d"]).assign(
    text=RNG.choice(["u", "v", "日本酒 \U0001f377"], len(X)), note="not looked at"
)
FRAME["object"] = FRAME["text"].astype(object)
FRAME["kind"] = pd.Categorical(RNG.choice(["x", "y", "z"], len(X)))
FRAME["small"] = FRAME["a"].astype(np.float32)
METHODS = ("predict", "predict_proba", "predict_raw", "apply", "decision_function", "score_samples")

MODELS = {
    "xgboost": lambda: XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1),
    "lightgbm": lambda: LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1),
    "catboost": lambda: CatBoostClassifier(iterations=4, depth=3, verbose=0, allow_writing_files=False, thread_count=1),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=4),
    "forest": lambda: RandomForestClassifier(4, random_state=0),
    "regressor": lambda: RandomForestRegressor(4, random_state=0),
    "isolation forest": lambda: IsolationForest(n_estimators=4, random_state=0),
}


def of_numbers(model="xgboost"):
    return make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), MODELS[model]())


def of_bins(model="xgboost"):
    return make_pipeline(
        SimpleImputer(), KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform"), MODELS[model]()
    )


def of_columns(model="xgboost"):
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    bins = make_pipeline(SimpleImputer(), KBinsDiscretizer(4, strategy="uniform"))
    return make_pipeline(
        ColumnTransformer(
            [
                ("numbers", numbers, ["a", "größe", "small"]),
                ("bins", bins, ["c"]),
                ("texts", OneHotEncoder(handle_unknown="ignore"), ["text", "object"]),
                ("ranks", OrdinalEncoder(), ["kind"]),
                ("as it is", "passthrough", ["d"]),
            ]
        ),
        MODELS[model](),
    )


def saved(est, path):
    sktensor.save(est, path, overwrite=True)
    return sktensor.load(path)


def assert_same(ours, theirs, rows):
    for method in METHODS:
        assert hasattr(ours, method) == hasattr(theirs, method), method
        if hasattr(ours, method):
            same_bits(getattr(ours, method)(rows), getattr(theirs, method)(rows))


# --- the same bits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [of_numbers, of_bins])
@pytest.mark.parametrize("model", MODELS)
def test_arrays_of_both_floats(make, model, path):
    fast = TensorizedEstimator(make(model)).fit(X, Y)
    loaded = saved(fast, path)
    for rows in (X, X.astype(np.float32), X[:1], np.asfortranarray(X), np.nextafter(X, np.inf)):
        assert_same(fast, loaded, rows)
    if hasattr(fast, "score"):
        assert loaded.score(X, Y) == fast.score(X, Y)


@pytest.mark.parametrize("make", [of_numbers, of_bins])
def test_integers_and_sequences(make, path):
    fast = TensorizedEstimator(make()).fit(X, Y)
    loaded = saved(fast, path)
    whole = np.rint(np.nan_to_num(X) * 3)
    for rows in (whole.astype(np.int64), whole.astype(np.int32), X.tolist(), whole.astype(int).tolist(), tuple(X[:3])):
        assert_same(fast, loaded, rows)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_frames(model, container, path):
    rows = FRAME if container == "pandas" else pl.from_pandas(FRAME)
    fast = TensorizedEstimator(of_columns(model)).fit(rows, Y)
    loaded = saved(fast, path)
    assert_same(fast, loaded, rows)
    assert_same(fast, loaded, rows[:1])
    assert loaded.feature_names_in_.tolist() == list(FRAME.columns)
    other = FRAME[[*reversed(FRAME.columns)]].assign(more=1, text="unknown")
    assert_same(fast, loaded, other if container == "pandas" else pl.from_pandas(other))


def test_all_kinds_of_rows_that_have_been_predicted(path):
    fast = TensorizedEstimator(of_columns()).fit(FRAME, Y)
    others = [FRAME.assign(a=FRAME["a"].astype(np.float32)), pl.from_pandas(FRAME)]
    for rows in others:
        fast.predict(rows)
    loaded = saved(fast, path)
    for rows in (FRAME, *others):
        assert_same(fast, loaded, rows)


def test_a_fitted_pipeline_that_has_predicted_nothing_but_takes_arrays(path):
    whole = of_numbers().fit(X, Y)
    loaded = saved(TensorizedEstimator(whole), path)
    same_bits(whole.predict_proba(X), loaded.predict_proba(X))


def test_margins_and_tensors(path):
    fast, margin = TensorizedEstimator(of_numbers()).fit(X, Y), RNG.normal(size=len(X))
    loaded = saved(fast, path)
    same_bits(fast.predict_proba(X, base_margin=margin), loaded.predict_proba(X, base_margin=margin))
    raw = loaded.predict_raw(torch.tensor(X))
    assert isinstance(raw, torch.Tensor)
    same_bits(raw.numpy(), fast.predict_raw(X))
    with pytest.raises(TypeError, match="unexpected keyword argument 'more'"):
        loaded.predict(X, more=1)


def test_embeddings(path):
    fast = TensorizedEstimator(make_pipeline(StandardScaler(), RandomTreesEmbedding(3, random_state=0)))
    rows = np.nan_to_num(X)
    expected = fast.fit_transform(rows)
    loaded = saved(fast, path)
    assert (loaded.transform(rows) != expected).nnz == 0
    assert loaded.get_feature_names_out().tolist() == fast.get_feature_names_out().tolist()


def test_saved_again_pickled_and_explained(path, tmp_path):
    fast = TensorizedEstimator(of_columns()).fit(FRAME, Y)
    loaded = saved(fast, path)
    first = path.read_bytes()
    again = saved(loaded, path)
    assert path.read_bytes() == first
    assert_same(fast, again, FRAME)
    assert_same(fast, pickle.loads(pickle.dumps(loaded)), FRAME)
    joblib.dump(loaded, tmp_path / "pickle")
    assert_same(fast, joblib.load(tmp_path / "pickle"), FRAME)
    assert "folded for: frames of pandas (a: float64" in str(loaded.explain_plan(10))
    assert "OneHotEncoder" in str(loaded.explain_plan(10))
    assert "Pipeline" in loaded._repr_html_()
    assert loaded.warmup([1, 10]) is loaded
    same_bits(loaded.set_params(n_jobs=2, verbose=1).predict_proba(FRAME), fast.predict_proba(FRAME))


def test_forests_of_several_kinds_share_their_leaves(path):
    fast = TensorizedEstimator(of_numbers()).fit(X, Y)
    sktensor.save(fast, path)
    header, arrays = taken_apart(path.read_bytes())
    assert [kind["columns"] for kind in header["pipeline"]["kinds"]] == [["float64"], ["float32"], ["int64"]]
    assert "0.leaf_value" in arrays and "1.leaf_value" not in arrays


def test_the_forest_of_a_loaded_pipeline(path):
    scaled = make_pipeline(StandardScaler(), MODELS["forest"]()).fit(np.nan_to_num(X), Y)
    fast = TensorizedEstimator(scaled)
    same_bits(saved(fast, path).forest_.trees.threshold, fast.forest_.trees.threshold)
    loaded = saved(TensorizedEstimator(of_columns()).fit(FRAME, Y), path)
    with pytest.raises(AttributeError, match="look values up"):
        _ = loaded.forest_
    with pytest.raises(UnsupportedModelError):
        sktensor.extract_forest(loaded.estimator_)


CODE = """
import sys
import numpy as np, pandas as pd
import sktensor
from sktensor import TensorizedEstimator, load
before = set(sys.modules)
loaded = load(sys.argv[1])
found = loaded.predict_proba(pd.read_pickle(sys.argv[2]))
assert found.tobytes() == np.load(sys.argv[3]).tobytes()
more = set(sys.modules) - before
wrong = [name for name in more if name.partition(".")[0] in ("xgboost", "lightgbm", "catboost", "torch")]
wrong += [name for name in more if name.startswith(("sklearn.preprocessing", "sklearn.impute", "sklearn.compose"))]
wrong += [name for name in more if name.startswith(("sklearn.pipeline", "sklearn.ensemble", "sklearn.tree"))]
assert not wrong, wrong
"""


def test_no_library_and_no_transformer_is_loaded(path, tmp_path):
    fast = TensorizedEstimator(of_columns()).fit(FRAME, Y)
    sktensor.save(fast, path)
    FRAME.to_pickle(tmp_path / "rows")
    np.save(tmp_path / "expected.npy", fast.predict_proba(FRAME))
    subprocess.run([sys.executable, "-c", CODE, path, tmp_path / "rows", tmp_path / "expected.npy"], check=True)


# --- refusals -------------------------------------------------------------------------------------------------------


UNLIKE = {
    "short integers": (np.nan_to_num(X).astype(np.int8), "array of int8"),
    "too few columns": (X[:, :2], r"shape \(200, 2\)"),
    "a frame": (FRAME, "pandas frame with columns a: float64"),
    "a list of texts": ([["a"] * 4] * 3, "array of <U1"),
    "a list of uneven rows": ([[1.0], [2.0, 3.0]], "a list"),
    "no rows": (X[:0], r"shape \(0, 4\)"),
    "infinity": (np.where(X > 1, np.inf, X), "would have to be asked"),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("unlike", UNLIKE)
def test_rows_that_a_file_of_arrays_cannot_answer(unlike, path):
    rows, message = UNLIKE[unlike]
    loaded = saved(TensorizedEstimator(of_numbers()).fit(X, Y), path)
    with pytest.raises(UnsupportedModelError, match=message):
        loaded.predict(rows)


def test_rows_that_a_file_of_frames_cannot_answer(path):
    loaded = saved(TensorizedEstimator(of_columns()).fit(FRAME, Y), path)
    with pytest.raises(UnsupportedModelError, match=r"folded for frames of pandas \(a: float64.*Convert"):
        loaded.predict(FRAME.assign(d=1))
    with pytest.raises(UnsupportedModelError, match="as unknown categories"):
        loaded.predict(FRAME.assign(kind=pd.Categorical(["other"] * len(FRAME))))
    for rows in (FRAME.drop(columns="a"), X, pl.from_pandas(FRAME)):
        with pytest.raises(UnsupportedModelError, match="as they were folded for"):
            loaded.predict(rows)


def test_pipelines_that_are_not_kept(path):
    refused = {
        "these are run: 'pca', since what it gives": make_pipeline(SimpleImputer(), PCA(2), MODELS["xgboost"]()),
        "Predict some rows of each kind": of_columns(),
        "the last step is no forest": make_pipeline(
            SimpleImputer(), GridSearchCV(MODELS["forest"](), {"max_depth": [2]}, cv=2)
        ),
    }
    for message, whole in refused.items():
        whole.fit(FRAME if "Predict" in message else X, Y)
        with pytest.raises(UnsupportedModelError, match=message):
            sktensor.save(TensorizedEstimator(whole), path)
    whole = make_pipeline(StandardScaler(), RandomTreesEmbedding(3, sparse_output=False)).set_output(transform="pandas")
    with pytest.raises(UnsupportedModelError, match="set_output"):
        sktensor.save(TensorizedEstimator(whole).fit(np.nan_to_num(X)), path)
    assert not path.exists()


def test_a_loaded_pipeline_is_neither_fitted_nor_cloned(path):
    loaded = saved(TensorizedEstimator(of_numbers()).fit(X, Y), path)
    with pytest.raises(TypeError, match="its trees, and not the model itself"):
        loaded.fit(X, Y)


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Files of a pipeline of arrays, with and without bins, and of one of frames."""
    path = tmp_path_factory.mktemp("good") / "model.safetensors"
    found = []
    for make, rows in ((of_numbers, X), (of_bins, X), (of_columns, FRAME)):
        sktensor.save(TensorizedEstimator(make()).fit(rows, Y), path, overwrite=True)
        found.append(path.read_bytes())
    return found


VIEW = {"column": 0, "low": float("nan"), "high": float("nan"), "fill": None}
KIND = ("pipeline", "kinds", 0)
DAMAGED = {
    "a column that is not there": (2, (*KIND, "views", 0, "column"), 99),
    "a negative column": (2, (*KIND, "views", 0, "column"), -1),
    "a column that is not read": (2, (*KIND, "views", 0, "column"), 5),
    "a column of text as numbers": (2, (*KIND, "views", 0, "column"), 4),
    "no such library": (2, (*KIND, "library"), "os"),
    "no such columns": (2, (*KIND, "columns", 0), "complex128"),
    "columns of another library": (2, (*KIND, "columns", 4), "String"),
    "a view less": (2, (*KIND, "views"), []),
    "a view of another kind": (2, (*KIND, "views", 0), {**VIEW, "refuses": True}),
    "a view that is none": (2, (*KIND, "views", 0), 7),
    "a number of columns without end": (0, ("pipeline", "n_columns"), 2**62),
    "no columns": (0, ("pipeline", "n_columns"), 0),
    "columns that are read twice": (2, ("pipeline", "read"), [0, 0]),
    "columns that are not there": (2, ("pipeline", "read"), [0, 99]),
    "too few names": (2, ("pipeline", "names"), ["a"]),
    "names of arrays": (0, ("pipeline", "names"), ["a", "b", "c", "d"]),
    "no names of frames": (2, ("pipeline", "names"), None),
    "no kind of rows": (0, ("pipeline", "kinds"), []),
    "steps that are none": (0, ("pipeline", "steps"), [1]),
    "a forest beside": (0, ("forest",), {"n_features": 1}),
    "names beside": (0, ("columns",), {"rule": "same"}),
    "shared with itself": (0, (*KIND, "shared"), ["leaf_value"]),
    "shared with nobody": (0, ("pipeline", "kinds", 1, "shared"), ["os"]),
    "trees of columns that are no views": (1, (*KIND, "in_place"), True),
    "rules of a forest's own rows": (0, (*KIND, "forest", "missing_value"), 0.0),
    "another number of columns": (0, ("fitted", "n_features_in_"), 3),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damage_is_refused(damage, good, path):
    which, way, to = DAMAGED[damage]
    path.write_bytes(changed(good[which], *way, to=to))
    with pytest.raises(ValueError, match="cannot be loaded"):
        sktensor.load(path)


def category_view(content):
    return next(view for view in content["pipeline"]["kinds"][0]["views"] if "texts" in view)


@pytest.mark.parametrize(
    ("entry", "to"),
    [
        ("codes", [-1, 1, 2]),
        ("codes", [0, 1, 2**40]),
        ("codes", [0, 1]),
        ("nan", 2**31),
        ("unknown", "0"),
        ("texts", {"dtype": "|O", "values": ["u", "u", "v"]}),
        ("texts", {"dtype": "|O", "values": ["u", 1, "v"]}),
        ("texts", {"dtype": "<U99999999", "values": ["u", "v", "w"]}),
    ],
)
def test_damaged_categories_are_refused(entry, to, good, path):
    content, arrays = taken_apart(good[2])
    category_view(content)[entry] = to
    path.write_bytes(signed(content, arrays))
    with pytest.raises(ValueError, match="cannot be loaded"):
        sktensor.load(path)


@pytest.mark.parametrize("change", [lambda a: a[::-1], lambda a: a * np.nan, lambda a: a.astype(np.float32)])
def test_damaged_breaks_are_refused(change, good, path):
    content, arrays = taken_apart(good[1])
    name = next(name for name in arrays if name.endswith(".breaks"))
    path.write_bytes(signed(content, {**arrays, name: change(arrays[name])}))
    with pytest.raises(ValueError, match="cannot be loaded"):
        sktensor.load(path)


def test_missing_and_further_tensors_are_refused(good, path):
    content, arrays = taken_apart(good[1])
    for name in arrays:
        path.write_bytes(signed(content, {key: array for key, array in arrays.items() if key != name}))
        try:
            loaded = sktensor.load(path)
        except ValueError:
            continue
        assert name.endswith(("cover", "gain", "leaf_id")), name  # which a forest may lack
        assert loaded.predict(X).shape == Y.shape
    for name in ("2.threshold", "0.view99.breaks", "0.more", "more"):
        path.write_bytes(signed(content, {**arrays, name: np.zeros(1)}))
        with pytest.raises(ValueError, match="cannot be loaded"):
            sktensor.load(path)


def test_missing_entries_are_refused(good, path):
    content, _ = taken_apart(good[2])
    for way in (("pipeline",), *(("pipeline", name) for name in content["pipeline"])):
        path.write_bytes(without(good[2], *way))
        with pytest.raises(ValueError, match="cannot be loaded"):
            sktensor.load(path)


def _sizes(rng, data):
    """Declare sizes that are not there."""
    content, arrays = taken_apart(data)
    pipeline, kind = content["pipeline"], content["pipeline"]["kinds"][0]
    size = int(some(rng, SIZES))
    places = [(pipeline, "n_columns"), (kind["forest"], "n_features"), (content["fitted"], "n_features_in_")]
    places += [(kind["forest"], "n_outputs"), (kind["views"][0] if kind["views"] else pipeline, "column")]
    for inside, name in places if rng.random() < 0.5 else [some(rng, places)]:
        inside[name] = size
    return signed(content, arrays)


@pytest.mark.parametrize("how", [*FORGERIES, *DAMAGE, _sizes], ids=lambda how: how.__name__)
def test_forged_files_are_refused_or_predict(how, good, path):
    rng = np.random.default_rng(0)
    refused = loaded = 0
    for data, rows in itertools.islice(itertools.cycle(zip(good, (X, X, FRAME), strict=True)), 60):
        path.write_bytes(how(rng, data))
        try:
            found = sktensor.load(path)
        except ValueError as error:
            assert str(path) in str(error)
            refused += 1
            continue
        loaded += 1
        try:
            found.predict(rows)
        except (ValueError, AttributeError) as error:
            assert str(error)
    assert refused + loaded == 60 and refused > 10
