"""Files with fitted models."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any

from sktensor.cli.errors import CommandError
from sktensor.estimator import TensorizedEstimator
from sktensor.estimator.fitted import is_fitted
from sktensor.persistence.saved_model import SavedModel
from sktensor.registry import BUILT_IN

__all__ = ["library_model", "read_model"]

PICKLES = (".joblib", ".pkl", ".pickle")

# Which extractors read a file of a library, by its name's end; tried in this order.
OF_LIBRARIES = {
    ".json": ("xgboost", "catboost"),
    ".ubj": ("xgboost",),
    ".txt": ("lightgbm",),
    ".cbm": ("catboost",),
}
OWN = ".safetensors"


def read_model(path: str) -> Any:
    """The fitted model in a file.

    Parameters
    ----------
    path : str
        Of a kind that its suffix names.

    Returns
    -------
    object
        The model, or a wrapper without one from a file of sktensor's own.

    Raises
    ------
    CommandError
        If there is no file, it cannot be read, or holds no fitted model.
    """
    file = Path(path)
    if not file.exists():
        raise CommandError(f"there is no file {path}")
    if file.is_dir():
        raise CommandError(f"{path} is a folder. Give a file with a model.")
    suffix = file.suffix.lower()
    if suffix in PICKLES:
        model = _unpickled(path)
    elif suffix in OF_LIBRARIES:
        model = _of_library(path, OF_LIBRARIES[suffix])
    elif suffix == OWN:
        model = _own(path)
    else:
        known = ", ".join([*PICKLES, *OF_LIBRARIES, OWN])
        raise CommandError(f"{path}: no kind of model file is known by the suffix {suffix!r}. Known: {known}.")
    if isinstance(model, type) or not hasattr(model, "predict"):
        raise CommandError(f"{path} holds {_shown(model)}, which is no model: it has no predict.")
    if not is_fitted(model):
        raise CommandError(f"{path} holds {_shown(model)} that is not fitted. Save it after fit.")
    return model


def library_model(model: Any) -> Any:
    """The library's model, out of a wrapper if it is in one.

    Raises
    ------
    CommandError
        If a wrapper came from a file that holds none.
    """
    if not isinstance(model, TensorizedEstimator):
        return model
    inside = model.estimator_
    if isinstance(inside, SavedModel):
        raise CommandError(
            "a file of sktensor's own holds no model of the library that could be asked. Give the file of the model "
            "itself."
        )
    return inside


def _unpickled(path: str) -> Any:
    import joblib

    try:
        return joblib.load(path)
    except ModuleNotFoundError as error:
        raise CommandError(f"{path} needs the package {error.name!r}, which is not installed here") from error
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise CommandError(f"{path} cannot be read by joblib: {type(error).__name__}: {error}") from error
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error}") from error


def _of_library(path: str, libraries: tuple[str, ...]) -> Any:
    why = []
    for library in libraries:
        try:
            files = importlib.import_module(f"{BUILT_IN[library]}.files")
        except ImportError:
            why.append(f"{library} is not installed here")
            continue
        try:
            return files.read(path)
        except (ValueError, OSError) as error:
            why.append(f"{library}: {error}")
    raise CommandError(f"{path} holds no model that can be read ({'; '.join(why)})")


def _own(path: str) -> Any:
    from sktensor.persistence import load

    try:
        return load(path)
    except (ImportError, OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error


def _shown(model: Any) -> str:
    return f"a {type(model).__module__.partition('.')[0]} object of class {type(model).__qualname__}"
