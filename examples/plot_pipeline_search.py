"""
A pipeline, searched
====================

A wrapped pipeline goes into a grid search like any other estimator. The scores are those of the bare one, to the last
bit, and the best model predicts faster.
"""

import timeit

import matplotlib.pyplot as plt
import numpy as np
from lightgbm import LGBMClassifier
from sklearn.datasets import make_classification
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sktensor import TensorizedEstimator

X, y = make_classification(6_000, 20, n_informative=8, flip_y=0.1, random_state=0)
X[np.random.default_rng(0).random(X.shape) < 0.05] = np.nan
model = LGBMClassifier(n_estimators=60, n_jobs=1, verbose=-1)
pipeline = Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler()), ("model", model)])

# %%
# ``estimator__`` reaches what is wrapped: here the pipeline, and by the names of its steps their parameters.

LEAVES, FILLS = [4, 8, 16, 32], ["mean", "most_frequent"]
grid = {"model__num_leaves": LEAVES, "fill__strategy": FILLS}
prefixed = {f"estimator__{name}": values for name, values in grid.items()}
search = {"cv": 3, "scoring": "neg_log_loss"}
bare = GridSearchCV(pipeline, grid, **search).fit(X, y)
fast = GridSearchCV(TensorizedEstimator(pipeline), prefixed, **search).fit(X, y)
print("best:", fast.best_params_)
scores = [found.cv_results_["mean_test_score"] for found in (bare, fast)]
print("the same scores:", np.array_equal(*scores))


def milliseconds(found):
    """Best of some predictions by the best of the candidates."""
    return 1e3 * min(timeit.repeat(lambda: found.predict_proba(X), number=1, repeat=7))


# %%
# The search takes what training takes. What is gained comes afterwards.

figure, (top, bottom) = plt.subplots(2, figsize=(6, 5), layout="constrained", height_ratios=(3, 1))
for found, mark, size in ((bare, "s", 9), (fast, "o", 4)):
    scores = -found.cv_results_["mean_test_score"].reshape(len(FILLS), len(LEAVES))
    for fill, row, color in zip(FILLS, scores, ("tab:orange", "tab:cyan"), strict=True):
        name = f"{'wrapped' if found is fast else 'pipeline'}, {fill}"
        top.plot(LEAVES, row, mark, ms=size, mec="k", color=color, label=name)
top.set(xlabel="leaves of a tree", ylabel="log loss, cross-validated", xticks=LEAVES)
top.legend()
times = [milliseconds(fast), milliseconds(bare)]
bars = bottom.barh(["wrapped", "pipeline"], times, color=["tab:cyan", "tab:gray"])
bottom.bar_label(bars, fmt=" %.1f")
bottom.set(xlabel=f"milliseconds to predict {len(X):,} rows", xlim=(0, 1.15 * max(times)))
