"""Fitted models as files of other engines: ONNX graphs and Treelite models."""

from sktensor.export.bounds import sum_bound
from sktensor.export.onnx_model import to_onnx
from sktensor.export.treelite_model import to_treelite

__all__ = ["sum_bound", "to_onnx", "to_treelite"]
