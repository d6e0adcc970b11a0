"""
Strategies, and the plan
========================

Which algorithm runs depends on the trees and on the number of rows. ``explain_plan`` says what was chosen for how many
rows, what else was considered, and why; asked for many sizes, it draws a map.
"""

import matplotlib.pyplot as plt
import numpy as np
from lightgbm import LGBMRegressor
from sklearn.datasets import make_friedman1

from sktensor import TensorizedEstimator

X, y = make_friedman1(8_000, 10, random_state=0)
LEAVES = [4, 8, 16, 31, 64, 128, 255, 511, 1023]
ROWS = [1, 4, 16, 32, 64, 128, 256, 1_000, 4_000, 64_000]

settings = {"n_estimators": 5, "min_child_samples": 1, "n_jobs": 1, "verbose": -1}
models = [TensorizedEstimator(LGBMRegressor(num_leaves=leaves, **settings)).fit(X, y) for leaves in LEAVES]

# %%
# One plan: trees of 31 leaves, a thousand rows.

print(models[3].explain_plan(1_000))

# %%
# All of them. Planning runs nothing.

plans = [[model.explain_plan(rows) for rows in ROWS] for model in models]
names = sorted({f"{plan.strategy}, {plan.backend}" for row in plans for plan in row})
chosen = np.array([[names.index(f"{p.strategy}, {p.backend}") for p in row] for row in plans])

# %%

figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
for number, name in enumerate(names):
    leaves, rows = np.nonzero(chosen == number)
    axes.scatter(rows, leaves, s=700, marker="s", label=name)
for i, row in enumerate(plans):
    for j, plan in enumerate(row):
        fastest = min(option.expected_ns for option in plan.options if option.expected_ns) / plan.n_rows
        axes.text(j, i, f"{fastest / 1e3:.2g}", ha="center", va="center", fontsize=8, color="white")
axes.set_xticks(range(len(ROWS)), [f"{rows:,}" for rows in ROWS], rotation=45)
axes.set_yticks(range(len(LEAVES)), LEAVES)
axes.set(xlabel="rows", ylabel="leaves of a tree", title="what runs; expected µs a row")
figure.legend(loc="outside lower center", ncols=2, markerscale=0.5)
