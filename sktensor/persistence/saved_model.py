"""What stands in for a model of which a file has kept the trees alone."""

from __future__ import annotations

import reprlib
from dataclasses import asdict, fields
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags, TransformerTags, get_tags

from sktensor.errors import UnsupportedModelError
from sktensor.forest import Forest
from sktensor.forest.structure import levels
from sktensor.runtime.pickled_state import stamp, take_stamp

__all__ = ["METHODS", "SavedModel", "decode_tags", "encode_tags"]

# Which of them a model has is what a wrapper around it shows.
METHODS = (
    "predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "fit_predict",
    "transform", "get_feature_names_out", "set_output",
)  # fmt: skip

# The tags that TensorizedEstimator takes from the model that it wraps.
FLAGS = ("no_validation", "non_deterministic")
GROUPS = {
    "target_tags": TargetTags,
    "classifier_tags": ClassifierTags,
    "regressor_tags": RegressorTags,
    "input_tags": InputTags,
}
OPTIONAL_GROUPS = ("classifier_tags", "regressor_tags")


class SavedModel(BaseEstimator):
    """The model inside a loaded estimator: its forest, its tags and its fitted attributes, but not the model itself.

    It says of itself what the model said (its kind, its methods, its classes, its importances), so that the
    :class:`~sktensor.TensorizedEstimator` around it behaves as before. That one predicts; this one does not, and it
    can be neither fitted nor cloned.

    Parameters
    ----------
    model : str
        The class of the model, for instance ``"xgboost.sklearn.XGBClassifier"``. It is never imported.

    Attributes
    ----------
    forest_ : Forest
        The model's trees and rules.
    n_features_in_ : int
        Number of columns. Beside it, those that the model had of ``classes_``, ``feature_names_in_``,
        ``n_outputs_``, ``n_classes_`` and ``feature_importances_``.
    """

    # For what puts the columns of `transform` into a frame [sklearn/utils/_set_output.py].
    _sklearn_auto_wrap_output_keys = frozenset({"transform"})

    def __init__(self, model: str) -> None:
        self.model = model

    @classmethod
    def of(
        cls,
        model: str,
        forest: Forest,
        methods: list[str],
        tags: dict[str, Any],
        fitted: dict[str, Any],
        output: dict[str, str],
    ) -> SavedModel:
        """Put one together.

        Parameters
        ----------
        model : str
            The class of the model.
        forest : Forest
            Validated.
        methods : list of str
            Which of `METHODS` the model had.
        tags : dict
            As :func:`encode_tags` gives them.
        fitted : dict
            Fitted attributes and their values.
        output : dict
            What ``set_output`` was told, by method.

        Returns
        -------
        SavedModel
        """
        saved = cls(model)
        saved.__dict__.update(fitted, forest_=forest, _methods=methods, _tags=tags)
        if output:
            saved._sklearn_output_config = output
        return saved

    def __getstate__(self) -> dict[str, Any]:
        return stamp(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(take_stamp(state, "SavedModel"))

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> NoReturn:
        """Raise TypeError: what would be fitted was not saved."""
        self._refuse("fitted")

    def __sklearn_clone__(self) -> NoReturn:
        self._refuse("cloned")

    _is_pipeline = False

    def __sktensor_forest__(self) -> Forest:
        if self._is_pipeline:
            raise UnsupportedModelError(
                "This stands for a pipeline that sktensor.save has kept; ask the TensorizedEstimator around it."
            )
        return self.forest_  # type: ignore[no-any-return]

    def __sklearn_tags__(self) -> Tags:
        tags = decode_tags(super().__sklearn_tags__(), self._tags)
        tags.transformer_tags = TransformerTags() if "transform" in self._methods else None
        return tags

    def _names_out(self, input_features: Any = None) -> npt.NDArray[Any]:
        """Names of the columns of an embedding [sklearn/ensemble/_forest.py, RandomTreesEmbedding]."""
        known = self.__dict__.get("feature_names_in_")
        if input_features is not None:
            if known is not None and not np.array_equal(known, input_features):
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(input_features) != self.n_features_in_:
                raise ValueError(
                    f"input_features should have length equal to number of features ({self.n_features_in_}), got "
                    f"{len(input_features)}"
                )
        trees = self.forest_.trees
        names = np.empty(trees.n_leaves, dtype=object)
        for numbers, nodes in levels(trees.root, trees.left, trees.right):
            for tree, leaf in zip(numbers[nodes < 0], ~nodes[nodes < 0], strict=True):
                names[leaf] = f"randomtreesembedding_{tree}_{trees.leaf_id[leaf]}"
        with_column: npt.NDArray[Any] = names[~np.isnan(trees.leaf_value[:, 0])]
        return with_column

    def _set_output(self, *, transform: str | None = None) -> SavedModel:
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    def __getattr__(self, name: str) -> Any:
        if name in ("get_feature_names_out", "set_output") and name in self.__dict__.get("_methods", ()):
            return self._names_out if name == "get_feature_names_out" else self._set_output
        if name in self.__dict__.get("_methods", ()):
            return lambda *args, **kwargs: self._refuse("asked by itself; ask the TensorizedEstimator around it")
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}: of the {self.__dict__.get('model')}, "
            "sktensor.save has kept the trees, not the model itself."
        )

    def _refuse(self, done: str) -> NoReturn:
        name = self.model.rpartition(".")[2]
        raise TypeError(
            f"This is what sktensor.save has kept of a {self.model}, its trees, and not the model itself: it cannot be "
            f"{done}. To refit, put a model of the original library in its place, for instance "
            f"set_params(estimator={name}(...)).fit(X, y). To keep the fit in clones, as in a search, wrap the loaded "
            "estimator in sklearn.frozen.FrozenEstimator."
        )


