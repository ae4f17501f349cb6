"""The snapshot's file: written so that a crash at any moment leaves one that loads.

Two lines: a header with the digest of the second, and the snapshot as JSON. A file that is damaged,
or of something else, is set aside under another name, never overwritten.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from itertools import count
from pathlib import Path

import msgspec

from gossip.core.address import Address
from gossip.core.snapshot import Snapshot

_FORMAT = "gossipd snapshot"
_VERSION = 1


class StoreError(Exception):
    """The folder cannot be used; the text is one line for the user."""


class DamagedFile(Exception):
    """The file was no snapshot that can be used; it was renamed to `aside`."""

    def __init__(self, reason: str, aside: Path) -> None:
        super().__init__(reason)
        self.aside = aside


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    sha256: str


class Store:
    """One node's file in a folder; holds a lock on it until closed."""

    def __init__(self, folder: str, address: Address) -> None:
        """Make the folder if need be and take the lock; raise StoreError where that cannot be."""
        self._address = address
        self._is_open = False
        name = address.file_name
        try:
            self._folder = Path(folder).expanduser()
            self.path = self._folder / f"{name}.json"
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._is_open = True
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise StoreError(
                f"node.data_dir = {folder!a}: another process runs {address} on it; stop that one, "
                "or choose another folder or address"
            ) from None
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: there is no such ~user
            self.close()
            reason = getattr(error, "strerror", None) or error
            raise StoreError(f"node.data_dir = {folder!a}: cannot be used ({reason})") from None

    def load(self) -> Snapshot | None:
        """Return the snapshot, None if there is no file; raise DamagedFile after setting one aside.

        Raise StoreError for one that can be neither read nor set aside.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be read ({error.strerror})") from None
        try:
            return self._parse(data)
        except (ValueError, msgspec.MsgspecError) as error:
            reason = str(error)
        raise DamagedFile(reason, self._set_aside())

    def save(self, snapshot: Snapshot) -> None:
        """Write the snapshot: a temporary file, fsync, rename, fsync of the folder. Raises OSError."""
        body = msgspec.json.encode(snapshot)
        header = msgspec.json.encode(_Header(_FORMAT, _VERSION, hashlib.sha256(body).hexdigest()))
        temporary = self.path.with_suffix(".tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        with os.fdopen(fd, "wb") as file:
            file.write(header + b"\n" + body + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Release the lock; to do so again is nothing, for its descriptor may be another file's by then."""
        if self._is_open:
            self._is_open = False
            os.close(self._lock)

    def _parse(self, data: bytes) -> Snapshot:
        head, _, body = data.partition(b"\n")
        header = msgspec.json.decode(head, type=_Header)
        if header.format != _FORMAT or header.version != _VERSION:
            raise ValueError(f"it is {header.format!a} version {header.version}, not {_FORMAT!a} {_VERSION}")
        body = body.removesuffix(b"\n")
        if hashlib.sha256(body).hexdigest() != header.sha256:
            raise ValueError("its digest does not match")
        snapshot = msgspec.json.decode(body, type=Snapshot)
        if snapshot.address != self._address:
            raise ValueError(f"it is of {snapshot.address}, not of {self._address}")
        addresses = [member.entry.address for member in snapshot.members]
        for address in [*addresses, *(record.address for record in snapshot.blacklist)]:
            Address.parse(str(address))
        return snapshot

    def _set_aside(self) -> Path:
        names = (self.path.with_suffix(f".damaged-{number}") for number in count(1))
        aside = next(name for name in names if not os.path.lexists(name))
        try:
            os.replace(self.path, aside)
        except OSError as error:
            raise StoreError(f"{self.path}: damaged, cannot be set aside ({error.strerror})") from None
        return aside
