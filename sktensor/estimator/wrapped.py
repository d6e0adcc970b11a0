"""The methods and tags that a wrapper takes over from the wrapped model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import is_classifier, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, get_tags

from sktensor.estimator.fitted import is_trained_booster

__all__ = ["METHODS", "has_score", "with_tags_of", "wrapped_has"]

# Methods that a wrapper has if the wrapped model has them.
METHODS = (
    "predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "score", "fit_predict",
    "transform", "fit_transform", "get_feature_names_out", "set_output", "predict_raw",
)  # fmt: skip

# Those that a pipeline has if its last step has them.
OF_LAST_STEP = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples")


def wrapped_has(method: str) -> Callable[[Any], bool]:
    """For ``available_if``: whether the wrapped model, the fitted one if there is one, has a method."""

    def has(self: Any) -> bool:
        model = self.__dict__.get("estimator_", self.estimator)
        # A pipeline has the answers of its last step [sklearn/pipeline.py _final_estimator_has], which it asks for
        # them in the same way, at the cost of a tree.
        return hasattr(model.steps[-1][1] if type(model) is Pipeline and method in OF_LAST_STEP else model, method)

    return has


def has_score(self: Any) -> bool:
    """For ``available_if``: whether a wrapper has ``score``, as all classifiers and regressors do."""
    return is_classifier(self) or is_regressor(self) or wrapped_has("score")(self)


def with_tags_of(model: Any, tags: Tags) -> Tags:
    """Set on a wrapper's `tags` those of the model that it wraps; a booster is no estimator and has none."""
    if is_trained_booster(model):
        return tags
    inner = get_tags(model)
    # Field by field: copying the whole object would also copy FrozenEstimator's order to skip all checks.
    tags.estimator_type = inner.estimator_type
    tags.classifier_tags = inner.classifier_tags
    tags.regressor_tags = inner.regressor_tags
    tags.transformer_tags = inner.transformer_tags
    tags.target_tags = inner.target_tags
    tags.input_tags = inner.input_tags
    tags.no_validation = inner.no_validation
    tags.non_deterministic = inner.non_deterministic
    return tags
