"""Labels, names and tables of categories as what JSON holds, and back: every value exactly, and none on trust."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["check_padding", "check_size", "decode_value", "encode_value"]

Array = npt.NDArray[Any]

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

# Bytes that numpy adds to the texts of a file, each of which it pads to the width of its array's dtype: the one thing
# whose size a file declares instead of holding it.
MAX_PADDING = 2**26


def check_size(name: str, value: Any) -> None:
    """Refuse an integer beyond 64 bits, which JSON holds and numpy does not."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise ValueError(f"{name}: a number beyond 64 bits")


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
        return [encode_value(item, name) for item in value]
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
        return [decode_value(item, name) for item in encoded]
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
        item = waiting.pop()
        if type(item) is list:
            waiting += item
        elif isinstance(item, Mapping):
            if item.keys() == {"dtype", "values"}:
                total += _padding(item)
            else:
                waiting += item.values()
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
