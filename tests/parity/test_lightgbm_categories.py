"""LightGBM's categories of data frames, held against the library."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from lightgbm_models import CATS, QUIET, TRAIN, N, X, raw_of, reloaded, same

from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest
from sktensor.extractors.lightgbm import extract

pytestmark = [
    pytest.mark.filterwarnings("ignore:The argument 'eval_set'"),
    pytest.mark.filterwarnings("ignore:Cannot compute class probabilities"),
]


def frame():
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "size": rng.normal(size=N),
            "colour": pd.Categorical(rng.choice(["red", "green", "blue"], N)),
            "year": pd.Categorical(rng.choice([2020, 2021, 2023], N)),
            "width": pd.Categorical(rng.choice([0.5, 1.5, 2.5], N)),
            "same": pd.Categorical(["x"] * N),
        }
    )


def target(data):
    return data["size"] + 2 * (data["colour"] == "red") + (data["year"] == 2021) - (data["width"] == 0.5)


@pytest.mark.parametrize("loaded", [False, True])
def test_pandas_categories_become_tables_of_their_values(loaded):
    data = frame()
    model = lgb.LGBMRegressor(**CATS).fit(data, target(data))
    forest = extract_forest(reloaded(model.booster_) if loaded else model)
    assert forest.inputs.unknown_category == "nan"
    tables = [None if table is None else table.tolist() for table in forest.inputs.categories]
    assert tables == [None, ["blue", "green", "red"], [2020, 2021, 2023], [0.5, 1.5, 2.5], ["x"]]
    # The tables stand for what the library does with a frame, a category it has not seen included.
    other = data.assign(colour=pd.Categorical(["mauve" if i % 5 == 0 else c for i, c in enumerate(data["colour"])]))
    coded = np.column_stack(
        [
            other[name].astype(float) if table is None else pd.Index(table).get_indexer(other[name])
            for name, table in zip(other, tables, strict=True)
        ]
    ).astype(np.float64)
    coded[:, 1:][coded[:, 1:] < 0] = np.nan
    same(raw_of(forest, coded), model.predict(other, raw_score=True))
    assert np.isnan(coded).any() and forest.trees.is_cat.any()


@pytest.mark.parametrize(
    "trained", [[False, True], [0, 1, 2], [0.5, 1.0, 2.0], [2**60, 2**60 + 1, 7], ["1", "True", "a"]], ids=str
)
@pytest.mark.parametrize("loaded", [False, True])
def test_categories_of_another_dtype_are_matched_as_by_pandas(trained, loaded):
    place = np.arange(N) % len(trained)
    data = pd.DataFrame({"kind": pd.Categorical.from_codes(place, trained), "x": X[:, 0]})
    model = lgb.LGBMRegressor(**{**CATS, "max_cat_to_onehot": 1, "min_data_per_group": 1}).fit(data, 3.0 * place)
    if loaded:
        model._Booster = reloaded(model.booster_)
    fast = TensorizedEstimator(model)
    assert fast.forest_.trees.is_cat.any()
    others = ([False, True], [True], [0, 1], [0, 1, 2, 3], [1], [1.0, 0.5], [0.5, 2.0**60], [7, 2**60 + 1], ["a", "1"])
    answers = set()
    for other in (trained, *others):
        rows = data.assign(kind=pd.Categorical.from_codes(np.arange(N) % (len(other) + 1) - 1, other))
        answers.add(model.predict(rows, raw_score=True).tobytes())
        same(fast.predict_raw(rows), model.predict(rows, raw_score=True))
    assert len(answers) > 2


def test_frames_without_categories_have_no_tables():
    data = frame()[["size"]].assign(other=1.0 * np.arange(N))
    assert extract(lgb.LGBMRegressor(**QUIET).fit(data, data["size"])).inputs.categories is None


def ordered():
    data = frame()
    return data.assign(year=data["year"].cat.as_ordered())


def of_other_kinds(values):
    return frame()[["size"]].assign(kind=pd.Categorical(values))


@pytest.mark.parametrize(
    ("data", "fit_params"),
    [
        (ordered(), {}),
        (frame().assign(number=np.arange(N) % 5), {"categorical_feature": ["number"]}),
        (frame().assign(number=np.arange(N) % 5), {"categorical_feature": ["number", "colour"]}),
        (frame()[["width", "size", "colour"]], {"categorical_feature": [2]}),
    ],
    ids=["ordered", "explicit column", "explicit columns", "one of two"],
)  # fmt: skip
def test_categories_beside_an_explicit_list_are_numbered_in_the_order_of_the_frame(data, fit_params):
    y = data["size"] + 2 * (data["colour"] == "red") + 3 * (data["width"] == 0.5) + np.arange(N) % 5
    model = lgb.LGBMRegressor(**CATS).fit(data, y, **fit_params)
    fast = TensorizedEstimator(model)
    assert fast.forest_.inputs.categories_in_order
    turned = data.assign(colour=data["colour"].cat.set_categories(data["colour"].cat.categories[::-1]))
    fewer = data.assign(colour=data["colour"].cat.remove_categories(data["colour"].cat.categories[:1]))
    for rows in (data, turned, fewer, data[:1]):
        same(fast.predict(rows), model.predict(rows))
    plain = data.assign(colour=data["colour"].cat.codes)
    for est in (model, fast):
        with pytest.raises(ValueError, match="train and valid dataset categorical_feature do not match"):
            est.predict(plain)


@pytest.mark.evidence("refused")
def test_categories_of_more_than_one_kind_are_refused_by_name():
    data = of_other_kinds(np.array([1, "a"], dtype=object)[np.arange(N) % 2])
    model = lgb.LGBMRegressor(**CATS).fit(data, np.arange(N) % 5)
    with pytest.raises(UnsupportedModelError, match="pandas_categorical"):
        extract(model)


def test_tables_that_fit_no_listed_column_belong_to_those_of_the_frame(monkeypatch):
    data = frame()[["size", "colour"]]
    booster = lgb.LGBMRegressor(**CATS).fit(data, data["size"]).booster_
    text = booster.model_to_string(num_iteration=-1)
    line = next(line for line in text.split("\n") if line.startswith("feature_infos="))
    monkeypatch.setattr(
        booster, "model_to_string", lambda num_iteration: text.replace(line, "feature_infos=[0:2] [0:2]")
    )
    assert extract(booster).inputs.categories_in_order


@pytest.mark.evidence("refused")
def test_categories_that_the_library_cannot_write_are_refused_by_name():
    data = of_other_kinds(pd.date_range("2020-01-01", periods=3)[np.arange(N) % 3])
    booster = lgb.train(TRAIN, lgb.Dataset(data, data["size"]), 2, keep_training_booster=True)
    with pytest.raises(UnsupportedModelError, match=r"pandas_categorical.*Timestamp"):
        extract(booster)
