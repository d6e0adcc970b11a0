"""The order of the gallery: what most readers look for comes first."""

from __future__ import annotations

FIRST = (
    "plot_pipeline_search.py",
    "plot_one_row.py",
    "plot_batch_size.py",
    "plot_plan.py",
    "plot_categories.py",
    "plot_explanations.py",
    "plot_saved_model.py",
    "plot_dask.py",
    "plot_ray_data.py",
    "plot_spark.py",
)


class Order:
    """A key that sorts the files of a folder: those that are named above, then the others by name."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, name):
        return (FIRST.index(name), name) if name in FIRST else (len(FIRST), name)

    def __repr__(self):
        return "Order"  # of the configuration, by which Sphinx sees whether it has changed
