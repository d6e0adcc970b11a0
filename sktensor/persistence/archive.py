"""A file of named arrays and a JSON header that finds its own damage: safetensors, with a checksum over all of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from typing import Any

import numpy.typing as npt

__all__ = ["FORMAT", "read", "write"]

Array = npt.NDArray[Any]

# To be raised when a file's content changes its meaning: a field that comes, goes or says something else. Readers keep
# reading every older number; the file in tests/unit/persistence holds them to it.
FORMAT = 1

# The one entry of safetensors' own metadata. With more, their order, and so the file's bytes, would be left to chance.
ENTRY = "sktensor"

# Bytes of a header that safetensors still reads [safetensors/src/tensor.rs, MAX_HEADER_SIZE].
LARGEST_HEADER = 100_000_000

# Those that a forest's fields are kept in, by safetensors' names.
DTYPES = {"BOOL", "I8", "I32", "U32", "U64", "F32", "F64"}


def write(path: str | os.PathLike[str], header: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Write a file, or leave things as they were.

    Parameters
    ----------
    path : str or os.PathLike
        Where to.
    header : dict
        Anything that JSON holds.
    arrays : dict of ndarray
        C-contiguous, each dtype one of bool, int8, int32, uint32, uint64, float32, float64.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    ValueError
        If the header is larger than safetensors allows, 100 MB.
    """
    safetensors = _safetensors()
    header = {"format": FORMAT, **header}
    header["sha256"] = _checksum(header, arrays)
    try:
        data = safetensors.numpy.save(arrays, metadata={ENTRY: _text(header)})
    except safetensors.SafetensorError as error:
        raise ValueError(f"{os.fspath(path)} cannot be written: {error}.") from error
    if int.from_bytes(data[:8], "little") > LARGEST_HEADER:  # which older versions of safetensors write all the same
        raise ValueError(f"{os.fspath(path)} cannot be written: header too large for safetensors.")
    _replace(os.path.realpath(os.fsdecode(path)), data)  # a link stays one: what it leads to is replaced


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read a file that :func:`write` wrote.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    header : dict
        With its ``"format"``.
    arrays : dict of ndarray

    Raises
    ------
    ImportError
        If safetensors is not installed.
    OSError
        If the file cannot be opened.
    ValueError
        If it is not such a file, is of another format, or was damaged.
    """
    safetensors = _safetensors()
    with open(path, "rb"):
        pass  # safetensors' own errors do not name the file that cannot be opened
    try:
        with safetensors.safe_open(os.fsdecode(path), framework="numpy") as file:
            header = _header((file.metadata() or {}).get(ENTRY))
            dtypes = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 (no mapping)
            for name, dtype in dtypes.items():
                if dtype not in DTYPES:
                    raise ValueError(f"tensor {name!r} is of dtype {dtype}, which no file of sktensor.save holds")
            arrays = {name: file.get_tensor(name) for name in dtypes}
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"not a safetensors file, or a damaged one ({error})") from error
    if header.pop("sha256", None) != _checksum(header, arrays):
        raise ValueError("the file is damaged: its content is not the one that its checksum was made of")
    return header, arrays


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "sktensor.save and load need safetensors, which is not installed: pip install sktensor[safetensors]"
        ) from error
    return safetensors


def _header(text: str | None) -> dict[str, Any]:
    if text is None:
        raise ValueError(f"a safetensors file, but not one of sktensor.save: its metadata has no entry {ENTRY!r}")
    try:
        header = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:  # of which json.JSONDecodeError is one
        raise ValueError(f"its header is not the JSON that sktensor.save writes ({error})") from error
    if not isinstance(header, dict) or type(header.get("format")) is not int:
        raise ValueError("its header has no format number")
    if header["format"] != FORMAT:
        raise ValueError(
            f"it is of format {header['format']}, and this version of sktensor reads format {FORMAT}. "
            "Load it with the version that wrote it, or a newer one"
        )
    return header


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, in which no key comes twice: which of the two counts would be left to the reader."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def _text(header: dict[str, Any]) -> str:
    # Floats are written with as many digits as bring the same bits back; NaN and infinities as Python writes them.
    return json.dumps(header, sort_keys=True, separators=(",", ":"))


def _checksum(header: dict[str, Any], arrays: dict[str, Array]) -> str:
    """SHA-256 of the header, and of each array's name, dtype, shape and values."""
    found = hashlib.sha256(_text(header).encode())
    for name, array in sorted(arrays.items()):
        found.update(f"\n{name} {array.dtype.name} {array.shape}\n".encode())
        found.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return found.hexdigest()


def _replace(target: str, data: bytes) -> None:
    """Put a file in its place in one step, so that nobody ever reads half of it."""
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"There is no folder {folder}.")
    part = os.path.join(folder, f".sktensor-{secrets.token_hex(8)}")
    try:
        with open(part, "xb") as file:  # not tempfile: its files are for their owner's eyes only
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise
