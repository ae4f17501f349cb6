"""A file that is rotated by size and age, and reopened on request: `log`, `log.1` (the last), `log.2` …"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gossip.core.settings import LogSettings
from gossip.log.writer import Written, open_to_append, write_lines
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
            self._size = os.fstat(self._fd).st_size  # of a pipe or a terminal 0: these never turn
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
            try:
                self._open()
            except OSError:
                self._is_stale = True  # or what follows would go into the file that was moved away
                raise
        elif self._size and self._is_due(next_bytes):
            self._rotate()

    def _is_due(self, next_bytes: int) -> bool:
        settings = self._settings
        too_big = self._size + next_bytes > settings.rotate_max_bytes
        now = self._now()
        self._born = min(self._born, now)  # a clock that was set back must not make it young for years
        return too_big or 0 < settings.rotate_max_age_s <= now - self._born

    def _rotate(self) -> None:
        """Move each to the next number, up to one that is free; where there is none the last falls out.

        A turn that failed half-way, for want of a descriptor say, is then ended by the next and costs no
        file. Where the file itself may not be moved, it grows: events are worth more than its size.
        """
        if self._is_regular and self._path.exists():
            path, keep = self._path.resolve(), self._settings.rotate_keep  # the file, not a link to it
            names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, keep + 1))]
            free = next((number for number in range(1, keep) if not names[number].exists()), keep)
            try:
                for number in range(free, 0, -1):
                    os.replace(names[number - 1], names[number])
            except OSError:  # this user may not write in its folder
                return
        self._open()

    def _open(self) -> None:
        fd = open_to_append(self._path)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        # /dev/stdout may lead to a regular file, but to one that is not ours to move.
        self._is_regular = self._path.is_file() and not self._path.is_relative_to("/dev")
        self._size = os.fstat(fd).st_size
        self._born = self._first_written() if self._size else self._now()

    def _first_written(self) -> float:
        """Return when the first line was, so that a restart does not make a file young again."""
        with self._path.open("rb") as file:
            ns = unix_ns(head_of(file.readline(65_536)).ts)
        return ns / 1e9 if ns else self._now()
