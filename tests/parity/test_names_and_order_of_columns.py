"""Names and order of columns: for each cell of the table below, the library's own answer or error.

Where a library answers by position although it knows other names (LightGBM always, XGBoost for frames of other
libraries than pandas), the wrapper refuses the frame as scikit-learn would; which cells these are stands in
:func:`is_position_against_names`.
"""

from __future__ import annotations

import functools
import itertools
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from agreement import same_bits
from catboost import CatBoostClassifier, Pool
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from versions import since
from xgboost import XGBClassifier, XGBRanker

import sktensor
from sktensor import TensorizedEstimator

pytestmark = [
    since("scikit-learn", "1.9", "names of all frames"),
    since("lightgbm", "4.7", "fits on polars frames"),
    since("catboost", "1.2.10", "fits on polars frames"),
    since("xgboost", "3.1", "fits on polars frames"),
]

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
Y = (X @ [1.0, -2.0, 0.5, 3.0] > 0).astype(int)
QUERY = np.repeat(np.arange(6), 10)
ORDER = [2, 0, 3, 1]

MODELS = {
    "xgboost": XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1),
    "ranker": XGBRanker(n_estimators=4, max_depth=3, n_jobs=1),
    "lightgbm": LGBMClassifier(n_estimators=4, min_child_samples=2, verbose=-1, n_jobs=1),
    "catboost": CatBoostClassifier(iterations=4, depth=3, verbose=0, allow_writing_files=False, thread_count=1),
    "forest": RandomForestClassifier(n_estimators=4, random_state=0),
    "histograms": HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=4, min_samples_leaf=2),
    "gradients": GradientBoostingClassifier(n_estimators=4, random_state=0),
}
OF_SCIKIT_LEARN = ("forest", "histograms", "gradients")

NAMES = {
    "text": ["a", "b c", "d", "e"],
    "int": [0, 1, 2, 3],
    "other int": [3, 1, 0, 2],
    "float": [0.5, 1.5, 2.5, 3.5],
    "tuple": [("a", 1), ("a", 2), ("b", 1), ("b", 2)],
    "date": list(pd.date_range("2020-01-01", periods=4)),
    "digits": ["0", "1", "2", "3"],
    "Column_i": [f"Column_{i}" for i in range(4)],
    "mixed": ["a", 1, "b", 2],
    "none": None,
}
EXTRA = {str: "extra", int: 99, float: 9.5, tuple: ("z", 9)}


def ordered(names, order):
    return [names[i] for i in order]


def change(names, case):
    """Which columns a frame has, and what they are called."""
    wide = [*range(4), 0]
    known = names or ["p", "q", "r", "s"]
    extra = EXTRA.get(type(known[-1]), pd.Timestamp("2030-01-01"))
    return {
        "same": (range(4), names),
        "reordered": (ORDER, names and ordered(names, ORDER)),
        "renamed": (range(4), ["p", "q", "r", "s"]),
        "one renamed": (range(4), [*known[:3], ("z", "z") if isinstance(known[0], tuple) else "z"]),
        "numbered": (range(4), [0, 1, 2, 3]),
        "numbered, reordered": (ORDER, ORDER),
        "digits": (range(4), ["0", "1", "2", "3"]),
        "digits, reordered": (ORDER, [str(i) for i in ORDER]),
        "Column_i, reordered": (ORDER, [f"Column_{i}" for i in ORDER]),
        "wider": (wide, [*known, extra]),
        "wider in front": (wide[::-1], [extra, *known[::-1]]),
        "narrower": (range(3), known[:3]),
        "without the first": (range(1, 4), known[1:]),
        "array": (range(4), None),
    }[case]


CASES = (
    "same", "reordered", "renamed", "one renamed", "numbered", "numbered, reordered", "digits", "digits, reordered",
    "Column_i, reordered", "wider", "wider in front", "narrower", "without the first", "array",
)  # fmt: skip


def container(kind, columns, names):
    """Rows in a container, None if it has no such names."""
    rows = np.ascontiguousarray(X[:, list(columns)])
    if names is None:
        return rows
    if kind == "pandas":
        # of mixed names, an index of objects
        return pd.DataFrame(rows, columns=pd.MultiIndex.from_tuples(names) if type(names[0]) is tuple else names)
    if not all(isinstance(name, str) for name in names):
        return None
    return pl.DataFrame(rows, schema=names) if kind == "polars" else pa.table(dict(zip(names, rows.T, strict=True)))


