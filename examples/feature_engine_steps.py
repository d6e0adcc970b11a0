"""Steps of feature-engine, described to sktensor through its public door, so that they are folded into trees.

Usage: python -c "import feature_engine_steps" in front of the first prediction, or call ``register()``.
"""

from __future__ import annotations

from sktensor import register_transformer

__all__ = ["describe", "register"]


def describe(transformer, columns):
    """The columns of what a fitted transformer of feature-engine gives; None for one that is run."""
    names = list(getattr(transformer, "feature_names_in_", ()))
    kind = type(transformer).__name__
    if kind in ("Winsorizer", "ArbitraryOutlierCapper"):  # clips some columns, between bounds learned or given
        if getattr(transformer, "add_indicators", False):
            return None
        return [column.monotone() for column in columns]
    if kind in ("MeanMedianImputer", "ArbitraryNumberImputer"):  # fills in missing numbers only
        return [column.monotone() for column in columns]
    if kind in ("DropFeatures", "DropConstantFeatures"):
        dropped = set(transformer.features_to_drop_)
        return [column for name, column in zip(names, columns, strict=True) if name not in dropped]
    return None


def register():
    """Have sktensor ask this module about feature-engine's transformers."""
    register_transformer("feature_engine", describe)
