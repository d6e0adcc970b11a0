"""Steps in front of a model, folded into its forest."""

from sktensor.pipelines.registry import register_transformer

__all__ = ["register_transformer"]
