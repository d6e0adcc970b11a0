"""
Where one row's time goes
=========================

In front of a fast model the steps of a pipeline take nearly all of the time of a single row. Wrapped as a whole, they
are folded into the questions that the trees ask.
"""

import timeit

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator

rng, n = np.random.default_rng(0), 4_000
X = pd.DataFrame({"age": rng.normal(40, 12, n), "income": rng.lognormal(10, 1, n)})
X["city"] = rng.choice(["Lyon", "Oslo", "Porto", "Turin"], n)
X.loc[rng.random(n) < 0.1, "income"] = np.nan
y = (X["age"] > 45) ^ (X["city"] == "Oslo")
numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
columns = ColumnTransformer(
    [("n", numbers, ["age", "income"]), ("t", OneHotEncoder(handle_unknown="ignore"), ["city"])]
)
pipeline = Pipeline([("columns", columns), ("model", XGBClassifier(n_estimators=100, n_jobs=1))])
fast = TensorizedEstimator(pipeline).fit(X, y)
slow = fast.estimator_
print("the same bits:", np.array_equal(slow.predict_proba(X), fast.predict_proba(X)))


def milliseconds(call):
    """Best time of some calls."""
    return 1e3 * min(timeit.repeat(call, number=1, repeat=60))


row = X.head(1)
whole, steps = (milliseconds(lambda f=f: f(row)) for f in (slow.predict_proba, slow[:-1].transform))
ours = milliseconds(lambda: fast.predict_proba(row))

# %%

figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
axes.barh("pipeline", steps, color="tab:orange", label="steps")
axes.barh("pipeline", max(whole - steps, 0), left=steps, color="tab:gray", label="XGBoost")
axes.barh("wrapped", ours, color="tab:cyan", label="all of it")
axes.bar_label(axes.containers[-1], [f" {ours:.2f} ms, {whole / ours:.0f} times faster"])
axes.set(xlabel="milliseconds for one row of a pandas frame", xlim=(0, 1.05 * whole))
axes.invert_yaxis()
axes.legend()
