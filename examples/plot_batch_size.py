"""
Latency against batch size
==========================

One model, from one row to 20,000: the library, sktensor as it is, and each strategy by name, in the fused kernels of
the CPU and as tensor code.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import make_classification
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator

torch.set_num_threads(1)  # the kernels and XGBoost have one, too
X, y = make_classification(20_000, 28, n_informative=12, random_state=0)
X = X.astype(np.float32)
model = XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1).fit(X[:5_000], y[:5_000])

predictors = {"XGBoost": model, "sktensor": TensorizedEstimator(model)}
for strategy in ("bitsliced", "tree_traversal", "gemm", "perfect_tree_traversal"):
    for backend in ("native", "torch") if strategy in ("bitsliced", "tree_traversal") else ("torch",):
        wrapped = TensorizedEstimator(model, strategy=strategy, backend=backend)
        predictors[f"{strategy}, {backend}"] = wrapped


def seconds(call, budget=0.05):
    """Best of a few calls."""
    best, end = np.inf, time.perf_counter() + budget
    while (start := time.perf_counter()) < end:
        call()
        best = min(best, time.perf_counter() - start)
    return best


SIZES = [1, 4, 16, 64, 256, 1_000, 4_000, 20_000]
taken = {}
for name, predictor in predictors.items():
    predictor.predict_proba(X[:1])  # the first prediction compiles
    taken[name] = [seconds(lambda n=n, p=predictor: p.predict_proba(X[:n])) for n in SIZES]
    print(f"{name:<30} one row: {1e6 * taken[name][0]:>6.1f} µs, 20,000: {1e3 * taken[name][-1]:>8.2f} ms")

# %%

COLORS = {"XGBoost": "k", "sktensor": "tab:cyan", "bitsliced": "tab:red", "tree_traversal": "tab:blue"}
COLORS |= {"gemm": "tab:green", "perfect_tree_traversal": "tab:purple"}
figure, axes = plt.subplots(figsize=(6, 5.2), layout="constrained")
for name, times in taken.items():
    strategy, _, engine = name.partition(", ")
    style = {"": "o-", "native": "--", "torch": ":"}[engine]
    axes.loglog(SIZES, 1e6 * np.array(times), style, color=COLORS[strategy], label=name)
axes.set(xlabel="rows in a batch", ylabel="microseconds a prediction", title="one thread")
axes.grid(alpha=0.3)
figure.legend(loc="outside lower center", ncols=2)
