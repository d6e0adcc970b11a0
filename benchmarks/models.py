"""The models that the benchmarks measure, on made-up data of 28 columns."""

from __future__ import annotations

import numpy as np

N_FEATURES = 28


def rows(n, seed=0, n_features=N_FEATURES):
    """Distinct float32 rows in no order, shape (n, n_features)."""
    return np.random.default_rng(seed).standard_normal((n, n_features), dtype=np.float32)


def target(X, seed=1):
    """A number that no tree learns by heart in a few levels: interactions, curves and noise."""
    noise = np.random.default_rng(seed).standard_normal(len(X))
    return X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3:8].sum(1) * 0.4 + np.abs(X[:, 9]) - 0.8 + 0.7 * noise


def labels(X, seed=1):
    """Two classes of about the same size."""
    return (target(X, seed) > 0).astype(np.int64)


def xgboost_500_depth_8():
    """XGBoost, 500 trees of depth 8."""
    from xgboost import XGBClassifier

    X = rows(20_000)
    model = XGBClassifier(n_estimators=500, max_depth=8, learning_rate=0.1, tree_method="hist", random_state=0)
    return model.fit(X, labels(X))


def random_forest_100():
    """A random forest of 100 fully grown trees with at least 4,000 leaves each."""
    from sklearn.ensemble import RandomForestClassifier

    X = rows(40_000)
    noisy = labels(X) ^ (np.random.default_rng(2).random(len(X)) < 0.1)
    model = RandomForestClassifier(n_estimators=100, n_jobs=-1, random_state=0).fit(X, noisy)
    fewest = min(tree.tree_.n_leaves for tree in model.estimators_)
    if fewest < 4_000:
        raise RuntimeError(f"expected at least 4,000 leaves in each tree, the smallest has {fewest}")
    return model.set_params(n_jobs=1)  # with more, scikit-learn itself adds the trees in a random order
