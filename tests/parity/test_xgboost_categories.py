"""XGBoost's categories of data frames, held against the library."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from versions import since
from xgboost_models import HOLES, QUIET, REAL, RNG, YES, C, N, R, X, forest_of, frame, raw_of, same

from sktensor import TensorizedEstimator, UnsupportedModelError, extract_forest
from sktensor.extractors.xgboost import model as extractor

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:xgboost")


def coded(forest, data):
    """A frame's values as positions in the forest's tables; NaN stays, as does what has no table."""
    columns = []
    for table, name in zip(forest.inputs.categories, data.columns, strict=True):
        numbers = None if table is None else {value: float(i) for i, value in enumerate(table.tolist())}
        columns.append([v if numbers is None or pd.isna(v) else numbers[v] for v in data[name].tolist()])
    return np.array(columns, dtype=np.float64).T


@since("xgboost", "3.1", "categories in its models")
def test_categories_of_frames_are_kept_as_tables_and_coded_by_value():
    data = frame()
    model = R(**{**QUIET, "enable_categorical": True, "max_cat_to_onehot": 4}).fit(data, data["code"].astype(int) % 5)
    forest = extract_forest(model)
    assert forest.trees.is_cat.any()
    assert forest.inputs.unknown_category == "error"
    x, name, code = forest.inputs.categories
    assert x is None
    assert name.tolist() == data["name"].cat.categories.tolist()
    same(code, data["code"].cat.categories.to_numpy())

    other = frame(2)
    other.loc[::7, "name"] = np.nan
    other["name"] = other["name"].cat.reorder_categories(other["name"].cat.categories[::-1])
    other["code"] = other["code"].cat.remove_categories([5]).cat.reorder_categories([*range(39, 5, -1), *range(-3, 5)])
    same(raw_of(forest, coded(forest, other)), model.predict(other, output_margin=True))
    codes = coded(forest, data)
    same(raw_of(forest, codes), model.predict(codes, output_margin=True))


@since("xgboost", "3.1", "categories in its models")
@pytest.mark.parametrize("missing", [-999, 0, 1, 3, 1e300])
def test_a_missing_value_among_the_numbers_of_categories_is_the_frames_own_number(missing):
    """Which the library looks for before it looks up the model's own number of the category."""
    names = ["blue", "green", "grey", "red"]
    place = RNG.integers(0, 4, N)
    data = pd.DataFrame({"colour": pd.Categorical.from_codes(place, names), "x": X[:, 0]})
    model = R(**{**QUIET, "enable_categorical": True, "max_cat_to_onehot": 1}, missing=missing)
    model.fit(data, 2.0 * place + X[:, 0])
    fast, told = TensorizedEstimator(model), 0
    for order in ((0, 1, 2, 3), (0, 1, 3, 2), (3, 2, 1, 0), (1, 2, 3), (0, 1, 2)):
        kept = data[data["colour"].isin([names[i] for i in order])]
        kept = kept.assign(colour=kept["colour"].cat.set_categories([names[i] for i in order])).reset_index(drop=True)
        for rows in (kept, pl.from_pandas(kept), pa.Table.from_pandas(kept)):
            answer = model.predict(rows, output_margin=True)
            try:
                same(fast.predict_raw(rows), answer)
            except ValueError as refusal:
                assert f"category number {missing:g} of the frame for missing" in str(refusal)
                told += 1
                ours = extract_forest(model)
                assert (raw_of(ours, coded(ours, kept)) != answer).any()  # it was worth it
    assert (told > 0) == (missing in (0, 1, 3))


@pytest.mark.evidence("refused")
@since("xgboost", "3.1", "categories in its models")
@pytest.mark.parametrize("names", [["a", "é"], ["Köln", "b"], ["éa", "b"]], ids=ascii)
def test_category_names_split_wrongly_by_the_library_are_refused(names):
    data = pd.DataFrame({"city": pd.Categorical.from_codes(YES, names)})
    model = C(**{**QUIET, "enable_categorical": True}).fit(data, YES)
    if names == ["a", "é"]:  # the library's answers change with the order of the categories, which they must not
        turned = data.assign(city=data["city"].cat.reorder_categories(names[::-1]))
        assert (model.predict(turned) != model.predict(data)).any()
    with pytest.raises(UnsupportedModelError, match=r"Feature 0 .* beyond ASCII"):
        extractor.extract(model)


def test_a_frame_of_the_forest_is_that_of_the_library():
    model = R(**{**QUIET, "max_depth": 4}).fit(HOLES, REAL)
    forest = extract_forest(model)
    theirs = model.get_booster().trees_to_dataframe().set_index("ID")
    ours = forest.to_frame().set_index(["tree", "node"])
    assert len(ours) == len(theirs)
    ways = [((tree, 0), f"{tree}-0") for tree in range(forest.n_trees)]
    for (tree, node), name in ways:  # which grows on the way
        here, there = ours.loc[(tree, node)], theirs.loc[name]
        assert (np.float32(here["cover"]), tree) == (np.float32(there["Cover"]), there["Tree"])
        if there["Feature"] == "Leaf":
            assert (here["leaf_id"], here["value"]) == (there["Node"], np.float32(there["Gain"]))
            continue
        assert (f"f{here['feature']:.0f}", here["threshold"]) == (there["Feature"], np.float32(there["Split"]))
        assert (here["missing"] == here["left"]) == (there["Missing"] == there["Yes"])
        ways += [((tree, here["left"]), there["Yes"]), ((tree, here["right"]), there["No"])]
    assert len(ways) == len(theirs)


def test_a_model_trained_on_codes_has_no_tables():
    assert forest_of("categories").inputs.categories is None
