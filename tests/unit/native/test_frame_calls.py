"""Few rows of a frame in one call: the same bits as the pipeline, and nothing lost or leaked."""

from __future__ import annotations

import gc
import pickle
import sys
import threading
import weakref
from functools import cache, partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from mixed_frames import FRAMES, Text, consolidated, fitted, made_anew, outcome, turned

import sktensor
from sktensor import TensorizedEstimator
from sktensor.estimator.frame_answers import LAYOUTS_KEPT
from sktensor.native import plain_calls

pytestmark = pytest.mark.skipif(not plain_calls.is_there(), reason="built without the extension module")

METHODS = ("predict", "predict_proba", "predict_raw")


@cache
def pipeline_on(name):
    """A frame, and a pipeline fitted on it."""
    frame = FRAMES[name]()
    return frame, fitted(frame)


@pytest.fixture(params=FRAMES)
def case(request):
    return *pipeline_on(request.param), request.param


def learned(model, rows):
    """A wrapper that answers rows like these at once."""
    fast = TensorizedEstimator(model)
    for method in METHODS:
        for _ in range(3):
            getattr(fast, method)(rows)
    return fast


@pytest.mark.parametrize("of", [lambda row: row, consolidated, made_anew, turned])
def test_each_row_gets_its_bits(case, at_once, of):
    frame, model, _ = case
    fast = learned(model, of(frame[1:2]))
    at_once.clear()
    expected = model.predict_proba(frame[:20])
    raw = TensorizedEstimator(model).predict_raw(frame[:20])
    for n in (1, 5):
        for start in range(0, 20, n):
            rows = of(frame[start : start + n])
            assert fast.predict_proba(rows).tobytes() == expected[start : start + n].tobytes()
            assert fast.predict(rows).tolist() == expected[start : start + n].argmax(1).tolist()
            assert fast.predict_raw(rows).tobytes() == raw[start : start + n].tobytes()
    assert sum(at_once) > 0.8 * len(at_once)  # but for rows 0 and 11, of which the steps have to be asked


def test_a_loaded_pipeline_answers_at_once(case, at_once, tmp_path):
    frame, model, _ = case
    fast = TensorizedEstimator(model)
    frame = frame[1:11]
    expected = fast.predict_proba(frame)
    sktensor.save(fast, tmp_path / "kept.skt")
    for loaded in (sktensor.load(tmp_path / "kept.skt"), pickle.loads(pickle.dumps(fast))):
        for _ in range(3):
            loaded.predict_proba(frame[:1])
        at_once.clear()
        for i in range(10):
            assert loaded.predict_proba(frame[i : i + 1]).tobytes() == expected[i : i + 1].tobytes()
        assert all(at_once)


ODD_TEXTS = [None, "unknown", "", "é", "x" * 300]
ODD_OBJECTS = [np.nan, pd.NA, Text("x"), Text("unknown"), 1, 1.5, True, ["x"], b"x", np.str_("x")]


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in FRAMES if name != "category" for value in ODD_TEXTS]
    + [("object, NaN", value) for value in ODD_OBJECTS],
    ids=str,
)
def test_odd_texts_get_the_pipelines_answer_or_error(name, value):
    frame, model = pipeline_on(name)
    fast = learned(model, frame[5:6])
    if isinstance(frame, pl.DataFrame):
        rows = frame[5:7].with_columns(t=pl.Series("t", [value, "x"], dtype=frame["t"].dtype))
    else:
        rows = frame[5:7].copy()
        rows["t"] = pd.Series([value, "x"], index=rows.index, dtype=frame["t"].dtype)
    for some in (rows[:1], rows, rows[1:]):
        for _ in range(3):
            assert outcome(fast, some) == outcome(model, some)


ODD_NUMBERS = [np.nan, np.inf, -np.inf, -0.0, 1e39, -1e39, 1.7e308, 5e-324, 1e-46, 2.0**24 + 1, 2.0**53 + 2]


