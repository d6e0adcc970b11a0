"""
A forest, looked at and drawn
=============================

``extract_forest`` gives the trees of any library in one form, and ``to_frame`` lays them out as a pandas frame: a row
for each node and leaf. A drawing is a few lines from there.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_diabetes
from xgboost import XGBRegressor

from sktensor import extract_forest

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
model = XGBRegressor(n_estimators=50, max_depth=3, n_jobs=1).fit(X, y)
forest = extract_forest(model)
frame = forest.to_frame()
print(frame.head(8).to_string(index=False))
asked = frame["feature"].dropna().map(lambda number: X.columns[number])
print("asked of most:", asked.value_counts().head(5).to_dict())

# %%
# The first tree: leaves from left to right, each node over the middle of its children. The width of a line is the share
# of rows that took it, and missing values go where the dot is.

tree = frame[frame["tree"] == 0].set_index("node")
place = {}


def put(node):
    """Give a node and all below it their places from left to right."""
    row = tree.loc[node]
    if row["left"] is pd.NA:
        place[node] = float(len(place) - len(inner & place.keys()))
    else:
        place[node] = (put(row["left"]) + put(row["right"])) / 2
    return place[node]


inner = set(tree.index[tree["left"].notna()])
put(0)
axes = plt.figure(figsize=(7, 4.4)).add_axes((0, 0, 1, 1))
style = {"ha": "center", "va": "center", "fontsize": 10}
for node, row in tree.iterrows():
    x, y = place[node], -row["depth"]
    if node not in inner:
        axes.text(x, y, f"{row['value']:+.1f}", bbox={"fc": "moccasin", "ec": "tan"}, **style)
        continue
    for child in (row["left"], row["right"]):
        width = 1 + 9 * tree.loc[child, "cover"] / tree.loc[0, "cover"]
        below = place[child], -tree.loc[child, "depth"]
        axes.plot([x, below[0]], [y, below[1]], color="lightsteelblue", lw=width, zorder=0)
        if child == row["missing"]:
            axes.plot((x + below[0]) / 2, (y + below[1]) / 2, "o", color="tab:red", ms=5)
    words = f"{X.columns[row['feature']]} < {row['threshold']:.4g}"
    axes.text(x, y, words, bbox={"fc": "white", "ec": "slategray"}, **style)
axes.axis("off")
