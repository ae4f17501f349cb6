"""A command in a real terminal: a pty with a terminal emulator."""

from __future__ import annotations

import os
import re
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pexpect
import pyte

from tests.processes import DEADLINE_S, ROOT, environment

ROWS, COLUMNS = 200, 160


class _Screen(pyte.Screen):
    """A screen that answers where its cursor is, as terminals do."""

    def __init__(self, child: pexpect.spawn, rows: int, columns: int) -> None:
        super().__init__(columns, rows)
        self._child = child

    def write_process_input(self, data: str) -> None:
        self._child.send(data)


class Terminal:
    """A command in a terminal that is tall enough, unless told otherwise, for nothing to scroll away."""

    def __init__(
        self, home: Path, command: Sequence[str], *, rows: int = ROWS, columns: int = COLUMNS
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.child = pexpect.spawn(
            command[0],
            list(command[1:]),
            dimensions=(rows, columns),
            env=environment(home),
            cwd=str(ROOT),
            timeout=DEADLINE_S,
        )
        self.child.delaybeforesend = None
        self.modes_before = self.modes()
        self.seen: list[str] = []  # every line that ever stood on the screen, once
        self.raw = b""  # all that it was sent
        self._screen = _Screen(self.child, rows, columns)
        self._stream = pyte.ByteStream(self._screen)

    def modes(self) -> list[Any]:
        """Return the terminal's modes, which outlive the process."""
        return termios.tcgetattr(self.child.child_fd)[:4]

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def row(self, number: int) -> str:
        """Return a row of the screen as it is now, the last one for -1."""
        return str(self._screen.display[number]).rstrip()

    def resize(self, rows: int, columns: int) -> None:
        self._screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def prompt(self) -> str | None:
        """Return what stands in the prompt that is open."""
        line = self._screen.display[self._screen.cursor.y]
        return line[len("gossip> ") :].rstrip() if line.startswith("gossip> ") else None

    def read(self) -> bool:
        """Read what has come; return False once there will be no more."""
        try:
            data = self.child.read_nonblocking(65_536, timeout=0.05)
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            return isinstance(error, pexpect.TIMEOUT)
        self.raw += data
        self._stream.feed(data)
        self.seen += [line for line in self.lines() if line not in self.seen]
        return True

    def wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not is_so():
            assert time.monotonic() < deadline, "\n".join(self.lines())
            self.read()

    def wait_line(self, pattern: str) -> re.Match[str]:
        """Wait for a line that matches as a whole; one that has gone since counts too."""
        self.wait(lambda: any(re.fullmatch(pattern, line) for line in self.seen))
        return next(m for line in self.seen if (m := re.fullmatch(pattern, line)))

    def type(self, text: str) -> None:
        self.child.send(text)

    def wait_exit(self) -> int | None:
        """Return the exit status once the process has ended, None if a signal ended it."""
        self.wait(lambda: not self.child.isalive())
        self.wait(lambda: not self.read())  # its last words
        status: int | None = self.child.exitstatus
        return status

    def vanish(self) -> int:
        """Close the terminal, as the end of its window does, and return how the process ended."""
        self.child.ptyproc.fileobj.close()
        ended = os.waitstatus_to_exitcode(os.waitpid(self.child.pid, 0)[1])
        self.child.closed = self.child.terminated = True
        self.child.ptyproc.closed = self.child.ptyproc.terminated = True
        return ended

    def close(self) -> None:
        self.child.close(force=True)
