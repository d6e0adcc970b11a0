"""A few rows of a frame are read value by value, to the same views as many, whatever holds them."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from mixed_frames import FRAMES, TEXTS, N, Text, consolidated, fitted, made_anew, outcome, turned

from sktensor import TensorizedEstimator
from sktensor.inputs.few_rows import FEW_VALUES, FewRows


@pytest.mark.parametrize("of", [lambda row: row, consolidated, made_anew, turned])
@pytest.mark.parametrize("name", FRAMES)
def test_each_row_is_answered_as_among_many(name, of):
    frame = FRAMES[name]()
    model = fitted(frame)
    fast = TensorizedEstimator(model)
    expected = model.predict_proba(frame[:20])
    for n in (1, 5):
        found = [fast.predict_proba(of(frame[start : start + n])) for start in range(0, 20, n)]
        assert np.concatenate(found).tobytes() == expected.tobytes()
    program = fast._compiled()
    _, columns = program.kinds.of(of(frame[1:2]))
    assert type(columns) is FewRows
    assert list(program.folded()) == [program.kinds.of(frame)[0]]  # the same kinds as those of many rows
    assert program.folded_rows(of(frame[1:2])) is not None  # NotForViews otherwise


@pytest.mark.parametrize("name", FRAMES)
def test_frames_of_another_kind_are_told_apart(name):
    frame = FRAMES[name]()
    fast = TensorizedEstimator(fitted(frame))
    fast.predict(frame[:1])
    kinds = fast._compiled().kinds
    if isinstance(frame, pl.DataFrame):
        others = [frame.with_columns(pl.col("i").cast(pl.Int8)), frame.with_columns(pl.col("u").cast(pl.Categorical))]
    else:
        others = [frame.astype({"i": "int8"}), frame.astype({"u": "str"}), frame.astype({"a": "float32"})]
        others += [frame.astype({"u": "category"}), frame.astype({"b": complex})]
    for other in (*others, frame):
        of_many = kinds.of(other)
        assert kinds.of(other[:1]) is None if of_many is None else kinds.of(other[:1])[0] == of_many[0]


def test_rows_of_several_kinds_in_turn_are_all_read_value_by_value():
    frame = FRAMES["str"]()
    model = fitted(frame)
    fast = TensorizedEstimator(model)
    kinds = [frame, frame.astype({"i": "float64"}), frame.astype({"b": "float64"}), turned(frame)]
    for start in range(1, 9):
        for rows in kinds:
            row = rows[start : start + 1]
            assert fast.predict_proba(row).tobytes() == model.predict_proba(row).tobytes()
    assert all(type(fast._compiled().kinds.of(rows[:1])[1]) is FewRows for rows in kinds)


def test_columns_of_a_dtype_that_lie_together_or_apart():
    frame = FRAMES["str"]()[[*"biaf", *TEXTS]].astype(dict.fromkeys("biaf", "float32"))
    model = fitted(frame)
    fast = TensorizedEstimator(model)
    for wide in "abiabf":  # all others are in one block, whose columns may be 0, 1 and 3
        rows = frame[1:3].astype({wide: "float64"}).copy()
        assert fast.predict_proba(rows).tobytes() == model.predict_proba(rows).tobytes()


def test_other_categories_of_the_same_kind():
    frame = FRAMES["category"]()
    model = fitted(frame)
    fast = TensorizedEstimator(model)
    for categories in (["z", "y", "x"], ["y", "x"], ["x", "y", "unknown", "z"], ["x", "y", "z"]):
        other = frame.assign(t=frame["t"].cat.set_categories(categories))
        for row in (other[:1], other[3:4], other[11:12]):
            assert fast.predict_proba(row).tobytes() == model.predict_proba(row).tobytes()


@pytest.mark.parametrize(
    "value", [None, np.nan, pd.NA, "unknown", Text("x"), Text("unknown"), 1, 1.5, True, ["x"], b"x", np.str_("x")]
)
def test_odd_values_among_objects(value):
    frame = FRAMES["object, NaN"]()
    model = fitted(frame)
    fast = TensorizedEstimator(model)
    fast.predict(frame[:1])
    rows = frame[5:7].copy()
    rows["t"] = pd.Series([value, "x"], index=rows.index, dtype=object)
    for some in (rows[:1], rows):
        assert outcome(fast, some) == outcome(model, some)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.0, 1e39, 1.7e308, 5e-324])
@pytest.mark.parametrize("column", ["a", "b"])
@pytest.mark.parametrize("name", ["str", "polars"])
def test_odd_numbers(name, column, value):
    frame = FRAMES[name]()
    model = fitted(frame)
    fast = TensorizedEstimator(model)
    with np.errstate(over="ignore"):
        given = np.full(2, value).astype(np.float32 if column == "b" else np.float64)
    if name == "polars":
        rows = frame[5:7].with_columns(pl.Series(column, given))
    else:
        rows = frame[5:7].assign(**{column: given})
    for some in (rows[:1], rows):
        assert outcome(fast, some) == outcome(model, some)


def test_integers_with_missing_values_in_polars():
    frame = FRAMES["polars"]()
    model = fitted(frame)
    fast = TensorizedEstimator(model)
    fast.predict(frame[:1])
    row = frame[:1].with_columns(pl.Series("i", [None], dtype=pl.Int64))
    assert outcome(fast, row) == outcome(model, row)


def test_a_copy_reads_rows_anew():
    frame = FRAMES["str"]()
    fast = TensorizedEstimator(fitted(frame))
    row = frame[:1]
    expected = fast.predict_proba(row)
    assert pickle.loads(pickle.dumps(fast)).predict_proba(row).tobytes() == expected.tobytes()


def test_rows_of_more_values_are_read_column_by_column():
    frame = FRAMES["str"]()
    fast = TensorizedEstimator(fitted(frame))
    fast.predict(frame[:1])
    kinds = fast._compiled().kinds
    n = FEW_VALUES // len(kinds.read)
    many = pd.concat([frame] * (n // N + 1))
    kinds.of(many[:1])
    assert type(kinds.of(many[:n])[1]) is FewRows
    assert type(kinds.of(many[: n + 1])[1]) is list
    assert fast.predict_proba(many[:n]).tobytes() == fast.predict_proba(many[: n + 1])[:n].tobytes()
