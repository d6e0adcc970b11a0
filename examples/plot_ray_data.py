"""
Ray Data: rows in a batch
=========================

Actors read blocks of Arrow where they lie in shared memory, as polars frames; ``batch_size`` says how many rows they
get at a time. Measured is from the begin of the first batch to the end of the last one.
"""

# sphinx_gallery_thumbnail_path = "plot_ray_data.svg"
import time

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pyarrow as pa
import ray
from xgboost import XGBClassifier

from sktensor import TensorizedEstimator

COLUMNS, SIZES = [f"x{column}" for column in range(20)], [200, 2_000, 20_000]
frame = pl.DataFrame(np.random.default_rng(0).normal(size=(320_000, 20)), schema=COLUMNS)
label = (frame["x0"] * frame["x1"] > frame["x2"]).to_numpy()
library = XGBClassifier(n_estimators=300, n_jobs=1).fit(frame[:5_000], label[:5_000])
expected = library.predict_proba(frame)[:, 1].tobytes()


class Scorer:
    """Gives the scores of a batch, and when they were computed; there is one for each actor."""

    def __init__(self, model):
        self.model = ray.get(model)  # from the object store
        self.model.predict_proba(pl.DataFrame(np.zeros((1, 20)), schema=COLUMNS))  # the first prediction compiles

    def __call__(self, table):
        begin = time.time()
        score = self.model.predict_proba(pl.from_arrow(table.select(COLUMNS)))[:, 1]
        times = {"begin": np.full(len(score), begin), "end": np.full(len(score), time.time())}
        return pa.table({"row": table["row"], "score": score} | times)


ray.init(num_cpus=3, include_dashboard=False)  # two for actors, one for everything else
blocks = [part.to_arrow() for part in frame.with_row_index("row").iter_slices(20_000)]
table = ray.data.from_arrow(blocks).materialize()
for name, model, color in (("XGBoost", library, "tab:gray"), ("sktensor", TensorizedEstimator(library), "tab:cyan")):
    actors = {"fn_constructor_args": (ray.put(model),), "compute": ray.data.ActorPoolStrategy(size=2), "num_cpus": 1}
    rates = []
    for size in SIZES * 2:  # twice; drawn is the better rate
        scored = table.map_batches(Scorer, batch_size=size, batch_format="pyarrow", **actors).to_pandas()
        assert scored.sort_values("row").score.to_numpy().tobytes() == expected
        rates.append(len(scored) / (scored.end.max() - scored.begin.min()))
    plt.loglog(SIZES, np.reshape(rates, (2, -1)).max(axis=0), "o-", color=color, label=f"{name}, two actors")

# %%
# .. image:: /plot_ray_data.svg
#    :alt: Rows a second by number of rows in a batch, of the library and of sktensor

plt.gca().set(xlabel="rows in a batch", ylabel="rows a second")
plt.legend()
