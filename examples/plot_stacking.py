"""
Stacking models of three libraries
==================================

The models of a stack predict every row while it is fitted, and all of them predict for every answer. The stack is
wrapped as a whole: its models run as programs, and what combines them stays as it is.
"""

import timeit

import matplotlib.pyplot as plt
import numpy as np
from lightgbm import LGBMRegressor
from sklearn.datasets import make_friedman1
from sklearn.ensemble import RandomForestRegressor, StackingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.metrics import root_mean_squared_error
from xgboost import XGBRegressor

from sktensor import TensorizedEstimator

X, y = make_friedman1(6_000, 12, noise=2.0, random_state=0)
X_train, X_test, y_train, y_test = X[:1_000], X[1_000:], y[:1_000], y[1_000:]
models = [
    ("XGBoost", XGBRegressor(n_estimators=150, max_depth=4, learning_rate=0.05, n_jobs=1)),
    ("LightGBM", LGBMRegressor(n_estimators=150, num_leaves=15, verbose=-1, n_jobs=1)),
    ("RandomForest", RandomForestRegressor(60, random_state=0)),
]
stack = StackingRegressor(models, RidgeCV(), cv=3).fit(X_train, y_train)
fast = TensorizedEstimator(stack)  # it is fitted: no fit
print("the same bits:", np.array_equal(stack.predict(X_test), fast.predict(X_test)))


def milliseconds(predictor):
    """Best of five predictions of all test rows."""
    return 1e3 * min(timeit.repeat(lambda: predictor.predict(X_test), number=1, repeat=5))


everyone = {name: model.fit(X_train, y_train) for name, model in models} | {"stack": stack}
wrapped = {name: TensorizedEstimator(model) for name, model in everyone.items()}

# %%

figure, (top, bottom) = plt.subplots(2, figsize=(6, 5.4), layout="constrained", height_ratios=(2, 3))
names = list(everyone)
errors = [root_mean_squared_error(y_test, wrapped[name].predict(X_test)) for name in names]
bars = top.barh(names, errors, color=["tab:gray"] * 3 + ["tab:cyan"])
top.bar_label(bars, fmt=" %.2f")
top.set(xlabel="error on held-out rows (RMSE)", xlim=(0, 1.2 * max(errors)))
for found, shift, label in ((everyone, -0.2, "library"), (wrapped, 0.2, "wrapped")):
    places = np.arange(len(names)) + shift
    taken = [milliseconds(found[name]) for name in names]
    bars = bottom.barh(places, taken, 0.38, label=label, color="tab:cyan" if shift > 0 else "tab:orange")
    bottom.bar_label(bars, fmt=" %.1f")
bottom.set(xlabel=f"milliseconds for {len(X_test):,} rows (log)", xscale="log", xlim=(0.1, 1_000))
bottom.set_yticks(range(len(names)), names)
bottom.legend()
