"""
Tensors inside a torch program
==============================

``tensorize`` makes a ``torch.nn.Module`` of a fitted model. Here its leaves are the vocabulary of an embedding: a small
network learns on top of trees that XGBoost has grown, and beats them.
"""

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import make_friedman1
from torch import nn
from xgboost import XGBRegressor

from sktensor import tensorize

X, y = make_friedman1(6_000, 10, noise=1.0, random_state=0)
trees = XGBRegressor(n_estimators=40, max_depth=4, learning_rate=0.1, n_jobs=1).fit(X[:3_000], y[:3_000])
X, y = torch.from_numpy(X), torch.from_numpy(y).float()


class Network(nn.Module):
    """A number for each leaf, and a way around the trees for what they miss."""

    def __init__(self, model):
        super().__init__()
        self.scores = tensorize(model, output="raw")
        self.leaves = tensorize(model, output="leaf")  # no parameters: its tables are buffers
        self.register_buffer("first", 31 * torch.arange(40))  # a tree of depth 4 has at most 31 node numbers
        self.correction = nn.EmbeddingBag(31 * 40, 1, mode="sum")
        self.around = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 1))
        nn.init.zeros_(self.correction.weight)

    def forward(self, X):
        around = self.around(X.float()) + self.correction(self.leaves(X).long() + self.first)
        return self.scores(X) + around.squeeze(1)


torch.set_num_threads(1)
torch.manual_seed(0)
network, seen, held = Network(trees), slice(0, 3_000), slice(3_000, None)
optimizer, losses = torch.optim.Adam(network.parameters(), lr=0.01), []
for _ in range(120):
    loss = nn.functional.mse_loss(network(X[seen]), y[seen])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        losses.append((loss.item(), nn.functional.mse_loss(network(X[held]), y[held]).item()))

# %%

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
alone = nn.functional.mse_loss(network.scores(X[held]), y[held]).item()
axes.axhline(alone, color="tab:gray", ls="--", label=f"the trees alone, held out: {alone:.2f}")
axes.plot([train for train, _ in losses], color="tab:orange", label="network, training rows")
axes.plot([test for _, test in losses], color="tab:cyan", label=f"network, held out: {losses[-1][1]:.2f}")
axes.set(xlabel="step of training", ylabel="mean squared error")
axes.legend()
