"""What a file can make the loader do: memory within limits, and labels that go with the outputs."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from mutations import DAMAGE, FORGERIES, forge_sizes, signed, taken_apart
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

import sktensor
from sktensor import TensorizedEstimator
from sktensor.persistence import archive, codec, formats

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = (X[:, 0] > 0).astype(int)
TEXTS = np.array(["no", "yes"])[Y]


def of_categories():
    """A model of CatBoost with statistics of categories, whose forest has keys and derived columns."""
    frame = pd.DataFrame({"a": (np.arange(80) % 7).astype(str), "b": (np.arange(80) % 5).astype(str), "c": X[:, 0]})
    settings = {"iterations": 5, "verbose": 0, "allow_writing_files": False, "one_hot_max_size": 2}
    return CatBoostClassifier(cat_features=["a", "b"], **settings).fit(frame, Y)


MODELS = {
    "a forest with text labels": lambda: RandomForestClassifier(4, random_state=0).fit(X, TEXTS),
    "several targets": lambda: DecisionTreeClassifier().fit(X, np.stack([TEXTS, TEXTS[::-1]], 1)),
    "XGBoost": lambda: XGBClassifier(n_estimators=3, n_jobs=1).fit(X, Y),
    "LightGBM, linear trees": lambda: LGBMClassifier(n_estimators=3, linear_tree=True, verbose=-1).fit(X, TEXTS),
    "CatBoost, categories": of_categories,
}


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    found = []
    for number, make in enumerate(MODELS.values()):
        sktensor.save(TensorizedEstimator(make()), folder / str(number))
        found.append((folder / str(number)).read_bytes())
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def saved(path):
    """A function that saves a wrapped model, and gives the file's header and arrays."""

    def save(model):
        sktensor.save(TensorizedEstimator(model), path, overwrite=True)
        return taken_apart(path.read_bytes())

    return save


def peak_of(path):
    """Bytes that loading has allocated at most, and what came of it."""
    tracemalloc.start()
    try:
        found = sktensor.load(path)
    except ValueError as error:
        found = error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak, found


def limit(data):
    """What the docstring of sktensor.load promises."""
    return 50 * len(data) + 128 * 2**20


# --- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [forge_sizes, *FORGERIES, *DAMAGE], ids=lambda how: how.__name__)
def test_no_file_makes_the_loader_allocate_more_than_stated(how, good_files, path):
    rng = np.random.default_rng(0)
    for good in itertools.islice(itertools.cycle(good_files), 60 if how is forge_sizes else 10):
        bad = how(rng, good)
        path.write_bytes(bad)
        peak, _ = peak_of(path)
        assert peak < limit(bad)


@pytest.mark.parametrize("width", [10_000, 1_000_000, 99_999_999])
def test_the_limit_of_padded_texts_is_for_all_arrays_of_a_file_together(width, saved, path):
    content, arrays = saved(MODELS["a forest with text labels"]())
    per_array = min(codec.MAX_PADDING // (4 * width * 2), 1000) or 1
    some = {"dtype": f"<U{width}", "values": ["a"] * per_array}
    content["forest"]["categories"] = [some] * 3
    content["fitted"]["classes_"] = content["fitted"]["feature_names_in_"] = some
    path.write_bytes(signed(content, arrays))
    peak, found = peak_of(path)
    assert peak < limit(path.read_bytes())
    assert "padded with" in str(found) and "67,108,864 are allowed in a file" in str(found)


@pytest.mark.slow
def test_wide_texts_that_are_really_there_are_no_padding(path):
    labels = np.array(["a" * 1_000_000, "b" * 1_000_000], dtype=object).astype(str)
    fast = TensorizedEstimator(DecisionTreeClassifier().fit(X, labels[Y]))
    sktensor.save(fast, path)
    assert sktensor.load(path).classes_.tobytes() == labels.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "entry",
    [[], {}, {"": 0}, 999, "ab", 1.5, {"dtype": "<U1", "values": []}, {"dtype": "|O", "values": ["ä"]}],
    ids=str,
)
def test_memory_for_a_long_header_grows_as_its_length(entry, saved, path):
    content, arrays = saved(MODELS["a forest with text labels"]())
    content["forest"]["classes"] = [entry] * 20_000
    path.write_bytes(signed(content, arrays))
    peak, found = peak_of(path)
    assert isinstance(found, ValueError) and len(str(found)) < 1500
    assert peak < 50 * path.stat().st_size


def test_validation_allocates_nothing_of_the_declared_width_of_rows(good_files, path):
    content, arrays = taken_apart(good_files[list(MODELS).index("CatBoost, categories")])
    content["forest"] |= {"n_features": 2**40, "categories": None}
    content["fitted"] = {"n_features_in_": 2**40}
    arrays.pop("hashed")
    path.write_bytes(signed(content, arrays))
    peak, found = peak_of(path)
    assert isinstance(found, ValueError)
    assert peak < 50 * path.stat().st_size


def test_a_long_error_is_cut(saved, path):
    content, arrays = saved(MODELS["a forest with text labels"]())
    content["forest"]["output_slices"] = [1] * 100_000
    path.write_bytes(signed(content, arrays))
    with pytest.raises(ValueError, match=r"output_slices: .*\.\.\.$") as caught:
        sktensor.load(path)
    assert len(str(caught.value)) < 1500


# --- labels and outputs ---------------------------------------------------------------------------------------------

