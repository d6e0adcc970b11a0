"""
Explaining predictions
======================

What a column adds to a prediction, exactly and in microseconds a row: SHAP values of a whole pipeline, one for
each column of the frame that goes in, and the plots of the package ``shap``.
"""

# %%
# Rents, with texts and missing numbers
# -------------------------------------
#
# Made up, so that we know what a good explanation has to say: a rent goes up with the size, falls with the distance
# where a flat is in town, and the year says something of old houses only.

import time

import numpy as np
import pandas as pd
import shap
from matplotlib import pyplot as plt
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import DMatrix, XGBRegressor

from sktensor import TensorizedEstimator

rng = np.random.default_rng(0)
n = 4_000
X = pd.DataFrame(
    {
        "size": rng.gamma(9.0, 8.0, n).round(),
        "distance": rng.exponential(4.0, n).round(1),
        "year": rng.integers(1890, 2025, n).astype(float),
        "quarter": rng.choice(["centre", "harbour", "hills", "village"], n, p=[0.3, 0.2, 0.3, 0.2]),
        "heating": rng.choice(["gas", "district", "pump"], n),
    }
)
rent = 8.0 * X["size"] - 25.0 * X["distance"] * (X["quarter"] != "village") + 120.0 * (X["quarter"] == "harbour")
rent += np.where(X["year"] < 1945, 150.0, 0.0) + rng.normal(0.0, 40.0, n)
X.loc[rng.random(n) < 0.1, "year"] = np.nan

pipeline = Pipeline(
    [
        (
            "columns",
            ColumnTransformer(
                [
                    ("numbers", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), X.columns[:3]),
                    ("texts", OneHotEncoder(), X.columns[3:]),
                ]
            ),
        ),
        ("model", XGBRegressor(n_estimators=200, max_depth=5, n_jobs=1)),
    ]
)
model = TensorizedEstimator(pipeline).fit(X, rent)

# %%
# One value for each column of the frame
# --------------------------------------
#
# The model behind the steps sees eleven columns: numbers that have been scaled, whether the year was missing, a column
# for each quarter and each kind of heating. All that is made of one column is *one* player of the game, so that the
# values are those of the five columns that one knows. With the base value they add up to the prediction, which XGBoost
# rounds to float32.

values = model.shap_values(X)
base = model.contributions(X[:1])[0, -1]
print(values.shape, "largest difference:", abs(base + values.sum(axis=1) - model.predict(X)).max())

# %%
# Why this rent?
# --------------
#
# ``explain`` gives what the plots of ``shap`` take.

explanation = model.explain(X[:500])
shap.plots.waterfall(explanation[0], show=False)
plt.tight_layout()

# %%
# What counts for all of them
# ---------------------------
#
# Each dot is a flat. The distance has two branches: in the village, it does not matter.

numbers = explanation[:, ["size", "distance", "year"]]
shap.plots.beeswarm(numbers, show=False)
plt.tight_layout()

# %%
# The mean size of each column's value:

plt.figure()
shap.plots.bar(explanation, show=False)
plt.tight_layout()

# %%
# What goes together
# ------------------
#
# Interaction values split the value of a column further. The largest one off the diagonal is that of the distance and
# the quarter, as it was made.

pairs = model.shap_values(X[:500], interactions=True)
strength = pd.DataFrame(abs(pairs).mean(axis=0), index=X.columns, columns=X.columns)
print(strength.round(1))

# %%
# How long it takes
# -----------------
#
# XGBoost explains the columns that the steps give, of which some belong together.

inside = model.estimator_
encoded = inside[:-1].transform(X)


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


model.shap_values(X)
ours = min(seconds(lambda: model.shap_values(X)) for _ in range(3))
booster = inside[-1].get_booster()
theirs = seconds(lambda: booster.predict(DMatrix(encoded), pred_contribs=True))
print(f"{n:,} rows: {1e3 * ours:.0f} ms, XGBoost without the steps {1e3 * theirs:.0f} ms")