@pytest.mark.parametrize("value", ODD_NUMBERS)
@pytest.mark.parametrize("column", ["a", "b", "i"])
@pytest.mark.parametrize("name", ["object, None", "polars", "polars, nulls"])
def test_odd_numbers_get_the_pipelines_answer_or_error(name, column, value):
    frame, model = pipeline_on(name)
    fast = learned(model, frame[5:6])
    dtype = frame[column].to_numpy().dtype
    with np.errstate(all="ignore"):
        given = np.full(2, np.clip(np.nan_to_num(value), -(2.0**15), 2.0**15 - 1) if dtype.kind == "i" else value)
        given = given.astype(dtype)
    if isinstance(frame, pl.DataFrame):
        rows = frame[5:7].with_columns(pl.Series(column, given, dtype=frame[column].dtype))
    else:
        rows = frame[5:7].assign(**{column: given})
    for some in (rows[:1], rows):
        for _ in range(3):
            assert outcome(fast, some) == outcome(model, some)


def borders(fast):
    """Numbers at which a folded tree decides otherwise, by column, and their neighbours."""
    (ready,) = fast._compiled().folded().values()
    trees = ready.program.forest.trees
    for i, view in enumerate(ready.folded.views):
        at = trees.threshold[trees.feature == i] if hasattr(view, "fill") else getattr(view, "breaks", ())
        for value in np.asarray(at, dtype=np.float64):
            yield from ((view.column, given) for given in (value, *np.nextafter(value, [-np.inf, np.inf])))


@pytest.mark.parametrize("name", ["object, NaN", "polars"])
def test_numbers_at_which_trees_decide_otherwise(name, at_once):
    frame, model = pipeline_on(name)
    fast = learned(model, consolidated(frame[1:2]))
    names = ["a", "b", "i", "t", "further", "f", "u"]
    found, rows = [], []
    at_once.clear()
    for column, value in borders(fast):
        if names[column] not in ("a", "b"):
            continue
        if name == "polars":
            row = frame[2:3].with_columns(pl.Series(names[column], [value], dtype=frame[names[column]].dtype))
        else:
            row = frame[2:3].copy()
            row.loc[2, names[column]] = frame[names[column]].dtype.type(value)
        rows.append(row)
        found.append(fast.predict_proba(row))
    assert len(rows) > 20 and all(at_once)
    together = pl.concat(rows) if name == "polars" else pd.concat(rows)
    assert np.concatenate(found).tobytes() == model.predict_proba(together).tobytes()


def pandas_others(frame):
    yield frame.rename(columns={"a": "other"})
    yield frame.rename(columns={"further": "a"})
    yield frame.drop(columns="b")
    yield frame.assign(more=1.0)
    yield frame[frame.columns[::-1]]
    yield frame.astype({"i": "int8"})
    yield frame.astype({"a": "float32"})
    yield frame.astype({"b": ">f4"})
    yield frame.astype({"b": np.longdouble})
    yield frame.astype({"i": "Int64"})
    yield frame.astype({"t": object, "u": object})
    yield frame.astype({"t": "category"})
    yield frame.set_axis(pd.MultiIndex.from_tuples([(name, 0) for name in frame.columns]), axis=1)
    yield frame.set_axis([*frame.columns[:-1], 5], axis=1)


def polars_others(frame):
    yield frame.rename({"a": "other"})
    yield frame.drop("b")
    yield frame.with_columns(more=1.0)
    yield frame.select(frame.columns[::-1])
    yield frame.with_columns(pl.col("i").cast(pl.Int8))
    yield frame.with_columns(pl.col("a").cast(pl.Float32))
    yield frame.with_columns(pl.col("t").cast(pl.Categorical))
    yield frame.with_columns(pl.Series("i", [None] * len(frame), dtype=pl.Int64))


def test_frames_of_another_layout_are_told_apart(case):
    frame, model, _ = case
    fast = learned(model, frame[1:2])
    others = (polars_others if isinstance(frame, pl.DataFrame) else pandas_others)(frame)
    for other in others:
        for row in (other[2:3], other[2:4], frame[2:3]):
            for _ in range(3):
                assert outcome(fast, row) == outcome(model, row)


def test_layouts_in_turn_are_all_answered_at_once(at_once):
    frame, model = pipeline_on("str")
    kinds = [frame, frame.astype({"i": "float64"}), frame.astype({"b": "float64"}), turned(frame)]
    assert len(kinds) <= LAYOUTS_KEPT
    fast = TensorizedEstimator(model)
    for start in range(1, 9):
        at_once.clear()
        for rows in kinds:
            row = rows[start : start + 1]
            assert fast.predict_proba(row).tobytes() == model.predict_proba(row).tobytes()
    assert all(at_once) and len(at_once) == len(kinds)


