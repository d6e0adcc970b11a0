"""One pipeline for each seed: drawn, fitted, held against itself."""

from __future__ import annotations

import traceback
import warnings
from dataclasses import dataclass

import numpy as np

from benchmarks.random_models.draws import chance, one_of
from benchmarks.random_pipelines.data import draw_table, hurting
from benchmarks.random_pipelines.draws import MODELS, draw_pipeline
from sktensor import TensorizedEstimator
from sktensor.forest.views import BinView, NumberView

N_ROWS = 240


@dataclass
class Found:
    """How a pipeline ended: ``"folded"``, ``"run"`` or ``"different"``, and why."""

    outcome: str
    why: str = ""
    compared: int = 0  # answers that have the same bits
    raised: int = 0  # errors with the same words
    refused: int = 0  # refused by sktensor, whatever the library does


@dataclass
class Configuration:
    """A pipeline, the table that it is fitted on, and what it is to predict."""

    library: str
    pipeline: object
    table: object
    y: np.ndarray

    def __str__(self):
        words = " ".join(str(self.pipeline).split())
        return f"{words} on {self.table}"


def fitted(seed):
    """The pipeline of this seed; what the libraries refuse to fit is drawn anew."""
    library = list(MODELS)[seed % len(MODELS)]  # not drawn, lest the library that refuses most is seen least
    for attempt in range(300):
        rng = np.random.default_rng([seed, attempt])
        table = draw_table(rng, N_ROWS)
        task = one_of(rng, "two classes", "two classes", "three classes", "numbers")
        X = table.made(table.values)
        y = _target(rng, table, task)
        pipeline = draw_pipeline(rng, table, library, task)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                pipeline.fit(X, y)
                pipeline.predict(X)
        except Exception:
            continue
        return Configuration(library, pipeline, table, y), rng
    raise RuntimeError(f"Seed {seed}: the libraries refused 300 pipelines in turn.")


def _target(rng, table, task):
    score = np.zeros(N_ROWS)
    for name, values in table.values.items():
        if table.kinds[name] == "text":
            values = np.unique([str(value) for value in values], return_inverse=True)[1]
        numbers = np.nan_to_num(np.asarray(values, dtype=float))
        score += rng.normal() * np.clip((numbers - np.median(numbers)) / (np.std(numbers) + 1e-9), -3, 3)
    score += rng.normal(size=N_ROWS) * 0.3
    if task == "numbers":
        return score
    return np.digitize(score, np.quantile(score, [0.5] if task == "two classes" else [0.3, 0.7]))


def check(seed):
    """The pipeline of this seed, and how it ended."""
    configuration, rng = fitted(seed)
    try:
        return configuration, _hold(configuration, rng)
    except Exception:
        return configuration, Found("different", traceback.format_exc())


def _hold(configuration, rng):
    pipeline, table = configuration.pipeline, configuration.table
    fast = TensorizedEstimator(pipeline)
    found = Found("run")
    methods = [m for m in ("predict", "predict_proba") if hasattr(pipeline, m)]
    X = table.made(table.values)
    if why := _difference(pipeline, fast, X, methods, found):
        return Found("different", f"training rows: {why}")
    is_folded = any(ready is not None for ready in fast._compiled()._ready.values())
    borders, methods = _borders(fast, table), methods[-1:]
    for name, rows in _batches(rng, table, borders):
        for _ in range(3 if len(rows) == 1 else 1):  # after two of a layout, rows of frames are read in another way
            if why := _difference(pipeline, fast, rows, methods, found):
                return Found("different", f"{name}: {why}")
    found.outcome = "folded" if is_folded else "run"
    return found


def _borders(fast, table):
    """Numbers of each column at which a folded tree decides otherwise."""
    found = {}
    names = list(table.kinds)
    for ready in fast._compiled()._ready.values():
        if ready is None:
            continue
        trees = ready.folded.forest.trees
        for i, view in enumerate(ready.folded.views):
            at = None
            if isinstance(view, NumberView):
                at = np.append(trees.threshold[trees.feature == i], [view.low, view.high])
            elif isinstance(view, BinView):
                at = view.breaks
            if at is not None:
                at = at[np.isfinite(at)]
                found[names[view.column]] = np.concatenate([found.get(names[view.column], at), at])
    return found


