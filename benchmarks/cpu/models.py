"""The models that are measured, trained once and kept in a folder, in their libraries' own formats too.

What is kept beside a model: the library's answers on rows that every candidate has to answer as well, and the
trees in neutral arrays, for peers that read no format but let trees be built.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import versions
from benchmarks.models import N_FEATURES, labels, random_forest_100, rows, target, xgboost_500_depth_8

FORMAT = 1  # of the folder: to be raised with every change of a recipe, of the data or of a file

# Rows to predict, rows to compare answers on. Training uses other seeds.
ROWS_SEED, ANSWERS_SEED, TIES_SEED = 1000, 1001, 1002
N_ANSWERS, N_TIES = 20_000, 2_000


@dataclass(frozen=True)
class Model:
    """One model: `n_classes` is 0 for a regressor, `package` the one whose version decides what is trained."""

    name: str
    title: str
    package: str
    fit: Callable[[], Any]
    n_features: int = N_FEATURES
    n_classes: int = 2

    @property
    def method(self) -> str:
        """The public method that is measured."""
        return "predict_proba" if self.n_classes else "predict"

    def rows(self, n, seed=ROWS_SEED):
        """Rows to predict, distinct and in no order."""
        return rows(n, seed=seed, n_features=self.n_features)


def _xgboost(n_estimators, max_depth):
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=n_estimators, max_depth=max_depth, tree_method="hist", random_state=0)


def xgboost_100_depth_6():
    X = rows(100_000)
    return _xgboost(100, 6).fit(X, labels(X))


def xgboost_7_classes():
    X = rows(100_000)
    score = target(X)
    return _xgboost(100, 6).fit(X, np.digitize(score, np.quantile(score, np.arange(1, 7) / 7)))


def xgboost_200_features():
    X = rows(50_000, n_features=200)
    weights = np.random.default_rng(2).standard_normal(200, dtype=np.float32)
    return _xgboost(20, 6).fit(X, (X @ weights > 0).astype(np.int64))


def _lightgbm(n_estimators, num_leaves):
    from lightgbm import LGBMClassifier

    X = rows(100_000)
    model = LGBMClassifier(n_estimators=n_estimators, num_leaves=num_leaves, random_state=0, verbose=-1)
    return model.fit(X, labels(X))


def lightgbm_500_leaves_31():
    return _lightgbm(500, 31)


def lightgbm_100_leaves_255():
    return _lightgbm(100, 255)


def hist_gradient_boosting_100():
    from sklearn.ensemble import HistGradientBoostingClassifier

    X = rows(100_000)
    model = HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=31, early_stopping=False, random_state=0)
    return model.fit(X, labels(X))


def gradient_boosting_100():
    from sklearn.ensemble import GradientBoostingRegressor

    X = rows(20_000)
    return GradientBoostingRegressor(n_estimators=100, max_depth=3, random_state=0).fit(X, target(X))


def _catboost(iterations):
    from catboost import CatBoostClassifier

    X = rows(100_000)
    model = CatBoostClassifier(iterations=iterations, depth=6, random_seed=0, verbose=0, allow_writing_files=False)
    return model.fit(X, labels(X))


def catboost_100():
    return _catboost(100)


def catboost_500():
    return _catboost(500)


MODELS = {
    model.name: model
    for model in (
        Model("xgb-100-d6", "XGBoost, 100 trees of depth 6", "xgboost", xgboost_100_depth_6),
        Model("xgb-500-d8", "XGBoost, 500 trees of depth 8", "xgboost", xgboost_500_depth_8),
        Model("xgb-7-classes", "XGBoost, 7 classes, 100 rounds of depth 6", "xgboost", xgboost_7_classes, n_classes=7),
        Model("xgb-200-features", "XGBoost, 200 features, 20 trees of depth 6", "xgboost", xgboost_200_features, 200),
        Model("lgbm-500-l31", "LightGBM, 500 trees of 31 leaves", "lightgbm", lightgbm_500_leaves_31),
        Model("lgbm-100-l255", "LightGBM, 100 trees of 255 leaves", "lightgbm", lightgbm_100_leaves_255),
        Model("cat-100-d6", "CatBoost, 100 symmetric trees of depth 6", "catboost", catboost_100),
        Model("cat-500-d6", "CatBoost, 500 symmetric trees of depth 6", "catboost", catboost_500),
        Model("rf-100", "RandomForest, 100 trees of >= 4,000 leaves", "scikit-learn", random_forest_100),
        Model("hgb-100-l31", "HistGradientBoosting, 100 x 31 leaves", "scikit-learn", hist_gradient_boosting_100),
        Model("gb-100-d3", "GradientBoosting, 100 x depth 3, regression", "scikit-learn", gradient_boosting_100,
              n_classes=0),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """A model's files in the folder."""

    model: Model
    folder: Path

    def path(self, suffix: str) -> Path:
        """The file of that kind."""
        return self.folder / f"{self.model.name}{suffix}"

    @property
    def native(self) -> Path:
        """The file in the library's own format; scikit-learn has none."""
        return self.path(NATIVE[self.model.package])

    def load(self):
        """The fitted estimator."""
        import joblib

        return joblib.load(self.path(".joblib"))

    def arrays(self, kind: str) -> dict[str, np.ndarray]:
        """The arrays of ``"answers"`` or ``"trees"``."""
        with np.load(self.path(f".{kind}.npz")) as held:
            return dict(held)

    def facts(self) -> dict[str, Any]:
        """What is known of the model: versions, sizes, the time that training took."""
        return json.loads(self.path(".json").read_text(encoding="utf-8"))