def quiet(call, *given, **named):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*given, **named)


@functools.cache
def models(library, names, kind):
    """A model fitted on such a frame, a wrapper around it, and one that was fitted on the frame itself."""
    rows = container(kind, range(4), NAMES[names])
    extra = {"qid": QUERY} if library == "ranker" else {}
    if library == "catboost" and kind == "arrow" and names != "none":
        rows = container("pandas", range(4), NAMES[names])  # of tables, CatBoost knows nothing
    model = quiet(clone(MODELS[library]).fit, rows, Y, **extra)
    return {
        "library": model,
        "prefit": TensorizedEstimator(model),
        "fitted through": quiet(TensorizedEstimator(MODELS[library]).fit, rows, Y, **extra),
    }


def takes(library, names, kind):
    """Whether the library can be fitted on a frame with such names."""
    if NAMES[names] is not None and container(kind, range(4), NAMES[names]) is None:
        return False
    if library == "lightgbm" and names in ("tuple", "date"):
        return False  # whose text has characters that it refuses
    return not (library in OF_SCIKIT_LEARN and names == "mixed")


def answer(model, rows):
    """What a model says about rows: ("answers", scores and predictions), or ("refuses", the error), with warnings."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = "answers", getattr(model, "predict_proba", model.predict)(rows)
        except Exception as error:  # the libraries raise all kinds
            found = "refuses", error
    return found, sorted({str(warning.message) for warning in said if warning.category is UserWarning})


def texts(names):
    return [" ".join(map(str, name)) if isinstance(name, tuple) else str(name).replace(" ", "_") for name in names]


def is_position_against_names(library, kind, known, given):
    """Whether the library reads by position, and there are names that say otherwise."""
    if known is None or given is None or texts(known) == texts(given):
        return False
    if library == "lightgbm":
        is_numbered = texts(known) == ["0", "1", "2", "3"]
        return any(isinstance(name, str) for name in given) and not is_numbered
    return library in ("xgboost", "ranker") and kind != "pandas"


def cells():
    """Library, kind of names, container and case, of those that there can be."""
    for library, names, kind, case in itertools.product(MODELS, NAMES, ("pandas", "polars", "arrow"), CASES):
        if takes(library, names, kind) and container(kind, *change(NAMES[names], case)) is not None:
            yield library, names, kind, case


TABLE = list(cells())


@pytest.mark.evidence("answers")
@pytest.mark.parametrize(("library", "names", "kind", "case"), TABLE, ids=["-".join(cell) for cell in TABLE])
def test_columns_are_matched_as_by_the_library(library, names, kind, case):
    fitted = models(library, names, kind)
    columns, given = change(NAMES[names], case)
    rows = container(kind, columns, given)
    read = container("pandas", columns, given) if library == "catboost" and kind == "arrow" else rows
    (outcome, theirs), warned = answer(fitted["library"], read)
    for how in ("prefit", "fitted through"):
        (found, ours), said = answer(fitted[how], rows)
        if outcome == "answers" and is_position_against_names(library, kind, NAMES[names], given):
            assert found == "refuses" and "feature names should match" in str(ours), how
        elif isinstance(rows, np.ndarray) and rows.shape[1] > 4:
            assert found == "refuses" and "expecting 4 features" in str(ours), how
        else:
            assert found == outcome, (how, ours, theirs)
            if outcome == "answers":
                same_bits(ours, theirs)
            else:
                assert isinstance(ours, (ValueError, TypeError)), how
        if library in OF_SCIKIT_LEARN:
            own = type(fitted["library"]).__name__
            assert said == [text.replace(own, "TensorizedEstimator") for text in warned], how
            if outcome == "refuses":
                assert type(ours) is type(theirs)
                if isinstance(theirs, ValueError):  # the words for names of several types are our own
                    assert str(ours) == str(theirs).replace(own, "TensorizedEstimator")


# --- what the table has no room for -------------------------------------------------------------------------------


def both(model, *data, **params):
    """A fitted model, and what the wrapper makes of it and of the same fit."""
    fitted = quiet(clone(model).fit, *data, **params)
    return fitted, (TensorizedEstimator(fitted), quiet(TensorizedEstimator(model).fit, *data, **params))


def hold_against(fitted, wrappers, rows):
    """The library's answer, or an error where it raises one."""
    (outcome, theirs), _ = answer(fitted, rows)
    for fast in wrappers:
        (found, ours), _ = answer(fast, rows)
        assert found == outcome, (ours, theirs)
        if outcome == "answers":
            same_bits(ours, theirs)
    return outcome


