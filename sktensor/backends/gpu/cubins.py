"""Compiled kernels in the user's cache directory, so that a process need not compile what another one has."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sktensor.backends.gpu.nvrtc import OPTIONS, Compiler

__all__ = ["compiled", "directory"]

DIGEST = hashlib.sha256
DIGEST_BYTES = DIGEST().digest_size


def directory() -> Path:
    """Where they are kept: ``SKTENSOR_CACHE_DIR``, or the folder for such things in the user's own."""
    if named := os.environ.get("SKTENSOR_CACHE_DIR"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "sktensor" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sktensor"


def compiled(compiler: Compiler, source: str, definitions: Sequence[str], target: str) -> bytes:
    """Code for an architecture, as :meth:`Compiler.compile` gives it; compiled once for all processes.

    A cache that cannot be read or written, or whose file is not what was written, is passed over.
    """
    said = "\0".join([source, *OPTIONS, *definitions, target, *map(str, compiler.version)])
    name = f"{DIGEST(said.encode()).hexdigest()[:40]}.cubin"
    try:
        folder = directory()
    except RuntimeError:  # there is no home directory
        return compiler.compile(source, definitions, target)[0]
    with contextlib.suppress(OSError):
        kept = (folder / name).read_bytes()
        if DIGEST(kept[DIGEST_BYTES:]).digest() == kept[:DIGEST_BYTES]:
            return kept[DIGEST_BYTES:]
    image, _ = compiler.compile(source, definitions, target)
    with contextlib.suppress(OSError):
        _write(folder, folder / name, DIGEST(image).digest() + image)
    return image


def _write(folder: Path, path: Path, content: bytes) -> None:
    """Write a file that others find whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    number, temporary = tempfile.mkstemp(dir=folder, prefix=".")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
