"""What CatBoost does about the names of columns.

Names are kept as text. Columns are found by their names where a frame has those of all columns that the trees look at,
whatever else it has; otherwise by position, and then each has to have the model's name unless one of the two has none
[catboost/libs/data/model_dataset_compatibility.cpp]. Names in a frame have to differ [libs/data/features_layout.cpp].
Which columns are categories goes by their position in the frame before that [python core.py
_process_predict_input_data].
"""

from __future__ import annotations

from typing import Any

import catboost
import numpy as np

from sktensor.registry import ColumnNames

__all__ = ["columns"]


def columns(model: Any) -> ColumnNames:
    """The names that a fitted model knows; as for :class:`~sktensor.registry.Extractor`."""
    names = list(model.feature_names_ or ())
    categorical = tuple(model.get_cat_feature_indices())
    numbered = [i for i, name in enumerate(names) if name == str(i)]
    if numbered and not _are_names(model, names, numbered, categorical):
        for i in numbered:
            names[i] = ""
    return ColumnNames(
        names=tuple(names) if any(names) else None,
        rule="name",
        categorical=categorical,
        shown=len(numbered) < len(names),  # of a frame whose columns are numbered, as pandas does it, nobody gave names
    )


def _are_names(model: Any, names: list[str], numbered: list[int], categorical: tuple[int, ...]) -> bool:
    """Whether columns that have their numbers for names had these in training, or none.

    The library's Python package shows numbers for both; its predictions refuse other names for the former only.
    """
    others = [f"no name of this model: {i}" if i in {*numbered} else name for i, name in enumerate(names)]
    row = np.zeros((1, len(names)), dtype=object if categorical else np.float32)
    for i in categorical:
        row[0, i] = 0
    try:
        pool = catboost.Pool(row, feature_names=others, cat_features=list(categorical), thread_count=1)
        model.predict(pool, ntree_end=1, thread_count=1)
    except catboost.CatBoostError:
        return True
    return False
