"""Forests and labels as what JSON holds, and back: every value exactly, and nothing taken on trust."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from numbers import Integral
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from sktensor.forest import Forest

__all__ = ["check_size", "forest_from_plain", "plain_forest", "plain_value", "value_from_plain"]

Array = npt.NDArray[Any]

_HINTS = get_type_hints(Forest)
TABLES = ("categories", "classes")  # whose arrays may hold text
ARRAYS = {spec.name: spec for spec in fields(Forest) if "dtype" in spec.metadata}
SCALARS = [spec.name for spec in fields(Forest) if spec.name not in (*ARRAYS, *TABLES)]

# What labels, names and tables of categories may be made of, by numpy's kind of their dtype.
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "b": (bool,),
    "i": (int,),
    "u": (int,),
    "f": (float,),
    "U": (str,),
    "O": (str, int, float, bool, type(None)),
}

# A dtype is parsed only if it is one of these: numpy's own parser understands a whole language.
LEGAL_DTYPE = re.compile(r"\|b1|[<>|][iu][1248]|[<>]f[248]|[<>]U[0-9]{1,8}|\|O", re.ASCII)
LEGAL_NAME = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)")  # of the dtypes of labels and leaf numbers
MAX_BYTES = 2**28  # of an array of text: numpy pads each to the width of the dtype, whatever it is


# --- forests ------------------------------------------------------------------------------------------------------


def plain_forest(forest: Forest) -> tuple[dict[str, Any], dict[str, Array]]:
    """Take a forest apart.

    Parameters
    ----------
    forest : Forest
        Validated.

    Returns
    -------
    plain : dict
        The fields that are no arrays of numbers, as what JSON holds.
    arrays : dict of ndarray
        Those that are, as far as the forest has them.

    Raises
    ------
    ValueError
        If labels or categories are of a dtype that is not part of the format.
    """
    plain = {name: _plain_scalar(name, getattr(forest, name)) for name in SCALARS}
    for name in TABLES:
        plain[name] = plain_value(getattr(forest, name), f"Forest.{name}")
    return plain, {name: getattr(forest, name) for name in ARRAYS if getattr(forest, name) is not None}


def forest_from_plain(plain: dict[str, Any], arrays: dict[str, Array]) -> Forest:
    """Put together what :func:`plain_forest` has taken apart.

    Parameters
    ----------
    plain : dict
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
    if plain.get("base_last") is False:  # a field of earlier versions, which no model had set
        plain = {name: value for name, value in plain.items() if name != "base_last"}
    if plain.keys() != {*SCALARS, *TABLES}:
        differ = ", ".join(sorted(plain.keys() ^ {*SCALARS, *TABLES}))
        raise ValueError(f"forest: fields that are missing, or unknown to this version: {differ}")
    if extra := arrays.keys() - ARRAYS.keys():
        raise ValueError(f"tensors that are no field of a forest: {', '.join(sorted(extra))}")
    if missing := {name for name, spec in ARRAYS.items() if spec.default is MISSING} - arrays.keys():
        raise ValueError(f"tensors are missing: {', '.join(sorted(missing))}")
    found: dict[str, Any] = {name: _scalar(name, plain[name]) for name in SCALARS}
    for name, array in arrays.items():
        declared = ARRAYS[name].metadata["dtype"]
        legal = {
            "acc": (found["acc_dtype"],),
            "feature": (found["feature_dtype"],),
            "floating": ("float32", "float64"),
        }.get(declared, (declared,))
        if array.dtype.name not in legal:
            raise ValueError(f"Forest.{name}: expected dtype {' or '.join(legal)}, got {array.dtype.name}")
    for name in TABLES:
        if type(plain[name]) is not list and not (plain[name] is None and name == "categories"):
            raise ValueError(f"Forest.{name}: expected a list of arrays")
        value = value_from_plain(plain[name], f"Forest.{name}")
        found[name] = None if value is None else tuple(value)
    return Forest(**(found | arrays)).validate()


def _plain_scalar(name: str, value: Any) -> Any:
    """A field as what JSON holds, of the one type that the field has in a file."""
    hint = _HINTS[name]
    if hint == tuple[int, ...]:
        return [int(size) for size in value]
    if value is None or hint in (str, str | None) or get_origin(hint) is Literal:
        return value
    return {int: int, bool: bool}.get(hint, float)(value)


