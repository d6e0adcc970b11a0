"""A file of named arrays and a JSON header that finds its own damage: safetensors, with a checksum over all of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.persistence.formats import FORMAT, upgrade, upgrade_arrays
from sktensor.persistence.paths import check_readable
from sktensor.persistence.replacement import write_whole

__all__ = ["read", "write"]

Array = npt.NDArray[Any]

# The one entry of safetensors' own metadata. With more, their order, and so the file's bytes, would be left to chance.
ENTRY = "sktensor"

# Bytes of a header that safetensors still reads [safetensors/src/tensor.rs, MAX_HEADER_SIZE].
LARGEST_HEADER = 100_000_000

# Those that a forest's fields are kept in, by safetensors' names.
DTYPES = {"BOOL", "I8", "I32", "U32", "U64", "F32", "F64"}


def write(target: str, header: dict[str, Any], arrays: dict[str, Array], *, overwrite: bool = False) -> None:
    """Write a file, or leave things as they were.

    Parameters
    ----------
    target : str
        Where to: the file itself, no link to it.
    header : dict
        Anything that JSON holds.
    arrays : dict of ndarray
        C-contiguous, each dtype one of bool, int8, int32, uint32, uint64, float32, float64.
    overwrite : bool
        Whether a file that is there is replaced.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    ValueError
        If the header is larger than safetensors allows, 100 MB.
    OSError
        If writing fails.
    """
    safetensors = _safetensors()
    header = {"format": FORMAT, **header}
    header["sha256"] = _checksum(header, arrays)
    try:
        data = safetensors.numpy.save(arrays, metadata={ENTRY: _text(header)})
    except safetensors.SafetensorError as error:
        raise ValueError(f"{target} cannot be written: {error}.") from error
    if int.from_bytes(data[:8], "little") > LARGEST_HEADER:  # which older versions of safetensors write all the same
        raise ValueError(f"{target} cannot be written: header too large for safetensors.")
    write_whole(target, data, overwrite=overwrite)


def read(path: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read a file that :func:`write` wrote.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    header : dict
        In the newest format, whichever the file's is.
    arrays : dict of ndarray

    Raises
    ------
    ImportError
        If safetensors is not installed.
    OSError
        If the file cannot be opened, or is no regular file.
    ValueError
        If it is not such a file, is of another format, or was damaged.
    """
    safetensors = _safetensors()
    check_readable(path)  # safetensors' own errors do not name the file, and it waits for a FIFO
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
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
    return upgrade(header), upgrade_arrays(header, arrays)


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "sktensor.save and load need safetensors, which is not installed: pip install safetensors"
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
    upgrade(header)  # an unknown format is refused as one, whatever checksum it has
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
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        found.update(little.reshape(-1).view(np.uint8).data)
    return found.hexdigest()