def test_more_layouts_than_are_kept_are_answered_all_the_same():
    frame, model = pipeline_on("str")
    fast = TensorizedEstimator(model)
    kinds = [frame.assign(**{f"more {k}": 1.0}) for k in range(2 * LAYOUTS_KEPT)]
    for _ in range(3):
        for rows in kinds:
            assert fast.predict_proba(rows[2:3]).tobytes() == model.predict_proba(rows[2:3]).tobytes()
    (known,) = fast._compiled().frame_answers._known.values()
    assert len(known) == LAYOUTS_KEPT


def test_settings_that_change_take_effect():
    frame, model = pipeline_on("polars")
    fast = learned(model, frame[1:2])
    expected = model.predict_proba(frame[1:2])
    for parameters in ({"backend": "torch"}, {"strategy": "gemm"}, {"strategy": "auto", "backend": "auto"}):
        assert fast.set_params(**parameters).predict_proba(frame[1:2]).tobytes() == expected.tobytes()
    with pytest.raises(ValueError, match="Unknown strategy"):
        fast.set_params(strategy="unknown").predict_proba(frame[1:2])
    with pytest.raises(ValueError, match="Unknown device"):
        fast.set_params(strategy="auto", device=[]).predict_proba(frame[1:2])


def test_steps_that_are_fitted_anew_are_followed():
    frame = FRAMES["object, NaN"]()
    model = fitted(frame)  # not the others'
    fast = learned(model, frame[1:2])
    turned_over = frame.assign(a=-frame["a"], b=10 - frame["b"])
    model.fit(turned_over, np.arange(len(frame)) % 2)
    for _ in range(3):
        assert fast.predict_proba(frame[1:2]).tobytes() == model.predict_proba(frame[1:2]).tobytes()


def test_rows_that_change_in_place_are_read_anew():
    frame, model = pipeline_on("object, NaN")
    fast = learned(model, frame[1:2])
    row = frame[5:6].copy()
    for value in ("x", "y", "z", None, "unknown"):
        row.loc[5, "t"] = value
        row.loc[5, "a"] = float(len(str(value)))
        assert fast.predict_proba(row).tobytes() == model.predict_proba(row).tobytes()


def test_more_rows_than_are_few_take_the_ordinary_way(at_once, case):
    frame, model, _ = case
    fast = learned(model, frame[1:2])
    at_once.clear()
    many = pl.concat([frame] * 10) if isinstance(frame, pl.DataFrame) else pd.concat([frame] * 10)
    assert fast.predict_proba(many).tobytes() == model.predict_proba(many).tobytes()
    assert not any(at_once)


def test_no_rows_get_the_pipelines_answer_or_error(case):
    frame, model, _ = case
    fast = learned(model, frame[1:2])
    for _ in range(3):
        assert outcome(fast, frame[:0]) == outcome(model, frame[:0])


def test_without_the_extension_the_answers_are_the_same(case, monkeypatch):
    frame, model, _ = case
    expected = learned(model, frame[1:2]).predict_proba(frame[1:2])
    monkeypatch.setattr(plain_calls, "extension", lambda: None)
    assert learned(model, frame[1:2]).predict_proba(frame[1:2]).tobytes() == expected.tobytes()


def test_calls_leave_no_references_behind(case):
    frame, model, name = case
    fast = learned(model, frame[1:2])
    row, refused = frame[5:6], frame[4:5]
    if name.startswith("object"):
        refused = refused.assign(t=pd.Series([b"no text"], index=refused.index, dtype=object))
    elif name.startswith("polars"):
        refused = refused.with_columns(a=float("inf"))
    else:
        refused = refused.assign(a=np.inf)
    (call,) = fast._compiled().frame_answers._calls[type(frame), "predict_proba", fast._settings()]
    for _ in range(10):
        assert call(row) is not None and call(refused) is None
    held = [row, refused, None, True, False, call, type(frame), "x", "y", np.ndarray, 0]
    if isinstance(frame, pd.DataFrame):
        held += [row.columns, *(block.values for block in row._mgr.blocks), refused.columns]
    before, blocks = [sys.getrefcount(thing) for thing in held], sys.getallocatedblocks()
    for _ in range(3_000):
        call(row)
        call(refused)
    after = [sys.getrefcount(thing) for thing in held]
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) < 500
    assert sys.getallocatedblocks() - blocks < 500


