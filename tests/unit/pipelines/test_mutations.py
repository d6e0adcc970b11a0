"""Each rule of the folding, broken on purpose: a comparison of bits has to see it."""

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator
from sktensor.forest.views import BinView, CategoryView, NumberView
from sktensor.pipelines import folding, numbers, oracle
from sktensor.pipelines.probe import probe_values

RNG = np.random.default_rng(0)
N = 400
NUMBERS = np.round(RNG.normal(size=(N, 4)) * 4)  # at the values that they are compared with, again and again
NUMBERS[RNG.random(NUMBERS.shape) < 0.1] = np.nan
FRAME = pd.DataFrame(NUMBERS, columns=list("abcd"))
FRAME["t"] = pd.Series(RNG.choice(["red", "green", "blue"], N), dtype=object)
FRAME.loc[RNG.random(N) < 0.1, "t"] = np.nan
LABELS = (np.nan_to_num(NUMBERS[:, 0]) + np.nan_to_num(NUMBERS[:, 1]) > 0) ^ (
    (FRAME["t"] == "red") | FRAME["t"].isna()
).to_numpy()


def xgboost(**params):
    return XGBClassifier(n_estimators=8, max_depth=4, n_jobs=1, **params)


def lightgbm():
    return LGBMClassifier(n_estimators=8, min_child_samples=2, n_jobs=1, verbose=-1)


def of_columns(*branches, model=None, **params):
    return make_pipeline(ColumnTransformer([*branches], **params), xgboost() if model is None else model)


def encoded(encoder):
    return of_columns(("numbers", "passthrough", list("abcd")), ("texts", encoder, ["t"]))


SCALED = (lambda: make_pipeline(StandardScaler(), xgboost()), NUMBERS)
BINNED = (lambda: make_pipeline(SimpleImputer(), KBinsDiscretizer(4, encode="onehot-dense"), xgboost()), NUMBERS)
SENTINEL = (lambda: make_pipeline(SimpleImputer(missing_values=2), lightgbm()), np.nan_to_num(NUMBERS, nan=2.0))
IMPUTED = (lambda: make_pipeline(SimpleImputer(), StandardScaler(), xgboost()), NUMBERS)
MARKED = (lambda: make_pipeline(StandardScaler(), xgboost(missing=0.0)), np.nan_to_num(NUMBERS) - 0.0)
SPARSE = (
    lambda: of_columns(
        ("numbers", SimpleImputer(), list("abcd")),
        ("texts", OneHotEncoder(handle_unknown="ignore"), ["t"]),
        sparse_threshold=1.0,
    ),
    FRAME,
)
ONE_HOT = (lambda: encoded(OneHotEncoder(handle_unknown="ignore", sparse_output=False)), FRAME)
ORDINAL = (lambda: encoded(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)), FRAME)
BESIDE_RUN = (
    lambda: of_columns(
        ("numbers", make_pipeline(SimpleImputer(), PCA(2)), list("ab")),
        ("texts", OneHotEncoder(), ["t"]),
        ("others", "passthrough", list("cd")),
        sparse_threshold=0.0,
    ),
    FRAME,
)


def changed(owner, name, change):
    """A mutation: what a function gives, changed."""

    def mutate(monkeypatch):
        rule = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args, **kwargs: change(rule(*args, **kwargs), *args))

    return mutate


def with_views(change):
    """A mutation of the views that fold gives."""

    def mutate(monkeypatch):
        fold = folding.fold

        def folded(*args):
            found = fold(*args)
            vars(found)["views"] = tuple(map(change, found.views))
            return found

        monkeypatch.setattr("sktensor.estimator.pipeline.fold", folded)

    return mutate


def in_trees(name, change):
    """A mutation of a field of the folded trees."""

    def mutate(monkeypatch):
        fold = folding.fold

        def folded(*args):
            found = fold(*args)
            changed = change(getattr(found.forest.trees, name))
            vars(found)["forest"] = found.forest.replace(**{name: changed})
            return found

        monkeypatch.setattr("sktensor.estimator.pipeline.fold", folded)

    return mutate


