"""Meta-estimators of scikit-learn around trees: one row and many, the library and sktensor in turn, one thread.

Usage: python benchmarks/meta_estimators.py [--rows 10000] [--only chain] [--frames] [--cpu-time]
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import warnings

import numpy as np
import pandas as pd
from machine import describe
from models import rows
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.linear_model import RANSACRegressor
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.semi_supervised import SelfTrainingClassifier
from xgboost import XGBClassifier, XGBRegressor

from sktensor import TensorizedEstimator

XGB = XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1)
NUMBERS = XGBRegressor(n_estimators=100, max_depth=6, n_jobs=1)
FOREST = RandomForestClassifier(100, max_depth=8, random_state=0)

MODELS = {
    "calibrated, sigmoid, 3 x XGBoost": (CalibratedClassifierCV(XGB, cv=3), "two"),
    "calibrated, sigmoid, 1 forest": (CalibratedClassifierCV(FOREST, cv=3, ensemble=False), "three"),
    "calibrated, isotonic, 3 x XGBoost": (CalibratedClassifierCV(XGB, method="isotonic", cv=3), "two"),
    "calibrated, temperature, 3 forests": (CalibratedClassifierCV(FOREST, method="temperature", cv=3), "three"),
    "3 outputs, XGBoost": (MultiOutputClassifier(XGB), "labels"),
    "3 outputs, numbers": (MultiOutputRegressor(NUMBERS), "numbers"),
    "chain of 3, XGBoost": (ClassifierChain(XGB), "labels"),
    "chain of 3, forests": (ClassifierChain(FOREST), "labels"),
    "chain of 3, numbers": (RegressorChain(NUMBERS), "numbers"),
    "one against the rest, 3 x XGBoost": (OneVsRestClassifier(XGB), "three"),
    "one against the rest, 3 labels": (OneVsRestClassifier(XGB), "labels"),
    "one against one, 3 x XGBoost": (OneVsOneClassifier(XGB), "three"),
    "output codes, 4 x XGBoost": (OutputCodeClassifier(XGB, random_state=0), "three"),
    "tuned threshold, XGBoost": (TunedThresholdClassifierCV(XGB, cv=2), "two"),
    "fixed threshold, forest": (FixedThresholdClassifier(FOREST, threshold=0.3), "two"),
    "self-trained, XGBoost": (SelfTrainingClassifier(XGB), "some unknown"),
    "other target, XGBoost": (
        TransformedTargetRegressor(NUMBERS, func=np.log1p, inverse_func=np.expm1, check_inverse=False),
        "number",
    ),
    "consensus, XGBoost": (RANSACRegressor(NUMBERS, min_samples=500, max_trials=2, random_state=0), "number"),
    "columns by importance, forest": (SelectFromModel(FOREST), "two"),
    "eliminated columns, forest": (RFE(FOREST, n_features_to_select=10, step=0.5), "two"),
    "bag of 3 calibrated forests": (BaggingClassifier(CalibratedClassifierCV(FOREST, cv=2), 3), "two"),
    "voting, forest and XGBoost": (VotingClassifier([("a", FOREST), ("b", XGB)], voting="soft"), "three"),
    "stacking, forest and XGBoost": (StackingClassifier([("a", FOREST), ("b", XGB)], XGB, cv=2), "three"),
}
METHODS = ("predict", "predict_proba", "transform")


def targets(X):
    """Targets of all kinds."""
    noise = np.random.default_rng(1).normal(scale=0.3, size=len(X))
    score = X[:, 0] - 0.5 * X[:, 1] + X[:, 2] * X[:, 3] + noise
    two, three = (score > 0).astype(int), np.digitize(score, [-0.5, 0.5])
    return {
        "two": two,
        "three": three,
        "labels": np.stack([two, X[:, 1] > 0, X[:, 4] > X[:, 5]], axis=1).astype(int),
        "numbers": np.stack([score, score**2, X[:, 4] - X[:, 5]], axis=1),
        "number": np.abs(score),
        "some unknown": np.where(np.arange(len(X)) % 3 == 0, -1, three),
    }


def medians(calls, clock, seconds):
    """Median time of each call in microseconds; they take turns."""
    taken = [[] for _ in calls]
    for call in calls:
        call(), call()
    gc.disable()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[0]) < 5:
        for call, times in zip(calls, taken, strict=True):
            start = clock()
            call()
            times.append(clock() - start)
    gc.enable()
    return [statistics.median(times) / 1e3 for times in taken]


def main() -> int:
    """Print a table; 1 if the library is faster anywhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--only", default="")
    parser.add_argument("--frames", action="store_true", help="pandas frames with names instead of arrays")
    parser.add_argument("--cpu-time", action="store_true", help="of this thread, for machines that are busy")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    clock = time.thread_time_ns if given.cpu_time else time.perf_counter_ns
    print(describe())
    slower = 0
    print(f"{'':36}{'':14}{'rows':>8}{'library us':>14}{'sktensor us':>14}{'ratio':>8}")
    X = rows(max(given.rows, 2_000))
    y = targets(X[:2_000])
    if given.frames:
        X = pd.DataFrame(X, columns=[f"column {j}" for j in range(X.shape[1])])
    for name, (model, target) in MODELS.items():
        if given.only not in name:
            continue
        model.fit(X[:2_000], y[target])
        fast = TensorizedEstimator(model)
        for method in METHODS:
            if not hasattr(model, method):
                continue
            for n in (1, given.rows):
                calls = [lambda one=one, n=n, method=method: getattr(one, method)(X[:n]) for one in (model, fast)]
                library, ours = medians(calls, clock, given.seconds)
                print(f"{name:36}{method:14}{n:8}{library:14.0f}{ours:14.0f}{library / ours:8.1f}", flush=True)
                slower += ours > 1.05 * library
    return int(slower > 0)


if __name__ == "__main__":
    sys.exit(main())