def encode_tags(model: Any) -> dict[str, Any]:
    """Give the tags that a wrapper takes from a model as what JSON holds.

    Parameters
    ----------
    model : estimator
        Fitted or not.

    Returns
    -------
    dict
        Kind, flags, and groups of flags; None for a group that the model lacks.
    """
    tags = get_tags(model)
    encoded: dict[str, Any] = {"estimator_type": tags.estimator_type}
    for name in FLAGS:
        encoded[name] = bool(getattr(tags, name))
    for name in GROUPS:
        group = getattr(tags, name)
        encoded[name] = None if group is None else {flag: bool(value) for flag, value in asdict(group).items()}
    return encoded


def decode_tags(tags: Tags, encoded: dict[str, Any]) -> Tags:
    """Set on `tags` what :func:`encode_tags` has given.

    Parameters
    ----------
    tags : Tags
        To be changed.
    encoded : dict
        Given by this version of scikit-learn or another: flags that this one does not know say nothing to it.

    Returns
    -------
    Tags

    Raises
    ------
    ValueError
        If a tag is not what it can be.
    """
    kind = encoded.get("estimator_type")
    if not (kind is None or isinstance(kind, str)):
        raise ValueError(f"tags: expected estimator_type to be a string or None, got {reprlib.repr(kind)}")
    tags.estimator_type = kind
    for name in FLAGS:
        setattr(tags, name, _flags({name: encoded.get(name)})[name])
    for name, group in GROUPS.items():
        value = encoded.get(name)
        if value is None and name in OPTIONAL_GROUPS:
            setattr(tags, name, None)
            continue
        flags = _flags(value)
        known = {flag: flags[flag] for flag in ({spec.name for spec in fields(group)} & flags.keys())}
        setattr(tags, name, group(**{"required": True, **known} if group is TargetTags else known))
    return tags


def _flags(value: Any) -> dict[str, bool]:
    if not (isinstance(value, dict) and all(isinstance(flag, bool) for flag in value.values())):
        raise ValueError(f"tags: expected True or False for each, got {reprlib.repr(value)}")
    return value
