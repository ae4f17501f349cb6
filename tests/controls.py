"""A control socket in this process on a fake node, and clients of it, for the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
from gevent import Greenlet, Timeout, socket

from gossip.core.settings import ControlSettings
from gossip.shell.control import ControlServer
from gossip.shell.remote import Remote
from gossip.shell.sockets import connect, listen_at
from tests.fake_console import FakeConsole
from tests.peers import no_descriptor_left

DEADLINE_S = 10.0


class Served:
    """A control socket on a node, and the ends of it that a test opened."""

    def __init__(self, path: Path, console: Any, **settings: Any) -> None:
        self.path, self.console = path, console
        self.crashes: list[Greenlet] = []
        sock = listen_at(path, is_default=False)
        chosen = ControlSettings(**settings)
        self.server = ControlServer(sock, path, console, chosen, self.crashes.append)
        self.server.start()
        self._opened: list[Any] = []

    def dial(self) -> Client:
        self._opened.append(Client(connect(self.path)))
        return self._opened[-1]

    def remote(self) -> Remote:
        self._opened.append(Remote(connect(self.path)))
        return self._opened[-1]

    def close(self) -> None:
        for one in self._opened:
            one.close()
        self.server.close()


class Client:
    """One who writes bytes and reads lines."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(DEADLINE_S)
        self._file = sock.makefile("rb")
        self.hello = self.read()

    def read(self) -> Any:
        """Return the next answer, or None at the end."""
        try:
            line = self._file.readline()
        except ConnectionResetError:  # it was sent away with something unread
            return None
        return json.loads(line) if line else None

    def ask(self, raw: bytes) -> Any:
        self.sock.sendall(raw)
        return self.read()

    def run(self, line: str) -> Any:
        return self.ask(json.dumps({"do": "run", "id": 1, "line": line}).encode() + b"\n")

    def close(self) -> None:
        self._file.close()
        self.sock.close()


Serve = Callable[..., Served]


@contextmanager
def serving(path: Path) -> Iterator[Serve]:
    """Give what opens control sockets at a path; fail when a greenlet died, or a descriptor is left."""
    opened: list[Served] = []

    def start(console: Any = None, **settings: Any) -> Served:
        opened.append(Served(path, console or FakeConsole(), **settings))
        return opened[-1]

    with no_descriptor_left():
        yield start
        for one in opened:
            one.close()
    assert not [crash for one in opened for crash in one.crashes]


def until(is_so: Callable[[], bool]) -> None:
    with Timeout(DEADLINE_S):
        while not is_so():
            gevent.sleep(0.005)
