"""Forests as what JSON holds and arrays, and back: every field exactly, and nothing taken on trust."""

from __future__ import annotations

import re
import reprlib
from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy.typing as npt

from sktensor.forest import Forest, InputSpec, OutputSpec, Trees
from sktensor.forest.fields import array_fields
from sktensor.persistence.codec import check_size, decode_value, encode_value

__all__ = ["decode_forest", "encode_forest"]

Array = npt.NDArray[Any]

SPECS = (Trees, InputSpec, OutputSpec)
_HINTS = {name: hint for spec in SPECS for name, hint in get_type_hints(spec).items()}
TABLES = ("categories", "classes")  # whose arrays may hold text
DERIVED = ("n_columns",)  # what the others say already
ARRAYS = {found.name: found for spec in SPECS for found in array_fields(spec)}
SCALARS = [found.name for spec in SPECS for found in fields(spec) if found.name not in (*ARRAYS, *TABLES, *DERIVED)]

NAMES = tuple[str, ...] | None  # the one type of field that is a list of texts

LEGAL_NAME = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)")  # of the dtypes of labels and leaf numbers


def encode_forest(forest: Forest) -> tuple[dict[str, Any], dict[str, Array]]:
    """Take a forest apart.

    Parameters
    ----------
    forest : Forest
        Validated.

    Returns
    -------
    encoded : dict
        The fields that are no arrays of numbers, as what JSON holds.
    arrays : dict of ndarray
        Those that are, as far as the forest has them.

    Raises
    ------
    ValueError
        If labels or categories are of a dtype that is not part of the format.
    """
    found = forest.fields()
    encoded = {name: _encode_scalar(name, found[name]) for name in SCALARS}
    for name in TABLES:
        encoded[name] = encode_value(found[name], f"Forest.{name}")
    return encoded, {name: found[name] for name in ARRAYS if found[name] is not None}


def decode_forest(encoded: dict[str, Any], arrays: dict[str, Array]) -> Forest:
    """Put together what :func:`encode_forest` has taken apart.

    Parameters
    ----------
    encoded : dict
        Whatever a file says.
    arrays : dict of ndarray
        Whatever a file holds.

    Returns
    -------
    Forest
        Validated.

    Raises
    ------
    ValueError
        Naming the field that is missing, unknown or not what it can be.
    """
    if encoded.keys() != {*SCALARS, *TABLES}:
        differ = ", ".join(sorted(encoded.keys() ^ {*SCALARS, *TABLES}))
        raise ValueError(f"forest: fields that are missing, or unknown to this version: {differ}")
    if extra := arrays.keys() - ARRAYS.keys():
        raise ValueError(f"tensors that are no field of a forest: {', '.join(sorted(extra))}")
    if missing := {name for name, spec in ARRAYS.items() if spec.default is MISSING} - arrays.keys():
        raise ValueError(f"tensors are missing: {', '.join(sorted(missing))}")
    found: dict[str, Any] = {name: _decode_scalar(name, encoded[name]) for name in SCALARS}
    for name, array in arrays.items():
        declared = ARRAYS[name].metadata["dtype"]
        legal = {
            "acc": (found["acc_dtype"],),
            "floating": ("float32", "float64"),
        }.get(declared, (declared,))
        if array.dtype.name not in legal:
            raise ValueError(f"Forest.{name}: expected dtype {' or '.join(legal)}, got {array.dtype.name}")
    for name in TABLES:
        if type(encoded[name]) is not list and not (encoded[name] is None and name == "categories"):
            raise ValueError(f"Forest.{name}: expected a list of arrays")
        value = decode_value(encoded[name], f"Forest.{name}")
        found[name] = None if value is None else tuple(value)
    return Forest.from_fields(**(found | arrays)).validate()


def _encode_scalar(name: str, value: Any) -> Any:
    """A field as what JSON holds, of the one type that the field has in a file."""
    hint = _HINTS[name]
    if hint == tuple[int, ...]:
        return [int(size) for size in value]
    if hint == NAMES:
        return None if value is None else list(value)
    if value is None or hint in (str, str | None) or get_origin(hint) is Literal:
        return value
    return {int: int, bool: bool}.get(hint, float)(value)


def _decode_scalar(name: str, encoded: Any) -> Any:
    """The field that :func:`_encode_scalar` has written; its range is for the forest's own validation."""
    hint = _HINTS[name]
    if hint == tuple[int, ...]:
        if type(encoded) is not list or not all(type(size) is int for size in encoded):
            raise ValueError(f"Forest.{name}: expected a list of integers, got {reprlib.repr(encoded)}")
        for size in encoded:
            check_size(f"Forest.{name}", size)
        return tuple(encoded)
    if hint == NAMES:
        if encoded is not None and not (type(encoded) is list and all(type(text) is str for text in encoded)):
            raise ValueError(f"Forest.{name}: expected a list of texts, got {reprlib.repr(encoded)}")
        return None if encoded is None else tuple(encoded)
    if type(encoded) not in ((str,) if get_origin(hint) is Literal else get_args(hint) or (hint,)):
        raise ValueError(f"Forest.{name}: it cannot be {reprlib.repr(encoded)}")
    check_size(f"Forest.{name}", encoded)
    if name in ("label_dtype", "leaf_dtype") and encoded is not None and not LEGAL_NAME.fullmatch(encoded):
        raise ValueError(f"Forest.{name}: expected the name of a dtype of numbers, got {encoded!r}")
    return encoded
