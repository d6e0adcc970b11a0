"""What XGBoost does about the names of columns.

Names are kept as text, those of several levels joined by blanks [python-package/xgboost/data.py pandas_feature_info],
and have to be the same in the same order [core.py Booster._validate_features]. ``inplace_predict`` looks at those of
pandas only, ``apply`` at all: a frame of another library with other names is refused here in both.
"""

from __future__ import annotations

from typing import Any

import xgboost

from sktensor.registry import ColumnNames

__all__ = ["columns"]


def columns(model: Any) -> ColumnNames:
    """The names that a fitted model or booster knows; as for :class:`~sktensor.registry.Extractor`."""
    names = (model if isinstance(model, xgboost.Booster) else model.get_booster()).feature_names
    return ColumnNames(
        names=tuple(names) if names else None,
        rule="same",
        joins_levels=True,
        # A ranker takes the column out of the frame that it is fitted on and out of those that it predicts, wherever
        # it stands and whether or not it is there [sklearn.py _get_qid].
        dropped="qid" if isinstance(model, xgboost.XGBRanker) else None,
    )
