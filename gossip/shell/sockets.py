"""Where control sockets are, how one is put there for its owner alone, and how it is found again."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from time import monotonic

import gevent
from gevent import socket

from gossip.core.address import Address, AddressError

_BACKLOG = 16
_PATH_BYTES_MAX = 103  # one fewer than the strictest system has room for
_LOCK_TRIES, _LOCK_EVERY_S = 50, 0.02  # whoever else starts a node needs the folder for a moment only
_CONNECT_S, _CONNECT_EVERY_S = 2.0, 0.02  # while as many wait for the node as may
_FOUND_MAX = 256


class SocketError(Exception):
    """There can be no such socket, or it cannot be reached; the text is one line for the user."""


class Ambiguous(SocketError):
    """More than one node runs, and none was chosen."""


def default_path(address: Address) -> Path:
    """Return where the control socket of a node is, by default."""
    return _folders()[0] / _name(address)


def _name(address: Address) -> str:
    return f"{address.file_name}.sock"


def _folders() -> list[Path]:
    """Return where to put sockets, then where they may be besides: a service often lacks the variable."""
    temporary = Path(tempfile.gettempdir()) / f"gossipd-{os.geteuid()}"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    is_there = os.path.isabs(runtime) and os.path.isdir(runtime)
    return [Path(runtime) / "gossipd", temporary] if is_there else [temporary]


def _is_private(folder: Path) -> bool:
    """Tell whether a folder is this user's alone: in another's, anybody may have put a socket."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def listen_at(path: Path, *, is_default: bool) -> socket.socket:
    """Listen on a socket that only its owner can open, from its first moment on; raise SocketError.

    It is made under another name in a private folder, then moved: that also replaces a stale one at once.
    """
    folder = path.parent
    if len(os.fsencode(path)) > _PATH_BYTES_MAX:
        raise SocketError(f"{path}: expected a path of at most {_PATH_BYTES_MAX} bytes")
    try:
        if is_default:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(folder):
                raise SocketError(f"{folder}: expected a folder of mode 0700 of this user's own")
        with _locked(folder), tempfile.TemporaryDirectory(prefix=".", dir=folder) as private:
            _check_free(path)
            if is_default:
                _sweep(folder)
            made = Path(private) / "s"
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.bind(str(made))
                made.chmod(0o600)
                sock.listen(_BACKLOG)
                made.replace(path)
            except OSError:
                sock.close()
                raise
            return sock
    except OSError as error:
        raise SocketError(f"{path}: cannot listen there ({error.strerror or error})") from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other nodes out while a path is looked at and taken."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not any(_is_locked_now(lock) for _ in range(_LOCK_TRIES)):
            raise SocketError(f"{folder}: another process holds a lock on it")
        yield
    finally:
        os.close(lock)


def _is_locked_now(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        gevent.sleep(_LOCK_EVERY_S)
        return False
    return True


def _check_free(path: Path) -> None:
    """Raise SocketError unless there is nothing at a path, or a socket that nobody listens on."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketError(f"{path}: is no socket, and is left as it is; choose another path")
    if not _is_stale(path):
        raise SocketError(f"{path}: another process listens there; choose another path")


def _is_stale(path: Path) -> bool:
    """Tell whether a killed process left a socket; never waits, however busy the one who listens is."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as sock:
        sock.setblocking(False)
        return bool(sock.connect_ex(str(path)) == errno.ECONNREFUSED)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left: a socket appears listening, so one that refuses is dead for good."""
    for path in islice(folder.glob("*.sock"), _FOUND_MAX):
        if _is_stale(path):
            path.unlink(missing_ok=True)


def is_same(path: Path, inode: int) -> bool:
    """Tell whether a path is still the file with this inode."""
    with suppress(OSError):
        return path.lstat().st_ino == inode
    return False


def connect(path: Path) -> socket.socket:
    """Connect to a control socket; raise SocketError, caused by the OSError, where that cannot be."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _connect(sock, str(path), monotonic() + _CONNECT_S)
        sock.settimeout(None)  # a node may take its time over a command
    except OSError as error:
        sock.close()
        missing = error.errno in (errno.ENOENT, errno.ECONNREFUSED)
        why = "no node listens there" if missing else f"cannot be reached ({error.strerror or error})"
        raise SocketError(f"{path}: {why}") from error
    return sock


def _connect(sock: socket.socket, path: str, deadline: float) -> None:
    """Connect, trying again while the queue of those who wait is full: there is nothing to wait on for it."""
    sock.setblocking(False)
    while True:
        try:
            sock.connect(path)
            return
        except BlockingIOError:
            if monotonic() >= deadline:
                raise TimeoutError("timed out") from None
        gevent.sleep(_CONNECT_EVERY_S)


def reach(where: str | None) -> socket.socket:
    """Connect to the node at a path or an address, or to the only one of this user's that runs.

    Raise SocketError when there is none, Ambiguous when there are several to choose from.
    """
    if where is not None:
        return connect(_path_of(where))
    live = {path: sock for path in _found() if (sock := _try(path)) is not None}
    if len(live) == 1:
        return live.popitem()[1]
    for sock in live.values():
        sock.close()
    if live:
        listed = ", ".join(str(path) for path in live)
        raise Ambiguous(f"several nodes run; say which: {listed}")
    raise SocketError(f"no node of yours has its control socket in {' or '.join(map(str, _folders()))}")


def _path_of(where: str) -> Path:
    """Read an address as the path of its node's socket, and all else as a path."""
    try:
        name = _name(Address.parse(where))
    except AddressError:
        return Path(where).expanduser()
    there = [folder / name for folder in _folders() if _is_private(folder)]
    return next((path for path in there if path.exists()), _folders()[0] / name)


def _found() -> list[Path]:
    private = [folder for folder in _folders() if _is_private(folder)]
    return sorted(path for folder in private for path in folder.glob("*.sock"))[:_FOUND_MAX]


def _try(path: Path) -> socket.socket | None:
    try:
        return connect(path)
    except SocketError:
        return None
