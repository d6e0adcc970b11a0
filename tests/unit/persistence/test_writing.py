"""Writing like a careful program: in one step, through links, with the permissions that were there."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

import sktensor
from sktensor import TensorizedEstimator
from sktensor.persistence import replacement

X = np.arange(20.0).reshape(10, 2)
Y = np.arange(10) % 2

posix = pytest.mark.skipif(os.name != "posix", reason="permissions, links and FIFOs as POSIX has them")


@pytest.fixture(scope="module")
def fast():
    return TensorizedEstimator(DecisionTreeClassifier(random_state=0).fit(X, Y))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def without_waiting(call):
    """What a call gives or raises; one that waits for somebody is a failure, not a test that never ends."""
    found = []

    def run():
        try:
            found.append(call())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(600)
    assert found, "still waiting"
    return found[0]


# --- overwriting ----------------------------------------------------------------------------------------------------


def test_an_existing_file_is_kept_unless_overwrite_is_given(fast, path):
    path.write_bytes(b"somebody's")
    with pytest.raises(FileExistsError, match=r"overwrite=True, or another path.*model\.safetensors"):
        sktensor.save(fast, path)
    assert path.read_bytes() == b"somebody's" and list(path.parent.iterdir()) == [path]
    sktensor.save(fast, path, overwrite=True)
    assert sktensor.load(path).predict(X).tolist() == fast.predict(X).tolist()


def test_overwrite_is_a_keyword_and_needs_no_file(fast, path):
    with pytest.raises(TypeError, match="positional"):
        sktensor.save(fast, path, True)
    sktensor.save(fast, path, overwrite=True)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_comes_meanwhile_is_kept(has_links, path, monkeypatch):
    def link(source, target):
        if has_links:
            raise FileExistsError(errno.EEXIST, "File exists", target)
        raise PermissionError(errno.EPERM, "Operation not permitted", target)

    path.write_bytes(b"somebody's")
    monkeypatch.setattr(os, "link", link, raising=False)
    with pytest.raises(FileExistsError):
        replacement.write_whole(str(path), b"ours", overwrite=False)
    assert path.read_bytes() == b"somebody's" and list(path.parent.iterdir()) == [path]


@posix
def test_file_is_saved_on_a_file_system_without_hard_links(fast, path, monkeypatch):
    def link(source, target):
        raise PermissionError(errno.EPERM, "Operation not permitted", target)

    monkeypatch.setattr(os, "link", link)
    sktensor.save(fast, path)
    assert sktensor.load(path).predict(X).tolist() == fast.predict(X).tolist()
    assert list(path.parent.iterdir()) == [path]


# --- links, permissions, owners -------------------------------------------------------------------------------------


@posix
def test_a_link_stays_and_its_target_is_replaced(fast, path):
    folder = path.parent / "elsewhere"
    folder.mkdir()
    target = folder / "model"
    target.write_bytes(b"old")
    path.symlink_to("elsewhere/model")
    with pytest.raises(FileExistsError):
        sktensor.save(fast, path)
    sktensor.save(fast, path, overwrite=True)
    assert path.is_symlink() and os.readlink(path) == "elsewhere/model"
    assert target.read_bytes() != b"old" and list(folder.iterdir()) == [target]


@posix
def test_a_link_to_nothing_is_followed(fast, path):
    path.symlink_to("later")
    sktensor.save(fast, path)
    assert path.is_symlink() and (path.parent / "later").is_file()


@posix
def test_links_in_a_circle_are_an_error_of_the_system(fast, path):
    path.symlink_to("other")
    (path.parent / "other").symlink_to(path.name)
    for call in (lambda: sktensor.save(fast, path, overwrite=True), lambda: sktensor.load(path)):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == errno.ELOOP


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_replaced_file_keeps_its_permissions(mode, fast, path):
    path.touch()
    path.chmod(mode)
    sktensor.save(fast, path, overwrite=True)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_the_umask(umask, fast, path):
    before = os.umask(umask)
    try:
        sktensor.save(fast, path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


@posix
def test_a_replaced_file_is_never_readable_for_more_than_before(fast, path, monkeypatch):
    seen = []
    fsync = os.fsync

    def watched(descriptor):
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    path.touch()
    path.chmod(0o600)
    monkeypatch.setattr(os, "fsync", watched)
    sktensor.save(fast, path, overwrite=True)
    assert seen[0] == 0o600


@posix
def test_owner_and_group_are_kept_where_the_system_lets_us(fast, path, monkeypatch):
    asked = []

    def chown(name, uid, gid):
        asked.append((uid, gid))
        raise PermissionError(errno.EPERM, "Operation not permitted")

    path.touch()
    before = path.stat()
    monkeypatch.setattr(os, "chown", chown)
    sktensor.save(fast, path, overwrite=True)
    assert asked == [(before.st_uid, -1), (-1, before.st_gid)]


@posix
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="another's file needs root")
def test_another_users_file_stays_theirs(fast, path):
    path.touch()
    os.chown(path, 1234, 2345)
    path.chmod(0o640)
    sktensor.save(fast, path, overwrite=True)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 2345, 0o640)


def test_a_read_only_file_is_not_replaced(fast, path, monkeypatch):
    path.write_bytes(b"kept")
    path.chmod(0o444)
    if os.access(path, os.W_OK):  # root may write everything
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="read-only"):
        sktensor.save(fast, path, overwrite=True)
    assert path.read_bytes() == b"kept"


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError()]
)
@pytest.mark.parametrize("step", ["fsync", "replace", "chmod", "link"])
def test_nothing_is_lost_or_left_behind_when_a_step_fails(step, error, overwrite, fast, path, monkeypatch):
    if not hasattr(os, step) or step in (("link",) if overwrite else ("replace", "chmod")):
        pytest.skip("no step of this way")
    if step == "link" and isinstance(error, OSError):
        pytest.skip("a file system without links is no failure")
    if overwrite:
        path.write_bytes(b"old")

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)) as caught:
        sktensor.save(fast, path, overwrite=overwrite)
    monkeypatch.undo()
    if isinstance(error, OSError):
        assert caught.value.errno == error.errno and caught.value.filename == str(path)
    assert list(path.parent.iterdir()) == ([path] if overwrite else [])
    assert not overwrite or path.read_bytes() == b"old"


@pytest.mark.skipif(os.name != "posix", reason="limits as POSIX has them")
def test_a_full_disk_loses_nothing(fast, path):
    import resource
    import signal

    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError) as caught:
            sktensor.save(fast, path, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == b"old" and list(path.parent.iterdir()) == [path]


def test_file_is_replaced_without_posix_functions(fast, path, monkeypatch):
    for name in ("chown", "O_NONBLOCK", "O_CLOEXEC"):
        monkeypatch.delattr(os, name, raising=False)
    path.touch()
    sktensor.save(fast, path, overwrite=True)
    assert sktensor.load(path).predict(X).tolist() == fast.predict(X).tolist()


def test_a_folder_that_may_not_be_written_is_an_error_about_the_file(fast, path, monkeypatch):
    real = os.open

    def refuse(name, *args, **kwargs):
        if ".sktensor-" in os.fspath(name):
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError, match=r"Permission denied; nothing was written: .*model\.safetensors"):
        sktensor.save(fast, path)


# --- what is no regular file ----------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("is_link", [False, True])
def test_a_fifo_is_refused_without_waiting(is_link, fast, path):
    os.mkfifo(path)
    given = path
    if is_link:
        given = path.with_name("link")
        given.symlink_to(path.name)
    for call, todo in (
        (lambda: sktensor.load(given), "Copy its content to a file"),
        (lambda: sktensor.save(fast, given, overwrite=True), "Give the path of a file"),
        (lambda: sktensor.save(fast, given), "Give the path of a file"),
    ):
        found = without_waiting(call)
        assert isinstance(found, OSError)
        assert "FIFO" in str(found) and todo in str(found) and str(given.name) in str(found)
    assert stat.S_ISFIFO(path.stat().st_mode)


@posix
def test_devices_and_sockets_are_refused_by_name(fast, path):
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.bind(str(path))
        except OSError:
            pytest.skip("the path is too long for a socket")
        for given, kind in (("/dev/null", "a character device"), (path, "a socket")):
            for call in (lambda p=given: sktensor.load(p), lambda p=given: sktensor.save(fast, p, overwrite=True)):
                with pytest.raises(OSError, match=f"It is {kind}"):
                    call()


def test_a_folder_is_refused_by_name(fast, tmp_path):
    for call in (lambda: sktensor.load(tmp_path), lambda: sktensor.save(fast, tmp_path, overwrite=True)):
        with pytest.raises(IsADirectoryError, match=r"It is a folder.*Give the path of a file"):
            call()


# --- what is no path ------------------------------------------------------------------------------------------------


def test_a_file_descriptor_is_refused_and_stays_open(fast, path):
    sktensor.save(fast, path)
    with open(path, "rb") as file:
        for call in (lambda: sktensor.load(file.fileno()), lambda: sktensor.save(fast, file.fileno())):
            with pytest.raises(TypeError, match=r"got the integer .*: file descriptors are not taken.*Give the path"):
                call()
        assert file.read() == path.read_bytes()


def test_an_open_file_is_refused_with_what_to_give(fast, path):
    sktensor.save(fast, path)
    with open(path, "rb") as file:
        for call in (lambda: sktensor.load(file), lambda: sktensor.save(fast, file)):
            with pytest.raises(TypeError, match=r"os\.PathLike, got BufferedReader\. Of an open file, give the path"):
                call()


@pytest.mark.parametrize("kind", [bytes, bytearray, str])
def test_the_content_of_a_file_in_place_of_its_path_is_a_short_error(kind, fast, path):
    sktensor.save(fast, path)
    data = path.read_bytes()
    given = data.decode("latin-1") if kind is str else kind(data)
    for call in (lambda: sktensor.load(given), lambda: sktensor.save(fast, given)):
        with pytest.raises((ValueError, TypeError), match=r"takes the path of a file, as str, bytes.*, got ") as caught:
            call()
        assert len(str(caught.value)) < 250


@pytest.mark.parametrize("given", ["", b""])
def test_an_empty_path_is_refused(given, fast):
    for call in (lambda: sktensor.load(given), lambda: sktensor.save(fast, given)):
        with pytest.raises(ValueError, match="got an empty one"):
            call()


def test_a_long_path_is_not_printed_whole(fast):
    for given in ("x" * 10**6, b"x" * 10**6):
        with pytest.raises(ValueError, match=r"1,000,000 .* are no path"):
            sktensor.load(given)
