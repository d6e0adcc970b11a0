"""Rows that come once get the same scores as any others, without tables that later rows may not need."""

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from xgboost import XGBClassifier

from sktensor import extract_forest
from sktensor.inputs.rows import as_rows
from sktensor.runtime.program import Program
from sktensor.runtime.settings import Settings

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
X[:, 3] = RNG.integers(0, 5, 300)
Y = (X[:, 0] > 0) ^ (X[:, 3] > 2)
MODELS = {
    "XGBoost": XGBClassifier(n_estimators=5, n_jobs=1),
    "LightGBM with categories": LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1, categorical_feature=[3]),
    "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=5, categorical_features=[3]),
    "forest": RandomForestClassifier(5, random_state=0),
}


@pytest.mark.parametrize("settings", [Settings(), Settings(strategy="gemm"), Settings(backend="torch")])
@pytest.mark.parametrize("name", MODELS)
def test_the_same_scores(name, settings):
    forest = extract_forest(MODELS[name].fit(X, Y))
    once = Program(forest).raw_scores_once(as_rows(X, forest), settings)
    expected, _ = Program(forest).raw_scores(as_rows(X, forest), settings)
    assert np.asarray(once).tobytes() == np.asarray(expected).tobytes()


def test_no_tables_are_kept():
    forest = extract_forest(MODELS["XGBoost"].fit(X, Y))
    program = Program(forest)
    program.raw_scores_once(as_rows(X, forest), Settings())
    assert not program._runners