def test_a_pipeline_that_is_dropped_is_freed(case):
    frame, model, _ = case
    fast = learned(model, frame[1:2])
    program = weakref.ref(fast._current().program)
    call = fast._compiled().frame_answers._calls[type(frame), "predict_proba", fast._settings()][0]
    gc.collect()
    gc.disable()
    try:
        del fast
        assert program() is None
    finally:
        gc.enable()
    expected = model.predict_proba(frame[1:2])
    assert call(frame[1:2]).tobytes() == expected.tobytes()  # whoever holds a call holds what it needs
    ring = [call]
    ring.append(ring)
    del ring, call
    gc.collect()


def test_threads_get_their_own_rows_answers(case):
    frame, model, _ = case
    fast = learned(model, frame[1:2])
    expected = model.predict_proba(frame)
    wrong = []

    def ask(first):
        for i in [*range(first, len(frame), 4)] * 5:
            if fast.predict_proba(frame[i : i + 1]).tobytes() != expected[i : i + 1].tobytes():
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- the call itself --------------------------------------------------------------------------------------------------


@pytest.fixture
def arguments(monkeypatch):
    """What a call is made of, by the name of a frame."""

    def found(name):
        frame, model = pipeline_on(name)
        seen = {}
        module = plain_calls.extension()

        class Noting:
            PlainCall = module.PlainCall

            @staticmethod
            def FrameCall(plain, **given):
                seen.update(given, plain=plain)
                return module.FrameCall(plain, **given)

        with monkeypatch.context() as patch:
            patch.setattr("sktensor.native.frame_calls.extension", lambda: Noting)
            learned(model, frame[1:2])
        return seen, frame

    return found


def replaced(items, i, j, value):
    """A tuple of tuples with another value in one of them."""
    one = list(items[i])
    one[j] = value
    return (*items[:i], tuple(one), *items[i + 1 :])


def test_arguments_that_do_not_hold_together_are_refused(arguments):
    for name in ("object, NaN", "polars"):
        given, _ = arguments(name)
        make = plain_calls.extension().FrameCall
        make(**given)
        wrong = [
            {"plain": len},
            {"plain": None},
            {"n_views": -1},
            {"n_views": 1},
            {"slots": given["slots"][:2]},
            {"slots": (1,)},
            {"slots": replaced(given["slots"], 0, 0, not given["slots"][0][0])},
            {"numbers": replaced(given["numbers"], 0, 0, given["n_views"])},
            {"numbers": replaced(given["numbers"], 0, 0, -1)},
            {"numbers": replaced(given["numbers"], 0, 1, 99)},
            {"bins": replaced(given["bins"], 0, 1, -1)},
            {"bins": replaced(given["bins"], 0, 3, b"x")},
            {"categories": replaced(given["categories"], 0, 1, 99)},
            {"categories": replaced(given["categories"], 0, 2, [])},
            {"categories": replaced(given["categories"], 0, 0, given["n_views"])},
            {"parts": replaced(given["parts"], 0, 0, "?")},
            {"parts": replaced(given["parts"], 0, 0, "")},
            {"names": tuple(given["names"])},
        ]
        for change in wrong:
            with pytest.raises((TypeError, ValueError, OverflowError)):
                make(**{**given, **change})
        with pytest.raises(TypeError):
            make()


def test_a_call_takes_one_frame(arguments):
    given, frame = arguments("str")
    call = plain_calls.extension().FrameCall(**given)
    for wrong in ((), (frame, frame)):
        with pytest.raises(TypeError, match="takes one frame"):
            call(*wrong)
    with pytest.raises(TypeError, match="takes one frame"):
        call(frame, X=frame)
    for other in (None, 1, "text", [], np.zeros((1, 7)), pl.DataFrame(), pd.DataFrame(), frame["a"], object()):
        assert call(other) is None


class Broken(Exception):
    """Raised by a place of columns that is asked whether it is the same."""


def test_errors_of_a_frame_lead_the_ordinary_way_but_interrupts_do_not(arguments):
    given, frame = arguments("str")

    def same_place(error, *_):
        raise error

    other = frame[1:2].copy()[frame.columns]
    other = pd.DataFrame({name: other[name] for name in other})  # with places of its own
    make = plain_calls.extension().FrameCall
    assert make(**{**given, "same_place": partial(same_place, Broken())})(other) is None
    with pytest.raises(KeyboardInterrupt):
        make(**{**given, "same_place": partial(same_place, KeyboardInterrupt())})(other)