BINARY = {
    "LightGBM": lambda y: LGBMClassifier(n_estimators=3, verbose=-1).fit(X, y),
    "XGBoost": lambda y: XGBClassifier(n_estimators=3, n_jobs=1).fit(X, y),
    "HistGradientBoosting": lambda y: HistGradientBoostingClassifier(max_iter=3).fit(X, y),
    "CatBoost": lambda y: CatBoostClassifier(iterations=3, verbose=0, allow_writing_files=False).fit(X, y),
    "a forest": lambda y: RandomForestClassifier(3).fit(X, y),
}


@pytest.mark.parametrize("model", BINARY)
def test_a_binary_model_with_one_label_is_refused(model, saved, path):
    content, arrays = saved(BINARY[model](Y))
    labels = content["forest"]["classes"][0]
    labels["values"] = labels["values"][:1]
    content["fitted"] = {"n_features_in_": 3, "classes_": labels}
    path.write_bytes(signed(content, arrays))
    with pytest.raises(ValueError, match=r"Forest\.classes: (one label, but|decision 'argmax' chooses from 2)"):
        sktensor.load(path)


@pytest.mark.parametrize("model", ["LightGBM", "XGBoost", "HistGradientBoosting", "a forest"])
def test_a_model_fitted_on_one_class_is_loaded(model, saved, path):
    fitted = BINARY[model](np.zeros(80, dtype=int))
    saved(fitted)
    loaded = sktensor.load(path)
    assert loaded.predict(X).tobytes() == fitted.predict(X).tobytes()
    assert loaded.predict_proba(X).tobytes() == fitted.predict_proba(X).tobytes()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("classes_", {"dtype": "<U3", "values": ["no"]}),
        ("classes_", {"dtype": "<U3", "values": ["a", "b", "c"]}),
        ("classes_", [{"dtype": "<U3", "values": ["no", "yes"]}] * 2),
        ("n_classes_", 3),
        ("n_classes_", {"dtype": "<i8", "values": [2, 2]}),
        ("n_outputs_", 2),
    ],
    ids=str,
)
def test_fitted_attributes_that_do_not_go_with_the_forest_are_refused_by_name(name, value, saved, path):
    content, arrays = saved(MODELS["a forest with text labels"]())
    content["fitted"][name] = value
    path.write_bytes(signed(content, arrays))
    with pytest.raises(ValueError, match=f"fitted: {name} is "):
        sktensor.load(path)


def test_labels_of_several_targets_need_a_decision_for_each(saved, path):
    content, arrays = saved(MODELS["several targets"]())
    content["forest"] |= {"decision": "raw_argmax"}
    path.write_bytes(signed(content, arrays))
    with pytest.raises(ValueError, match=r"Forest\.(classes|decision)"):
        sktensor.load(path)


# --- parameters and formats -----------------------------------------------------------------------------------------


def test_every_parameter_comes_back(path):
    given = {
        "device": "cpu",
        "strategy": "gemm",
        "backend": "torch",
        "batch_size": 7,
        "n_jobs": 2,
        "verify": False,
        "verbose": 1,
    }
    defaults = TensorizedEstimator(None).get_params(deep=False)
    assert given.keys() == defaults.keys() - {"estimator"}, "a new parameter needs a value here"
    sktensor.save(TensorizedEstimator(MODELS["XGBoost"](), **given), path)
    loaded = sktensor.load(path).get_params(deep=False)
    assert {name: loaded[name] for name in given} == given
    assert all(type(loaded[name]) is type(value) for name, value in given.items())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"verbose": True}, {"verbose": 1}),
        ({"verbose": np.int64(2)}, {"verbose": 2}),
        ({"verify": np.False_}, {"verify": False}),
        ({"n_jobs": np.int32(-1)}, {"n_jobs": -1}),
    ],
    ids=str,
)
def test_numbers_of_numpy_and_truth_values_come_back_as_those_of_python(given, expected, path):
    sktensor.save(TensorizedEstimator(MODELS["XGBoost"](), **given), path)
    loaded = sktensor.load(path).get_params(deep=False)
    for name, value in expected.items():
        assert loaded[name] == value and type(loaded[name]) is type(value)


def test_a_file_of_format_1_is_read_and_knows_no_verbose(saved, path):
    content, arrays = saved(MODELS["XGBoost"]())
    expected = sktensor.load(path).predict_proba(X)
    content["format"] = 1
    del content["parameters"]["verbose"]
    path.write_bytes(signed(content, arrays))
    loaded = sktensor.load(path)
    assert loaded.verbose == 0 and loaded.predict_proba(X).tobytes() == expected.tobytes()


@pytest.mark.parametrize("number", [0, -1, 10**6])
def test_unknown_format_is_refused_before_the_checksum(number, saved, path):
    content, arrays = saved(MODELS["XGBoost"]())
    metadata = {archive.ENTRY: archive._text({**content, "format": number})}
    path.write_bytes(safetensors.numpy.save(arrays, metadata=metadata))
    with pytest.raises(ValueError, match=f"of format {number}, and this version of sktensor reads formats 1 to"):
        sktensor.load(path)


def test_every_older_format_has_a_step_to_the_next():
    assert sorted(formats._STEPS) == list(range(1, formats.FORMAT))


@pytest.mark.parametrize("entry", ["parameters", "forest"])
@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_a_damaged_header_of_an_older_format_is_refused_by_name(value, entry, saved, path):
    content, arrays = saved(MODELS["XGBoost"]())
    path.write_bytes(signed(content | {"format": 1, entry: value}, arrays))
    with pytest.raises(ValueError, match=f"header: {entry} cannot be"):
        sktensor.load(path)
