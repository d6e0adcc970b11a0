"""Which paths are read from and written to: those of regular files, looked at without waiting for anybody."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

__all__ = ["check_readable", "file_path", "find_target"]

# What a system takes [linux/limits.h, PATH_MAX; Windows: 32,767 characters].
LONGEST_PATH = 32_767 if os.name == "nt" else 4096

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO (named pipe)"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISSOCK, "a socket"),
)


def file_path(path: Any, function: str) -> str:
    """Check that an argument is a path, and give it as text.

    Parameters
    ----------
    path : object
        Whatever a user has given.
    function : str
        Whose argument it is, for the errors.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If it is no path: an open file, a file descriptor.
    ValueError
        If it is text or bytes that no path can be, as the content of a file is.
    """
    accepted = f"{function} takes the path of a file, as str, bytes or os.PathLike"
    if isinstance(path, int) and not isinstance(path, bool):
        raise TypeError(
            f"{accepted}, got the integer {path}: file descriptors are not taken, and this one is left as it is. "
            "Give the path that it was opened from."
        )
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(
            f"{accepted}, got {type(path).__name__}. Of an open file, give the path; of bytes, write a file."
        )
    found = os.fspath(path)
    kind = f"{len(found):,} {'bytes' if isinstance(found, bytes) else 'characters'}"
    if not found:
        raise ValueError(f"{accepted}, got an empty one. Give the name of a file.")
    if len(found) > LONGEST_PATH or (b"\0" if isinstance(found, bytes) else "\0") in found:
        raise ValueError(f"{accepted}, got {kind} that are no path. Are they the content of a file? Give its path.")
    return os.fsdecode(found)


def check_readable(path: str) -> None:
    """Check that a path leads to a regular file that can be opened.

    Parameters
    ----------
    path : str
        The path. A FIFO at its end is not waited for.

    Raises
    ------
    OSError
        If it cannot be opened, or is a folder, a FIFO, a device or a socket.
    """
    check_regular(path, os.stat(path).st_mode, "read from")
    # What opens safely may have become something else since: O_NONBLOCK, where there is such a thing, waits for nobody.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        check_regular(path, os.fstat(descriptor).st_mode, "read from")
    finally:
        os.close(descriptor)


def find_target(path: str, *, overwrite: bool) -> str:
    """Follow symbolic links to the file that is to be written, and check that it may be.

    Parameters
    ----------
    path : str
        What the user has given; there need be no such file.
    overwrite : bool
        Whether a file that is there may be replaced.

    Returns
    -------
    str
        The path of the file itself: links to it stay links.

    Raises
    ------
    FileExistsError
        If it is there, and `overwrite` is not set.
    OSError
        If its folder is not there, it is no regular file, or it may not be written.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"There is no folder {folder}. Make it first, or give another path.")
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return target
    check_regular(path, mode, "write to")
    if not overwrite:
        raise FileExistsError(
            errno.EEXIST, "sktensor.save replaces no file unless told so: give overwrite=True, or another path", path
        )
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "The file is read-only: make it writable, or give another path", path)
    return target


def check_regular(path: str, mode: int, purpose: str) -> None:
    """Refuse what is no regular file, by name.

    Parameters
    ----------
    path : str
        For the error.
    mode : int
        As :func:`os.stat` gives it.
    purpose : str
        What it was for: ``"read from"`` or ``"write to"``.

    Raises
    ------
    OSError
        If it is no regular file; of a folder, IsADirectoryError.
    """
    if stat.S_ISREG(mode):
        return
    kind = next((words for is_kind, words in KINDS if is_kind(mode)), "no regular file")
    error, number = (IsADirectoryError, errno.EISDIR) if stat.S_ISDIR(mode) else (OSError, errno.EINVAL)
    todo = "Give the path of a file" if stat.S_ISDIR(mode) or purpose == "write to" else "Copy its content to a file"
    raise error(number, f"It is {kind}, and models are kept in regular files alone. {todo}; cannot {purpose}", path)
