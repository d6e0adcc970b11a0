"""
Stacking models of three libraries
==================================

The models of a stack predict every row while it is fitted, and all of them predict for every answer. Wrapped, they do
it faster, and the stack is the same to the last bit.
"""

# %%
# A stack of wrapped models
# -------------------------
#
# Any of them could be a pipeline, too. What combines them is linear and no tree: it stays as it is.

import numpy as np
from lightgbm import LGBMRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor, StackingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_validate
from xgboost import XGBRegressor

from sktensor import TensorizedEstimator

X, y = load_diabetes(return_X_y=True)
folds = KFold(3, shuffle=True, random_state=0)
models = {
    "XGBoost": XGBRegressor(n_estimators=60, max_depth=3, learning_rate=0.1, n_jobs=1),
    "LightGBM": LGBMRegressor(n_estimators=60, num_leaves=7, verbose=-1, n_jobs=1),
    "forest": RandomForestRegressor(60, min_samples_leaf=3, random_state=0),
}


def stack(wrap):
    """The models, wrapped or not, under a ridge regression."""
    return StackingRegressor([(name, wrap(model)) for name, model in models.items()], RidgeCV(), cv=folds)


fast = stack(TensorizedEstimator).fit(X, y)

# %%
# How good each is
# ----------------

for name, model in {**models, "all three": stack(lambda model: model)}.items():
    found = cross_validate(model, X, y, cv=folds, scoring="neg_root_mean_squared_error")
    print(f"{name:<10} error {-found['test_score'].mean():.1f}")

# %%
# What the stack is made of
# -------------------------
#
# Columns that the final regression sees, and what each wrapped model runs.

for name, part, weight in zip(models, fast.estimators_, fast.final_estimator_.coef_, strict=True):
    plan = part.explain_plan(len(X))
    print(f"{name:<10} weight {weight:.2f}, {part.forest_.n_trees} trees by {plan.strategy} ({plan.backend})")

# %%
# The same to the last bit
# ------------------------

bare = stack(lambda model: model).fit(X, y)
print("the same:", np.array_equal(bare.predict(X), fast.predict(X)))
