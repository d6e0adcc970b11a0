"""Names of columns as what JSON holds, and back."""

from __future__ import annotations

import reprlib
from dataclasses import fields
from typing import Any, get_args

import numpy.typing as npt

from sktensor.forest import Forest
from sktensor.registry import ColumnNames, RuleOfNames

__all__ = ["decode_names", "encode_names"]

Array = npt.NDArray[Any]


def encode_names(names: ColumnNames) -> dict[str, Any]:
    """Give what is known of columns as what JSON holds, but for the names of any type that a wrapper was fitted on.

    Parameters
    ----------
    names : ColumnNames
        Those of a program.

    Returns
    -------
    dict
    """
    encoded = {field.name: getattr(names, field.name) for field in fields(names) if field.name != "given"}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in encoded.items()}


def decode_names(encoded: dict[str, Any], shown: Array | None, forest: Forest) -> ColumnNames:
    """Put together what :func:`encode_names` has taken apart.

    Parameters
    ----------
    encoded : dict
        Whatever a file says; empty in files of format 1.
    shown : ndarray, optional
        The names that the wrapper was fitted on.
    forest : Forest
        Whose columns they are.

    Returns
    -------
    ColumnNames

    Raises
    ------
    ValueError
        Naming the entry that is missing, unknown or not what it can be.
    """
    given = None if shown is None else tuple(shown.tolist())
    if not encoded:
        return ColumnNames(names=given, rule="position", replaces_blanks=True, given=given)
    if encoded.keys() != {field.name for field in fields(ColumnNames)} - {"given"}:
        raise ValueError(f"columns: entries that are missing, or unknown to this version: {reprlib.repr([*encoded])}")
    for name, value in encoded.items():
        match name:
            case "names":
                is_legal = value is None or _is_list_of(str, value)
            case "rule":
                is_legal = value in get_args(RuleOfNames)
            case "dropped":
                is_legal = value is None or isinstance(value, str)
            case "categorical" | "needed":
                is_legal = (value is None and name == "needed") or (
                    _is_list_of(int, value) and all(0 <= column < forest.n_features for column in value)
                )
            case _:
                is_legal = isinstance(value, bool)
        if not is_legal:
            raise ValueError(f"columns: {name} cannot be {reprlib.repr(value)}")
    if encoded["names"] is not None and len(encoded["names"]) != forest.n_features:
        raise ValueError(f"columns: {len(encoded['names'])} names of {forest.n_features} columns")
    known: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in encoded.items()}
    return ColumnNames(**known, given=given)


def _is_list_of(kind: type, value: Any) -> bool:
    return isinstance(value, list) and all(type(entry) is kind for entry in value)
