"""What people see of an estimator: in a prompt, in a notebook, on the way to an answer."""

from __future__ import annotations

import io
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from agreement import same_bits
from catboost import CatBoostRanker, CatBoostRegressor
from lightgbm import LGBMRanker, LGBMRegressor
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from versions import is_older
from xgboost import XGBClassifier, XGBRanker

from sktensor import TensorizedEstimator
from sktensor.estimator import progress
from sktensor.runtime.program import Program

X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:200, :8], Y[:200]

MODELS = {
    "xgboost": XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1),
    "lightgbm": LGBMRegressor(n_estimators=4, verbose=-1, n_jobs=1),
    "catboost": CatBoostRegressor(iterations=4, depth=3, verbose=0, allow_writing_files=False, thread_count=1),
    "forest": RandomForestClassifier(n_estimators=4, max_depth=4, random_state=0),
    "histograms": HistGradientBoostingClassifier(max_iter=4),
}


@pytest.fixture(params=MODELS)
def bare(request):
    """An unfitted model."""
    return clone(MODELS[request.param])


@pytest.fixture
def compilations(monkeypatch):
    """Programs compiled since the start of the test."""
    seen = []
    built = Program._built
    monkeypatch.setattr(Program, "_built", lambda self, *key: seen.append(key) or built(self, *key))
    return seen


def words(html):
    """What a reader sees, tags and space apart; the tags have to be closed as they were opened."""
    found, open_tags = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in ("br", "input", "img", "path"):
                open_tags.append(tag)

        def handle_endtag(self, tag):
            if tag not in ("br", "input", "img", "path", "body"):
                # Which showed references of docstrings, <n_jobs> and </tutorials>, as they stand there.
                if is_older("scikit-learn", "1.9"):
                    if tag not in open_tags:
                        return
                    del open_tags[len(open_tags) - open_tags[::-1].index(tag) :]
                assert open_tags.pop() == tag

        def handle_data(self, data):
            if open_tags[-1:] not in (["style"], ["script"]):
                found.append(data)

    Reader().feed(html.replace("<body>", ""))
    assert not open_tags
    return re.sub(r"\s+", " ", " ".join(found))


# --- the estimator ------------------------------------------------------------------------------------------------


def test_before_a_fit_a_notebook_shows_the_model_inside(bare, compilations):
    shown = words(TensorizedEstimator(bare)._repr_html_())
    assert f"estimator: {type(bare).__name__}" in shown
    assert "Not fitted" in shown and "Program" not in shown
    assert compilations == []


@pytest.mark.slow
def test_around_a_fitted_model_a_notebook_shows_it_and_the_device_and_compiles_nothing(bare, compilations):
    fast = TensorizedEstimator(bare.fit(X, Y), device=torch.device("cpu"))
    shown = words(fast._repr_html_())
    for word in (type(bare).__name__, "Program on cpu", "Compiled with the first prediction"):
        assert word in shown
    assert "Not fitted" not in shown
    assert compilations == [] and "_fitted" not in vars(fast)


def test_after_a_fit_a_notebook_shows_the_plan_that_there_is(bare):
    fast = TensorizedEstimator(bare).fit(X, Y)
    fast.estimator_.marked = "the fitted one"
    shown = words(fast._repr_html_())
    plan = fast.explain_plan()
    assert f"Program: {plan.strategy} ({plan.backend}) on cpu" in shown
    assert re.sub(r"\s+", " ", str(plan)) in shown
    fast.set_params(strategy="gemm", backend="torch")
    assert "Program on cpu" in words(fast._repr_html_())  # nothing is planned for these yet
    fast.predict(X[:7])
    shown = words(fast._repr_html_())
    assert "Program: gemm (torch) on cpu" in shown and "rows 7" in shown


def test_a_diagram_shows_the_fitted_model_and_not_the_parameter():
    fast = TensorizedEstimator(RandomForestClassifier(n_estimators=3, random_state=0)).fit(X, Y)
    model, _ = fast._sk_visual_block_().estimators
    assert model is fast.estimator_
    assert TensorizedEstimator(fast.estimator)._sk_visual_block_().estimators == [fast.estimator]


