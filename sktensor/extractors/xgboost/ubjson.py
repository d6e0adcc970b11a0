"""Read UBJSON, the binary JSON that XGBoost saves its models in, with typed arrays as numpy arrays.

Only what the format's version 12 defines and XGBoost writes: big-endian numbers, optimised containers.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

__all__ = ["parse"]

# Markers of numbers, which are the element types of optimised arrays too, as struct and numpy both spell them.
_CODES = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_NUMBERS = {marker[0]: struct.Struct(code) for marker, code in _CODES.items()}
_DTYPES = {marker[0]: np.dtype(code) for marker, code in _CODES.items()}
_CONSTANTS = {ord("Z"): None, ord("T"): True, ord("F"): False}
_INTEGERS = frozenset(b"iUIlL")


def parse(data: bytes) -> Any:
    """Decode a UBJSON document.

    Parameters
    ----------
    data : bytes
        The whole document.

    Returns
    -------
    object
        Dicts, lists, strings, numbers and constants; an array with a number type is an ndarray that looks
        into `data`, in the big-endian dtype it was written in.

    Raises
    ------
    ValueError
        If `data` is no UBJSON document; names the position.
    """
    try:
        value, end = _value(data, 0)
    except (IndexError, struct.error, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"UBJSON: a document of {len(data)} bytes is damaged or ends too early ({error}).") from None
    if end != len(data):
        raise ValueError(f"UBJSON: the document ends at byte {end} of {len(data)}.")
    return value


def _fail(data: bytes, at: int) -> ValueError:
    return ValueError(f"UBJSON: unexpected byte {data[at : at + 1]!r} at position {at}.")


def _value(data: bytes, at: int) -> tuple[Any, int]:
    """The value whose marker stands at `at`, and where the next one starts."""
    return _body(data, at + 1, data[at])


def _body(data: bytes, at: int, marker: int) -> tuple[Any, int]:
    """The value after its marker."""
    if marker == 0x7B:  # {
        return _object(data, at)
    if marker == 0x5B:  # [
        return _array(data, at)
    if marker == 0x53:  # S
        return _string(data, at)
    if marker in _NUMBERS:
        number = _NUMBERS[marker]
        return number.unpack_from(data, at)[0], at + number.size
    if marker in _CONSTANTS:
        return _CONSTANTS[marker], at
    raise _fail(data, at - 1)


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A count or length: an integer with its marker."""
    marker = data[at]
    if marker not in _INTEGERS:
        raise _fail(data, at)
    number = _NUMBERS[marker]
    length = number.unpack_from(data, at + 1)[0]
    at += 1 + number.size
    if not 0 <= length <= len(data):
        raise ValueError(f"UBJSON: length {length} before position {at} is not possible in {len(data)} bytes.")
    return length, at


def _string(data: bytes, at: int) -> tuple[str, int]:
    length, at = _length(data, at)
    end = at + length
    if end > len(data):
        raise ValueError(f"UBJSON: a string of {length} bytes at position {at} exceeds the document.")
    return str(data[at:end], "utf-8"), end


def _object(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """Keys are strings without a marker; `}` ends the object unless a count was given."""
    items: dict[str, Any] = {}
    if data[at] == 0x23:  # #
        count, at = _length(data, at + 1)
        for _ in range(count):
            key, at = _string(data, at)
            items[key], at = _value(data, at)
        return items, at
    while data[at] != 0x7D:  # }
        key, at = _string(data, at)
        items[key], at = _value(data, at)
    return items, at + 1


def _array(data: bytes, at: int) -> tuple[Any, int]:
    """`[$type#count`, `[#count` or a plain list that `]` ends."""
    kind = None
    if data[at] == 0x24:  # $
        kind, at = data[at + 1], at + 2
        if kind not in _DTYPES:  # elements without bytes of their own would let a short document claim any number
            raise _fail(data, at - 1)
        if data[at] != 0x23:
            raise _fail(data, at)
    if data[at] == 0x23:  # #
        count, at = _length(data, at + 1)
        if kind is not None:
            dtype = _DTYPES[kind]
            end = at + count * dtype.itemsize
            if end > len(data):
                raise ValueError(f"UBJSON: an array of {count} x {dtype} at position {at} exceeds the document.")
            return np.frombuffer(data, dtype, count, at), end
        values = []
        for _ in range(count):
            value, at = _value(data, at)
            values.append(value)
        return values, at
    values = []
    while data[at] != 0x5D:  # ]
        value, at = _value(data, at)
        values.append(value)
    return values, at + 1