@pytest.mark.parametrize("names", [list("abcd"), [0, 1, 2, 3]], ids=["text", "int"])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_ranker_drops_the_qid_column_at_any_position(place, names):
    plain = pd.DataFrame(X, columns=names)
    with_qid = plain.copy()
    with_qid.insert(place, "qid", QUERY)
    fitted, wrappers = both(MODELS["ranker"], with_qid, Y)
    for fast in wrappers:
        assert fast.n_features_in_ == 4
        assert not hasattr(fast, "feature_names_in_") or [str(n) for n in names] == fast.feature_names_in_.tolist()
    for rows in (with_qid, plain, with_qid[["qid", *names]], with_qid[[*names[:1], "qid", *names[1:]]], X):
        assert hold_against(fitted, wrappers, rows) == "answers"
        if rows is not X:  # of which the library's apply wants to know the names
            same_bits(wrappers[0].apply(rows), fitted.apply(rows))
    for rows in (with_qid[[*names[::-1], "qid"]], np.c_[X, QUERY], with_qid.drop(columns=names[0])):
        assert hold_against(fitted, wrappers, rows) == "refuses"
    if names[0] == "a":
        assert hold_against(fitted, wrappers, pl.DataFrame(plain)) == "answers"
        assert hold_against(fitted, wrappers, pl.DataFrame(with_qid)) == "refuses"  # which pandas' would not be


def test_a_column_named_qid_in_a_polars_frame_is_a_feature_as_any_other():
    rows = pl.DataFrame(X, schema=["qid", "b", "c", "d"])
    fitted, wrappers = both(MODELS["ranker"], rows, Y, qid=QUERY)
    assert hold_against(fitted, wrappers, rows) == "answers"
    assert hold_against(fitted, wrappers, rows.to_pandas()) == "refuses"  # the library drops it there


UNUSED = pd.DataFrame(np.c_[X[:, :3], np.ones(N)], columns=["a", "b", "c", "unused"])


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f[["c", "b", "a"]],
        lambda f: f.rename(columns={"unused": "z"})[["z", "c", "b", "a"]],
        lambda f: f.assign(extra=1.0)[["extra", "c", "unused", "b", "a"]],
        lambda f: f.set_axis(["", "b", "c", "unused"], axis=1),
        lambda f: f.set_axis(["", "b", "c", "unused"], axis=1)[["b", "", "c", "unused"]],
        lambda f: f[["b", "c", "unused"]],
        lambda f: f.set_axis(["a", "a", "c", "unused"], axis=1),
        lambda f: pd.concat([f, f[["a"]]], axis=1),
    ],
    ids=["narrower", "other names", "wider", "blank", "blank, reordered", "without one", "twice", "wider, twice"],
)
@pytest.mark.parametrize("to", [lambda f: f, pl.from_pandas], ids=["pandas", "polars"])
def test_catboost_requires_the_columns_used_by_its_trees(change, to, tmp_path):
    rows = change(UNUSED)
    if to is pl.from_pandas and not rows.columns.is_unique:
        pytest.skip("polars has no name twice")
    fitted, wrappers = both(MODELS["catboost"], UNUSED, Y)
    assert 3 not in wrappers[1].forest_.trees.feature
    sktensor.save(wrappers[1], tmp_path / "model.safetensors")
    others = sktensor.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(wrappers[1]))
    hold_against(fitted, (*wrappers, *others), to(rows))


@pytest.mark.parametrize("names", [list("abcd"), ["a", "", "c", ""], ["3", "1", "0", "2"]])
def test_catboost_models_fitted_on_a_pool_with_names(names, tmp_path):
    fitted = clone(MODELS["catboost"]).fit(Pool(X, Y, feature_names=names))
    fitted.save_model(tmp_path / "model.cbm")
    loaded = CatBoostClassifier().load_model(tmp_path / "model.cbm")
    frame = pd.DataFrame(X, columns=list("abcd"))
    for rows in (frame, frame[list("dbca")], frame[list("adcb")], frame.set_axis(range(4), axis=1), X):
        hold_against(fitted, [TensorizedEstimator(fitted), TensorizedEstimator(loaded)], rows)


