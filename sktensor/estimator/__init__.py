"""The estimator: scikit-learn's contract around a program, and no arithmetic."""

from sktensor.estimator.estimator import TensorizedEstimator

__all__ = ["TensorizedEstimator"]
