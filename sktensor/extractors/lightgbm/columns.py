"""What LightGBM does about the names of columns.

Names are kept as text, with underscores for blanks [python-package/lightgbm/basic.py _data_from_pandas,
include/LightGBM/dataset.h set_feature_names], and no prediction looks at them: frames are read by position.
"""

from __future__ import annotations

from typing import Any

import lightgbm

from sktensor.registry import ColumnNames

__all__ = ["columns"]


def columns(model: Any) -> ColumnNames:
    """The names that a fitted model or booster knows; as for :class:`~sktensor.registry.Extractor`."""
    names = (model if isinstance(model, lightgbm.Booster) else model.booster_).feature_name()
    # Columns without names are given some; since 4.6 models know whether theirs are such. Those of a frame that has
    # names like these are taken for such before, and in models that were loaded from a file.
    are_given = getattr(model, "_fitted_with_feature_names", names != [f"Column_{i}" for i in range(len(names))])
    return ColumnNames(names=tuple(names) if are_given else None, rule="position", replaces_blanks=True)
