"""Callers that were answered whole and may still reply: they wait together, without a greenlet each."""

from __future__ import annotations

import select
from collections.abc import Callable
from fcntl import ioctl
from socket import MSG_DONTWAIT
from termios import FIONREAD
from time import monotonic
from typing import Any, NamedTuple

from gevent.monkey import get_original

from gossip.core.settings import ReplySettings

# Nothing here waits, and gevent's own version is for those who do.
_epoll = get_original("select", "epoll")
_CHUNK = 16_384
_NOTHING = bytes(4)  # 0 as a C int
# Looking at all of them now and then costs each less than half of what a watcher of its own does.
_LOOK_EVERY_S = 0.01

Spoke = Callable[[Any, str, bytes, float], None]


class _Caller(NamedTuple):
    sock: Any
    host: str
    deadline: float


class Lingering:
    """Closes each caller when it ends its side or is out of time; one that says something goes to `spoke`.

    `spoke(socket, IP, first bytes, deadline)` owns the socket from then on. Sockets are those of `_socket`.
    """

    def __init__(self, loop: Any, settings: ReplySettings, spoke: Spoke) -> None:
        self._timer = loop.timer(_LOOK_EVERY_S, repeat=_LOOK_EVERY_S)
        self._settings = settings
        self._spoke = spoke
        self._epoll = _epoll()
        self._callers: dict[int, _Caller] = {}  # by descriptor, the one out of time first in front

    def use(self, settings: ReplySettings) -> None:
        """Go by these settings from now on, also for those who wait."""
        self._settings = settings
        latest = monotonic() + settings.reply_timeout_s
        for fd, caller in self._callers.items():
            self._callers[fd] = caller._replace(deadline=min(caller.deadline, latest))

    def __len__(self) -> int:
        return len(self._callers)

    def add(self, sock: Any, host: str) -> None:
        """Wait for what a caller says, whose answer was sent and ended."""
        if not self._callers:
            self._timer.start(self._look)
        fd = sock.fileno()
        self._epoll.register(fd, select.POLLIN)  # a closed socket leaves it by itself
        self._callers[fd] = _Caller(sock, host, monotonic() + self._settings.reply_timeout_s)

    def drop_longest(self) -> None:
        """Close the caller that has waited longest."""
        close_without_reset(self._callers.pop(next(iter(self._callers))).sock, self._settings.max_bytes)

    def close(self) -> None:
        """Close all; nobody is added any more."""
        self._timer.stop()
        while self._callers:
            self.drop_longest()
        self._epoll.close()

    def _look(self) -> None:
        for fd, _ in self._epoll.poll(0):
            caller = self._callers.pop(fd)
            try:
                data = caller.sock.recv(_CHUNK, MSG_DONTWAIT)
            except OSError:
                data = b""  # reset
            if data:
                self._epoll.unregister(fd)
                self._spoke(caller.sock, caller.host, data, caller.deadline)
            else:
                caller.sock.close()
        now = monotonic()
        while self._callers and next(iter(self._callers.values())).deadline <= now:
            self.drop_longest()
        if not self._callers:
            self._timer.stop()


def close_without_reset(sock: Any, max_bytes: int) -> None:
    """Close a socket of `_socket` after reading out what has come in, for that would reset the connection.

    A reset can destroy an answer that was sent and not read yet. At most about `max_bytes` are read.
    """
    try:
        while max_bytes > 0 and ioctl(sock, FIONREAD, _NOTHING) != _NOTHING:
            max_bytes -= len(sock.recv(_CHUNK, MSG_DONTWAIT))
    except OSError:
        pass  # it went away
    sock.close()
