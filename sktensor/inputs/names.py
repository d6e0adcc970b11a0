"""Names of columns: those that a fitted model knows, and whether those of X are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.inputs.dataframe import frame_names

__all__ = ["are_text", "check_names", "fitted_attribute", "knows_names"]


def are_text(names: list[Any]) -> bool:
    """Whether scikit-learn would take these for names of columns."""
    return bool(names) and all(isinstance(name, str) for name in names)


def check_names(names: list[Any], fitted: npt.NDArray[Any] | None) -> None:
    """Refuse other names of columns than the fitted ones: scikit-learn before 1.9 finds those of some frames only."""
    if fitted is None or not are_text(names):
        return  # nothing to compare: scikit-learn warns, or says so in its own words
    known = fitted.tolist()
    if names == known:
        return
    unseen, missing = sorted({*names} - {*known}), sorted({*known} - {*names})
    lines = ["The feature names should match those that were passed during fit."]
    for what, found in (("unseen at fit time", unseen), ("seen at fit time, yet now missing", missing)):
        if found:
            lines += [f"Feature names {what}:", *(f"- {name}" for name in found[:5]), *["- ..."] * (len(found) > 5)]
    if not unseen and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    raise ValueError("\n".join(lines) + "\n")


def knows_names(X: Any, fitted: Any) -> bool:
    """Whether the columns of a frame have the names of a fitted wrapper, or those that their library makes of them.

    LightGBM turns blanks into underscores, XGBoost and LightGBM turn numbers into text. A model that came fitted
    knows no other names; those given to its fit are kept as they were.
    """
    state = vars(fitted)
    known = state.get("feature_names_in_")
    if known is None:
        return False
    found, names = frame_names(X), known.tolist()
    return found == names or ("_prefit" in state and [str(name).replace(" ", "_") for name in found] == names)


def fitted_attribute(model: Any, name: str) -> Any:
    """A fitted attribute of a model, None where it has none or none worth showing."""
    found = getattr(model, name, None)
    if name != "feature_names_in_":
        return found
    if found is not None:  # LightGBM up to 4.5 names the columns that had no names
        return None if list(found) == [f"Column_{i}" for i in range(len(found))] else found
    names = getattr(model, "feature_names_", None)  # CatBoost's word for them; it numbers those that had none
    return None if not names or names == [str(i) for i in range(len(names))] else np.asarray(names, dtype=object)
