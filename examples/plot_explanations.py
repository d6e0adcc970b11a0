"""
Explaining predictions
======================

What a column adds to a prediction, exactly and in microseconds a row: SHAP values of a whole pipeline, one for each
column of the frame that goes in, and the plots of the package ``shap``.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import shap
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from xgboost import XGBRegressor

from sktensor import TensorizedEstimator

rng, n = np.random.default_rng(0), 4_000
X = pd.DataFrame({"size": rng.gamma(9, 8, n).round(), "distance": rng.exponential(4, n).round(1)})
X["year"] = rng.integers(1890, 2025, n).astype(float)
X["quarter"] = rng.choice(["centre", "harbour", "hills", "village"], n, p=[0.3, 0.2, 0.3, 0.2])
rent = 8 * X["size"] - 25 * X["distance"] * (X["quarter"] != "village") + rng.normal(0, 40, n)
rent += 120 * (X["quarter"] == "harbour") + 150 * (X["year"] < 1945)
X.loc[rng.random(n) < 0.1, "year"] = np.nan

steps = make_column_transformer((OneHotEncoder(), ["quarter"]), remainder="passthrough")
pipeline = make_pipeline(steps, XGBRegressor(n_estimators=200, max_depth=5, n_jobs=1))
model = TensorizedEstimator(pipeline).fit(X, rent)

# %%
# The model behind the steps sees seven columns; all that is made of one column is *one* player of the game. With the
# base value the four values add up to the prediction, which XGBoost rounds to float32.

values = model.shap_values(X)
base = model.contributions(X[:1])[0, -1]
print(values.shape, "largest difference:", abs(base + values.sum(axis=1) - model.predict(X)).max())

# %%
# Each dot is a flat. The distance has two branches: in the village, it does not matter.

explanation = model.explain(X[:600])
shap.plots.beeswarm(explanation[:, ["size", "distance", "year"]], show=False, plot_size=(6, 3))
plt.xlabel("SHAP value, € of rent a month")
plt.tight_layout()

# %%
# Why this rent? What moved it from the mean to what the model says, in € a month.

plt.figure()
shap.plots.waterfall(explanation[0], show=False)
plt.gcf().set_size_inches(6, 3.2)
plt.tight_layout()
