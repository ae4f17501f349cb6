"""The prompt of a fake node in a real terminal: a pty with a terminal emulator."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

HOST = Path(__file__).with_name("prompt_host.py")
DEADLINE_S = 20.0


class _Screen(pyte.Screen):
    """A screen that answers where its cursor is, as terminals do."""

    def __init__(self, child: pexpect.spawn) -> None:
        super().__init__(90, 60)
        self._child = child

    def write_process_input(self, data: str) -> None:
        self._child.send(data)


class Terminal:
    """A prompt; all that it sent is kept in `raw`."""

    def __init__(self, history: Path, **environment: str) -> None:
        own = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(HOST.parents[1])}
        own.pop("NO_COLOR", None)
        env = {**own, **environment}
        self.raw = b""
        self.child = pexpect.spawn(
            sys.executable, [str(HOST), str(history)], dimensions=(60, 90), env=env, timeout=DEADLINE_S
        )
        self.child.delaybeforesend = None
        self._screen = _Screen(self.child)
        self._stream = pyte.ByteStream(self._screen)
        self.wait_prompt("")

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def input_line(self) -> str | None:
        """Return what is typed at the open prompt."""
        line = self._screen.display[self._screen.cursor.y]
        return line[len("gossip> ") :].rstrip() if line.startswith("gossip> ") else None

    def wait(self, is_there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not is_there():
            assert time.monotonic() < deadline, "\n".join(self.lines())
            try:
                sent = self.child.read_nonblocking(65_536, timeout=0.1)
            except pexpect.TIMEOUT:
                continue
            self.raw += sent
            self._stream.feed(sent)

    def wait_line(self, pattern: str) -> re.Match[str]:
        self.wait(lambda: any(re.fullmatch(pattern, line) for line in self.lines()))
        return [m for line in self.lines() if (m := re.fullmatch(pattern, line))][-1]

    def wait_prompt(self, text: str) -> None:
        self.wait(lambda: self.input_line() == text)

    def type(self, text: str) -> None:
        self.child.send(text)

    def emit(self, number: signal.Signals) -> None:
        os.kill(self.child.pid, number)

    def wait_exit(self) -> str:
        """Return the last line once the process has ended with status 0."""
        self._stream.feed(self.child.read())
        self.child.wait()
        assert (self.child.exitstatus, self.child.signalstatus) == (0, None)
        return self.lines()[-1]
