"""Saving estimators in a format that executes nothing when it is read, and needs no model library to be read."""

from __future__ import annotations

import os
import reprlib
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.frozen import FrozenEstimator

import sktensor
from sktensor.errors import UnsupportedModelError
from sktensor.estimator.estimator import TensorizedEstimator
from sktensor.estimator.fitted import FITTED_ATTRIBUTES
from sktensor.estimator.pipeline import PipelineProgram
from sktensor.estimator.saved_pipeline import SavedPipeline
from sktensor.estimator.transformer import innermost
from sktensor.persistence import archive
from sktensor.persistence.codec import check_padding, encode_value
from sktensor.persistence.fitted import check_answers, decode_fitted, decode_parameters, encode_parameters, is_legal
from sktensor.persistence.forest_codec import decode_forest, encode_forest
from sktensor.persistence.names_codec import decode_names, encode_names
from sktensor.persistence.paths import file_path, find_target
from sktensor.persistence.pipeline_codec import decode_pipeline, encode_pipeline
from sktensor.persistence.saved_model import METHODS, SavedModel, decode_tags, encode_tags
from sktensor.runtime.devices import device_here
from sktensor.runtime.program import Program

__all__ = ["load", "save"]

Array = npt.NDArray[Any]

# What a header says beside its checksum, and of which type each entry is.
ENTRIES = {
    "format": int,
    "sktensor": str,  # the version that wrote the file
    "model": str,
    "methods": list,
    "tags": dict,
    "output": dict,  # what set_output was told
    "adopted": bool,  # whether the wrapper was one around a model that came fitted
    "parameters": dict,
    "fitted": dict,
    "columns": dict,  # what frames are held against
    "forest": dict,
    "pipeline": dict,  # of a pipeline its steps, folded, and its forests
}

LONGEST_ERROR = 1000

CONTAINERS = ("default", "pandas", "polars")


def save(est: TensorizedEstimator, path: str | bytes | os.PathLike[Any], *, overwrite: bool = False) -> None:
    """Save a fitted estimator in sktensor's own format: safetensors with a JSON header.

    What is saved is all that predictions need: the forest with every rule, the wrapper's parameters, the fitted
    attributes and what scikit-learn asks of an estimator. The wrapped model itself is not. Of a pipeline, the steps are
    kept as they are folded into the forest, for the kinds of rows that it has been fitted on or has predicted, and for
    arrays of float64 and float32 where it was fitted on an array.

    Parameters
    ----------
    est : TensorizedEstimator
        Fitted, or around a fitted model.
    path : str, bytes or os.PathLike
        The file. It is written whole or not at all: if anything fails, what was there is there still. A symbolic link
        stays one, and what it leads to is written.
    overwrite : bool, default=False
        Whether a file that is there is replaced. The new one has its permissions and, where the system lets us, its
        owner.

    Raises
    ------
    TypeError
        If `est` is no :class:`~sktensor.TensorizedEstimator`, or `path` is no path, as a file descriptor.
    FileExistsError
        If the file is there, and `overwrite` is not set.
    OSError
        If there is a folder, a FIFO or a device in its place, or it cannot be written.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    UnsupportedModelError
        If the model answers through other models, as a search or a voting classifier does; if steps of a pipeline
        have to be run, or it has seen no rows that they could be folded for.
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
            "fit: save(TensorizedEstimator(model), path)."
        )
    target = find_target(file_path(path, "sktensor.save"), overwrite=overwrite)
    program = est._compiled()  # now if it has not been, so that what is saved was verified
    if isinstance(program, (PipelineProgram, SavedPipeline)):
        archive.write(target, *_pipeline(est, program), overwrite=overwrite)
        return
    if not isinstance(program, Program):
        raise UnsupportedModelError(
            f"sktensor.save keeps one forest; {type(est.estimator_).__name__} answers through the models in its "
            f"{' and '.join(dict.fromkeys(one.attribute for one in program.submodels))}. Save TensorizedEstimators of "
            "these one by one, or all together with joblib or skops."
        )
    forest = program.forest
    model = est.estimator_
    if made := [name for name in METHODS if name in est._current().methods]:
        raise UnsupportedModelError(
            f"sktensor.save keeps trees; the library of a {type(model).__name__} makes {', '.join(made)} of more than "
            "these. Save it with joblib or skops."
        )
    # The offset is the forest's threshold.
    fitted = {name: vars(est)[name] for name in FITTED_ATTRIBUTES if name in vars(est) and name != "offset_"}
    importances = _importances(model)
    if isinstance(importances, np.ndarray) and is_legal("feature_importances_", importances, forest.n_features):
        fitted["feature_importances_"] = importances
    check_answers(forest, fitted)
    scalars, arrays = encode_forest(forest)
    header = {**_header(est, fitted), "columns": encode_names(program.names), "forest": scalars, "pipeline": {}}
    check_padding([header["forest"], header["fitted"]])
    archive.write(target, header, arrays, overwrite=overwrite)


def _header(est: TensorizedEstimator, fitted: dict[str, Any]) -> dict[str, Any]:
    """What a header says of any model."""
    model = est.estimator_
    return {
        "sktensor": sktensor.__version__,
        "model": _class_name(model),
        "methods": [name for name in METHODS if hasattr(model, name)],
        "tags": encode_tags(est),  # those of the model; a booster has none of its own
        "output": dict(getattr(innermost(est), "_sklearn_output_config", {})),
        "adopted": "_prefit" in vars(est),
        "parameters": encode_parameters(est),
        "fitted": {name: encode_value(value, name) for name, value in fitted.items()},
    }


def _pipeline(
    est: TensorizedEstimator, program: PipelineProgram | SavedPipeline
) -> tuple[dict[str, Any], dict[str, Array]]:
    """The header and the arrays of a pipeline of which all steps are folded.

    Raises
    ------
    UnsupportedModelError
        If some are run, or if it has not been folded for any rows.
    """
    name = type(est.estimator_).__name__
    notes = program.notes
    if isinstance(program, PipelineProgram):
        why = [f"{note.name!r}, since {note.why_run}" for note in notes if note.why_run]
        if why or (refused := program.cannot_be_kept()):
            raise UnsupportedModelError(
                f"sktensor.save keeps steps that are folded into the forest. Of this {name}, "
                f"{'these are run: ' + '; '.join(why) if why else refused}. Save a TensorizedEstimator of its last "
                "step, or all steps together with joblib or skops."
            )
        program.fold_for_arrays()
    if not (folded := program.folded()):
        raise UnsupportedModelError(
            f"sktensor.save keeps the steps of a {name} as they were folded for some kind of rows, and this has not "
            "been folded for any. Predict some rows of each kind that the file is to answer, and save it then: frames "
            "of pandas or polars where the steps were fitted on one, arrays of numbers otherwise."
        )
    fitted = {key: vars(est)[key] for key in FITTED_ATTRIBUTES if key in vars(est)}
    fitted["n_features_in_"] = program.kinds.n_columns
    for ready in folded.values():
        check_answers(ready.program.forest, fitted)
    encoded, arrays = encode_pipeline(program.kinds, folded, tuple(notes))
    header = {**_header(est, fitted), "columns": {}, "forest": {}, "pipeline": encoded}
    check_padding([header["pipeline"], header["fitted"]])
    return header, arrays


def load(path: str | bytes | os.PathLike[Any]) -> TensorizedEstimator:
    """Load what :func:`save` has saved.

    No code in the file is executed, no model library and, for ``device="cpu"``, no torch is imported. Whatever the
    file says is checked before it is used.

    Parameters
    ----------
    path : str, bytes or os.PathLike
        The file. Whatever it says, loading takes no more memory than 50 times its size and 128 MiB.

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
    TypeError
        If `path` is no path, as a file descriptor or an open file.
    OSError
        If the file cannot be opened, or is a folder, a FIFO or a device.
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
    file = file_path(path, "sktensor.load")
    try:
        est = _estimator(*archive.read(file))
    except (ValueError, RecursionError) as error:
        said = str(error)  # which may quote from the file
        said = said if len(said) <= LONGEST_ERROR else f"{said[:LONGEST_ERROR]}..."
        raise ValueError(f"{file} cannot be loaded: {said}") from error
    est.device = device_here(est.device)
    return est


