"""A file that is rotated by size and age, and reopened on request: `log`, `log.1` (the last), `log.2` …"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gossip.core.settings import LogSettings
from gossip.log.writer import Written, write_lines
from gossip.ship.formats import head_of, unix_ns


class RotatedFile:
    """A file, for a Writer; whole lines only in each."""

    def __init__(self, path: str, settings: LogSettings, now: Callable[[], float] = time.time) -> None:
        """Open the file, to append; raises OSError."""
        self._path = Path(path).expanduser()
        self._settings = settings
        self._now = now
        self._is_stale = False
        self._fd = self._size = -1
        self._born = 0.0
        self._open()

    def reopen(self) -> None:
        """Write to whatever is at the path from the next line on: somebody has moved the file away."""
        self._is_stale = True

    def put(self, torn: bytes, lines: Sequence[bytes], stopped: Callable[[], bool]) -> Written:
        """Write lines, after a rotation if one is due; runs in the Writer's thread."""
        done = 0
        while True:
            try:
                if not torn:
                    self._turn(len(lines[done]) if lines[done:] else 0)
            except OSError as error:
                return Written(done, torn, error)
            room = self._room_for(lines, done)
            written = write_lines(self._fd, torn, lines[done:room], stopped)
            self._size = os.lseek(self._fd, 0, os.SEEK_END)
            done += written.lines
            if written.torn or written.error is not None or done == len(lines) or stopped():
                return Written(done, written.torn, written.error)
            torn = b""

    def written(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _room_for(self, lines: Sequence[bytes], start: int) -> int:
        """Return the end of the run of lines that fit; one always does."""
        size = self._size
        for end in range(start, len(lines)):
            size += len(lines[end])
            if size > self._settings.rotate_max_bytes and end > start:
                return end
        return len(lines)

    def _turn(self, next_bytes: int) -> None:
        if self._is_stale:
            self._is_stale = False
            self._open()
        elif self._size and self._is_due(next_bytes):
            self._rotate()

    def _is_due(self, next_bytes: int) -> bool:
        settings = self._settings
        too_big = self._size + next_bytes > settings.rotate_max_bytes
        return too_big or 0 < settings.rotate_max_age_s <= self._now() - self._born

    def _rotate(self) -> None:
        """Move each to the next number, so that the last falls out."""
        if self._is_regular:
            for number in range(self._settings.rotate_keep, 0, -1):
                older = self._numbered(number)
                newer = self._numbered(number - 1) if number > 1 else self._path
                if newer.exists():
                    os.replace(newer, older)
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _open(self) -> None:
        # Non-blocking to open only: a named pipe that nobody reads is an error, not a node that hangs.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        fd = os.open(self._path, flags, 0o644)
        os.set_blocking(fd, True)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._is_regular = self._path.is_file()
        self._size = os.fstat(fd).st_size
        self._born = self._first_written() if self._size else self._now()

    def _first_written(self) -> float:
        """Return when the first line was, so that a restart does not make a file young again."""
        with self._path.open("rb") as file:
            ns = unix_ns(head_of(file.readline(65_536)).ts)
        return ns / 1e9 if ns else self._now()
