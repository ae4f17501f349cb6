"""Callers that were answered whole and may still reply: they wait together, without a greenlet each."""

from __future__ import annotations

import select
from collections.abc import Callable
from socket import MSG_DONTWAIT
from time import monotonic
from typing import Any, NamedTuple

from gevent.monkey import get_original

# Nothing here waits, and gevent's own version is for those who do.
_epoll = get_original("select", "epoll")
_CHUNK = 16_384
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

    def __init__(self, loop: Any, timeout_s: float, spoke: Spoke) -> None:
        self._timer = loop.timer(_LOOK_EVERY_S, repeat=_LOOK_EVERY_S)
        self._timeout_s = timeout_s
        self._spoke = spoke
        self._epoll: Any = None
        self._callers: dict[int, _Caller] = {}  # by descriptor, the one out of time first in front

    def __len__(self) -> int:
        return len(self._callers)

    def add(self, sock: Any, host: str) -> None:
        """Wait for what a caller says, whose answer was sent and ended."""
        if self._epoll is None:
            self._epoll = _epoll()
        if not self._callers:
            self._timer.start(self._look)
        fd = sock.fileno()
        self._epoll.register(fd, select.POLLIN)  # a closed socket leaves it by itself
        self._callers[fd] = _Caller(sock, host, monotonic() + self._timeout_s)

    def drop_longest(self) -> None:
        """Close the caller that has waited longest."""
        self._callers.pop(next(iter(self._callers))).sock.close()

    def close(self) -> None:
        """Close all."""
        self._timer.stop()
        while self._callers:
            self.drop_longest()
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None

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