def _estimator(header: dict[str, Any], arrays: dict[str, Array]) -> TensorizedEstimator:
    """The estimator that a header and arrays describe, which may be anything."""
    entry = _checked(header)
    check_padding([entry["forest"], entry["fitted"], entry["pipeline"]])
    pipeline = decode_pipeline(entry["pipeline"], arrays) if entry["pipeline"] else None
    if pipeline is None:
        forests, n_columns = [decode_forest(entry["forest"], arrays)], None
    elif entry["forest"] or entry["columns"]:
        raise ValueError("header: a pipeline beside a forest")
    else:
        forests, n_columns = [ready.program.forest for ready in pipeline[1].values()], pipeline[0].n_columns
    forest = forests[0]
    fitted = decode_fitted(entry["fitted"], forest.n_features if n_columns is None else n_columns)
    for one in forests:
        check_answers(one, fitted)
    methods = entry["methods"]
    if not all(isinstance(name, str) and name in METHODS for name in methods):
        raise ValueError(f"methods: expected some of {', '.join(METHODS)}, got {reprlib.repr(methods)}")
    output = entry["output"]
    if not (output.keys() <= {"transform"} and all(value in CONTAINERS for value in output.values())):
        raise ValueError(f"output: expected transform to be one of {', '.join(CONTAINERS)}, got {reprlib.repr(output)}")
    model = SavedModel.of(entry["model"], forest, methods, entry["tags"], fitted, output)
    decode_tags(model.__sklearn_tags__(), entry["tags"])
    est = TensorizedEstimator(model, **decode_parameters(entry["parameters"]))
    shown = {name: value for name, value in fitted.items() if name in FITTED_ATTRIBUTES}
    program: Program | SavedPipeline
    if pipeline is None:
        program = Program(forest, decode_names(entry["columns"], shown.get("feature_names_in_"), forest))
    else:
        model._is_pipeline = True
        program = SavedPipeline(model, *pipeline)
    est._hold(model, program, **shown, **({"_prefit": True} if entry["adopted"] else {}))
    return est


def _checked(header: dict[str, Any]) -> dict[str, Any]:
    """The entries of a header, which are to be these and of these types."""
    if header.keys() != ENTRIES.keys():
        differ = ", ".join(sorted(header.keys() ^ ENTRIES.keys()))
        raise ValueError(f"header: entries that are missing, or unknown to this version: {differ}")
    for name, kind in ENTRIES.items():
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
