"""What a file says beside the forest, the wrapper's parameters and fitted attributes, held against what can be."""

from __future__ import annotations

import reprlib
from numbers import Integral
from typing import Any, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from sktensor import outputs
from sktensor.estimator.estimator import TensorizedEstimator
from sktensor.estimator.fitted import FITTED_ATTRIBUTES
from sktensor.forest import Forest
from sktensor.forest.structure import levels
from sktensor.persistence.codec import check_size, decode_value

__all__ = [
    "check_answers",
    "decode_fitted",
    "decode_parameters",
    "encode_parameters",
    "is_legal",
]

Array = npt.NDArray[Any]

_HINTS = get_type_hints(TensorizedEstimator.__init__)

# Parameters of the wrapper, as its signature names them, and the types that they have in a file. The annotation Any is
# that of `device`, which is kept as its name.
PARAMETERS: dict[str, tuple[type, ...]] = {
    name: (str,) if _HINTS[name] is Any else get_args(_HINTS[name]) or (_HINTS[name],)
    for name in TensorizedEstimator._get_param_names()
    if name != "estimator"
}

# Decisions that choose a label from the first output, or from all of them.
ONE_TARGET = ("half", "index", "raw_positive", "raw_nonnegative", "raw_argmax", "inlier")


def encode_parameters(est: TensorizedEstimator) -> dict[str, Any]:
    """Give the parameters of an estimator, but for `estimator`, as what JSON holds.

    Parameters
    ----------
    est : TensorizedEstimator
        Any.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If one is of a type that the estimator does not take.
    """
    params = est.get_params(deep=False)
    return decode_parameters({name: _encode_parameter(params[name], types) for name, types in PARAMETERS.items()})


def _encode_parameter(value: Any, types: tuple[type, ...]) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return bool(value) if bool in types or int not in types else int(value)
    return int(value) if isinstance(value, Integral) else str(value)  # a torch.device is its name


def decode_parameters(found: dict[str, Any]) -> dict[str, Any]:
    """Check that parameters are those of an estimator, and of its types.

    Parameters
    ----------
    found : dict
        Whatever a file says.

    Returns
    -------
    dict
        The same.

    Raises
    ------
    ValueError
        Naming the parameter.
    """
    if found.keys() != PARAMETERS.keys():
        raise ValueError(f"parameters: expected {', '.join(PARAMETERS)}, got {', '.join(found)}")
    for name, value in found.items():
        if type(value) not in PARAMETERS[name]:
            raise ValueError(f"parameters: {name} cannot be {reprlib.repr(value)}")
        check_size(name, value)
    return found


def decode_fitted(found: dict[str, Any], n_features: int) -> dict[str, Any]:
    """Give fitted attributes their values, and hold them against the columns.

    Parameters
    ----------
    found : dict
        Whatever a file says.
    n_features : int
        Columns of the model.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        Naming the attribute.
    """
    if unknown := found.keys() - {*FITTED_ATTRIBUTES, "feature_importances_"}:
        raise ValueError(f"fitted: none of the attributes that are saved: {', '.join(sorted(unknown))}")
    values = {name: decode_value(encoded, name) for name, encoded in found.items()}
    for name, value in values.items():
        if not is_legal(name, value, n_features):
            raise ValueError(f"fitted: {name} is not what a model of {n_features} columns can have")
    if "n_features_in_" not in values:
        raise ValueError("fitted: n_features_in_ is missing")
    return values


def is_legal(name: str, value: Any, n_features: int) -> bool:
    """Whether a fitted attribute is what one can be.

    Parameters
    ----------
    name : str
        The attribute.
    value : object
        Decoded.
    n_features : int
        Columns of the model.

    Returns
    -------
    bool
    """
    match name:
        case "offset_":
            return False
        case "n_features_in_":
            return type(value) is int and value == n_features
        case "n_outputs_":
            return type(value) is int
        case "classes_":
            return all(isinstance(part, np.ndarray) for part in (value if isinstance(value, list) else [value]))
        case "feature_names_in_":
            is_one_each = isinstance(value, np.ndarray) and value.shape == (n_features,)
            return is_one_each and all(isinstance(column, str) for column in value)
        case "feature_importances_":
            return isinstance(value, np.ndarray) and value.shape == (n_features,) and value.dtype.kind in "iuf"
        case _:  # n_classes_, of one target or several
            return value is not None


def check_answers(forest: Forest, fitted: dict[str, Any]) -> None:
    """Check that the labels of a forest are as many as its outputs tell apart, and those of the estimator, too.

    Parameters
    ----------
    forest : Forest
        Validated.
    fitted : dict
        Fitted attributes and their values.

    Raises
    ------
    ValueError
        Naming the attribute.
    """
    if not forest.outputs.classes:
        return
    counts = [len(labels) for labels in forest.outputs.classes]
    if len(counts) > 1 and forest.outputs.decision in ONE_TARGET:
        raise ValueError(
            f"Forest.classes: decision {forest.outputs.decision!r} chooses one label, got labels of {len(counts)}"
        )
    if counts == [1] and forest.outputs.decision in ONE_TARGET:
        _check_single_label(forest)
    for name, value in fitted.items():
        if name == "classes_":
            found = [len(part) for part in value] if isinstance(value, (list, tuple)) else [len(value)]
        elif name == "n_classes_":
            found = np.atleast_1d(value).tolist()
        elif name == "n_outputs_":
            if value != len(forest.outputs.output_slices):
                raise ValueError(
                    f"fitted: n_outputs_ is {value}, and the labels are for {len(forest.outputs.output_slices)}"
                )
            continue
        else:
            continue
        # A model of XGBoost that was fitted on one class answers with two labels [extractors/xgboost/outputs.py].
        if found != counts and not (found == [1] and counts == [2] and forest.outputs.output_slices == (1,)):
            raise ValueError(f"fitted: {name} is for {found} labels, and the forest chooses from {counts}")


def _check_single_label(forest: Forest) -> None:
    """Check that no row can reach the second label of a model of two that has one.

    Libraries that are fitted on one class give such models, whose scores are on one side for all rows [LightGBM,
    sklearn/ensemble/_hist_gradient_boosting]. Links are monotone: the lowest and the highest sum tell.
    """
    total = np.stack([_extreme(forest, np.fmin), _extreme(forest, np.fmax)])
    with np.errstate(all="ignore"):
        try:
            outputs.labels(forest, outputs.raw_scores(forest, total))
        except IndexError:
            raise ValueError(
                "Forest.classes: one label, but there are rows whose scores choose the second. Give both"
            ) from None


def _extreme(forest: Forest, choose: Any) -> Array:
    """A sum that none of the rows exceeds, upwards or downwards, shape (1,)."""
    if forest.trees.lin_feature is not None and len(forest.trees.lin_feature):
        return np.array([choose(-np.inf, np.inf)], dtype=forest.trees.acc_dtype)
    tree_of_leaf = np.zeros(forest.n_leaves, dtype=np.intp)
    for trees, nodes in levels(forest.trees.root, forest.trees.left, forest.trees.right):
        tree_of_leaf[~nodes[nodes < 0]] = trees[nodes < 0]
    of_tree = np.full(forest.n_trees, np.nan)
    choose.at(of_tree, tree_of_leaf, forest.trees.leaf_value[:, 0])
    with np.errstate(all="ignore"):
        found: Array = (forest.trees.base + np.nansum(of_tree)).astype(forest.trees.acc_dtype)
    return found