def without_points(monkeypatch):
    """A mutation: no number is an exception."""
    changed(oracle.Oracle, "points", lambda *_: [])(monkeypatch)
    changed(oracle.Oracle, "known", lambda *_: [])(monkeypatch)


def replaced(view, **fields):
    found = object.__new__(type(view))
    found.__dict__.update(vars(view) | fields)
    return found


def swapped(view):
    if not isinstance(view, CategoryView):
        return view
    codes = dict(zip(view.codes, [*list(view.codes.values())[1:], next(iter(view.codes.values()))], strict=True))
    return replaced(view, codes=codes)


MUTATIONS = {
    "thresholds one number too high": (SCALED, in_trees("threshold", lambda t: np.nextafter(t, np.inf))),
    "thresholds at the number below": (
        SCALED,
        changed(numbers, "_thresholds", lambda found, domain, places, cmp: _below(domain, places)),
    ),
    "missing numbers to the other side": (SCALED, in_trees("nan_left", np.logical_not)),
    "an imputed number forgotten": (
        IMPUTED,
        changed(
            oracle.Oracle,
            "missing_numbers",
            lambda found, *_: {c: (np.full_like(seen[0], -1e9), seen[1]) for c, seen in found.items()},
        ),
    ),
    "bins one number too high": (
        BINNED,
        with_views(lambda v: replaced(v, breaks=np.nextafter(v.breaks, np.inf)) if isinstance(v, BinView) else v),
    ),
    "the sentinel of an imputer forgotten": (SENTINEL, without_points),
    "the missing number of the model forgotten": (MARKED, changed(oracle.Oracle, "missing_values", lambda *_: [])),
    "absent zeros of a sparse matrix forgotten": (
        SPARSE,
        with_views(lambda v: NumberView(v.column) if isinstance(v, NumberView) else v),
    ),
    "texts one for the other": (ONE_HOT, with_views(swapped)),
    "ordinals one for the other": (ORDINAL, with_views(swapped)),
    "unknown texts as a known one": (
        ORDINAL,
        with_views(lambda v: replaced(v, unknown=v.codes["red"]) if isinstance(v, CategoryView) else v),
    ),
    "missing texts as unknown ones": (
        ONE_HOT,
        with_views(lambda v: replaced(v, nan=v.unknown) if isinstance(v, CategoryView) else v),
    ),
    "what is run as a sparse matrix": (
        BESIDE_RUN,
        changed(folding, "_in_kind", lambda found, *_: lambda X: _shifted(found(X))),
    ),
}


def _below(domain, places):
    return domain.value(np.maximum(places, np.uint64(1)) - np.uint64(1)).astype(np.float64)


def _shifted(given):
    return np.roll(given, 1, axis=1)


def hard_rows(whole, X):
    """Rows on the sound fold's thresholds and one number beside them, with its texts, an unknown and a missing one."""
    fast = TensorizedEstimator(whole, verify=False)
    fast.predict_proba(X)
    ((_, ready),) = fast._compiled().folded().items()
    values, n = probe_values(ready.folded)
    if isinstance(X, np.ndarray):
        rows = np.resize(X, (n, X.shape[1]))
        for c, given in values.items():
            rows[:, c] = given
        return rows
    rows = X.iloc[np.arange(n)].reset_index(drop=True)
    names = list(X.columns)
    return rows.assign(**{names[c]: pd.Series(given, dtype=X.dtypes.iloc[c]) for c, given in values.items()})


def is_equal(whole, batches):
    """Whether the pipeline folds, and answers all rows with the same bits."""
    fast = TensorizedEstimator(whole, verify=False)
    same = [fast.predict_proba(rows).tobytes() == whole.predict_proba(rows).tobytes() for rows in batches]
    return all(same) and bool(fast._compiled().folded())


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.filterwarnings("ignore")
def test_a_broken_rule_is_seen(mutation, monkeypatch):
    (make, X), mutate = MUTATIONS[mutation]
    whole = make().fit(X, LABELS)
    batches = [X, hard_rows(whole, X)]
    assert is_equal(whole, batches)
    mutate(monkeypatch)
    assert not is_equal(whole, batches)