@pytest.mark.parametrize(
    "model",
    [
        XGBRanker(n_estimators=2, n_jobs=1),
        LGBMRanker(n_estimators=2, verbose=-1, n_jobs=1),
        CatBoostRanker(iterations=2, verbose=0, allow_writing_files=False, thread_count=1),
    ],
    ids=lambda model: type(model).__name__,
)
def test_model_without_importances_is_shown(model):
    group = {"group_id": np.arange(200) // 20} if isinstance(model, CatBoostRanker) else {"group": [20] * 10}
    fast = TensorizedEstimator(model.fit(X, Y, **group))
    assert type(model).__name__ in words(fast._repr_html_())
    dir(fast), repr(fast)


def test_diagrams_never_raise():
    for fast in (
        TensorizedEstimator(DecisionTreeClassifier(), device="nowhere", strategy=3, verbose="yes"),
        TensorizedEstimator(DecisionTreeClassifier().fit(X, Y), device={"un": "hashable"}),
    ):
        assert "TensorizedEstimator" in words(fast._repr_html_())
        assert "TensorizedEstimator" in repr(fast)


@pytest.mark.slow
def test_a_wrapper_is_shown_inside_others(bare):
    for outer in (
        make_pipeline(StandardScaler(), TensorizedEstimator(bare)).fit(X, Y),
        FrozenEstimator(TensorizedEstimator(bare).fit(X, Y)),
        TensorizedEstimator(FrozenEstimator(bare.fit(X, Y))).fit(X, Y),
        TensorizedEstimator(TensorizedEstimator(bare.fit(X, Y))),
    ):
        shown = words(outer._repr_html_())
        assert type(bare).__name__ in shown and "Program" in shown


def test_a_wrapper_prints_as_the_call_that_makes_it():
    tree = DecisionTreeClassifier(max_depth=3)
    assert repr(TensorizedEstimator(tree)) == "TensorizedEstimator(estimator=DecisionTreeClassifier(max_depth=3))"
    assert repr(TensorizedEstimator(tree).fit(X, Y)) == repr(TensorizedEstimator(tree))


# --- the plan -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [{}, {"strategy": "gemm"}, {"backend": "torch"}], ids=str)
def test_a_plan_prints_as_a_table(parameters):
    plan = TensorizedEstimator(DecisionTreeClassifier().fit(X, Y), **parameters).explain_plan(12_345)
    lines = str(plan).splitlines()
    assert repr(plan) == str(plan)
    assert lines[0].split() == ["rows", "12,345"]
    assert len({re.match(r"( *\S.*?)  +(?=\S)", line).end() for line in lines}) == 1  # one column under the other
    shown = words(plan._repr_html_())
    for line in lines:
        for cell in re.split(r"  +", line.strip()):
            assert cell in shown


def test_strategy_names_are_escaped_in_html():
    from dataclasses import replace

    plan = TensorizedEstimator(DecisionTreeClassifier().fit(X, Y)).explain_plan()
    assert "<script>" not in replace(plan, strategy="<script>")._repr_html_()


# --- progress -----------------------------------------------------------------------------------------------------


@pytest.fixture
def bars(monkeypatch):
    """Every bar that is made, each with the numbers of rows that it was told of."""
    tqdm_auto = pytest.importorskip("tqdm.auto")
    made = []

    class Bar(tqdm_auto.tqdm):
        def __init__(self, *args, **kwargs):
            self.told = []
            made.append(self)
            super().__init__(*args, **kwargs | {"file": io.StringIO()})

        def update(self, n=1):
            self.told.append(n)
            return super().update(n)

    monkeypatch.setattr(tqdm_auto, "tqdm", Bar)
    return made


@pytest.mark.parametrize(
    "parameters",
    [{}, {"strategy": "tree_traversal"}, {"backend": "torch", "batch_size": 9_000}, {"n_jobs": 2, "batch_size": 7}],
    ids=str,
)
@pytest.mark.parametrize("make", [np.asarray, torch.tensor, np.float16])
def test_a_bar_counts_every_row_once_and_changes_no_answer(parameters, make, bars):
    rows = make(np.tile(X, (200, 1))[:19_999])
    model = clone(MODELS["xgboost"]).fit(X, Y)
    quiet, fast = (TensorizedEstimator(model, verbose=verbose, **parameters) for verbose in (0, 1))
    for method in ("predict", "predict_raw", "apply"):
        if hasattr(quiet, method):
            found, expected = getattr(fast, method)(rows), getattr(quiet, method)(rows)
            same_bits(*(np.asarray(answer) for answer in (found, expected)))
            bar = bars.pop()
            assert bars == [] and bar.total == sum(bar.told) == len(rows) and len(bar.told) > 1


def test_frames_and_sparse_rows_are_counted_too(bars):
    import pandas as pd
    import scipy.sparse as sp

    model = MODELS["forest"].fit(X, Y)
    rows = np.tile(X, (200, 1))
    for given in (pd.DataFrame(rows), sp.csr_matrix(rows)):
        same_bits(TensorizedEstimator(model, verbose=True).predict_proba(given), model.predict_proba(rows))
        bar = bars.pop()
        assert bar.total == sum(bar.told) == len(rows) and len(bar.told) > 1


def test_no_progress_bar_before_its_delay(bars, monkeypatch):
    monkeypatch.setattr(progress, "DELAY_S", 1e9)
    TensorizedEstimator(MODELS["forest"].fit(X, Y), verbose=1).predict(X)
    assert [bar.fp.getvalue() for bar in bars] == [""]


def test_progress_bar_after_its_delay(bars, monkeypatch):
    monkeypatch.setattr(progress, "DELAY_S", 0)
    TensorizedEstimator(MODELS["forest"].fit(X, Y), verbose=1).predict(np.tile(X, (200, 1)))
    assert "40.0k/40.0k" in bars[0].fp.getvalue()


def test_without_verbosity_nothing_of_bars_is_loaded(monkeypatch):
    for module in ("tqdm", "tqdm.auto", "sktensor.estimator.progress"):
        monkeypatch.setitem(sys.modules, module, None)
    TensorizedEstimator(MODELS["forest"].fit(X, Y)).predict(X)


def test_without_tqdm_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match="pip install tqdm"):
        TensorizedEstimator(MODELS["forest"].fit(X, Y), verbose=1).predict(X)
