"""The stamp in pickles: which version of sktensor wrote one, and in which layout its state lies."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import sktensor
from sktensor.errors import InconsistentVersionWarning

__all__ = ["LAYOUT", "stamp", "take_stamp"]

# To be raised when the state of TensorizedEstimator, Composite, Program or SavedModel, or a field of Forest, comes to
# mean something else, so that a pickle from before would answer otherwise, or not at all.
LAYOUT = 2

VERSION_KEY, LAYOUT_KEY = "_sktensor_version", "_sktensor_layout"


def stamp(state: dict[str, Any]) -> dict[str, Any]:
    """Add version and layout to what is pickled of an object.

    Parameters
    ----------
    state : dict
        What ``__getstate__`` would return without them.

    Returns
    -------
    dict
        A new one.
    """
    return {**state, VERSION_KEY: sktensor.__version__, LAYOUT_KEY: LAYOUT}


def take_stamp(state: dict[str, Any], name: str) -> dict[str, Any]:
    """Take version and layout off again; for ``__setstate__``, whose caller's caller is warned.

    Parameters
    ----------
    state : dict
        Of a pickle of any version, or of none.
    name : str
        The class of the object, for the error and the warning.

    Returns
    -------
    dict
        The state alone.

    Raises
    ------
    pickle.UnpicklingError
        If the state is in another layout than this version's.

    Warns
    -----
    InconsistentVersionWarning
        If another version with the same layout wrote it.
    """
    state = dict(state)
    version, layout = state.pop(VERSION_KEY, None), state.pop(LAYOUT_KEY, None)
    if layout != LAYOUT or version is None:
        writer = "a version of sktensor that left no version in it" if version is None else f"sktensor {version}"
        raise pickle.UnpicklingError(
            f"This pickle of a {name} was written by {writer}, in layout {layout}, and sktensor {sktensor.__version__} "
            f"reads layout {LAYOUT} alone. Wrap the original model again, TensorizedEstimator(model), or fit again; or "
            "read it with the version that wrote it, and keep it with sktensor.save, whose files stay readable."
        )
    if version != sktensor.__version__:
        # The same words in the same place for all objects of a pickle, so that Python shows them once.
        warnings.warn(InconsistentVersionWarning(name, sktensor.__version__, version), stacklevel=3)
    return state
