"""Saving estimators in a format that executes nothing when it is read, and needs no model library to be read."""

from __future__ import annotations

import os
import reprlib
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.frozen import FrozenEstimator

import sktensor
from sktensor.errors import UnsupportedModelError
from sktensor.estimator.estimator import FITTED_ATTRIBUTES, TensorizedEstimator, innermost
from sktensor.forest import Forest
from sktensor.persistence import archive
from sktensor.persistence.codec import check_size, forest_from_plain, plain_forest, plain_value, value_from_plain
from sktensor.persistence.saved_model import METHODS, SavedModel, plain_tags, tags_from_plain
from sktensor.runtime.devices import device_here
from sktensor.runtime.program import Program

__all__ = ["load", "save"]

Array = npt.NDArray[Any]

# What a header says beside its checksum, and of which type each entry is.
PARTS = {
    "format": int,
    "sktensor": str,  # the version that wrote the file
    "model": str,
    "methods": list,
    "tags": dict,
    "output": dict,  # what set_output was told
    "adopted": bool,  # whether the wrapper was one around a model that came fitted
    "parameters": dict,
    "fitted": dict,
    "forest": dict,
}

CONTAINERS = ("default", "pandas", "polars")

# Parameters of the wrapper, and the types that they have in a file.
PARAMETERS: dict[str, tuple[type, ...]] = {
    "device": (str,),
    "strategy": (str,),
    "backend": (str,),
    "batch_size": (int, type(None)),
    "n_jobs": (int, type(None)),
    "verify": (bool,),
}