def _scalar(name: str, plain: Any) -> Any:
    """The field that :func:`_plain_scalar` has written; its range is for the forest's own validation."""
    hint = _HINTS[name]
    if hint == tuple[int, ...]:
        if type(plain) is not list or not all(type(size) is int for size in plain):
            raise ValueError(f"Forest.{name}: expected a list of integers, got {reprlib.repr(plain)}")
        for size in plain:
            check_size(f"Forest.{name}", size)
        return tuple(plain)
    if type(plain) not in ((str,) if get_origin(hint) is Literal else get_args(hint) or (hint,)):
        raise ValueError(f"Forest.{name}: it cannot be {reprlib.repr(plain)}")
    check_size(f"Forest.{name}", plain)
    if name in ("label_dtype", "leaf_dtype") and plain is not None and not LEGAL_NAME.fullmatch(plain):
        raise ValueError(f"Forest.{name}: expected the name of a dtype of numbers, got {plain!r}")
    return plain


def check_size(name: str, value: Any) -> None:
    """Refuse an integer beyond 64 bits, which JSON holds and numpy does not."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise ValueError(f"{name}: a number beyond 64 bits")


# --- labels, names, categories ------------------------------------------------------------------------------------


def plain_value(value: Any, name: str) -> Any:
    """Give arrays of text or numbers as what JSON holds.

    Parameters
    ----------
    value : ndarray of one dimension, int, None, or list of them
        Labels, names, tables of categories.
    name : str
        For the error.

    Returns
    -------
    dict, int, None, or list of them
        Of an array its dtype and values.

    Raises
    ------
    ValueError
        If the dtype is not part of the format.
    """
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [plain_value(part, name) for part in value]
    if isinstance(value, Integral):
        return int(value)
    array = np.asarray(value)
    plain = {"dtype": array.dtype.str, "values": [_plain_item(item) for item in array.tolist()] if array.ndim else None}
    try:
        _array(plain, name)
    except ValueError as error:
        raise ValueError(f"{error}. A pickle takes it: joblib.dump") from error
    return plain


def _plain_item(item: Any) -> Any:
    """An entry of an array of objects as the object of Python itself, to which it is equal."""
    if isinstance(item, np.generic):
        item = item.item()
    return str(item) if isinstance(item, str) else item


def value_from_plain(plain: Any, name: str) -> Any:
    """Give back what :func:`plain_value` was given.

    Parameters
    ----------
    plain : object
        Whatever a file says.
    name : str
        For the error.

    Returns
    -------
    ndarray of one dimension, int, None, or list of them

    Raises
    ------
    ValueError
        If `plain` is nothing that :func:`plain_value` gives.
    """
    if plain is None:
        return None
    if type(plain) is list:
        return [value_from_plain(part, name) for part in plain]
    if type(plain) is int:
        check_size(name, plain)
        return plain
    if isinstance(plain, Mapping) and plain.keys() == {"dtype", "values"}:
        return _array(plain, name)
    raise ValueError(f"{name}: expected an array, got {reprlib.repr(plain)}")


def _array(plain: Mapping[str, Any], name: str) -> Array:
    """An array of one dimension that holds exactly these values, in this dtype."""
    code, values = plain["dtype"], plain["values"]
    if not (isinstance(code, str) and LEGAL_DTYPE.fullmatch(code)):
        raise ValueError(f"{name}: arrays of dtype {reprlib.repr(code)} are not part of the format")
    dtype = np.dtype(code)
    if type(values) is not list or not all(type(value) in PYTHON_TYPES[dtype.kind] for value in values):
        raise ValueError(f"{name}: expected one dimension of values of dtype {code}")
    if dtype.kind == "U" and dtype.itemsize * len(values) > MAX_BYTES:
        raise ValueError(f"{name}: {len(values)} texts of dtype {code} take more than {MAX_BYTES >> 20} MiB")
    for value in values:
        if type(value) is str and not _is_unicode(value):
            raise ValueError(f"{name}: {reprlib.repr(value)} is no text that UTF-8 can encode")
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, dtype=dtype)
    except OverflowError:
        raise ValueError(f"{name}: its values do not fit into dtype {code}") from None
    if repr(array.tolist()) != repr(values):  # as text, in which a NaN is a NaN and -0.0 is not 0.0
        raise ValueError(f"{name}: its values do not fit into dtype {code}")
    return array


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
