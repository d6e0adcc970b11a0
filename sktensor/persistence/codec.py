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

__all__ = ["check_padding", "check_size", "decode_forest", "decode_value", "encode_forest", "encode_value"]

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

# Bytes that numpy adds to the texts of a file, each of which it pads to the width of its array's dtype: the one thing
# whose size a file declares instead of holding it.
MAX_PADDING = 2**26


# --- forests ------------------------------------------------------------------------------------------------------


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
    encoded = {name: _encode_scalar(name, getattr(forest, name)) for name in SCALARS}
    for name in TABLES:
        encoded[name] = encode_value(getattr(forest, name), f"Forest.{name}")
    return encoded, {name: getattr(forest, name) for name in ARRAYS if getattr(forest, name) is not None}


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
            "feature": (found["feature_dtype"],),
            "floating": ("float32", "float64"),
        }.get(declared, (declared,))
        if array.dtype.name not in legal:
            raise ValueError(f"Forest.{name}: expected dtype {' or '.join(legal)}, got {array.dtype.name}")
    for name in TABLES:
        if type(encoded[name]) is not list and not (encoded[name] is None and name == "categories"):
            raise ValueError(f"Forest.{name}: expected a list of arrays")
        value = decode_value(encoded[name], f"Forest.{name}")
        found[name] = None if value is None else tuple(value)
    return Forest(**(found | arrays)).validate()


def _encode_scalar(name: str, value: Any) -> Any:
    """A field as what JSON holds, of the one type that the field has in a file."""
    hint = _HINTS[name]
    if hint == tuple[int, ...]:
        return [int(size) for size in value]
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
    if type(encoded) not in ((str,) if get_origin(hint) is Literal else get_args(hint) or (hint,)):
        raise ValueError(f"Forest.{name}: it cannot be {reprlib.repr(encoded)}")
    check_size(f"Forest.{name}", encoded)
    if name in ("label_dtype", "leaf_dtype") and encoded is not None and not LEGAL_NAME.fullmatch(encoded):
        raise ValueError(f"Forest.{name}: expected the name of a dtype of numbers, got {encoded!r}")
    return encoded


def check_size(name: str, value: Any) -> None:
    """Refuse an integer beyond 64 bits, which JSON holds and numpy does not."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise ValueError(f"{name}: a number beyond 64 bits")


# --- labels, names, categories ------------------------------------------------------------------------------------


def encode_value(value: Any, name: str) -> Any:
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
        return [encode_value(part, name) for part in value]
    if isinstance(value, Integral):
        return int(value)
    array = np.asarray(value)
    values = [_encode_item(item) for item in array.tolist()] if array.ndim else None
    encoded = {"dtype": array.dtype.str, "values": values}
    try:
        _array(encoded, name)
    except ValueError as error:
        raise ValueError(f"{error}. A pickle takes it: joblib.dump") from error
    return encoded


def _encode_item(item: Any) -> Any:
    """An entry of an array of objects as the object of Python itself, to which it is equal."""
    if isinstance(item, np.generic):
        item = item.item()
    return str(item) if isinstance(item, str) else item


def decode_value(encoded: Any, name: str) -> Any:
    """Give back what :func:`encode_value` was given.

    Parameters
    ----------
    encoded : object
        Whatever a file says.
    name : str
        For the error.

    Returns
    -------
    ndarray of one dimension, int, None, or list of them

    Raises
    ------
    ValueError
        If `encoded` is nothing that :func:`encode_value` gives.
    """
    if encoded is None:
        return None
    if type(encoded) is list:
        return [decode_value(part, name) for part in encoded]
    if type(encoded) is int:
        check_size(name, encoded)
        return encoded
    if isinstance(encoded, Mapping) and encoded.keys() == {"dtype", "values"}:
        return _array(encoded, name)
    raise ValueError(f"{name}: expected an array, got {reprlib.repr(encoded)}")


def _array(encoded: Mapping[str, Any], name: str) -> Array:
    """An array of one dimension that holds exactly these values, in this dtype."""
    code, values = encoded["dtype"], encoded["values"]
    if not (isinstance(code, str) and LEGAL_DTYPE.fullmatch(code)):
        raise ValueError(f"{name}: arrays of dtype {reprlib.repr(code)} are not part of the format")
    dtype = np.dtype(code)
    if type(values) is not list or not all(type(value) in PYTHON_TYPES[dtype.kind] for value in values):
        raise ValueError(f"{name}: expected one dimension of values of dtype {code}")
    if (padding := _padding(encoded)) > MAX_PADDING:
        raise ValueError(
            f"{name}: {len(values)} texts of dtype {code} are padded with {padding:,} bytes, of which {MAX_PADDING:,} "
            "are allowed. Labels of dtype object need none"
        )
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


def check_padding(encoded: Any) -> None:
    """Refuse texts that would take far more memory than a file takes that holds them.

    Parameters
    ----------
    encoded : object
        Whatever a file says, with all arrays of text in it.

    Raises
    ------
    ValueError
        If all of these together are padded with more than `MAX_PADDING` bytes.
    """
    total, waiting = 0, [encoded]
    while waiting:
        part = waiting.pop()
        if type(part) is list:
            waiting += part
        elif isinstance(part, Mapping):
            if part.keys() == {"dtype", "values"}:
                total += _padding(part)
            else:
                waiting += part.values()
    if total > MAX_PADDING:
        raise ValueError(
            f"its texts are padded with {total:,} bytes, of which {MAX_PADDING:,} are allowed in a file. Labels of "
            "dtype object need none"
        )


def _padding(encoded: Mapping[str, Any]) -> int:
    """Bytes that an array of text has beyond those of its texts; 0 of any other array."""
    code, values = encoded["dtype"], encoded["values"]
    if not (isinstance(code, str) and LEGAL_DTYPE.fullmatch(code) and code[1] == "U" and type(values) is list):
        return 0
    # Of an array of nothing, numpy may allocate one item.
    padded = 4 * int(code[2:]) * max(len(values), 1)
    return max(0, padded - 4 * sum(len(value) for value in values if type(value) is str))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