NATIVE = {"xgboost": ".ubj", "lightgbm": ".txt", "catboost": ".cbm", "scikit-learn": ".joblib"}


def keep(name: str, folder: Path) -> Kept:
    """The model of that name, trained now unless the folder has it, by the same version of its library."""
    kept = Kept(MODELS[name], folder)
    # scikit-learn's version too: the estimators are pickled with it.
    made_by = {"format": FORMAT, "versions": versions((kept.model.package, "scikit-learn", "numpy"))}
    if kept.path(".json").exists():
        facts = kept.facts()
        if {key: facts[key] for key in made_by} == made_by:
            return kept
    folder.mkdir(parents=True, exist_ok=True)
    kept.path(".json").unlink(missing_ok=True)
    start = time.perf_counter()
    fitted = kept.model.fit()
    facts = {**made_by, "title": kept.model.title, "training_seconds": round(time.perf_counter() - start, 2)}
    _save(kept, fitted)
    facts.update(_save_trees_and_answers(kept, fitted))
    kept.path(".json").write_text(json.dumps(facts, indent=1), encoding="utf-8")  # last: the others are complete
    return kept


def _save(kept, fitted):
    import joblib

    joblib.dump(fitted, kept.path(".joblib"))
    if hasattr(fitted, "booster_"):
        fitted.booster_.save_model(kept.native)
    elif hasattr(fitted, "save_model"):
        fitted.save_model(str(kept.native))


def _save_trees_and_answers(kept, fitted):
    from sktensor import extract_forest

    forest = extract_forest(fitted)
    fields = ("feature", "threshold", "left", "right", "root", "tree_target", "leaf_value", "base")
    np.savez(kept.path(".trees.npz"), **{field: getattr(forest.trees, field) for field in fields}, cmp=forest.trees.cmp)
    answer = getattr(fitted, kept.model.method)
    X, ties = kept.model.rows(N_ANSWERS, ANSWERS_SEED), tie_rows(forest)
    np.savez(kept.path(".answers.npz"), ties=ties, on_rows=answer(X), on_ties=answer(ties))
    return {
        "trees": len(forest.trees.root),
        "leaves": len(forest.trees.leaf_value),
        "features": forest.n_features,
        "outputs": forest.n_outputs,
        "thresholds_of_a_feature": int(max(map(len, _thresholds(forest)))),
    }


def tie_rows(forest, n=N_TIES):
    """Float32 rows made of the forest's own thresholds and the two floats beside each: where roundings show."""
    random = np.random.default_rng(TIES_SEED)
    X = random.standard_normal((n, forest.n_features), dtype=np.float32)
    for column, thresholds in enumerate(_thresholds(forest)):
        if len(thresholds):
            near = random.choice(thresholds, n).astype(np.float32)
            side = random.choice(np.array([-np.inf, 0, np.inf], np.float32), n)
            X[:, column] = np.where(side == 0, near, np.nextafter(near, side))
    return X


def _thresholds(forest):
    """Distinct thresholds of each column."""
    return [np.unique(forest.trees.threshold[forest.trees.feature == column]) for column in range(forest.n_features)]
