"""Write a file in one step: whole or not at all, with the permissions that it had."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat

__all__ = ["write_whole"]


def write_whole(target: str, data: bytes, *, overwrite: bool) -> None:
    """Write a file so that nobody ever reads half of it, and nothing is lost where writing fails.

    A file of another name in the same folder is written, flushed to the disk, and then takes the target's place.

    Parameters
    ----------
    target : str
        The file itself, no link to it.
    data : bytes
        All of its content.
    overwrite : bool
        Whether a file that is there is replaced. It keeps its permissions and, where the system lets us, its owner and
        group. Otherwise one that came meanwhile is an error.

    Raises
    ------
    OSError
        If writing fails, for instance since the disk is full. What was there is there still, and nothing else is.
    """
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".sktensor-{secrets.token_hex(8)}")
    before = _status(target) if overwrite else None
    # Of a file that is there, nobody is to read more than its permissions allow, at no time. A new one has those that
    # the umask leaves; not so the files of tempfile, which are for their owner alone.
    created_as = 0o666 if before is None else 0o600
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(temporary, flags, created_as)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if before is not None:
                _take_permissions(temporary, before)
            if overwrite:
                os.replace(temporary, target)
            else:
                _move_where_nothing_is(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(temporary)
            raise
    except OSError as error:
        if error.errno is None:
            raise
        # Of the same class, but about the file that was asked for.
        raise OSError(error.errno, f"{error.strerror}; nothing was written", target) from error
    _flush_folder(folder)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _take_permissions(path: str, before: os.stat_result) -> None:
    """Give a file the owner, the group and the permissions of another, as far as the system lets us."""
    if hasattr(os, "chown"):  # not on Windows
        for owner in ((before.st_uid, -1), (-1, before.st_gid)):
            with contextlib.suppress(OSError):  # another's file stays readable, but becomes ours
                os.chown(path, *owner)
    os.chmod(path, stat.S_IMODE(before.st_mode) & 0o777)  # without setuid and setgid, which a file that changes loses


def _move_where_nothing_is(temporary: str, target: str) -> None:
    """Rename a file, unless there is one of that name."""
    if os.name == "nt":
        os.rename(temporary, target)  # which is an error there if the name is taken
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, as FAT
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        os.replace(temporary, target)
    else:
        os.remove(temporary)


def _flush_folder(folder: str) -> None:
    """Flush a folder's list of files to the disk, where the system knows of such a thing."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # the file is there, and file systems that cannot do it say so
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