def save(est: TensorizedEstimator, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator in sktensor's own format: safetensors with a JSON header.

    What is saved is all that predictions need: the forest with every rule, the wrapper's parameters, the fitted
    attributes and what scikit-learn asks of an estimator. The wrapped model itself is not.

    Parameters
    ----------
    est : TensorizedEstimator
        Fitted, or around a fitted model.
    path : str or os.PathLike
        The file; one that is there is replaced, in one step.

    Raises
    ------
    TypeError
        If `est` is no :class:`~sktensor.TensorizedEstimator`.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    UnsupportedModelError
        If the model answers through other models, as a search or a voting classifier does.
    ValueError
        If a label or parameter is of a kind that the format does not know, for instance a date.
    ImportError
        If safetensors is not installed.

    See Also
    --------
    load : The inverse.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import sktensor
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> fast = sktensor.TensorizedEstimator(RandomForestClassifier(n_estimators=5)).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sktensor.save(fast, Path(folder) / "iris.safetensors")
    ...     again = sktensor.load(Path(folder) / "iris.safetensors")
    >>> again.predict_proba(X).tobytes() == fast.predict_proba(X).tobytes()
    True
    """
    if not isinstance(est, TensorizedEstimator):
        raise TypeError(
            f"sktensor.save takes a TensorizedEstimator, got {type(est).__name__}. Around a fitted model one needs no "
            "fit: save(TensorizedEstimator(model), path). Of a pipeline, save the last step, or use joblib or skops."
        )
    program = est._compiled()  # now if it has not been, so that what is saved was verified
    if not isinstance(program, Program):
        raise UnsupportedModelError(
            f"sktensor.save keeps one forest; {type(est.estimator_).__name__} answers through the models in its "
            f"{' and '.join(dict.fromkeys(one.attribute for one in program.submodels))}. Save TensorizedEstimators of "
            "these one by one, or all together with joblib or skops."
        )
    forest = program.forest
    model = est.estimator_
    # The offset is the forest's threshold.
    fitted = {name: vars(est)[name] for name in FITTED_ATTRIBUTES if name in vars(est) and name != "offset_"}
    importances = _importances(model)
    if isinstance(importances, np.ndarray) and _is_legal("feature_importances_", importances, forest.n_features):
        fitted["feature_importances_"] = importances
    scalars, arrays = plain_forest(forest)
    header = {
        "sktensor": sktensor.__version__,
        "model": _class_name(model),
        "methods": [name for name in METHODS if hasattr(model, name)],
        "tags": plain_tags(est.estimator),
        "output": dict(getattr(innermost(est), "_sklearn_output_config", {})),
        "adopted": "_prefit" in vars(est),
        "parameters": _parameters({name: _plain_parameter(getattr(est, name)) for name in PARAMETERS}),
        "fitted": {name: plain_value(value, name) for name, value in fitted.items()},
        "forest": scalars,
    }
    archive.write(path, header, arrays)


def load(path: str | os.PathLike[str]) -> TensorizedEstimator:
    """Load what :func:`save` has saved.

    No code in the file is executed, no model library and, for ``device="cpu"``, no torch is imported. Whatever the
    file says is checked before it is used.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    TensorizedEstimator
        Fitted; its answers are those of the saved one, bit for bit. Its `estimator` and `estimator_` stand for a model
        that was not saved: they can be neither fitted nor cloned. If the estimator's device is not there, it is
        ``"cpu"``, with a :class:`~sktensor.DeviceWarning`.

    Raises
    ------
    ValueError
        Naming the file and what is wrong with it: it is not one of :func:`save`, it was damaged, its format number
        is unknown, or what it describes is no forest.
    OSError
        If the file cannot be opened.
    ImportError
        If safetensors is not installed.

    See Also
    --------
    save : The inverse.

    Examples
    --------
    >>> import sktensor
    >>> try:
    ...     sktensor.load(sktensor.__file__)  # the source code of a module
    ... except ValueError as error:
    ...     print("not a safetensors file" in str(error))
    True
    """
    try:
        est = _estimator(*archive.read(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{os.fsdecode(path)} cannot be loaded: {error}") from error
    est.device = device_here(est.device)
    return est


def _estimator(header: dict[str, Any], arrays: dict[str, Array]) -> TensorizedEstimator:
    """The estimator that a header and arrays describe, which may be anything."""
    part = _parts(header)
    forest = forest_from_plain(part["forest"], arrays)
    fitted = _fitted(part["fitted"], forest)
    methods = part["methods"]
    if not all(isinstance(name, str) and name in METHODS for name in methods):
        raise ValueError(f"methods: expected some of {', '.join(METHODS)}, got {reprlib.repr(methods)}")
    output = part["output"]
    if not (output.keys() <= {"transform"} and all(value in CONTAINERS for value in output.values())):
        raise ValueError(f"output: expected transform to be one of {', '.join(CONTAINERS)}, got {reprlib.repr(output)}")
    model = SavedModel.of(part["model"], forest, methods, part["tags"], fitted, output)
    tags_from_plain(model.__sklearn_tags__(), part["tags"])
    est = TensorizedEstimator(model, **_parameters(part["parameters"]))
    shown = {name: value for name, value in fitted.items() if name in FITTED_ATTRIBUTES}
    est._hold(model, Program(forest), **shown, **({"_prefit": True} if part["adopted"] else {}))
    return est


def _parts(header: dict[str, Any]) -> dict[str, Any]:
    """The entries of a header, which are to be these and of these types."""
    if header.keys() != PARTS.keys():
        differ = ", ".join(sorted(header.keys() ^ PARTS.keys()))
        raise ValueError(f"header: entries that are missing, or unknown to this version: {differ}")
    for name, kind in PARTS.items():
        if type(header[name]) is not kind:
            raise ValueError(f"header: {name} cannot be {reprlib.repr(header[name])}")
    return header


def _class_name(model: Any) -> str:
    if isinstance(model, SavedModel):
        return str(model.model)
    if isinstance(model, FrozenEstimator):
        return _class_name(model.estimator)
    if isinstance(model, TensorizedEstimator):
        return _class_name(model.estimator_)
    return f"{type(model).__module__}.{type(model).__qualname__}"


def _importances(model: Any) -> Any:
    try:
        return getattr(model, "feature_importances_", None)
    except Exception:  # a property of the library's: CatBoost, for one, asks for training data that is gone
        return None


def _plain_parameter(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    return int(value) if isinstance(value, Integral) else str(value)  # a torch.device is its name


def _parameters(found: dict[str, Any]) -> dict[str, Any]:
    if found.keys() != PARAMETERS.keys():
        raise ValueError(f"parameters: expected {', '.join(PARAMETERS)}, got {', '.join(found)}")
    for name, value in found.items():
        if type(value) not in PARAMETERS[name]:
            raise ValueError(f"parameters: {name} cannot be {reprlib.repr(value)}")
        check_size(name, value)
    return found


def _fitted(found: dict[str, Any], forest: Forest) -> dict[str, Any]:
    """Fitted attributes, held against the forest."""
    if unknown := found.keys() - {*FITTED_ATTRIBUTES, "feature_importances_"}:
        raise ValueError(f"fitted: none of the attributes that are saved: {', '.join(sorted(unknown))}")
    values = {name: value_from_plain(plain, name) for name, plain in found.items()}
    for name, value in values.items():
        if not _is_legal(name, value, forest.n_features):
            raise ValueError(f"fitted: {name} is not what a model of {forest.n_features} columns can have")
    if "n_features_in_" not in values:
        raise ValueError("fitted: n_features_in_ is missing")
    return values


def _is_legal(name: str, value: Any, n_features: int) -> bool:
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
