"""SHAP values by the CPU kernels and by others, in turn, on one thread: microseconds of process time a row.

``OMP_NUM_THREADS=1 python -m benchmarks.shap_values [--models NAME ...] [--rows 10000] [--turns 3]``

Candidates are the library itself and, where it is installed, `shap`, each on as many rows as it gives in about half a
second. Ratios are of medians over the turns. Exits with 1 if the library is less than so many times slower as the bound
of a model says. Bounds and ratios are for a processor that does nothing else.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.machine import describe
from sktensor import extract_forest
from sktensor.explain.interventional import InterventionalExplainer
from sktensor.explain.native import NativeExplainer
from sktensor.explain.tables import identity_players
from sktensor.inputs.rows import Rows

N_FEATURES = 20
SECONDS = 0.5  # that a call of another candidate may take
MOST_SECONDS = 20.0

Call = Callable[[np.ndarray], Any]


@dataclass
class Case:
    """A model, what explains it, and how many times slower its library has to be at least."""

    name: str
    model: Any
    ours: Call
    library: Call | None
    bound: float | None
    of_shap: str = ""  # "values", "interactions" or "interventional"


def data(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, N_FEATURES)).astype(np.float32)
    return X, X[:, :5].sum(1) * X[:, 1] + X[:, 2] + rng.normal(size=n)


def cases(names: list[str]) -> Iterator[Case]:
    X, y = data(10_000)
    for name, make in MODELS.items():
        if not names or name in names:
            yield from make(name, X, y)


def kernels(model: Any, method: str = "values", background: np.ndarray | None = None) -> Call:
    """What gives the values of rows."""
    forest = extract_forest(model)
    players = identity_players(forest.trees)

    def rows(X: np.ndarray) -> Rows:
        return Rows(X, forest.inputs.flush_limit, forest.inputs.missing_value, in_place=True)

    if background is None:
        made: Any = NativeExplainer(forest, players, len(players))
    else:
        made = InterventionalExplainer(forest, players, len(players), rows(background))
    return lambda X: getattr(made, method)(rows(X), 1)


def xgboost(n_trees: int, depth: int, bound: float, n_classes: int = 0) -> Any:
    def make(name: str, X: np.ndarray, y: np.ndarray) -> Iterator[Case]:
        import xgboost as xgb

        given = {"n_estimators": n_trees, "max_depth": depth, "n_jobs": 1}
        if n_classes:
            labels = np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes))
            model = xgb.XGBClassifier(**given).fit(X, labels)
        else:
            model = xgb.XGBRegressor(**given).fit(X, y)
        booster = model.get_booster()

        def predict(**what: bool) -> Call:
            return lambda X: booster.predict(xgb.DMatrix(X, nthread=1), **what)

        yield Case(name, model, kernels(model), predict(pred_contribs=True), bound, "values")
        if (n_trees, depth, n_classes) == (100, 6, 0):
            pairs = predict(pred_interactions=True)
            yield Case(f"{name}, interactions", model, kernels(model, "interactions"), pairs, 40, "interactions")
            for n in (100, 10_000):
                ours = kernels(model, background=X[:n])
                yield Case(
                    f"{name}, {n} background rows", model, ours, None, None, "interventional" if n == 100 else ""
                )

    return make


def lightgbm(n_trees: int, n_leaves: int, bound: float) -> Any:
    def make(name: str, X: np.ndarray, y: np.ndarray) -> Iterator[Case]:
        import lightgbm as lgb

        model = lgb.LGBMRegressor(n_estimators=n_trees, num_leaves=n_leaves, verbose=-1, n_jobs=1).fit(X, y)

        def library(X: np.ndarray) -> Any:
            return model.booster_.predict(X, pred_contrib=True, num_threads=1)

        yield Case(name, model, kernels(model), library, bound, "values")

    return make


def catboost(n_trees: int, depth: int, bound: float) -> Any:
    def make(name: str, X: np.ndarray, y: np.ndarray) -> Iterator[Case]:
        from catboost import CatBoostRegressor, Pool

        model = CatBoostRegressor(iterations=n_trees, depth=depth, verbose=0, thread_count=1).fit(X, y)

        def library(X: np.ndarray) -> Any:
            return model.get_feature_importance(Pool(X), type="ShapValues", thread_count=1)

        yield Case(name, model, kernels(model), library, bound)

    return make


def scikit_learn(kind: str, **given: Any) -> Any:
    def make(name: str, X: np.ndarray, y: np.ndarray) -> Iterator[Case]:
        from sklearn import ensemble

        model = getattr(ensemble, kind)(random_state=0, **given).fit(X, y)
        yield Case(name, model, kernels(model), None, None, "values")

    return make


MODELS = {
    "xgboost 100 x d6": xgboost(100, 6, 150),
    "xgboost 500 x d8": xgboost(500, 8, 150),
    "xgboost 7 classes": xgboost(100, 6, 50, n_classes=7),
    "lightgbm 500 x 31": lightgbm(500, 31, 100),
    "lightgbm 100 x 255": lightgbm(100, 255, 100),
    "catboost 500 x d6": catboost(500, 6, 80),
    "hist gradient boosting 100 x 31": scikit_learn("HistGradientBoostingRegressor"),
    "gradient boosting 100 x d3": scikit_learn("GradientBoostingRegressor"),
    "random forest 100 x 4400": scikit_learn("RandomForestRegressor", max_leaf_nodes=4400),
}


def by_shap(case: Case, X: np.ndarray) -> Call | None:
    """The same by `shap`, where it is installed."""
    if not case.of_shap or importlib.util.find_spec("shap") is None:
        return None
    import shap

    if case.of_shap == "interventional":
        explainer = shap.TreeExplainer(case.model, X[:100])
    else:
        explainer = shap.TreeExplainer(case.model)
    method = explainer.shap_interaction_values if case.of_shap == "interactions" else explainer.shap_values
    return lambda X: method(X)


def seconds(call: Call, X: np.ndarray) -> float:
    begin = time.process_time()
    call(X)
    return time.process_time() - begin


def affordable(call: Call, X: np.ndarray) -> np.ndarray:
    """As many rows as a call gives in a while."""
    n = 8
    while n < len(X) and (took := seconds(call, X[:n])) < SECONDS:
        n = min(len(X), 4 * n)
        if took * 4 > MOST_SECONDS:
            break
    return X[:n]


def measured(case: Case, X: np.ndarray, turns: int) -> dict[str, float]:
    """Medians of the microseconds a row of each candidate."""
    calls = {"ours": case.ours, "library": case.library, "shap": by_shap(case, X)}
    calls = {name: call for name, call in calls.items() if call is not None}
    given = {name: affordable(call, X) for name, call in calls.items()}
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            found[name].append(1e6 * seconds(call, given[name]) / len(given[name]))
    one = X[:1]
    found["ours, one row"] = [1e6 * seconds(case.ours, one) for _ in range(20 * turns)]
    return {name: float(np.median(all_turns)) for name, all_turns in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=[], choices=list(MODELS), metavar="NAME")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(describe())
    X, _ = data(options.rows, seed=1)
    broken = 0
    for case in cases(options.models):
        found = measured(case, X, options.turns)
        others = [name for name in ("library", "shap") if name in found]
        text = ", ".join(f"{name} {found[name]:,.1f} ({found[name] / found['ours']:,.0f}x)" for name in others)
        one = found["ours, one row"]
        print(f"{case.name}: {found['ours']:,.2f} us a row, one row {one:,.0f} us; {text or 'no other'}", flush=True)
        broken += case.bound is not None and found["library"] < case.bound * found["ours"]
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
