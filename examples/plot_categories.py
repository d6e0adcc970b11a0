"""
Categories and missing values from a frame
==========================================

A frame goes in as it is: categories by their names, missing values, and names that training has never seen. All of
them mean what they mean to the library.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor

from sktensor import TensorizedEstimator

rng, n = np.random.default_rng(0), 20_000
PRICES = {"bike": 12.0, "bus": 20.0, "car": 55.0, "plane": 180.0, "train": 70.0}
kind = rng.choice(list(PRICES), n)
X = pd.DataFrame({"kind": pd.Categorical(kind), "distance": rng.gamma(2.0, 100.0, n)})
y = X["kind"].map(PRICES).astype(float) * (0.5 + X["distance"] / 400) + rng.normal(0, 5, n)
X.loc[rng.random(n) < 0.1, "distance"] = np.nan
X.loc[rng.random(n) < 0.1, "kind"] = np.nan

model = LGBMRegressor(n_estimators=150, n_jobs=1, verbose=-1)
fast = TensorizedEstimator(model).fit(X, y)
print("the same bits:", np.array_equal(fast.predict(X), fast.estimator_.predict(X)))

# %%
# Rows to ask of: each kind at all distances, no kind at all, and one that was not there before. Their categories have
# another order than those of training, which changes nothing.

distance = np.linspace(5, 600, 200)
curves = {}
for name in [*reversed(PRICES), np.nan, "tram"]:
    asked = pd.DataFrame({"kind": pd.Categorical([name] * 200, categories=["tram", *reversed(PRICES)])})
    asked["distance"] = distance
    curves[name] = fast.predict(asked)
    known = fast.predict(asked.assign(distance=np.nan))[0]
    print(f"{name!s:<6} with no distance: {known:.1f}")
print("an unseen kind is a missing one to LightGBM:", np.array_equal(curves["tram"], curves[np.nan]))

# %%

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
labels = {np.nan: "missing", "tram": "tram (unseen)"}
for name, curve in curves.items():
    style = {"tram": "k:", np.nan: "-"}.get(name, "-")
    width = 5 if name is np.nan else 1.8
    color = {"color": "tab:gray"} if name is np.nan else {}
    axes.plot(distance, curve, style, lw=width, label=labels.get(name, name), **color)
axes.set(xlabel="distance, km", ylabel="predicted price, €")
axes.legend()