def test_catboost_categories_are_matched_by_position():
    frame = pd.DataFrame({"x": X[:, 0], "k": RNG.choice(list("pqr"), N), "z": X[:, 1], "l": RNG.integers(0, 3, N)})
    y = (X[:, 0] + (frame["k"] == "p") + frame["l"] * X[:, 1] > 0.5).astype(int)
    fitted, wrappers = both(MODELS["catboost"], frame, y, cat_features=["k", "l"])
    assert hold_against(fitted, wrappers, frame[["z", "k", "x", "l"]]) == "answers"
    assert hold_against(fitted, wrappers, frame.assign(extra=1.0)) == "answers"
    assert hold_against(fitted, wrappers, frame[["k", "x", "z", "l"]]) == "refuses"
    assert hold_against(fitted, wrappers, frame.rename(columns={"k": "other"})) == "refuses"


@pytest.mark.parametrize("library", MODELS)
def test_mixed_names_are_refused_before_fitting_iff_the_library_refuses_them(library, monkeypatch):
    rows = container("pandas", range(4), NAMES["mixed"])
    extra = {"qid": QUERY} if library == "ranker" else {}
    if library not in OF_SCIKIT_LEARN:
        fitted, wrappers = both(MODELS[library], rows, Y, **extra)
        assert hold_against(fitted, wrappers, rows) == "answers"
    else:
        cls = type(MODELS[library])
        monkeypatch.setattr(cls, "fit", lambda *given, **named: pytest.fail("fitted all the same"))
        with pytest.raises(TypeError, match=r"\['int', 'str'\] as feature name"):
            TensorizedEstimator(MODELS[library]).fit(rows, Y)


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("names", ["text", "none"])
def test_frames_with_a_name_twice(library, names):
    rows = pd.DataFrame(X, columns=["a", "b c", "d", "a"])
    fitted = models(library, names, "pandas")
    (outcome, theirs), _ = answer(fitted["library"], rows)
    for how in ("prefit", "fitted through"):
        (found, ours), _ = answer(fitted[how], rows)
        if (library, names) == ("lightgbm", "none"):
            assert found == outcome == "answers"
            same_bits(ours, theirs)
        else:  # LightGBM reads by position what has names that say otherwise
            assert found == "refuses" and (outcome == "refuses" or library == "lightgbm")
            assert "X has more than one column of the name 'a'" in str(ours)


def test_names_are_those_that_the_model_had_when_it_was_compiled():
    named = container("pandas", range(4), list("abcd"))
    booster = clone(MODELS["xgboost"]).fit(named, Y)
    trees = clone(MODELS["catboost"]).fit(named, Y)
    for model in (booster, trees):
        fast = TensorizedEstimator(model)
        before = fast.predict_proba(named)
        if model is booster:
            model.get_booster().feature_names = list("dcba")
        else:
            model.set_feature_names(list("dcba"))
        same_bits(fast.predict_proba(named), before)


@pytest.mark.parametrize("names", ["int", "text"])
def test_a_wrapper_in_a_wrapper_knows_the_columns_of_the_inner_one(names):
    inner = models("xgboost", names, "pandas")
    outer = TensorizedEstimator(inner["prefit"])
    for case in ("same", "reordered", "renamed", "wider"):
        hold_against(inner["library"], [outer], container("pandas", *change(NAMES[names], case)))


@pytest.mark.parametrize("of", ["voting", "bagging", "pipeline"])
@pytest.mark.parametrize("library", ["xgboost", "catboost", "forest"])
def test_composite_models_pass_names_to_submodels(library, of):
    def made(model):
        if of == "voting":
            return VotingClassifier([("model", model)], voting="soft")
        return (
            BaggingClassifier(model, 2, random_state=0) if of == "bagging" else make_pipeline(StandardScaler(), model)
        )

    rows = container("pandas", range(4), NAMES["text"])
    fitted = made(clone(MODELS[library])).fit(rows, Y)
    inside = made(TensorizedEstimator(MODELS[library])).fit(rows, Y)
    around = [] if of == "pipeline" else [TensorizedEstimator(fitted)]  # pipelines are wrapped step by step
    for case in ("same", "reordered", "numbered", "narrower", "array"):
        hold_against(fitted, [inside, *around], container("pandas", *change(NAMES["text"], case)))
