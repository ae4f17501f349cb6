"""The listener: every caller gets the table at once, in one write, and a graceful end.

A stuck, slow or hostile caller costs one greenlet for a bounded time and delays nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import monotonic

import gevent
from gevent import Greenlet, socket
from gevent.server import StreamServer

from gossip.core.attacks import Step
from gossip.core.settings import ListenerSettings

Answer = bytes | Iterator[Step]
_CHUNK = 16_384


def listening_socket(host: str, port: int, backlog: int) -> socket.socket:
    """Bind and listen; raise OSError. A wildcard IPv6 socket takes IPv4 callers too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        sock.bind((host, port))
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


class Listener(StreamServer):  # type: ignore[misc]
    """Answers every caller with `answer(its IP)`; a caller's faults end with its own connection.

    `on_crash` is told of greenlets that die of a bug of ours.
    """

    def __init__(
        self,
        sock: socket.socket,
        settings: ListenerSettings,
        answer: Callable[[str], Answer],
        on_crash: Callable[[Greenlet], None],
    ) -> None:
        super().__init__(sock, self._serve)
        self._settings = settings
        self._answer = answer
        self._on_crash = on_crash
        self._callers: dict[Greenlet, None] = {}

    def close_callers(self) -> None:
        """End whatever callers are still connected."""
        gevent.killall(list(self._callers))

    def _serve(self, sock: socket.socket, address: tuple[str, int]) -> None:
        me = gevent.getcurrent()
        me.link_exception(self._on_crash)
        if len(self._callers) >= self._settings.max_callers:
            # The caller held longest has had the most time: it makes room, so that nobody waits. It
            # is out at once: each caller of a burst must evict another one.
            longest = next(iter(self._callers))
            del self._callers[longest]
            longest.kill(block=False)
        self._callers[me] = None
        try:
            self._serve_until(sock, address[0], monotonic() + self._settings.answer_timeout_s)
        except OSError:
            pass  # The caller went away, or was too slow for the deadline.
        finally:
            self._callers.pop(me, None)

    def _serve_until(self, sock: socket.socket, host: str, deadline: float) -> None:
        for step in _steps(self._answer(host.removeprefix("::ffff:"))):
            left_s = deadline - monotonic()
            if left_s <= 0:
                return
            if isinstance(step, bytes):
                sock.settimeout(left_s)
                sock.sendall(step)
            else:
                gevent.sleep(min(step, left_s))
        sock.shutdown(socket.SHUT_WR)
        self._read_out(sock, min(deadline, monotonic() + self._settings.linger_s))

    def _read_out(self, sock: socket.socket, deadline: float) -> None:
        """Wait for the caller to end its side: closing over unread bytes would reset the connection."""
        unread = self._settings.linger_max_bytes
        while unread > 0 and (left_s := deadline - monotonic()) > 0:
            sock.settimeout(left_s)
            chunk = sock.recv(min(_CHUNK, unread))
            if not chunk:
                return
            unread -= len(chunk)


def _steps(answer: Answer) -> Iterable[Step]:
    if isinstance(answer, bytes):
        yield answer
        return
    for step in answer:
        yield step
        yield 0.0  # Sending to a fast reader never waits: an endless strategy would stop the whole node.