def _batches(rng, table, borders):
    """Rows that hurt, by name: many of all kinds, and few with what a step may refuse."""
    values = hurting(rng, table, borders, 400)
    yield "rows that hurt", table.made(values)
    for i in range(4):
        yield f"row {i} that hurts", table.made({name: given[i : i + 1] for name, given in values.items()})
    names = list(table.kinds)
    for _ in range(4):
        n = int(rng.integers(1, 90))
        some = hurting(rng, table, borders, n)
        name, kind = str(rng.choice(names)), None
        at = rng.random(n) < one_of(rng, 0.1, 1.0)
        if table.kinds[name] == "text":
            odd = one_of(rng, "unknown", "unknown", None, np.nan, table.nothing())
        else:
            odd = one_of(rng, np.nan, np.nan, np.inf, -np.inf, 1e39, 1.7e308, -0.0, 0.0, -1.0)
        some[name] = [odd if is_odd else value for value, is_odd in zip(some[name], at, strict=True)]
        yield f"{odd!r} in {name}", table.made(some, kind)
    some = hurting(rng, table, borders, 50)
    if table.container == "array":
        other = one_of(rng, "float32", "float64", "int64")
        yield f"as {other}", table.made(some, dict.fromkeys(names, other))
        yield "a column too many", np.column_stack([table.made(some)] * 2)[:, : len(names) + 1]
        return
    name = str(rng.choice(table.numbers))
    other = one_of(rng, "float32", "float64", "int64", "int32")
    yield f"{name} as {other}", table.made(some, {name: other})
    turned = {name: some[name] for name in rng.permutation(names)}
    yield "columns in another order", table.made(turned)
    if chance(rng, 0.5):
        yield "a further column", table.made({**turned, "further": [1.0] * 50}, {"further": "float64"})
        yield "a column too few", table.made({k: v for k, v in some.items() if k != name})
    if not table.container.startswith("polars"):
        text = one_of(rng, "object", "str", "category")
        yield f"text as {text}", table.made(some, text=text)


def _difference(pipeline, fast, X, methods, found):
    for method in methods:
        (expected, told), (got, told_here) = _answer(pipeline, method, X), _answer(fast, method, X)
        if isinstance(got, ValueError) and "but TensorizedEstimator is expecting" in str(got):
            found.refused += 1  # columns too many, which some models themselves ignore or have other words for
            continue
        if isinstance(expected, Exception):
            own_words = str(expected).startswith(("feature_names mismatch", "Input X contains NaN."))
            if (
                type(got) is type(expected)
                and own_words
                and str(got).startswith(("The feature names", "Input X contains"))
            ):
                found.refused += 1  # the model's own words, which are not those of the wrapper around it
                continue
            if type(got) is not type(expected) or str(got) != str(expected):
                return f"{method}: {got!r} instead of {expected!r}"
            found.raised += 1
            continue
        if isinstance(got, Exception):
            raise got
        if (got.dtype, got.shape) != (expected.dtype, expected.shape):
            return f"{method}: {got.dtype} {got.shape} instead of {expected.dtype} {expected.shape}"
        if got.tobytes() != expected.tobytes():
            wrong = np.argwhere((got != expected) & ~((got != got) & (expected != expected)))
            where = tuple(wrong[0].tolist()) if len(wrong) else ()
            row = X[where[0] : where[0] + 1] if where else X[:1]
            values = f"{got[where]!r} instead of {expected[where]!r}, row\n{row!r}"
            return f"{method}: {len(wrong)} of {got.size} differ, first at {where}: {values}"
        if told != told_here:
            return f"{method}: warnings {told_here} instead of {told}"
        found.compared += 1
    return ""


def _answer(model, method, X):
    """What a method gives, or the error that it raises; and the warnings but for those of numpy's arithmetic."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = getattr(model, method)(X)
        except Exception as error:
            answer = error
    return answer, sorted({str(w.message) for w in caught if not issubclass(w.category, RuntimeWarning)})
