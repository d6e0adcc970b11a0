"""Meta-estimators of scikit-learn around models of every library, and rows that hurt them."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from reference import hurting
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from xgboost import XGBClassifier, XGBRegressor

from sktensor import UnsupportedModelError, extract_forest

RNG = np.random.default_rng(3)
X = np.round(RNG.normal(size=(150, 5)), 1)
SCORE = X @ [1.0, -0.7, 0.4, 0.5, 0.2] + RNG.normal(scale=0.4, size=len(X))
THREE = np.digitize(SCORE, [-0.6, 0.5])
TARGETS = {
    "binary": (SCORE > 0.1).astype(int),
    "three": THREE,
    "strings": np.array(["no", "perhaps", "yes"])[THREE],
    "two strings": np.array(["no", "yes"])[(SCORE > 0.1).astype(int)],
    "odd": np.array([-3, 1, 7])[THREE],
    "twelve": np.arange(len(X)) % 12,
    "numbers": SCORE,
}
FOREST = RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0)
XGB = XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1)
BOOSTED = GradientBoostingClassifier(n_estimators=4, random_state=0)
HIST = HistGradientBoostingClassifier(max_iter=2, random_state=0)  # whose threads are slow among other processes
LGBM = LGBMClassifier(n_estimators=4, min_child_samples=5, n_jobs=1, verbose=-1)
CAT = CatBoostClassifier(n_estimators=4, depth=3, thread_count=1, verbose=0, allow_writing_files=False)
NUMBERS = RandomForestRegressor(n_estimators=5, max_depth=4, random_state=0)
XGB_NUMBERS = XGBRegressor(n_estimators=4, max_depth=3, n_jobs=1)
BOOSTED_NUMBERS = GradientBoostingRegressor(n_estimators=4, random_state=0)
CASES = {
    "voting, soft": (VotingClassifier([("a", FOREST), ("b", XGB)], voting="soft"), "three"),
    "voting, soft, weights, dropped, strings": (
        VotingClassifier([("a", FOREST), ("b", "drop"), ("c", BOOSTED)], voting="soft", weights=[1, 5, 0.3]),
        "strings",
    ),
    "voting, soft, four libraries": (
        VotingClassifier([("a", FOREST), ("b", XGB), ("c", LGBM), ("d", CAT)], voting="soft"),
        "binary",
    ),
    "voting, soft, one that is no tree": (
        VotingClassifier([("a", FOREST), ("b", LogisticRegression())], voting="soft"),
        "odd",
    ),
    "voting, hard, weights, strings": (
        VotingClassifier([("a", FOREST), ("b", BOOSTED), ("c", XGB)], voting="hard", weights=[2, 1, 0.5]),
        "strings",
    ),
    "voting of numbers": (
        VotingRegressor([("a", NUMBERS), ("b", XGB_NUMBERS), ("c", LinearRegression())], weights=[1, 2, 3]),
        "numbers",
    ),
    "voting of voting": (
        VotingClassifier([("a", VotingClassifier([("b", FOREST)], voting="soft")), ("c", XGB)], voting="soft"),
        "three",
    ),
    "stacking": (StackingClassifier([("a", FOREST), ("b", BOOSTED)], cv=2), "two strings"),
    "stacking under a forest, passed through": (
        StackingClassifier([("a", LogisticRegression()), ("b", FOREST)], FOREST, cv=2, passthrough=True),
        "odd",
    ),
    "stacking of numbers": (StackingRegressor([("a", NUMBERS), ("b", XGB_NUMBERS)], NUMBERS, cv=2), "numbers"),
    "bagging": (BaggingClassifier(FOREST, 3, random_state=0), "strings"),
    "bagging, columns": (BaggingClassifier(XGB, 4, max_features=3, bootstrap_features=True, random_state=1), "three"),
    "bagging, missing classes": (BaggingClassifier(FOREST, 6, max_samples=4, random_state=0), "odd"),
    "bagging of histograms": (BaggingClassifier(HIST, 2, random_state=0), "binary"),
    "bagging, decisions": (BaggingClassifier(BOOSTED, 3, random_state=0), "binary"),
    "bagging of numbers": (BaggingRegressor(BOOSTED_NUMBERS, 3, max_features=0.7, random_state=0), "numbers"),
    "bagging of numbers, two jobs": (BaggingRegressor(XGB_NUMBERS, 5, n_jobs=2, random_state=0), "numbers"),
    "boosting": (AdaBoostClassifier(FOREST, n_estimators=3, random_state=0), "strings"),
    "boosting, two classes": (AdaBoostClassifier(LGBM, n_estimators=3, random_state=0), "two strings"),
    "boosting of numbers": (AdaBoostRegressor(NUMBERS, n_estimators=4, random_state=0), "numbers"),
    "from a forest": (GradientBoostingClassifier(init=FOREST, n_estimators=6, random_state=0), "strings"),
    "from a forest, two classes": (GradientBoostingClassifier(init=FOREST, n_estimators=6, random_state=0), "binary"),
    "from boosted numbers": (GradientBoostingRegressor(init=XGB_NUMBERS, n_estimators=6, random_state=0), "numbers"),
    "from a linear model, twelve classes": (
        GradientBoostingClassifier(init=LogisticRegression(), n_estimators=3, random_state=0),
        "twelve",
    ),
    "from chance": (
        GradientBoostingClassifier(init=DummyClassifier(strategy="stratified", random_state=0), n_estimators=6),
        "binary",
    ),
    "from a linear model": (
        GradientBoostingRegressor(init=LinearRegression(), n_estimators=9, learning_rate=0.3, random_state=0),
        "numbers",
    ),
    "from numbers, huber": (
        GradientBoostingRegressor(init=NUMBERS, loss="huber", n_estimators=6, random_state=0),
        "numbers",
    ),
}


@functools.cache
def fitted(name):
    model, target = CASES[name]
    return clone(model).fit(X, TARGETS[target])


def thresholds(model, columns):
    """Columns and thresholds of all trees inside a model."""
    try:
        forest = extract_forest(model)
    except UnsupportedModelError:
        inside = [*getattr(model, "estimators_", ()), getattr(model, "final_estimator_", None)]
        if isinstance(model, GradientBoostingClassifier | GradientBoostingRegressor):
            inside, trees = [model.init_], [tree.tree_ for tree in model.estimators_.ravel()]
            yield from ((columns[tree.feature[tree.feature >= 0]], tree.threshold[tree.feature >= 0]) for tree in trees)
        inside = [
            part for part in inside if not isinstance(part, LinearRegression | LogisticRegression | DummyClassifier)
        ]
        for part, seen in zip(inside, getattr(model, "estimators_features_", [columns] * len(inside)), strict=False):
            if part is not None and getattr(part, "n_features_in_", 0) == len(seen):
                yield from thresholds(part, columns[seen])
    else:
        yield columns[forest.trees.feature], forest.trees.threshold


def rows_that_hurt(name, nan=False):
    """The thresholds of all parts, the numbers beside them, denormals and so on; NaN and infinities on demand."""
    pairs = list(thresholds(fitted(name), np.arange(X.shape[1])))
    feature, threshold = (np.concatenate(found) for found in zip(*pairs, strict=True))
    forest = SimpleNamespace(trees=SimpleNamespace(feature=feature, threshold=threshold), n_features=X.shape[1])
    return hurting(forest, np.random.default_rng(8), n=300, nan=nan, inf=nan)
