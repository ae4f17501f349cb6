"""The spool: events on disk until every collector has them, within a bound.

- `put`, and with it all that changes segments, runs in the one native thread of a Writer; readers run in
  another. What both look at (`end`, `bases`) is replaced whole, never changed in place.
- A line is there once the system has taken it: it survives `kill -9`, and a power cut once it was
  synced, which happens when a segment is complete and at the end.
- A line that a killed process or a full disk cut is never read: `end` is after the last whole one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from gossip.log.writer import Written, write_lines
from gossip.ship import offsets
from gossip.ship.segments import (
    SEGMENT_MIN_BYTES,
    Point,
    base_for,
    bases_of,
    read_by_all,
    segment_bytes,
    segment_name,
    too_old,
)

_READ_BYTES: Final = 1024 * 1024


class SpoolError(Exception):
    """The folder cannot be used; the text is one line for the user."""


class Spool:
    """One process's spool; holds a lock on its folder until closed."""

    def __init__(self, folder: str | Path, max_bytes: int) -> None:
        """Make the folder if need be, lock it, and cut off what a crash left half-written.

        Raise SpoolError where that cannot be.
        """
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes(max_bytes)
        self._lock = self._fd = -1
        self.bases: tuple[Point, ...] = ()
        self.end = Point(0, 0)
        self._begun = 0  # bytes of a line that a full disk cut
        self.on_written: Callable[[], None] = lambda: None  # called on the hub
        self.readers: Callable[[], Iterable[Point]] = lambda: self.bases[:1]  # none yet: all stays
        try:
            self.folder = Path(folder).expanduser()
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._recover()
        except BlockingIOError:
            self.close()
            self.release()
            raise SpoolError(
                f"log.spool_dir = {str(folder)!a}: another process ships from it; stop that one, or choose "
                "another folder"
            ) from None
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: there is no such ~user
            self.close()
            reason = getattr(error, "strerror", None) or error
            if isinstance(error, FileExistsError):
                reason = "there is something of that name that is no folder"
            raise SpoolError(f"log.spool_dir = {str(folder)!a}: cannot be used ({reason})") from None

    # By the Writer's thread.

    def put(self, torn: bytes, lines: Sequence[bytes], stopped: Callable[[], bool]) -> Written:
        """Append lines, into a new segment where the last one is complete; what has gone is deleted."""
        try:
            torn = self._tidy(torn)
        except OSError as error:
            return Written(0, torn, error)
        written = write_lines(self._fd, torn, lines, stopped)
        size = os.lseek(self._fd, 0, os.SEEK_END)
        whole = written.lines
        if not written.torn:
            self._begun, whole = 0, whole + bool(torn)
        elif written.lines:
            self._begun, whole = len(lines[whole - 1]) - len(written.torn), whole - 1 + bool(torn)
        else:
            self._begun += len(torn) - len(written.torn)
        self.end = Point(self.bases[-1].byte + size - self._begun, self.end.line + whole)
        return written

    def close(self) -> None:
        """Sync what was written; nothing more comes."""
        if self._fd >= 0:
            with suppress(OSError):
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _tidy(self, torn: bytes) -> bytes:
        """Make room; return the rest of the begun line, or all of it where the next segment has to have it.

        A segment that all have read goes before it is complete, or a disk that it fills would stay full.
        """
        size = self.end.byte - self.bases[-1].byte
        is_read = size > 0 and min(self.readers(), default=self.end).byte >= self.end.byte
        if (is_read and (torn or size >= SEGMENT_MIN_BYTES)) or (not torn and size >= self._segment_bytes):
            if not is_read:
                os.fsync(self._fd)
            torn = os.pread(self._fd, self._begun, size) + torn
            self._begin(self.end)
            self._begun = 0
        gone = {*read_by_all(self.bases, self.readers()), *too_old(self.bases, self.end, self._max_bytes)}
        if gone:
            self.bases = tuple(base for base in self.bases if base not in gone)
            for base in gone:
                self._path(base).unlink(missing_ok=True)
        return torn

    def _begin(self, base: Point) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(self._path(base), flags, 0o640)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self.end = fd, base
        self.bases = (*(known for known in self.bases if known != base), base)

    def _recover(self) -> None:
        """Find the segments, cut the last one after its last whole line, and go on there."""
        self.bases = bases = tuple(bases_of(os.listdir(self.folder)))
        if bases:
            self._begin(bases[-1])
            self.end = _whole(self._fd, bases[-1])
            os.ftruncate(self._fd, self.end.byte - bases[-1].byte)
        # A power cut, or somebody's hand, may have taken lines that were shipped: none may get their numbers.
        shipped = offsets.furthest(self.folder)
        if not bases or shipped.byte > self.end.byte:
            self._begin(Point(max(shipped.byte, self.end.byte), max(shipped.line, self.end.line)))

    def _path(self, base: Point) -> Path:
        return self.folder / segment_name(base)

    # On the hub.

    def release(self) -> None:
        """Let go of the folder, once nobody reads any more."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def written(self) -> None:
        """Tell whoever ships that there are further lines."""
        self.on_written()

    # By a reader's thread.

    def read(self, at: Point, max_lines: int, max_bytes: int) -> tuple[Point, bytes]:
        """Return up to so many whole lines, one at least but none at the end, and where they begin.

        That is `at`, or what follows where those are gone. Raises OSError.
        """
        while at.byte < self.end.byte:
            bases, end = self.bases, self.end
            base = base_for(bases, at)
            following = next((other for other in bases if other > base), end)
            at = max(at, base)
            try:
                data = _lines_at(self._path(base), at.byte - base.byte, max_bytes, following.byte - at.byte)
            except FileNotFoundError:
                if base in self.bases:  # taken by somebody's hand: as if it had been too old
                    at = following
                continue
            if data:
                return at, cut_lines(data, max_lines)
            at = following  # a segment whose tail was lost
        return at, b""


def cut_lines(data: bytes, max_lines: int) -> bytes:
    """Return the first so many lines."""
    if data.count(b"\n") <= max_lines:
        return data
    return b"".join(data.splitlines(keepends=True)[:max_lines])


def _lines_at(path: Path, offset: int, max_bytes: int, there_are: int) -> bytes:
    """Return whole lines of at most `max_bytes`, or one that is longer."""
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        data = file.read(min(max_bytes, there_are)) or b""
        while b"\n" not in data and len(data) < there_are:
            more = file.read(min(max_bytes, there_are - len(data)))
            if not more:
                break
            data += more
    return data[: data.rfind(b"\n") + 1]


def _whole(fd: int, base: Point) -> Point:
    """Return the point after the last whole line of a segment."""
    read = lines = whole = 0
    os.lseek(fd, 0, os.SEEK_SET)
    while data := os.read(fd, _READ_BYTES):
        last = data.rfind(b"\n")
        if last >= 0:
            whole = read + last + 1
        lines += data.count(b"\n")
        read += len(data)
    return Point(base.byte + whole, base.line + lines)
