"""A small fitted forest, and data for it."""

from __future__ import annotations

from sklearn.datasets import load_wine

X, Y = load_wine(return_X_y=True)
SMALL = {"n_estimators": 5, "max_depth": 3, "n_jobs": 1}
