"""Models of quantile-forest, scikit-survival, imbalanced-learn and NGBoost: the library's time and ours, in turn.

One thread, 1, 100 and 10,000 rows: ``OMP_NUM_THREADS=1 python benchmarks/further_libraries.py``.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
from imblearn.ensemble import (
    BalancedBaggingClassifier,
    BalancedRandomForestClassifier,
    EasyEnsembleClassifier,
    RUSBoostClassifier,
)
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from ngboost import NGBClassifier, NGBRegressor
from ngboost.distns import Gamma
from quantile_forest import RandomForestQuantileRegressor
from sklearn.ensemble import RandomForestClassifier
from sksurv.ensemble import GradientBoostingSurvivalAnalysis, RandomSurvivalForest

from sktensor import TensorizedEstimator

REPEATS = {1: 15, 100: 5, 10_000: 3}


def cases():
    """Name, fitted model, method and its further arguments."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 20))
    y = 3 * X[:, 0] + rng.normal(size=len(X))
    times = np.empty(len(X), dtype=[("event", bool), ("time", float)])
    times["event"] = rng.random(len(X)) < 0.7
    times["time"] = np.ceil(200 * np.exp(X[:, 0]) * rng.random(len(X))).clip(1, 400)
    rare = (X[:, 0] > 1).astype(int)
    hundred = {"n_estimators": 100, "random_state": 0}
    quiet = {"verbose": False, **hundred}
    three = {"quantiles": [0.1, 0.5, 0.9]}
    quantiles = RandomForestQuantileRegressor(**hundred).fit(X, y)
    yield "quantile forest: mean", quantiles, "predict", {}
    yield "quantile forest: three quantiles", quantiles, "predict", three
    all_samples = RandomForestQuantileRegressor(max_samples_leaf=None, min_samples_leaf=5, **hundred).fit(X, y)
    yield "quantile forest of all samples", all_samples, "predict", three
    forest = RandomSurvivalForest(max_depth=8, **hundred).fit(X, times)
    yield "survival forest: risk", forest, "predict", {}
    yield "survival forest: functions", forest, "predict_survival_function", {"return_array": True}
    boosting = GradientBoostingSurvivalAnalysis(n_estimators=50, random_state=0).fit(X, times)
    yield "survival boosting: risk", boosting, "predict", {}
    yield "survival boosting: functions", boosting, "predict_survival_function", {"return_array": True}
    yield "balanced forest", BalancedRandomForestClassifier(**hundred).fit(X, rare), "predict_proba", {}
    yield (
        "balanced bagging",
        BalancedBaggingClassifier(n_estimators=20, random_state=0).fit(X, rare),
        "predict_proba",
        {},
    )
    yield "easy ensemble", EasyEnsembleClassifier(5, random_state=0).fit(X, rare), "predict_proba", {}
    yield "RUSBoost", RUSBoostClassifier(n_estimators=50, random_state=0).fit(X, rare), "predict", {}
    pipeline = make_pipeline(RandomUnderSampler(random_state=0), RandomForestClassifier(**hundred)).fit(X, rare)
    yield "sampler and forest", pipeline, "predict_proba", {}
    normal = NGBRegressor(**quiet).fit(X, y)
    yield "NGBoost, normal: mean", normal, "predict", {}
    yield "NGBoost, normal: distributions", normal, "pred_dist", {}
    yield "NGBoost, gamma: mean", NGBRegressor(Dist=Gamma, **quiet).fit(X, np.exp(y / 5)), "predict", {}
    yield "NGBoost, two classes", NGBClassifier(**quiet).fit(X, rare), "predict_proba", {}


def seconds(method, rows, given):
    start = time.perf_counter()
    method(rows, **given)
    return time.perf_counter() - start


def main():
    warnings.simplefilter("ignore")
    X = np.random.default_rng(1).normal(size=(max(REPEATS), 20))
    for name, model, method, given in cases():
        ours, theirs = getattr(TensorizedEstimator(model), method), getattr(model, method)
        print(f"{name:<34}", end="")
        for n_rows, repeats in REPEATS.items():
            rows = X[:n_rows]
            ours(rows, **given)
            both = [[seconds(method, rows, given) for method in (ours, theirs)] for _ in range(repeats)]
            fast, slow = np.median(both, axis=0)
            print(f"{n_rows:>7}: {1e3 * fast:9.3f} ms, {slow / fast:7.1f} x", end="")
        print()


if __name__ == "__main__":
    main()
