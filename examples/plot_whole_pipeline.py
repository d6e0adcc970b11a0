"""
A whole pipeline, folded into its trees
=======================================

In front of a fast model the steps of a pipeline take nearly all of the time. Wrapped as a whole, they are folded into
the questions that the trees ask: imputing, scaling and encoding then cost nothing, and the answers keep every bit.
"""

# %%
# Numbers and texts
# -----------------
#
# A frame as they come: numbers of several scales, some of them missing, and texts.

import time

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator

rng = np.random.default_rng(0)
n = 4_000
X = pd.DataFrame(
    {
        "age": rng.normal(40, 12, n),
        "income": rng.lognormal(10, 1, n),
        "city": rng.choice(["Lyon", "Oslo", "Porto", "Turin"], n),
        "device": rng.choice(["phone", "tablet", "desktop"], n, p=[0.6, 0.1, 0.3]),
    }
)
X.loc[rng.random(n) < 0.1, "income"] = np.nan
y = ((X["age"] > 45) ^ (X["city"] == "Oslo")).astype(int)

numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
texts = OneHotEncoder(handle_unknown="ignore")
pipeline = Pipeline(
    [
        ("columns", ColumnTransformer([("n", numbers, ["age", "income"]), ("t", texts, ["city", "device"])])),
        ("model", XGBClassifier(n_estimators=100, max_depth=4, n_jobs=1)),
    ]
)

# %%
# What becomes of each step
# -------------------------

fast = TensorizedEstimator(pipeline).fit(X, y)
print(fast.explain_plan(len(X)))

# %%
# The same bits, and one row in less time
# ---------------------------------------

slow = fast.estimator_
print("the same:", np.array_equal(slow.predict_proba(X), fast.predict_proba(X)))


def milliseconds(model, rows, times=30):
    """Median time of a prediction."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        model.predict_proba(rows)
        taken.append(time.perf_counter() - start)
    return 1e3 * float(np.median(taken))


row = X.head(1)
print(f"one row: the pipeline {milliseconds(slow, row):.2f} ms, wrapped {milliseconds(fast, row):.2f} ms")

# %%
# What the steps do with odd values stays theirs
# ----------------------------------------------
#
# An unknown city is encoded as no city, since the encoder was told so; a column that is missing is refused in its own
# words.

odd = row.assign(city="Bergen", income=np.nan)
print("the same:", np.array_equal(slow.predict_proba(odd), fast.predict_proba(odd)))
try:
    fast.predict(X.drop(columns="income"))
except ValueError as error:
    print(error)

# %%
# A search over the steps
# -----------------------

search = GridSearchCV(fast, {"estimator__columns__n__simpleimputer__strategy": ["mean", "median"]}, cv=3).fit(X, y)
print(search.best_params_, f"accuracy {search.best_score_:.3f}")
